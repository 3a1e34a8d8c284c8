//! What the user said of a comparison.

use crate::classify::Category;
use crate::output::comparison::GateOn;

/// What the user said of a comparison; everything has a default.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Share by which a thing must change to be flagged.
    pub threshold: f64,
    /// Other thresholds for some categories.
    pub thresholds: Vec<(Category, f64)>,
    /// Change a step below which nothing is flagged.
    pub min_impact_ns: u64,
    /// How often each side is drawn anew.
    pub draws: usize,
    /// What the verdict follows.
    pub gate_on: Vec<GateOn>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.05,
            thresholds: Vec::new(),
            min_impact_ns: 1_000,
            draws: 2_000,
            gate_on: GateOn::ALL.to_vec(),
        }
    }
}

impl Options {
    pub(super) fn threshold(&self, category: Category) -> f64 {
        let own = self.thresholds.iter().find(|(of, _)| *of == category);
        own.map_or(self.threshold, |(_, threshold)| *threshold)
    }
}
