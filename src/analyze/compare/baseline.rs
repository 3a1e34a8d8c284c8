//! A side as a file, to compare with later.
//!
//! JSON, because people look into their baselines and commit them. A file may have been edited or damaged, so what it
//! says is checked before anything is computed from it: every index, every length, and that no sum can overflow.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analyze::compare::side::Side;

/// Name and version of the format.
const SCHEMA: &str = "profile-decode/baseline/1";
/// No step takes longer than this (five hours): sums over any file that fits in memory then fit in 64 bits.
const LONGEST_NS: u64 = 1 << 44;

/// Why a file is no baseline.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// It is not the JSON of a baseline.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is another format, or another version of this one.
    #[error("its schema is \"{0}\" and not \"{SCHEMA}\"")]
    Schema(String),
    /// It was edited or damaged.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
}

#[derive(Serialize)]
struct Writing<'a> {
    schema: &'static str,
    made_by: &'static str,
    side: &'a Side,
}

#[derive(Deserialize)]
struct Reading {
    schema: String,
    side: Side,
}

impl Side {
    /// This side as a baseline file.
    ///
    /// # Panics
    /// Never: a side has no map with keys other than text, which is all that JSON cannot hold.
    #[must_use]
    pub fn to_baseline(&self) -> Vec<u8> {
        let made_by = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        serde_json::to_vec(&Writing { schema: SCHEMA, made_by, side: self }).expect("a side is plain data")
    }

    /// Reads a baseline file.
    ///
    /// # Errors
    /// If it is no baseline, of another version, or damaged.
    pub fn from_baseline(bytes: &[u8]) -> Result<Self, BaselineError> {
        let Reading { schema, side } = serde_json::from_slice(bytes)?;
        if schema != SCHEMA {
            return Err(BaselineError::Schema(schema));
        }
        side.check()?;
        Ok(side)
    }

    fn check(&self) -> Result<(), BaselineError> {
        let wrong = |what| Err(BaselineError::Contradiction(what));
        let ranks = self.ranks() as usize;
        for step in &self.steps {
            let rest = step.rest.unwrap_or_default();
            let parts = [step.span, rest].into_iter().flat_map(|part| part.categories.into_iter().chain(part.idle));
            let all = parts.chain(step.gpu).chain([step.wait_ns]).chain(step.ranks.iter().chain(&step.waits).copied());
            if all.into_iter().any(|ns| ns > LONGEST_NS) {
                return wrong("a step takes hours");
            }
            if step.ranks.len().max(step.waits.len()) > ranks {
                return wrong("a step ran on more ranks than there are");
            }
        }
        if self.others.values().flatten().any(|ns| *ns > LONGEST_NS) {
            return wrong("a step takes hours");
        }
        let known = |kernel: u32| (kernel as usize) < self.kernels.len();
        for slot in &self.slots {
            if slot.ns.len() != self.steps.len() {
                return wrong("a kernel's times are not one a step");
            }
            if slot.kernels.is_empty() || !slot.kernels.iter().all(|(kernel, _)| known(*kernel)) {
                return wrong("a kernel is named that is not listed");
            }
            if slot.ns.iter().chain(slot.kernels.iter().map(|(_, ns)| ns)).any(|ns| *ns > LONGEST_NS) {
                return wrong("a kernel takes hours");
            }
            if slot.dispatches > LONGEST_NS {
                return wrong("a kernel ran more often than there is time");
            }
        }
        let layout = self.layout.iter().flat_map(|layout| layout.sections()).flat_map(|(_, kernels)| kernels);
        if !layout.into_iter().all(|kernel| known(*kernel)) {
            return wrong("the layout names a kernel that is not listed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::compare::tests::side;

    #[test]
    fn a_side_reads_back_as_it_was_written() {
        let side = side(20, 1);
        assert_eq!(Side::from_baseline(&side.to_baseline()).unwrap(), side);
    }

    #[test]
    fn what_is_no_baseline_is_refused_with_the_reason() {
        let error = |text: &str| Side::from_baseline(text.as_bytes()).unwrap_err().to_string();
        assert!(error("{}").contains("schema"));
        assert!(error("{\"traceEvents\": []}").contains("schema"));
        let text = String::from_utf8(side(20, 1).to_baseline()).unwrap();
        assert!(error(&text.replace("baseline/1", "baseline/9")).contains("baseline/9"));
        assert!(error(&text[..text.len() / 2]).contains("EOF"));
    }

    #[test]
    fn a_baseline_with_an_index_out_of_bounds_is_refused() {
        let mut damaged = side(20, 1);
        damaged.slots[0].kernels[0].0 = 10_000;
        assert!(Side::from_baseline(&damaged.to_baseline()).unwrap_err().to_string().contains("not listed"));
        let mut damaged = side(20, 1);
        damaged.steps.pop();
        assert!(Side::from_baseline(&damaged.to_baseline()).unwrap_err().to_string().contains("one a step"));
    }
}
