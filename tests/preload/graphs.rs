//! Graphs that are captured before the tracer's eyes: every kernel of a replay is the node that it is, or is said to be
//! unknown.
//!
//! The simulator's ledger says which node a dispatch is; a node is told from others by the number of its blocks, which no two
//! launches of these programs share.

use std::collections::HashMap;

use profile_decode::model::{Trace, Unjoined};
use profile_decode::{ingest, replay};
use serde_json::Value;

use crate::harness::{Run, Server, report};

/// Runs a program after `from graphs import *` and reads what was captured.
fn run(program: &str, change: impl FnOnce(Server) -> Server) -> Run {
    let end = "\ngpu.sim.sim_write_ledger(os.environ['LEDGER'].replace('%r', '0').encode())\n";
    let server = Server::python(&format!("from graphs import *\n\n{program}{end}")).steps(20, 2);
    let run = change(server).run();
    run.succeeded();
    run
}

fn trace(run: &Run) -> Trace {
    let mut trace = ingest::read(&[run.output()]).expect("the capture can be read");
    replay::lay_over(&mut trace);
    trace
}

/// What the ledger says of each graph-launched dispatch: its kernel, its launch, the number of its node.
fn truth(run: &Run) -> HashMap<u64, (String, u64, u64)> {
    let text = std::fs::read(run.directory().join("ledger-0.json")).expect("the ledger");
    let ledger: Value = serde_json::from_slice(&text).expect("JSON");
    let rows = ledger["dispatches"].as_array().expect("dispatches").iter();
    let of_graphs = rows.filter_map(|row| {
        let kernel = ledger["kernels"][row["kernel"].as_u64()? as usize].as_str()?.to_owned();
        Some((row["id"].as_u64()?, (kernel, row["launch"].as_u64()?, row["node"].as_u64()?)))
    });
    of_graphs.collect()
}

/// What is known of the dispatches of graph launches: how many there are, how many joined, and why others did not.
struct Joined {
    of: usize,
    joined: usize,
    why: Vec<Unjoined>,
}

/// Holds every dispatch that joined against the ledger: nodes of one kernel and launch are told apart by their blocks,
/// which rise in the order of capture. `first` is the blocks of the first node of a graph launched in this order.
fn checked(run: &Run, trace: &Trace, blocks: impl Fn(u64) -> Vec<u32>) -> Joined {
    let truth = truth(run);
    let mut joined = Joined { of: 0, joined: 0, why: Vec::new() };
    for (at, dispatch) in trace.dispatches.iter().enumerate() {
        let Some((kernel, launch, node)) = truth.get(&trace.enqueued[at]) else { continue };
        joined.of += 1;
        assert_eq!(trace.kernel(dispatch), kernel);
        match trace.captured.why[at] {
            Some(why) => joined.why.push(why),
            None => {
                joined.joined += 1;
                let work = trace.captured.work(at).expect("what is joined has something to tell");
                let told = work.launched.map(|launched| launched.grid[0]);
                let right = blocks(*launch)[*node as usize];
                assert_eq!(told.unwrap_or(0), right, "launch {launch} node {node} ({kernel})");
            }
        }
    }
    joined
}

/// The `captured` of the report.
fn captured(run: &Run) -> Value {
    report(&run.output())["captured"].clone()
}

/// Blocks of a line of so many nodes, the first of which was launched with `first`.
fn line(first: u32, count: u32) -> Vec<u32> {
    (first..first + count).collect()
}

