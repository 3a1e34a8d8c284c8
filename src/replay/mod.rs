//! What the kernels of graph replays do, by what was known when their graphs were captured.
//!
//! ```text
//!   captured   triton_0   rms_norm   Cijk_…          rotary   …     node by node, each with its operator
//!   replayed   triton_0   rms_norm   Cijk_…          rotary   …     the same names in the same order: the same kernels
//! ```
//!
//! A captured graph fits a launch whose kernels are its own, [name by name](plan). Where it forked, streams may run beside
//! each other and only [what follows from the order on each stream](forked) is settled. Copies and fills are passed over:
//! the runtime does them with kernels of its own, as many as it likes.
//!
//! Nothing is guessed: where several graphs fit, the size that the step's label tells decides, and else only what they agree
//! on is told. What does not fit is counted, with why.
//!
//! A launch on one stream that ran a graph's kernels in another order carries names on other kernels' times
//! (ROCm/rocm-systems#10579): its times are right as a list, and one stream runs a graph without forks in the order of
//! capture, so that order tells which name belongs to which time.

mod forked;
mod kernel;
mod live;
mod order;
mod plan;

use std::collections::HashSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::model::{Captured, Fit, LaunchCall, LaunchIdx, NameId, Names, Nearest, RangeIdx, Trace, Unjoined};
use crate::steps::labels::Labels;
use kernel::{ANY, Kernel, RUNTIME};
use live::Lives;
use plan::{Asked, Graph, Plan, Wanted};

/// Lays the captured graphs of `trace` over its graph launches; what that gives is in [`Trace::captured`].
pub fn lay_over(trace: &mut Trace) {
    if trace.captured.graphs.is_empty() || trace.captured.fit.is_some() {
        return;
    }
    let mut captured = std::mem::take(&mut trace.captured);
    let letters = Letters::new(&trace.names);
    let graphs: Vec<Graph> = captured.graphs.iter().map(|graph| Graph::new(graph, |name| letters.of(name))).collect();
    let launches = Launches::of(trace);
    let mut laying = Laying {
        sizes: Sizes::of(trace),
        lives: Lives::of(&captured),
        disordered: trace.disorders.iter().map(|disorder| disorder.launch).collect(),
        plans: FxHashMap::default(),
        settled: HashSet::new(),
        fit: Fit { launches: vec![0; graphs.len()], ..Fit::default() },
        letters: &letters,
        graphs: &graphs,
    };
    captured.of = vec![None; trace.dispatches.len()];
    captured.why = vec![Some(Unjoined::NoGraph); trace.dispatches.len()];
    for (launch, positions) in launches.iter() {
        laying.lay(launch, positions, trace, &mut captured);
    }
    let Laying { fit, settled, .. } = laying;
    trace.disorders.retain(|disorder| !settled.contains(&disorder.launch));
    captured.fit = Some(Fit { names: names_known(&graphs, &launches, &letters, trace), ..fit });
    trace.captured = captured;
}

/// How many distinct kernels of the graphs the replays ran, and how many there are.
fn names_known(graphs: &[Graph], launches: &Launches, letters: &Letters, trace: &Trace) -> [u64; 2] {
    // By name first: there are few of them, and very many dispatches.
    let mut names = vec![false; trace.names.len()];
    launches.positions.iter().for_each(|&at| names[trace.dispatches[at as usize].name.index()] = true);
    let ran: HashSet<u32> = names.iter().zip(&letters.0).filter(|(ran, _)| **ran).map(|(_, &letter)| letter).collect();
    let captured: HashSet<u32> = graphs.iter().flat_map(|graph| graph.kernels.iter().copied()).collect();
    [captured.intersection(&ran).count() as u64, captured.len() as u64]
}

/// Names as numbers: spellings of one kernel have one.
struct Letters(Vec<u32>);

