//! How long a decode step takes: three measures that are never mixed.
//!
//! ```text
//!   CPU     ├─ range n ─┤                ├─ range n+1 ─┤
//!   GPU          ▆▆▆▆▆▆ ▆▆▆ ▆▆▆▆▆             ▆▆▆▆▆▆ ▆▆▆ ▆▆▆▆▆
//!                ├──── GPU span ───┤          │
//!                ├────── period (ITL) ────────┤
//! ```
//!
//! The *period* is from decode to decode, and it is counted for the earlier of the two steps. It exists only where the next
//! step on the same rank is a decode step too: a prefill in between is not decode time, and neither is an empty step, which
//! has no request that could wait, or a [pause](super::pauses). A draft in between is part of the period. The *GPU span*
//! misses what the host does between steps, and the *CPU range* says when a step was launched: under graph replay it may be
//! over before the GPU begins.
//!
//! What a user *feels* is the time from token to token, whatever the server does meanwhile:
//!
//! ```text
//!          decode   decode   ▒▒▒ prefill ▒▒▒  decode   ▒ mixed ▒  decode
//!          ├period──┤                         ├─ none ─           ├ …
//!          ├ felt ──┤├──────── felt ──────────┤├ felt ┤├─ felt ───┤
//! ```

use crate::analyze::scope::{Scope, distinct};
use crate::analyze::time::pauses::Pauses;
use crate::analyze::time::stats::{distribution, percentile};
use crate::analyze::time::sums::{ByCategory, Sums};
use crate::classify::Category;
use crate::model::Span;
use crate::output::steps::{BatchRow, Outlier, PhaseRow, Phases};
use crate::output::time::Distribution;
use crate::steps::labels::Labels;
use crate::steps::{Batch, Phase, Step, StepIdx};

/// The wall time that a counted step takes up on its rank, sorted by rank and start; no two overlap.
#[derive(Debug)]
pub(crate) struct Wall {
    pub(crate) step: StepIdx,
    pub(crate) span: Span,
    /// Whether it lasts to the next step's first kernel; else it ends with its own last kernel.
    pub(crate) is_period: bool,
}

/// The walls of all counted steps.
pub(crate) fn walls(scope: &Scope<'_>, pauses: &Pauses) -> Vec<Wall> {
    let mut walls: Vec<Wall> = Vec::new();
    let mut before: Option<&Step> = None;
    // Whether the last of `walls` lasts until the next decode step begins.
    let mut open = false;
    for (at, step) in scope.table.steps.iter().enumerate() {
        let same_rank = before.is_some_and(|last| last.rank == step.rank);
        open &= same_rank && before.is_some_and(|last| last.number.checked_add(1) == Some(step.number));
        before = Some(step);
        let counts = scope.reason(StepIdx::new(at)).is_none() && step.dispatches > 0;
        match step.phase {
            Phase::Draft => continue,
            Phase::Decode if step.dispatches > 0 => {}
            _ => open = false,
        }
        let last = walls.last_mut().filter(|wall| scope.table.steps[wall.step.index()].rank == step.rank);
        let mut start_ns = step.gpu.start_ns;
        if let Some(Wall { span, is_period, .. }) = last {
            // A step that does not count itself, for being beyond the window, still ends the period before it.
            let paused = pauses.between(step.rank, span.start_ns, start_ns);
            if open && start_ns >= span.start_ns && !paused {
                span.end_ns = start_ns;
                *is_period = true;
            } else if counts {
                span.end_ns = span.end_ns.min(start_ns).max(span.start_ns);
            }
            // Steps may overlap a little; of walls none may.
            start_ns = start_ns.max(span.end_ns);
        }
        if counts {
            let span = Span::new(start_ns, step.gpu.end_ns.max(start_ns));
            walls.push(Wall { step: StepIdx::new(at), span, is_period: false });
        }
        open = counts;
    }
    walls
}

/// Periods between successive decode steps.
pub(crate) fn itl(walls: &[Wall]) -> Option<Distribution> {
    distribution(walls.iter().filter(|wall| wall.is_period).map(|wall| wall.span.duration_ns()).collect())
}

