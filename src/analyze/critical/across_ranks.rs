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
//! A collective that a rank left before the last arrived (a broadcast's root does) held nobody up: the path passes it by.
//! Ranks of several hosts are taken on the common clock; pieces of groups that do not meet are partitioned each by itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::critical::one_gpu::partition;
use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::model::{RankIdx, Span};

/// One decode step over the ranks of one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepPath {
    /// The step's number.
    pub(crate) number: u32,
    /// From first kernel to last.
    pub(crate) span: Breakdown,
    /// From there to the next step's first kernel; `None` where no decode step follows.
    pub(crate) rest: Option<Breakdown>,
}

/// The paths of all steps that ran on every rank of a group, group by group.
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

/// Follows the steps of all groups.
pub(crate) fn across(scope: &Scope<'_>, walls: &[Wall], collectives: &Collectives) -> Paths {
    let mut pieces = Pieces::default();
    // For each step its number, where its pieces begin and whether the last of them is the rest.
    let mut steps: Vec<(u32, usize, bool)> = Vec::new();
    let arrivals = arrivals(collectives);
    for (group, ranks) in collectives.groups.iter().enumerate() {
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
            now = starts_ns;
            let mut before = None;
            let mut piece = |rank: RankIdx, until_ns: i64| {
                let until_ns = until_ns.max(now);
                pieces.hops += u64::from(before.is_some_and(|before| before != rank));
                before = Some(rank);
                pieces.spans.push((rank, collectives.clocks.own(rank, Span::new(now, until_ns))));
                now = until_ns;
            };
            for &(rank, arrives_ns) in arrivals.get(&(group, number)).into_iter().flatten() {
                piece(rank, arrives_ns.min(ends_ns));
            }
            piece(last, ends_ns);
            if period {
                piece(last, period_ends_ns);
            }
        }
    }
    follow(scope, &pieces, &steps, collectives)
}

/// Rank and time of the last arrival at each collective that held its group, by group and step.
fn arrivals(collectives: &Collectives) -> BTreeMap<(usize, u32), Vec<(RankIdx, i64)>> {
    let mut arrivals: BTreeMap<(usize, u32), Vec<(RankIdx, i64)>> = BTreeMap::new();
    for met in collectives.iter().filter(|met| met.holds()) {
        if let Some(step) = met.step {
            let last = met.last();
            arrivals.entry((met.group, step)).or_default().push((last.rank, last.span.start_ns));
        }
    }
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
