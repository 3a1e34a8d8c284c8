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

use super::joined::{self, Work};
use super::passes::{Alphabet, Lane};
use super::{NoSteps, origin};
use crate::classify::vocabulary;
use crate::model::{Dispatch, LaunchCall, Trace};
use crate::steps::{Detector, StepTable};

/// Fewer replays than this show no rhythm.
const LEAST_REPLAYS: usize = 4;
/// Fewest kernels of a graph that is taken for a whole step without a rhythm to show it.
const LEAST_WHOLE: u32 = 16;

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
    let mut of_rank: HashMap<usize, Vec<u32>> = HashMap::new();
    replays.iter().for_each(|(&(rank, _), &kernels)| of_rank.entry(rank).or_default().push(kernels));
    if of_rank.values().any(|replays| replays.len() >= LEAST_REPLAYS) {
        return in_launch_order(trace, &replays, Detector::Graph);
    }
    let whole = |replays: &Vec<u32>| {
        let (least, most) = (replays.iter().min(), replays.iter().max());
        least.zip(most).is_some_and(|(&least, &most)| least >= LEAST_WHOLE && 2 * most <= 3 * least)
    };
    // What a lone graph is for, only its kernels can tell: images are made by graphs as well.
    let decodes = |dispatch: &Dispatch| {
        let is_graph = dispatch.launch.is_some_and(|l| trace.launches[l.index()].call == LaunchCall::Graph);
        is_graph && vocabulary::place(trace.kernel(dispatch)).attention.decode
    };
    if !of_rank.values().all(whole) || !trace.dispatches.iter().any(decodes) {
        return Err(NoSteps::FewReplays { launches: replays.len() });
    }
    each_replay(trace)
}

/// A step for each replay, where there are too few to show a rhythm: engines profile single steps.
fn each_replay(trace: &Trace) -> Result<StepTable, NoSteps> {
    let mut alphabet = Alphabet::new(trace);
    let token = alphabet.graph(LEAST_WHOLE);
    let ranks = by_launch(trace, |launch, _| (trace.launches[launch].call == LaunchCall::Graph).then_some(token));
    let mut table = joined::each(trace, &alphabet, Detector::Graph, &ranks, token)?;
    table.remarks.push("Each replay of a graph was taken for a step: there are too few to show a rhythm.".to_owned());
    Ok(table)
}

/// Finds steps in launch order, each launch of a graph one token.
pub(super) fn in_launch_order(trace: &Trace, replays: &Replays, detector: Detector) -> Result<StepTable, NoSteps> {
    let mut alphabet = Alphabet::new(trace);
    let token_of = graph_tokens(&mut alphabet, replays.values().copied());
    let graph =
        |launch: usize, kernels: u32| (trace.launches[launch].call == LaunchCall::Graph).then(|| token_of[&kernels]);
    let lanes = by_launch(trace, graph);
    joined::by_rank(trace, &alphabet, detector, &lanes)
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

/// Each rank's dispatches in the order of their launches, with a number that those of one launch share.
///
/// Our own tracer records the launches of graphs alone, for what they cost. Its dispatches without one are in their place by
/// when they ran: on a queue that is the order in which they were enqueued, and so are the replays among them.
fn in_order(trace: &Trace) -> Vec<Vec<(u32, u32)>> {
    let only_graphs = trace.launches.iter().all(|launch| launch.call == LaunchCall::Graph);
    let mut first_of: HashMap<(usize, u32), u32> = HashMap::new();
    let mut ranks: Vec<Vec<(u32, u32)>> = vec![Vec::new(); trace.ranks.len()];
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        let (rank, position) = (trace.rank_of(dispatch.stream).index(), position as u32);
        let launch = dispatch.launch.map(|launch| launch.index() as u32);
        let place = match launch {
            Some(launch) if only_graphs => *first_of.entry((rank, launch)).or_insert(position),
            Some(launch) => launch,
            None if only_graphs => position,
            None => continue,
        };
        ranks[rank].push((place, position));
    }
    ranks.iter_mut().for_each(|rank| rank.sort_unstable());
    ranks
}

