//! The same step, the same number, on every rank.
//!
//! Ranks number their steps from the first that they recorded, and profilers of different ranks do not start at the
//! same step. Ranks of one host share a clock, and ranks that meet in collectives run each step together:
//!
//! ```text
//!   rank 0   ├─0─┤├─1─┤├─2─┤├─3─┤├─4─┤
//!   rank 1         ├─0─┤├─1─┤├─2─┤├─3─┤      numbers go up by one: 1, 2, 3, 4
//!   rank 2   ├─0─┤      ├─1─┤├─2─┤├─3─┤      between 0 and 1 it ran a step without requests that it did not label
//! ```
//!
//! So numbers are shifted, at most by [`MOST`], to where nearly all steps of a rank overlap those of the rank with the
//! most steps. Where no shift does that, steps that ran at the same time get the same number. Ranks that run apart from
//! each other, data-parallel ones, overlap no better anywhere and stay as they are.
//!
//! Where no host is told, ranks may be of two hosts whose clocks lie steps apart. Then collectives decide: if they do not
//! end together in the steps that the clock would pair, and those of equal number are such in which the ranks meet, then
//! it is the clock that is wrong.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::meeting::{end_together, meet};
use super::{Step, StepIdx, StepTable};
use crate::classify::vocabulary::{Place, places};
use crate::model::{RankIdx, Span, Trace};

/// How far numbers are shifted.
const MOST: i64 = 64;
/// Fewest collectives that speak against the clock.
const FEWEST_PAIRS: usize = 3;

/// A step as it is numbered here.
#[derive(Clone, Copy)]
struct Numbered {
    number: i64,
    span: Span,
    /// Its place in the table.
    at: usize,
}

/// Renumbers the steps of ranks that started late or early. Our own tracer counts on every rank from the server's first
/// step, so its order holds whatever the clock says.
pub(super) fn align(table: &mut StepTable, trace: &Trace) {
    if trace.capture.is_some() {
        return;
    }
    let mut ranks: BTreeMap<RankIdx, Vec<Numbered>> = BTreeMap::new();
    for (at, step) in table.steps.iter().enumerate() {
        ranks.entry(step.rank).or_default().push(Numbered { number: i64::from(step.number), span: step.gpu, at });
    }
    let Some((&first, reference)) = ranks.iter().max_by_key(|(rank, steps)| (steps.len(), Reverse(**rank))) else {
        return;
    };
    let reference = Reference::of(reference);
    let host = |rank: RankIdx| &trace.processes[trace.ranks[rank.index()].process.index()].host;
    let others = ranks.iter().filter(|&(&rank, _)| rank != first && host(rank) == host(first));
    let mut numbers: BTreeMap<RankIdx, Vec<i64>> = BTreeMap::new();
    let mut at_once: Vec<RankIdx> = vec![first];
    let mut scattered = false;
    let mut collectives = Collectives { trace, table, places: None };
    for (&rank, steps) in others {
        let shift = reference.shift(steps);
        let by_clock: Vec<_> = match shift {
            Some(by) => reference.pairs(steps, |step| reference.of_number(step.number + by)),
            None => reference.pairs(steps, |step| reference.at_once(step)),
        };
        let is_astray = shift.is_some() || reference.astray(steps) > (steps.len() / 50).max(2);
        let by_order = || reference.pairs(steps, |step| reference.of_number(step.number));
        if is_astray && host(rank).is_none() && collectives.speak_against(&by_clock, &by_order()) {
            continue;
        }
        if let Some(by) = shift {
            numbers.insert(rank, steps.iter().map(|step| step.number + by).collect());
        }
        if reference.pairs(steps, |step| reference.at_once(step)).len() * 10 >= steps.len() * 8 {
            at_once.push(rank);
            scattered |= is_astray && shift.is_none();
        }
    }
    if scattered {
        numbers.extend(by_time(&ranks, &at_once));
    }
    renumber(table, trace, &ranks, &numbers);
}

/// Gives steps their new numbers and says of which ranks.
fn renumber(
    table: &mut StepTable,
    trace: &Trace,
    ranks: &BTreeMap<RankIdx, Vec<Numbered>>,
    numbers: &BTreeMap<RankIdx, Vec<i64>>,
) {
    let is_new = |(rank, numbers): &(&RankIdx, &Vec<i64>)| {
        ranks[rank].iter().zip(*numbers).any(|(step, number)| step.number != *number)
    };
    let names: Vec<String> = numbers.iter().filter(is_new).map(|(&rank, _)| rank_name(trace, rank)).collect();
    if names.is_empty() {
        return;
    }
    let number = |rank: &RankIdx, nth: usize, step: &Numbered| numbers.get(rank).map_or(step.number, |of| of[nth]);
    let all = || ranks.iter().flat_map(|(rank, steps)| steps.iter().enumerate().map(move |(nth, of)| (rank, nth, of)));
    let lowest = all().map(|(rank, nth, step)| number(rank, nth, step)).min().unwrap_or(0).min(0);
    for (rank, nth, step) in all() {
        let old = &mut table.steps[step.at].number;
        *old = u32::try_from(number(rank, nth, step) - lowest).unwrap_or(*old);
    }
    let remark = format!("Steps of rank {} were matched to the others' by the clock, not by order.", names.join(", "));
    table.remarks.push(remark);
}

