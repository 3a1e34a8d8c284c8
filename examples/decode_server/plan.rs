//! What the server does, step by step, and how long each kernel takes: all of it decided by the seed, with integers, so that
//! every rank, every process and the Python server decide alike.

use crate::model::{Kernel, Model, Sequence};
use crate::options::{Markers, Options};

/// A step of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its number, over all steps.
    pub number: u64,
    /// Requests that decode one token.
    pub decoding: u64,
    /// Requests that are prefilled.
    pub prefilling: u64,
    /// Tokens of those.
    pub tokens: u64,
    /// Whether the server is still warming up.
    pub warmup: bool,
}

/// The steps in their order: warm-up and decode, with prefill in between.
pub(crate) fn steps(options: &Options) -> impl Iterator<Item = Step> {
    let (seed, batch, markers) = (options.seed, options.batch.max(1), options.markers);
    let (every, warmup) = (options.prefill_every, options.warmup);
    let total = if options.steps == 0 { u64::MAX } else { options.steps + warmup };
    let mut number = 0;
    (0..total).flat_map(move |index| {
        let decoding = batch - random(seed, index, 1, 0) % (batch / 8 + 1);
        let mut found = [None, None];
        if every > 0 && index % every == 0 {
            let prefilling = 1 + random(seed, index, 2, 0) % 4;
            let tokens = prefilling * (256 + random(seed, index, 3, 0) % 1024);
            // ATOM never mixes.
            let mixed = index / every % 2 == 1 && markers != Markers::Atom;
            let decoding = if mixed { decoding } else { 0 };
            found[0] = Some(Step { number, decoding, prefilling, tokens, warmup: index < warmup });
            number += 1;
        }
        found[1] = Some(Step { number, decoding, prefilling: 0, tokens: 0, warmup: index < warmup });
        number += 1;
        found.into_iter().flatten()
    })
}

impl Step {
    /// The marker's text; none for steps that an engine does not mark.
    pub(crate) fn label(&self, markers: Markers, bucket: u64, eager: bool) -> Option<String> {
        let Self { decoding, prefilling, tokens, .. } = *self;
        Some(match (markers, prefilling) {
            (Markers::None, _) => return None,
            (Markers::Vllm, _) => {
                format!("execute_context_{prefilling}({tokens})_generation_{decoding}({decoding})")
            }
            (Markers::Sglang, 0) => format!("step[DECODE bs={decoding}]"),
            (Markers::Sglang, _) if decoding > 0 => format!("step[MIXED bs={}]", decoding + prefilling),
            (Markers::Sglang, _) => format!("step[EXTEND bs={prefilling} toks={tokens}]"),
            (Markers::Atom, 0) => {
                let padded = if bucket == decoding { String::new() } else { format!("/{bucket}") };
                let eager = if eager { "eager_" } else { "" };
                format!("{eager}decode[bs={decoding}{padded} tok={decoding} p=0 d={decoding}]")
            }
            (Markers::Atom, _) => format!("prefill[bs={prefilling} tok={tokens} ctx=0]"),
        })
    }
}

/// The same inputs give the same number everywhere (SplitMix64's finaliser over a mix of them).
pub(crate) fn random(seed: u64, a: u64, b: u64, c: u64) -> u64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(a.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_add(b.wrapping_mul(0x94d0_49bb_1331_11eb))
        .wrapping_add(c.wrapping_mul(0xd6e8_feb8_6659_fd93));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Durations of kernels.
#[derive(Debug)]
pub(crate) struct Durations<'a> {
    pub options: &'a Options,
    pub model: &'a Model,
}

impl Durations<'_> {
    /// How long a step's kernels run on a rank, for a batch padded to `bucket`.
    pub(crate) fn of(&self, kernels: &[Kernel], step: &Step, rank: usize, bucket: u64, offset: usize) -> Vec<u64> {
        let numbered = kernels.iter().enumerate();
        numbered.map(|(index, kernel)| self.one(kernel, step, rank, bucket, offset + index)).collect()
    }

    fn one(&self, kernel: &Kernel, step: &Step, rank: usize, bucket: u64, index: usize) -> u64 {
        let mut ns = kernel.duration_ns;
        if kernel.grows {
            ns = if step.prefilling == 0 {
                ns * (3 * self.model.batch + 7 * bucket) / (10 * self.model.batch)
            } else {
                ns * (step.tokens + step.decoding).max(64) / self.model.prompt_tokens
            };
        }
        if kernel.sharded {
            ns = ns * (1000.0 * (self.options.tp as f64).powf(-0.75)).round() as u64 / 1000;
        }
        if step.warmup {
            ns = ns * 3 / 2;
        }
        for (name, factor) in &self.options.slow_kernel {
            if kernel.name.contains(name.as_str()) {
                ns = ns * factor / 1000;
            }
        }
        // A collective takes the same time on all ranks, from the last arrival on.
        let rank = if kernel.collective { 0 } else { rank };
        for (straggler, factor) in &self.options.straggler {
            if !kernel.collective && *straggler == rank.to_string() {
                ns = ns * factor / 1000;
            }
        }
        ns * (980 + random(self.options.seed, step.number, rank as u64, index as u64 + 16) % 41) / 1000
    }

    /// For ranks in processes of their own: to the durations of a rank's collectives, adds how long they wait there for the
    /// others. (Ranks in one process wait for each other on the simulated GPUs.)
    pub(crate) fn add_waits(
        &self,
        own: &mut [u64],
        kernels: &[Kernel],
        step: &Step,
        rank: usize,
        bucket: u64,
        offset: usize,
    ) {
        let ranks: Vec<Vec<u64>> =
            (0..self.options.tp).map(|rank| self.of(kernels, step, rank, bucket, offset)).collect();
        let mut since = vec![0; ranks.len()];
        for (index, kernel) in kernels.iter().enumerate() {
            if kernel.collective {
                let last = since.iter().copied().max().unwrap_or(0);
                own[index] += last - since[rank];
                since.fill(0);
            } else {
                for (since, durations) in since.iter_mut().zip(&ranks) {
                    *since += durations[index];
                }
            }
        }
    }
}

/// A contiguous part of a forward pass: one graph, or kernels that are launched one by one.
pub(crate) fn pieces(sequence: &Sequence, piecewise: bool) -> Vec<(std::ops::Range<usize>, bool)> {
    let kernels = &sequence.forward;
    if !piecewise {
        return vec![(0..kernels.len(), true)];
    }
    let mut pieces: Vec<(std::ops::Range<usize>, bool)> = Vec::new();
    for (index, kernel) in kernels.iter().enumerate() {
        match pieces.last_mut() {
            Some((range, graph)) if *graph != kernel.attention => range.end = index + 1,
            _ => pieces.push((index..index + 1, !kernel.attention)),
        }
    }
    pieces
}
