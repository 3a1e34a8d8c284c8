//! The GPUs and streams of one process, in the order in which a reader meets them.

use crate::model::{ProcessIdx, Rank, RankIdx, StreamIdx, TraceBuilder};

/// Maps a producer's GPU and stream numbers to the model's. `K` is what the producer calls a GPU.
pub(super) struct Gpus<K> {
    process: ProcessIdx,
    ranks: Vec<(K, RankIdx)>,
    /// Where the last record ran: records of one stream mostly follow each other.
    last: Option<(K, u64, StreamIdx)>,
}

impl<K: Copy + PartialEq> Gpus<K> {
    /// No GPU of `process` yet.
    pub(super) fn new(process: ProcessIdx) -> Self {
        Self { process, ranks: Vec::new(), last: None }
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
        let known = self.ranks.iter().find(|(known, _)| *known == gpu).map(|&(_, rank)| rank);
        let rank = known.unwrap_or_else(|| {
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

    /// All GPUs met so far.
    pub(super) fn ranks(&self) -> &[(K, RankIdx)] {
        &self.ranks
    }
}
