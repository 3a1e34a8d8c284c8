//! The ranks of one run side by side.
//!
//! A collective ends when the last rank has brought its part, so on every other rank its kernel's time is first
//! *waiting* and then *transfer*:
//!
//! ```text
//!   rank 0   ▕▔▔ wait ▔▔▔▔▔▔▔▔▏▔▔ transfer ▔▔▏
//!   rank 1           ▕▔ wait ▔▏▔▔ transfer ▔▔▏
//!   rank 2                    ▕▔▔ transfer ▔▔▏   arrived last
//! ```
//!
//! Collectives are matched by their place: the k-th communication kernel of a step on one rank is the k-th of the same
//! step on the others, whatever the library calls it. A step in which the ranks do not have equally many is left out.
//! Ranks must share a clock, so runs over several hosts are not matched.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::classify::Category;
use crate::model::{RankIdx, Span, Trace};

use super::exposure::Exposure;
use super::report::{Collectives, LastArriver, RankRow, RankSkew};
use super::stats::percentile;
use super::tally::Tally;
use super::view::View;

/// The ranks side by side; `None` for fewer than two.
pub(super) fn skew(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>) -> Option<RankSkew> {
    if view.trace.ranks.len() < 2 {
        return None;
    }
    let matched = if one_clock(view.trace) { Matched::of(view) } else { Matched::default() };
    let row = |at: usize| {
        let rank = RankIdx::new(at);
        let mut spans: Vec<u64> =
            view.steps().filter(|(_, step)| step.rank == rank).map(|(_, step)| step.gpu.duration_ns()).collect();
        spans.sort_unstable();
        RankRow {
            rank: view.rank_number(rank),
            steps: spans.len() as u64,
            step_p50_ns: (!spans.is_empty()).then(|| percentile(&spans, 50)),
            gpu_time_ns: tally.ranks[at].counted.gpu_time_ns,
            critical_ns: exposure.map(|exposure| exposure.per_rank[at]),
            wait_ns: matched.per_rank.get(&rank).map(|rank| rank.wait_ns),
            transfer_ns: matched.per_rank.get(&rank).map(|rank| rank.transfer_ns),
        }
    };
    let mut per_rank: Vec<RankRow> = (0..view.trace.ranks.len()).map(row).collect();
    per_rank.sort_by_key(|row| row.rank);
    Some(RankSkew { slowest_rank: slowest(&per_rank), collectives: matched.collectives(view), per_rank })
}

/// Ranks nearer to each other than this part of a step are alike.
const ALIKE: f64 = 0.01;

/// The rank that the others wait for: where collectives were matched the one that waits least itself, since they even
/// out the length of steps; else the one with the longest steps. `None` where all are alike.
fn slowest(rows: &[RankRow]) -> Option<u32> {
    // The larger the slower; both are nanoseconds a step.
    let slowness = |row: &RankRow| -> Option<i64> {
        match row.wait_ns {
            Some(wait_ns) => Some(-((wait_ns / row.steps.max(1)) as i64)),
            None => row.step_p50_ns.map(|ns| ns as i64),
        }
    };
    let known = || rows.iter().filter_map(|row| slowness(row).map(|ns| (ns, Reverse(row.rank))));
    let (most, least) = (known().max()?, known().min()?);
    let step = rows.iter().filter_map(|row| row.step_p50_ns).max()?;
    ((most.0 - least.0) as f64 > step as f64 * ALIKE).then_some(most.1.0)
}

/// Whether all ranks are on one host, as far as the trace tells.
pub(super) fn one_clock(trace: &Trace) -> bool {
    let hosts = || trace.ranks.iter().filter_map(|rank| trace.processes[rank.process.index()].host.as_deref());
    hosts().all(|host| Some(host) == hosts().next())
}

/// What collectives cost one rank.
#[derive(Clone, Copy, Default, Debug)]
struct Cost {
    wait_ns: u64,
    transfer_ns: u64,
    last: u64,
}

/// Collectives matched across ranks.
#[derive(Default, Debug)]
struct Matched {
    count: u64,
    per_rank: BTreeMap<RankIdx, Cost>,
}

