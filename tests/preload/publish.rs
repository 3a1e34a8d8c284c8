//! Who makes the report, and what the server has to do with it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Running, Server, report};

const PATIENCE: Duration = Duration::from_secs(60);

fn wait_for(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two servers of one run, a rank each, that go on until they are killed.
fn two_ranks(directory: &Path, variables: &[(&str, &str)]) -> [Running; 2] {
    ["0", "1"].map(|rank| {
        let server = Server::new(&["--model", "dense", "--steps", "0", "--realtime"]).steps(10, 3);
        let server = server.env("PROFILE_DECODE_OUTPUT", directory).env("PROFILE_DECODE_RUN_ID", "both");
        let server = server.env("RANK", rank).env("WORLD_SIZE", "2");
        variables.iter().fold(server, |server, (name, value)| server.env(name, value)).start()
    })
}

fn captures(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.flatten().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pdc")).count()
}

/// Processes that `server` has started, those among them that have ended and were not reaped.
fn children(server: &Running) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect()
}

#[test]
fn the_last_rank_out_starts_a_process_that_reports_on_all_and_leaves_no_zombie() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("run");
    let servers = two_ranks(&directory, &[]);
    wait_for(|| directory.join("report.md").exists());
    wait_for(|| report(&directory)["ranks"] == 2);
    wait_for(|| servers.iter().all(|server| children(server).is_empty()));
    assert_eq!(report(&directory)["steps"]["count"], 10);
}

#[test]
fn nobody_makes_a_report_where_nobody_shall() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("run");
    let servers = two_ranks(&directory, &[("PROFILE_DECODE_REPORT_BY", "none")]);
    let is_over = |server: &Running| crate::windows::status(server).is_some_and(|status| status["state"] == "idle");
    wait_for(|| captures(&directory) == 2 && servers.iter().all(is_over));
    assert!(!directory.join("report.json").exists() && !directory.join("report.md").exists());
    let said = crate::windows::status(&servers[0]).unwrap()["said"].to_string();
    assert!(said.contains("profile-decode report"), "{said}");
}

#[test]
fn a_server_makes_its_report_itself_where_it_shall() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("run");
    let servers = two_ranks(&directory, &[("PROFILE_DECODE_REPORT_BY", "inline")]);
    wait_for(|| directory.join("report.json").exists());
    wait_for(|| report(&directory)["ranks"] == 2);
    drop(servers);
}
