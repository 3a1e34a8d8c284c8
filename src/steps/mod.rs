//! Which dispatches make one decode step.
//!
//! "The time of a decode step" is what everything else is a share of, and traces do not say where a step begins. Three
//! detectors look, in this order, and the first that vouches for what it found is believed; [`StepTable::refused`]
//! keeps what the others said:
//!
//! | detector | looks at | holds where |
//! |---|---|---|
//! | `marker` | ranges that engines open around their steps | the engine labels steps and kernels are linked to launches |
//! | `graph` | launches of graphs and eager kernels, in launch order | launches are recorded |
//! | `period` | the sequence of kernel names on a stream | always, if the sequence recurs |
//!
//! What never counts is that a kernel ran *while* a marker was open: the GPU runs behind the CPU.

pub mod labels;

mod assemble;
mod marker;
mod table;

pub use table::{Batch, Detector, LeftOut, Phase, Refusal, Step, StepIdx, StepTable};

use crate::model::Trace;
use labels::Labels;

/// What the user said of steps; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct StepOptions {
    /// Regular expression for step markers, instead of the known frameworks' labels (see [`Labels::custom`]).
    pub marker: Option<String>,
    /// Decode steps to leave out at the start of each rank; `None`: found by itself.
    pub warmup: Option<u32>,
    /// Decode steps to keep after these; `None`: all.
    pub limit: Option<u32>,
}

/// Finds the steps of `trace`.
///
/// With a marker pattern of the user's own only markers are looked at: whoever names the steps does not want others.
#[must_use]
pub fn find(trace: &Trace, options: &StepOptions) -> StepTable {
    let labels = options.marker.as_deref().map_or_else(|| Ok(Labels::known()), Labels::custom);
    let by_marker = labels.and_then(|labels| marker::find(trace, &labels, options.marker.as_deref()));
    match by_marker {
        Ok(table) => table,
        Err(why) => {
            let mut table = StepTable::none(trace);
            table.remarks.push(format!("Steps by marker were not found: {why}."));
            table.refused.push(Refusal { detector: Detector::Marker, why });
            table
        }
    }
}
