//! How traces are put together: order, links, what is taken back, what is said.

use super::*;
use crate::model::Format;

#[test]
fn dispatches_are_sorted_and_joined_to_launches_whatever_the_order_of_arrival() {
    let mut draw = TraceBuilder::new().drawing();
    draw.kernel("b", 50, 60, 2).kernel("a", 10, 20, 1).kernel("orphan", 70, 80, 9);
    draw.launch(LaunchCall::Graph, 5, 6, 2).launch(LaunchCall::Kernel, 1, 2, 1);
    let trace = draw.finish();
    let seen: Vec<_> =
        trace.dispatches.iter().map(|d| (trace.kernel(d), d.launch.map(|l| trace.launches[l.index()].call))).collect();
    assert_eq!(seen, [("a", Some(LaunchCall::Kernel)), ("b", Some(LaunchCall::Graph)), ("orphan", None)]);
}

#[test]
fn the_same_correlation_id_in_two_processes_is_two_launches() {
    let mut draw = TraceBuilder::new().drawing();
    draw.launch(LaunchCall::Graph, 0, 1, 1).kernel("a", 10, 20, 1);
    draw.on_new_process(1).launch(LaunchCall::Kernel, 2, 3, 1).kernel("b", 11, 21, 1);
    let trace = draw.finish();
    let calls: Vec<_> = trace.dispatches.iter().map(|d| trace.launches[d.launch.unwrap().index()].call).collect();
    assert_eq!(calls, [LaunchCall::Graph, LaunchCall::Kernel]);
}

#[test]
fn outer_ranges_come_before_inner_ones_that_start_together() {
    let mut draw = TraceBuilder::new().drawing();
    draw.range("inner", 0, 10).range("outer", 0, 20);
    let trace = draw.finish();
    let names: Vec<_> = trace.ranges.iter().map(|r| trace.names.get(r.name)).collect();
    assert_eq!(names, ["outer", "inner"]);
}

#[test]
fn ranks_stand_in_the_order_of_their_numbers_whatever_the_order_of_arrival() {
    let mut draw = TraceBuilder::new().drawing();
    draw.kernel("of 0", 0, 1, 1).on_new_process(2).kernel("of 2", 1, 2, 1).on_new_process(1).kernel("of 1", 2, 3, 1);
    let trace = draw.finish();
    let numbers: Vec<_> = trace.ranks.iter().map(|rank| rank.number).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
    for dispatch in &trace.dispatches {
        let number = trace.ranks[trace.rank_of(dispatch.stream).index()].number.unwrap();
        assert_eq!(trace.kernel(dispatch), format!("of {number}"));
    }
}

#[test]
fn an_end_before_its_start_is_swapped_and_said() {
    let mut draw = TraceBuilder::new().drawing();
    draw.kernel("a", 20, 10, 1);
    let trace = draw.finish();
    assert_eq!(trace.dispatches[0].span, Span::new(10, 20));
    assert_eq!(trace.warnings[0].code, "swapped-timestamps");
}

#[test]
fn kernels_that_took_no_time_are_counted_and_said_but_not_those_taken_back() {
    let mut draw = TraceBuilder::new().drawing();
    draw.kernel("a", 20, 20, 1).kernel("b", 0, 0, 2).kernel("c", 30, 40, 3);
    let mark = draw.builder().mark();
    draw.kernel("gone", 50, 50, 4).kernel("gone", 60, 55, 5);
    draw.builder().rollback(mark);
    let trace = draw.finish();
    let [warning] = &trace.warnings[..] else { panic!("{:?}", trace.warnings) };
    assert_eq!(warning.code, "kernels-without-length");
    assert!(warning.text.starts_with("2 of 3 kernels"), "{}", warning.text);
}

#[test]
fn a_rollback_leaves_no_trace_of_what_came_after_the_mark() {
    let mut draw = TraceBuilder::new().drawing();
    draw.kernel("kept", 0, 1, 1);
    draw.builder().loss(LossCause::Unreadable, 2);
    let mark = draw.builder().mark();
    draw.on_new_process(1).kernel("gone", 1, 2, 1).range("gone", 0, 1).launch(LaunchCall::Kernel, 0, 1, 1);
    draw.builder().loss(LossCause::Unreadable, 3);
    draw.builder().loss(LossCause::Late, 1);
    draw.builder().warn("gone", "gone");
    draw.builder().rollback(mark);
    let trace = draw.finish();
    assert_eq!((trace.dispatches.len(), trace.launches.len(), trace.ranges.len()), (1, 0, 0));
    assert_eq!((trace.processes.len(), trace.ranks.len(), trace.streams.len()), (1, 1, 1));
    assert_eq!(trace.losses, [Loss { cause: LossCause::Unreadable, count: 2 }]);
    assert!(trace.warnings.is_empty());
}

#[test]
fn a_replay_is_disordered_if_its_records_on_one_stream_are_not_in_the_order_of_their_starts() {
    let drawn = |format: Format, starts: [i64; 4]| {
        let mut draw = TraceBuilder::new().drawing();
        draw.builder().trace.sources[0].format = format;
        draw.launch(LaunchCall::Graph, 0, 1, 1).launch(LaunchCall::Kernel, 2, 3, 2);
        for start in starts {
            draw.kernel("replayed", start, start + 5, 1).kernel("launched alone", 200 - start, 201 - start, 2);
        }
        let trace = draw.finish();
        trace.disorders.iter().map(|disorder| (disorder.records, disorder.moved)).collect::<Vec<_>>()
    };
    assert_eq!(drawn(Format::Kineto, [10, 30, 20, 40]), [(4, 1)]);
    assert_eq!(drawn(Format::Rpd, [30, 10, 20, 40]), [(4, 1)]);
    assert_eq!(drawn(Format::Kineto, [10, 20, 30, 40]), []);
    assert_eq!(drawn(Format::Rocprofv3Csv, [10, 30, 20, 40]), [], "its records come as they complete");
}

#[test]
fn replays_that_take_turns_on_two_streams_are_in_order() {
    let mut draw = TraceBuilder::new().drawing();
    draw.builder().trace.sources[0].format = Format::Kineto;
    draw.launch(LaunchCall::Graph, 0, 1, 1);
    draw.kernel("a", 10, 20, 1).on_stream(1).kernel("b", 5, 9, 1).kernel("b", 12, 19, 1);
    draw.on_stream(0).kernel("a", 20, 30, 1);
    assert_eq!(draw.finish().disorders, []);
}

#[test]
fn a_dispatch_is_32_bytes_and_a_launch_56() {
    assert_eq!((size_of::<Dispatch>(), size_of::<Launch>()), (32, 56));
}
