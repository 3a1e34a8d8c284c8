//! The ranks of a run: where they meet, whether they share a clock, and who waits for whom.

pub(crate) mod clocks;
pub(crate) mod collectives;
mod costs;
mod gathered;
mod groups;
mod matching;
mod partition;
pub(crate) mod skew;

#[cfg(test)]
mod tests;
