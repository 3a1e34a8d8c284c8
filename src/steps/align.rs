//! The same step, the same number, on every rank.
//!
//! Ranks number their steps from the first that they recorded, and profilers of different ranks do not start at the
//! same step. Ranks of one host share a clock, and tensor-parallel ranks run each step together:
//!
//! ```text
//!   rank 0   ├─0─┤├─1─┤├─2─┤├─3─┤├─4─┤
//!   rank 1         ├─0─┤├─1─┤├─2─┤├─3─┤      numbers go up by one: 1, 2, 3, 4
//! ```
//!
//! So numbers are shifted, at most by [`MOST`], to where nearly all steps of a rank overlap those of the rank with the
//! most steps. Ranks that run apart from each other, data-parallel ones, overlap no better anywhere and stay as they
//! are.

use std::collections::BTreeMap;

use super::{Step, StepTable};
use crate::model::{RankIdx, Span, Trace};

/// How far numbers are shifted.
const MOST: i64 = 64;

/// Renumbers the steps of ranks that started late or early. Our own tracer counts on every rank from the server's first
/// step, so its order holds whatever the clock says.
pub(super) fn align(table: &mut StepTable, trace: &Trace) {
    if trace.capture.is_some() {
        return;
    }
    let mut ranks: BTreeMap<RankIdx, Vec<(i64, Span)>> = BTreeMap::new();
    for step in &table.steps {
        ranks.entry(step.rank).or_default().push((i64::from(step.number), step.gpu));
    }
    let Some((&first, reference)) = ranks.iter().max_by_key(|(rank, steps)| (steps.len(), std::cmp::Reverse(**rank)))
    else {
        return;
    };
    let host = |rank: RankIdx| &trace.processes[trace.ranks[rank.index()].process.index()].host;
    let shifts: BTreeMap<RankIdx, i64> = ranks
        .iter()
        .filter(|&(&rank, _)| rank != first && host(rank) == host(first))
        .filter_map(|(&rank, steps)| Some((rank, shift(reference, steps)?)))
        .collect();
    if shifts.is_empty() {
        return;
    }
    let lowest = shifts.values().copied().min().unwrap_or(0).min(0);
    for step in &mut table.steps {
        let shift = shifts.get(&step.rank).copied().unwrap_or(0);
        step.number = u32::try_from(i64::from(step.number) + shift - lowest).unwrap_or(step.number);
    }
    let names: Vec<String> = shifts.keys().map(|&rank| rank_name(trace, rank)).collect();
    table
        .remarks
        .push(format!("Steps of rank {} were matched to the others' by the clock, not by order.", names.join(", ")));
}

/// Number of a rank for people.
pub(super) fn rank_name(trace: &Trace, rank: RankIdx) -> String {
    trace.ranks[rank.index()].number.map_or(rank.index() as u32, |number| number).to_string()
}

/// By how much the numbers of `steps` must go up to be those of `reference`; `None`: they are as good as they are.
fn shift(reference: &[(i64, Span)], steps: &[(i64, Span)]) -> Option<i64> {
    let by_number: BTreeMap<i64, Span> = reference.iter().copied().collect();
    let together = |shift: i64| {
        let is = |&&(number, span): &&(i64, Span)| {
            by_number.get(&(number + shift)).is_some_and(|other| 2 * overlap(*other, span) > span.duration_ns())
        };
        steps.iter().filter(is).count()
    };
    let now = together(0);
    if 10 * now >= 8 * steps.len() {
        return None;
    }
    let best = (1..=MOST).flat_map(|by| [by, -by]).max_by_key(|&by| (together(by), -by.abs()))?;
    (10 * together(best) >= 8 * steps.len()).then_some(best)
}

fn overlap(a: Span, b: Span) -> u64 {
    u64::try_from(a.end_ns.min(b.end_ns) - a.start_ns.max(b.start_ns)).unwrap_or(0)
}

/// Steps of one rank, in order.
pub(super) fn of_rank(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|a, b| a.rank == b.rank)
}

#[cfg(test)]
mod tests {
    use crate::model::{LaunchCall, TraceBuilder};
    use crate::steps::{Detector, StepOptions, find};

    #[test]
    fn a_rank_that_started_two_steps_late_gets_the_numbers_of_the_others() {
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..12_i64 {
            let at = step * 100;
            draw.range("step[DECODE bs=1]", at, at + 90).launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
            draw.kernel("k", at + 10, at + 80, step as u64);
        }
        draw.on_new_process(1);
        for step in 2..12_i64 {
            let at = step * 100;
            draw.range("step[DECODE bs=1]", at, at + 90).launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
            draw.kernel("k", at + 12, at + 82, step as u64);
        }
        let table = find(&draw.finish(), &StepOptions::default());
        assert_eq!(table.detector, Detector::Marker);
        let second: Vec<u32> = table.steps.iter().filter(|s| s.rank.index() == 1).map(|s| s.number).collect();
        assert_eq!(second, (2..12).collect::<Vec<u32>>());
        assert!(table.remarks[0].contains("rank 1"));
    }
}