impl Letters {
    fn new(names: &Names) -> Self {
        let mut known: FxHashMap<&str, u32> = FxHashMap::default();
        let mut letters = Vec::with_capacity(names.len());
        for (id, text) in names.iter() {
            if text.is_empty() {
                letters.push(ANY);
                continue;
            }
            if text.starts_with("__amd_rocclr_") {
                letters.push(RUNTIME);
                continue;
            }
            let text = text.strip_suffix(".kd").unwrap_or(text);
            let text = text.strip_suffix(" [clone .kd]").or_else(|| text.strip_suffix(" [clone")).unwrap_or(text);
            letters.push(*known.entry(text).or_insert(id.index() as u32));
        }
        Self(letters)
    }

    fn of(&self, name: NameId) -> u32 {
        self.0[name.index()]
    }
}

/// The kernels of each graph launch, in the order of their starts.
struct Launches {
    launches: Vec<LaunchIdx>,
    /// Where each launch's kernels begin in `positions`, and where the last one's end.
    bounds: Vec<u32>,
    positions: Vec<u32>,
}

impl Launches {
    fn of(trace: &Trace) -> Self {
        let is_graph = |launch: LaunchIdx| trace.launches[launch.index()].call == LaunchCall::Graph;
        let mut counts = vec![0_u32; trace.launches.len()];
        let of_graph = || {
            let launched = trace.dispatches.iter().enumerate();
            launched.filter_map(|(at, dispatch)| Some((at as u32, dispatch.launch.filter(|&launch| is_graph(launch))?)))
        };
        of_graph().for_each(|(_, launch)| counts[launch.index()] += 1);
        let (mut launches, mut bounds, mut next) = (Vec::new(), vec![0], counts.clone());
        for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let begin = bounds[bounds.len() - 1];
            next[at] = begin;
            launches.push(LaunchIdx::new(at));
            bounds.push(begin + count);
        }
        let mut positions = vec![0; bounds[bounds.len() - 1] as usize];
        for (at, launch) in of_graph() {
            positions[next[launch.index()] as usize] = at;
            next[launch.index()] += 1;
        }
        Self { launches, bounds, positions }
    }

    fn iter(&self) -> impl Iterator<Item = (LaunchIdx, &[u32])> {
        let part = |(nth, &launch): (usize, &LaunchIdx)| {
            (launch, &self.positions[self.bounds[nth] as usize..self.bounds[nth + 1] as usize])
        };
        self.launches.iter().enumerate().map(part)
    }
}

/// How many rows the labels of steps tell, for what is launched within them.
struct Sizes {
    /// By process: labelled ranges in the order of their starts.
    ranges: FxHashMap<usize, Vec<(RangeIdx, Wanted)>>,
}

/// Labelled ranges before a launch that are looked at for the one around it.
const RANGES_BACK: usize = 32;

impl Sizes {
    fn of(trace: &Trace) -> Self {
        let labels = Labels::known();
        let mut parsed: FxHashMap<NameId, Option<Wanted>> = FxHashMap::default();
        let mut ranges: FxHashMap<usize, Vec<(RangeIdx, Wanted)>> = FxHashMap::default();
        for (at, range) in trace.ranges.iter().enumerate() {
            let wanted = *parsed.entry(range.name).or_insert_with(|| {
                let batch = labels.parse(trace.names.get(range.name))?.batch;
                let rows = batch.tokens.max(batch.size);
                (rows.is_some() || batch.graph_size.is_some()).then_some(Wanted { graph: batch.graph_size, rows })
            });
            if let Some(wanted) = wanted {
                ranges.entry(range.process.index()).or_default().push((RangeIdx::new(at), wanted));
            }
        }
        Self { ranges }
    }

