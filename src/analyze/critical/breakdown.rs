//! A stretch of wall time by what held it up.

use serde::{Deserialize, Serialize};

use crate::analyze::time::stats::share;
use crate::analyze::time::sums::ByCategory;
use crate::output::time::{Cause, Idle, IdleCause};

/// The causes that are told apart here.
pub(crate) const CAUSES: [Cause; 6] =
    [Cause::LaunchGap, Cause::Host, Cause::WaitPeer, Cause::Copy, Cause::OtherWork, Cause::Unknown];

/// One stretch of wall time by what held it up; sums to its length.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Breakdown {
    pub(crate) categories: ByCategory,
    /// By [`CAUSES`].
    pub(crate) idle: [u64; CAUSES.len()],
}

impl Breakdown {
    /// `parts` added up.
    pub(crate) fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for part in parts {
            sum.categories.iter_mut().zip(part.categories).for_each(|(sum, ns)| *sum += ns);
            sum.idle.iter_mut().zip(part.idle).for_each(|(sum, ns)| *sum += ns);
        }
        sum
    }

    /// Its length.
    pub(crate) fn wall_ns(&self) -> u64 {
        self.categories.iter().chain(&self.idle).sum()
    }

    pub(crate) fn add_idle(&mut self, cause: Cause, ns: u64) {
        let at = CAUSES.iter().position(|&known| known == cause);
        self.idle[at.expect("every cause used here is listed")] += ns;
    }

    /// The idle part as the report shows it.
    pub(crate) fn idle(&self) -> Idle {
        let critical_ns = self.idle.iter().sum();
        let causes = CAUSES.iter().zip(self.idle).map(|(&name, ns)| IdleCause { name, ns }).collect();
        Idle { critical_ns, critical_share: share(critical_ns, self.wall_ns()), causes }
    }
}
