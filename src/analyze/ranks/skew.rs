//! The ranks of one run side by side.
//!
//! Three questions, each with figures of its own:
//!
//! * *Who waits, and for whom?* Each collective is split into waiting and transfer, and its last arriver noted.
//! * *Why is that rank late?* A rank is a straggler if its own work takes longer than that of the others of its group:
//!   the time from leaving one collective to arriving at the next. Waiting is not in it, so one slow rank stands out
//!   however much the collectives even the steps out:
//!
//!   ```text
//!     rank 0   ▕own▏▒▒▒▒▒▒▕own▏▒▒▒▒▒▒          ▒ in collectives
//!     rank 1   ▕─ own ─▏▒▒▕─ own ─▏▒▒          straggler
//!   ```
//! * *Did they begin together?* The skew of a step's first collective is what hosts launched apart (or, in the first
//!   step of a trace, when profilers started); the skew of later ones is what GPUs do unequally. One average of both
//!   would say neither.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::contradictions::missing_ranks;
use crate::analyze::critical::across_ranks;
use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::ranks::clocks::{self, Clocks};
use crate::analyze::ranks::collectives::{Collectives, Met};
use crate::analyze::ranks::costs::Cost;
use crate::analyze::ranks::groups::Group;
use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::analyze::time::stats::{distribution, percentile, share};
use crate::analyze::time::sums::Sums;
use crate::classify::Category;
use crate::model::RankIdx;
use crate::output::ranks::{
    self, Across, AcrossCategory, Clock, ClockRow, CollectiveKind, Evidence, LastArriver, OnPath, RankRow, RankSkew,
    StartSkew, StepSkew, Straggler,
};

/// The ranks side by side; `None` for fewer than two.
pub(crate) fn skew(
    scope: &Scope<'_>,
    sums: &Sums,
    walls: &[Wall],
    critical: Option<&CriticalTime>,
    collectives: Option<&Collectives>,
) -> Option<RankSkew> {
    let met = collectives?;
    let costs = Cost::of(scope, met);
    let row = |at: usize| {
        let rank = RankIdx::new(at);
        let mut spans: Vec<u64> =
            scope.steps().filter(|(_, step)| step.rank == rank).map(|(_, step)| step.gpu.duration_ns()).collect();
        spans.sort_unstable();
        let cost = Some(&costs[at]).filter(|cost| cost.count > 0);
        RankRow {
            rank: scope.rank_number(rank),
            steps: spans.len() as u64,
            step_p50_ns: (!spans.is_empty()).then(|| percentile(&spans, 50)),
            gpu_time_ns: sums.ranks[at].counted.gpu_time_ns,
            critical_ns: critical.map(|critical| critical.per_rank[at]),
            wait_ns: cost.map(|cost| cost.wait_ns),
            transfer_ns: cost.map(|cost| cost.transfer_ns),
            early_ns: cost.map(|cost| cost.early_ns),
            own_ns: cost.map(|cost| cost.own_ns),
            own_gpu_ns: cost.map(|cost| cost.own_gpu_ns),
            own_idle_ns: cost.map(|cost| cost.own_ns - cost.own_gpu_ns),
            met_steps: cost.map_or(0, |cost| cost.steps),
        }
    };
    let mut per_rank: Vec<RankRow> = (0..scope.trace.ranks.len()).map(row).collect();
    per_rank.sort_by_key(|row| row.rank);
    let numbers = |group: &Group| group.ranks.iter().map(|&rank| scope.rank_number(rank)).collect();
    let evidence = |group: &Group| if group.told { Evidence::Told } else { Evidence::Guessed };
    Some(RankSkew {
        slowest_rank: slowest(scope, &per_rank, met).filter(|_| missing_ranks(scope.trace).is_none()),
        groups: met.groups.iter().map(numbers).collect(),
        group_evidence: met.groups.iter().map(evidence).collect(),
        stragglers: stragglers(scope, met, &costs),
        clock: clock(scope, met),
        collectives: collected(scope, met, &costs),
        critical_path: across(scope, walls, met),
        per_rank,
    })
}

/// Ranks nearer to each other than this part of a step are alike.
const ALIKE: f64 = 0.01;

