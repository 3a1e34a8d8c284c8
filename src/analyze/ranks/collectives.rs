//! Which kernels of different ranks are one collective, and who came last to it.
//!
//! A collective ends when the last rank has brought its part, so on every other rank its kernel's time is first *waiting*
//! (the kernel spins) and then *transfer*:
//!
//! ```text
//!                 arrives
//!   rank 0        ▕▔▔▔▔▔▔ wait ▔▔▔▔▔▔▔▔▏▔▔ transfer ▔▔▏
//!   rank 1               ▕▔▔▔▔ wait ▔▔▔▏▔▔ transfer ▔▔▏
//!   rank 2                              ▕▔▔ transfer ▔▔▏   arrives last
//!                 ├─── early: rank 0 ───┤
//! ```
//!
//! *Early* is by how much a rank came before the last one, *wait* the part of it that its kernel was there for: the root
//! of a broadcast puts its data into a buffer and leaves before the others come, so it is early and hardly waits. Waiting
//! and transfer always add up to the kernel's time; early does not have to.
//!
//! Nothing here looks at a library's name. A kernel takes part if it is classed as communication, and those of several
//! ranks are one collective by their place: the k-th of a step on one rank is the k-th of that step on the others. Where
//! the ranks do not have equally many, or of different kinds, a record was lost or a rank did something of its own:
//! then those belong together that ran at the same time, and the rest stays alone and is counted.
//!
//! Not all ranks need to meet. Tensor-parallel ranks of one replica do, replicas among themselves do not, and no trace
//! says which rank is in which. But ranks that meet are in the collective at the same time, and ranks that do not are so
//! only by chance: the ranks that are together in at least half of their collectives make a [group](Collectives::groups).
//!
//! Send and receive are no collective: each pair of ranks has its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use crate::analyze::contradictions::missing_ranks;
use crate::analyze::ranks::clocks::Clocks;
use crate::analyze::scope::Scope;
use crate::classify::Category;
use crate::model::{RankIdx, Span};

/// Collectives matched across ranks.
#[derive(Debug)]
pub(crate) struct Collectives {
    /// Ranks that meet, in order; only groups of two and more.
    pub(crate) groups: Vec<Vec<RankIdx>>,
    pub(crate) clocks: Clocks,
    /// Communication kernels of the groups that have no counterpart on every other rank of theirs.
    pub(crate) unmatched: u64,
    met: Vec<Place>,
    members: Vec<Member>,
    /// Time that a dispatch waited, by position in the trace; only those that did.
    waits: Vec<(u32, u64)>,
}

/// Where a collective's members are.
#[derive(Clone, Copy, Debug)]
struct Place {
    step: Option<u32>,
    group: u32,
    first: bool,
    from: u32,
}

/// One collective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met<'a> {
    /// The step it belongs to; `None` where the whole trace is looked at.
    pub(crate) step: Option<u32>,
    /// Position in [`Collectives::groups`].
    pub(crate) group: usize,
    /// Whether it is its step's first.
    pub(crate) first: bool,
    /// One for each rank of the group, in order of ranks.
    pub(crate) members: &'a [Member],
}

/// A rank's part in a collective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) rank: RankIdx,
    /// Position of its dispatch in the trace.
    pub(crate) at: u32,
    /// When it ran, on the common clock.
    pub(crate) span: Span,
}

impl Met<'_> {
    /// The rank that arrived last; of those that arrive together the first.
    pub(crate) fn last(&self) -> Member {
        let latest = self.members.iter().max_by_key(|member| (member.span.start_ns, Reverse(member.rank)));
        *latest.expect("a collective has members")
    }

    /// By how much the last rank arrived after the last but one.
    pub(crate) fn lead_ns(&self) -> u64 {
        let last = self.last();
        let others = self.members.iter().filter(|member| member.rank != last.rank);
        others.map(|member| last.span.start_ns.abs_diff(member.span.start_ns)).min().unwrap_or(0)
    }

    /// From the first arrival to the last.
    pub(crate) fn skew_ns(&self) -> u64 {
        self.members.iter().map(|member| self.early_ns(*member)).max().unwrap_or(0)
    }

    /// By how much `member` arrived before the last.
    pub(crate) fn early_ns(&self, member: Member) -> u64 {
        self.last().span.start_ns.abs_diff(member.span.start_ns)
    }

    /// What of that its kernel was running for.
    pub(crate) fn wait_ns(&self, member: Member) -> u64 {
        self.early_ns(member).min(member.span.duration_ns())
    }

    /// Whether no rank left before the last arrived: it holds everybody up until then.
    pub(crate) fn holds(&self) -> bool {
        let arrives_ns = self.last().span.start_ns;
        self.members.iter().all(|member| member.span.end_ns > arrives_ns || member.span.start_ns == arrives_ns)
    }
}

