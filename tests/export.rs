//! What is written for other programs, and what the doctor says, from outside.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/served.rs"]
mod served;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use served::Server;
use tempfile::TempDir;

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

/// A directory with the trace of a server.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    let trace = Server { layers: 2, ..Server::new(1) }.trace();
    fs::write(place.path().join("trace.json"), served::kineto(&trace)).unwrap();
    place
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_trace_for_perfetto_has_tracks_for_the_rank_its_steps_and_its_streams() {
    let place = place();
    run(place.path(), &["export", "trace.json", "-o", "window.json.gz"]);
    let bytes = fs::read(place.path().join("window.json.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let events = json["traceEvents"].as_array().unwrap();
    let named = |what: &str| -> Vec<&str> {
        let of_kind = events.iter().filter(|event| event["name"] == what);
        of_kind.map(|event| event["args"]["name"].as_str().unwrap()).collect()
    };
    let processes = named("process_name");
    assert!(processes.iter().any(|name| name.starts_with("rank 0")), "{processes:?}");
    assert!(named("thread_name").contains(&"steps"), "{:?}", named("thread_name"));
    let report: Value = contract::parsed(stdout(&run(place.path(), &["report", "trace.json", "--format", "json"])));
    let counted = report["scope"]["counted"]["dispatches"].as_u64().unwrap();
    let kernels = events.iter().filter(|event| event["ph"] == "X" && event["args"].get("backend").is_some());
    let in_steps = kernels.filter(|event| event["args"].get("step").is_some()).count() as u64;
    assert!(in_steps >= counted && counted > 0, "{in_steps} and {counted}");
    // Every slice begins in the window, which begins at 0.
    let starts = events.iter().filter_map(|event| event["ts"].as_f64());
    assert!(starts.clone().any(|ts| ts == 0.0) && events.iter().any(|event| event["cat"] == "step"));
}

#[test]
fn the_tables_have_as_many_cells_in_every_row_and_the_sums_of_the_report() {
    let place = place();
    let report: Value = contract::parsed(stdout(&run(place.path(), &["report", "trace.json", "--format", "json"])));
    let kernels = stdout(&run(place.path(), &["export", "trace.json", "--format", "kernels-csv"]));
    assert_eq!(kernels.lines().count(), 1 + report["kernels"].as_array().unwrap().len());
    let dispatches =
        stdout(&run(place.path(), &["export", "trace.json", "--format", "dispatches-csv", "--whole-trace"]));
    let (header, rows) = dispatches.split_once('\n').unwrap();
    let column = |title: &str| header.split(',').position(|cell| cell == title).unwrap();
    // The name comes last, so what is before it has no comma.
    let sum: u64 =
        rows.lines().map(|row| row.split(',').nth(column("duration_ns")).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, report["totals"]["gpu_time_ns"].as_u64().unwrap());
    assert_eq!(rows.lines().count() as u64, report["totals"]["dispatches"].as_u64().unwrap());
}

#[test]
fn the_doctor_says_the_same_in_words_in_json_and_by_its_exit_code() {
    let place = TempDir::new().unwrap();
    let words = run(place.path(), &["doctor"]);
    let json = run(place.path(), &["doctor", "--format", "json"]);
    let found: Value = contract::parsed(&json.stdout);
    let ok = found["ok"].as_bool().unwrap();
    assert_eq!(found["schema"], "profile-decode/doctor/2");
    for output in [&words, &json] {
        assert_eq!(output.status.code(), Some(if ok { 0 } else { 69 }), "{found}");
    }
    let checks = found["checks"].as_array().unwrap();
    for id in ["tracer", "rocprofiler-sdk", "gpu"] {
        assert!(checks.iter().any(|check| check["id"] == id), "{id}");
    }
    let words = String::from_utf8(words.stdout).unwrap();
    let problems = checks.iter().filter(|check| check["state"] == "problem").count();
    assert_eq!(words.lines().filter(|line| line.starts_with("PROBLEM")).count(), problems, "{words}");
    for check in checks.iter().filter(|check| check["state"] == "problem") {
        assert!(check["hint"].is_string(), "a problem comes with what to do: {check}");
    }
}