    /// What the innermost label around `launch` tells.
    fn around(&self, launch: LaunchIdx, trace: &Trace) -> Wanted {
        let launch = &trace.launches[launch.index()];
        let Some(ranges) = self.ranges.get(&launch.process.index()) else { return Wanted::default() };
        let span = |range: RangeIdx| trace.ranges[range.index()].span;
        let before = ranges.partition_point(|&(range, _)| span(range).start_ns <= launch.span.start_ns);
        let around = ranges[..before].iter().rev().take(RANGES_BACK);
        let mut around = around.filter(|(range, _)| span(*range).end_ns >= launch.span.start_ns);
        around.next().map_or_else(Wanted::default, |&(_, wanted)| wanted)
    }
}

/// One pass over the graph launches.
struct Laying<'a> {
    letters: &'a Letters,
    graphs: &'a [Graph],
    sizes: Sizes,
    lives: Lives,
    disordered: HashSet<LaunchIdx>,
    plans: FxHashMap<Asked, Rc<Plan>>,
    /// Launches whose names were put right.
    settled: HashSet<LaunchIdx>,
    fit: Fit,
}

impl Laying<'_> {
    /// The plan for what is `asked`, which is made once.
    fn planned(&mut self, asked: Asked, captured: &mut Captured, positions: &[u32], trace: &Trace) -> Rc<Plan> {
        if let Some(plan) = self.plans.get(&asked) {
            return Rc::clone(plan);
        }
        let plan = Rc::new(plan::plan(&asked, self.graphs, captured));
        if plan.fits.is_empty() && self.fit.nearest.is_none() {
            self.fit.nearest = nearest(&asked.kernels, self.graphs, captured, positions, trace);
        }
        self.plans.insert(asked, Rc::clone(&plan));
        plan
    }

    /// The kernels at `positions`, and how many streams ran them.
    fn kernels(&self, positions: &[u32], trace: &Trace) -> (Vec<Kernel>, usize) {
        let mut streams = Vec::new();
        let kernel = |&at: &u32| {
            let dispatch = &trace.dispatches[at as usize];
            let stream = streams.iter().position(|&known| known == dispatch.stream).unwrap_or_else(|| {
                streams.push(dispatch.stream);
                streams.len() - 1
            });
            Kernel { letter: self.letters.of(dispatch.name), stream: stream as u32 }
        };
        let kernels = positions.iter().map(kernel).collect();
        (kernels, streams.len())
    }

    fn lay(&mut self, launch: LaunchIdx, positions: &[u32], trace: &mut Trace, captured: &mut Captured) {
        let told = self.lives.told(&trace.launches[launch.index()]);
        let enqueued = told.and_then(|_| by_enqueueing(positions, trace));
        let by_start = positions;
        let positions = enqueued.as_deref().unwrap_or(positions);
        let (kernels, streams) = self.kernels(positions, trace);
        let positions = if streams == 1 && enqueued.is_some() {
            self.put_right(launch, positions, by_start, trace)
        } else {
            positions
        };
        let rank = trace.rank_of(trace.dispatches[positions[0] as usize].stream);
        let rank = trace.ranks[rank.index()].number;
        let wanted = if told.is_some() { Wanted::default() } else { self.sizes.around(launch, trace) };
        let disordered = self.disordered.contains(&launch);
        let asked = Asked { kernels, rank, wanted, disordered, told };
        let plan = self.planned(asked, captured, positions, trace);
        self.fit.of_launches += 1;
        if plan.fits.is_empty() {
            let why = if plan.unsettled { Unjoined::Displaced } else { Unjoined::NoSuchGraph };
            self.fit.unsettled_launches += u64::from(plan.unsettled);
            positions.iter().for_each(|&at| captured.why[at as usize] = Some(why));
            return;
        }
        if let Some(order) = &plan.displaced {
            // Kernels of one stream do not overlap; where these do, the list of times is not to be trusted either.
            let overlap = positions.windows(2).any(|pair| {
                let span = |at: u32| trace.dispatches[at as usize].span;
                span(pair[1]).start_ns < span(pair[0]).end_ns
            });
            self.fit.displaced_launches += 1;
            if overlap {
                self.fit.unsettled_launches += 1;
                positions.iter().for_each(|&at| captured.why[at as usize] = Some(Unjoined::Displaced));
                return;
            }
            let names: Vec<NameId> =
                order.iter().map(|&from| trace.dispatches[positions[from] as usize].name).collect();
            for (&at, name) in positions.iter().zip(names) {
                self.fit.put_right += u64::from(trace.dispatches[at as usize].name != name);
                trace.dispatches[at as usize].name = name;
            }
            self.settled.insert(launch);
        }
        self.fit.joined_launches += 1;
        plan.fits.iter().for_each(|&graph| self.fit.launches[graph] += 1);
        for (&at, found) in positions.iter().zip(&plan.works) {
            (captured.of[at as usize], captured.why[at as usize]) = match *found {
                Ok(work) => (Some(work), None),
                Err(why) => (None, Some(why)),
            };
        }
    }

    /// Of kernels of one stream, `enqueued` in this order, those that are in the order of their starts: where the orders
    /// differ, names are on other kernels' times and are put right. Returns where the kernels are afterwards, in the order in
    /// which they were enqueued.
    fn put_right<'p>(
        &mut self,
        launch: LaunchIdx,
        enqueued: &'p [u32],
        by_start: &'p [u32],
        trace: &mut Trace,
    ) -> &'p [u32] {
        let start = |at: u32| trace.dispatches[at as usize].span.start_ns;
        if enqueued.windows(2).all(|pair| start(pair[0]) <= start(pair[1])) {
            return enqueued;
        }
        // A time that the GPU did not give tells nothing of the order.
        if by_start.iter().any(|&at| trace.dispatches[at as usize].span.duration_ns() == 0) {
            return enqueued;
        }
        // Kernels of one stream do not overlap: where these do, it is their times that are wrong.
        let overlap = by_start.windows(2).any(|pair| {
            let span = |at: u32| trace.dispatches[at as usize].span;
            span(pair[1]).start_ns < span(pair[0]).end_ns
        });
        if overlap {
            return enqueued;
        }
        self.fit.displaced_launches += 1;
        let names: Vec<NameId> = enqueued.iter().map(|&at| trace.dispatches[at as usize].name).collect();
        for (&at, name) in by_start.iter().zip(names) {
            self.fit.put_right += u64::from(trace.dispatches[at as usize].name != name);
            trace.dispatches[at as usize].name = name;
        }
        self.settled.insert(launch);
        by_start
    }
}