impl Collectives {
    /// The collectives of what counts; `None` for fewer than two ranks.
    pub(crate) fn of(scope: &Scope<'_>) -> Option<Self> {
        if scope.trace.ranks.len() < 2 {
            return None;
        }
        let gathered = Gathered::of(scope);
        let clocks = Clocks::of(scope.trace, |a, b| gathered.pairs_in_order(a, b));
        // Where a rank is not there, the last to arrive may be that one: nothing can be split into wait and transfer.
        let groups = match missing_ranks(scope.trace) {
            Some(_) => Vec::new(),
            None => gathered.groups(&clocks),
        };
        let mut found = Self { groups, clocks, unmatched: 0, met: Vec::new(), members: Vec::new(), waits: Vec::new() };
        found.meet(&gathered);
        for met in 0..found.met.len() {
            let met = found.nth(met);
            let waits: Vec<(u32, u64)> =
                met.members.iter().map(|&member| (member.at, met.wait_ns(member))).filter(|&(_, ns)| ns > 0).collect();
            found.waits.extend(waits);
        }
        found.waits.sort_unstable();
        Some(found)
    }

    /// All collectives, step by step, group by group, in order of time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Met<'_>> {
        (0..self.met.len()).map(|nth| self.nth(nth))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.met.len()
    }

    /// How long the dispatch at `position` waited for other ranks, as far as that is known.
    pub(crate) fn wait_ns(&self, position: usize) -> u64 {
        let found = self.waits.binary_search_by_key(&(position as u32), |&(at, _)| at);
        found.map_or(0, |at| self.waits[at].1)
    }

    fn nth(&self, nth: usize) -> Met<'_> {
        let Place { step, group, first, from } = self.met[nth];
        let group = group as usize;
        let members = &self.members[from as usize..from as usize + self.groups[group].len()];
        Met { step, group, first, members }
    }

    /// Matches the ranks of each group, step by step.
    fn meet(&mut self, gathered: &Gathered<'_>) {
        for (&step, ranks) in &gathered.steps {
            for group in 0..self.groups.len() {
                // A step that a rank did not record, at the edges of its trace, says nothing.
                if !self.groups[group].iter().all(|&rank| gathered.ran(rank, step)) {
                    continue;
                }
                let lists: Vec<&[Kernel]> = self.groups[group].iter().map(|rank| &*ranks[rank.index()]).collect();
                let rows = self.clocks.same_place(&lists, &self.groups[group]);
                self.unmatched += lists.iter().map(|list| (list.len() - rows.len()) as u64).sum::<u64>();
                for (nth, row) in rows.iter().enumerate() {
                    let from = self.members.len() as u32;
                    self.met.push(Place { step, group: group as u32, first: nth == 0, from });
                    for ((&rank, list), &at) in self.groups[group].iter().zip(&lists).zip(row) {
                        let kernel = list[at];
                        let span = self.clocks.common(rank, kernel.span).unwrap_or(kernel.span);
                        self.members.push(Member { rank, at: kernel.at, span });
                    }
                }
            }
        }
    }
}