/// The rank that the others wait for. Where collectives were matched, that is the one that waits least itself, since they
/// even out the length of steps; of ranks that do not depend on each other, those count among which waiting differs most.
/// Elsewhere it is the one with the longest steps. `None` where all are alike, or as far as clocks tell.
fn slowest(scope: &Scope<'_>, rows: &[RankRow], collectives: &Collectives) -> Option<u32> {
    let step = rows.iter().filter_map(|row| row.step_p50_ns).max()?;
    // Picoseconds a step, so that rounding makes no two ranks alike.
    let each = |ns: u64, steps: u64| i128::from(ns) * 1000 / i128::from(steps.max(1));
    let alike = step as f64 * 1000.0 * ALIKE;
    if collectives.len() == 0 {
        let known = || rows.iter().filter_map(|row| Some((each(row.step_p50_ns?, 1), Reverse(row.rank))));
        let (most, least) = (known().max()?, known().min()?);
        return ((most.0 - least.0) as f64 > alike).then_some(most.1.0);
    }
    let mut counts = vec![0; scope.trace.ranks.len()];
    collectives.iter().flat_map(|met| met.members).for_each(|member| counts[member.rank.index()] += 1);
    let of_world = |world: Vec<RankIdx>| {
        let waits = world.iter().filter_map(|&rank| {
            let row = rows.iter().find(|row| row.rank == scope.rank_number(rank))?;
            // As much may be a clock's fault.
            let doubt = each(collectives.uncertainty_ns[rank.index()] * counts[rank.index()], row.met_steps);
            Some((each(row.wait_ns?, row.met_steps), Reverse(row.rank), doubt))
        });
        let waits: Vec<_> = waits.collect();
        let most = waits.iter().map(|&(wait, ..)| wait).max()?;
        let &(least, Reverse(rank), _) = waits.iter().min_by_key(|&&(wait, rank, _)| (wait, Reverse(rank)))?;
        let doubt = waits.iter().map(|&(.., doubt)| doubt).max()?;
        let differs = (most - least) as f64 > alike.max(doubt as f64);
        differs.then_some((most - least, Reverse(rank)))
    };
    collectives.worlds().into_iter().filter_map(of_world).max().map(|(_, Reverse(rank))| rank)
}

/// Ranks whose own work takes longer than the median of the ranks that they depend on by more than a hundredth of a step.
fn stragglers(scope: &Scope<'_>, collectives: &Collectives, costs: &[Cost]) -> Vec<Straggler> {
    let spans: Vec<u64> = scope.steps().map(|(_, step)| step.gpu.duration_ns()).collect();
    let Some(step) = distribution(spans) else { return Vec::new() };
    let mut found = Vec::new();
    for world in collectives.worlds() {
        let own = |rank: RankIdx| costs[rank.index()].own_ns / costs[rank.index()].steps.max(1);
        let measured: Vec<RankIdx> = world.into_iter().filter(|rank| costs[rank.index()].steps > 0).collect();
        let mut all: Vec<u64> = measured.iter().map(|&rank| own(rank)).collect();
        if all.len() < 2 {
            continue;
        }
        all.sort_unstable();
        // Of two ranks the slower is compared with the faster.
        let median_ns_per_step = all[(all.len() - 1) / 2];
        let slow = measured
            .iter()
            .filter(|&&rank| own(rank).saturating_sub(median_ns_per_step) as f64 > step.p50 as f64 * ALIKE);
        found.extend(slow.map(|&rank| Straggler {
            rank: scope.rank_number(rank),
            own_ns_per_step: own(rank),
            median_ns_per_step,
        }));
    }
    found.sort_by_key(|row| (Reverse(row.own_ns_per_step - row.median_ns_per_step), row.rank));
    found
}

