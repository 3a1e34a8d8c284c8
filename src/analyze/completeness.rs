//! Is anything missing?
//!
//! Tracers lose records, and a report made of what is left looks whole. But decode steps repeat: replays of one graph
//! run the same kernels every time, and eager steps of one batch size nearly so. A step that has fewer than its like
//! gives the loss away, without anybody having counted it.
//!
//! Which steps are alike, and what a step lacks, is [`steps::completeness`](crate::steps::completeness)'s to say; here
//! its answer becomes a verdict, together with the losses that the producer counted and with steps that a whole rank
//! never recorded.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::analyze::scope::Scope;
use crate::model::{LossCause, RankIdx, Warning};
use crate::output::steps::{Completeness, Missing, MissingKernel};
use crate::steps::{Step, StepIdx, completeness};

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) verdict: Completeness,
    /// Decode steps known to be complete on every rank.
    pub(crate) complete_steps: u64,
    pub(crate) missing: Vec<Missing>,
    pub(crate) warnings: Vec<Warning>,
}

/// Looks for steps that are short of kernels.
pub(crate) fn check(scope: &Scope<'_>) -> Found {
    let compared = completeness::check(scope.trace, scope.table);
    let counts = |step: &StepIdx| scope.reason(*step).is_none();
    let mut missing = Vec::new();
    for completeness::Missing { step, expected, seen, kernels } in compared.missing.iter().filter(|m| counts(&m.step)) {
        let Step { number, rank, .. } = scope.table.steps[step.index()];
        let kernel = |&(name, count)| MissingKernel { name: scope.trace.names.get(name).to_owned(), count };
        let kernels = kernels.iter().map(kernel).collect();
        missing.push(Missing {
            step: number,
            rank: scope.rank_number(rank),
            expected: *expected,
            seen: *seen,
            kernels,
        });
    }
    missing.extend(absent(scope));
    missing.sort_by_key(|missing| (missing.step, missing.rank));
    let lost = scope.trace.losses.iter().filter(|loss| is_incomplete(loss.cause)).map(|loss| loss.count).sum();
    let complete_steps = complete_steps(scope, &compared, &missing, lost);
    let mut found = Found { verdict: Completeness::NotChecked, complete_steps, missing, warnings: Vec::new() };
    let alone = compared.alone.iter().filter(|step| counts(step)).count();
    if alone > 1 {
        let text = format!(
            "{alone} decode steps ran kernels that hardly any other step ran, so a lost record would not show there"
        );
        found.warnings.push(Warning { code: "completeness-unknown", text });
    }
    if !compared.apart.is_empty() {
        let ranks: Vec<String> = compared.apart.iter().map(|&rank| scope.rank_number(rank).to_string()).collect();
        let text = format!(
            "Rank {} runs kernels, in graph replays or between all-reduces, that no other rank runs, so a record that is \
             lost there in every step would not show",
            ranks.join(", ")
        );
        found.warnings.push(Warning { code: "ranks-differ-in-kernels", text });
    }
    if !found.missing.is_empty() || lost > 0 {
        found.verdict = Completeness::Incomplete;
    } else if compared.verdict() == completeness::Verdict::Complete {
        found.verdict = Completeness::Proven;
    }
    found
}

/// How many of the decode steps are known to be complete: compared on each rank, and nothing missing.
fn complete_steps(scope: &Scope<'_>, compared: &completeness::Completeness, missing: &[Missing], lost: u64) -> u64 {
    let all: BTreeSet<u32> = scope.steps().map(|(_, step)| step.number).collect();
    let alone = compared.alone.iter().map(|step| scope.table.steps[step.index()].number);
    let short: HashSet<u32> = missing.iter().map(|missing| missing.step).chain(alone).collect();
    let complete = all.iter().filter(|number| !short.contains(number)).count() as u64;
    let placed: u64 = missing.iter().map(|missing| missing.expected - missing.seen).sum();
    complete.saturating_sub(lost.saturating_sub(placed))
}

