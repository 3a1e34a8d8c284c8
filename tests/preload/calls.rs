//! Copies and launch calls of the window, and what they tell of idle time.

use profile_decode::ingest;
use profile_decode::model::{Copy, CopyKind, LaunchCall, RankIdx, Trace};
use serde_json::Value;

use crate::harness::{Run, Server, report};
use crate::truth::{equals_the_ledger, is_decode};

const WARMUP: usize = 12;
const WINDOW: usize = 20;

fn run(arguments: &[&str], change: impl FnOnce(Server) -> Server) -> Run {
    let arguments = [&["--model", "dense", "--steps", "60", "--prefill-every", "0"], arguments].concat();
    let run = change(Server::new(&arguments).steps(WINDOW, WARMUP)).run();
    run.succeeded();
    run
}

fn copies(trace: &Trace) -> Vec<(u64, u64, i64, i64)> {
    let number = |kind| match kind {
        CopyKind::HostToDevice => 2,
        CopyKind::DeviceToHost => 3,
        CopyKind::DeviceToDevice => 4,
        _ => 0,
    };
    let mut copies: Vec<_> = trace
        .copies
        .iter()
        .map(|copy| (number(copy.kind), copy.bytes.unwrap_or(0), copy.span.start_ns, copy.span.end_ns))
        .collect();
    copies.sort_unstable();
    copies
}

/// Each kernel and each copy of the window's ranges has the call that asked for it, on the CPU before it ran. What another
/// rank asks for while the window closes is of no step, and may be there without its call.
fn has_its_calls(trace: &Trace, calls: &[LaunchCall]) {
    for dispatch in trace.dispatches.iter().filter(|dispatch| dispatch.range.is_some()) {
        let launch = trace.launches[dispatch.launch.expect("its launch call").index()];
        assert!(calls.contains(&launch.call), "{launch:?}");
        assert!(launch.span.start_ns <= dispatch.span.start_ns && launch.span.duration_ns() > 0, "{launch:?}");
        assert_eq!(launch.graph.is_some(), launch.call == LaunchCall::Graph);
    }
    let last = |rank| {
        let own = trace.dispatches.iter().filter(|dispatch| trace.rank_of(dispatch.stream) == rank);
        own.filter(|dispatch| dispatch.range.is_some()).map(|dispatch| dispatch.span.start_ns).max()
    };
    let last: Vec<_> = (0..trace.ranks.len()).map(|rank| last(RankIdx::new(rank))).collect();
    let within = |copy: &&Copy| Some(copy.span.start_ns) < last[trace.rank_of(copy.stream).index()];
    for copy in trace.copies.iter().filter(within) {
        let launch = trace.launches[copy.launch.expect("the call that asked for it").index()];
        assert_eq!(launch.call, LaunchCall::Memory);
        assert!(launch.span.start_ns <= copy.span.start_ns);
    }
}

#[test]
fn copies_and_launch_calls_of_the_window_are_those_of_the_ledger() {
    let graph = (&["--mode", "graph"][..], &[LaunchCall::Graph, LaunchCall::Module][..]);
    let piecewise = (&["--mode", "piecewise", "--tp", "2"][..], &[LaunchCall::Graph, LaunchCall::Module][..]);
    let eager = (&["--mode", "eager"][..], &[LaunchCall::Module][..]);
    for version in ["0.6", "1.0", "1.3.5"] {
        for (arguments, calls) in [graph, piecewise, eager] {
            let run = run(arguments, |server| server.env("ROCPROFILER_SIM_VERSION", version));
            let mut expected = run.expected(WARMUP, WINDOW, is_decode);
            equals_the_ledger(&run.output(), &expected, expected.steps.len(), WINDOW);
            let trace = ingest::read(&[run.output()]).expect("the captures can be read");
            expected.copies.sort_unstable();
            let mut found = copies(&trace);
            assert_eq!(report(&run.output())["totals"]["copies"], found.len());
            if expected.steps.len() > 1 {
                // A rank that is ahead begins its next step while the window waits for the others.
                found.retain(|copy| expected.copies.contains(copy));
            }
            assert_eq!(found, expected.copies, "{version} {arguments:?}");
            has_its_calls(&trace, calls);
        }
    }
}

#[test]
fn the_graph_launch_that_opens_the_window_is_in_it() {
    let run = run(&["--mode", "graph", "--markers", "none"], |server| server);
    let trace = ingest::read(&[run.output()]).expect("the captures can be read");
    has_its_calls(&trace, &[LaunchCall::Graph, LaunchCall::Module]);
}

/// Idle nanoseconds by cause.
fn idle(report: &Value, cause: &str) -> u64 {
    let causes = report["idle"]["causes"].as_array().expect("causes of idle time");
    causes.iter().filter(|row| row["name"] == cause).filter_map(|row| row["ns"].as_u64()).sum()
}

#[test]
fn idle_time_has_its_cause() {
    for mode in ["eager", "piecewise", "graph"] {
        let report = report(&run(&["--mode", mode], |server| server).output());
        assert_eq!(idle(&report, "unknown"), 0, "{mode}: {:#}", report["idle"]);
        for cause in ["copy", "host", "launch_gap"] {
            assert!(idle(&report, cause) > 0, "{mode} {cause}: {:#}", report["idle"]);
        }
    }
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let run = run(&["--mode", "eager"], |server| server.env("PROFILE_DECODE_WITHOUT", "copies,launches"));
    equals_the_ledger(&run.output(), &run.expected(WARMUP, WINDOW, is_decode), 1, WINDOW);
    let report = report(&run.output());
    assert_eq!(report["totals"]["copies"], 0);
    assert!(idle(&report, "unknown") > 0, "{:#}", report["idle"]);
}

#[test]
fn an_sdk_that_lacks_a_service_costs_what_it_tells_and_no_more() {
    // The fifth service is that of launch calls, the sixth that of copies.
    for (call, what) in [(5, "launch calls are not recorded"), (6, "copies are not recorded")] {
        let failing = format!("rocprofiler_configure_callback_tracing_service:{call}");
        let run = run(&["--mode", "eager"], |server| server.env("ROCPROFILER_SIM_FAIL", failing));
        equals_the_ledger(&run.output(), &run.expected(WARMUP, WINDOW, is_decode), 1, WINDOW);
        let warnings = report(&run.output())["warnings"].to_string();
        assert!(warnings.contains(what), "{warnings}");
    }
}

/// While one thread waits for the SDK, which takes its time to start a context, the others go on.
#[test]
fn nobody_else_waits_for_the_sdk_to_start_a_context() {
    let program = "
gpu = Gpu()
gpu.step()
longest = 0.0
done = False
def other():
    global longest
    while not done:
        begun = time.perf_counter()
        gpu.sim.roctxRangePushA(b'prefill[bs=1 tok=9 ctx=0]')
        gpu.sim.roctxRangePop()
        gpu.sim.roctxRangePushA(b'attn')
        gpu.sim.roctxRangePop()
        longest = max(longest, time.perf_counter() - begun)
        time.sleep(0.001)
thread = threading.Thread(target=other)
thread.start()
gpu.steps(9)
done = True
thread.join()
print(longest)
";
    let server = Server::python(program).steps(3, 3).env("ROCPROFILER_SIM_BYPASS", "start:1500");
    let run = server.run();
    run.succeeded();
    assert_eq!(report(&run.output())["steps"]["count"], 3);
    let longest: f64 = run.stdout().trim().parse().expect("seconds");
    assert!(longest < 0.75, "{longest} s: it waited for the start of 1.5 s");
}
