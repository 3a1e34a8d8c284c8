//! The detectors, and what they have in common.
//!
//! ```text
//!   marker    ranges, which of them are steps, which is open when ─────────────┐
//!   graph     launch order ┐                                                   ├─> assemble: the table
//!   period    kernel names ┴─> passes: a lane of tokens ─> sequence: its cuts ─┘
//! ```

mod aside;
mod assemble;
mod graph;
mod joined;
mod marker;
mod open;
mod origin;
mod passes;
mod period;
mod pieces;
mod ranges;
mod refusal;
mod sequence;

use refusal::{NoSteps, Unlinked};
pub(super) use sequence::Bag;

use super::labels::Labels;
use super::{Detector, Refusal, StepTable};
use crate::model::Trace;

/// The steps that the first detector found which vouches for any, and why those before it did not. `pattern` is what the
/// labels were made of, if that is the user's own.
pub(super) fn find(trace: &Trace, labels: &Labels, pattern: Option<&str>) -> (Option<StepTable>, Vec<Refusal>) {
    let mut refused = Vec::new();
    for detector in [Detector::Marker, Detector::Graph, Detector::Period] {
        let found = match detector {
            Detector::Marker => marker::find(trace, labels, pattern),
            Detector::Graph => graph::find(trace),
            _ => period::find(trace),
        };
        match found {
            Ok(table) => return (Some(table), refused),
            Err(why) => refused.push(Refusal { detector, why: why.to_string() }),
        }
    }
    (None, refused)
}
