//! What each reader makes of a trace of a few events: every fact that a format tells and the model can hold.

#[path = "common/inputs.rs"]
mod inputs;

use inputs::data;
use profile_decode::ingest::{self, Error};
use profile_decode::model::{CopyKind, Format, LaunchCall, LossCause, Product, Span, Trace};

fn read(name: &str) -> Trace {
    ingest::read(&[data(name)]).unwrap()
}

fn made(make: fn(&std::path::Path)) -> Result<Trace, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a name?with#odd %characters.db");
    make(&path);
    ingest::read(&[&path])
}

fn kernels(trace: &Trace) -> Vec<(&str, i64, i64)> {
    trace.dispatches.iter().map(|d| (trace.kernel(d), d.span.start_ns, d.span.end_ns)).collect()
}

fn launch_of(trace: &Trace, dispatch: usize) -> Option<(LaunchCall, Option<u64>)> {
    let launch = &trace.launches[trace.dispatches[dispatch].launch?.index()];
    Some((launch.call, launch.graph))
}

fn ranges(trace: &Trace) -> Vec<(&str, Span, u64)> {
    trace.ranges.iter().map(|range| (trace.names.get(range.name), range.span, range.thread)).collect()
}

fn codes(trace: &Trace) -> Vec<&str> {
    trace.warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn kineto_tells_kernels_launches_operators_ranges_copies_and_the_run() {
    let trace = read("kineto.json");
    let base = 1_000_000_000;
    assert_eq!(
        kernels(&trace),
        [
            ("Cijk_Alik_Bljk_\"quoted\"", base + 110_125, base + 115_126),
            ("paged_attention", base + 120_000, base + 122_000),
            ("rmsnorm", base + 123_000, base + 124_250),
        ]
    );
    let calls: Vec<_> = (0..3).map(|i| launch_of(&trace, i).unwrap().0).collect();
    assert_eq!(calls, [LaunchCall::ExtModule, LaunchCall::Graph, LaunchCall::Graph]);
    let op = trace.launches.iter().find(|launch| launch.call == LaunchCall::ExtModule).unwrap().op;
    assert_eq!(op.map(|op| trace.names.get(op)), Some("aten::mm"));
    let step = Span::new(base + 100_000, base + 150_500);
    assert_eq!(ranges(&trace), [("execute_context_0(0)_generation_2(2)", step, 851)]);
    let copies: Vec<_> = trace.copies.iter().map(|copy| (copy.kind, copy.bytes, copy.span.duration_ns())).collect();
    assert_eq!(copies, [(CopyKind::HostToDevice, Some(4096), 1500), (CopyKind::Fill, None, 500)]);
    let [rank] = &trace.ranks[..] else { panic!("{:?}", trace.ranks) };
    assert_eq!((rank.number, rank.world_size, rank.device), (Some(3), Some(8), Some(2)));
    assert_eq!((rank.gpu.as_deref(), rank.arch.as_deref()), (Some("AMD Instinct MI355X"), Some("gfx950")));
    assert_eq!(trace.processes[0].pid, Some(851));
    assert_eq!(trace.sources[0].format, Format::Kineto);
    assert_eq!(trace.streams.len(), 2);
    assert!(trace.warnings.is_empty(), "{:?}", trace.warnings);
}

#[test]
fn kineto_tells_the_product_of_the_operator_that_launched_or_of_the_nearest_around_it() {
    let op = |name: &str, id: u32, ts: u32, dur: u32, sizes: &str| {
        format!(
            r#"{{"ph": "X", "cat": "cpu_op", "name": "{name}", "pid": 1, "tid": 1, "ts": {ts}, "dur": {dur}, "args": {{"External id": {id}, "Input Dims": {sizes}}}}}"#
        )
    };
    let launch = |call: &str, id: u32, ts: u32, correlation: u32| {
        format!(
            r#"{{"ph": "X", "cat": "cuda_runtime", "name": "{call}", "pid": 1, "tid": 1, "ts": {ts}, "dur": 1, "args": {{"External id": {id}, "correlation": {correlation}}}}},
               {{"ph": "X", "cat": "kernel", "name": "k{correlation}", "pid": 2, "tid": 0, "ts": {ts}.5, "dur": 5, "args": {{"device": 2, "stream": 0, "correlation": {correlation}}}}}"#
        )
    };
    let events = [
        op("aten::linear", 1, 100, 50, "[[1, 4, 64], [96, 64], [96]]"),
        op("aten::addmm", 2, 110, 20, "[[96], [4, 64], [64, 96], [], []]"),
        op("aten::view", 3, 135, 5, "[[4, 96], []]"),
        launch("hipExtModuleLaunchKernel", 2, 115, 41),
        launch("hipLaunchKernel", 3, 137, 42),
        launch("hipLaunchKernel", 0, 145, 43),
        launch("hipGraphLaunch", 1, 148, 44),
        launch("hipLaunchKernel", 9, 200, 45),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shapes.json");
    std::fs::write(&path, format!(r#"{{"traceEvents": [{}]}}"#, events.join(",\n"))).unwrap();
    let trace = ingest::read(&[&path]).unwrap();
    let product = |dispatch: &profile_decode::model::Dispatch| {
        let product = trace.launches[dispatch.launch?.index()].product?;
        let Product { batch, m, n, k } = trace.products[product.index()];
        Some((batch, m, n, k))
    };
    let found: Vec<_> = trace.dispatches.iter().map(|dispatch| (trace.kernel(dispatch), product(dispatch))).collect();
    let linear = Some((1, 4, 96, 64));
    assert_eq!(found, [("k41", linear), ("k42", linear), ("k43", linear), ("k44", None), ("k45", None)]);
    assert_eq!(trace.products.len(), 1);
}

#[test]
fn ranks_that_share_a_kineto_file_keep_their_launches_apart() {
    for (name, pids) in [("fused.json", [10, 11]), ("merged.json", [20, 21])] {
        let trace = read(name);
        let numbers: Vec<_> = trace.ranks.iter().map(|rank| rank.number).collect();
        assert_eq!(numbers, [Some(0), Some(1)], "{name}");
        for dispatch in &trace.dispatches {
            let rank = &trace.ranks[trace.rank_of(dispatch.stream).index()];
            let launch = &trace.launches[dispatch.launch.unwrap().index()];
            assert_eq!(launch.process, rank.process, "{name}");
        }
        let mut found: Vec<_> = trace.processes.iter().filter_map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, pids, "{name}");
    }
}

/// What the three outputs of rocprofv3 have in common in the hand-made run.
fn check_rocprofv3(trace: &Trace, second: &str) {
    assert_eq!(kernels(trace), [("gemm()", 2000, 2500), (second, 2600, 2700)]);
    assert_eq!(launch_of(trace, 1).unwrap().0, LaunchCall::Graph);
    assert_eq!(trace.copies[0].kind, CopyKind::HostToDevice);
    assert_eq!(trace.processes[0].pid, Some(77));
    assert_eq!(trace.ranks[0].arch.as_deref(), Some("gfx950"));
    assert_eq!(trace.ranks[0].gpu.as_deref(), Some("AMD Instinct MI355X"));
    assert_eq!(trace.ranks[0].device, Some(1));
    assert!(ranges(trace).contains(&("decode[bs=2 tok=2 d=2]", Span::new(1000, 1500), 77)));
}

#[test]
fn rocprofv3_json_names_kernels_calls_and_markers_by_their_numbers() {
    let trace = read("rocprofv3.json");
    check_rocprofv3(&trace, "kernel 6");
    assert_eq!(launch_of(&trace, 0), Some((LaunchCall::Graph, Some(0xabc))));
    assert_eq!(trace.ranges.len(), 1, "a mark is no range");
    assert_eq!(trace.launches.len(), 2, "hipMalloc enqueues nothing");
    assert_eq!(trace.copies[0].bytes, Some(64));
    assert_eq!(trace.processes[0].host.as_deref(), Some("node7"));
    assert_eq!(trace.processes[0].framework.as_deref(), Some("vllm"));
    assert_eq!(trace.code_objects[&trace.dispatches[0].name].as_ref(), "file:///opt/kernels.co");
    assert_eq!(trace.losses[0].cause, LossCause::UnknownSymbol);
}

#[test]
fn rocprofv3_json_reads_the_same_with_its_parts_in_any_order_and_without_the_array() {
    let text = std::fs::read_to_string(data("rocprofv3.json")).unwrap();
    let at = |key: &str| text.rfind(&format!("\n\"{key}\": ")).unwrap();
    let (head, records) = (&text[..at("buffer_records")], text[at("buffer_records")..].trim_end());
    let records = records.strip_suffix("}]}").unwrap();
    // The records come first, and the array is gone.
    let body = head.split_once("[{").unwrap().1.trim_end().trim_end_matches(',');
    let turned = format!("{{\"rocprofiler-sdk-tool\": {{{records},{body}}}}}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.json");
    std::fs::write(&path, turned).unwrap();
    let trace = ingest::read(&[&path]).unwrap();
    check_rocprofv3(&trace, "kernel 6");
    assert_eq!(trace.launches.len(), 2);
}

#[test]
fn rocprofv3_csv_finds_the_tables_beside_it_and_survives_unescaped_texts() {
    let trace = read("77_kernel_trace.csv");
    check_rocprofv3(&trace, "void f<int, \"x\">(int, long)");
    assert!(ranges(&trace).contains(&("{\"Module\": \"layers.0, attn\",\n \"x\": 1}", Span::new(1100, 1400), 0)));
    assert_eq!(trace.ranges.len(), 2, "neither a mark nor a control call is a range");
    assert!(trace.warnings.is_empty(), "{:?}", trace.warnings);
    let tables = ["77_kernel_trace.csv", "77_hip_api_trace.csv", "77_marker_api_trace.csv"].map(data);
    let all = ingest::read(&tables).unwrap();
    assert_eq!(all.launches.len(), trace.launches.len(), "a table that is named too is read once");
}

#[test]
fn rpd_counts_replayed_kernels_and_links_each_op_to_its_call() {
    let trace = made(inputs::rpd).unwrap();
    assert_eq!(kernels(&trace), [("gemm", 2000, 2500), ("attention", 2600, 2700), ("gemm", 2650, 2800)]);
    assert_eq!(launch_of(&trace, 0), Some((LaunchCall::Kernel, None)));
    assert_eq!(launch_of(&trace, 1), Some((LaunchCall::Graph, Some(0xabc))));
    assert_eq!(launch_of(&trace, 2), launch_of(&trace, 1));
    assert_eq!(ranges(&trace), [("decode[bs=2 tok=2 d=2]", Span::new(1000, 1500), 78)]);
    assert_eq!((trace.copies[0].kind, trace.copies[0].bytes), (CopyKind::HostToDevice, Some(64)));
    assert_eq!(trace.sources[0].format, Format::Rpd);
    assert_eq!(trace.ranks[0].device, Some(2));
    assert_eq!(codes(&trace), ["unknown-operations"], "the barrier is known, the teleport is not");
}

#[test]
fn rocm_trace_lite_is_told_from_rpd_and_warned_of() {
    let trace = made(inputs::rocm_trace_lite).unwrap();
    assert_eq!(kernels(&trace), [("gemm", 2000, 2500), ("KernelExecution", 2600, 2700)]);
    assert_eq!(trace.sources[0].format, Format::RocmTraceLite);
    assert_eq!(trace.processes[0].pid, Some(77));
    assert_eq!(ranges(&trace), [("decode[bs=2]", Span::new(1000, 1500), 0)]);
    assert_eq!(trace.ranks.len(), 1, "GPU -1 is no GPU");
    assert_eq!(codes(&trace), ["no-graph-kernels"]);
}

#[test]
fn rocpd_reads_every_process_of_a_merged_database_without_its_views() {
    let trace = made(inputs::rocpd).unwrap();
    assert_eq!(kernels(&trace).len(), 4);
    assert_eq!(kernels(&trace)[0], ("gemm()", 2000, 2500));
    assert_eq!(kernels(&trace)[2], ("kernel 6", 2600, 2700), "a row with NULLs counts");
    assert_eq!(launch_of(&trace, 0), Some((LaunchCall::Graph, Some(0xabc))));
    let pids: Vec<_> = trace.processes.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [Some(77), Some(78)]);
    for dispatch in &trace.dispatches {
        let launch = &trace.launches[dispatch.launch.unwrap().index()];
        assert_eq!(launch.process, trace.process_of(dispatch.stream), "ids repeat between processes");
    }
    assert_eq!(ranges(&trace)[0], ("decode[bs=2 tok=2 d=2]", Span::new(1000, 1500), 77));
    assert_eq!(trace.ranks[0].arch.as_deref(), Some("gfx950"));
    assert_eq!(trace.processes[0].host.as_deref(), Some("node7"));
    assert_eq!(trace.copies.len(), 2);
}

#[test]
fn a_database_whose_writer_was_killed_gives_what_its_log_holds_and_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let (live, dead) = (directory.path().join("live.db"), directory.path().join("dead.db"));
    inputs::rpd(&live);
    let writer = rusqlite::Connection::open(&live).unwrap();
    writer.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").unwrap();
    writer.execute_batch("INSERT INTO rocpd_op VALUES (107, 2, 0, 0, '', 4000, 4500, 5, 2)").unwrap();
    // What is on disk while the writer still holds it is what a kill leaves.
    for suffix in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(&live), name(&dead)).unwrap();
    }
    let trace = ingest::read(&[&dead]).unwrap();
    assert_eq!(trace.dispatches.len(), 4);
    assert!(codes(&trace).contains(&"unfinished-database"));
    let beside = std::fs::read_dir(directory.path()).unwrap().flatten();
    let mine = beside.filter(|entry| entry.file_name().to_string_lossy().starts_with("dead")).count();
    assert_eq!(mine, 2, "nothing is written beside the database");
}