/// From token to token, as a request that decodes feels it.
pub(crate) fn felt(scope: &Scope<'_>, pauses: &Pauses) -> Option<Distribution> {
    let mut times = Vec::new();
    let mut token: Option<&Step> = None;
    let mut before: Option<&Step> = None;
    for step in scope.table.steps.iter() {
        let follows =
            before.is_some_and(|last| last.rank == step.rank && last.number.checked_add(1) == Some(step.number));
        before = Some(step);
        token = token.filter(|_| follows);
        match step.phase {
            Phase::Decode | Phase::Mixed if step.dispatches > 0 => {}
            Phase::Prefill | Phase::Draft => continue,
            _ => {
                token = None;
                continue;
            }
        }
        let (from, to) = (token.map(|last| last.gpu.start_ns), step.gpu.start_ns);
        let felt = from.filter(|&from| to >= from && !pauses.between(step.rank, from, to));
        times.extend(felt.map(|from| Span::new(from, to).duration_ns()));
        token = Some(step).filter(|step| !step.warmup);
    }
    distribution(times)
}

/// First kernel's start to last kernel's end.
pub(crate) fn gpu_span<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<Distribution> {
    distribution(steps.map(|step| step.gpu.duration_ns()).collect())
}

/// The marker ranges on the CPU.
pub(crate) fn cpu_range<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<Distribution> {
    distribution(steps.filter_map(|step| step.cpu).map(Span::duration_ns).collect())
}

/// Steps after warm-up by phase.
pub(crate) fn phases(steps: &[Step]) -> Phases {
    let count = |phase| distinct(steps.iter().filter(|step| !step.warmup && step.phase == phase));
    Phases {
        decode: count(Phase::Decode),
        prefill: count(Phase::Prefill),
        mixed: count(Phase::Mixed),
        draft: count(Phase::Draft),
        dummy: count(Phase::Dummy),
        other: count(Phase::Other),
        unknown: count(Phase::Unknown),
    }
}

/// The figures of each phase that occurred.
pub(crate) fn by_phase(steps: &[Step]) -> Vec<PhaseRow> {
    let row = |phase| {
        let of_phase = || steps.iter().filter(move |step| !step.warmup && step.phase == phase && step.dispatches > 0);
        Some(PhaseRow {
            phase,
            steps: distinct(of_phase()),
            dispatches: of_phase().map(|step| u64::from(step.dispatches)).sum(),
            gpu_time_ns: of_phase().map(|step| step.gpu_time_ns).sum(),
            gpu_span_ns: gpu_span(of_phase())?,
        })
    };
    let phases =
        [Phase::Decode, Phase::Mixed, Phase::Prefill, Phase::Draft, Phase::Dummy, Phase::Other, Phase::Unknown];
    phases.into_iter().filter_map(row).collect()
}

/// The counted steps by batch, the smallest first. Token counts do not tell batches apart: they vary with the requests.
pub(crate) fn by_batch(scope: &Scope<'_>, walls: &[Wall]) -> Vec<BatchRow> {
    let key = |batch: Batch| (batch.size, batch.graph_size);
    let mut keys: Vec<_> = scope.steps().map(|(_, step)| key(step.batch)).collect();
    keys.sort_unstable();
    keys.dedup();
    let row = |(size, graph_size)| {
        let of_batch = || scope.steps().map(|(_, step)| step).filter(move |step| key(step.batch) == (size, graph_size));
        let (on_ranks, gpu_time_ns) =
            of_batch().fold((0, 0), |(steps, time), step| (steps + 1, time + step.gpu_time_ns));
        let is_of_batch = |wall: &&Wall| key(scope.table.steps[wall.step.index()].batch) == (size, graph_size);
        Some(BatchRow {
            size,
            graph_size,
            rows: of_batch()
                .map(|step| rows(scope, step))
                .collect::<Option<Vec<u32>>>()
                .and_then(|of| of.into_iter().max()),
            steps: distinct(of_batch()),
            itl_ns: distribution(
                walls.iter().filter(is_of_batch).filter(|wall| wall.is_period).map(|w| w.span.duration_ns()).collect(),
            ),
            gpu_span_ns: gpu_span(of_batch())?,
            gpu_time_per_step_ns: gpu_time_ns / on_ranks,
        })
    };
    keys.into_iter().filter_map(row).collect()
}

