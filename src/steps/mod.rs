//! Which dispatches make one decode step.

mod table;

pub use table::{Batch, Detector, Phase, Step, StepIdx, StepTable};

use crate::model::Trace;

/// What the user said of steps; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct StepOptions {
    /// Regular expression for step markers, instead of the known frameworks' labels.
    pub marker: Option<String>,
    /// Decode steps to leave out at the start of each rank; `None`: found by itself.
    pub warmup: Option<u32>,
    /// Decode steps to keep after these; `None`: all.
    pub limit: Option<u32>,
}

/// Finds the steps of `trace`.
#[must_use]
pub fn find(trace: &Trace, _options: &StepOptions) -> StepTable {
    StepTable::none(trace)
}
