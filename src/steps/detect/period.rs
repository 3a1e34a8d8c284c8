//! Steps by the period in the sequence of kernel names.
//!
//! What is left where nothing but kernels was recorded: a `kernel_trace.csv`. In launch order where launches are known;
//! else stream by stream, since on one stream kernels run in the order they were launched, while
//! the order of kernels of different streams is an accident of each step:
//!
//! ```text
//!   stream 1   h L L L L t  │  h L L L L t  │  h L L L L t        cut first: it has the most kernels
//!   stream 2     c c c c    │    c c c c    │     c c c c         joined to these steps
//! ```
//!
//! That is the one place where the clock decides what belongs together, and the table's remarks say so.

use std::collections::HashMap;

use super::NoSteps;
use super::graph::{self, Launched};
use super::joined::{self, Work};
use super::passes::{Alphabet, Lane};
use crate::model::{LaunchCall, LaunchIdx, RankIdx, Trace};
use crate::steps::{Detector, StepIdx, StepTable};

/// Finds steps by period, or says why not.
pub(super) fn find(trace: &Trace) -> Result<StepTable, NoSteps> {
    let alphabet = Alphabet::new(trace);
    let linked = trace.dispatches.iter().filter(|dispatch| dispatch.launch.is_some()).count();
    if linked * 20 >= trace.dispatches.len() * 19 && linked > 0 {
        let launches = Launched::of(trace);
        let replays = launches.replay();
        let by_launch = graph::in_launch_order(trace, launches, Detector::Period);
        if by_launch.is_ok() {
            return by_launch;
        }
        if replays {
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
    let mut ranks: Vec<Work> = (0..trace.ranks.len()).map(|_| Work::default()).collect();
    for (lane, stream) in streams.into_iter().zip(&trace.streams) {
        let work = &mut ranks[stream.rank.index()];
        work.aside.push(lane);
        // The first of those with the most kernels.
        let last = work.aside.len() - 1;
        if work.aside[last].len() > work.main.len() {
            std::mem::swap(&mut work.main, &mut work.aside[last]);
        }
    }
    joined::by_rank(trace, alphabet, Detector::Period, &ranks)
}