/// Rows of the step's matrix products. A step that verifies drafts has more of them than requests: without its number of
/// tokens it does not tell.
fn rows(scope: &Scope<'_>, step: &Step) -> Option<u32> {
    let verifies =
        |label| Labels::known().parse(scope.trace.names.get(label)).is_some_and(|of| of.id == "sglang-verify");
    step.batch.rows().filter(|_| step.batch.tokens.is_some() || !step.label.is_some_and(verifies))
}

/// Counted steps that took more than half as long again as the median of their batch, the longest first.
pub(crate) fn outliers(scope: &Scope<'_>, sums: &Sums) -> Vec<Outlier> {
    let mut found = Vec::new();
    let mut groups: std::collections::BTreeMap<Batch, Vec<(StepIdx, &Step)>> = std::collections::BTreeMap::new();
    for (at, step) in scope.steps() {
        let batch = Batch { tokens: None, ..step.batch };
        groups.entry(batch).or_default().push((at, step));
    }
    for group in groups.values() {
        let median = |of: &dyn Fn(&(StepIdx, &Step)) -> u64| {
            let mut values: Vec<u64> = group.iter().map(of).collect();
            values.sort_unstable();
            percentile(&values, 50)
        };
        let usual = median(&|(_, step)| step.gpu.duration_ns());
        let usual_of: ByCategory = Category::ALL.map(|category| median(&|(at, _)| sums.step(*at)[category as usize]));
        for (at, step) in group {
            let span = step.gpu.duration_ns();
            if span > usual + usual / 2 {
                let growth = |category: &Category| {
                    sums.step(*at)[*category as usize].saturating_sub(usual_of[*category as usize])
                };
                let most = Category::ALL.into_iter().max_by_key(growth);
                found.push(Outlier {
                    step: step.number,
                    rank: scope.rank_number(step.rank),
                    gpu_span_ns: span,
                    grown: most.filter(|category| growth(category) * 2 >= span - usual),
                });
            }
        }
    }
    found.sort_by_key(|outlier| (std::cmp::Reverse(outlier.gpu_span_ns), outlier.step, outlier.rank));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};

    #[test]
    fn a_period_ends_where_the_next_decode_step_begins_and_not_across_a_prefill() {
        let drawn = trace_with_steps(&[
            Row::warmup(&[("gemm", 0, 10)]),
            Row::decode(&[("gemm", 20, 30)]),
            Row::decode(&[("gemm", 50, 60)]),
            Row::prefill(&[("gemm", 70, 500)]),
            Row::decode(&[("gemm", 510, 520)]),
            Row::decode(&[("gemm", 545, 555)]),
        ]);
        let walls = walls(&drawn.scope(), &Pauses::of(&drawn.scope()));
        let seen: Vec<_> = walls.iter().map(|w| (w.span.start_ns, w.span.end_ns, w.is_period)).collect();
        assert_eq!(seen, [(20, 50, true), (50, 60, false), (510, 545, true), (545, 555, false)]);
    }

    #[test]
    fn a_draft_between_two_decode_steps_is_part_of_the_period() {
        let mut draft = Row::decode(&[("gemm", 12, 14)]);
        draft.phase = Phase::Draft;
        let drawn = trace_with_steps(&[Row::decode(&[("gemm", 0, 10)]), draft, Row::decode(&[("gemm", 20, 30)])]);
        assert_eq!(itl(&walls(&drawn.scope(), &Pauses::of(&drawn.scope()))).unwrap().max, 20);
    }

    #[test]
    fn a_user_feels_the_prefill_between_two_tokens() {
        let mut mixed = Row::decode(&[("gemm", 600, 900)]);
        mixed.phase = Phase::Mixed;
        let drawn = trace_with_steps(&[
            Row::prefill(&[("gemm", 0, 90)]),
            Row::decode(&[("gemm", 100, 110)]),
            Row::decode(&[("gemm", 120, 130)]),
            Row::prefill(&[("gemm", 140, 560)]),
            Row::decode(&[("gemm", 570, 580)]),
            mixed,
            Row::decode(&[("gemm", 910, 920)]),
            Row::decode(&[("gemm", 930, 940)]),
        ]);
        let scope = drawn.scope();
        let felt = felt(&scope, &Pauses::of(&scope)).unwrap();
        assert_eq!((felt.count, felt.max, felt.min), (5, 450, 20), "20, 450, 30, 310, 20");
        let periods = itl(&walls(&scope, &Pauses::of(&scope))).unwrap();
        assert_eq!((periods.count, periods.max), (2, 20));
    }

    #[test]
    fn neither_an_idle_server_nor_empty_steps_are_time_from_token_to_token() {
        const MS: i64 = 1_000_000;
        let step = |at: i64| Row::decode(&[("gemm", at * MS, (at + 8) * MS)]);
        let mut empty = step(60);
        empty.phase = Phase::Dummy;
        // Steps of 10 ms; a pause of 2.5 s, one empty step, and a host that is late by 150 ms.
        let rows = [0, 10, 20, 2_520, 2_530, 2_700, 2_710].map(step);
        let drawn = trace_with_steps(&rows);
        let scope = drawn.scope();
        let walls = walls(&scope, &Pauses::of(&scope));
        let periods = itl(&walls).unwrap();
        assert_eq!(
            (periods.count, periods.max, felt(&scope, &Pauses::of(&scope)).unwrap()),
            (5, 170 * MS as u64, periods)
        );
        assert!(walls.iter().map(|wall| wall.span.duration_ns()).sum::<u64>() < 250 * MS as u64);
        let pauses = Pauses::of(&scope).row(&scope).unwrap();
        assert_eq!((pauses.count, pauses.total_ns), (1, 2_492 * MS as u64));

        let drawn = trace_with_steps(&[step(40), step(50), empty, step(70), step(80)]);
        let scope = drawn.scope();
        assert_eq!(
            (
                itl(&super::walls(&scope, &Pauses::of(&scope))).unwrap().count,
                felt(&scope, &Pauses::of(&scope)).unwrap().count
            ),
            (2, 2)
        );
        assert_eq!(Pauses::of(&scope).row(&scope), None);
    }

    #[test]
    fn a_step_beyond_the_window_ends_the_last_period() {
        let mut drawn = trace_with_steps(&[Row::decode(&[("gemm", 0, 10)]), Row::decode(&[("gemm", 25, 30)])]);
        drawn.table.steps[1].warmup = true;
        drawn.table.left_out.push((StepIdx::new(1), crate::steps::LeftOut::BeyondLimit));
        let walls = walls(&drawn.scope(), &Pauses::of(&drawn.scope()));
        assert_eq!(walls.iter().map(|w| (w.span.end_ns, w.is_period)).collect::<Vec<_>>(), [(25, true)]);
    }

    #[test]
    fn an_outlier_names_the_category_that_grew() {
        let mut rows: Vec<Row> = (0..10)
            .map(|i| Row::decode(&[("gemm", i * 100, i * 100 + 10), ("attn", i * 100 + 10, i * 100 + 20)]))
            .collect();
        rows[4] = Row::decode(&[("gemm", 400, 410), ("attn", 410, 460)]);
        rows[7] = Row::decode(&[("gemm", 700, 710), ("attn", 780, 790)]);
        let drawn = trace_with_steps(&rows);
        let scope = drawn.scope();
        let seen: Vec<_> = outliers(&scope, &Sums::new(&scope)).iter().map(|o| (o.step, o.grown)).collect();
        assert_eq!(seen, [(7, None), (4, Some(Category::Attention))]);
    }
}
