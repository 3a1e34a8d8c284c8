//! Which kernels a pass of a model launches, and which of them a graph replays.

use super::Situation;
use crate::server::Random;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Graphs {
    /// Decode is one graph; passes of prompts are eager.
    Full,
    /// Every pass is pieces with eager attention between them.
    Piecewise,
    /// Decode is one graph; passes with prompts are pieces with eager attention between them.
    FullAndPiecewise,
    /// None.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attention {
    /// One kernel for prompts, another over a cache.
    Two,
    /// One for both.
    One,
}

/// Where a kernel goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Main,
    Sampler,
    Transfer,
}

#[derive(Clone, Debug)]
pub struct Kernel {
    pub name: String,
    pub stream: Stream,
    pub ns: u64,
    pub graph: Option<u64>,
    /// Small work between two passes of the model: where one step ends and the next begins in it, only a pause tells.
    pub is_glue: bool,
}

/// What the requests of a pass are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    pub generating: u64,
    /// Tokens of prompts.
    pub prompts: u64,
}

#[derive(Clone, Debug)]
pub struct Engine {
    pub graphs: Graphs,
    pub attention: Attention,
    pub ranks: u32,
    pub layers: u64,
    /// Kernels of a layer's feed-forward part.
    pub width: u64,
    pub sampling: u64,
    /// The largest batch that a graph was captured for.
    pub largest: u64,
    /// Sampling has a stream of its own.
    pub samples_aside: bool,
    pub asynchronous: bool,
}

impl Engine {
    pub fn any(r: &mut Random, situation: Situation) -> Self {
        let graphs = match situation {
            Situation::Piecewise => Graphs::Piecewise,
            Situation::MixedEveryFifth => Graphs::FullAndPiecewise,
            Situation::EagerAboveLargest | Situation::SingleReplays | Situation::AdaptiveDrafts => Graphs::Full,
            _ => [Graphs::Full, Graphs::Full, Graphs::FullAndPiecewise, Graphs::Piecewise, Graphs::None]
                [r.below(5) as usize],
        };
        let ranks = match situation {
            Situation::SingleReplays => [1, 8][r.below(2) as usize],
            _ => [1, 1, 1, 2][r.below(4) as usize],
        };
        Self {
            graphs,
            attention: if r.chance(30) { Attention::One } else { Attention::Two },
            ranks,
            layers: r.between(4, 24),
            width: r.between(3, 8),
            sampling: r.between(3, 9),
            largest: 32,
            samples_aside: situation == Situation::SamplerAside,
            asynchronous: situation == Situation::SamplerAside || r.chance(25),
        }
    }

    fn tile(load: Load) -> u64 {
        match load {
            Load { prompts: 1.., .. } => 256,
            Load { generating: 0..=16, .. } => 16,
            Load { generating: 17..=32, .. } => 32,
            _ => 64,
        }
    }

    /// Input preparation: eager.
    pub fn head(&self) -> Vec<Kernel> {
        let names =
            ["_prepare_pos_seq_lens_kernel", "vectorized_elementwise_kernel_fill", "gather_block_tables_kernel"];
        let mut kernels: Vec<Kernel> = names.iter().map(|name| eager(name, 2_000)).collect();
        kernels.iter_mut().for_each(|kernel| kernel.is_glue = true);
        kernels.push(eager("void at::native::vectorized_gather_kernel<16, long>", 3_000));
        kernels
    }

    /// Attention of a pass.
    fn attention(&self, load: Load, scale: u64) -> Vec<Kernel> {
        let mut kernels = Vec::new();
        match (self.attention, load) {
            (Attention::One, _) => kernels.push(eager("kernel_unified_attention_2d", 12_000 * scale)),
            (Attention::Two, Load { generating, prompts }) => {
                if prompts > 0 {
                    kernels.push(eager("_ZN7ck_tile6kentryI13FmhaFwdKernelE", 15_000 * scale));
                }
                if generating > 0 {
                    kernels.push(eager("paged_attention_ll4mi_QKV_mfma16_kernel", 9_000));
                    kernels.push(eager("paged_attention_ll4mi_reduce_kernel", 3_000));
                }
            }
        }
        kernels
    }

