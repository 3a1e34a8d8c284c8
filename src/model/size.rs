//! How much a trace holds, for who bounds it.

use super::Trace;

/// How much a trace holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Dispatches, copies, launch calls and ranges.
    pub records: u64,
    /// Distinct names.
    pub names: u64,
    /// GPUs.
    pub ranks: u64,
}

impl Size {
    /// That of `trace`, which may still grow.
    pub(super) fn of(trace: &Trace) -> Self {
        let Trace { dispatches, copies, launches, ranges, names, ranks, .. } = trace;
        let records = dispatches.len() + copies.len() + launches.len() + ranges.len();
        Self { records: records as u64, names: names.len() as u64, ranks: ranks.len() as u64 }
    }
}
