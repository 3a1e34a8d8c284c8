//! The time of each step over the ranks, and what ranks wait for one another.
//!
//! Where all ranks meet in the same collectives a step's time is that of its [critical path](crate::analyze::critical::across_ranks), which
//! runs over the ranks that arrive last: waiting for peers is not in it. Off the path, waiting is taken off the
//! collectives' time and kept apart. Where ranks do not all depend on each other, or most collectives could not be matched,
//! they are taken one by one and averaged.

use std::collections::BTreeMap;

use crate::analyze::critical::across_ranks;
use crate::analyze::critical::across_ranks::StepPath;
use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::critical::one_gpu::partition;
use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::scope::Scope;
use crate::analyze::time::latency::{Wall, walls};
use crate::analyze::time::pauses::Pauses;
use crate::model::{RankIdx, Span};
use crate::output::report::ScopeOf;

/// The paths of all steps that ran on every rank.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) steps: Vec<StepPath>,
    /// What ranks waited for one another, where paths run over the last to arrive; else they are sums over the ranks.
    collectives: Option<Collectives>,
}

impl Paths {
    /// Whether paths run over the last to arrive.
    pub(super) fn across(&self) -> bool {
        self.collectives.is_some()
    }

    /// Time that the dispatch at `position` spent waiting for peers.
    pub(super) fn wait_ns(&self, position: usize) -> u64 {
        self.collectives.as_ref().map_or(0, |collectives| collectives.wait_ns(position))
    }
}

/// Finds the paths.
pub(super) fn paths(scope: &Scope<'_>) -> Paths {
    if scope.of == ScopeOf::Trace {
        return Paths { steps: vec![whole(scope)], collectives: None };
    }
    let ranks = scope.trace.ranks.iter().enumerate();
    let ranks = ranks.filter(|(at, _)| scope.steps().any(|(_, step)| step.rank.index() == *at)).count();
    let walls = walls(scope, &Pauses::of(scope));
    // What has no counterpart, as at a window's edges, is left out; where that is most, ranks are not the same steps.
    let mostly = |found: &Collectives| found.unmatched <= found.iter().map(|met| met.members.len() as u64).sum();
    let meet = |found: &Collectives| matches!(&found.worlds()[..], [all] if all.len() == ranks) && mostly(found);
    if let Some(collectives) = Collectives::of(scope).filter(meet) {
        return Paths {
            steps: across_ranks::across(scope, &walls, &collectives).steps,
            collectives: Some(collectives),
        };
    }
    let mut by_number: BTreeMap<u32, Vec<(RankIdx, Wall)>> = BTreeMap::new();
    for wall in walls {
        let step = &scope.table.steps[wall.step.index()];
        by_number.entry(step.number).or_default().push((step.rank, wall));
    }
    by_number.retain(|_, walls| walls.len() == ranks);
    Paths { steps: averaged(scope, &by_number), collectives: None }
}

/// Walls of the ranks one by one, summed up.
fn averaged(scope: &Scope<'_>, by_number: &BTreeMap<u32, Vec<(RankIdx, Wall)>>) -> Vec<StepPath> {
    let mut pieces = Vec::new();
    for (rank, wall) in by_number.values().flatten() {
        let ends_ns = scope.table.steps[wall.step.index()].gpu.end_ns.clamp(wall.span.start_ns, wall.span.end_ns);
        pieces.push((*rank, Span::new(wall.span.start_ns, ends_ns)));
        pieces.push((*rank, Span::new(ends_ns, wall.span.end_ns)));
    }
    let parts = partition(scope, &pieces, None);
    let mut parts = parts.chunks_exact(2);
    let path = |(&number, walls): (&u32, &Vec<(RankIdx, Wall)>)| {
        let pairs: Vec<&[Breakdown]> = parts.by_ref().take(walls.len()).collect();
        let nth = |nth: usize| Breakdown::sum(pairs.iter().map(|pair| &pair[nth]));
        let period = walls.iter().all(|(_, wall)| wall.is_period);
        StepPath { number, span: nth(0), rest: period.then(|| nth(1)) }
    };
    by_number.iter().map(path).collect()
}

/// The whole trace as one step.
fn whole(scope: &Scope<'_>) -> StepPath {
    let mut hulls: BTreeMap<RankIdx, Span> = BTreeMap::new();
    for (at, dispatch) in scope.trace.dispatches.iter().enumerate() {
        let hull = hulls.entry(scope.rank_of(at)).or_insert(dispatch.span);
        *hull = hull.hull(dispatch.span);
    }
    let pieces: Vec<(RankIdx, Span)> = hulls.into_iter().collect();
    StepPath { number: 0, span: Breakdown::sum(&partition(scope, &pieces, None)), rest: None }
}
