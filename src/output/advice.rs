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
    /// Whether it is about how far the report can be believed, not about time. Such advice comes last.
    pub about_trust: bool,
    /// Other advice that claims some of the same time; the bounds of these do not add up.
    pub overlaps: Vec<&'static str>,
    /// The kernels that cost most of it, if kernels do, as the kernels table names them.
    pub kernels: Vec<String>,
    /// The rows of the report that it rests on.
    pub evidence: Vec<String>,
    /// What to do: the flag, table or command. Empty nowhere: what leaves nothing to do is no advice.
    pub action: String,
    /// The versions of other projects against which the flags, variables and files in `action` were looked up.
    pub checked: Vec<&'static str>,
    /// Other ways to save mostly the same time, the largest first.
    pub alternatives: Vec<Alternative>,
    /// How to see whether it helped.
    pub verify: String,
}

/// Another way to save mostly the same time as the advice that it is listed under.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Alternative {
    /// Stable identifier of its rule.
    pub id: &'static str,
    /// One line.
    pub title: String,
    /// What to do.
    pub action: String,
}
