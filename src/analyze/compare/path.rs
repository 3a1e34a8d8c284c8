//! The path of each step across the ranks, and what ranks wait for one another.
//!
//! When one rank gets slower, every other rank's all-reduce gets longer: summed up over ranks, communication would be
//! blamed for a slow matrix product. So time is taken where it is lost:
//!
//! ```text
//!   rank 0  ▓▓▓▓▓▓ wait ┊▒▒▒▒▓▓▓▓▓▓▓▓▓▓▓┊▒▒▒▒▓▓          ▓ compute
//!   rank 1  ▓▓▓▓▓▓▓▓▓▓▓▓┊▒▒▒▒▓▓▓▓▓ wait ┊▒▒▒▒▓▓          ▒ transfer
//!   path    ── rank 1 ──┊──── rank 0 ───┊─ last to end ─
//! ```
//!
//! From the arrival of the last rank at one collective to the arrival of the last rank at the next, the path is on the
//! rank that arrives last there: all others wait for it. These pieces follow one another without gap or overlap, so
//! the path's length is the step's wall time, and waiting for peers is not in it. Off the path, waiting is taken off the
//! collectives' time and kept apart.
//!
//! This needs ranks that share a clock and run the same collectives in every step. Where they do not, the ranks are taken
//! one by one and averaged.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::classify::Category;
use crate::model::{RankIdx, Span};

use super::super::exposure::{Part, partition};
use super::super::latency::{Wall, walls};
use super::super::ranks::one_clock;
use super::super::report::ScopeOf;
use super::super::view::View;

/// One decode step over all ranks.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepPath {
    /// The step's number.
    pub(super) number: u32,
    /// From first kernel to last.
    pub(super) span: Part,
    /// From there to the next step's first kernel; `None` where no decode step follows.
    pub(super) rest: Option<Part>,
}

/// The paths of all steps that ran on every rank.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) steps: Vec<StepPath>,
    /// Whether paths run over the last to arrive; else they are sums over the ranks.
    pub(super) across: bool,
    /// Time that each dispatch spent waiting for peers, by position; empty where nothing is known of it.
    pub(super) waits: Vec<u64>,
}

/// Finds the paths.
pub(super) fn paths(view: &View<'_>) -> Paths {
    if view.of == ScopeOf::Trace {
        return Paths { steps: vec![whole(view)], across: false, waits: Vec::new() };
    }
    let ranks = view.trace.ranks.iter().enumerate();
    let ranks = ranks.filter(|(at, _)| view.steps().any(|(_, step)| step.rank.index() == *at)).count();
    let mut by_number: BTreeMap<u32, Vec<(RankIdx, Wall)>> = BTreeMap::new();
    for wall in walls(view) {
        let step = &view.table.steps[wall.step.index()];
        by_number.entry(step.number).or_default().push((step.rank, wall));
    }
    by_number.retain(|_, walls| walls.len() == ranks);
    let collectives = if ranks > 1 && one_clock(view.trace) { collectives(view, &by_number) } else { None };
    let Some(collectives) = collectives else {
        return Paths { steps: averaged(view, &by_number), across: false, waits: Vec::new() };
    };
    let mut waits = vec![0; view.trace.dispatches.len()];
    for met in collectives.values().flatten() {
        let latest = met.iter().map(|&(_, at)| view.trace.dispatches[at].span.start_ns).max().unwrap_or(0);
        for &(_, at) in met {
            let span = view.trace.dispatches[at].span;
            waits[at] = latest.min(span.end_ns).abs_diff(span.start_ns);
        }
    }
    Paths { steps: across(view, &by_number, &collectives), across: true, waits }
}

/// The dispatches of one collective, one a rank.
type Met = Vec<(RankIdx, usize)>;

/// The collectives of each step, in order; `None` if in any step the ranks do not have equally many, or all have none.
fn collectives(view: &View<'_>, by_number: &BTreeMap<u32, Vec<(RankIdx, Wall)>>) -> Option<BTreeMap<u32, Vec<Met>>> {
    let mut found: BTreeMap<u32, BTreeMap<RankIdx, Vec<usize>>> = BTreeMap::new();
    for (at, dispatch) in view.trace.dispatches.iter().enumerate() {
        if view.category(dispatch.name) != Category::Allreduce || view.left_out(at).is_some() {
            continue;
        }
        if let Some(step) = view.table.step_of(at).filter(|step| by_number.contains_key(&step.number)) {
            found.entry(step.number).or_default().entry(step.rank).or_default().push(at);
        }
    }
    let mut steps = BTreeMap::new();
    for (number, walls) in by_number {
        let of_step = found.get(number)?;
        let count = of_step.values().next()?.len();
        if of_step.len() != walls.len() || of_step.values().any(|of_rank| of_rank.len() != count) {
            return None;
        }
        let met = |nth: usize| of_step.iter().map(|(&rank, of_rank)| (rank, of_rank[nth])).collect();
        steps.insert(*number, (0..count).map(met).collect());
    }
    Some(steps)
}

