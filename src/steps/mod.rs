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
//! Steps that no engine vouches for may be something else than inference; [`Phase::Other`] keeps those out of decode.
//!
//! What never counts is that a kernel ran *while* a marker was open: the GPU runs behind the CPU.

pub mod completeness;
pub mod labels;

mod align;
mod detect;
pub(crate) mod meeting;
mod phase;
pub(crate) mod spread;
mod table;
mod trim;
mod unmet;

pub use table::{Batch, Detector, LeftOut, Phase, Refusal, Step, StepIdx, StepTable, Tail};
pub use unmet::Unmet;

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
/// Without a marker pattern in `options` that of the capture counts, if the trace is one. A pattern that names no step, or is
/// none, costs a remark and not the trace: the other detectors are asked as they would be without it.
#[must_use]
pub fn find(trace: &Trace, options: &StepOptions) -> StepTable {
    let mut invalid = None;
    let asked = options.marker.as_deref().or(trace.capture.as_ref().and_then(|capture| capture.marker.as_deref()));
    let labels = asked.map_or_else(Labels::known, |pattern| {
        Labels::custom(pattern).unwrap_or_else(|why| {
            invalid = Some(format!("{why}; the labels of known engines are used."));
            Labels::known()
        })
    });
    let pattern = asked.filter(|_| invalid.is_none());
    let (found, refused) = detect::find(trace, &labels, pattern);
    let Some(mut table) = found else {
        let sentence = |refusal: &Refusal| format!("No steps by {}: {}.", refusal.detector.name(), refusal.why);
        let mut none = StepTable::none(trace);
        none.remarks = refused.iter().map(sentence).chain(invalid).collect();
        none.unmet.extend(unmet(pattern, &refused, None));
        none.refused = refused;
        return none;
    };
    table.unmet.extend(unmet(pattern, &refused, Some(table.detector.name())));
    table.remarks.extend(invalid);
    table.refused = refused;
    align::align(&mut table, trace);
    phase::tell(&mut table, trace);
    phase::judge(&mut table, trace, &labels);
    trim::trim(&mut table, trace, &labels, options);
    table
}

/// What a marker `pattern` that was asked for did not find.
fn unmet(pattern: Option<&str>, refused: &[Refusal], instead: Option<&'static str>) -> Option<Unmet> {
    let marker = refused.iter().find(|refusal| refusal.detector == Detector::Marker)?;
    Some(Unmet::Marker { pattern: pattern?.to_owned(), why: marker.why.clone(), instead })
}
