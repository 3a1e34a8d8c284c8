//! Which ranks meet in which collectives.
//!
//! A rank is in several groups: two tensor-parallel ranks sum up their attention, and all four exchange tokens between
//! experts. What the process [told](crate::model::Told) of a kernel decides. Where it told nothing, groups are guessed,
//! for each kind of collective by itself:
//!
//! ```text
//!   rank 0   ▕▔ wait ▔▏▔▔ t ▔▔▏                      a group's kernels all end when its last rank has come and
//!   rank 1            ▕▔▔ t ▔▔▏                      the transfer is done: counted from there, ends agree
//!   rank 2               ▕ wait ▏▔▔ t ▔▔▏
//!   rank 3                      ▕▔▔ t ▔▔▏            as one group of four: t, t, t and 2 t
//! ```
//!
//! * Ranks that are together in at least half of their collectives may be a group. Those that are not, never.
//! * Of the ways to part these ranks that one counts in whose groups the *transfer* (from the last arrival to each
//!   rank's end) differs least from rank to rank. Groups that are too large show it where a part of the ranks is done
//!   before the others, groups that are too small where one waits for ranks outside. Of ways that explain the ends
//!   equally well the one with the largest groups counts.
//! * Looked at are the groups that the process told it has, if these part the ranks; else neighbours (0 1 | 2 3), every
//!   n-th rank (0 2 | 1 3), and ranks whose ends are nearest to each other.
//! * The k-th collective of a step may be of other ranks than the rest of its kind, where that explains the ends by far
//!   better.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::analyze::ranks::clocks::{Clock, Clocks};
use crate::analyze::ranks::gathered::{Gathered, Kernel, Part};
use crate::analyze::ranks::matching::{same_place, together};
use crate::analyze::ranks::partition::{Partition, Row, candidates, told_candidates};
use crate::model::RankIdx;

/// Steps that a guess looks at, at most.
const MOST_STEPS: usize = 64;
/// Fewest times that the k-th collective of a step is looked at before it is of other ranks than the rest.
const FEWEST_ROWS: usize = 4;
/// How many times better other groups must explain the ends for that.
const FAR_BETTER: f64 = 3.0;
/// Ways to part ranks whose transfers differ by this much more than the best's explain the ends equally well.
const EQUALLY_WELL: f64 = 1.2;
/// No clock tells less time apart.
const RESOLUTION_NS: f64 = 20.0;

/// Ranks that meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    /// In order; at least two.
    pub(crate) ranks: Vec<RankIdx>,
    /// Whether the process told so, or it was guessed.
    pub(crate) told: bool,
}

/// Kernels that are matched with each other: of one group, and of one process group or one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    pub(super) group: usize,
    /// All ranks are known to call these in the same order.
    pub(super) in_sequence: bool,
}

/// The groups, and which kernel is of which.
#[derive(Default, Debug)]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    pub(super) channels: Vec<Channel>,
    /// By position in the trace.
    channel_of: HashMap<u32, u32>,
    places: BTreeMap<(usize, Of), u32>,
}

/// What parts the channels of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Of {
    ProcessGroup(usize),
    Kind(Option<&'static str>),
}

impl Groups {
    pub(super) fn of(gathered: &Gathered, clocks: &Clocks) -> Self {
        let mut found = Self::default();
        found.take_told(gathered, clocks);
        let unsaid = |kernel: &Kernel| (kernel.part == Part::Unsaid).then_some(kernel.kind);
        let kinds: BTreeSet<_> = gathered.steps.values().flatten().flatten().filter_map(unsaid).collect();
        for kind in kinds {
            found.guess(gathered, clocks, kind);
        }
        found.order();
        found
    }

    /// The channel of the kernel at a position in the trace.
    pub(super) fn channel(&self, kernel: &Kernel) -> Option<u32> {
        self.channel_of.get(&kernel.at).copied()
    }

    fn take_told(&mut self, gathered: &Gathered, clocks: &Clocks) {
        for kernel in gathered.steps.values().flatten().flatten() {
            let Part::Told(group) = kernel.part else { continue };
            let Some(ranks) = &gathered.told[group.index()] else { continue };
            if ranks.iter().any(|&rank| clocks.rank(rank) == Clock::Unknown) {
                continue;
            }
            let channel = self.place(ranks, true, Of::ProcessGroup(group.index()));
            self.channel_of.insert(kernel.at, channel);
        }
    }

    /// The channel of these ranks and that, added if it is new.
    fn place(&mut self, ranks: &[RankIdx], told: bool, of: Of) -> u32 {
        let group = self.groups.iter().position(|group| group.ranks == ranks).unwrap_or_else(|| {
            self.groups.push(Group { ranks: ranks.to_vec(), told });
            self.groups.len() - 1
        });
        self.groups[group].told |= told;
        let next = self.channels.len() as u32;
        let place = *self.places.entry((group, of)).or_insert(next);
        if place == next {
            self.channels.push(Channel { group, in_sequence: matches!(of, Of::ProcessGroup(_)) });
        }
        place
    }

