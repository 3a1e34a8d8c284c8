//! Directories that hold more than one run, as profilers leave them.

mod common;
#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;

use std::process::{Command, Output};

use kineto::Kineto;
use serde_json::{Value, json};

/// A rank's trace: `steps` times a GEMM of 50 µs and an all-reduce of 20 µs, from `start_us` on.
fn trace(rank: u32, world_size: u32, start_us: u64, steps: u64, [gemm, reduce]: [&str; 2]) -> Kineto {
    let mut trace = Kineto::of_rank(rank, world_size);
    for step in 0..steps {
        let at = (start_us + step * 200) as f64;
        trace.call("hipLaunchKernel", at - 10.0, 5.0, step + 1);
        trace.kernel(gemm, at, 50.0, step + 1).kernel(reduce, at + 50.0, 20.0, step + 1);
    }
    trace
}

const SERVING: [&str; 2] = ["Cijk_Alik_Bljk_BBS_BH_MT16x16x512", "ncclDevKernel_Generic"];

fn profile_decode(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> Value {
    let output = profile_decode(&[&["report", "--format", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    contract::parsed(&output.stdout)
}

fn warning<'a>(report: &'a Value, code: &str) -> Option<&'a str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().find(|warning| warning["code"] == code).and_then(|warning| warning["text"].as_str())
}

/// Two sessions of two ranks, an hour apart; the second has one step more.
fn two_sessions() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (session, start_us) in [(0, 1_000), (1, 3_600_001_000)] {
        for rank in 0..2 {
            let name = format!("host_{session}.rank{rank}.pt.trace.json");
            trace(rank, 2, start_us + u64::from(rank), 3 + session, SERVING).write(&directory.path().join(name));
        }
    }
    directory
}

#[test]
fn of_two_sessions_in_a_directory_the_newest_is_reported_and_the_other_named() {
    let directory = two_sessions();
    let path = directory.path().to_str().unwrap();
    let newest = report(&[path]);
    assert_eq!((&newest["ranks"], &newest["totals"]["dispatches"]), (&json!(2), &json!(16)));
    let text = warning(&newest, "other-sessions").unwrap();
    assert!(text.contains("hold 2 sessions") && text.contains("host_0.rank0.pt.trace.json"), "{text}");

    let first = report(&[path, "--session", "1"]);
    assert_eq!((&first["ranks"], &first["totals"]["dispatches"]), (&json!(2), &json!(12)));
}

#[test]
fn a_session_that_is_not_there_is_an_error_that_says_how_many_there_are() {
    let directory = two_sessions();
    let output = profile_decode(&["report", "--session", "3", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(65));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("there is no session 3: the inputs hold 2"), "{stderr}");
}

#[test]
fn a_newer_session_that_lacks_a_rank_does_not_hide_a_complete_one() {
    let directory = two_sessions();
    std::fs::remove_file(directory.path().join("host_1.rank1.pt.trace.json")).unwrap();
    let report = report(&[directory.path().to_str().unwrap()]);
    assert_eq!((&report["ranks"], &report["totals"]["dispatches"]), (&json!(2), &json!(12)));
}

#[test]
fn unrelated_traces_in_a_directory_are_listed_and_not_made_ranks() {
    let directory = tempfile::tempdir().unwrap();
    trace(0, 1, 1_000, 3, SERVING).write(&directory.path().join("decode.json"));
    trace(0, 1, 900_000_000, 3, ["conv_kernel", "softmax_kernel"]).write(&directory.path().join("vision.json"));
    let output = profile_decode(&["report", directory.path().to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(65));
    let error: Value = contract::parsed(&output.stdout);
    assert_eq!(error["error"]["kind"], "several_runs");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("decode.json") && message.contains("vision.json"), "{message}");
}

#[test]
fn the_shared_sessions_are_two_runs_of_two_ranks() {
    let Some(shared) = common::shared() else { return };
    let report = report(&[shared.join("faults/two-sessions-one-dir").to_str().unwrap(), "--session", "1"]);
    let waits: Vec<_> =
        report["rank_skew"]["per_rank"].as_array().unwrap().iter().map(|rank| &rank["wait_ns"]).collect();
    assert_eq!((report["ranks"].as_u64(), waits), (Some(2), vec![&json!(63_000), &json!(0)]));
}
