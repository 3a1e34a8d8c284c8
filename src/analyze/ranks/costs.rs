//! What collectives cost each rank, and what it does between them.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::scope::Scope;
use crate::classify::Category;
use crate::model::{RankIdx, Span};

/// What collectives cost one rank.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Cost {
    /// Collectives that it was in.
    pub(super) count: u64,
    /// Steps that had any: what the sums are over.
    pub(super) steps: u64,
    pub(super) wait_ns: u64,
    pub(super) transfer_ns: u64,
    pub(super) early_ns: u64,
    /// Between collectives.
    pub(super) own_ns: u64,
    /// The part of it in which its GPU ran kernels.
    pub(super) own_gpu_ns: u64,
    pub(super) last: u64,
    pub(super) late_ns: u64,
}

impl Cost {
    /// By rank.
    pub(super) fn of(scope: &Scope<'_>, collectives: &Collectives) -> Vec<Self> {
        let mut costs = vec![Self::default(); scope.trace.ranks.len()];
        let mut steps: BTreeSet<(RankIdx, Option<u32>)> = BTreeSet::new();
        let mut matched: BTreeSet<u32> = BTreeSet::new();
        for met in collectives.iter() {
            if let Some(last) = collectives.last(&met) {
                costs[last.index()].last += 1;
                costs[last.index()].late_ns += met.lead_ns();
            }
            for &member in met.members {
                let cost = &mut costs[member.rank.index()];
                let wait_ns = met.wait_ns(member);
                cost.count += 1;
                cost.wait_ns += wait_ns;
                cost.transfer_ns += member.span.duration_ns() - wait_ns;
                cost.early_ns += met.early_ns(member);
                steps.insert((member.rank, met.step));
                matched.insert(member.at);
            }
        }
        steps.iter().for_each(|(rank, _)| costs[rank.index()].steps += 1);
        let busy = busy(scope);
        for (rank, stretches) in stretches(scope, collectives, &matched).into_iter().enumerate() {
            costs[rank].own_ns = stretches.iter().map(|own| own.duration_ns()).sum();
            costs[rank].own_gpu_ns = stretches.iter().map(|&own| covered_ns(&busy[rank], own)).sum();
        }
        costs
    }
}

/// Of each rank the time between its collectives, on its own clock: from the step's first kernel to its first collective,
/// and from each to the next, up to the last that was matched.
fn stretches(scope: &Scope<'_>, collectives: &Collectives, matched: &BTreeSet<u32>) -> Vec<Vec<Span>> {
    let begins: BTreeMap<(RankIdx, u32), i64> =
        scope.steps().map(|(_, step)| ((step.rank, step.number), step.gpu.start_ns)).collect();
    let of_rank = |(at, list): (usize, &Vec<_>)| {
        let list: &Vec<crate::analyze::ranks::collectives::Communication> = list;
        let mut found = Vec::new();
        for of_step in list.chunk_by(|a, b| a.step == b.step) {
            let until = of_step.iter().rposition(|of| matched.contains(&of.at)).map_or(0, |last| last + 1);
            let mut left_ns = of_step[0].step.and_then(|step| begins.get(&(RankIdx::new(at), step)).copied());
            for of in &of_step[..until] {
                let own = left_ns.map(|left_ns| Span::new(left_ns, of.span.start_ns.max(left_ns)));
                found.extend(own.filter(|own| own.duration_ns() > 0));
                left_ns = Some(left_ns.map_or(of.span.end_ns, |left_ns| left_ns.max(of.span.end_ns)));
            }
        }
        found
    };
    collectives.by_rank.iter().enumerate().map(of_rank).collect()
}

/// When each rank's GPU ran kernels that are not communication: disjoint, in order.
fn busy(scope: &Scope<'_>) -> Vec<Vec<Span>> {
    let mut busy: Vec<Vec<Span>> = vec![Vec::new(); scope.trace.ranks.len()];
    for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
        if scope.category(dispatch.name) == Category::Allreduce || scope.left_out(position).is_some() {
            continue;
        }
        let of_rank = &mut busy[scope.rank_of(position).index()];
        match of_rank.last_mut() {
            Some(last) if dispatch.span.start_ns <= last.end_ns => *last = last.hull(dispatch.span),
            _ => of_rank.push(dispatch.span),
        }
    }
    busy
}

/// How much of `span` the `busy` spans cover.
fn covered_ns(busy: &[Span], span: Span) -> u64 {
    let first = busy.partition_point(|of| of.end_ns <= span.start_ns);
    let inside = busy[first..].iter().take_while(|of| of.start_ns < span.end_ns);
    inside.map(|of| of.start_ns.max(span.start_ns).abs_diff(of.end_ns.min(span.end_ns))).sum()
}

#[cfg(test)]
mod tests {
    use crate::analyze::testing::{Row, trace_with_steps};

    #[test]
    fn own_time_is_parted_into_that_of_the_gpu_and_idle_time() {
        //   rank 0  ▕gemm 10▏ idle 20 ▕─ reduce 30 ─▏ idle 5 ▕gemm 15▏▕reduce▏
        //   rank 1  ▕───── gemm 50 ─────────▕▔▔ 10 ▔▏▕── gemm 20 ───▏▕reduce▏
        let drawn = trace_with_steps(&[
            Row::decode(&[("gemm", 0, 10), ("reduce", 30, 60), ("gemm", 65, 80), ("reduce", 80, 90)]),
            Row::decode(&[("gemm", 0, 50), ("reduce", 50, 60), ("gemm", 60, 80), ("reduce", 80, 90)]).on_rank(1),
        ]);
        let skew = drawn.report().rank_skew.unwrap();
        let seen: Vec<_> =
            skew.per_rank.iter().map(|row| (row.own_ns, row.own_gpu_ns, row.own_idle_ns, row.met_steps)).collect();
        assert_eq!(seen, [(Some(50), Some(25), Some(25), 1), (Some(70), Some(70), Some(0), 1)]);
    }
}
