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
//! Graphs at the same place of a pass are one token (see [`pieces`]). A graph is never split, whatever its kernels are called.

use std::collections::HashMap;

use super::joined::{self, Work};
use super::passes::{Alphabet, Lane};
use super::pieces::{self, Replay};
use super::{NoSteps, origin};
use crate::classify::vocabulary;
use crate::model::{Dispatch, Launch, LaunchCall, Trace};
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
    let launches = Launched::of(trace);
    if !launches.replay() {
        return Err(NoSteps::NoReplays { launches: launched });
    }
    if launches.replays.iter().any(|replays| replays.len() >= LEAST_REPLAYS) {
        return in_launch_order(trace, launches, Detector::Graph);
    }
    let whole = |replays: &Vec<Replay>| {
        let kernels = || replays.iter().map(|replay| replay.kernels);
        let ends = kernels().min().zip(kernels().max());
        ends.is_none_or(|(least, most)| least >= LEAST_WHOLE && 2 * most <= 3 * least)
    };
    // What a lone graph is for, only its kernels can tell: images are made by graphs as well.
    let decodes = |dispatch: &Dispatch| {
        let is_graph = dispatch.launch.is_some_and(|l| trace.launches[l.index()].call == LaunchCall::Graph);
        is_graph && vocabulary::place(trace.kernel(dispatch)).attention.decode
    };
    if !launches.replays.iter().all(whole) || !trace.dispatches.iter().any(decodes) {
        return Err(NoSteps::FewReplays { launches: launches.replays.iter().map(Vec::len).sum() });
    }
    each_replay(trace, launches)
}

/// A step for each replay, where there are too few to show a rhythm: engines profile single steps.
fn each_replay(trace: &Trace, launches: Launched) -> Result<StepTable, NoSteps> {
    let mut alphabet = Alphabet::new(trace);
    let token = alphabet.graph(LEAST_WHOLE);
    let ranks = launches.lanes(trace, |_, launch| (trace.launches[launch].call == LaunchCall::Graph).then_some(token));
    let mut table = joined::each(trace, &alphabet, Detector::Graph, &ranks, token)?;
    table.remarks.push("Each replay of a graph was taken for a step: there are too few to show a rhythm.".to_owned());
    Ok(table)
}

/// Finds steps in launch order, each launch of a graph one token.
pub(super) fn in_launch_order(trace: &Trace, launches: Launched, detector: Detector) -> Result<StepTable, NoSteps> {
    let mut alphabet = Alphabet::new(trace);
    let tokens = pieces::tokens(&mut alphabet, &launches.replays);
    let lanes = launches.lanes(trace, |rank, launch| tokens.get(&(rank, launch)).copied());
    joined::by_rank(trace, &alphabet, detector, &lanes)
}

/// Each rank's dispatches in the order of their launches, and the replays of graphs among these.
#[derive(Debug)]
pub(super) struct Launched {
    /// Each with a place that those of one launch share.
    order: Vec<Vec<(u64, u32)>>,
    replays: Vec<Vec<Replay>>,
}

impl Launched {
    pub(super) fn of(trace: &Trace) -> Self {
        let order = in_order(trace);
        let places = vocabulary::places(trace);
        let attends = |&(_, at): &(u64, u32)| {
            let name = trace.dispatches[at as usize].name;
            places[name.index()].attention.is_any()
        };
        let replays_of = |(rank, launched): (usize, &Vec<(u64, u32)>)| {
            let groups = launched.chunk_by(|a, b| a.0 == b.0);
            let replay = |group: &[(u64, u32)]| {
                let launch = trace.dispatches[group[0].1 as usize].launch?;
                let Launch { call: LaunchCall::Graph, graph, .. } = trace.launches[launch.index()] else { return None };
                let (kernels, attends) = (group.len() as u32, group.iter().any(attends));
                Some(Replay { key: (rank, launch.index()), graph, kernels, attends })
            };
            groups.filter_map(replay).collect()
        };
        let replays = order.iter().enumerate().map(replays_of).collect();
        Self { order, replays }
    }

    /// Whether any graph is replayed.
    pub(super) fn replay(&self) -> bool {
        self.replays.iter().any(|replays| !replays.is_empty())
    }

    /// Each rank's work in launch order; `graph` gives the token of a launch that replays one, by rank.
    fn lanes(self, trace: &Trace, graph: impl Fn(usize, usize) -> Option<u32>) -> Vec<Work> {
        let of_lane = |rank: usize, launched: &[(u64, u32)], busy: &mut Option<i64>| {
            let (mut lane, mut positions) = (Lane::default(), Vec::new());
            for group in launched.chunk_by(|a, b| a.0 == b.0) {
                positions.clear();
                positions.extend(group.iter().map(|&(_, position)| position));
                let launch = trace.dispatches[positions[0] as usize].launch;
                match launch.and_then(|launch| graph(rank, launch.index())) {
                    Some(token) => lane.push(trace, token, &positions, busy),
                    None => positions.iter().for_each(|&at| {
                        let name = trace.dispatches[at as usize].name.index() as u32;
                        lane.push(trace, name, &[at], busy);
                    }),
                }
            }
            lane
        };
        let work = |(rank, launched): (usize, Vec<(u64, u32)>)| {
            let [main, aside @ ..] = &origin::apart(trace, launched)[..] else { return Work::default() };
            let main = of_lane(rank, main, &mut None);
            Work { main, aside: aside.iter().map(|launched| of_lane(rank, launched, &mut None)).collect() }
        };
        self.order.into_iter().enumerate().map(work).collect()
    }
}

