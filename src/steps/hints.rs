//! What kernel names tell of a step, beyond being the same or not.
//!
//! Little is asked here, and only where order and time do not answer: does this kernel stand at a step's beginning or
//! end, is this attention over prompts or over a cache, do all ranks meet in it, is it of training. What a kernel is
//! *for* is the business of [`classify`](crate::classify).

use super::sequence::Hint;
use crate::model::Names;

/// Parts of names that look up embeddings.
const HEAD: &[&str] = &["embedding", "indexselect", "index_select", "vocab_parallel", "embed_", "get_rows"];
/// Parts of names that sample.
const TAIL: &[&str] = &[
    "argmax",
    "sampl",
    "multinomial",
    "top_p",
    "topp",
    "top_k_mask",
    "apply_penalt",
    "cunn_softmax",
    "softmaxforward",
    "distribution_elementwise",
    "rejection_",
    "greedy",
];
/// Parts of names of attention over a cache.
const DECODE: &[&str] = &[
    "paged_attention",
    "pagedattention",
    "mla_decode",
    "decode_attn",
    "flash_decod",
    "flashdecod",
    "_fwd_grouped",
    "fwd_kernel_stage",
    "aiter::pa_",
    "pa_bf16",
    "pa_fp8",
    "pa_decode",
    "splitkv",
    "split_kv",
    "mha_decode",
    "decode",
];
/// Parts of names of attention over prompts.
const PREFILL: &[&str] = &[
    "fmhafwd",
    "fmha_fwd",
    "flash_attn_varlen",
    "context_attention",
    "prefill",
    "attn_fwd",
    "varlen_fwd",
    "groupmode",
];

/// Parts of names of all-reduces: kernels in which all tensor-parallel ranks meet.
const ALL_REDUCE: &[&str] = &["allreduce", "all_reduce", "cross_device_reduce", "quickreduce", "quick_reduce"];
/// Parts of names of kernels and operators that only training runs: gradients and what applies them.
const TRAINING: &[&str] = &[
    "backward",
    "bwd",
    "wgrad",
    "dgrad",
    "_wrw_",
    "grad_input",
    "grad_weight",
    "gradgammabeta",
    "optimizer.step",
    "fusedadam",
    "fused_adam",
    "adamw",
];

/// Which attention a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Attention {
    pub(super) decode: bool,
    pub(super) prefill: bool,
}

/// What each name of a table tells of its place in a step.
pub(super) fn places(names: &Names) -> Vec<Hint> {
    names
        .iter()
        .map(|(_, name)| {
            let name = name.to_ascii_lowercase();
            // Rotary embeddings are of every layer.
            match has(&name, HEAD) && !name.contains("rotary") {
                true => Hint::Head,
                false if has(&name, TAIL) => Hint::Tail,
                false => Hint::None,
            }
        })
        .collect()
}

/// What attention each name of a table is.
pub(super) fn attention(names: &Names) -> Vec<Attention> {
    names
        .iter()
        .map(|(_, name)| {
            let name = name.to_ascii_lowercase();
            let prefill = has(&name, PREFILL);
            Attention { decode: !prefill && has(&name, DECODE), prefill }
        })
        .collect()
}

/// Whether all ranks meet in each name of a table.
pub(super) fn all_reduce(names: &Names) -> Vec<bool> {
    names.iter().map(|(_, name)| has(&name.to_ascii_lowercase(), ALL_REDUCE)).collect()
}

/// Whether each name of a table is of training.
pub(super) fn training(names: &Names) -> Vec<bool> {
    names.iter().map(|(_, name)| has(&name.to_ascii_lowercase(), TRAINING)).collect()
}

fn has(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.contains(part))
}
