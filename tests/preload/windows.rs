//! Windows in a running server: ordered, looked at, ordered again.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Running, Server};

/// Longest wait for anything here: these machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(60);

fn cli(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn status(server: &Running) -> Option<Value> {
    let (good, stdout, _) = cli(&["status", &server.pid().to_string(), "--format", "json"]);
    good.then(|| serde_json::from_str(&stdout).expect("a status is JSON"))
}

/// Waits until the server's status is as wanted.
fn wait(server: &Running, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let now = status(server);
        match now {
            Some(now) if wanted(&now) => return now,
            _ => assert!(begun.elapsed() < PATIENCE, "{now:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that goes on until it is killed, in which nothing is recorded until a window is ordered.
fn server() -> Running {
    let server = Server::new(&["--model", "dense", "--steps", "0", "--realtime"]);
    server.steps(7, 0).env("PROFILE_DECODE_ARM", "trigger").start()
}

#[test]
fn windows_are_ordered_by_pid_again_and_again() {
    let server = server();
    let pid = server.pid().to_string();
    assert_eq!(wait(&server, |_| true)["state"], "idle");
    assert!(!server.output().exists());

    assert!(cli(&["trigger", &pid]).0);
    wait(&server, |status| status["window"] == 1 && status["state"] == "idle");
    let (good, _, stderr) = cli(&["trigger", &pid, "--steps", "3", "--warmup", "1"]);
    assert!(good, "{stderr}");
    wait(&server, |status| status["window"] == 2 && status["state"] == "idle");

    for (name, steps) in [("report.json", 7), ("report-2.json", 3)] {
        let bytes = std::fs::read(server.output().join(name)).expect("the report was written at once");
        let report: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(report["steps"]["count"], steps, "{name}");
        assert_eq!(report["capture"]["armed_by"], "trigger", "{name}");
    }
}

#[test]
fn an_order_while_a_window_is_open_is_refused() {
    let server = server();
    let pid = server.pid().to_string();
    wait(&server, |_| true);
    assert!(cli(&["trigger", &pid, "--steps", "100000"]).0);
    wait(&server, |status| status["state"] == "recording");
    let (good, _, stderr) = cli(&["trigger", &pid]);
    assert!(!good);
    assert!(stderr.contains("recording already"), "{stderr}");
}

#[test]
fn a_trigger_file_in_the_run_directory_orders_a_window() {
    let server = server();
    wait(&server, |_| true);
    std::fs::create_dir(server.output()).unwrap();
    std::fs::write(server.output().join("trigger"), "steps=4").unwrap();
    let status = wait(&server, |status| status["window"] == 1 && status["state"] == "idle");
    assert_eq!(status["steps_wanted"], 4);
    assert!(server.output().join("report.md").exists());
}

#[test]
fn a_process_without_a_tracer_is_said_to_have_none() {
    let (good, stdout, stderr) = cli(&["status", "1"]);
    assert!(!good);
    assert_eq!(stdout, "");
    assert!(stderr.contains("there is no tracer in process 1"), "{stderr}");
}

#[test]
fn an_open_window_closes_after_its_time() {
    let server = Server::new(&["--model", "dense", "--steps", "0", "--realtime"]);
    let server = server.steps(1_000_000, 0).env("PROFILE_DECODE_TIMEOUT", "1").start();
    wait(&server, |status| status["window"] == 1 && status["state"] == "idle");
    let report = std::fs::read_to_string(server.output().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["capture"]["closed_by"], "timeout");
}
