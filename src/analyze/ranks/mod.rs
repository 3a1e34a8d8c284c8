//! The ranks of a run: where they meet, whether they share a clock, and who waits for whom.

pub(crate) mod clocks;
pub(crate) mod collectives;
pub(crate) mod skew;
