//! How a quantity of two runs differs.

use serde::Serialize;

/// Which way something changed, if the change is real and large enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Slower.
    Regressed,
    /// Faster.
    Improved,
    /// Neither, as far as can be told.
    #[default]
    Same,
}

/// How a quantity changed.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Change {
    /// Median over the steps of the base (the mean, if it is 0 in most steps).
    pub base_ns_per_step: u64,
    /// The same of the new.
    pub new_ns_per_step: u64,
    /// Their difference; `None` if no batch was run by both sides.
    pub delta_ns: Option<i64>,
    /// Of the base; `None` where that is 0.
    pub delta_share: Option<f64>,
    /// By how much both sides alike grow from one end of their common stretch to the other, with the context or over the
    /// run: that is taken off, and the figures are those at its middle. `None`: nothing was.
    pub growth: Option<f64>,
    /// 95 % interval of the difference; `None` for too few steps.
    pub interval: Option<[i64; 2]>,
    /// What the two differ by when nothing changed.
    pub noise_floor_ns: Option<u64>,
    /// Probability of such a difference by chance, for this row alone.
    pub p_value: Option<f64>,
    /// Whether the difference is more than chance, all rows of the table considered.
    pub real: bool,
    /// Whether it is real, above the threshold and above the least impact.
    pub flag: Flag,
}