impl Matched {
    fn of(view: &View<'_>) -> Self {
        let mut matched = Self::default();
        for ranks in communication_by_step(view).into_values() {
            let mut counts = ranks.values().map(Vec::len);
            let count = counts.next().unwrap_or(0);
            if ranks.len() < view.trace.ranks.len() || counts.any(|other| other != count) {
                continue;
            }
            for nth in 0..count {
                let arrivals = || ranks.iter().map(|(&rank, spans)| (rank, spans[nth]));
                // Of ranks that arrive together, the first counts as last.
                let Some((last, latest)) = arrivals().max_by_key(|&(rank, span)| (span.start_ns, Reverse(rank))) else {
                    continue;
                };
                matched.count += 1;
                matched.per_rank.entry(last).or_default().last += 1;
                for (rank, span) in arrivals() {
                    let cost = matched.per_rank.entry(rank).or_default();
                    let wait_ns = latest.start_ns.min(span.end_ns).abs_diff(span.start_ns);
                    cost.wait_ns += wait_ns;
                    cost.transfer_ns += span.duration_ns() - wait_ns;
                }
            }
        }
        matched
    }

    fn collectives(&self, view: &View<'_>) -> Option<Collectives> {
        if self.count == 0 {
            return None;
        }
        let last = |(&rank, cost): (&RankIdx, &Cost)| LastArriver { rank: view.rank_number(rank), times: cost.last };
        let mut last_arriver: Vec<LastArriver> = self.per_rank.iter().map(last).collect();
        last_arriver.sort_by_key(|row| (Reverse(row.times), row.rank));
        Some(Collectives {
            count: self.count,
            wait_ns: self.per_rank.values().map(|cost| cost.wait_ns).sum(),
            transfer_ns: self.per_rank.values().map(|cost| cost.transfer_ns).sum(),
            last_arriver,
        })
    }
}

/// Communication kernels of the counted steps, by step number and rank, in order of start.
fn communication_by_step(view: &View<'_>) -> BTreeMap<u32, BTreeMap<RankIdx, Vec<Span>>> {
    let mut found: BTreeMap<u32, BTreeMap<RankIdx, Vec<Span>>> = BTreeMap::new();
    for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
        if view.category(dispatch.name) != Category::Allreduce || view.left_out(position).is_some() {
            continue;
        }
        if let Some(step) = view.table.step_of(position) {
            found.entry(step.number).or_default().entry(step.rank).or_default().push(dispatch.span);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Row, trace_with_steps};
    use super::*;

    #[test]
    fn a_collectives_time_is_waiting_until_the_last_rank_arrives() {
        let drawn = trace_with_steps(&[
            Row::decode(&[("gemm", 0, 10), ("reduce", 10, 40)]),
            Row::decode(&[("gemm", 0, 30), ("reduce", 30, 40)]).on_rank(1),
        ]);
        let skew = drawn.report().rank_skew.unwrap();
        let seen: Vec<_> = skew.per_rank.iter().map(|row| (row.rank, row.wait_ns, row.transfer_ns)).collect();
        assert_eq!(seen, [(0, Some(20), Some(10)), (1, Some(0), Some(10))]);
        assert_eq!(skew.slowest_rank, Some(1));
        assert_eq!(skew.collectives.unwrap().last_arriver[0], LastArriver { rank: 1, times: 1 });
    }

    #[test]
    fn a_step_whose_ranks_have_unequal_numbers_of_collectives_is_not_matched() {
        let drawn = trace_with_steps(&[
            Row::decode(&[("reduce", 10, 40), ("reduce", 50, 60)]),
            Row::decode(&[("reduce", 30, 40)]).on_rank(1),
        ]);
        let skew = drawn.report().rank_skew.unwrap();
        assert_eq!(skew.collectives, None);
        assert_eq!(skew.per_rank[0].wait_ns, None);
    }

    #[test]
    fn one_rank_has_no_skew() {
        assert_eq!(trace_with_steps(&[Row::decode(&[("gemm", 0, 10)])]).report().rank_skew, None);
    }
}
