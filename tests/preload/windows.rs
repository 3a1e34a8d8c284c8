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

pub(crate) fn status(server: &Running) -> Option<Value> {
    let (good, stdout, _) = cli(&["status", &server.pid().to_string(), "--format", "json"]);
    good.then(|| crate::contract::parsed(&stdout))
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
        let report: Value = crate::contract::parsed(&bytes);
        let told = format!("{:#}\n{:#}\n{:#}", report["capture"], report["warnings"], report["steps"]);
        assert_eq!(report["steps"]["count"], steps, "{name}: {told}");
        assert_eq!(report["capture"]["armed_by"], "trigger", "{name}");
    }
}

#[test]
fn whoever_orders_a_window_may_wait_for_its_report_and_tracers_are_listed() {
    let server = server();
    let pid = server.pid().to_string();
    wait(&server, |_| true);
    let (good, listed, _) = cli(&["status", "--format", "json"]);
    let pids: Vec<Value> = listed.lines().map(|line| crate::contract::parsed(line)["pid"].clone()).collect();
    assert!(good && pids.contains(&server.pid().into()), "{listed}");

    let (good, _, stderr) = cli(&["trigger", &pid, "--steps", "5", "--wait"]);
    assert!(good && stderr.contains("5 decode steps recorded, see"), "{stderr}");
    let report: Value = crate::contract::parsed(std::fs::read(server.output().join("report.json")).unwrap());
    assert_eq!(report["steps"]["count"], 5);
}

#[test]
fn what_one_window_lost_is_not_missed_in_the_next() {
    let server = Server::new(&["--model", "dense", "--steps", "0", "--realtime"]);
    let server =
        server.steps(7, 0).env("PROFILE_DECODE_ARM", "trigger").env("ROCPROFILER_SIM_GPU", "lost:1000").start();
    let pid = server.pid().to_string();
    wait(&server, |_| true);
    for window in 1..=4 {
        assert!(cli(&["trigger", &pid]).0);
        wait(&server, |status| status["window"] == window && status["state"] == "idle");
        let name = if window == 1 { "report.json".to_owned() } else { format!("report-{window}.json") };
        let bytes = std::fs::read(server.output().join(&name)).expect("the report was written at once");
        let capture = &crate::contract::parsed(&bytes)["capture"];
        let of_cause = |cause: &str| {
            let losses = capture["dropped"].as_array().unwrap().iter();
            losses.filter(|loss| loss["cause"] == cause).filter_map(|loss| loss["count"].as_u64()).sum::<u64>()
        };
        let (lost, records) = (of_cause("no_completion"), capture["records"].as_u64().unwrap());
        // One in a thousand of those enqueued, of which the first may be any.
        assert!(lost > 0 && lost <= (records + lost).div_ceil(1000), "{name}: {lost} of {records}");
        assert_eq!(of_cause("late"), 0, "{name}");
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
    let report: Value = crate::contract::parsed(&report);
    assert_eq!(report["capture"]["closed_by"], "timeout");
}

#[test]
fn an_ordered_window_for_which_no_step_comes_is_given_up_after_its_time() {
    let server = Server::python("Gpu(); time.sleep(600)").env("PROFILE_DECODE_ARM", "trigger");
    let server = server.env("PROFILE_DECODE_TIMEOUT", "1").start();
    wait(&server, |_| true);
    let pid = server.pid().to_string();
    assert!(cli(&["trigger", &pid]).0);
    let (_, stdout, _) = cli(&["status", &pid]);
    assert!(stdout.contains("waiting") && stdout.contains("no decode step seen yet"), "{stdout}");
    let status = wait(&server, |status| status["state"] == "idle");
    assert!(status["said"].to_string().contains("within 1 s: no decode step was seen"), "{status}");
    assert!(cli(&["trigger", &pid]).0, "another can be ordered");
}

#[test]
fn a_window_awaited_from_the_start_has_time_until_the_server_decodes() {
    let program = "gpu = Gpu(); time.sleep(2.5); gpu.steps(5); time.sleep(600)";
    let server = Server::python(program).steps(10, 10).env("PROFILE_DECODE_TIMEOUT", "1").start();
    let status = wait(&server, |status| status["state"] == "idle");
    assert!(status["said"].to_string().contains("5 decode steps were seen, the first 10 are warm-up"), "{status}");
}

#[test]
fn steps_after_the_window_tell_what_one_takes_without_us() {
    // Without warm-up there are no steps before it.
    let server = Server::new(&["--model", "dense", "--steps", "0", "--realtime"]).steps(7, 0).start();
    wait(&server, |status| status["window"] == 1 && status["state"] == "idle");
    let report = std::fs::read(server.output().join("report.json")).unwrap();
    let report: Value = crate::contract::parsed(&report);
    assert_eq!(report["capture"]["closed_by"], "window_full");
    let figure = |name: &str| report["capture"]["overhead"][name].as_u64().unwrap_or_else(|| panic!("{name}"));
    let (inside, outside) = (figure("step_inside_p50_ns"), figure("step_outside_p50_ns"));
    assert!(outside > 1_000_000 && inside > 1_000_000 && inside < 20 * outside, "{inside} ns, {outside} ns");
}

#[test]
fn run_prints_the_first_report_and_names_those_of_the_other_windows() {
    let program = "
gpu = Gpu()
gpu.steps(20)
flushed(); flushed()
with open(os.environ['PROFILE_DECODE_OUTPUT'] + '/trigger', 'w') as trigger: trigger.write('steps=4 warmup=0')
time.sleep(0.5)
gpu.steps(10)
";
    let server = Server::python(program).without_preload();
    let output = server.directory().join("of-run").display().to_string();
    let words = ["run", "--output", &output, "--steps", "7", "--warmup", "3", "--format", "json", "--"];
    let run = server.started_by(&[&[env!("CARGO_BIN_EXE_profile-decode")][..], &words].concat()).run();
    run.succeeded();
    let report: Value = crate::contract::parsed(run.stdout());
    assert_eq!(report["steps"]["count"], 7);
    assert!(run.stderr().contains("the report of window 2 is"), "{}", run.stderr());
    assert!(run.stderr().contains("report-2.json"), "{}", run.stderr());
}
