//! The marker ranges of a trace, for whoever looks for the ones that are steps.

use serde::Serialize;

use crate::steps::Phase;

/// Name and version of the JSON contract.
pub const SCHEMA: &str = "profile-decode/markers/1";

/// The marker ranges of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Markers {
    /// Name and version of this contract.
    pub schema: &'static str,
    /// Ranges in all.
    pub ranges: u64,
    /// Ranges whose messages differ in numbers alone are one row; the most frequent first.
    pub markers: Vec<MarkerRow>,
}

/// Ranges with one message, whatever its numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MarkerRow {
    /// The message, each number in it a `#`.
    pub name: String,
    /// The first such message.
    pub example: String,
    /// Ranges.
    pub count: u64,
    /// Threads that opened them, as the producer numbers them.
    pub threads: Vec<u64>,
    /// Median time that they were open on the CPU.
    pub p50_ns: u64,
    /// The known label that it is, or `custom` by the pattern that was given; `null` where it names no step.
    pub label: Option<&'static str>,
    /// What the label says of the step.
    pub phase: Option<Phase>,
}