    /// The layers and the output head of a pass.
    pub fn model(&self, load: Load) -> Vec<Kernel> {
        let tile = Self::tile(load);
        let scale = 1 + load.prompts / 64;
        let gemm = |what: &str, ns| eager(&format!("Cijk_Alik_Bljk_{what}_MT{tile}x{tile}x64_MI16x16x1"), ns * scale);
        let mut parts: Vec<(bool, Vec<Kernel>)> = Vec::new();
        for _ in 0..self.layers {
            let before = vec![
                eager("fused_add_rms_norm_kernel", 2_000 * scale),
                gemm("qkv", 9_000),
                eager("rotary_kernel", 2_000 * scale),
                eager("reshape_and_cache_flash_kernel", 2_000 * scale),
            ];
            let mut after = vec![gemm("o", 7_000)];
            if self.ranks > 1 {
                after.push(eager("cross_device_reduce_1stage", 5_000 * scale));
            }
            after.push(eager("fused_add_rms_norm_kernel", 2_000 * scale));
            after.extend((0..self.width).map(|i| match i % 3 {
                0 => gemm(&format!("ffn{i}"), 8_000),
                _ => eager(&format!("act_and_mul_kernel_{i}"), 2_000 * scale),
            }));
            parts.push((false, before));
            parts.push((true, self.attention(load, scale)));
            parts.push((false, after));
        }
        self.captured(load, tile, parts)
    }

    /// Puts into graphs what the engine replays. What follows one attention is in one piece with what precedes the next.
    fn captured(&self, load: Load, tile: u64, parts: Vec<(bool, Vec<Kernel>)>) -> Vec<Kernel> {
        let is_decode = load.prompts == 0;
        let fits = load.generating <= self.largest;
        let full = is_decode && fits && matches!(self.graphs, Graphs::Full | Graphs::FullAndPiecewise);
        let pieces = match self.graphs {
            Graphs::Piecewise => is_decode && fits || load.prompts <= 512,
            Graphs::FullAndPiecewise => !is_decode && load.prompts <= 512,
            Graphs::Full | Graphs::None => false,
        };
        let bucket = if is_decode { load.generating.next_multiple_of(8) } else { 1_000 };
        let mut graph = bucket * 10_000 + tile;
        let mut kernels = Vec::new();
        for (attends, part) in parts {
            graph += u64::from(attends && pieces);
            let inside = full || (pieces && !attends);
            kernels.extend(part.into_iter().map(|k| Kernel { graph: inside.then_some(graph), ..k }));
        }
        kernels
    }

    /// From hidden states to tokens: eager.
    pub fn sampling(&self) -> Vec<Kernel> {
        let stream = if self.samples_aside { Stream::Sampler } else { Stream::Main };
        let mut kernels = vec![eager("index_select_hidden_kernel", 2_000), eager("Cijk_lm_head_MT128x128x64", 30_000)];
        for i in 0..self.sampling {
            let name = match i {
                0 => "_apply_temperature_kernel".to_owned(),
                1 => "void at::native::reduce_kernel_argmax<512>".to_owned(),
                i => format!("vectorized_elementwise_kernel_copy_{}", i % 4),
            };
            kernels.push(Kernel { stream, is_glue: i > 1, ..eager(&name, 3_000) });
        }
        kernels
    }

    /// One pass of a draft model.
    pub fn draft(&self) -> Vec<Kernel> {
        let names = [
            "draft_prepare_kernel",
            "fused_rms_norm_draft_kernel",
            "Cijk_draft_qkv_MT16x16x64",
            "paged_attention_ll4mi_QKV_mfma16_kernel",
            "Cijk_draft_o_MT16x16x64",
            "Cijk_draft_ffn_MT16x16x64",
            "draft_argmax_kernel",
        ];
        names.iter().map(|name| eager(name, 4_000)).collect()
    }
}

pub fn eager(name: &str, ns: u64) -> Kernel {
    Kernel { name: name.to_owned(), stream: Stream::Main, ns, graph: None, is_glue: false }
}
