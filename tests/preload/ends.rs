//! Every way a server ends, and what it leaves.

use std::os::unix::process::ExitStatusExt;

use crate::harness::{Run, Server, library, report, text};
use crate::truth::{equals_the_ledger, is_decode};

/// A server whose window is still open when it ends: more steps are wanted than there are.
fn ends(end: &str, steps: &str, arguments: &[&str]) -> Run {
    let arguments = [&["--model", "dense", "--steps", steps, "--end", end], arguments].concat();
    Server::new(&arguments).steps(1000, 11).run()
}

#[test]
fn a_server_that_ends_by_itself_leaves_a_report_of_all_its_steps() {
    for end in ["return", "exit", "_exit"] {
        for tp in ["1", "4"] {
            let run = ends(end, "60", &["--tp", tp]);
            run.succeeded();
            let expected = run.expected(11, 1000, is_decode);
            let steps = expected.steps[&(0, 0)].len();
            equals_the_ledger(&run.output(), &expected, expected.steps.len(), steps);
            assert_eq!(report(&run.output())["capture"]["closed_by"], "exit", "{end}");
        }
    }
}

#[test]
fn a_server_that_is_told_to_end_leaves_a_report_and_dies_of_the_signal() {
    let run = ends("term", "60", &["--realtime"]);
    assert_eq!(run.output.status.signal(), Some(libc::SIGTERM), "{}", text(&run.output));
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 59, "60 and 10 of warm-up, less 11");
}

#[test]
fn a_server_that_is_killed_leaves_what_it_had_half_a_second_before() {
    for (end, signal) in [("kill", libc::SIGKILL), ("abort", libc::SIGABRT)] {
        let run = ends(end, "200", &["--realtime"]);
        assert_eq!(run.output.status.signal(), Some(signal), "{}", text(&run.output));
        assert!(!run.output().join("report.json").exists());
        let report = run.report_afterwards();
        let steps = report["steps"]["count"].as_u64().unwrap();
        assert!((60..=199).contains(&steps), "{steps} steps are on disk");
        assert!(report["warnings"].to_string().contains("capture-unfinished"), "{:#}", report["warnings"]);
    }
}

#[test]
fn four_processes_that_are_killed_leave_four_ranks() {
    let run = ends("kill", "200", &["--realtime", "--tp", "4", "--processes"]);
    let report = run.report_afterwards();
    assert_eq!(report["ranks"], 4);
}

#[test]
fn a_report_made_afterwards_is_the_report_made_at_the_end() {
    let run = Server::new(&["--model", "moe", "--steps", "60", "--tp", "2"]).steps(20, 12).run();
    run.succeeded();
    assert_eq!(run.report_afterwards(), report(&run.output()));
}

/// Loaded by `ROCP_TOOL_LIBRARIES` alone the library stands before nothing, and does not see `_exit` coming.
#[test]
fn where_an_end_is_not_seen_coming_little_is_lost() {
    let arguments = ["--model", "dense", "--steps", "200", "--end", "_exit", "--realtime"];
    let server = Server::new(&arguments).steps(1000, 11).without_preload();
    let run = server.env("ROCP_TOOL_LIBRARIES", library()).run();
    run.succeeded();
    let report = run.report_afterwards();
    let steps = report["steps"]["count"].as_u64().unwrap();
    // A step takes 6 ms: a twentieth of a second is 9 of them, half a second 83.
    assert!((160..=199).contains(&steps), "{steps} steps are on disk");
    assert!(report["warnings"].to_string().contains("capture-unfinished"), "{:#}", report["warnings"]);
}