#[test]
fn every_kernel_of_a_graph_on_one_stream_is_its_node_in_every_version() {
    for version in ["0.4", "0.5", "0.6", "1.0", "1.1", "1.3", "1.3.5", "1.4.1"] {
        let program = "gpu = Server()\ngraph = gpu.captured(MODEL)\ngpu.replays(30, graph)\n";
        let run = run(program, |server| server.env("ROCPROFILER_SIM_VERSION", version));
        let trace = trace(&run);
        let found = checked(&run, &trace, |_| line(1001, 18));
        assert_eq!((found.joined, found.why), (found.of, vec![]), "{version}");
        assert!(found.of >= 20 * 18, "{version}: {}", found.of);
        let captured = captured(&run);
        assert_eq!(captured["joined"], captured["of"], "{version}: {captured:#}");
        assert_eq!(captured["displaced_launches"], 0);
        assert_eq!(captured["graphs"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn branches_are_told_by_the_streams_that_they_were_captured_on() {
    // shared runs beside attention; its GEMM has the same name as the main stream's.
    let program = "
gpu = Server()
gpu.begin()
gpu.launch_on('embed')
gpu.fork(1, 0, 1)
gpu.launch_on('shared', 1)
gpu.launch_on('shared', 1)
gpu.launch_on('paged_attention_kernel')
gpu.launch_on('rms_norm')
gpu.launch_on('rms_norm', 1)
gpu.launch_on('Cijk_gemm_MT16x16x256')
gpu.fork(2, 1, 0)
gpu.launch_on('lm_head')
graph = gpu.executable(gpu.end())
gpu.replays(30, graph)
";
    let run = run(program, |server| server);
    let trace = trace(&run);
    let queues: std::collections::HashSet<_> = trace.dispatches.iter().map(|dispatch| dispatch.stream).collect();
    assert!(queues.len() > 1, "it forks");
    let found = checked(&run, &trace, |_| line(1001, 8));
    // rms_norm of one branch may be that of the other as far as names and streams tell, or not: never wrong.
    assert!(found.why.iter().all(|&why| why == Unjoined::Ambiguous), "{:?}", found.why);
    assert!(found.joined >= found.of * 6 / 8, "{} of {}", found.joined, found.of);
    assert_eq!(trace.captured.fit.as_ref().unwrap().displaced_launches, 0);
}

#[test]
fn each_size_and_each_capture_has_nodes_of_its_own() {
    let program = "
gpu = Server()
small = gpu.captured(MODEL)
large = gpu.captured(MODEL)
draft = gpu.captured(MODEL[:6])
gpu.replays(12, small, draft)
gpu.replays(12, large, draft)
gpu.sim.sim_graph_exec_destroy(q(small))
again = gpu.captured(MODEL)
assert again == small
gpu.replays(12, again, draft)
";
    for version in ["1.0", "1.3.5"] {
        let run = run(program, |server| server.steps(32, 2).env("ROCPROFILER_SIM_VERSION", version));
        let trace = trace(&run);
        // Launches come in pairs: the model, then the draft.
        let found = checked(&run, &trace, |launch| match launch {
            launch if launch % 2 == 1 => line(1037, 6),
            0..24 => line(1001, 18),
            24..48 => line(1019, 18),
            _ => line(1043, 18),
        });
        assert_eq!((found.joined, found.why), (found.of, vec![]), "{version}");
        assert_eq!(captured(&run)["graphs"][0]["graphs"], 4);
    }
}

#[test]
fn an_update_and_nodes_that_are_turned_off_change_what_runs() {
    let program = "
gpu = Server()
graph = gpu.captured(MODEL)
other = gpu.line(('shared',) * 18)
gpu.replays(8, graph)
assert gpu.sim.sim_graph_exec_update(q(graph), q(other)) == 0
gpu.replays(8, graph)
third = gpu.line(MODEL)
assert gpu.sim.sim_graph_exec_update(q(graph), q(third)) == 0
assert gpu.sim.sim_graph_node_set_enabled(q(graph), q(0), 0) == 0
assert gpu.sim.sim_graph_node_set_enabled(q(graph), q(17), 0) == 0
gpu.replays(8, graph)
assert gpu.sim.sim_graph_node_set_enabled(q(graph), q(3), 0) == 0
gpu.replays(8, graph)
";
    let run = run(program, |server| server.steps(28, 2));
    let trace = trace(&run);
    let found = checked(&run, &trace, |launch| match launch {
        0..8 => line(1001, 18),
        8..16 => line(1019, 18),
        _ => line(1037, 18),
    });
    assert!(found.why.iter().all(|&why| why == Unjoined::Ambiguous), "{:?}", found.why);
    // Where a layer's part is off, those before and after it may be any other layer's.
    assert!(found.joined * 10 >= found.of * 8, "{} of {}", found.joined, found.of);
}

#[test]
fn copies_and_fills_within_a_graph_are_passed_over_or_told() {
    let program = "
gpu = Server()
gpu.begin()
gpu.launch_on('embed')
gpu.sim.sim_memset(gpu.stream, u(1003))
gpu.launch_on('rms_norm')
gpu.sim.sim_memcpy(gpu.stream, 4, u(4096), u(2000))
gpu.launch_on('lm_head')
graph = gpu.executable(gpu.end())
gpu.replays(30, graph)
";
    let run = run(program, |server| server);
    let trace = trace(&run);
    let found = checked(&run, &trace, |_| vec![1001, 0, 1002, 0, 1003]);
    assert_eq!((found.joined, found.why), (found.of, vec![]));
    assert_eq!(found.of % 6, 0, "the fill of 1,003 bytes takes two kernels");
}

#[test]
fn kernels_that_are_launched_by_stubs_have_their_names_in_every_version() {
    let program = "
gpu = Server()
gpu.register('rms_norm', 'shared')
gpu.begin()
for name in ('embed', 'rms_norm', 'shared', 'rms_norm', 'lm_head'):
    gpu.launch_on(name)
gpu.launch_on('Cijk_gemm_MT16x16x256', by=gpu.sim.sim_launch_ext)
graph = gpu.executable(gpu.end())
gpu.replays(30, graph)
";
    for version in ["0.4", "0.5", "0.6", "1.0", "1.3.5"] {
        let run = run(program, |server| server.env("ROCPROFILER_SIM_VERSION", version));
        let trace = trace(&run);
        let found = checked(&run, &trace, |_| line(1001, 6));
        assert_eq!((found.joined, found.why), (found.of, vec![]), "{version}");
        assert!(trace.warnings.iter().all(|warning| warning.code != "graphs-missing"), "{version}");
    }
}

#[test]
fn a_capture_that_fails_or_is_invalidated_is_none_and_harms_nobody() {
    let program = "
gpu = Server()
assert gpu.begin() == 0
assert gpu.begin() != 0
assert gpu.end(1) < 0
gpu.launch_on('embed')
assert gpu.sim.sim_malloc(u(64)) != 0
assert gpu.end() < 0
assert gpu.end() < 0
assert gpu.sim.sim_malloc(u(64)) == 0
graph = gpu.captured(MODEL)
gpu.replays(30, graph)
";
    let run = run(program, |server| server);
    let trace = trace(&run);
    let found = checked(&run, &trace, |_| line(1002, 18));
    assert_eq!((found.joined, found.why), (found.of, vec![]));
}

#[test]
fn threads_that_capture_at_once_and_launches_beside_a_capture_do_not_mix() {
    let program = "
gpu = Server(streams=4)
lock = threading.Lock()
blocks = {0: 2000, 1: 3000}
made = {}
start = threading.Barrier(2)

def capture(stream):
    start.wait()
    assert gpu.begin(stream) == 0
    for name in MODEL:
        blocks[stream] += 1
        assert gpu.sim.sim_launch_blocks(gpu.kernel[name], gpu.streams[stream], u(5_000), blocks[stream]) == 0
        # On a stream that nobody captures.
        assert gpu.sim.sim_launch(gpu.kernel['shared'], gpu.streams[3], u(1_000)) == 0
    graph = gpu.end(stream)
    with lock:
        made[stream] = gpu.executable(graph)

threads = [threading.Thread(target=capture, args=(stream,)) for stream in (0, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for _ in range(15):
    gpu.replay(made[0])
    gpu.replay(made[1])
";
    let run = run(program, |server| server);
    let trace = trace(&run);
    let found = checked(&run, &trace, |launch| if launch % 2 == 0 { line(2001, 18) } else { line(3001, 18) });
    assert_eq!((found.joined, found.why), (found.of, vec![]));
}

#[test]
fn what_there_is_no_room_for_is_counted_and_not_guessed() {
    let program = "
gpu = Server()
first = gpu.captured(MODEL)
second = gpu.captured(MODEL)
gpu.replays(30, first, second)
";
    let run = run(program, |server| server.env("PROFILE_DECODE_GRAPH_NODES", "20"));
    let trace = trace(&run);
    let found = checked(&run, &trace, |_| line(1001, 18));
    assert_eq!((found.joined, found.why), (found.of / 2, vec![Unjoined::NoSuchGraph; found.of / 2]));
    let warning = trace.warnings.iter().find(|warning| warning.code == "graphs-missing").expect("it is said");
    assert!(warning.text.contains("1 captured graphs with 18 nodes"), "{}", warning.text);
}

#[test]
fn ranges_that_are_named_like_modules_tell_layers_and_the_engines_label_the_size() {
    let program = "
gpu = Server()
gpu.sim.roctxRangePushA(b'capture_graph_bs_8')
gpu.begin()
for layer in range(6):
    gpu.sim.roctxRangePushA(b'layers.%d.attn' % layer)
    for name in LAYER:
        gpu.launch_on(name)
    gpu.sim.roctxRangePop()
gpu.launch_on('lm_head')
graph = gpu.executable(gpu.end())
gpu.sim.roctxRangePop()
gpu.replays(30, graph)
";
    let run = run(program, |server| server);
    let trace = trace(&run);
    let found = checked(&run, &trace, |_| line(1001, 25));
    assert_eq!((found.joined, found.why), (found.of, vec![]));
    let graph = &trace.captured.graphs[0];
    assert_eq!((graph.label.as_deref(), graph.size), (Some("capture_graph_bs_8"), Some(8)));
    let layers: Vec<_> = graph.nodes.iter().map(|node| trace.captured.works.get(node.work.unwrap())).collect();
    let told: Vec<_> = layers.iter().map(|work| work.layer.filter(|_| work.layer_told)).collect();
    assert_eq!(told, (0..24).map(|at| Some(at / 4)).chain([None]).collect::<Vec<_>>());
    let told = report(&run.output())["layers"]["told"].clone();
    assert_eq!(told["kernels"].as_u64(), Some(20 * 24), "{told}");
    assert!(told["agree"].as_u64() <= told["kernels"].as_u64());
    let module = layers[4].module.map(|module| trace.names.get(module));
    assert_eq!((module, captured(&run)["graphs"][0]["size"].as_u64()), (Some("layers.1.attn"), Some(8)));
}

#[test]
fn it_can_be_left_out_and_a_failure_in_it_disarms_the_tracer_and_nothing_else() {
    let program = "gpu = Server()\ngraph = gpu.captured(MODEL)\ngpu.replays(30, graph)\n";
    let off = run(program, |server| server.env("PROFILE_DECODE_WITHOUT", "graphs"));
    assert_eq!(captured(&off), Value::Null);
    let failing = run(program, |server| server.env("PROFILE_DECODE_FAULT", "panic:graph"));
    let mut said = failing.stderr();
    if failing.output().join("report.json").exists() {
        said += &report(&failing.output())["warnings"].to_string();
    }
    assert!(said.contains("the tracer disarmed itself"), "{said}");
    // Contexts 5 and 6 are those of captures; theirs are the services after the sixth, and the second start.
    for call in [
        "rocprofiler_start_context:2",
        "rocprofiler_configure_callback_tracing_service:7",
        "rocprofiler_configure_callback_tracing_service:8",
    ] {
        let run = run(program, |server| server.env("ROCPROFILER_SIM_FAIL", call));
        let report = report(&run.output());
        assert_eq!(report["steps"]["count"], 20, "{call}");
        assert!(report["warnings"].to_string().contains("captures of graphs are not seen"), "{call}");
    }
}

#[test]
fn every_launch_of_the_decode_server_joins() {
    let shapes = [
        &["--model", "dense", "--mode", "graph"][..],
        &["--model", "moe", "--mode", "piecewise", "--tp", "2"],
        &["--model", "moe", "--mode", "graph", "--tp", "4", "--markers", "sglang"],
        &["--model", "dense", "--mode", "piecewise", "--markers", "none"],
        &["--model", "dense", "--mode", "graph", "--tp", "2", "--processes"],
    ];
    for shape in shapes {
        let run = Server::new(&[&["--steps", "60"], shape].concat()).steps(20, 12).run();
        run.succeeded();
        let captured = captured(&run);
        assert_eq!(captured["joined_launches"], captured["of_launches"], "{shape:?}: {captured:#}");
        assert!(captured["of_launches"].as_u64() >= Some(20), "{shape:?}: {captured:#}");
        assert_eq!((&captured["displaced_launches"], &captured["unsettled_launches"]), (&0.into(), &0.into()));
        // What is launched by itself is in no graph.
        let others = captured["not_joined"].as_array().expect("a list");
        assert!(others.iter().all(|row| row["reason"] == "no_graph"), "{shape:?}: {captured:#}");
    }
}

#[test]
fn a_server_that_never_replays_what_it_captured_is_not_warned_of() {
    let run = run("gpu = Server()\ngpu.captured(MODEL)\ngpu.steps(30)\n", |server| server);
    let report = report(&run.output());
    assert!(!report["warnings"].to_string().contains("capture-does-not-fit"), "{}", report["warnings"]);
    assert_eq!(report["captured"]["joined"], 0);
}

#[test]
fn each_window_tells_of_all_graphs_that_can_be_replayed() {
    let program = "
gpu = Server()
gone = gpu.captured(MODEL)
gpu.sim.sim_graph_exec_destroy(q(gone))
graph = gpu.captured(MODEL)
gpu.replays(30, graph)
time.sleep(1.5)
os.kill(os.getpid(), signal.SIGUSR1)
for _ in range(100):
    time.sleep(0.02)
    gpu.replay(graph)
";
    let run = run(program, |server| server.env("PROFILE_DECODE_SIGNAL", "USR1").steps(10, 2));
    let files: Vec<_> = run.files().into_iter().filter(|name| name.ends_with(".pdc")).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let mut trace = ingest::read(&[run.output().join(&file)]).expect("the capture can be read");
        replay::lay_over(&mut trace);
        let fit = trace.captured.fit.as_ref().expect("graphs");
        assert_eq!((trace.captured.graphs.len(), fit.joined_launches), (1, fit.of_launches), "{file}");
    }
}

/// What the hook in Python pushes is what the kernels of replays were launched for.
#[test]
fn operators_and_modules_that_are_pushed_at_the_capture_are_those_of_its_replays() {
    let program = r#"
own = ctypes.CDLL(None)
active = ctypes.c_uint32.in_dll(own, "profile_decode_modules_active")

def within(token, text, launch):
    own.profile_decode_module_push(u(token), text, ctypes.c_size_t(len(text)))
    launch()
    own.profile_decode_module_pop(u(token))

gpu = Server()
assert active.value == 0
gpu.begin()
assert active.value != 0
OP = b'{"op": "aten::mm", "args": [[[16, 4096], "torch.bfloat16"], [[4096, 2880], "torch.bfloat16"]]}'
for layer in range(6):
    def attention():
        gpu.launch_on("rms_norm")
        within(100, OP, lambda: gpu.launch_on("Cijk_gemm_MT16x16x256"))
        gpu.launch_on("paged_attention_kernel")
    within(layer + 1, b'{"module": "model.layers.%d.self_attn", "class": "Attention"}' % layer, attention)
gpu.launch_on("lm_head")
graph = gpu.executable(gpu.end())
assert active.value == 0
gpu.replays(30, graph)
"#;
    let run = run(program, |server| server);
    let trace = trace(&run);
    let found = checked(&run, &trace, |_| line(1001, 19));
    assert_eq!((found.joined, found.why), (found.of, vec![]));
    for (at, dispatch) in trace.dispatches.iter().enumerate() {
        let work = trace.captured.work(at).expect("all joined");
        let op = work.op.map(|op| trace.names.get(op));
        let product = work.product.map(|product| trace.products[product.index()].to_string());
        match trace.kernel(dispatch) {
            "Cijk_gemm_MT16x16x256" => {
                assert_eq!((op, product.as_deref()), (Some("aten::mm"), Some("M=16 N=2880 K=4096")));
            }
            "lm_head" => assert_eq!((op, work.layer), (None, None)),
            _ => assert_eq!((op, work.layer_told), (Some("Attention"), true)),
        }
    }
    let report = report(&run.output());
    let rows = report["roofline"]["rows"].as_array().expect("a roofline");
    let product = rows.iter().find(|row| row["op"] == "aten::mm").expect("the product");
    assert_eq!(product["product"], serde_json::json!({"m": 16, "n": 2880, "k": 4096, "batch": 1}), "{product:#}");
    assert_eq!((&product["calls"], product["layers"].as_u64()), (&(20 * 6).into(), Some(6)), "{product:#}");
    assert_eq!(report["layers"]["told"]["kernels"], 20 * 18, "{}", report["layers"]["told"]);
}
