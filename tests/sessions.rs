//! Directories that hold more than one run, as profilers leave them.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A rank's Kineto trace: `steps` times a GEMM of 50 µs and an all-reduce of 20 µs, from `start_us` on.
fn trace(rank: u32, world_size: u32, start_us: u64, steps: u64) -> Value {
    let kernel = |name: &str, at: u64, dur: u64, correlation: u64| {
        json!({"ph": "X", "cat": "kernel", "name": name, "pid": 2, "tid": 0, "ts": at, "dur": dur,
               "args": {"device": 0, "stream": 0, "correlation": correlation}})
    };
    let events: Vec<Value> = (0..steps)
        .flat_map(|step| {
            let at = start_us + step * 200;
            let launch = json!({"ph": "X", "cat": "cuda_runtime", "name": "hipLaunchKernel", "pid": 1, "tid": 1,
                                "ts": at - 10, "dur": 5, "args": {"correlation": step + 1}});
            [launch, kernel("gemm_kernel", at, 50, step + 1), kernel("ncclDevKernel_Generic", at + 50, 20, step + 1)]
        })
        .collect();
    json!({"schemaVersion": 1, "baseTimeNanoseconds": 0,
           "distributedInfo": {"backend": "nccl", "rank": rank, "world_size": world_size}, "traceEvents": events})
}

fn write(directory: &Path, name: &str, trace: &Value) {
    std::fs::write(directory.join(name), trace.to_string()).unwrap();
}

fn profile_decode(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> Value {
    let output = profile_decode(&[&["report", "--format", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
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
            write(directory.path(), &name, &trace(rank, 2, start_us + u64::from(rank), 3 + session));
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
    write(directory.path(), "decode.json", &trace(0, 1, 1_000, 3));
    let text = trace(0, 1, 900_000_000, 3).to_string();
    let text = text.replace("gemm_kernel", "conv_kernel").replace("ncclDevKernel_Generic", "softmax_kernel");
    std::fs::write(directory.path().join("vision.json"), text).unwrap();
    let output = profile_decode(&["report", directory.path().to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(65));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
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