#[test]
fn a_directory_is_one_run_of_all_its_ranks_each_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("capture_traces")).unwrap();
    std::fs::copy(data("kineto.json"), at("capture_traces/graph_capture_rank_0.json")).unwrap();
    std::fs::copy(data("fused.json"), at("fused.json")).unwrap();
    // The ranks of the fused file, once more as another tool merges them; there they are numbered the other way round.
    let merged = std::fs::read_to_string(data("merged.json")).unwrap();
    let merged = merged.replace("TP00", "TP--").replace("TP01", "TP00").replace("TP--", "TP01");
    std::fs::write(at("twice.json"), &merged).unwrap();
    std::fs::write(at("twice.json.gz"), inputs::gzip(merged.as_bytes())).unwrap();
    std::fs::write(at("report.md"), "# not a trace").unwrap();
    std::fs::write(at("front_end.json"), "{\"traceEvents\": []}").unwrap();
    let trace = ingest::read(&[directory.path()]).unwrap();
    assert_eq!(trace.sources.len(), 1, "{:?}", trace.sources);
    assert_eq!(trace.dispatches.len(), 2);
    let mut codes = codes(&trace);
    codes.sort_unstable();
    assert_eq!(codes, ["cut-short", "files-skipped", "no-gpu-work", "other-phase", "same-twice", "same-twice"]);
}
