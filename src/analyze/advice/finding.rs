//! What a rule found: the wall time in question, by what took it, and what was seen of it.

use crate::output::time::Cause;

/// Time that a finding takes for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// A kernel, by its place in the report's table.
    Kernel(usize),
    /// Idle time.
    Idle(Cause),
    /// What slow steps take more than fast ones.
    Pace,
    /// A part of all time.
    All,
    /// Steps that are not counted.
    OtherSteps,
}

impl Claim {
    /// Whether it is time that one thing alone can have taken.
    fn is_of_one(self) -> bool {
        matches!(self, Self::Kernel(_) | Self::Idle(_))
    }

    pub(super) fn kernel(self) -> Option<usize> {
        match self {
            Self::Kernel(at) => Some(at),
            _ => None,
        }
    }
}

/// What a rule found.
#[derive(Clone, Default, Debug)]
pub(super) struct Finding {
    /// Wall time in question by what it is, over the steps of all ranks.
    pub(super) claims: Vec<(Claim, u64)>,
    /// What the rows of the report show.
    pub(super) seen: Vec<String>,
    /// What it is about, for the title.
    pub(super) it: String,
    /// No more than this, whatever the claims add up to.
    pub(super) most_ns: Option<u64>,
    /// Why the bound is smaller than the claims, where it is.
    pub(super) cut: &'static str,
}

impl Finding {
    /// One claim and what was seen.
    pub(super) fn of(claim: Claim, ns: u64, seen: Vec<String>) -> Self {
        Self { claims: vec![(claim, ns)], seen, ..Self::default() }
    }

    /// Wall time that it is about, over the steps of all ranks.
    pub(super) fn held_ns(&self) -> u64 {
        self.claims.iter().map(|(_, ns)| ns).sum()
    }

    /// What of that could be saved at most.
    pub(super) fn ns(&self) -> u64 {
        self.most_ns.map_or(self.held_ns(), |most| most.min(self.held_ns()))
    }

    /// Sees to it that it is never more than `most_ns`.
    pub(super) fn cap(&mut self, most_ns: u64) {
        self.most_ns = Some(self.most_ns.map_or(most_ns, |known| known.min(most_ns)));
    }

    /// Cuts it at `most_ns`, and says why where that matters.
    pub(super) fn cut_at(&mut self, most_ns: u64, why: &'static str) {
        if self.ns() > most_ns {
            self.cut = why;
        }
        self.cap(most_ns);
    }

    /// Gives up what `other` claims.
    pub(super) fn yield_to(&mut self, other: &Finding) {
        self.claims.retain(|(claim, _)| !other.claims.iter().any(|(theirs, _)| theirs == claim));
    }

    /// Whether it claims some of a step's own time: kernels' or idle time.
    pub(super) fn is_within_steps(&self) -> bool {
        self.claims.iter().all(|(claim, _)| *claim != Claim::OtherSteps)
    }

    /// Whether all that it claims is idle time that the tracer may have lengthened.
    pub(super) fn is_idle_of_this_rank(&self) -> bool {
        self.claims.iter().all(|(claim, _)| matches!(claim, Claim::Idle(cause) if *cause != Cause::WaitPeer))
    }

    /// How much of what it claims is claimed by `other`.
    pub(super) fn shared_ns(&self, other: &Finding) -> u64 {
        let is_shared = |claim: &Claim| other.claims.iter().any(|(theirs, _)| theirs == claim);
        self.claims.iter().filter(|(claim, _)| claim.is_of_one() && is_shared(claim)).map(|(_, ns)| ns).sum()
    }

    /// The kernels that it claims, by place in the report's table.
    pub(super) fn kernels(&self) -> impl Iterator<Item = usize> + '_ {
        self.claims.iter().filter_map(|(claim, _)| claim.kernel())
    }

    /// Whether kernels' own times are what it was found by.
    pub(super) fn rests_on_kernels(&self) -> bool {
        self.claims.iter().any(|(claim, _)| claim.kernel().is_some())
    }

    /// Whether both claim some of the same time.
    pub(super) fn overlaps(&self, other: &Finding) -> bool {
        self.claims.iter().any(|(claim, _)| {
            *claim == Claim::All || other.claims.iter().any(|(theirs, _)| theirs == claim || *theirs == Claim::All)
        })
    }
}
