//! Which kernels of several ranks are one collective, once it is known that these ranks meet.
//!
//! The k-th of a step on one rank is the k-th of that step on the others. Where the ranks do not have equally many, or of
//! different kinds, or the k-th ones did not run together, a record was lost or a rank did something of its own: then
//! those belong together that ran at the same time, and the rest stays alone. So one collective without a counterpart
//! takes out itself and no other.

use crate::analyze::ranks::clocks::Clocks;
use crate::analyze::ranks::gathered::{Kernel, alike, is_like};
use crate::model::{RankIdx, Span};

/// For each collective the position of its kernel in each rank's list. `in_sequence`: the ranks are known to call these
/// in one order, so that equally many are the same.
pub(super) fn same_place(
    clocks: &Clocks,
    lists: &[&[Kernel]],
    ranks: &[RankIdx],
    in_sequence: bool,
) -> Vec<Vec<usize>> {
    let Some((first, others)) = lists.split_first() else { return Vec::new() };
    let in_order = others.iter().all(|other| first.len() == other.len() && alike(first, other));
    let by_order = || (0..first.len()).map(|at| vec![at; lists.len()]).collect::<Vec<_>>();
    if in_order && (in_sequence || (0..first.len()).all(|at| overlap_all(clocks, lists, ranks, &vec![at; lists.len()])))
    {
        return by_order();
    }
    let by_time = by_time(clocks, lists, ranks);
    if !in_order {
        return by_time;
    }
    let together = |rows: &[Vec<usize>]| rows.iter().filter(|row| overlap_all(clocks, lists, ranks, row)).count();
    let ordered = by_order();
    if together(&by_time) > together(&ordered) { by_time } else { ordered }
}

fn by_time(clocks: &Clocks, lists: &[&[Kernel]], ranks: &[RankIdx]) -> Vec<Vec<usize>> {
    let first = lists[0];
    // Each rank's partners of the first rank's kernels.
    let partners: Vec<Vec<Option<usize>>> = lists[1..]
        .iter()
        .zip(&ranks[1..])
        .map(|(other, &rank)| {
            let mut partners = vec![None; first.len()];
            for (a, b) in at_once(clocks, (ranks[0], first), (rank, other)) {
                partners[a] = Some(b);
            }
            partners
        })
        .collect();
    let row = |at: usize| {
        let partners: Option<Vec<usize>> = partners.iter().map(|partners| partners[at]).collect();
        partners.map(|partners| [at].into_iter().chain(partners).collect())
    };
    (0..first.len()).filter_map(row).collect()
}

/// Whether the kernels of a row ran at the same time as the first rank's.
fn overlap_all(clocks: &Clocks, lists: &[&[Kernel]], ranks: &[RankIdx], row: &[usize]) -> bool {
    let span = |of: usize| clocks.common(ranks[of], lists[of][row[of]].span);
    (1..lists.len()).all(|of| span(0).zip(span(of)).is_some_and(|(a, b)| overlap(a, b)))
}

/// How many kernels of two ranks ran together: by order if they have equally many, else by time.
pub(super) fn together(clocks: &Clocks, a: (RankIdx, &[Kernel]), b: (RankIdx, &[Kernel])) -> usize {
    if a.1.len() != b.1.len() || !alike(a.1, b.1) {
        return at_once(clocks, a, b).len();
    }
    let (lists, ranks) = ([a.1, b.1], [a.0, b.0]);
    (0..a.1.len()).filter(|&at| overlap_all(clocks, &lists, &ranks, &[at, at])).count()
}

/// Pairs of kernels of one kind that ran at the same time, each in at most one pair, in order.
fn at_once(clocks: &Clocks, a: (RankIdx, &[Kernel]), b: (RankIdx, &[Kernel])) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.1.get(i), b.1.get(j)) {
        let (Some(first), Some(second)) = (clocks.common(a.0, x.span), clocks.common(b.0, y.span)) else { break };
        if is_like(x, y) && overlap(first, second) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if (first.end_ns, first.start_ns) <= (second.end_ns, second.start_ns) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn overlap(a: Span, b: Span) -> bool {
    a.start_ns.max(b.start_ns) < a.end_ns.min(b.end_ns) || a == b
}
