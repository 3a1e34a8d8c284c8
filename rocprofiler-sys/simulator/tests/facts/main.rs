//! Facts about rocprofiler-sdk that a tool must be able to rely on when it is tested here.
//!
//! Each runs in a process of its own, since a process configures its tools once: the test starts this program again, with
//! the part to play in `FACT`, and the part is a function that registers a tool, plays a host and asserts. The parts are in
//! modules by what they are about; those of versions after 1.0 are held to `abi-1.3`, whose sections they name.

mod graphs;
mod late;
mod paths;
mod since_0_4;
mod tool;

use std::process::{Command, Output};

/// A fact by the name of the function that plays it.
macro_rules! facts {
    ($($module:ident: $($name:ident)*;)*) => { &[$($((stringify!($name), $module::$name)),*),*] };
}

const FACTS: &[(&str, fn())] = facts! {
    since_0_4: out_of_order requested_ids locked zero_handles unknown_kind captured_at_enqueue
        late_context_learns_no_names names_are_deferred external_ids agents lost failing_call buffered finished;
    paths: path several_threads abandoned endless_kernel stalls idles slow_stop dropping_stop dispatch_sizes
        extended_packets;
    graphs: graph_ids graph_update graph_before_the_tool graph_records;
    late: forced_after_a_runtime forced_after_a_tool gap;
};

/// The part that the process of a fact plays. Does nothing when started by hand.
#[test]
#[ignore = "played by the other tests, in processes of their own"]
fn part() {
    let wanted = std::env::var("FACT").unwrap_or_default();
    for (name, fact) in FACTS {
        if *name == wanted {
            fact();
        }
    }
}

fn play(fact: &str, environment: &[(&str, &str)]) -> Output {
    assert!(FACTS.iter().any(|(name, _)| *name == fact));
    let mut command = Command::new(std::env::current_exe().expect("a test knows where it is"));
    command.args(["--exact", "part", "--ignored", "--nocapture"]).env("FACT", fact);
    command.envs(environment.iter().copied()).output().expect("it starts again")
}