/// `positions` in the order in which the kernels there were enqueued, where that is told.
fn by_enqueueing(positions: &[u32], trace: &Trace) -> Option<Vec<u32>> {
    let order = |&at: &u32| trace.enqueued.get(at as usize).copied();
    positions.iter().all(|at| order(at).is_some()).then(|| {
        let mut sorted = positions.to_vec();
        sorted.sort_by_key(order);
        sorted
    })
}

/// The graph that goes furthest with `kernels`.
fn nearest(
    kernels: &[Kernel],
    graphs: &[Graph],
    captured: &Captured,
    positions: &[u32],
    trace: &Trace,
) -> Option<Nearest> {
    let ran: Vec<(u32, u32)> = kernels
        .iter()
        .zip(positions)
        .filter(|(kernel, _)| kernel.letter != RUNTIME)
        .map(|(kernel, &at)| (kernel.letter, at))
        .collect();
    let same = |graph: &Graph| graph.kernels.iter().zip(&ran).take_while(|(a, (b, _))| *a == b).count();
    let (at, graph) = graphs.iter().enumerate().max_by_key(|(_, graph)| same(graph))?;
    let differs = same(graph);
    let captured_name = graph.nodes.get(differs).and_then(|&node| captured.graphs[at].nodes[node].kernel);
    Some(Nearest {
        graph: at,
        kernels: [graph.kernels.len() as u32, ran.len() as u32],
        differs_at: differs as u32,
        names: [captured_name, ran.get(differs).map(|&(_, at)| trace.dispatches[at as usize].name)],
    })
}

#[cfg(test)]
mod tests;
