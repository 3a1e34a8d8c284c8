//! Is anything missing?
//!
//! Tracers lose records, and a report made of what is left looks whole. But decode steps repeat: replays of one graph
//! run the same kernels every time, and eager steps of one batch size nearly so. A step that has fewer than its like
//! gives the loss away, without anybody having counted it.
//!
//! Steps are compared on one rank, within one batch and one set of graphs, in two parts:
//!
//! * *Replayed* kernels must be the same in all steps. Where the trace tells graphs apart, the largest count is the
//!   truth, since a replay cannot run a kernel too many; else the most frequent is.
//! * *Eager* kernels may differ for good reason (another attention kernel for longer contexts, another sampler), so
//!   only a step short of what three quarters of its like agree on counts as short.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::model::{LaunchCall, LaunchIdx, LossCause, RankIdx, Warning};
use crate::steps::{Batch, Step};

use super::report::Missing;
use super::view::View;

/// What can be said of a trace's completeness.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Steps were compared with their like, and none has too few kernels.
    Proven,
    /// Nothing is known to be missing, but there was too little to compare.
    NotChecked,
    /// Records are missing.
    Incomplete,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) verdict: Completeness,
    pub(super) missing: Vec<Missing>,
    pub(super) warnings: Vec<Warning>,
}

/// The kernels of one step, by how they came to run.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    replayed: u64,
    eager: u64,
}

/// Steps that ought to be alike.
type Key = (RankIdx, Batch, Vec<Option<u64>>);

/// Looks for steps that are short of kernels.
pub(super) fn check(view: &View<'_>) -> Found {
    let counts = count(view);
    let mut groups: BTreeMap<Key, Vec<(&Step, Counts)>> = BTreeMap::new();
    for (at, step) in view.steps() {
        let (counts, graphs) = &counts[at.index()];
        groups.entry((step.rank, alike(step.batch), graphs.clone())).or_default().push((step, *counts));
    }
    let mut found = Found { verdict: Completeness::NotChecked, missing: Vec::new(), warnings: Vec::new() };
    let mut checked = false;
    let mut unsteady = 0;
    for ((rank, _, graphs), group) in &groups {
        let replayed: Vec<u64> = group.iter().map(|(_, counts)| counts.replayed).collect();
        let eager: Vec<u64> = group.iter().map(|(_, counts)| counts.eager).collect();
        let graphs_known = !graphs.is_empty() && graphs.iter().all(Option::is_some);
        let replayed =
            if graphs_known { replayed.iter().copied().max() } else { mode(&replayed).map(|(most, _)| most) };
        let eager = mode(&eager).filter(|&(_, times)| times * 4 >= group.len() * 3).map(|(most, _)| most);
        checked |= group.len() > 1 && (eager.is_some() || graphs_known);
        unsteady += if eager.is_none() { group.len() } else { 0 };
        for (step, counts) in group {
            let short = |expected: Option<u64>, seen: u64| expected.unwrap_or(0).saturating_sub(seen);
            let seen = counts.replayed + counts.eager;
            let lacking = short(replayed, counts.replayed) + short(eager, counts.eager);
            if lacking > 0 {
                let rank = view.rank_number(*rank);
                found.missing.push(Missing { step: step.number, rank, expected: seen + lacking, seen });
            }
        }
    }
    found.missing.extend(absent(view));
    found.missing.sort_by_key(|missing| (missing.step, missing.rank));
    if unsteady > 0 {
        let text = format!(
            "the number of kernels varies from step to step in {unsteady} decode steps that ran without a graph, so a \
             lost record would not show there"
        );
        found.warnings.push(Warning { code: "completeness-unknown", text });
    }
    let lost = view.trace.losses.iter().any(|loss| loss.count > 0 && is_incomplete(loss.cause));
    if !found.missing.is_empty() || lost {
        found.verdict = Completeness::Incomplete;
    } else if checked {
        found.verdict = Completeness::Proven;
    }
    found
}

/// Whether a loss means that kernels are missing from the sums.
fn is_incomplete(cause: LossCause) -> bool {
    match cause {
        // Their time counts, or they ran after the window.
        LossCause::UnknownSymbol | LossCause::Late => false,
        LossCause::ChannelFull
        | LossCause::NoCompletion
        | LossCause::MemoryBound
        | LossCause::Unreadable
        | LossCause::Producer => true,
    }
}

/// What makes batches alike: token counts vary with the requests while the kernels stay the same.
fn alike(batch: Batch) -> Batch {
    Batch { tokens: None, ..batch }
}

