//! The simulated decode server is what tests and the demonstration stand on, so it is tested itself: it does the same again
//! with the same seed, does the same in Python, and its ranks wait for each other.

#[path = "common/python.rs"]
mod python;
#[path = "common/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// A kernel as it ran: name, device, start relative to the device's first kernel, end likewise, range.
type Ran = (String, u64, u64, u64, Option<String>);

fn server() -> PathBuf {
    // `cargo test --test …` does not build examples; a plain `cargo test` has done so already, and then this is quick.
    static BUILT: OnceLock<bool> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let build = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", "decode_server"]).status();
        build.is_ok_and(|status| status.success())
    });
    assert!(built, "the example can be built");
    let exe = std::env::current_exe().expect("a test knows where it is");
    exe.parent().expect("in a directory").join("../examples/decode_server")
}

fn python_server() -> Option<Command> {
    let mut command = Command::new(python::python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/decode_server.py"));
    Some(command)
}

/// Runs a server and reads its ledger.
fn ledger(mut command: Command, options: &str) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.json");
    let simulator = std::env::current_exe().expect("a test knows where it is");
    let simulator = simulator.with_file_name("librocprofiler_sdk_simulator.so");
    let command = command
        .args(options.split_whitespace())
        .arg("--ledger")
        .arg(&path)
        .env("PROFILE_DECODE_SIMULATOR", simulator)
        .env_remove("RANK");
    let output = command.output().expect("the server can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(path).expect("the ledger is written")).expect("the ledger is JSON")
}

fn array<'a>(ledger: &'a Value, key: &str) -> &'a [Value] {
    ledger[key].as_array().expect("a table of the ledger")
}

fn ran(ledger: &Value) -> Vec<Ran> {
    let number = |row: &Value, key: &str| row[key].as_u64().expect("a number");
    let mut all: Vec<Ran> = array(ledger, "dispatches")
        .iter()
        .map(|row| {
            let name = ledger["kernels"][number(row, "kernel") as usize].as_str().expect("a name").to_owned();
            let range = row["range"].as_u64().map(|range| ledger["ranges"][range as usize]["message"].to_string());
            (name, number(row, "device"), number(row, "start_ns"), number(row, "end_ns"), range)
        })
        .collect();
    all.sort_by_key(|(_, device, start_ns, ..)| (*device, *start_ns));
    let devices: std::collections::BTreeMap<u64, u64> =
        all.iter().rev().map(|(_, device, start_ns, ..)| (*device, *start_ns)).collect();
    for (_, device, start_ns, end_ns, _) in &mut all {
        *start_ns -= devices[device];
        *end_ns -= devices[device];
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |options: &str| ran(&ledger(Command::new(server()), options));
    let first = run("--steps 6 --warmup 2 --prefill-every 3");
    assert_eq!(first, run("--steps 6 --warmup 2 --prefill-every 3"));
    assert_ne!(first, run("--steps 6 --warmup 2 --prefill-every 3 --seed 2"));
}

#[test]
fn the_server_in_python_does_the_same_to_the_nanosecond() {
    for options in [
        "--steps 5 --warmup 2 --prefill-every 2",
        "--steps 3 --warmup 1 --model moe --mode piecewise --markers sglang --slow-kernel _matmul_ogs=1.25 --batch 20",
        "--steps 2 --warmup 1 --model moe --arch gfx950 --markers atom --seed 7",
        "--steps 4 --warmup 1 --tp 2 --straggler 1=1.3",
        "--steps 2 --warmup 1 --mode eager --markers none",
    ] {
        let Some(python) = python_server() else { return };
        assert_eq!(ran(&ledger(python, options)), ran(&ledger(Command::new(server()), options)), "{options}");
    }
}

#[test]
fn the_last_rank_to_arrive_has_the_shortest_all_reduce() {
    let ledger = ledger(Command::new(server()), "--steps 3 --warmup 0 --tp 4 --straggler 2=1.2 --prefill-every 0");
    let mut waits = [0, 0, 0, 0];
    for (name, device, start_ns, end_ns, _) in ran(&ledger) {
        if name.contains("cross_device_reduce") {
            waits[device as usize] += end_ns - start_ns;
        }
    }
    assert!(waits.iter().enumerate().all(|(rank, wait)| rank == 2 || *wait > 2 * waits[2]), "{waits:?}");
}

#[test]
fn a_decode_step_has_as_many_kernels_as_the_real_one() {
    // Counted in the published traces: 386 in the graph of the dense model.
    let ledger = ledger(Command::new(server()), "--steps 4 --warmup 0 --prefill-every 0");
    for (row, _) in array(&ledger, "launches").iter().enumerate() {
        let of_launch = |dispatch: &&Value| dispatch["launch"].as_u64() == Some(row as u64);
        assert_eq!(array(&ledger, "dispatches").iter().filter(of_launch).count(), 386);
    }
    assert_eq!(array(&ledger, "launches").len(), 4);
}
