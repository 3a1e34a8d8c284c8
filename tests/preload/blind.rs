//! Servers that tell of no steps: without markers, without graphs, or with markers that the SDK does not see.

use std::path::Path;
use std::process::Command;

use crate::harness::{Server, preloaded, report, simulator, text};

#[test]
fn graph_launches_tell_the_steps_where_there_are_no_markers() {
    let run = Server::new(&["--model", "dense", "--steps", "80", "--markers", "none"]).steps(30, 12).run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["detector"], "graph", "{:#}", report["steps"]);
    let count = report["steps"]["count"].as_u64().unwrap();
    assert!((28..=31).contains(&count), "{count} steps; the first and last may be cut");
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
    let program = "L = sim(); f, s = kernels(L, ['lonely'])\nL.sim_launch(q(f[0]), q(s), u(5000))\n";
    let (said, directory) = python(program, &[]);
    assert!(said.contains("nothing is kept of 1 dispatches"), "{said}");
    let left: Vec<_> = std::fs::read_dir(directory.path().join("out")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "only the run directory's owner: {left:?}");
}

/// The old roctx, as far as matters: it counts the depth and tells nobody.
const OLD_ROCTX: &str = "
static __thread int depth;
int roctxRangePushA(const char* message) { return depth++; }
int roctxRangePop(void) { return --depth; }
";

#[test]
fn ranges_of_the_old_roctx_are_steps_too() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("roctx.c");
    std::fs::write(&source, OLD_ROCTX).unwrap();
    let library = place.path().join("libroctx64.so.4");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().expect("a C compiler");
    assert!(compiled.success());
    let program = "
L = sim(); f, s = kernels(L, ['gemm', 'attention'])
roctx = ctypes.CDLL(None)
for i in range(20):
    assert roctx.roctxRangePushA(b'decode[bs=4 tok=4 p=0 d=4]') == 0
    for k in f: L.sim_launch(q(k), q(s), u(5000))
    L.sim_device_synchronize()
    assert roctx.roctxRangePop() == 0
";
    let (said, directory) = python(program, &[&library]);
    assert!(said.contains("8 decode steps recorded"), "{said}");
    let report = report(&directory.path().join("out"));
    assert_eq!(report["steps"]["count"], 8);
    assert_eq!(report["steps"]["detector"], "marker");
    assert_eq!(report["totals"]["dispatches"], 16);
}

/// Runs a Python host over the simulator with the library preloaded, and `others` after it; gives what it said.
fn python(program: &str, others: &[&Path]) -> (String, tempfile::TempDir) {
    let prelude = format!(
        "
import ctypes
q, u = ctypes.c_longlong, ctypes.c_ulonglong
def sim():
    L = ctypes.CDLL({:?})
    for name in ['sim_module_load', 'sim_module_get_function', 'sim_stream_create']:
        getattr(L, name).restype = q
    L.sim_init(1, b'gfx942')
    return L
def kernels(L, names):
    module = L.sim_module_load('\\n'.join(names).encode())
    return [L.sim_module_get_function(q(module), name.encode()) for name in names], L.sim_stream_create()
",
        simulator().display()
    );
    let directory = tempfile::tempdir().unwrap();
    let mut command = preloaded("python3", directory.path());
    let mut preload = crate::harness::library().into_os_string();
    for other in others {
        preload.push(" ");
        preload.push(other);
    }
    command.env("LD_PRELOAD", preload).env("PROFILE_DECODE_OUTPUT", directory.path().join("out"));
    command.env("PROFILE_DECODE_STEPS", "8").env("PROFILE_DECODE_WARMUP", "5");
    let output = command.arg("-c").arg(prelude + program).output().expect("python runs");
    assert!(output.status.success(), "{}", text(&output));
    (String::from_utf8_lossy(&output.stderr).into_owned(), directory)
}
