//! Steps by graph launches.
//!
//! Engines replay decode from graphs: one launch a step (FULL), or one a piece of the model with eager attention in
//! between (PIECEWISE), with eager kernels before (input preparation) and after (sampling). In launch order that is a
//! short sequence, which [`sequence`](super::sequence) cuts:
//!
//! ```text
//!   FULL       p p [graph 386] s s s │ p p [graph 386] s s s │ p L' L' L' … s s s │ p p [graph 386] …
//!   PIECEWISE  p [12] a [10] a [10] a [8] s │ p [12] a [10] a [10] a [8] s │ …
//!                  one step                    one step          an eager prefill
//! ```
//!
//! Graphs of about as many kernels are one token: the graphs of the batch buckets of one model differ in tiles, not in
//! structure, while a draft model's graph is far smaller. A graph is never split, whatever its kernels are called.

use std::collections::HashMap;

use super::passes::{Alphabet, Lane};
use super::{NoSteps, joined};
use crate::model::{LaunchCall, Trace};
use crate::steps::{Detector, StepTable};

/// Fewer replays than this show no rhythm.
const LEAST_REPLAYS: usize = 4;

/// Finds steps by graph launches, or says why not.
pub(super) fn find(trace: &Trace) -> Result<StepTable, NoSteps> {
    let launched = trace.launches.iter().filter(|launch| launch.call == LaunchCall::Graph).count();
    if launched == 0 {
        return Err(match trace.launches.len() {
            0 => NoSteps::NoLaunches,
            launches => NoSteps::NoGraphs { launches },
        });
    }
    let replays = kernels_of_replays(trace);
    if replays.is_empty() {
        return Err(NoSteps::NoReplays { launches: launched });
    }
    if replays.values().copied().filter(|&kernels| kernels > 0).count() < LEAST_REPLAYS {
        return Err(NoSteps::FewReplays { launches: replays.len() });
    }
    in_launch_order(trace, &replays, Detector::Graph)
}

/// Finds steps in launch order, each launch of a graph one token.
pub(super) fn in_launch_order(trace: &Trace, replays: &Replays, detector: Detector) -> Result<StepTable, NoSteps> {
    let mut alphabet = Alphabet::new(trace);
    let token_of = graph_tokens(&mut alphabet, replays.values().copied());
    let graph =
        |launch: usize, kernels: u32| (trace.launches[launch].call == LaunchCall::Graph).then(|| token_of[&kernels]);
    let lanes = by_launch(trace, graph);
    joined::by_rank(trace, &alphabet, detector, lanes)
}

/// Kernels by rank and graph launch.
pub(super) type Replays = HashMap<(usize, usize), u32>;

/// Kernels of each graph launch on each rank.
pub(super) fn kernels_of_replays(trace: &Trace) -> Replays {
    let mut kernels = HashMap::new();
    for dispatch in &trace.dispatches {
        let Some(launch) = dispatch.launch.filter(|l| trace.launches[l.index()].call == LaunchCall::Graph) else {
            continue;
        };
        *kernels.entry((trace.rank_of(dispatch.stream).index(), launch.index())).or_insert(0) += 1;
    }
    kernels
}

/// A token for each number of kernels. Numbers with less than a half between one and the next share one.
fn graph_tokens(alphabet: &mut Alphabet, kernels: impl Iterator<Item = u32>) -> HashMap<u32, u32> {
    let mut sizes: HashMap<u32, u64> = HashMap::new();
    kernels.for_each(|kernels| *sizes.entry(kernels).or_insert(0) += 1);
    let mut sorted: Vec<(u32, u64)> = sizes.into_iter().collect();
    sorted.sort_unstable();
    let mut tokens = HashMap::new();
    for group in sorted.chunk_by(|(size, _), (next, _)| 2 * next <= 3 * size) {
        let usual = group.iter().max_by_key(|&&(size, times)| (times, size)).map_or(1, |&(size, _)| size);
        let token = alphabet.graph(usual);
        tokens.extend(group.iter().map(|&(size, _)| (size, token)));
    }
    tokens
}

/// Each rank's work in launch order; `graph` gives the token of a launch that replays a graph of so many kernels.
fn by_launch(trace: &Trace, graph: impl Fn(usize, u32) -> Option<u32>) -> Vec<Lane> {
    let mut launched: Vec<Vec<(u32, u32)>> = vec![Vec::new(); trace.ranks.len()];
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        if let Some(launch) = dispatch.launch {
            launched[trace.rank_of(dispatch.stream).index()].push((launch.index() as u32, position as u32));
        }
    }
    let mut positions: Vec<u32> = Vec::new();
    launched
        .into_iter()
        .map(|mut launched| {
            launched.sort_unstable();
            let (mut lane, mut busy) = (Lane::default(), None);
            for group in launched.chunk_by(|a, b| a.0 == b.0) {
                positions.clear();
                positions.extend(group.iter().map(|&(_, position)| position));
                match graph(group[0].0 as usize, group.len() as u32) {
                    Some(token) => lane.push(trace, token, &positions, &mut busy),
                    None => positions.iter().for_each(|&at| {
                        let name = trace.dispatches[at as usize].name.index() as u32;
                        lane.push(trace, name, &[at], &mut busy);
                    }),
                }
            }
            lane
        })
        .collect()
}
