//! What captures of the graphs tell of their replays, and how far.

use serde::Serialize;

use crate::model::Unjoined;

/// How captured graphs and replays fit together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Captured {
    /// Kernel executions in scope whose node in a captured graph is known: of a capture trace with its operator; of a capture
    /// that the tracer saw in the process, with what else was told of it.
    pub joined: u64,
    /// Kernel executions in scope.
    pub of: u64,
    /// Graph launches of the trace that a captured graph fits.
    pub joined_launches: u64,
    /// Graph launches of the trace.
    pub of_launches: u64,
    /// The captured graphs: one row for those of one file, label and size.
    pub graphs: Vec<GraphRow>,
    /// Kernels in scope that did not join, by reason and count.
    pub not_joined: Vec<NotJoined>,
    /// Launches whose kernels carried the times of others, as the order of capture shows.
    pub displaced_launches: u64,
    /// Kernels of these that got the name back that belongs to their time, since the order of capture settles it.
    pub names_put_right: u64,
    /// Launches of that kind where it settles nothing.
    pub unsettled_launches: u64,
}

/// Graphs that one file shows being captured under one label.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GraphRow {
    /// The file: a capture trace, or the capture of the process that captured them.
    pub path: String,
    /// The rank that captured them, where known.
    pub rank: Option<u32>,
    /// The engine's label, such as `capture_32_FULL`.
    pub label: Option<String>,
    /// Tokens or requests that they were captured for.
    pub size: Option<u32>,
    /// How many: one where the whole step is a graph, more where it is captured in pieces.
    pub graphs: u64,
    /// Their kernels, copies and fills left out.
    pub kernels: u64,
    /// Graph launches that they fit; one that several graphs fit alike counts for each.
    pub launches: u64,
}

/// A kernel whose executions did not join.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NotJoined {
    /// As the producer wrote it.
    pub name: String,
    /// Why.
    pub reason: Unjoined,
    /// Executions.
    pub count: u64,
}