/// Each rank's dispatches in the order of their launches, with a place that those of one launch share.
///
/// Captures of older tracers, and those that were asked to, have the launches of graphs alone; newer ones tell when each
/// dispatch was enqueued. Where no producer tells that, and launches of graphs are all there is, dispatches without one are
/// in their place by when they ran: on a queue that is the order in which they were enqueued, and so are the replays among
/// them.
fn in_order(trace: &Trace) -> Vec<Vec<(u64, u32)>> {
    let only_graphs = trace.launches.iter().all(|launch| launch.call == LaunchCall::Graph);
    let by_dispatch = only_graphs || !trace.enqueued.is_empty();
    let own = |position: usize| trace.enqueued.get(position).copied().unwrap_or(position as u64);
    let mut first_of: HashMap<(usize, u32), u64> = HashMap::new();
    let placed = trace.dispatches.iter().enumerate().map(|(position, dispatch)| {
        let launch = dispatch.launch.map(|launch| launch.index() as u32);
        (position, trace.rank_of(dispatch.stream).index(), launch)
    });
    for (position, rank, launch) in placed.clone().filter(|_| by_dispatch) {
        let Some(launch) = launch else { continue };
        let first = first_of.entry((rank, launch)).or_insert(u64::MAX);
        *first = own(position).min(*first);
    }
    let mut order: Vec<Vec<(u64, u32)>> = vec![Vec::new(); trace.ranks.len()];
    for (position, rank, launch) in placed {
        let place = match launch {
            Some(launch) if by_dispatch => first_of[&(rank, launch)],
            Some(launch) => launch.into(),
            None if by_dispatch => own(position),
            None => continue,
        };
        order[rank].push((place, position as u32));
    }
    order.iter_mut().for_each(|rank| rank.sort_unstable());
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Drawing, Links, ProcessIdx, RankIdx, Span, TraceBuilder};
    use crate::steps::StepIdx;

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

    /// Passes of equal pieces with eager attention after each, nothing else, on a GPU that is never idle between two: handles
    /// alone tell where a pass begins. Two streams, so that eager kernels start when they like.
    fn pieces(buckets: &[u64]) -> Trace {
        let mut draw = TraceBuilder::new().drawing();
        let (process, rank) = (ProcessIdx::new(0), RankIdx::new(0));
        let streams = [0, 1].map(|id| draw.builder().stream(rank, id));
        let names = ["gemm", "norm", "act", "rotary", "paged_attention_ll4mi_QKV_mfma16_kernel"];
        let names = names.map(|name| draw.builder().names().intern(name));
        let (mut clock, mut enqueued) = (0, 0);
        for (pass, bucket) in buckets.iter().enumerate() {
            for piece in 0..8 {
                let key = pass as u64 * 100 + piece;
                let span = Span::new(clock - 3, clock - 2);
                let graph = Some(bucket * 10 + piece);
                let launch =
                    Launch { span, call: LaunchCall::Graph, process, thread: 1, graph, op: None, product: None };
                draw.builder().launch(launch, Some(key));
                for kernel in 0..9 {
                    let (name, stream) =
                        if kernel < 8 { (names[kernel % 4], streams[0]) } else { (names[4], streams[1]) };
                    // The attention of a piece starts while the piece before it still runs.
                    let start = if kernel < 8 { clock } else { clock - 35 };
                    let launch = (kernel < 8).then_some(key);
                    enqueued += 1;
                    let links = Links { launch, enqueued: Some(enqueued), ..Links::default() };
                    draw.builder().dispatch(start, start + 8, name, stream, links);
                    clock += 10;
                }
            }
        }
        draw.finish()
    }

    #[test]
    fn equal_pieces_are_one_step_a_pass_by_their_handles_in_every_bucket() {
        let buckets = [1, 1, 1, 2, 2, 1, 3, 3, 3, 3, 2, 1, 1, 1, 2, 3, 1, 1];
        let trace = pieces(&buckets);
        let table = find(&trace).unwrap();
        let dispatches: Vec<u32> = table.steps.iter().map(|step| step.dispatches).collect();
        assert_eq!(dispatches, [72; 18]);
        let of_step = |step: usize| (step * 72 + 1..=(step + 1) * 72).map(|id| id as u64).collect::<Vec<_>>();
        for step in 0..table.steps.len() {
            let at = table.dispatches(StepIdx::new(step)).iter().map(|&at| trace.enqueued[at as usize]);
            let mut ids: Vec<u64> = at.collect();
            ids.sort_unstable();
            assert_eq!(ids, of_step(step), "what was enqueued for the step");
        }
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