/// Number of a rank for people.
pub(super) fn rank_name(trace: &Trace, rank: RankIdx) -> String {
    trace.ranks[rank.index()].number.map_or(rank.index() as u32, |number| number).to_string()
}

/// The steps of the rank with the most of them.
struct Reference<'a> {
    by_number: BTreeMap<i64, &'a Numbered>,
    by_start: Vec<&'a Numbered>,
}

impl<'a> Reference<'a> {
    fn of(steps: &'a [Numbered]) -> Self {
        let mut by_start: Vec<&Numbered> = steps.iter().collect();
        by_start.sort_by_key(|step| step.span.start_ns);
        Self { by_number: steps.iter().map(|step| (step.number, step)).collect(), by_start }
    }

    fn of_number(&self, number: i64) -> Option<&'a Numbered> {
        self.by_number.get(&number).copied()
    }

    /// The step that ran for most of the time of `step`.
    fn at_once(&self, step: &Numbered) -> Option<&'a Numbered> {
        let next = self.by_start.partition_point(|of| of.span.start_ns <= step.span.start_ns);
        let near = &self.by_start[next.saturating_sub(1)..(next + 1).min(self.by_start.len())];
        near.iter().copied().find(|of| are_together(of.span, step.span))
    }

    /// Places of steps and of what is their partner here.
    fn pairs(&self, steps: &[Numbered], partner: impl Fn(&Numbered) -> Option<&'a Numbered>) -> Vec<(usize, usize)> {
        steps.iter().filter_map(|step| Some((partner(step)?.at, step.at))).collect()
    }

    /// How many steps ran with one of another number.
    fn astray(&self, steps: &[Numbered]) -> usize {
        let is = |step: &&Numbered| self.at_once(step).is_some_and(|with| with.number != step.number);
        steps.iter().filter(is).count()
    }

    /// By how much the numbers of `steps` must go up to be those of the reference; `None`: they are as good as they are,
    /// or no shift makes them better.
    fn shift(&self, steps: &[Numbered]) -> Option<i64> {
        let together = |shift: i64| {
            let is = |step: &&Numbered| {
                self.of_number(step.number + shift).is_some_and(|other| are_together(other.span, step.span))
            };
            steps.iter().filter(is).count()
        };
        if 10 * together(0) >= 8 * steps.len() {
            return None;
        }
        let best = (1..=MOST).flat_map(|by| [by, -by]).max_by_key(|&by| (together(by), -by.abs()))?;
        (10 * together(best) >= 8 * steps.len()).then_some(best)
    }
}

/// Whether the second ran for most of its time while the first did.
fn are_together(a: Span, b: Span) -> bool {
    let overlap = u64::try_from(a.end_ns.min(b.end_ns) - a.start_ns.max(b.start_ns)).unwrap_or(0);
    2 * overlap > b.duration_ns()
}

/// The same number for steps of these ranks that ran at the same time.
fn by_time(ranks: &BTreeMap<RankIdx, Vec<Numbered>>, of: &[RankIdx]) -> BTreeMap<RankIdx, Vec<i64>> {
    let mut all: Vec<(Span, RankIdx, usize)> = Vec::new();
    for rank in of {
        all.extend(ranks[rank].iter().enumerate().map(|(nth, step)| (step.span, *rank, nth)));
    }
    all.sort_by_key(|&(span, rank, _)| (span.start_ns, rank));
    let mut numbers: BTreeMap<RankIdx, Vec<i64>> = of.iter().map(|&rank| (rank, vec![0; ranks[&rank].len()])).collect();
    let mut number = -1;
    let mut open: Option<(Span, BTreeSet<RankIdx>)> = None;
    for (span, rank, nth) in all {
        match &mut open {
            Some((core, seen)) if are_together(*core, span) && !seen.contains(&rank) => drop(seen.insert(rank)),
            _ => {
                number += 1;
                open = Some((span, BTreeSet::from([rank])));
            }
        }
        if let Some(of_rank) = numbers.get_mut(&rank) {
            of_rank[nth] = number;
        }
    }
    numbers
}

/// The collectives of a trace, looked at only where they are asked for.
struct Collectives<'a> {
    trace: &'a Trace,
    table: &'a StepTable,
    places: Option<Vec<Place>>,
}

