//! What is kept of captured graphs, and within which bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wire::{GraphNode, GraphRecord, NodeKernel};

/// What is kept at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::capture) struct Bounds {
    /// Nodes of all graphs that are kept.
    pub(in crate::capture) nodes: usize,
    /// Graphs that are kept.
    pub(in crate::capture) graphs: usize,
}

/// What is kept at the moment.
#[derive(Default, Debug)]
pub(super) struct Kept {
    pub(super) nodes: AtomicUsize,
    pub(super) graphs: AtomicUsize,
}

/// A captured graph.
#[derive(Debug)]
pub(in crate::capture) struct Graph {
    pub(super) record: GraphRecord,
    pub(super) kept: Arc<Kept>,
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.kept.nodes.fetch_sub(self.record.nodes.len(), Ordering::Relaxed);
        self.kept.graphs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What could not be kept or named so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::capture) struct Missed {
    /// Graphs that were given up for want of room, and their nodes.
    pub(in crate::capture) graphs: u64,
    pub(in crate::capture) nodes: u64,
    /// Kernels of captured graphs whose names nobody told.
    pub(in crate::capture) unnamed: u64,
}

/// A stream, as captures tell them apart: a thread's own is not another thread's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in crate::capture) struct Stream(u64, u64);

/// What HIP takes for the thread's own stream.
const PER_THREAD: u64 = 2;

impl Stream {
    /// The one that a call on `thread` means. `per_thread`: whether no stream means the thread's own there.
    pub(in crate::capture) fn of(stream: u64, thread: u64, per_thread: bool) -> Self {
        if stream == PER_THREAD || (per_thread && stream == 0) { Self(PER_THREAD, thread) } else { Self(stream, 0) }
    }
}

/// Where and when a call was made.
#[derive(Clone, Copy, Debug)]
pub(in crate::capture) struct Caller {
    /// OS thread.
    pub(in crate::capture) thread: u64,
    /// `CLOCK_BOOTTIME`.
    pub(in crate::capture) at_ns: u64,
}

/// A node with nothing in it.
pub(super) fn empty() -> GraphNode {
    GraphNode {
        kernel: NodeKernel::Memory,
        stream: 0,
        block: [0; 3],
        grid: [0; 3],
        lds: 0,
        mark: 0,
        within: 0,
        after_us: 0,
        thread: 0,
    }
}