/// Kernels of each step by how they ran, and the graphs it replayed, sorted.
fn count(view: &View<'_>) -> Vec<(Counts, Vec<Option<u64>>)> {
    let mut counts = vec![(Counts::default(), Vec::new()); view.table.steps.len()];
    let mut met: HashSet<LaunchIdx> = HashSet::new();
    let mut last = None;
    for (dispatch, step) in view.trace.dispatches.iter().zip(&view.table.of_dispatch) {
        let Some(step) = step else { continue };
        let (counts, graphs) = &mut counts[step.index()];
        let launch = dispatch.launch.map(|launch| (launch, &view.trace.launches[launch.index()]));
        match launch {
            Some((at, launch)) if launch.call == LaunchCall::Graph => {
                counts.replayed += 1;
                if last != Some(at) && met.insert(at) {
                    graphs.push(launch.graph);
                }
                last = Some(at);
            }
            _ => counts.eager += 1,
        }
    }
    for (_, graphs) in &mut counts {
        graphs.sort_unstable();
    }
    counts
}

/// The most frequent of `values` and how often it occurs; of equals the largest.
fn mode(values: &[u64]) -> Option<(u64, usize)> {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for &value in values {
        *times.entry(value).or_default() += 1;
    }
    times.into_iter().max_by_key(|&(value, times)| (times, value))
}

/// Steps that other ranks ran and one did not, between that one's first and last.
fn absent(view: &View<'_>) -> Vec<Missing> {
    let mut by_number: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
    let mut window: BTreeMap<RankIdx, (u32, u32)> = BTreeMap::new();
    for (_, step) in view.steps() {
        by_number.entry(step.number).or_default().push(step);
        let (_, last) = window.entry(step.rank).or_insert((step.number, step.number));
        *last = step.number;
    }
    let known: HashSet<(u32, RankIdx)> = view.table.steps.iter().map(|step| (step.number, step.rank)).collect();
    let mut missing = Vec::new();
    for (&number, steps) in &by_number {
        let expected = steps.iter().map(|step| u64::from(step.dispatches)).max().unwrap_or(0);
        for (&rank, &(first, last)) in &window {
            if (first..=last).contains(&number) && !known.contains(&(number, rank)) {
                missing.push(Missing { step: number, rank: view.rank_number(rank), expected, seen: 0 });
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Row, trace_with_steps};
    use super::*;

    fn steps_of(kernels: &[usize]) -> Vec<Row> {
        let mut clock = 0;
        let row = |&count: &usize| {
            let kernels: Vec<(&str, i64, i64)> =
                (0..count as i64).map(|i| ("gemm", clock + i, clock + i + 1)).collect();
            clock += 100;
            Row::decode(&kernels)
        };
        kernels.iter().map(row).collect()
    }

    #[test]
    fn a_step_with_a_kernel_too_few_is_missing_one() {
        let drawn = trace_with_steps(&steps_of(&[5, 5, 4, 5, 5]));
        let found = check(&drawn.view());
        assert_eq!(found.missing, [Missing { step: 2, rank: 0, expected: 5, seen: 4 }]);
        assert_eq!(found.verdict, Completeness::Incomplete);
    }

    #[test]
    fn steps_that_are_all_alike_prove_a_trace_whole() {
        let drawn = trace_with_steps(&steps_of(&[5, 5, 5]));
        assert_eq!(check(&drawn.view()).verdict, Completeness::Proven);
    }

    #[test]
    fn eager_steps_that_all_differ_prove_nothing_and_it_is_said() {
        let drawn = trace_with_steps(&steps_of(&[3, 4, 5, 6]));
        let found = check(&drawn.view());
        assert_eq!((found.verdict, found.missing.len()), (Completeness::NotChecked, 0));
        assert_eq!(found.warnings[0].code, "completeness-unknown");
    }

    #[test]
    fn one_step_proves_nothing() {
        let drawn = trace_with_steps(&steps_of(&[5]));
        assert_eq!(check(&drawn.view()).verdict, Completeness::NotChecked);
    }

    #[test]
    fn a_step_that_one_rank_never_recorded_is_missing_there() {
        let mut rows = steps_of(&[2, 2, 2]);
        rows.extend(steps_of(&[2, 2, 2]).into_iter().map(|row| row.on_rank(1)));
        let mut drawn = trace_with_steps(&rows);
        // Rank 1 knows steps 0, 2 and 3. Step 3 is after the last of rank 0, so nothing says that it lacks one.
        drawn.table.steps[4].number = 2;
        drawn.table.steps[5].number = 3;
        let found = check(&drawn.view());
        assert_eq!(found.missing, [Missing { step: 1, rank: 1, expected: 2, seen: 0 }]);
    }
}
