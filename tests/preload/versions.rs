//! One library, every SDK: versions, other clients, other ways to be found.

use crate::harness::{Server, library, print_tool, report};
use crate::truth::{equals_the_ledger, is_decode};

const WARMUP: usize = 11;
const WINDOW: usize = 20;

/// Runs a server to which `change` was done, on `tp` GPUs, and holds the report to the ledger.
fn holds(tp: usize, change: impl FnOnce(Server) -> Server) {
    let server = Server::new(&["--model", "dense", "--steps", "40", "--tp", &tp.to_string()]);
    let run = change(server.steps(WINDOW, WARMUP)).run();
    run.succeeded();
    equals_the_ledger(&run.output(), &run.expected(WARMUP, WINDOW, is_decode), tp, WINDOW);
}

#[test]
fn every_sdk_version_gives_the_truth() {
    for version in ["0.4", "0.5", "0.6", "1.0", "1.1", "1.3", "1.3.2", "1.3.5", "1.4.1"] {
        for tp in [1, 4] {
            holds(tp, |server| server.env("ROCPROFILER_SIM_VERSION", version));
        }
    }
}

/// Starting a stopped context for dispatches stands for a second here, and may hang a real server.
#[test]
fn where_a_start_may_hang_the_context_is_kept_on() {
    let run = |version: &str, variables: &[(&str, &str)]| {
        // In real time, so that the context is off for a while before the window.
        let server = Server::new(&["--model", "dense", "--steps", "40", "--realtime"]).steps(WINDOW, WARMUP);
        let server = variables.iter().fold(server, |server, (name, value)| server.env(name, value));
        let run = server.env("ROCPROFILER_SIM_VERSION", version).run();
        run.succeeded();
        let report = report(&run.output());
        (report["capture"]["dispatch_context"].as_str().unwrap_or_default().to_owned(), run.stalls())
    };
    for version in ["1.3.2", "1.3.5", "1.4.1"] {
        assert_eq!(run(version, &[]), ("kept".to_owned(), 0), "{version}");
        let older_path = [("ROCPROFILER_QUEUE_INTERPOSITION", "0")];
        assert_eq!(run(version, &older_path), ("switched".to_owned(), 0), "{version}");
    }
    assert_eq!(run("1.3", &[]), ("switched".to_owned(), 0));
    // Who asks for it gets it.
    let (context, stalls) = run("1.3.5", &[("PROFILE_DECODE_CONTEXT", "switch")]);
    assert_eq!(context, "switched");
    assert!(stalls > 0, "the simulator stands where the real one may hang");
    assert_eq!(run("1.0", &[("PROFILE_DECODE_CONTEXT", "keep")]), ("kept".to_owned(), 0));
}

#[test]
fn a_kept_context_records_the_truth() {
    for tp in [1, 4] {
        holds(tp, |server| server.env("PROFILE_DECODE_CONTEXT", "keep"));
    }
}

#[test]
fn it_is_found_through_rocp_tool_libraries_as_well_and_counts_once() {
    holds(1, |server| server.env("ROCP_TOOL_LIBRARIES", library()));
    holds(1, |server| server.env("ROCP_TOOL_LIBRARIES", library()).without_preload());
}

#[test]
fn of_two_copies_one_traces() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("libprofile_decode_copy.so");
    std::fs::copy(library(), &copy).unwrap();
    let server = Server::new(&["--model", "dense", "--steps", "40"]).steps(WINDOW, WARMUP);
    let run = server.env("ROCP_TOOL_LIBRARIES", &copy).run();
    run.succeeded();
    equals_the_ledger(&run.output(), &run.expected(WARMUP, WINDOW, is_decode), 1, WINDOW);
    assert_eq!(run.captures(), 1);
    assert!(run.stderr().contains("another copy of the library traces it"), "{}", run.stderr());
}

#[test]
fn it_works_beside_another_tool_whatever_the_priority() {
    holds(1, |server| server.env("ROCP_TOOL_LIBRARIES", print_tool()));
    holds(1, |server| server.also_preload(&print_tool()));
}

#[test]
fn it_works_when_the_sdk_starts_in_its_constructor() {
    holds(1, |server| server.env("ROCPROFILER_LIBRARY_CTOR", "1"));
}

#[test]
fn a_process_without_an_sdk_lives_and_says_so_once() {
    let run = Server::new(&["--steps", "5", "--tp", "2"]).env("ROCPROFILER_SIM_MISSING", "1").run();
    run.succeeded();
    let said: Vec<_> = run.stderr().lines().filter(|line| line.contains("is not traced")).map(str::to_owned).collect();
    assert_eq!(said.len(), 1, "{}", run.stderr());
    assert!(said[0].contains("librocprofiler-sdk.so"), "{said:?}");
    assert!(!run.output().exists());
}

#[test]
fn a_tracer_that_is_switched_off_does_nothing() {
    let run = Server::new(&["--steps", "30"]).env("PROFILE_DECODE_ENABLED", "0").run();
    run.succeeded();
    assert!(!run.output().exists());
    assert_eq!(run.stderr(), "");
}

#[test]
fn an_option_that_makes_no_sense_is_said_in_the_report() {
    let run = Server::new(&["--steps", "130"]).env("PROFILE_DECODE_STEPS", "many").run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 100);
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "invalid-option"), "{warnings:?}");
}
