//! What a step waits for: a partition of its wall time, on one GPU and across ranks.

pub(crate) mod across_ranks;
pub(crate) mod breakdown;
pub(crate) mod one_gpu;
mod sweep;
