//! Tools that come late: ours into a process that runs already, and others beside ours.

use profile_decode::ingest;
use profile_decode::model::LaunchCall;

use crate::harness::{Run, Server, library, print_tool, report};

fn version(server: Server, version: &str) -> Server {
    server.env("ROCPROFILER_SIM_VERSION", version).env("TOOL", print_tool()).env("LIBRARY", library())
}

/// Kineto and Proton call `rocprofiler_force_configure` in mid-run.
#[test]
fn a_tool_that_configures_late_leaves_ours_alive() {
    let program = "
gpu = Gpu()
gpu.steps(8)
tool = ctypes.CDLL(os.environ['TOOL'])
status = gpu.sim.rocprofiler_force_configure(tool.rocprofiler_configure)
gpu.steps(12)
os.write(1, b'%d' % status)
libc.exit(0)
";
    // Before 1.3.2 the second tool is refused (`CONFIGURATION_LOCKED`).
    for (sdk, status) in [("1.0", "16"), ("1.3", "16"), ("1.3.2", "0"), ("1.3.5", "0"), ("1.4.1", "0")] {
        // In the warm-up, within the window, and after it.
        for (warmup, steps) in [(10, 5), (5, 10), (1, 3)] {
            let run = version(Server::python(program).steps(steps, warmup), sdk).run();
            run.succeeded();
            assert_eq!(run.stdout(), status, "{sdk}: {}", run.stderr());
            let report = report(&run.output());
            assert_eq!(report["steps"]["count"], steps, "{sdk} {warmup} {steps}: {:#}", report["steps"]);
            assert_eq!(report["totals"]["dispatches"], 2 * steps, "{sdk}");
        }
    }
}

#[test]
fn the_library_starts_late_where_the_sdk_lets_it() {
    let program = "
gpu = Gpu()
gpu.steps(5)
library = ctypes.CDLL(os.environ['LIBRARY'])
status = gpu.sim.rocprofiler_force_configure(library.rocprofiler_configure)
gpu.steps(20)
os.write(1, b'%d' % status)
libc.exit(0)
";
    let run = |sdk| version(Server::python(program).steps(10, 3).without_preload(), sdk).run();
    for sdk in ["1.3", "1.3.5", "1.4.1"] {
        let run = run(sdk);
        run.succeeded();
        assert_eq!(run.stdout(), "0", "{}", run.stderr());
        let report = report(&run.output());
        assert_eq!(report["steps"]["count"], 10, "{sdk}: {:#}", report["steps"]);
        let names: Vec<_> = report["kernels"].as_array().unwrap().iter().map(|row| row["name"].to_string()).collect();
        assert!(names.iter().any(|name| name.contains("Cijk_gemm")), "what was loaded has its name: {names:?}");
    }
    let run = run("1.1");
    run.succeeded();
    assert_eq!((run.stdout().as_str(), run.output().exists()), ("16", false), "{}", run.stderr());
}

#[test]
fn it_is_attached_and_detached_and_attached_again() {
    let program = "
gpu = Gpu()
gpu.steps(5)
for _ in range(2):
    assert gpu.sim.sim_attach() == 0
    gpu.steps(20)
    begun = time.monotonic()
    assert gpu.sim.sim_detach() == 0
    assert time.monotonic() - begun < 3
    gpu.steps(5)
libc.exit(0)
";
    let server = |steps| {
        let server = Server::python(program).steps(steps, 3).without_preload().env("ROCP_TOOL_ATTACH", "1");
        server.env("ROCPROF_ATTACH_TOOL_LIBRARY", library())
    };
    for sdk in ["1.1", "1.3", "1.3.5", "1.4.1"] {
        // A window that was full before, and one that the detach ends.
        for (steps, recorded, by) in [(10, 10, "window_full"), (1000, 17, "detached")] {
            let run = version(server(steps), sdk).run();
            run.succeeded();
            assert_eq!(run.captures(), 2, "{sdk}: {:?} {}", run.files(), run.stderr());
            let report = report(&run.output());
            assert_eq!(report["steps"]["count"], recorded, "{sdk} {steps}: {:#}", report["steps"]);
            assert_eq!(report["capture"]["closed_by"], by, "{sdk}: {:#}", report["capture"]);
        }
    }
}

/// HIP gives the pointer of a graph again that was destroyed; from SDK 1.3.0 on each graph has an id of its own.
#[test]
fn graphs_are_told_apart_though_their_pointers_are_the_same() {
    let program = "
gpu = Gpu()
gpu.sim.sim_capture_end.restype = q
gpu.sim.sim_graph_instantiate.restype = q
def graph():
    gpu.sim.sim_capture_begin(gpu.stream)
    gpu.launch()
    return q(gpu.sim.sim_graph_instantiate(q(gpu.sim.sim_capture_end(gpu.stream))))
def step(graph):
    gpu.sim.roctxRangePushA(DECODE)
    gpu.sim.sim_graph_launch(graph, gpu.stream, None, 0)
    gpu.sim.sim_stream_synchronize(gpu.stream)
    gpu.sim.roctxRangePop()
first = graph()
for _ in range(10): step(first)
gpu.sim.sim_graph_exec_destroy(first)
second = graph()
assert second.value == first.value
for _ in range(10): step(second)
libc.exit(0)
";
    let graphs = |run: &Run| {
        let trace = ingest::read(&[run.output()]).expect("the captures can be read");
        assert!(trace.launches.iter().all(|launch| (launch.call == LaunchCall::Graph) == launch.graph.is_some()));
        let mut graphs: Vec<u64> = trace.launches.iter().filter_map(|launch| launch.graph).collect();
        assert_eq!(graphs.len(), 12);
        graphs.dedup();
        graphs.len()
    };
    for (sdk, expected) in [("1.0", 1), ("1.3", 2), ("1.4.1", 2)] {
        let run = version(Server::python(program).steps(12, 4), sdk).run();
        run.succeeded();
        assert_eq!(graphs(&run), expected, "{sdk}");
    }
}
