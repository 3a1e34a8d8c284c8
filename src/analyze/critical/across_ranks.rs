//! The critical path of a step across its ranks.
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
//! the path's length is the step's wall time, and waiting for peers is not in it. Within a piece the
//! [rules for one GPU](crate::analyze::critical::one_gpu) say what holds it up.
//!
//! Where a rank is in several groups, the path goes back from the step's end: from the rank that it is on to the last
//! collective that held this rank, whichever group's that is, and on over the rank that arrived last there.
//!
//! A collective that a rank left before the last arrived (a broadcast's root does) held nobody up: the path passes it by.
//! Ranks of several hosts are taken on the common clock; pieces of groups that do not meet are partitioned each by itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::critical::one_gpu::partition;
use crate::analyze::ranks::collectives::{Collectives, Met};
use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::model::{RankIdx, Span};

/// One decode step over ranks that depend on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepPath {
    /// The step's number.
    pub(crate) number: u32,
    /// From first kernel to last.
    pub(crate) span: Breakdown,
    /// From there to the next step's first kernel; `None` where no decode step follows.
    pub(crate) rest: Option<Breakdown>,
}

/// The paths of all steps that ran on every rank of those that depend on each other.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) steps: Vec<StepPath>,
    /// Time that each rank was on the path.
    pub(crate) on_rank: Vec<u64>,
    /// How often the path went from one rank to another.
    pub(crate) hops: u64,
}

/// Stretches of the path, in order.
#[derive(Default)]
struct Pieces {
    /// On each rank's own clock.
    spans: Vec<(RankIdx, Span)>,
    hops: u64,
}

/// Follows the steps of all ranks that depend on each other.
pub(crate) fn across(scope: &Scope<'_>, walls: &[Wall], collectives: &Collectives) -> Paths {
    let mut pieces = Pieces::default();
    // For each step its number, where its pieces begin and whether the last of them is the rest.
    let mut steps: Vec<(u32, usize, bool)> = Vec::new();
    let arrivals = arrivals(collectives);
    for ranks in collectives.worlds() {
        let mut by_number: BTreeMap<u32, Vec<(RankIdx, &Wall)>> = BTreeMap::new();
        for wall in walls {
            let step = &scope.table.steps[wall.step.index()];
            if ranks.contains(&step.rank) {
                by_number.entry(step.number).or_default().push((step.rank, wall));
            }
        }
        let common = |rank: RankIdx, span: Span| collectives.clocks.common(rank, span).unwrap_or(span);
        let mut now = i64::MIN;
        for (&number, walls) in by_number.iter().filter(|(_, walls)| walls.len() == ranks.len()) {
            let of_step = |wall: &Wall| scope.table.steps[wall.step.index()].gpu;
            let wall = |rank: RankIdx, wall: &Wall| common(rank, wall.span);
            let starts_ns = walls.iter().map(|&(rank, of)| wall(rank, of).start_ns).min().unwrap_or(now).max(now);
            let period = walls.iter().all(|(_, wall)| wall.is_period);
            let period_ends_ns = walls.iter().map(|&(rank, of)| wall(rank, of).end_ns).min().unwrap_or(starts_ns);
            let ends = walls.iter().map(|&(rank, wall)| (rank, common(rank, of_step(wall)).end_ns));
            let Some((last, ends_ns)) = ends.max_by_key(|&(rank, at_ns)| (at_ns, Reverse(rank))) else { continue };
            let ends_ns = ends_ns.min(if period { period_ends_ns } else { i64::MAX }).max(starts_ns);
            steps.push((number, pieces.spans.len(), period));
            let of_step = arrivals.get(&number).map_or(&[][..], Vec::as_slice);
            let path = back_from(last, Span::new(starts_ns, ends_ns), of_step, &ranks);
            pieces.hops += path.windows(2).filter(|pair| pair[0].0 != pair[1].0).count() as u64;
            let rest = period.then(|| (last, Span::new(ends_ns, period_ends_ns.max(ends_ns))));
            now = rest.map_or(ends_ns, |(_, rest)| rest.end_ns);
            let own = |(rank, span)| (rank, collectives.clocks.own(rank, span));
            pieces.spans.extend(path.into_iter().chain(rest).map(own));
        }
    }
    follow(scope, &pieces, &steps, collectives)
}

/// The path through `step` that ends on the rank `last`: back to the last collective that held this rank, on over the rank
/// that arrived last there, and so on. The pieces in order of time.
fn back_from(last: RankIdx, step: Span, arrivals: &[Met<'_>], world: &[RankIdx]) -> Vec<(RankIdx, Span)> {
    let mut pieces = Vec::new();
    let (mut rank, mut until_ns) = (last, step.end_ns);
    for met in arrivals.iter().rev() {
        let arrives = met.last();
        let arrives_ns = arrives.span.start_ns;
        let holds_this = met.members.iter().any(|member| member.rank == rank) && world.contains(&arrives.rank);
        if holds_this && (step.start_ns..=until_ns).contains(&arrives_ns) {
            pieces.push((rank, Span::new(arrives_ns, until_ns)));
            (rank, until_ns) = (arrives.rank, arrives_ns);
        }
    }
    pieces.push((rank, Span::new(step.start_ns, until_ns)));
    pieces.reverse();
    pieces
}

/// The collectives that held all their ranks, by step, in order of the last arrivals.
fn arrivals(collectives: &Collectives) -> BTreeMap<u32, Vec<Met<'_>>> {
    let mut arrivals: BTreeMap<u32, Vec<Met<'_>>> = BTreeMap::new();
    for met in collectives.iter().filter(Met::holds) {
        if let Some(step) = met.step {
            arrivals.entry(step).or_default().push(met);
        }
    }
    arrivals.values_mut().for_each(|of_step| of_step.sort_by_key(|met| met.last().span.start_ns));
    arrivals
}

/// What held the pieces up.
fn follow(scope: &Scope<'_>, pieces: &Pieces, steps: &[(u32, usize, bool)], collectives: &Collectives) -> Paths {
    let parts = partition(scope, &pieces.spans, Some(collectives));
    let mut on_rank = vec![0; scope.trace.ranks.len()];
    for &(rank, span) in &pieces.spans {
        on_rank[rank.index()] += span.duration_ns();
    }
    let ends = steps.iter().skip(1).map(|&(_, from, _)| from).chain([parts.len()]);
    let path = |(&(number, from, period), end): (&(u32, usize, bool), usize)| {
        let end = if period { end - 1 } else { end };
        StepPath { number, span: Breakdown::sum(&parts[from..end]), rest: period.then(|| parts[end]) }
    };
    Paths { steps: steps.iter().zip(ends).map(path).collect(), on_rank, hops: pieces.hops }
}