fn collected(scope: &Scope<'_>, collectives: &Collectives, costs: &[Cost]) -> Option<ranks::Collectives> {
    if collectives.len() == 0 {
        return None;
    }
    let in_groups: BTreeSet<RankIdx> = collectives.groups.iter().flat_map(|group| &group.ranks).copied().collect();
    let mut last_arriver: Vec<LastArriver> = in_groups
        .into_iter()
        .map(|rank| {
            let Cost { last, late_ns, count, .. } = costs[rank.index()];
            LastArriver { rank: scope.rank_number(rank), times: last, of: count, late_ns }
        })
        .collect();
    last_arriver.sort_by_key(|row| (Reverse(row.times), row.rank));
    let skews = |first: bool| collectives.iter().filter(|met| met.first == first).map(|met| met.skew_ns()).collect();
    Some(ranks::Collectives {
        count: collectives.len() as u64,
        unmatched: collectives.unmatched,
        undecided: collectives.iter().filter(|met| collectives.last(met).is_none()).count() as u64,
        wait_ns: costs.iter().map(|cost| cost.wait_ns).sum(),
        transfer_ns: costs.iter().map(|cost| cost.transfer_ns).sum(),
        last_arriver,
        by_kind: by_kind(scope, collectives),
        start_skew: StartSkew { first_in_step: distribution(skews(true)), later: distribution(skews(false)) },
        steps: by_step(scope, collectives),
    })
}

/// Sums over the collectives of one kind.
#[derive(Default)]
struct Kind {
    count: u64,
    wait_ns: u64,
    transfers: Vec<u64>,
}

