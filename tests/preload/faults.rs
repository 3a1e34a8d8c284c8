//! What goes wrong on our side or the SDK's must not be the server's trouble, and must be said.

use crate::harness::{Server, report};
use crate::truth::{equals_the_ledger, is_decode};

const ARGUMENTS: [&str; 4] = ["--model", "dense", "--steps", "60"];

#[test]
fn a_panic_in_a_callback_disarms_the_tracer_and_nothing_else() {
    for place in ["symbol", "marker", "graph", "aggregator"] {
        let run = Server::new(&ARGUMENTS).steps(30, 12).env("PROFILE_DECODE_FAULT", format!("panic:{place}")).run();
        run.succeeded();
        let mut said = run.stderr();
        if run.output().join("report.json").exists() {
            said += &report(&run.output())["warnings"].to_string();
        }
        assert!(said.contains("the tracer disarmed itself"), "{place}: {said}");
    }
}

#[test]
fn a_panic_inside_the_window_leaves_a_report_that_says_so() {
    let run = Server::new(&ARGUMENTS).steps(30, 12).env("PROFILE_DECODE_FAULT", "panic:dispatch").run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["capture"]["closed_by"], "disarmed", "{:#}", report["capture"]);
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "tracer-disarmed"), "{warnings:?}");
}

/// Every SDK function that the tracer calls, and whether it can do without.
const CALLS: [(&str, bool); 15] = [
    ("rocprofiler_create_context", false),
    ("rocprofiler_create_context:3", false),
    ("rocprofiler_create_context:6", false),
    ("rocprofiler_start_context", false),
    ("rocprofiler_start_context:2", false),
    ("rocprofiler_start_context:3", false),
    ("rocprofiler_start_context:4", false),
    ("rocprofiler_start_context:5", false),
    ("rocprofiler_stop_context", true),
    ("rocprofiler_configure_callback_tracing_service", false),
    ("rocprofiler_query_callback_tracing_kind_name", false),
    ("rocprofiler_query_available_agents", true),
    ("rocprofiler_iterate_callback_tracing_kind_operations", false),
    ("rocprofiler_push_external_correlation_id", true),
    ("rocprofiler_pop_external_correlation_id", false),
];

#[test]
fn each_failing_sdk_call_is_named_and_the_server_goes_on() {
    for (call, goes_without) in CALLS {
        let run = Server::new(&ARGUMENTS).steps(30, 12).env("ROCPROFILER_SIM_FAIL", call).run();
        run.succeeded();
        let name = call.split(':').next().unwrap();
        let mut said = run.stderr();
        if run.output().exists() {
            said += &report(&run.output())["warnings"].to_string();
        }
        assert!(said.contains(name), "{call}: {said}");
        if goes_without {
            assert_eq!(report(&run.output())["steps"]["count"], 30, "{call}: {said}");
        }
    }
}

/// The SDK refuses ids of threads whose number is below the process's, which is so after the numbers have begun anew.
#[test]
fn threads_that_the_sdk_keeps_no_step_for_have_their_kernels_in_the_right_steps() {
    let (warmup, window) = (12, 30);
    for shape in [["--mode", "eager"], ["--markers", "sglang"]] {
        let server = Server::new(&[&["--model", "moe", "--tp", "4", "--steps", "60"], &shape[..]].concat());
        let call = "rocprofiler_push_external_correlation_id";
        let run = server.steps(window, warmup).env("ROCPROFILER_SIM_FAIL", call).run();
        run.succeeded();
        equals_the_ledger(&run.output(), &run.expected(warmup, window, is_decode), 4, window);
    }
}

#[test]
fn the_time_comes_from_the_system_where_the_sdk_has_none() {
    let run = Server::new(&ARGUMENTS).steps(30, 12).env("ROCPROFILER_SIM_FAIL", "rocprofiler_get_timestamp").run();
    run.succeeded();
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 30);
    assert!(report["warnings"].to_string().contains("rocprofiler_get_timestamp"));
}

#[test]
fn lost_completions_are_counted_and_the_capture_is_incomplete() {
    // A few: where nearly every step lacks a kernel of its own, none of them tells what a whole step is.
    let run = Server::new(&ARGUMENTS).steps(30, 12).env("ROCPROFILER_SIM_GPU", "lost:3000").run();
    run.succeeded();
    let report = report(&run.output());
    let dropped = report["capture"]["dropped"].as_array().unwrap();
    assert!(dropped.iter().any(|loss| loss["cause"] == "no_completion"), "{dropped:?}");
    assert_eq!(report["steps"]["complete"], false);
    assert!(!report["steps"]["missing"].as_array().unwrap().is_empty());
}

#[test]
fn timestamps_that_the_gpu_got_wrong_lose_no_dispatch() {
    let run = Server::new(&ARGUMENTS).steps(30, 12).env("ROCPROFILER_SIM_GPU", "zero:3,swap:2").run();
    run.succeeded();
    let report = report(&run.output());
    let expected = run.expected(12, 30, is_decode);
    assert_eq!(report["steps"]["count"], 30);
    let counted = report["kernels"].as_array().unwrap().iter().filter_map(|row| row["count"].as_u64()).sum::<u64>();
    assert_eq!(counted, expected.kernels.values().map(|sum| sum.count).sum::<u64>());
    assert_eq!(report["capture"]["dropped"].to_string(), "[]");
}

#[test]
fn late_completions_are_waited_for() {
    let server = Server::new(&ARGUMENTS).steps(30, 12);
    let run = server.env("ROCPROFILER_SIM_GPU", "late:7").env("ROCPROFILER_SIM_SIGNAL_DELAY_US", "2000").run();
    run.succeeded();
    equals_the_ledger(&run.output(), &run.expected(12, 30, is_decode), 1, 30);
}

#[test]
fn a_full_channel_drops_and_counts() {
    // Completions come in bursts, as they do when the runtime's signal thread is late.
    let server = Server::new(&ARGUMENTS).steps(30, 12);
    let run = server.env("PROFILE_DECODE_CHANNEL", "16").env("ROCPROFILER_SIM_SIGNAL_DELAY_US", "20000").run();
    run.succeeded();
    let report = report(&run.output());
    let dropped = report["capture"]["dropped"].to_string();
    assert!(dropped.contains("channel_full"), "{dropped}");
    assert_eq!(report["steps"]["complete"], false);
}

#[test]
fn a_directory_that_cannot_be_written_is_said_and_the_server_goes_on() {
    for place in ["/proc/nowhere/out", "/dev/null/out"] {
        let run = Server::new(&ARGUMENTS).steps(30, 12).env("PROFILE_DECODE_OUTPUT", place).run();
        run.succeeded();
        assert!(run.stderr().contains("nothing is recorded"), "{}", run.stderr());
    }
}
