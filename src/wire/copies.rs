//! The GPUs to which copies belong.
//!
//! A copy names two agents, and the order of records tells nothing of which of them the process computes on: so copies are
//! kept until all is read. A copy between two GPUs is the destination's, where that is one of the process's own, else the
//! source's: a rank that reads a peer's memory does not make that peer one of its ranks. A copy between agents on which the
//! process ran no kernel says nothing of a step, and is left out.

use super::frames::integers;
use super::records::copy_kind;
use crate::model::{CopyKind, RankIdx, StreamIdx, TraceBuilder};

/// The stream of copies: the SDK does not tell their queue, and numbers queues from 1.
const NO_QUEUE: u64 = 0;

/// Copies on their way into a trace.
#[derive(Default, Debug)]
pub(super) struct Copies {
    records: Vec<[u64; 8]>,
}

impl Copies {
    /// Takes one record; answers when it ended.
    pub(super) fn add(&mut self, record: &[u8]) -> Option<u64> {
        let (record, _) = integers::<8>(record)?;
        self.records.push(record);
        Some(record[1])
    }

    /// Gives them to the trace; `rank` tells the rank of an agent that ran kernels.
    pub(super) fn place(self, builder: &mut TraceBuilder, rank: impl Fn(u64) -> Option<RankIdx>) {
        let mut streams: Vec<(RankIdx, StreamIdx)> = Vec::new();
        for [start_ns, end_ns, bytes, direction, destination, source, _range, correlation] in self.records {
            let kind = copy_kind(direction);
            let [first, second] =
                if kind == CopyKind::DeviceToHost { [source, destination] } else { [destination, source] };
            let Some(rank) = rank(first).or_else(|| rank(second)) else { continue };
            let known = streams.iter().find(|(of, _)| *of == rank).map(|&(_, stream)| stream);
            let stream = known.unwrap_or_else(|| {
                let stream = builder.stream(rank, NO_QUEUE);
                streams.push((rank, stream));
                stream
            });
            builder.copy(start_ns as i64, end_ns as i64, kind, stream, Some(bytes), Some(correlation));
        }
    }
}