fn by_kind(scope: &Scope<'_>, collectives: &Collectives) -> Vec<CollectiveKind> {
    let mut kinds: BTreeMap<(&str, Option<&'static str>), Kind> = BTreeMap::new();
    for met in collectives.iter() {
        let verdict = scope.verdict(scope.trace.dispatches[met.members[0].at as usize].name);
        let key = (verdict.sub.as_deref().unwrap_or("unknown"), met.kind);
        let kind = kinds.entry(key).or_default();
        kind.count += 1;
        for &member in met.members {
            let wait_ns = met.wait_ns(member);
            kind.wait_ns += wait_ns;
            kind.transfers.push(member.span.duration_ns() - wait_ns);
        }
    }
    let row = |((sub, collective), Kind { count, wait_ns, transfers })| {
        let transfer_ns = transfers.iter().sum();
        let transfer = distribution(transfers)?;
        let sub = str::to_owned(sub);
        Some(CollectiveKind { sub, collective, count, wait_ns, transfer_ns, transfer })
    };
    let mut rows: Vec<CollectiveKind> = kinds.into_iter().filter_map(row).collect();
    rows.sort_by_key(|row| Reverse(row.transfer_ns));
    rows
}

fn by_step(scope: &Scope<'_>, collectives: &Collectives) -> Vec<StepSkew> {
    let mut steps: BTreeMap<(u32, usize), Vec<Met<'_>>> = BTreeMap::new();
    for met in collectives.iter() {
        if let Some(step) = met.step {
            steps.entry((step, met.group)).or_default().push(met);
        }
    }
    let row = |((step, group), met): ((u32, usize), Vec<Met<'_>>)| {
        let mut times: BTreeMap<RankIdx, u64> = BTreeMap::new();
        met.iter().filter_map(|met| collectives.last(met)).for_each(|last| *times.entry(last).or_default() += 1);
        let last = times.into_iter().max_by_key(|&(rank, times)| (times, Reverse(rank))).map(|(last, _)| last);
        let skew = |first: bool| met.iter().filter(|met| met.first == first).map(Met::skew_ns).max().unwrap_or(0);
        let waits = met.iter().flat_map(|met| met.members.iter().map(|&member| met.wait_ns(member)));
        let last = last.map(|last| scope.rank_number(last));
        Some(StepSkew { step, group, first_ns: skew(true), later_ns: skew(false), wait_ns: waits.sum(), last })
    };
    steps.into_iter().filter_map(row).collect()
}

fn clock(scope: &Scope<'_>, collectives: &Collectives) -> Clock {
    let clocks: &Clocks = &collectives.clocks;
    let ends = collectives.iter().filter(Met::holds).map(|met| met.end_skew_ns());
    let row = |at: usize| {
        let rank = RankIdx::new(at);
        let offset_ns = match clocks.rank(rank) {
            clocks::Clock::Shared => Some(0),
            clocks::Clock::Aligned { offset_ns, .. } => Some(offset_ns),
            clocks::Clock::Unknown => None,
        };
        let uncertainty_ns = offset_ns.map(|_| collectives.uncertainty_ns[at]);
        ClockRow { rank: scope.rank_number(rank), offset_ns, uncertainty_ns }
    };
    let mut per_rank: Vec<ClockRow> = (0..scope.trace.ranks.len()).map(row).collect();
    per_rank.sort_by_key(|row| row.rank);
    Clock { shared: clocks.are_one(), end_skew_ns: distribution(ends.collect()), per_rank }
}

fn across(scope: &Scope<'_>, walls: &[Wall], collectives: &Collectives) -> Option<Across> {
    let paths = across_ranks::across(scope, walls, collectives);
    if paths.steps.is_empty() || collectives.len() == 0 {
        return None;
    }
    let whole = Breakdown::sum(paths.steps.iter().flat_map(|step| [Some(&step.span), step.rest.as_ref()]).flatten());
    let wall_ns = whole.wall_ns();
    let category = |&name: &Category| {
        let ns = whole.categories[name as usize];
        AcrossCategory { name, ns, share: share(ns, wall_ns) }
    };
    let mut categories: Vec<AcrossCategory> = Category::ALL.iter().map(category).collect();
    categories.sort_by_key(|row| Reverse(row.ns));
    let on_rank = |(at, &ns): (usize, &u64)| {
        let rank = scope.rank_number(RankIdx::new(at));
        OnPath { rank, ns, share: share(ns, wall_ns) }
    };
    let mut on_path: Vec<OnPath> = paths.on_rank.iter().enumerate().map(on_rank).collect();
    on_path.sort_by_key(|row| (Reverse(row.ns), row.rank));
    Some(Across { steps: paths.steps.len() as u64, wall_ns, categories, idle: whole.idle(), on_path, hops: paths.hops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};

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
        assert_eq!(skew.collectives.unwrap().last_arriver[0], LastArriver { rank: 1, times: 1, of: 1, late_ns: 20 });
        assert_eq!(skew.stragglers, [Straggler { rank: 1, own_ns_per_step: 30, median_ns_per_step: 10 }]);
    }

    #[test]
    fn a_root_that_leaves_early_is_early_by_more_than_it_waits() {
        //   root   ▕▔▏
        //   other           ▕▔▔▏
        let drawn = trace_with_steps(&[
            Row::decode(&[("reduce", 0, 10), ("reduce", 100, 120), ("reduce", 130, 150)]),
            Row::decode(&[("reduce", 40, 50), ("reduce", 101, 120), ("reduce", 131, 151)]).on_rank(1),
        ]);
        let skew = drawn.report().rank_skew.unwrap();
        let root = &skew.per_rank[0];
        assert_eq!((root.early_ns, root.wait_ns, root.transfer_ns), (Some(42), Some(12), Some(38)));
        assert_eq!(skew.critical_path.unwrap().hops, 0, "nobody was held up until the other rank came");
    }

    #[test]
    fn where_a_record_was_lost_collectives_are_matched_by_time() {
        let drawn = trace_with_steps(&[
            Row::decode(&[("reduce", 10, 40), ("reduce", 50, 60), ("reduce", 70, 90)]),
            Row::decode(&[("reduce", 30, 40), ("reduce", 75, 90)]).on_rank(1),
        ]);
        let skew = drawn.report().rank_skew.unwrap();
        let found = skew.collectives.unwrap();
        assert_eq!((found.count, found.unmatched), (2, 1));
        assert_eq!(skew.per_rank[0].wait_ns, Some(20 + 5));
    }

    #[test]
    fn ranks_that_are_never_in_a_collective_together_are_two_groups() {
        let replica = |rank: u32, at: i64| {
            Row::decode(&[("reduce", at, at + 10), ("gemm", at + 10, at + 50), ("reduce", at + 50, at + 60)])
                .on_rank(rank)
        };
        let drawn = trace_with_steps(&[replica(0, 0), replica(1, 2), replica(2, 20), replica(3, 25)]);
        let skew = drawn.report().rank_skew.unwrap();
        assert_eq!(skew.groups, [[0, 1], [2, 3]]);
        let waits: Vec<_> = skew.per_rank.iter().map(|row| row.wait_ns).collect();
        assert_eq!(waits, [Some(4), Some(0), Some(10), Some(0)]);
    }

    #[test]
    fn the_skew_of_a_steps_first_collective_is_kept_apart() {
        let drawn = trace_with_steps(&[
            Row::decode(&[("reduce", 0, 100), ("reduce", 110, 120), ("reduce", 130, 140)]),
            Row::decode(&[("reduce", 90, 100), ("reduce", 113, 120), ("reduce", 131, 140)]).on_rank(1),
        ]);
        let found = drawn.report().rank_skew.unwrap().collectives.unwrap();
        assert_eq!(found.start_skew.first_in_step.unwrap().max, 90);
        assert_eq!(found.start_skew.later.unwrap().max, 3);
        let step = StepSkew { step: 0, group: 0, first_ns: 90, later_ns: 3, wait_ns: 94, last: Some(1) };
        assert_eq!(found.steps, [step]);
    }

    #[test]
    fn the_path_goes_over_the_ranks_that_arrive_last() {
        //   rank 0  ▕gemm 40▏▒ wait ▒▒▒▕▒ 10 ▏▕─ attn 60 ─▏▕▒10▏
        //   rank 1  ▕──── gemm 100 ────▏▕▒ 10 ▏▕20▏▒▒▒▒▒▒▒▒▕▒10▏
        let drawn = trace_with_steps(&[
            Row::decode(&[("gemm", 0, 40), ("reduce", 40, 110), ("attn", 110, 170), ("reduce", 170, 180)]),
            Row::decode(&[("gemm", 0, 100), ("reduce", 100, 110), ("attn", 110, 130), ("reduce", 130, 180)]).on_rank(1),
        ]);
        let report = drawn.report();
        let path = report.rank_skew.unwrap().critical_path.unwrap();
        let of = |name| path.categories.iter().find(|row| row.name == name).unwrap().ns;
        let parts = (of(Category::Gemm), of(Category::Attention), of(Category::Allreduce), path.idle.critical_ns);
        assert_eq!(parts, (100, 60, 20, 0));
        let on_path: Vec<_> = path.on_path.iter().map(|row| (row.rank, row.ns)).collect();
        assert_eq!((on_path, path.hops, path.wall_ns), (vec![(1, 100), (0, 80)], 1, 180));
        // On one rank after the other, waiting is idle time.
        let waits = report
            .idle
            .unwrap()
            .causes
            .iter()
            .find(|cause| cause.name == crate::output::time::Cause::WaitPeer)
            .unwrap()
            .ns;
        assert_eq!(waits, 60 + 40);
    }

    #[test]
    fn hosts_with_clocks_apart_are_compared_on_a_common_one() {
        let rows = |offset: i64| {
            [
                Row::decode(&[("gemm", 0, 10), ("reduce", 10, 40), ("reduce", 50, 60), ("reduce", 70, 80)]),
                Row::decode(&[
                    ("gemm", offset, offset + 30),
                    ("reduce", offset + 30, offset + 40),
                    ("reduce", offset + 52, offset + 60),
                    ("reduce", offset + 70, offset + 80),
                ])
                .on_rank(1),
            ]
        };
        let skew = |offset: i64, hosts: [&str; 2]| {
            let mut drawn = trace_with_steps(&rows(offset));
            let mut other = drawn.trace.processes[0].clone();
            other.host = Some(hosts[1].to_owned());
            drawn.trace.processes[0].host = Some(hosts[0].to_owned());
            drawn.trace.processes.push(other);
            drawn.trace.ranks[1].process = crate::model::ProcessIdx::new(1);
            drawn.report().rank_skew.unwrap()
        };
        let (near, far) = (skew(0, ["a", "a"]), skew(1_000_000, ["a", "b"]));
        assert_eq!(near.per_rank, far.per_rank);
        assert_eq!(near.critical_path, far.critical_path);
        assert!(near.clock.shared && !far.clock.shared);
        let row = ClockRow { rank: 1, offset_ns: Some(1_000_000), uncertainty_ns: Some(0) };
        assert_eq!(far.clock.per_rank[1], row);
        assert_eq!(far.clock.end_skew_ns.unwrap().max, 0);
    }

    #[test]
    fn one_rank_has_no_skew() {
        assert_eq!(trace_with_steps(&[Row::decode(&[("gemm", 0, 10)])]).report().rank_skew, None);
    }
}
