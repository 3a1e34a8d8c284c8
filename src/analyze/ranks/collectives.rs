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
//! Nothing here looks at a library's name. A kernel takes part if it is classed as communication. Which ranks meet in it
//! is [told or guessed](crate::analyze::ranks::groups), and those of several ranks are one collective
//! [by their place](crate::analyze::ranks::matching). Send and receive are no collective: each pair of ranks has its own.
//!
//! Arrivals are compared across clocks. By how much these may be off is measured: all ranks leave a collective together,
//! so as far apart as their ends lie, clocks may lie too. A rank that came last by less is not called the last.

use std::cmp::Reverse;

use crate::analyze::contradictions::missing_ranks;
use crate::analyze::ranks::clocks::{Clock, Clocks};
use crate::analyze::ranks::gathered::{Gathered, Kernel};
use crate::analyze::ranks::groups::{Channel, Group, Groups};
use crate::analyze::ranks::matching::same_place;
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::percentile;
use crate::model::{RankIdx, Span};

/// Collectives matched across ranks.
#[derive(Debug)]
pub(crate) struct Collectives {
    /// Ranks that meet, in order. A rank may be in several.
    pub(crate) groups: Vec<Group>,
    pub(crate) clocks: Clocks,
    /// Communication kernels of the groups that have no counterpart on every other rank of theirs.
    pub(crate) unmatched: u64,
    /// How far off comparing a rank's arrivals with the others' may be.
    pub(crate) uncertainty_ns: Vec<u64>,
    /// All communication of each rank, by step and start, matched or not.
    pub(super) by_rank: Vec<Vec<Communication>>,
    met: Vec<Place>,
    members: Vec<Member>,
    /// Time that a dispatch waited, by position in the trace; only those that did.
    waits: Vec<(u32, u64)>,
}

/// A communication kernel of a rank, on its own clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Communication {
    pub(super) step: Option<u32>,
    pub(super) at: u32,
    pub(super) span: Span,
}

/// Where a collective's members are.
#[derive(Clone, Copy, Debug)]
struct Place {
    step: Option<u32>,
    group: u32,
    kind: Option<&'static str>,
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
    /// What it computes, as far as the process or a name tells.
    pub(crate) kind: Option<&'static str>,
    /// Whether it is the first of its step for all its ranks.
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

    /// The rank that arrived before the last.
    fn last_but_one(&self) -> Option<Member> {
        let last = self.last().rank;
        let others = self.members.iter().filter(|member| member.rank != last);
        others.max_by_key(|member| (member.span.start_ns, Reverse(member.rank))).copied()
    }

    /// By how much the last rank arrived after the last but one.
    pub(crate) fn lead_ns(&self) -> u64 {
        self.last_but_one().map_or(0, |next| self.early_ns(next))
    }