    /// Guesses who meets in the collectives of one kind.
    fn guess(&mut self, gathered: &Gathered, clocks: &Clocks, kind: Option<&'static str>) {
        let steps: Vec<(Option<u32>, Vec<Vec<Kernel>>)> = gathered
            .steps
            .iter()
            .map(|(&step, ranks)| {
                let of_kind = |kernel: &&Kernel| kernel.part == Part::Unsaid && kernel.kind == kind;
                (step, ranks.iter().map(|list| list.iter().filter(of_kind).copied().collect()).collect())
            })
            .collect();
        for ranks in meeting(&steps, clocks) {
            let told: Vec<&[RankIdx]> = gathered.told.iter().flatten().map(Vec::as_slice).collect();
            let (parted, is_told) = part(&steps, clocks, &ranks, &told);
            for (_, lists) in &steps {
                let lists: Vec<&[Kernel]> = ranks.iter().map(|rank| &*lists[rank.index()]).collect();
                let equal = lists.iter().all(|list| list.len() == lists[0].len());
                for (place, list) in lists.iter().enumerate() {
                    for (nth, kernel) in list.iter().enumerate() {
                        let of = parted.exceptions.get(&nth).filter(|_| equal).unwrap_or(&parted.usual);
                        let members: Vec<RankIdx> = of.with(place).map(|at| ranks[at]).collect();
                        let channel = self.place(&members, is_told, Of::Kind(kind));
                        self.channel_of.insert(kernel.at, channel);
                    }
                }
            }
        }
    }

    /// Puts groups in the order of their ranks.
    fn order(&mut self) {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by(|&a, &b| self.groups[a].ranks.cmp(&self.groups[b].ranks));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        self.groups = order.iter().map(|&at| self.groups[at].clone()).collect();
        self.channels.iter_mut().for_each(|channel| channel.group = place[channel.group]);
    }
}

/// Kernels of one kind by step and rank.
type Steps = [(Option<u32>, Vec<Vec<Kernel>>)];

/// Ranks that may be groups, or several groups: those that are together in at least half of their collectives.
fn meeting(steps: &Steps, clocks: &Clocks) -> Vec<Vec<RankIdx>> {
    let ranks = steps.first().map_or(0, |(_, ranks)| ranks.len());
    let mut sets: Vec<Vec<RankIdx>> = Vec::new();
    for rank in (0..ranks).map(RankIdx::new) {
        match sets.iter_mut().find(|set| meet(steps, clocks, set[0], rank)) {
            Some(set) => set.push(rank),
            None => sets.push(vec![rank]),
        }
    }
    sets.retain(|set| set.len() > 1);
    sets
}

fn meet(steps: &Steps, clocks: &Clocks, a: RankIdx, b: RankIdx) -> bool {
    let (mut found, mut all) = (0, 0);
    for (_, ranks) in steps {
        let (first, second) = (&*ranks[a.index()], &*ranks[b.index()]);
        if !first.is_empty() && !second.is_empty() {
            all += first.len().max(second.len());
            found += together(clocks, (a, first), (b, second));
        }
    }
    found * 2 >= all && found > 0
}

/// How ranks are parted in collectives of one kind.
struct Parted {
    usual: Partition,
    /// Where it is another way, by place among those of a step.
    exceptions: BTreeMap<usize, Partition>,
}

/// Parts `ranks`, and whether the process told that they are parted so.
fn part(steps: &Steps, clocks: &Clocks, ranks: &[RankIdx], told: &[&[RankIdx]]) -> (Parted, bool) {
    let rows = rows(steps, clocks, ranks);
    let all: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
    let of_told = told_candidates(ranks, told);
    let is_told = of_told.len() == 1;
    let ways = if of_told.is_empty() { candidates(ranks.len(), &all) } else { of_told };
    let usual = best(&ways, &all);
    let mut by_place: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    for (place, row) in &rows {
        if let Some(place) = place {
            by_place.entry(*place).or_default().push(row);
        }
    }
    let mut exceptions = BTreeMap::new();
    for (place, rows) in by_place.into_iter().filter(|(_, rows)| rows.len() >= FEWEST_ROWS) {
        let other = best(&ways, &rows);
        if other.spread_ns(&rows) * FAR_BETTER + RESOLUTION_NS < usual.spread_ns(&rows) {
            exceptions.insert(place, other.clone());
        }
    }
    (Parted { usual: usual.clone(), exceptions }, is_told)
}

/// Of the ways that explain the ends equally well the one with the largest groups.
fn best<'a>(ways: &'a [Partition], rows: &[&Row]) -> &'a Partition {
    let spreads: Vec<f64> = ways.iter().map(|way| way.spread_ns(rows)).collect();
    let least = spreads.iter().copied().fold(f64::INFINITY, f64::min);
    let good = ways.iter().zip(&spreads).filter(|(_, spread)| **spread <= least * EQUALLY_WELL + RESOLUTION_NS);
    let best = good.min_by(|a, b| a.0.groups().cmp(&b.0.groups()).then(a.1.total_cmp(b.1)));
    best.map_or(&ways[0], |(way, _)| way)
}

/// Collectives as if all `ranks` met in them: when each arrived and left, and the place in the step if that is sure.
fn rows(steps: &Steps, clocks: &Clocks, ranks: &[RankIdx]) -> Vec<(Option<usize>, Row)> {
    let every = steps.len().div_ceil(MOST_STEPS).max(1);
    let mut found = Vec::new();
    for (_, lists) in steps.iter().step_by(every) {
        let lists: Vec<&[Kernel]> = ranks.iter().map(|rank| &*lists[rank.index()]).collect();
        let equal = lists.iter().all(|list| list.len() == lists[0].len());
        for places in same_place(clocks, &lists, ranks, false) {
            let span = |(of, &at): (usize, &usize)| clocks.common(ranks[of], lists[of][at].span);
            if let Some(row) = places.iter().enumerate().map(span).collect::<Option<Row>>() {
                found.push((Some(places[0]).filter(|_| equal), row));
            }
        }
    }
    found
}
