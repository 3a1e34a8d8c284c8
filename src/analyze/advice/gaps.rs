//! Gaps within the replays of graphs, where everything was launched long before.

use crate::analyze::scope::Scope;
use crate::model::{LaunchCall, LaunchIdx, NameId};

/// Between two kernels of a replay the GPU needs some microseconds; from here on it waited for something else.
pub(super) const LONG_NS: u64 = 10_000;

/// The long gaps in the replays of counted steps, over all ranks.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Gaps {
    /// How many.
    pub(super) long: u64,
    /// How long together.
    pub(super) long_ns: u64,
    /// The longest.
    pub(super) longest: Option<Gap>,
}

/// A gap and the kernels on both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) ns: u64,
    pub(super) after: NameId,
    pub(super) before: NameId,
}

/// A replay as far as it was walked.
#[derive(Clone, Copy)]
struct Walked {
    launch: LaunchIdx,
    end_ns: i64,
    last: NameId,
}

impl Gaps {
    pub(super) fn of(scope: &Scope<'_>) -> Self {
        let mut found = Self::default();
        let mut walked: Vec<Option<Walked>> = vec![None; scope.trace.ranks.len()];
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            let Some(launch) = dispatch.launch.filter(|_| scope.left_out(position).is_none()) else { continue };
            if scope.trace.launches[launch.index()].call != LaunchCall::Graph {
                continue;
            }
            let rank = &mut walked[scope.trace.rank_of(dispatch.stream).index()];
            let (start_ns, end_ns) = (dispatch.span.start_ns, dispatch.span.end_ns);
            let before = rank.filter(|walked| walked.launch == launch);
            if let Some(Walked { end_ns, last, .. }) = before.filter(|walked| walked.end_ns < start_ns) {
                found.add(Gap { ns: start_ns.abs_diff(end_ns), after: last, before: dispatch.name });
            }
            let next = match before {
                Some(walked) if walked.end_ns > end_ns => walked,
                _ => Walked { launch, end_ns, last: dispatch.name },
            };
            *rank = Some(next);
        }
        found
    }

    fn add(&mut self, gap: Gap) {
        if gap.ns < LONG_NS {
            return;
        }
        self.long += 1;
        self.long_ns += gap.ns;
        if self.longest.is_none_or(|longest| longest.ns < gap.ns) {
            self.longest = Some(gap);
        }
    }
}