impl Clocks {
    /// For each collective the position of its kernel in each rank's list.
    fn same_place(&self, lists: &[&[Kernel]], ranks: &[RankIdx]) -> Vec<Vec<usize>> {
        let Some((first, others)) = lists.split_first() else { return Vec::new() };
        let in_order = others.iter().all(|other| first.len() == other.len() && alike(first, other));
        if in_order {
            return (0..first.len()).map(|at| vec![at; lists.len()]).collect();
        }
        // Each rank's partners of the first rank's kernels.
        let partners: Vec<Vec<Option<usize>>> = others
            .iter()
            .zip(&ranks[1..])
            .map(|(other, &rank)| {
                let mut partners = vec![None; first.len()];
                for (a, b) in self.at_once((ranks[0], first), (rank, other)) {
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

    /// Pairs of kernels of one kind that ran at the same time, each in at most one pair, in order.
    fn at_once(&self, a: (RankIdx, &[Kernel]), b: (RankIdx, &[Kernel])) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let (mut i, mut j) = (0, 0);
        while let (Some(x), Some(y)) = (a.1.get(i), b.1.get(j)) {
            let (Some(first), Some(second)) = (self.common(a.0, x.span), self.common(b.0, y.span)) else { break };
            if x.is_like(y) && overlap(first, second) {
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
}

fn overlap(a: Span, b: Span) -> bool {
    a.start_ns.max(b.start_ns) < a.end_ns.min(b.end_ns) || a == b
}

fn alike(a: &[Kernel], b: &[Kernel]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.is_like(b))
}

/// A communication kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    at: u32,
    pub(crate) span: Span,
    kind: Option<&'static str>,
}

impl Kernel {
    /// Whether both may be the same collective, as far as their names tell.
    fn is_like(&self, other: &Self) -> bool {
        self.kind.is_none() || other.kind.is_none() || self.kind == other.kind
    }
}

/// Communication kernels in order of start: by step, then by rank.
#[derive(Debug)]
struct Gathered<'a> {
    steps: BTreeMap<Option<u32>, Vec<Vec<Kernel>>>,
    /// The steps that each rank ran.
    ran: HashSet<(RankIdx, u32)>,
    scope: &'a Scope<'a>,
}

impl<'a> Gathered<'a> {
    fn of(scope: &'a Scope<'a>) -> Self {
        let mut steps: BTreeMap<Option<u32>, Vec<Vec<Kernel>>> = BTreeMap::new();
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            if scope.category(dispatch.name) != Category::Allreduce || scope.left_out(position).is_some() {
                continue;
            }
            let kind = scope.verdict(dispatch.name).traits.collective;
            if kind == Some("send_recv") {
                continue;
            }
            let step = match scope.of {
                crate::output::report::ScopeOf::DecodeSteps => scope.table.step_of(position).map(|step| step.number),
                crate::output::report::ScopeOf::Trace => None,
            };
            let ranks = steps.entry(step).or_insert_with(|| vec![Vec::new(); scope.trace.ranks.len()]);
            ranks[scope.rank_of(position).index()].push(Kernel { at: position as u32, span: dispatch.span, kind });
        }
        let ran = scope.steps().map(|(_, step)| (step.rank, step.number)).collect();
        Self { steps, ran, scope }
    }

    /// Whether `rank` ran `step`; the whole trace is run by all.
    fn ran(&self, rank: RankIdx, step: Option<u32>) -> bool {
        step.is_none_or(|number| self.ran.contains(&(rank, number)))
    }

    /// The kernels of two ranks in steps in which they have equally many, of the same kinds, pair by pair.
    fn pairs_in_order(&self, a: RankIdx, b: RankIdx) -> Vec<(Span, Span)> {
        let of_step = |ranks: &'_ Vec<Vec<Kernel>>| -> Vec<(Span, Span)> {
            let (a, b) = (&ranks[a.index()], &ranks[b.index()]);
            if a.len() != b.len() || !alike(a, b) {
                return Vec::new();
            }
            a.iter().zip(b).map(|(a, b)| (a.span, b.span)).collect()
        };
        self.steps.values().flat_map(of_step).collect()
    }

    /// The groups of ranks that meet.
    fn groups(&self, clocks: &Clocks) -> Vec<Vec<RankIdx>> {
        let mut groups: Vec<Vec<RankIdx>> = Vec::new();
        for at in 0..self.scope.trace.ranks.len() {
            let rank = RankIdx::new(at);
            match groups.iter_mut().find(|group| self.meet(clocks, group[0], rank)) {
                Some(group) => group.push(rank),
                None => groups.push(vec![rank]),
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    /// Whether two ranks are together in at least half of their collectives.
    fn meet(&self, clocks: &Clocks, a: RankIdx, b: RankIdx) -> bool {
        let (mut together, mut all) = (0, 0);
        for ranks in self.steps.values() {
            let (first, second) = (&*ranks[a.index()], &*ranks[b.index()]);
            if first.is_empty() || second.is_empty() {
                continue;
            }
            all += first.len().max(second.len());
            together += if first.len() == second.len() && alike(first, second) {
                let at_once = |(x, y): &(&Kernel, &Kernel)| {
                    let spans = clocks.common(a, x.span).zip(clocks.common(b, y.span));
                    spans.is_some_and(|(x, y)| overlap(x, y))
                };
                first.iter().zip(second).filter(at_once).count()
            } else {
                clocks.at_once((a, first), (b, second)).len()
            };
        }
        together * 2 >= all && together > 0
    }
}
