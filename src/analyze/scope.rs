//! What of a trace counts.
//!
//! A report is of the decode steps: pure decode, warm-up left out. Everything else is named by the reason it was left
//! out, so that the two together are the whole trace. Without decode steps the whole trace counts.

use crate::classify::{Category, Classes, Verdict};
use crate::model::{NameId, RankIdx, Trace};
use crate::output::report::ScopeOf;
use crate::steps::{LeftOut, Phase, Step, StepIdx, StepTable};

/// Why a dispatch does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Reason {
    Warmup,
    Cut,
    BeyondLimit,
    Prefill,
    Mixed,
    Draft,
    Dummy,
    Other,
    Unknown,
    OutsideSteps,
}

impl Reason {
    pub(crate) const ALL: [Self; 10] = [
        Self::Warmup,
        Self::Cut,
        Self::BeyondLimit,
        Self::Prefill,
        Self::Mixed,
        Self::Draft,
        Self::Dummy,
        Self::Other,
        Self::Unknown,
        Self::OutsideSteps,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Cut => "cut",
            Self::BeyondLimit => "beyond_limit",
            Self::Prefill => "prefill",
            Self::Mixed => "mixed",
            Self::Draft => "draft",
            Self::Dummy => "dummy",
            Self::Other => "other",
            Self::Unknown => "unknown",
            Self::OutsideSteps => "outside_steps",
        }
    }

    fn of(step: &Step) -> Option<Self> {
        match step.phase {
            _ if step.warmup => Some(Self::Warmup),
            Phase::Decode => None,
            Phase::Prefill => Some(Self::Prefill),
            Phase::Mixed => Some(Self::Mixed),
            Phase::Draft => Some(Self::Draft),
            Phase::Dummy => Some(Self::Dummy),
            Phase::Other => Some(Self::Other),
            Phase::Unknown => Some(Self::Unknown),
        }
    }
}

/// A trace with all that is known of it, and what of it counts.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) classes: &'a Classes,
    pub(crate) table: &'a StepTable,
    /// What the tables are of.
    pub(crate) of: ScopeOf,
    /// Category of each name, by [`NameId`]: dense, for the loops over dispatches.
    categories: Vec<Category>,
    /// Rank of each stream.
    ranks: Vec<RankIdx>,
    /// Why each step does not count.
    reasons: Vec<Option<Reason>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(trace: &'a Trace, classes: &'a Classes, table: &'a StepTable, whole_trace: bool) -> Self {
        let mut reasons: Vec<_> = table.steps.iter().map(Reason::of).collect();
        for &(step, why) in &table.left_out {
            reasons[step.index()] = Some(match why {
                LeftOut::Asked | LeftOut::Unsettled => Reason::Warmup,
                LeftOut::Cut => Reason::Cut,
                LeftOut::BeyondLimit => Reason::BeyondLimit,
            });
        }
        let has_decode = table.steps.iter().zip(&reasons).any(|(step, reason)| reason.is_none() && step.dispatches > 0);
        Self {
            trace,
            classes,
            table,
            of: if has_decode && !whole_trace { ScopeOf::DecodeSteps } else { ScopeOf::Trace },
            categories: trace.names.iter().map(|(name, _)| classes.get(name).category).collect(),
            ranks: trace.streams.iter().map(|stream| stream.rank).collect(),
            reasons,
        }
    }

    /// Why the dispatch at `position` does not count; `None` if it does.
    pub(crate) fn left_out(&self, position: usize) -> Option<Reason> {
        match (self.of, self.table.of_dispatch[position]) {
            (ScopeOf::Trace, _) => None,
            (ScopeOf::DecodeSteps, None) => Some(Reason::OutsideSteps),
            (ScopeOf::DecodeSteps, Some(step)) => self.reasons[step.index()],
        }
    }

    /// Why a step is no counted decode step; `None` if it is one.
    pub(crate) fn reason(&self, step: StepIdx) -> Option<Reason> {
        self.reasons[step.index()]
    }

    /// All steps left out for `reason`.
    pub(crate) fn steps_left_out(&self, reason: Reason) -> impl Iterator<Item = &'a Step> {
        self.table.steps.iter().zip(&self.reasons).filter(move |(_, why)| **why == Some(reason)).map(|(step, _)| step)
    }

    /// The decode steps that count, by rank and number; none where the whole trace counts.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (StepIdx, &'a Step)> {
        let steps = self.table.steps.iter().enumerate();
        steps
            .filter(|(at, step)| self.of == ScopeOf::DecodeSteps && self.reasons[*at].is_none() && step.dispatches > 0)
            .map(|(at, step)| (StepIdx::new(at), step))
    }

    /// The dispatches of a step, by start; those that began and ended together by name, so that the order in which a
    /// producer delivered them does not show.
    pub(crate) fn dispatches(&self, step: StepIdx) -> Vec<u32> {
        self.in_order(self.table.dispatches(step).to_vec())
    }

    /// `positions`, which are by start, in the order of [`Self::dispatches`].
    pub(crate) fn in_order(&self, mut positions: Vec<u32>) -> Vec<u32> {
        let dispatch = |at: u32| &self.trace.dispatches[at as usize];
        for together in positions.chunk_by_mut(|&a, &b| dispatch(a).span == dispatch(b).span) {
            if together.len() > 1 {
                together.sort_by_key(|&at| self.trace.kernel(dispatch(at)));
            }
        }
        positions
    }

    pub(crate) fn category(&self, name: NameId) -> Category {
        self.categories[name.index()]
    }

    pub(crate) fn verdict(&self, name: NameId) -> &'a Verdict {
        self.classes.get(name)
    }

    /// The rank of the dispatch at `position`.
    pub(crate) fn rank_of(&self, position: usize) -> RankIdx {
        self.ranks[self.trace.dispatches[position].stream.index()]
    }

    /// The number by which a report calls a rank: the framework's, else its place in the trace.
    pub(crate) fn rank_number(&self, rank: RankIdx) -> u32 {
        self.trace.ranks[rank.index()].number.unwrap_or(rank.index() as u32)
    }
}

/// How many distinct steps `steps` are: one that ran on eight ranks is one.
pub(crate) fn distinct<'a>(steps: impl Iterator<Item = &'a Step>) -> u64 {
    let mut numbers: Vec<u32> = steps.map(|step| step.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len() as u64
}