/// Whether a loss means that kernels are missing from the sums.
fn is_incomplete(cause: LossCause) -> bool {
    match cause {
        // Their time counts, or they ran after the window.
        LossCause::UnknownSymbol | LossCause::Late => false,
        LossCause::ChannelFull
        | LossCause::NoCompletion
        | LossCause::MemoryBound
        | LossCause::Unwritten
        | LossCause::Unreadable
        | LossCause::Producer => true,
    }
}

/// Steps that other ranks ran and one did not, between that one's first and last.
fn absent(scope: &Scope<'_>) -> Vec<Missing> {
    let mut by_number: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
    let mut window: BTreeMap<RankIdx, (u32, u32)> = BTreeMap::new();
    for (_, step) in scope.steps() {
        by_number.entry(step.number).or_default().push(step);
        let (_, last) = window.entry(step.rank).or_insert((step.number, step.number));
        *last = step.number;
    }
    let known: HashSet<(u32, RankIdx)> = scope.table.steps.iter().map(|step| (step.number, step.rank)).collect();
    let mut missing = Vec::new();
    for (&number, steps) in &by_number {
        let expected = steps.iter().map(|step| u64::from(step.dispatches)).max().unwrap_or(0);
        for (&rank, &(first, last)) in &window {
            if (first..=last).contains(&number) && !known.contains(&(number, rank)) {
                missing.push(Missing {
                    step: number,
                    rank: scope.rank_number(rank),
                    expected,
                    seen: 0,
                    kernels: Vec::new(),
                });
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::model::Loss;

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
        let found = check(&drawn.scope());
        let kernels = vec![MissingKernel { name: "gemm".to_owned(), count: 1 }];
        assert_eq!(found.missing, [Missing { step: 2, rank: 0, expected: 5, seen: 4, kernels }]);
        assert_eq!((found.verdict, found.complete_steps), (Completeness::Incomplete, 4));
    }

    #[test]
    fn a_counted_loss_that_no_step_shows_is_taken_to_be_of_a_step_of_its_own() {
        let mut drawn = trace_with_steps(&steps_of(&[5, 5, 4, 5, 5]));
        for (count, complete) in [(1, 4), (2, 3), (4, 1), (100, 0)] {
            drawn.trace.losses = vec![Loss { cause: LossCause::ChannelFull, count }];
            assert_eq!(check(&drawn.scope()).complete_steps, complete, "{count}");
        }
    }

    #[test]
    fn steps_that_are_all_alike_prove_a_trace_whole() {
        let drawn = trace_with_steps(&steps_of(&[5, 5, 5]));
        assert_eq!(check(&drawn.scope()).verdict, Completeness::Proven);
    }

    #[test]
    fn eager_steps_that_all_differ_prove_nothing_and_it_is_said() {
        let drawn = trace_with_steps(&steps_of(&[3, 4, 5, 6]));
        let found = check(&drawn.scope());
        assert_eq!((found.verdict, found.missing.len()), (Completeness::NotChecked, 0));
        assert_eq!(found.warnings[0].code, "completeness-unknown");
    }

    #[test]
    fn one_step_proves_nothing() {
        let drawn = trace_with_steps(&steps_of(&[5]));
        assert_eq!(check(&drawn.scope()).verdict, Completeness::NotChecked);
    }

    #[test]
    fn a_step_that_one_rank_never_recorded_is_missing_there() {
        let mut rows = steps_of(&[2, 2, 2]);
        rows.extend(steps_of(&[2, 2, 2]).into_iter().map(|row| row.on_rank(1)));
        let mut drawn = trace_with_steps(&rows);
        // Rank 1 knows steps 0, 2 and 3. Step 3 is after the last of rank 0, so nothing says that it lacks one.
        drawn.table.steps[4].number = 2;
        drawn.table.steps[5].number = 3;
        let found = check(&drawn.scope());
        assert_eq!(found.missing, [Missing { step: 1, rank: 1, expected: 2, seen: 0, kernels: Vec::new() }]);
    }
}