impl Collectives<'_> {
    /// Whether the ranks meet in steps that are paired `by_order`, and do not end together in those paired `by_clock`.
    fn speak_against(&mut self, by_clock: &[(usize, usize)], by_order: &[(usize, usize)]) -> bool {
        let [by_clock, by_order] = [by_clock, by_order].map(|steps| self.of(steps));
        let enough: Vec<_> = by_order.iter().filter(|pairs| pairs.len() >= FEWEST_PAIRS).collect();
        // Two ranks may meet in some of a step's collectives and in others not.
        let meeting = enough.iter().filter(|pairs| meet(pairs)).count();
        meeting > 0 && meeting * 4 >= enough.len() && !end_together(&by_clock.concat())
    }

    /// The all-reduces of pairs of steps that have equally many: by their place among those of a step.
    fn of(&mut self, steps: &[(usize, usize)]) -> Vec<Vec<(Span, Span)>> {
        let places = self.places.get_or_insert_with(|| places(self.trace));
        let spans = |step: usize| -> Vec<Span> {
            let dispatches = self.table.dispatches(StepIdx::new(step)).iter();
            let dispatches = dispatches.map(|&at| &self.trace.dispatches[at as usize]);
            dispatches
                .filter(|dispatch| places[dispatch.name.index()].all_reduces)
                .map(|dispatch| dispatch.span)
                .collect()
        };
        let mut by_place: Vec<Vec<(Span, Span)>> = Vec::new();
        for (a, b) in steps.iter().map(|&(a, b)| (spans(a), spans(b))).filter(|(a, b)| a.len() == b.len()) {
            by_place.resize_with(by_place.len().max(a.len()), Vec::new);
            by_place.iter_mut().zip(a.into_iter().zip(b)).for_each(|(pairs, pair)| pairs.push(pair));
        }
        by_place
    }
}

/// Steps of one rank, in order.
pub(super) fn of_rank(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|a, b| a.rank == b.rank)
}

#[cfg(test)]
mod tests {
    use crate::model::{LaunchCall, TraceBuilder};
    use crate::steps::{Detector, StepOptions, StepTable, find};

    /// Ranks that run these steps, each with a kernel from 10 to 60 and a collective until 80 of its 100 ns, later by
    /// `offset` of the rank and by as much as `late` says.
    fn ran(ranks: &[(i64, Vec<i64>)], late: fn(usize, i64) -> i64) -> StepTable {
        let mut draw = TraceBuilder::new().drawing();
        for (rank, (offset, steps)) in ranks.iter().enumerate() {
            if rank > 0 {
                draw.on_new_process(rank as u32);
            }
            for &step in steps {
                let at = step * 100 + offset;
                let arrives = at + 60 + late(rank, step);
                draw.range("step[DECODE bs=1]", at, at + 90).launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
                draw.kernel("k", at + 10, arrives, step as u64);
                draw.kernel("ncclDevKernel_AllReduce_Sum_bf16", arrives, at + 85, step as u64);
            }
        }
        let table = find(&draw.finish(), &StepOptions::default());
        assert_eq!(table.detector, Detector::Marker);
        table
    }

    fn numbers(table: &StepTable, rank: usize) -> Vec<i64> {
        table.steps.iter().filter(|step| step.rank.index() == rank).map(|step| i64::from(step.number)).collect()
    }

    fn late(rank: usize, step: i64) -> i64 {
        (rank as i64 * 7 + step * 5) % 13
    }

    #[test]
    fn a_rank_that_started_two_steps_late_gets_the_numbers_of_the_others() {
        let table = ran(&[(0, (0..12).collect()), (2, (2..12).collect())], late);
        assert_eq!(numbers(&table, 1), (2..12).collect::<Vec<_>>());
        assert!(table.remarks[0].contains("rank 1"));
    }

    #[test]
    fn a_clock_that_is_steps_ahead_shifts_no_rank_that_meets_the_others_by_order() {
        let table = ran(&[(0, (0..12).collect()), (340, (0..12).collect())], late);
        assert_eq!(numbers(&table, 1), (0..12).collect::<Vec<_>>());
        assert!(table.remarks.is_empty(), "{:?}", table.remarks);
    }

    #[test]
    fn steps_keep_their_numbers_where_a_rank_ran_others_without_a_label() {
        let without = |left_out: &[i64]| (0..20).filter(|step| !left_out.contains(step)).collect::<Vec<i64>>();
        let table = ran(&[(0, without(&[7])), (1, without(&[3, 11])), (2, without(&[2, 12, 13]))], late);
        assert_eq!(numbers(&table, 0), without(&[7]));
        assert_eq!(numbers(&table, 1), without(&[3, 11]));
        assert_eq!(numbers(&table, 2), without(&[2, 12, 13]));
    }
}
