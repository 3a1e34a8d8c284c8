//! The GPUs and streams of one process, in the order in which a reader meets them.

use std::collections::HashMap;
use std::hash::Hash;

use crate::model::{ProcessIdx, Rank, RankIdx, StreamIdx, TraceBuilder};

/// More streams of one process than this are none that a program made: some producers give launches without a stream of
/// their own a new number each.
const MANY: usize = 64;

/// Maps a producer's GPU and stream numbers to the model's. `K` is what the producer calls a GPU.
pub(super) struct Gpus<K> {
    process: ProcessIdx,
    ranks: Vec<(K, RankIdx)>,
    /// The ranks by their producer's name.
    by_name: HashMap<K, RankIdx>,
    /// Where the last record ran: records of one stream mostly follow each other.
    last: Option<(K, u64, StreamIdx)>,
    /// The queue of each stream, where both are known.
    queues: HashMap<StreamIdx, (K, u64)>,
}

impl<K: Copy + Eq + Hash> Gpus<K> {
    /// No GPU of `process` yet.
    pub(super) fn new(process: ProcessIdx) -> Self {
        Self { process, ranks: Vec::new(), by_name: HashMap::new(), last: None, queues: HashMap::new() }
    }

    /// The process whose GPUs these are.
    pub(super) fn process(&self) -> ProcessIdx {
        self.process
    }

    /// The stream `id` of `gpu`. Both are added to the model when they are new; what is known of the GPU besides can be
    /// filled in later, see [`ranks`](Self::ranks).
    pub(super) fn stream(&mut self, builder: &mut TraceBuilder, gpu: K, id: u64) -> StreamIdx {
        if let Some((last_gpu, last_id, stream)) = self.last
            && last_gpu == gpu
            && last_id == id
        {
            return stream;
        }
        let rank = *self.by_name.entry(gpu).or_insert_with(|| {
            let process = self.process;
            let rank = Rank { process, number: None, world_size: None, device: None, gpu: None, arch: None };
            let rank = builder.rank(rank);
            self.ranks.push((gpu, rank));
            rank
        });
        let stream = builder.stream(rank, id);
        self.last = Some((gpu, id, stream));
        stream
    }

    /// Where a record ran that tells its stream, its hardware queue, or both: its stream, but for producers whose streams
    /// are too many to be streams, its queue. [`fold`](Self::fold) must follow.
    pub(super) fn place(
        &mut self,
        builder: &mut TraceBuilder,
        gpu: K,
        stream: Option<u64>,
        queue: Option<u64>,
    ) -> StreamIdx {
        let (Some(id), Some(queue)) = (stream, queue) else {
            return self.stream(builder, gpu, stream.or(queue).unwrap_or(0));
        };
        if self.queues.len() > MANY {
            return self.stream(builder, gpu, queue);
        }
        let is_last = |(last_gpu, last_id, _)| last_gpu == gpu && last_id == id;
        let is_known = self.last.is_some_and(is_last);
        let found = self.stream(builder, gpu, id);
        if !is_known {
            self.queues.entry(found).or_insert((gpu, queue));
        }
        found
    }

    /// Moves what was placed on streams to their queues, if the streams turned out to be too many.
    pub(super) fn fold(&mut self, builder: &mut TraceBuilder) {
        if self.queues.len() > MANY {
            let queues = std::mem::take(&mut self.queues);
            let moved =
                queues.into_iter().map(|(from, (gpu, queue))| (from, self.stream(builder, gpu, queue))).collect();
            builder.move_streams(&moved);
        }
    }

    /// All GPUs met so far.
    pub(super) fn ranks(&self) -> &[(K, RankIdx)] {
        &self.ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Format, Links, Process, Source};

    /// How many streams hold the dispatches of a process that gives each of `count` launches the stream that `stream_of`
    /// says, and one of two queues.
    fn streams_used(count: u64, stream_of: impl Fn(u64) -> u64) -> usize {
        let mut builder = TraceBuilder::new();
        let source = builder.source(Source { path: String::new(), format: Format::Rocpd });
        let process = builder.process(Process { source, pid: None, host: None, framework: None });
        let name = builder.names().intern("k");
        let mut gpus = Gpus::new(process);
        for at in 0..count {
            let stream = gpus.place(&mut builder, 0_i64, Some(stream_of(at)), Some(at % 2));
            let start = at as i64 * 10;
            builder.dispatch(start, start + 5, name, stream, Links::default());
        }
        gpus.fold(&mut builder);
        let trace = builder.finish();
        assert_eq!(trace.dispatches.len() as u64, count);
        let used: std::collections::HashSet<_> = trace.dispatches.iter().map(|dispatch| dispatch.stream).collect();
        used.len()
    }

    #[test]
    fn a_new_stream_for_each_launch_is_folded_to_the_queues_and_real_streams_are_kept() {
        assert_eq!(streams_used(1000, |at| at), 2);
        assert_eq!(streams_used(1000, |at| at % 7), 7);
    }
}
