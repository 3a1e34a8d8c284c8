//! What could be done about it.

use serde::Serialize;

/// Something that could be done.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Advice {
    /// Stable identifier of the rule.
    pub id: &'static str,
    /// One line.
    pub title: String,
    /// What would be saved if the thing cost nothing: an upper bound, per step on one rank.
    pub saves_at_most_ns_per_step: u64,
    /// The same as a share of the mean wall time of a step: of the ITL where steps follow one another.
    pub share_of_itl: f64,
    /// What "nothing" means in that bound.
    pub bound: String,
    /// Other advice that claims some of the same time; the bounds of these do not add up.
    pub overlaps: Vec<&'static str>,
    /// The kernels that cost most of it, if kernels do, as the kernels table names them.
    pub kernels: Vec<String>,
    /// The rows of the report that it rests on.
    pub evidence: Vec<String>,
    /// What to do: the flag, table or command.
    pub action: String,
    /// How to see whether it helped.
    pub verify: String,
}
