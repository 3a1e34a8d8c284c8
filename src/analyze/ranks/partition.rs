//! Ways to part ranks into groups, and how well they explain when the ranks left their collectives.

use crate::model::{RankIdx, Span};

/// When each of some ranks was in a kernel, on the common clock.
pub(super) type Row = Vec<Span>;

/// A way to part ranks: the number of each rank's group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Partition(Vec<usize>);

impl Partition {
    /// One for each rank as `group` numbers it; groups are numbered anew, in order of their first ranks.
    fn new(ranks: usize, group: impl Fn(usize) -> usize) -> Self {
        let mut seen: Vec<usize> = Vec::new();
        let number = |at: usize| {
            let group = group(at);
            seen.iter().position(|&known| known == group).unwrap_or_else(|| {
                seen.push(group);
                seen.len() - 1
            })
        };
        Self((0..ranks).map(number).collect())
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.0.iter().max().map_or(0, |most| most + 1)
    }

    /// Places of the ranks in the group of the rank at `place`.
    pub(super) fn with(&self, place: usize) -> impl Iterator<Item = usize> {
        let group = self.0[place];
        self.0.iter().enumerate().filter(move |(_, of)| **of == group).map(|(at, _)| at)
    }

    /// Whether each rank meets another.
    fn leaves_none_alone(&self) -> bool {
        (0..self.0.len()).all(|place| self.with(place).count() > 1)
    }

    /// By how much the transfers of a collective differ from rank to rank, on average.
    pub(super) fn spread_ns(&self, rows: &[&Row]) -> f64 {
        let spread = |row: &&Row| -> f64 {
            let mut last = vec![i64::MIN; self.groups()];
            for (span, &group) in row.iter().zip(&self.0) {
                last[group] = last[group].max(span.start_ns);
            }
            let mut transfers: Vec<i64> = row.iter().zip(&self.0).map(|(span, &of)| span.end_ns - last[of]).collect();
            transfers.sort_unstable();
            let middle = transfers[transfers.len() / 2];
            // A collective that took far longer than the others must not decide alone.
            let most = row.iter().map(|span| span.duration_ns()).min().unwrap_or(0);
            let apart: u64 = transfers.iter().map(|transfer| transfer.abs_diff(middle).min(most)).sum();
            apart as f64 / transfers.len() as f64
        };
        rows.iter().map(spread).sum::<f64>() / rows.len().max(1) as f64
    }
}

/// Ways to part so many ranks: not at all, neighbours, every n-th, and by how near to each other they left in `rows`.
pub(super) fn candidates(ranks: usize, rows: &[&Row]) -> Vec<Partition> {
    let mut found = vec![Partition::new(ranks, |_| 0)];
    for size in (2..ranks).filter(|size| ranks.is_multiple_of(*size)) {
        found.push(Partition::new(ranks, |at| at / size));
        found.push(Partition::new(ranks, |at| at % (ranks / size)));
    }
    found.extend(nearest(ranks, rows));
    let mut ways: Vec<Partition> = Vec::new();
    found.into_iter().for_each(|way| {
        if !ways.contains(&way) {
            ways.push(way)
        }
    });
    ways
}

/// Joins the groups whose ends are nearest to each other, again and again, and gives each stage that leaves no rank
/// alone.
fn nearest(ranks: usize, rows: &[&Row]) -> Vec<Partition> {
    let apart = |a: usize, b: usize| -> u128 {
        rows.iter().map(|row| u128::from(row[a].end_ns.abs_diff(row[b].end_ns))).sum::<u128>()
    };
    let mut pairs: Vec<(u128, usize, usize)> =
        (0..ranks).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| (apart(a, b), a, b)).collect();
    pairs.sort_unstable();
    let mut group: Vec<usize> = (0..ranks).collect();
    let mut stages = Vec::new();
    for (_, a, b) in pairs {
        let (from, to) = (group[a], group[b]);
        if from != to {
            group.iter_mut().filter(|of| **of == from).for_each(|of| *of = to);
            let stage = Partition::new(ranks, |at| group[at]);
            if stage.leaves_none_alone() {
                stages.push(stage);
            }
        }
    }
    stages
}

/// Ways to part `ranks` into groups that were `told`.
pub(super) fn told_candidates(ranks: &[RankIdx], told: &[&[RankIdx]]) -> Vec<Partition> {
    let inside = |group: &&&[RankIdx]| group.iter().all(|rank| ranks.contains(rank));
    let groups: Vec<&[RankIdx]> = told.iter().filter(inside).copied().collect();
    let mut ways: Vec<Partition> = Vec::new();
    for seed in groups.iter().filter(|group| group.contains(&ranks[0])) {
        let mut of: Vec<Option<usize>> = vec![None; ranks.len()];
        let mut number = 0;
        let mut take = |group: &[RankIdx], of: &mut Vec<Option<usize>>| {
            for (place, _) in ranks.iter().enumerate().filter(|(_, rank)| group.contains(rank)) {
                of[place] = Some(number);
            }
            number += 1;
        };
        take(seed, &mut of);
        while let Some(place) = of.iter().position(Option::is_none) {
            let free = |group: &&&[RankIdx]| {
                let taken = |rank: &RankIdx| ranks.iter().position(|of| of == rank).is_some_and(|at| of[at].is_some());
                group.contains(&ranks[place]) && group.len() == seed.len() && !group.iter().any(taken)
            };
            let Some(next) = groups.iter().find(free).copied() else { break };
            take(next, &mut of);
        }
        if let Some(of) = of.into_iter().collect::<Option<Vec<usize>>>() {
            let way = Partition::new(ranks.len(), |at| of[at]);
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    ways
}