fn holds(fact: &str, environment: &[(&str, &str)]) {
    let output = play(fact, environment);
    assert!(output.status.success(), "{fact} {environment:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn holds_in_all_versions(fact: &str) {
    for version in ["0.4", "0.5", "0.6", "1.0", "1.1", "1.3", "1.3.2", "1.3.5", "1.4.1"] {
        holds(fact, &[("ROCPROFILER_SIM_VERSION", version)]);
    }
}

#[test]
fn configuration_is_locked_once_tools_are_initialised() {
    holds_in_all_versions("locked");
}

#[test]
fn handles_must_be_zero_since_0_5_and_services_are_configured_once() {
    holds_in_all_versions("zero_handles");
}

#[test]
fn a_kind_that_the_library_lacks_ends_the_process() {
    let output = play("unknown_kind", &[("ROCPROFILER_SIM_VERSION", "1.0")]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("std::out_of_range"));
}

#[test]
fn who_is_told_of_a_dispatch_is_decided_at_enqueue() {
    holds_in_all_versions("captured_at_enqueue");
}

#[test]
fn a_context_that_starts_late_does_not_learn_the_names_of_before() {
    holds_in_all_versions("late_context_learns_no_names");
}

#[test]
fn names_wait_for_the_first_load_with_an_active_context() {
    holds_in_all_versions("names_are_deferred");
}

#[test]
fn external_ids_are_read_before_and_after_the_enter_callback() {
    holds_in_all_versions("external_ids");
}

#[test]
fn an_answer_to_a_request_for_an_external_id_wins() {
    holds_in_all_versions("requested_ids");
}

#[test]
fn agents_are_given_to_those_who_ask_for_no_more_than_there_is() {
    holds_in_all_versions("agents");
}

#[test]
fn completions_can_be_lost() {
    holds("lost", &[("ROCPROFILER_SIM_VERSION", "1.0"), ("ROCPROFILER_SIM_GPU", "lost:3")]);
}

#[test]
fn completions_come_out_of_order_even_within_a_queue() {
    // The signal thread is held up, so that it finds many completions at once.
    holds("out_of_order", &[("ROCPROFILER_SIM_VERSION", "1.0"), ("ROCPROFILER_SIM_SIGNAL_DELAY_US", "20000")]);
}

#[test]
fn a_call_can_be_made_to_fail_once() {
    let fail = "rocprofiler_create_context:2=CONTEXT_INVALID";
    holds("failing_call", &[("ROCPROFILER_SIM_VERSION", "1.0"), ("ROCPROFILER_SIM_FAIL", fail)]);
}

#[test]
fn a_flushed_buffer_has_handed_over_every_dispatch() {
    holds_in_all_versions("buffered");
}

#[test]
fn the_end_waits_for_work_and_locks_everything() {
    holds_in_all_versions("finished");
}

const SINCE_1_3_2: [&str; 3] = ["1.3.2", "1.3.5", "1.4.1"];
const INTERPOSITION: &str = "ROCPROFILER_QUEUE_INTERPOSITION";

#[test]
fn dispatches_are_intercepted_inline_since_1_3_2_unless_something_speaks_against_it() {
    let path = |version, more: &[(&str, &str)], path| {
        let environment = [&[("ROCPROFILER_SIM_VERSION", version), ("FACT_PATH", path)], more].concat();
        holds("path", &environment);
    };
    for version in ["0.6", "1.0", "1.1", "1.3"] {
        path(version, &[], "Queue");
    }
    for version in SINCE_1_3_2 {
        path(version, &[], "Inline");
        path(version, &[(INTERPOSITION, "0")], "Queue");
        path(version, &[("ROCP_TOOL_ATTACH", "1")], "Queue");
        path(version, &[("FACT_BUFFER", "33")], "Queue");
        path(version, &[("FACT_BUFFER", "33"), (INTERPOSITION, "1")], "Queue");
        path(version, &[("FACT_BUFFER", "11")], "Inline");
    }
    path("1.4.1", &[("FACT_BUFFER", "38")], "Queue");
}

#[test]
fn inline_completions_come_from_several_threads_in_order_only_within_a_batch() {
    for version in SINCE_1_3_2 {
        let threads = ("ROCPROFILER_ASYNC_SIGNAL_HANDLER_THREADS", "3");
        holds(
            "several_threads",
            &[("ROCPROFILER_SIM_VERSION", version), threads, ("ROCPROFILER_SIM_SIGNAL_DELAY_US", "2000")],
        );
    }
}

#[test]
fn the_end_abandons_completions_on_the_inline_path_and_waits_for_them_on_the_other() {
    for (version, interposition) in [("1.0", "1"), ("1.3.2", "1"), ("1.3.2", "0"), ("1.4.1", "1")] {
        let environment = [("ROCPROFILER_SIM_VERSION", version), (INTERPOSITION, interposition)];
        holds("abandoned", &[&environment[..], &[("ROCPROFILER_SIM_GPU", "late:5")]].concat());
    }
    holds("endless_kernel", &[("ROCPROFILER_SIM_VERSION", "1.3.5")]);
}

#[test]
fn a_start_after_idling_stands_on_the_inline_path_only() {
    let bypass = ("ROCPROFILER_SIM_BYPASS", "stall:200");
    for version in SINCE_1_3_2 {
        holds("stalls", &[("ROCPROFILER_SIM_VERSION", version), bypass, ("FACT_STALLS", "1")]);
        holds("stalls", &[("ROCPROFILER_SIM_VERSION", version), bypass, (INTERPOSITION, "0")]);
        holds("idles", &[("ROCPROFILER_SIM_VERSION", version), bypass]);
    }
    holds("stalls", &[("ROCPROFILER_SIM_VERSION", "1.3"), bypass]);
    holds("stalls", &[("ROCPROFILER_SIM_VERSION", "1.3.5"), ("ROCPROFILER_SIM_BYPASS", "stall:0")]);
}

#[test]
fn a_stop_can_be_slow_or_lose_what_is_on_its_way() {
    let of = |bypass| [("ROCPROFILER_SIM_VERSION", "1.3.5"), ("ROCPROFILER_SIM_BYPASS", bypass)];
    holds("slow_stop", &of("slow:200"));
    let delay = ("ROCPROFILER_SIM_SIGNAL_DELAY_US", "20000");
    holds("dropping_stop", &[&of("drop")[..], &[delay]].concat());
}

#[test]
fn what_grew_grew_at_its_end() {
    for version in ["1.0", "1.1", "1.3", "1.3.2", "1.3.5", "1.4.1"] {
        holds("dispatch_sizes", &[("ROCPROFILER_SIM_VERSION", version)]);
    }
}

#[test]
fn an_old_version_loses_extended_packets() {
    for version in ["1.1", "1.3", "1.3.5"] {
        holds("extended_packets", &[("ROCPROFILER_SIM_VERSION", version), ("ROCPROFILER_SIM_GPU", "extended:3")]);
    }
}

#[test]
fn executable_graphs_have_ids_since_1_3_0() {
    for version in ["1.3", "1.3.2", "1.3.5", "1.4.1"] {
        for fact in ["graph_ids", "graph_update", "graph_before_the_tool", "graph_records"] {
            holds(fact, &[("ROCPROFILER_SIM_VERSION", version)]);
        }
    }
    holds("graph_records", &[("ROCPROFILER_SIM_VERSION", "1.3"), ("ROCPROFILER_SIM_GRAPH_RECORD", "88")]);
}

#[test]
fn a_tool_may_configure_late_where_the_version_allows_it() {
    let yes = "ROCPROFILER_STATUS_SUCCESS";
    let locked = "CONFIGURATION_LOCKED";
    let rows = [
        ("1.0", locked, locked),
        ("1.1", locked, locked),
        ("1.3", yes, locked),
        ("1.3.2", yes, yes),
        ("1.4.1", yes, yes),
    ];
    for (version, after_a_runtime, after_a_tool) in rows {
        let of = |status| [("ROCPROFILER_SIM_VERSION", version), ("FACT_STATUS", status)];
        holds("forced_after_a_runtime", &of(after_a_runtime));
        holds("forced_after_a_tool", &of(after_a_tool));
    }
    let old = [("ROCPROFILER_SIM_OLD_REGISTER", "1"), ("FACT_STATUS", "INCOMPATIBLE_REGISTER_VERSION")];
    holds("forced_after_a_runtime", &[&old[..], &[("ROCPROFILER_SIM_VERSION", "1.3")]].concat());
}

#[test]
fn calls_of_other_threads_are_missed_while_a_second_tool_is_configured() {
    for version in SINCE_1_3_2 {
        holds("gap", &[("ROCPROFILER_SIM_VERSION", version)]);
    }
}
