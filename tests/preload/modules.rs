//! Replays whose modules and operators the hook in Python told while their graph was captured.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::contract;
use crate::harness::{Server, hosts, report, text};

/// Steps that are recorded, and layers of the model.
const STEPS: u64 = 8;
const LAYERS: u64 = 4;

/// A host with the hook and the stand-in for torch on its path.
fn hooked(host: &str, arguments: &[&str]) -> Server {
    let place = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let path = std::env::join_paths([place("python"), hosts(), place("tests/python")]).unwrap();
    Server::python_file(host, arguments).env("PYTHONPATH", path).env("PROFILE_DECODE_MODULES", "1")
}

/// The model of `hosts/modules.py`.
fn model() -> Server {
    hooked("modules.py", &["20"]).steps(STEPS as usize, 5)
}

/// The place of the kernel whose name ends so.
fn slot<'a>(report: &'a Value, end: &str) -> Vec<&'a Value> {
    let slots = report["layers"]["slots"].as_array().unwrap();
    let runs = |slot: &&Value| slot["kernels"][0].as_str().unwrap().ends_with(end);
    slots.iter().filter(runs).collect()
}

#[test]
fn replayed_kernels_have_the_module_layer_operator_and_shape_that_python_told() {
    let run = model().run();
    run.succeeded();
    let report = report(&run.output());
    let kernels = LAYERS * 7 + 3;
    assert_eq!(report["captured"]["joined"], STEPS * kernels, "{:#}", report["captured"]);
    let told = &report["layers"]["told"];
    assert_eq!((&told["kernels"], &told["agree"]), (&(STEPS * LAYERS * 7).into(), &told["kernels"]), "{told}");
    let layer = "model.layers.*";
    for (end, module, op, shape) in [
        ("_qkv", format!("{layer}.self_attn.qkv_proj"), "Linear", Some("M=16 N=6144 K=4096")),
        ("_o", format!("{layer}.self_attn.o_proj"), "Linear", Some("M=16 N=4096 K=4096")),
        ("_up", format!("{layer}.up_proj"), "Linear", Some("M=16 N=14336 K=4096")),
        ("_down", format!("{layer}.down_proj"), "Linear", Some("M=16 N=4096 K=14336")),
        (
            "_mfma16_kernel",
            format!("{layer}.self_attn.attn"),
            "vllm::unified_attention",
            Some("bf16[16, 6144], bf16[16, 4096]"),
        ),
        ("_head", "lm_head".to_owned(), "Linear", Some("M=16 N=32000 K=4096")),
    ] {
        let [found] = slot(&report, end)[..] else { panic!("{end}: {:#}", report["layers"]["slots"]) };
        assert_eq!((found["module"].as_str(), found["op"].as_str()), (Some(&*module), Some(op)), "{end}");
        assert_eq!(found["shape"].as_str(), shape, "{end}");
    }
    let norms: Vec<_> = slot(&report, "rms_norm_kernel").iter().map(|slot| slot["module"].as_str().unwrap()).collect();
    let expected = ["input_layernorm", "post_attention_layernorm"].map(|norm| format!("{layer}.{norm}"));
    assert_eq!(norms, [&expected[0], &expected[1], "model.norm"]);
    let rows = report["roofline"]["rows"].as_array().unwrap();
    let up = rows.iter().find(|row| row["module"] == format!("{layer}.up_proj")).unwrap();
    let bytes = 2 * (16 * 4096 + 14336 * 4096 + 16 * 14336);
    assert_eq!((&up["bytes"], &up["layers"], &up["calls"]), (&bytes.into(), &LAYERS.into(), &(STEPS * LAYERS).into()));
    assert!(up["share_of_peak"].is_number(), "{up:#}");
    assert_eq!(run.report_afterwards()["layers"], report["layers"]);
}

#[test]
fn without_the_hook_the_same_server_has_no_modules() {
    let run = model().env("PROFILE_DECODE_MODULES", "0").run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], STEPS);
    assert_eq!(report["layers"]["told"], Value::Null);
    assert!(slot(&report, "_qkv").iter().all(|slot| slot["module"].is_null()));
}

#[test]
fn two_builds_are_compared_module_by_module() {
    let (base, new) = (model().run(), model().env("OTHER_BUILD", "1").run());
    base.succeeded();
    new.succeeded();
    let mut diff = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let output = diff.arg("diff").args([base.output(), new.output()]).args(["--format", "json"]).output().unwrap();
    let found = contract::parsed(&output.stdout);
    for (module, was, is) in [
        ("*.self_attn.qkv_proj", "_qkv", "gemm_a"),
        ("*.self_attn.o_proj", "_o", "gemm_b"),
        ("*.up_proj", "_up", "gemm_c"),
        ("*.down_proj", "_down", "gemm_d"),
        ("lm_head", "_head", "_head"),
    ] {
        let rows: Vec<_> = found["kernels"].as_array().unwrap().iter().filter(|row| row["module"] == module).collect();
        let [row] = rows[..] else { panic!("{module}: {rows:#?}") };
        let one = |side: &str| row[side][0].as_str().unwrap().to_owned();
        assert!(one("base").ends_with(was) && one("new").ends_with(is), "{row:#}");
        assert_eq!(row["base_shapes"], row["new_shapes"], "{module}");
    }
}

#[test]
fn a_panic_of_ours_leaves_the_server_and_its_captures_alone() {
    let run = model().env("PROFILE_DECODE_FAULT", "panic:marker").run();
    run.succeeded();
    assert!(run.stderr().contains("injected at Marker"), "{}", run.stderr());
}

/// Kernels that ran in the steps, and those of them that have another module or operator than `truth` says.
fn compared(export: &str, truth: &str) -> (usize, Vec<String>) {
    let truth: HashMap<&str, (&str, &str)> = truth
        .lines()
        .map(|line| {
            let [ns, module, op] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            (ns, (module, op))
        })
        .collect();
    let mut lines = export.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    // Tensors are the only cells with commas in them: behind them columns are counted from the end.
    let [ns, op] = ["duration_ns", "op"].map(column);
    let module = columns.len() - column("module");
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let (module, op) = (cells[cells.len() - module], cells[op]);
        let (expected, expected_op) = truth[cells[ns]];
        // What is launched outside of all modules but the model itself has no path.
        if (module, op) != (expected, expected_op) {
            wrong.push(format!("{expected} {expected_op}: {line}"));
        }
        count += 1;
    }
    (count, wrong)
}

#[test]
fn every_kernel_of_random_models_has_its_true_module_and_operator() {
    for seed in 1..=3 {
        let truth = tempfile::NamedTempFile::new().unwrap();
        let arguments = [&seed.to_string(), "40", truth.path().to_str().unwrap()];
        let run = hooked("random_modules.py", &arguments).steps(100, 1).run();
        run.succeeded();
        let mut export = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        export.args(["export", "--whole-trace", "--format", "dispatches-csv"]).arg(run.output());
        let output = export.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let truth = fs::read_to_string(truth.path()).unwrap();
        let (count, wrong) = compared(&String::from_utf8(output.stdout).unwrap(), &truth);
        assert!(count > 500, "{count} kernels");
        assert!(
            wrong.is_empty(),
            "{} of {count}, seed {seed}: {}",
            wrong.len(),
            wrong[..wrong.len().min(9)].join("\n")
        );
    }
}
