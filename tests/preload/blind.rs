//! Servers that tell of no steps: without markers, without graphs, or with markers that the SDK does not see.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Server, report};

#[test]
fn graph_launches_tell_the_steps_where_there_are_no_markers() {
    let run = Server::new(&["--model", "dense", "--steps", "80", "--markers", "none"]).steps(30, 12).run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["detector"], "graph", "{:#}", report["steps"]);
    assert_eq!(report["steps"]["count"], 30, "{:#}", report["steps"]);
}

#[test]
fn window_stderr_and_report_count_the_same_steps_of_graphs_and_pieces_whatever_the_bucket() {
    // Batches of 8 and 9 replay the graphs of two buckets.
    for (mode, batch, prefill, tp) in [
        ("piecewise", "32", "25", "2"),
        ("piecewise", "9", "0", "1"),
        ("graph", "9", "7", "1"),
        ("graph", "9", "7", "2"),
    ] {
        let arguments = ["--model", "dense", "--steps", "80", "--markers", "none", "--mode", mode, "--batch", batch];
        let run =
            Server::new(&[&arguments[..], &["--prefill-every", prefill, "--tp", tp]].concat()).steps(30, 12).run();
        run.succeeded();
        let report = report(&run.output());
        let told = format!("{mode}, batch {batch}: {:#}\n{}", report["steps"]["phases"], run.stderr());
        assert_eq!(report["capture"]["steps_before_stop"], 30, "{told}");
        assert!(run.stderr().contains("30 decode steps recorded"), "{told}");
        assert_eq!(report["steps"]["count"], 30, "{told}");
        assert_eq!(report["steps"]["detector"], "graph", "{told}");
        // Each step is a whole pass: what is launched between its pieces is in it.
        let sizes = &report["steps"]["by_phase"][0];
        let (steps, dispatches) = (sizes["steps"].as_u64().unwrap(), sizes["dispatches"].as_u64().unwrap());
        assert_eq!((&sizes["phase"], dispatches % steps), (&"decode".into(), 0), "{told}");
        // What another rank had begun before the window opened is no whole pass.
        let outside = report["totals"]["outside_steps"]["dispatches"].as_u64().unwrap();
        assert!(outside < dispatches / steps && (tp == "2" || outside == 0), "{outside} outside; {told}");
    }
}

#[test]
fn the_pattern_of_kernels_tells_the_steps_where_there_is_nothing_else() {
    let arguments = ["--model", "dense", "--steps", "120", "--markers", "none", "--mode", "eager"];
    let run = Server::new(&[&arguments[..], &["--prefill-every", "0"]].concat()).steps(30, 12).run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["detector"], "period", "{:#}", report["steps"]);
    assert!(report["steps"]["count"].as_u64().unwrap() >= 28, "{:#}", report["steps"]);
}

#[test]
fn a_program_that_makes_no_steps_leaves_nothing_and_says_why() {
    let run = Server::python("Gpu(['lonely']).launch()").run();
    run.succeeded();
    assert!(run.stderr().contains("nothing is kept of 1 dispatches"), "{}", run.stderr());
    assert_eq!(run.files(), ["run.json"], "only the run directory's owner");
}

#[test]
fn a_marker_that_matches_nothing_costs_a_warning_and_not_the_capture() {
    for (mode, detector) in [("eager", "period"), ("graph", "graph")] {
        let arguments = ["--model", "dense", "--steps", "120", "--mode", mode, "--prefill-every", "0"];
        let run = Server::new(&arguments).steps(30, 12).env("PROFILE_DECODE_MARKER", "^no_such_step").run();
        run.succeeded();
        let report = report(&run.output());
        assert_eq!(report["steps"]["detector"], detector, "{:#}", report["steps"]);
        assert!(report["steps"]["count"].as_u64().unwrap() >= 28, "{:#}", report["steps"]);
        assert!(report["warnings"].to_string().contains("marker-matches-nothing"), "{:#}", report["warnings"]);
    }
}

#[test]
fn a_capture_without_steps_is_kept_where_a_marker_was_asked_for() {
    let run = Server::python("Gpu(['lonely']).launch()").env("PROFILE_DECODE_MARKER", "^no_such_step").run();
    run.succeeded();
    assert_eq!(run.captures(), 1, "{}", run.stderr());
    assert_eq!(report(&run.output())["totals"]["dispatches"], 1);
}

/// The old roctx, as far as matters: it counts the depth and tells nobody.
const OLD_ROCTX: &str = "
static __thread int depth;
int roctxRangePushA(const char* message) { return depth++; }
int roctxRangePop(void) { return --depth; }
";

/// Compiles it into `place`.
fn old_roctx(place: &Path) -> PathBuf {
    let source = place.join("roctx.c");
    std::fs::write(&source, OLD_ROCTX).unwrap();
    let library = place.join("libroctx64.so.4");
    let name = "-Wl,-soname,libroctx64.so.4";
    let compiled = Command::new("cc").args(["-shared", "-fPIC", name, "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.expect("a C compiler").success());
    library
}

const OLD_STEPS: &str = "
for _ in range(20):
    assert libc.roctxRangePushA(DECODE) == 0
    gpu.launch()
    gpu.sim.sim_device_synchronize()
    assert libc.roctxRangePop() == 0
";

#[test]
fn ranges_of_the_old_roctx_are_steps_too() {
    let place = tempfile::tempdir().unwrap();
    let library = old_roctx(place.path());
    let run = Server::python(&format!("gpu = Gpu()\n{OLD_STEPS}")).steps(8, 5).also_preload_after(&library).run();
    run.succeeded();
    assert!(run.stderr().contains("8 decode steps recorded"), "{}", run.stderr());
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 8);
    assert_eq!(report["steps"]["detector"], "marker");
    assert_eq!(report["totals"]["dispatches"], 16);
}

#[test]
fn a_roctx_that_is_loaded_after_the_first_range_is_found() {
    let place = tempfile::tempdir().unwrap();
    let load = format!("ctypes.CDLL({:?})", old_roctx(place.path()));
    // The simulator is a roctx too, and would be found: it is loaded by the first use of the GPU.
    let program = format!("assert libc.roctxRangePushA(DECODE) == -1\n{load}\ngpu = Gpu()\n{OLD_STEPS}");
    let run = Server::python(&program).steps(8, 5).run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!((&report["steps"]["count"], &report["steps"]["detector"]), (&8.into(), &"marker".into()));
}
