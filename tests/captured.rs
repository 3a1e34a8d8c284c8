//! Graph replays with the traces of their graphs' capture beside them, through the program.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;
#[path = "common/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kineto::Kineto;
use serde_json::Value;

const GEMM: &str = "Cijk_Alik_Bljk_BBS_BH_MT16x16x512";
const ATTENTION: &str = "paged_attention_ll4mi_QKV_mfma16_kernel";
const BF16: &str = "c10::BFloat16";

/// Six replays of an attention and two products, with the label of eight requests.
fn replays(path: &Path, kernels: [&str; 3]) {
    let mut trace = Kineto::of_rank(0, 1);
    for step in 0..6 {
        let begin = step as f64 * 200.0;
        trace.range("execute_context_0(0)_generation_8(8)", begin, 20.0);
        trace.call("hipGraphLaunch", begin + 5.0, 10.0, step + 1);
        for (nth, kernel) in kernels.into_iter().enumerate() {
            trace.kernel(kernel, begin + 20.0 + nth as f64 * 40.0, 30.0, step + 1);
        }
    }
    trace.write(path);
}

/// The capture of that graph for eight rows, among what an engine does besides.
fn capture(path: &Path, kernels: [&str; 3]) {
    capture_of(path, kernels, 2880);
}

/// As that, with this many columns in the first product.
fn capture_of(path: &Path, kernels: [&str; 3], width: u64) {
    let mut trace = Kineto::of_rank(0, 1);
    trace.range("capture_8_FULL", 0.0, 900.0);
    trace.captured("aten::fill_", &[(&[1], "int")], "warm_up", 5.0, 1);
    trace.kernel("warm_up", 15.0, 5.0, 100_001);
    trace.call("hipStreamBeginCapture", 100.0, 2.0, 200_001);
    trace.call("hipStreamGetCaptureInfo", 103.0, 1.0, 200_002);
    trace.captured("vllm::unified_attention", &[(&[8, 64, 64], BF16)], kernels[0], 110.0, 2);
    trace.captured("aten::mm", &[(&[8, 4096], BF16), (&[4096, width], BF16)], kernels[1], 120.0, 3);
    // On another stream, which was not captured: it ran.
    trace.captured("aten::copy_", &[(&[1], "int")], "beside", 130.0, 4);
    trace.kernel("beside", 135.0, 5.0, 100_004);
    trace.captured("aten::mm", &[(&[8, width], BF16), (&[width, 5120], BF16)], kernels[2], 140.0, 5);
    trace.call("hipStreamEndCapture", 200.0, 2.0, 200_003);
    trace.write(path);
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> Value {
    let output = run(&[&["report", "--format", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    contract::parsed(output.stdout)
}

fn shapes(report: &Value) -> Vec<(u64, u64, u64)> {
    let shapes = report["products"]["shapes"].as_array().map_or(&[][..], |shapes| shapes);
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap();
    let mut shapes: Vec<_> = shapes.iter().map(|row| (number(row, "m"), number(row, "n"), number(row, "k"))).collect();
    shapes.sort_unstable();
    shapes
}

fn drawn() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("decode.json");
    replays(&path, [ATTENTION, GEMM, GEMM]);
    (directory, path)
}

#[test]
fn a_capture_that_is_named_gives_replays_their_shapes_and_without_it_nothing_changes() {
    let (directory, path) = drawn();
    let path = path.to_str().unwrap();
    let without = report(&[path]);
    assert_eq!((&without["captured"], &without["products"]), (&Value::Null, &Value::Null));
    let elsewhere = tempfile::tempdir().unwrap();
    let captured = elsewhere.path().join("captured.json");
    capture(&captured, [ATTENTION, GEMM, GEMM]);
    let mut with = report(&[path, "--capture-trace", captured.to_str().unwrap()]);
    assert_eq!((&with["captured"]["joined"], &with["captured"]["of"]), (&18.into(), &18.into()));
    assert_eq!(with["captured"]["graphs"][0]["kernels"], 3, "neither warm-up nor what ran beside is of the graph");
    assert_eq!(shapes(&with), [(8, 2880, 4096), (8, 5120, 2880)]);
    assert_eq!(with["ranks"], 1);
    // What does not rest on operators is as it was.
    for key in ["totals", "scope", "steps", "categories", "kernels", "layers", "warnings"] {
        assert_eq!(with[key].take(), without[key], "{key}");
    }
    drop(directory);
}

#[test]
fn captures_beside_the_inputs_are_found_and_are_no_ranks() {
    for place in ["capture_traces/rank0.json", "graph_capture_rank_0.1.pt.trace.json"] {
        let (directory, path) = drawn();
        let captured = directory.path().join(place);
        std::fs::create_dir_all(captured.parent().unwrap()).unwrap();
        capture(&captured, [ATTENTION, GEMM, GEMM]);
        for input in [directory.path(), &path] {
            let found = report(&[input.to_str().unwrap()]);
            assert_eq!((&found["captured"]["joined"], &found["ranks"]), (&18.into(), &1.into()), "{place}");
            assert_eq!(shapes(&found).len(), 2);
        }
        let named = report(&[path.to_str().unwrap(), "--capture-trace", directory.path().to_str().unwrap()]);
        assert_eq!(named["captured"]["joined"], 18);
        let export = |format| {
            let output = run(&["export", path.to_str().unwrap(), "--whole-trace", "--format", format]);
            String::from_utf8(output.stdout).unwrap()
        };
        let table = export("dispatches-csv");
        assert!(
            table.starts_with("rank,stream,")
                && table.lines().next().unwrap().ends_with(",name,op,arguments,module,layer")
        );
        assert!(table.contains(&format!("{GEMM},aten::mm,\"bf16[8, 4096], bf16[4096, 2880]\",,")));
        assert!(export("perfetto").contains("\"op\":\"aten::mm\",\"arguments\":\"bf16[8, 4096], bf16[4096, 2880]\""));
    }
}

#[test]
fn another_model_s_capture_is_refused_by_name_and_one_found_by_itself_is_told() {
    let (directory, path) = drawn();
    let other = directory.path().join("other.json");
    capture(&other, ["norm_of_another", "gemm_of_another", "gemm_of_another_2"]);
    let arguments = ["report", path.to_str().unwrap(), "--format", "json", "--capture-trace", other.to_str().unwrap()];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(65));
    let error = contract::parsed(output.stdout)["error"].take();
    assert_eq!((&error["kind"], &error["path"]), (&"foreign_capture".into(), &other.to_str().unwrap().into()));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("another model") && message.contains("norm_of_another"), "{message}");
    std::fs::rename(&other, directory.path().join("graph_capture.json")).unwrap();
    let found = report(&[path.to_str().unwrap()]);
    assert_eq!(found["captured"]["joined"], 0);
    assert_eq!(found["warnings"][0]["code"], "capture-of-another-model");
}

#[test]
fn products_of_replays_have_bytes_operations_and_a_share_of_the_peak() {
    let (directory, path) = drawn();
    capture(&directory.path().join("graph_capture.json"), [ATTENTION, GEMM, GEMM]);
    let found = report(&[path.to_str().unwrap()]);
    let roofline = &found["roofline"];
    assert_eq!((&roofline["gpu"], &roofline["gpu_assumed"]), (&"MI300X".into(), &false.into()));
    let row = roofline["rows"].as_array().unwrap().iter().find(|row| row["product"]["k"] == 4096).unwrap();
    assert_eq!((&row["op"], &row["arguments"]), (&"aten::mm".into(), &"bf16[8, 4096], bf16[4096, 2880]".into()));
    let bytes = 2 * (8 * 4096 + 4096 * 2880 + 8 * 2880);
    let flops: u64 = 2 * 8 * 4096 * 2880;
    assert_eq!((&row["bytes"], &row["flops"], &row["calls"]), (&bytes.into(), &flops.into(), &6.into()));
    // Each call takes 30 µs; the HBM moves 5.3 TB/s.
    assert!((row["tb_per_s"].as_f64().unwrap() - bytes as f64 / 30e-6 / 1e12).abs() < 1e-9);
    let least_ns = bytes as f64 / 5300.0;
    assert_eq!((&row["bound"], row["least_ns"].as_u64()), (&"memory".into(), Some(least_ns.round() as u64)));
    assert!((row["share_of_peak"].as_f64().unwrap() - least_ns / 30e3).abs() < 1e-9);
    assert_eq!(row["could_save_ns"].as_u64(), Some((6.0 * (30e3 - least_ns)).round() as u64));
    assert_eq!(row["asked_rows"], 8.0);
    // The attention's bytes hang on contexts, which no label tells.
    let attention = roofline["rows"].as_array().unwrap().iter().find(|row| row["category"] == "attention").unwrap();
    assert_eq!((&attention["bytes"], &attention["share_of_peak"]), (&Value::Null, &Value::Null));
}

#[test]
fn tuned_tables_are_compared_by_shape_under_graphs() {
    let (directory, path) = drawn();
    capture(&directory.path().join("graph_capture.json"), [ATTENTION, GEMM, GEMM]);
    let tables = directory.path().join("configs");
    std::fs::create_dir(&tables).unwrap();
    let rows = format!("gfx,cu_num,M,N,K,dtype,us,kernelName\ngfx942,304,8,2880,4096,torch.bfloat16,29.0,{GEMM}\n");
    std::fs::write(tables.join("bf16_tuned_gemm.csv"), rows).unwrap();
    let found = report(&[path.to_str().unwrap(), "--aiter-configs", tables.to_str().unwrap()]);
    let verdict = |k: u64| {
        let rows = found["roofline"]["rows"].as_array().unwrap();
        rows.iter().find(|row| row["product"]["k"] == k).unwrap()["tuned"].clone()
    };
    assert_eq!((verdict(4096), verdict(2880)), ("as_tuned".into(), "untuned_shape".into()));
    assert_eq!(found["tuned"]["untuned"][0]["k"], 2880);
}

#[test]
fn diff_tells_another_backend_from_another_shape() {
    const AITER: &str = "_ZN5aiter24bf16gemm_bf16_tn_256x256E";
    let run_of = |gemm: &str, width: u64| {
        let directory = tempfile::tempdir().unwrap();
        replays(&directory.path().join("decode.json"), [ATTENTION, gemm, gemm]);
        capture_of(&directory.path().join("graph_capture.json"), [ATTENTION, gemm, gemm], width);
        directory
    };
    let switch = |base: &tempfile::TempDir, new: &tempfile::TempDir| {
        let output = run(&["diff", "--format", "json", base.path().to_str().unwrap(), new.path().to_str().unwrap()]);
        let found = contract::parsed(output.stdout);
        let rows = found["kernels"].as_array().unwrap().iter().filter(|row| row["category"] == "gemm");
        rows.map(|row| row["switch"].clone()).collect::<Vec<Value>>()
    };
    let [base, same, other_backend, other_shape] =
        [run_of(GEMM, 2880), run_of(GEMM, 2880), run_of(AITER, 2880), run_of(GEMM, 2624)];
    let all = |found: Vec<Value>, expected: Value| assert!(found.iter().all(|of| *of == expected), "{found:?}");
    all(switch(&base, &same), Value::Null);
    all(switch(&base, &other_backend), "backend".into());
    all(switch(&base, &other_shape), "shape".into());
    std::fs::remove_file(other_backend.path().join("graph_capture.json")).unwrap();
    all(switch(&base, &other_backend), Value::Null);
}

#[test]
fn the_list_for_tuners_has_exactly_the_products_that_ran() {
    let (directory, path) = drawn();
    capture(&directory.path().join("graph_capture.json"), [ATTENTION, GEMM, GEMM]);
    let list = directory.path().join("untuned.csv");
    let output = run(&["tune-list", path.to_str().unwrap(), "-o", list.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "M,N,K,bias,dtype,outdtype,scaleAB,bpreshuffle\n\
                    8,2880,4096,False,torch.bfloat16,torch.bfloat16,False,False\n\
                    8,5120,2880,False,torch.bfloat16,torch.bfloat16,False,False\n";
    assert_eq!(std::fs::read_to_string(&list).unwrap(), expected);
    let none = run(&["tune-list", path.to_str().unwrap(), "--kind", "a8w8", "--format", "json"]);
    assert_eq!(none.status.code(), Some(2), "it has no other format");
    let none = run(&["tune-list", path.to_str().unwrap(), "--kind", "a8w8"]);
    assert_eq!(none.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&none.stderr).contains("left out: 2 products of other types"));
}

#[test]
fn a_trace_without_captures_is_refused_as_one() {
    let (_directory, path) = drawn();
    let output = run(&["report", path.to_str().unwrap(), "--capture-trace", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no graph is captured in it"));
}

#[test]
fn the_real_pair_joins_but_for_what_is_launched_outside_of_its_graph() {
    let pair = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces/dev/kineto_vllm_decode_full_mi300x");
    if !pair.exists() {
        return skip::skip("the pair of a replay and its capture");
    }
    let found = report(&[pair.join("graph_execution.json.gz").to_str().unwrap()]);
    let captured = &found["captured"];
    assert_eq!((&captured["joined"], &captured["of"]), (&421.into(), &425.into()));
    let missed = captured["not_joined"].as_array().unwrap();
    assert!(missed.len() == 4 && missed.iter().all(|row| row["reason"] == "no_graph"));
    assert_eq!(captured["displaced_launches"], 0);
    // The last one is launched by itself, and its operator is in the trace.
    assert_eq!(shapes(&found), [(32, 32, 2880), (32, 2880, 4096), (32, 5120, 2880), (32, 201_088, 2880)]);
    as_tracelens_has_it(&found["roofline"], &pair.join("perf_csvs/GEMM.csv"));
    // Its RMSNorm_fwd.csv and InferenceAttention_fwd.csv, in bytes; the label tells contexts in whole tokens a request.
    let bytes = |kernel: &str| {
        let rows = found["roofline"]["rows"].as_array().unwrap();
        rows.iter().find(|row| row["kernels"][0].as_str().unwrap().contains(kernel)).unwrap()["bytes"].as_f64()
    };
    let mib = f64::from(1 << 20);
    for (kernel, theirs) in [("Rmsnorm2dFwd", 0.708_618_164), ("kernel_unified_attention_3d", 108.089_843_75)] {
        assert!((bytes(kernel).unwrap() / theirs / mib - 1.0).abs() < 0.01, "{kernel}");
    }
    // These layers attend over a window: all of the context would take more than the GPU's bandwidth.
    assert_eq!(bytes("kernel_unified_attention_2d"), None);
}

/// Holds products against TraceLens' table, which lists each twice, by the operator and the one in it. Its megabytes are
/// those of 1024, and its rates are means over the calls.
fn as_tracelens_has_it(roofline: &Value, table: &Path) {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let number = |row: &csv::StringRecord, column: &str| -> f64 {
        row[headers.iter().position(|header| header == column).unwrap()].parse().unwrap()
    };
    let within =
        |ours: f64, theirs: f64, what: &str| assert!((ours / theirs - 1.0).abs() < 0.01, "{what}: {ours} {theirs}");
    let mut products = std::collections::BTreeSet::new();
    for row in &rows {
        let [m, n, k] = ["param: M", "param: N", "param: K"].map(|column| number(row, column) as u64);
        products.insert((m, n, k));
        let of_shape =
            |ours: &&Value| ours["product"]["m"] == m && ours["product"]["n"] == n && ours["product"]["k"] == k;
        let ours: Vec<&Value> = roofline["rows"].as_array().unwrap().iter().filter(of_shape).collect();
        let sum = |key: &str| ours.iter().map(|ours| ours[key].as_f64().unwrap()).sum::<f64>();
        let bytes = ours[0]["bytes"].as_f64().unwrap();
        within(bytes, number(row, "Data Moved (MB)_first") * f64::from(1 << 20), "bytes");
        within(ours[0]["flops"].as_f64().unwrap(), number(row, "GFLOPS_first") * 1e9, "operations");
        within(bytes * sum("calls") / sum("gpu_time_ns") / 1000.0, number(row, "TB/s_mean"), "TB/s");
        within(sum("gpu_time_ns"), number(row, "Kernel Time (µs)_sum") * 1000.0, "time");
    }
    assert_eq!((rows.len(), products.len()), (8, 4));
}