    /// How far apart the ranks left.
    pub(crate) fn end_skew_ns(&self) -> u64 {
        let ends = || self.members.iter().map(|member| member.span.end_ns);
        ends().max().zip(ends().min()).map_or(0, |(last, first)| last.abs_diff(first))
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
            Some(_) => Groups::default(),
            None => Groups::of(&gathered, &clocks),
        };
        let mut found = Self {
            groups: groups.groups.clone(),
            clocks,
            unmatched: 0,
            uncertainty_ns: Vec::new(),
            by_rank: by_rank(&gathered, scope.trace.ranks.len()),
            met: Vec::new(),
            members: Vec::new(),
            waits: Vec::new(),
        };
        found.meet(&gathered, &groups);
        for met in 0..found.met.len() {
            let met = found.nth(met);
            let waits: Vec<(u32, u64)> =
                met.members.iter().map(|&member| (member.at, met.wait_ns(member))).filter(|&(_, ns)| ns > 0).collect();
            found.waits.extend(waits);
        }
        found.waits.sort_unstable();
        found.uncertainty_ns = found.uncertainties();
        Some(found)
    }

    /// Of each rank: how far apart the ranks left the collectives that it was in and that held them all, nine times out
    /// of ten.
    fn uncertainties(&self) -> Vec<u64> {
        let mut ends: Vec<Vec<u64>> = vec![Vec::new(); self.by_rank.len()];
        for met in self.iter().filter(Met::holds) {
            met.members.iter().for_each(|member| ends[member.rank.index()].push(met.end_skew_ns()));
        }
        let of_rank = |(at, mut ends): (usize, Vec<u64>)| {
            ends.sort_unstable();
            let measured_ns = if ends.is_empty() { 0 } else { percentile(&ends, 90) };
            match self.clocks.rank(RankIdx::new(at)) {
                Clock::Aligned { uncertainty_ns, .. } => uncertainty_ns.max(measured_ns),
                Clock::Shared | Clock::Unknown => measured_ns,
            }
        };
        ends.into_iter().enumerate().map(of_rank).collect()
    }

    /// The rank that arrived last; `None` if it came after the last but one by less than their clocks may be off.
    pub(crate) fn last(&self, met: &Met<'_>) -> Option<RankIdx> {
        let (last, next) = (met.last(), met.last_but_one()?);
        let uncertainty_ns = [last, next].map(|member| self.uncertainty_ns[member.rank.index()]).into_iter().max()?;
        let lead_ns = met.lead_ns();
        (lead_ns > 0 && lead_ns >= uncertainty_ns).then_some(last.rank)
    }

    /// Ranks that depend on each other, directly or over others: the groups that have ranks in common, joined.
    pub(crate) fn worlds(&self) -> Vec<Vec<RankIdx>> {
        let mut worlds: Vec<Vec<RankIdx>> = Vec::new();
        for group in &self.groups {
            let meets = |world: &Vec<RankIdx>| world.iter().any(|rank| group.ranks.contains(rank));
            let (joined, mut others): (Vec<_>, Vec<_>) = worlds.into_iter().partition(meets);
            let mut world: Vec<RankIdx> = joined.into_iter().flatten().chain(group.ranks.iter().copied()).collect();
            world.sort_unstable();
            world.dedup();
            others.push(world);
            worlds = others;
        }
        worlds.sort_unstable();
        worlds
    }

    /// All collectives, step by step, in order of time.
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
        let Place { step, group, kind, first, from } = self.met[nth];
        let group = group as usize;
        let members = &self.members[from as usize..from as usize + self.groups[group].ranks.len()];
        Met { step, group, kind, first, members }
    }

    /// Matches the ranks of each group, step by step.
    fn meet(&mut self, gathered: &Gathered, groups: &Groups) {
        for (&step, ranks) in &gathered.steps {
            let mut lists: Vec<Vec<Vec<Kernel>>> = vec![vec![Vec::new(); ranks.len()]; groups.channels.len()];
            for (rank, list) in ranks.iter().enumerate() {
                for kernel in list {
                    if let Some(channel) = groups.channel(kernel) {
                        lists[channel as usize][rank].push(*kernel);
                    }
                }
            }
            let mut met: Vec<(usize, Option<&'static str>, Vec<Member>)> = Vec::new();
            for (channel, lists) in groups.channels.iter().zip(&lists) {
                // A step that a rank did not record, at the edges of its trace, says nothing.
                if self.groups[channel.group].ranks.iter().all(|&rank| gathered.ran(rank, step)) {
                    self.meet_in(*channel, lists, &mut met);
                }
            }
            met.sort_by_key(|(group, _, members)| (members[0].span.start_ns, *group));
            let mut seen = vec![false; ranks.len()];
            for (group, kind, members) in met {
                let first = members.iter().all(|member| !seen[member.rank.index()]);
                members.iter().for_each(|member| seen[member.rank.index()] = true);
                self.met.push(Place { step, group: group as u32, kind, first, from: self.members.len() as u32 });
                self.members.extend(members);
            }
        }
    }

    /// Matches the kernels of one channel in one step, which `lists` gives by rank.
    fn meet_in(
        &mut self,
        channel: Channel,
        lists: &[Vec<Kernel>],
        met: &mut Vec<(usize, Option<&'static str>, Vec<Member>)>,
    ) {
        let ranks = &self.groups[channel.group].ranks;
        let lists: Vec<&[Kernel]> = ranks.iter().map(|rank| &*lists[rank.index()]).collect();
        let rows = same_place(&self.clocks, &lists, ranks, channel.in_sequence);
        self.unmatched += lists.iter().map(|list| (list.len() - rows.len()) as u64).sum::<u64>();
        met.extend(rows.iter().map(|row| {
            let member = |((&rank, list), &at): ((&RankIdx, &&[Kernel]), &usize)| {
                let kernel = list[at];
                Member { rank, at: kernel.at, span: self.clocks.common(rank, kernel.span).unwrap_or(kernel.span) }
            };
            let kind = lists[0][row[0]].kind;
            (channel.group, kind, ranks.iter().zip(&lists).zip(row).map(member).collect())
        }));
    }
}

fn by_rank(gathered: &Gathered, ranks: usize) -> Vec<Vec<Communication>> {
    let mut by_rank: Vec<Vec<Communication>> = vec![Vec::new(); ranks];
    for (&step, lists) in &gathered.steps {
        for (of_rank, list) in by_rank.iter_mut().zip(lists) {
            of_rank.extend(list.iter().map(|kernel| Communication { step, at: kernel.at, span: kernel.span }));
        }
    }
    by_rank
}