/// Each rank's work in launch order; `graph` gives the token of a launch that replays a graph of so many kernels.
fn by_launch(trace: &Trace, graph: impl Fn(usize, u32) -> Option<u32>) -> Vec<Work> {
    let of_lane = |launched: &[(u32, u32)], busy: &mut Option<i64>| {
        let (mut lane, mut positions) = (Lane::default(), Vec::new());
        for group in launched.chunk_by(|a, b| a.0 == b.0) {
            positions.clear();
            positions.extend(group.iter().map(|&(_, position)| position));
            let launch = trace.dispatches[positions[0] as usize].launch;
            match launch.and_then(|launch| graph(launch.index(), group.len() as u32)) {
                Some(token) => lane.push(trace, token, &positions, busy),
                None => positions.iter().for_each(|&at| {
                    let name = trace.dispatches[at as usize].name.index() as u32;
                    lane.push(trace, name, &[at], busy);
                }),
            }
        }
        lane
    };
    let work = |launched: Vec<(u32, u32)>| {
        let [main, aside @ ..] = &origin::apart(trace, launched)[..] else { return Work::default() };
        let busy = &mut None;
        Work { main: of_lane(main, busy), aside: aside.iter().map(|launched| of_lane(launched, &mut None)).collect() }
    };
    in_order(trace).into_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Drawing, TraceBuilder};

    /// Draws kernels one after the other from `at`; each letter is an eager one without a launch, a number a replay of so
    /// many kernels.
    fn draw_step(draw: &mut Drawing, mut at: i64, key: &mut u64, parts: &[&str]) {
        for part in parts {
            *key += 1;
            let kernels = part.parse().unwrap_or(1);
            if part.parse::<i64>().is_ok() {
                draw.launch(LaunchCall::Graph, at - 2, at - 1, *key);
            }
            for kernel in 0..kernels {
                let name = match kernel % 4 {
                    _ if kernels == 1 => (*part).to_owned(),
                    0 => "paged_attention_ll4mi_QKV_mfma16_kernel".to_owned(),
                    kernel => format!("k{kernel}"),
                };
                draw.kernel(&name, at, at + 8, *key);
                at += 10;
            }
        }
    }

    #[test]
    fn pieces_with_eager_attention_between_them_are_one_step_though_only_graph_launches_are_recorded() {
        //  p [12] a [10] a [10] a [8] s │ p [12] a [10] a [10] a [8] s │ …
        let mut draw = TraceBuilder::new().drawing();
        let mut key = 0;
        for step in 0..20 {
            let parts = ["p", "12", "a", "10", "a", "10", "a", "8", "argmax", "s"];
            draw_step(&mut draw, step * 5_000, &mut key, &parts);
        }
        let table = find(&draw.finish()).unwrap();
        let dispatches: Vec<u32> = table.steps.iter().map(|step| step.dispatches).collect();
        assert_eq!(dispatches, [46; 20]);
    }

    #[test]
    fn a_lone_replay_on_each_rank_is_a_step_with_what_follows_it() {
        let mut draw = TraceBuilder::new().drawing();
        let mut key = 0;
        for rank in 0..8 {
            if rank > 0 {
                draw.on_new_process(rank);
            }
            key = 0;
            draw_step(&mut draw, 1_000, &mut key, &["p", "80", "argmax"]);
        }
        let table = find(&draw.finish()).unwrap();
        let steps: Vec<_> = table.steps.iter().map(|step| (step.rank.index(), step.number, step.dispatches)).collect();
        assert_eq!(steps, (0..8).map(|rank| (rank, 0, 82)).collect::<Vec<_>>());
        let mut draw = TraceBuilder::new().drawing();
        draw_step(&mut draw, 1_000, &mut key, &["8", "a", "8"]);
        assert!(find(&draw.finish()).is_err(), "pieces are no steps");
    }
}