/// Paths over the ranks that arrive last.
fn across(
    view: &View<'_>,
    by_number: &BTreeMap<u32, Vec<(RankIdx, Wall)>>,
    collectives: &BTreeMap<u32, Vec<Met>>,
) -> Vec<StepPath> {
    let mut pieces: Vec<(RankIdx, Span)> = Vec::new();
    // For each step its number, where its pieces begin and whether the last of them is the rest.
    let mut steps: Vec<(u32, usize, bool)> = Vec::new();
    let mut now = i64::MIN;
    for (&number, walls) in by_number {
        let spans = || walls.iter().map(|(rank, wall)| (*rank, view.table.steps[wall.step.index()].gpu));
        let starts_ns = walls.iter().map(|(_, wall)| wall.span.start_ns).min().unwrap_or(now).max(now);
        let period_ends_ns = walls.iter().map(|(_, wall)| wall.span.end_ns).min().unwrap_or(starts_ns);
        let period = walls.iter().all(|(_, wall)| wall.is_period);
        let Some((last, span)) = spans().max_by_key(|&(rank, span)| (span.end_ns, Reverse(rank))) else { continue };
        let limit_ns = if period { period_ends_ns } else { i64::MAX };
        let ends_ns = span.end_ns.min(limit_ns).max(starts_ns);
        steps.push((number, pieces.len(), period));
        now = starts_ns;
        let mut piece = |rank: RankIdx, until_ns: i64| {
            let until_ns = until_ns.max(now);
            pieces.push((rank, Span::new(now, until_ns)));
            now = until_ns;
        };
        for met in &collectives[&number] {
            let arrivals = met.iter().map(|&(rank, at)| (rank, view.trace.dispatches[at].span.start_ns));
            if let Some((rank, arrives_ns)) = arrivals.max_by_key(|&(rank, at_ns)| (at_ns, Reverse(rank))) {
                piece(rank, arrives_ns.min(ends_ns));
            }
        }
        piece(last, ends_ns);
        if period {
            piece(last, period_ends_ns);
        }
    }
    let parts = partition(view, &pieces);
    let ends = steps.iter().skip(1).map(|&(_, from, _)| from).chain([parts.len()]);
    let path = |(&(number, from, period), end): (&(u32, usize, bool), usize)| {
        let end = if period { end - 1 } else { end };
        StepPath { number, span: sum(&parts[from..end]), rest: period.then(|| parts[end]) }
    };
    steps.iter().zip(ends).map(path).collect()
}

/// Walls of the ranks one by one, summed up.
fn averaged(view: &View<'_>, by_number: &BTreeMap<u32, Vec<(RankIdx, Wall)>>) -> Vec<StepPath> {
    let mut pieces = Vec::new();
    for (rank, wall) in by_number.values().flatten() {
        let ends_ns = view.table.steps[wall.step.index()].gpu.end_ns.clamp(wall.span.start_ns, wall.span.end_ns);
        pieces.push((*rank, Span::new(wall.span.start_ns, ends_ns)));
        pieces.push((*rank, Span::new(ends_ns, wall.span.end_ns)));
    }
    let parts = partition(view, &pieces);
    let mut parts = parts.chunks_exact(2);
    let path = |(&number, walls): (&u32, &Vec<(RankIdx, Wall)>)| {
        let pairs: Vec<&[Part]> = parts.by_ref().take(walls.len()).collect();
        let nth = |nth: usize| sum(&pairs.iter().map(|pair| pair[nth]).collect::<Vec<_>>());
        let period = walls.iter().all(|(_, wall)| wall.is_period);
        StepPath { number, span: nth(0), rest: period.then(|| nth(1)) }
    };
    by_number.iter().map(path).collect()
}

/// The whole trace as one step.
fn whole(view: &View<'_>) -> StepPath {
    let mut hulls: BTreeMap<RankIdx, Span> = BTreeMap::new();
    for (at, dispatch) in view.trace.dispatches.iter().enumerate() {
        let hull = hulls.entry(view.rank_of(at)).or_insert(dispatch.span);
        *hull = hull.hull(dispatch.span);
    }
    let pieces: Vec<(RankIdx, Span)> = hulls.into_iter().collect();
    StepPath { number: 0, span: sum(&partition(view, &pieces)), rest: None }
}

/// `parts` added up.
pub(super) fn sum(parts: &[Part]) -> Part {
    let mut sum = Part::default();
    for part in parts {
        sum.categories.iter_mut().zip(part.categories).for_each(|(sum, ns)| *sum += ns);
        sum.idle.iter_mut().zip(part.idle).for_each(|(sum, ns)| *sum += ns);
    }
    sum
}
