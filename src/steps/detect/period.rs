//! Steps by the period in the sequence of kernel names.
//!
//! What is left where nothing but kernels was recorded: a `kernel_trace.csv`. In launch order where launches are known;
//! else stream by stream, since on one stream kernels run in the order they were launched, while
//! the order of kernels of different streams is an accident of each step:
//!
//! ```text
//!   stream 1   h L L L L t  │  h L L L L t  │  h L L L L t        cut first: it has the most kernels
//!   stream 2     c c c c    │    c c c c    │     c c c c         joined: each of its steps, else each kernel, to the
//!                                                                 step of stream 1 that has begun last
//! ```
//!
//! A side stream's step is joined by the start of its middle kernel, which stands in its step even where its edges
//! overlap with the neighbours'. This is the one place where the clock decides what belongs together, and the table's
//! remarks say so.

use std::collections::HashMap;

use super::NoSteps;
use super::graph;
use super::joined::Joined;
use super::passes::{Alphabet, Cutting, Lane, cut_ranks};
use crate::model::{LaunchCall, LaunchIdx, RankIdx, Trace};
use crate::steps::{Detector, StepIdx, StepTable};

/// Finds steps by period, or says why not.
pub(super) fn find(trace: &Trace) -> Result<StepTable, NoSteps> {
    let alphabet = Alphabet::new(trace);
    let linked = trace.dispatches.iter().filter(|dispatch| dispatch.launch.is_some()).count();
    if linked * 20 >= trace.dispatches.len() * 19 && linked > 0 {
        let replays = graph::kernels_of_replays(trace);
        let by_launch = graph::in_launch_order(trace, &replays, Detector::Period);
        if by_launch.is_ok() {
            return by_launch;
        }
        if !replays.is_empty() {
            // What is known to be one launch is never several steps.
            return by_stream(trace, &alphabet).and_then(|table| match splits_a_graph(trace, &table) {
                false => Ok(table),
                true => by_launch,
            });
        }
    }
    by_stream(trace, &alphabet)
}

/// Whether kernels of one graph launch are in several steps.
fn splits_a_graph(trace: &Trace, table: &StepTable) -> bool {
    let mut steps: HashMap<(RankIdx, LaunchIdx), StepIdx> = HashMap::new();
    let is_graph = |launch: &LaunchIdx| trace.launches[launch.index()].call == LaunchCall::Graph;
    trace.dispatches.iter().zip(&table.of_dispatch).any(|(dispatch, step)| {
        let launch = dispatch.launch.filter(is_graph);
        launch.zip(*step).is_some_and(|(launch, step)| {
            *steps.entry((trace.rank_of(dispatch.stream), launch)).or_insert(step) != step
        })
    })
}

fn by_stream(trace: &Trace, alphabet: &Alphabet) -> Result<StepTable, NoSteps> {
    let mut streams: Vec<Lane> = (0..trace.streams.len()).map(|_| Lane::default()).collect();
    let mut busy = vec![None; trace.ranks.len()];
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        let busy = &mut busy[trace.rank_of(dispatch.stream).index()];
        streams[dispatch.stream.index()].push(trace, dispatch.name.index() as u32, &[position as u32], busy);
    }
    let lanes_of = |rank: RankIdx| {
        let mut lanes: Vec<&Lane> =
            (0..streams.len()).filter(|&s| trace.streams[s].rank == rank).map(|s| &streams[s]).collect();
        lanes.sort_by_key(|lane| std::cmp::Reverse(lane.len()));
        lanes
    };
    let ranks: Vec<(RankIdx, Vec<&Lane>)> = (0..trace.ranks.len())
        .map(RankIdx::new)
        .map(|rank| (rank, lanes_of(rank)))
        .filter(|(_, lanes)| lanes.first().is_some_and(|lane| lane.len() > 0))
        .collect();
    let main: Vec<&Lane> = ranks.iter().map(|(_, lanes)| lanes[0]).collect();
    let mut joined = Joined::new(trace);
    for ((rank, lanes), cutting) in ranks.iter().zip(cut_ranks(&main, alphabet)) {
        match cutting {
            Ok(cutting) => {
                let begins = begins(trace, lanes[0], &cutting);
                let first = joined.add(lanes[0], &cutting);
                let before = joined.outside();
                for lane in lanes[1..].iter().filter(|lane| lane.len() > 0) {
                    join(trace, alphabet, lane, &begins, first, &mut joined);
                }
                let by_clock = joined.outside().abs_diff(before);
                if by_clock > 0 {
                    joined.remark(format!("{by_clock} kernels of side streams were joined to steps by the clock"));
                }
            }
            Err(why) => joined.refuse(*rank, why),
        }
    }
    joined.finish(trace, Detector::Period)
}

/// When each step begins on the GPU.
fn begins(trace: &Trace, lane: &Lane, cutting: &Cutting) -> Vec<i64> {
    let first = |start: usize, end: usize| lane.dispatches(start, end)[0] as usize;
    cutting.segments.iter().map(|s| trace.dispatches[first(s.start, s.end)].span.start_ns).collect()
}

/// Joins a side stream to the steps that begin at `begins`, numbered on from `first`.
fn join(trace: &Trace, alphabet: &Alphabet, lane: &Lane, begins: &[i64], first: u32, joined: &mut Joined) {
    let start_of = |position: u32| trace.dispatches[position as usize].span.start_ns;
    let step_at =
        |at_ns: i64| begins.partition_point(|&begin| begin <= at_ns).checked_sub(1).map(|step| first + step as u32);
    let all = lane.dispatches(0, usize::MAX);
    for &position in all {
        joined.set(position, step_at(start_of(position)));
    }
    // A side stream that has as many steps is surely cut at the same steps; one that has not is cut at something else.
    if let Some(cutting) =
        lane.cut(alphabet).ok().filter(|cut| 20 * cut.segments.len().abs_diff(begins.len()) <= begins.len())
    {
        for segment in &cutting.segments {
            let dispatches = lane.dispatches(segment.start, segment.end);
            let step = step_at(start_of(dispatches[dispatches.len() / 2]));
            dispatches.iter().for_each(|&position| joined.set(position, step));
        }
    }
}
