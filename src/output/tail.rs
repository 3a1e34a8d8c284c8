//! The slowest steps of two runs.

use serde::Serialize;

use crate::output::change::{Change, Flag};

/// How the slowest steps changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TailChange {
    /// The 90th percentile of the step's time, for the same work. Its `base_ns_per_step` and `new_ns_per_step` are the
    /// percentiles.
    pub p90: Change,
    /// The 99th percentile.
    pub p99: Change,
    /// Steps that take much longer than their neighbours.
    pub outliers: Outliers,
}

/// How many steps stand out from their neighbours.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Outliers {
    /// A step stands out if it takes longer than this many times what its neighbours of the same batch take.
    pub bound: f64,
    /// How many do, of the base.
    pub base_steps: u64,
    /// How many do, of the new.
    pub new_steps: u64,
    /// Of the base's steps.
    pub base_share: f64,
    /// Of the new's steps.
    pub new_share: f64,
    /// What they add to the mean step of the base.
    pub base_ns_per_step: u64,
    /// What they add to the mean step of the new.
    pub new_ns_per_step: u64,
    /// Probability, by chance, of the sides sharing them so unevenly; those that come together count once.
    pub p_value: Option<f64>,
    /// Whether that is more than chance.
    pub real: bool,
    /// Whether it is real and costs more than the least impact.
    pub flag: Flag,
    /// Those of the new that lose most, the worst first.
    pub steps: Vec<SlowStep>,
}

/// A step that takes much longer than its neighbours.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SlowStep {
    /// The run, from 0.
    pub run: u32,
    /// The step's number in its run.
    pub number: u32,
    /// How long it took.
    pub ns: u64,
    /// How long its neighbours take.
    pub usual_ns: u64,
    /// A category or `idle`: what of the step took most of the time that it lost.
    pub part: &'static str,
    /// By how much that took longer than in its neighbours.
    pub part_ns: u64,
    /// The kernel of that category that took most longer than in its neighbours; `None` if the part is idle time.
    pub kernel: Option<String>,
    /// By how much it did, summed over the ranks.
    pub kernel_ns: u64,
    /// The rank whose own work took most longer, or, if the time was idle, that the others waited for. `None` for one rank,
    /// and where it cannot be told.
    pub rank: Option<u32>,
}
