//! The least that a decode step can take, beside what it took.

use serde::Serialize;

use crate::classify::Category;

/// The least that a decode step can take, beside what it took.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Floor {
    /// The GPU.
    pub gpu: &'static str,
    /// Peak bandwidth of its HBM in bytes a nanosecond, that is GB/s.
    pub hbm_bytes_per_ns: f64,
    /// Where that figure is from.
    pub source: &'static str,
    /// `model_type` of the configuration.
    pub model: String,
    /// Ranks that share the weights.
    pub tensor_parallel: u32,
    /// Requests in a step.
    pub batch: u32,
    /// Tokens of KV cache a request; `None`: left out.
    pub context: Option<u32>,
    /// What a step reads on one rank.
    pub bytes_per_step: u64,
    /// The time that takes at full bandwidth.
    pub floor_ns_per_step: u64,
    /// Mean wall time of a step.
    pub measured_ns_per_step: u64,
    /// Measured over floor.
    pub times_floor: f64,
    /// The same by category; only those that read something.
    pub categories: Vec<FloorRow>,
    /// What is read, by part of the model.
    pub parts: Vec<FloorPart>,
    /// What was assumed.
    pub assumptions: Vec<String>,
}

/// A category against its floor.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FloorRow {
    /// Which.
    pub name: Category,
    /// Bytes a step on one rank.
    pub bytes_per_step: u64,
    /// At full bandwidth.
    pub floor_ns_per_step: u64,
    /// Mean wall time that it held a step up.
    pub critical_ns_per_step: Option<u64>,
    /// Mean GPU time a step on one rank.
    pub gpu_ns_per_step: u64,
    /// GPU time over floor: how far its kernels are from the memory's speed.
    pub times_floor: f64,
}

/// Bytes of a part of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FloorPart {
    /// In words.
    pub name: &'static str,
    /// Whose time it is.
    pub category: Category,
    /// Bytes a step on one rank.
    pub bytes_per_step: u64,
}
