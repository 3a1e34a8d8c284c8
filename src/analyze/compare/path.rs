//! The time of each step over the ranks, and what ranks wait for one another.
//!
//! Where all ranks meet in the same collectives a step's time is that of its [critical path](super::super::path), which
//! runs over the ranks that arrive last: waiting for peers is not in it. Off the path, waiting is taken off the
//! collectives' time and kept apart. Where the collectives could not all be matched, the ranks are taken one by one and
//! averaged.

use std::collections::BTreeMap;

use crate::model::{RankIdx, Span};

use super::super::collectives::Collectives;
use super::super::exposure::{Part, partition};
use super::super::latency::{Wall, walls};
use super::super::path;
pub(super) use super::super::path::{StepPath, sum};
use super::super::report::ScopeOf;
use super::super::view::View;

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
pub(super) fn paths(view: &View<'_>) -> Paths {
    if view.of == ScopeOf::Trace {
        return Paths { steps: vec![whole(view)], collectives: None };
    }
    let ranks = view.trace.ranks.iter().enumerate();
    let ranks = ranks.filter(|(at, _)| view.steps().any(|(_, step)| step.rank.index() == *at)).count();
    let walls = walls(view);
    let meet = |found: &Collectives| found.unmatched == 0 && matches!(&found.groups[..], [all] if all.len() == ranks);
    if let Some(collectives) = Collectives::of(view).filter(meet) {
        return Paths { steps: path::across(view, &walls, &collectives).steps, collectives: Some(collectives) };
    }
    let mut by_number: BTreeMap<u32, Vec<(RankIdx, Wall)>> = BTreeMap::new();
    for wall in walls {
        let step = &view.table.steps[wall.step.index()];
        by_number.entry(step.number).or_default().push((step.rank, wall));
    }
    by_number.retain(|_, walls| walls.len() == ranks);
    Paths { steps: averaged(view, &by_number), collectives: None }
}

/// Walls of the ranks one by one, summed up.
fn averaged(view: &View<'_>, by_number: &BTreeMap<u32, Vec<(RankIdx, Wall)>>) -> Vec<StepPath> {
    let mut pieces = Vec::new();
    for (rank, wall) in by_number.values().flatten() {
        let ends_ns = view.table.steps[wall.step.index()].gpu.end_ns.clamp(wall.span.start_ns, wall.span.end_ns);
        pieces.push((*rank, Span::new(wall.span.start_ns, ends_ns)));
        pieces.push((*rank, Span::new(ends_ns, wall.span.end_ns)));
    }
    let parts = partition(view, &pieces, None);
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
    StepPath { number: 0, span: sum(&partition(view, &pieces, None)), rest: None }
}
