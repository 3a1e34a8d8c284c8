//! Attention and its KV cache.

use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Action, Find, Rule};
use crate::classify::Category;

const ATTENTION: Pick = any(Category::Attention);
const OTHER: Pick = any(Category::Other);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "mla-reduce",
        title: "Merging the KV splits of MLA holds decode up for {share} of its wall time",
        find: Find::Kernels(&[ATTENTION.kinds(&["reduce/merge"]).named(&["mla", "stage2"])]),
        threshold: 0.03,
        bound: "the splits were merged inside the attention kernel",
        action: Action {
            any: "Splits fill idle compute units at small batches and cost a merge each. Fewer splits (larger batches a \
                  GPU, data-parallel instead of tensor-parallel attention) or a persistent kernel that plans its own \
                  splits need less merging.",
            vllm: "--attention-backend ROCM_AITER_MLA with VLLM_ROCM_USE_AITER=1 and VLLM_ROCM_USE_AITER_MLA=1.",
            sglang: "--attention-backend aiter with SGLANG_USE_AITER=1 and SGLANG_AITER_MLA_PERSIST=1; \
                     --enable-dp-attention.",
            atom: "--enable-dp-attention.",
        },
        verify: "reduce/merge in the attention table has fallen by more than mla_decode has grown.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "attention-reduce",
        title: "Merging the partitions of paged attention holds decode up for {share} of its wall time",
        find: Find::Kernels(&[ATTENTION.kinds(&["reduce/merge"])]),
        threshold: 0.05,
        bound: "the partitions were merged inside the attention kernel",
        action: Action {
            any: "A kernel that needs no second pass at this context length, or plans its own splits, does without the \
                  merge.",
            vllm: "--attention-backend ROCM_AITER_FA with VLLM_ROCM_USE_AITER=1.",
            sglang: "--attention-backend aiter (or --decode-attention-backend aiter) with SGLANG_USE_AITER=1.",
            atom: "",
        },
        verify: "reduce/merge in the attention table has fallen by more than mha_decode has grown.",
        yields_to: &["mla-reduce"],
        about_trust: false,
    },
    Rule {
        id: "attention-triton",
        title: "Triton attention holds decode up for {share} of its wall time",
        find: Find::Kernels(&[ATTENTION.kinds(&["mha_decode/paged", "mla_decode"]).by(&["triton"])]),
        threshold: 0.10,
        bound: "these kernels cost nothing",
        action: Action {
            any: "aiter has assembly and CK decode attention for most head sizes (MHA, GQA, MLA).",
            vllm: "VLLM_ROCM_USE_AITER=1 with --attention-backend ROCM_AITER_FA, for MLA ROCM_AITER_MLA \
                   (VLLM_ATTENTION_BACKEND before that flag came).",
            sglang: "--attention-backend aiter (or --decode-attention-backend aiter) with SGLANG_USE_AITER=1.",
            atom: "leave ATOM_USE_UNIFIED_ATTN unset.",
        },
        verify: "The attention kernels' backend is asm or ck, and Attention's critical time has fallen at the same context \
                 length.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "kv-cache-write-unfused",
        title: "RoPE and the KV cache write, each a kernel of its own, hold decode up for {share} of its wall time",
        find: Find::KernelsIf(
            |evidence| evidence.kernels.iter().any(|kernel| CACHE_WRITE.holds(evidence, kernel)),
            &[CACHE_WRITE, ROPE, QK_NORM],
        ),
        threshold: 0.06,
        bound: "RoPE, QK norm and the cache write came with the kernels around them",
        action: Action {
            any: "One kernel can do RoPE and write the cache, QK norm and quantization included.",
            vllm: "--compilation-config '{\"pass_config\": {\"fuse_rope_kvcache\": true}}' with VLLM_ROCM_USE_AITER=1 \
                   (newer versions: fuse_qk_norm_rope_kvcache; MLA: fuse_rope_kvcache_cat_mla).",
            sglang: "SGLANG_USE_AITER=1; --enable-fused-qk-norm-rope where the model supports it.",
            atom: "ATOM_ENABLE_QK_NORM_ROPE_CACHE_QUANT_FUSION=1 (Qwen3).",
        },
        verify: "The kernels are replaced by one of kind kv_cache_write/rope whose name says both.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "attention-metadata",
        title: "Preparing attention's metadata holds decode up for {share} of its wall time",
        find: Find::Kernels(&[ATTENTION.kinds(&["metadata"])]),
        threshold: 0.03,
        bound: "the metadata cost nothing",
        action: Action::any(
            "Block tables and split plans change once a step, not once a layer: see in the kernels table how often these \
             run a step. If once a layer, a version of the backend that shares the plan between layers helps; if once \
             a step, only larger steps amortize it.",
        ),
        verify: "Executions a step of kind metadata have fallen to one or a few.",
        yields_to: &[],
        about_trust: false,
    },
];

/// Writes the KV cache and does nothing else.
const CACHE_WRITE: Pick = ATTENTION
    .kinds(&["kv_cache_write/rope"])
    .named(&["reshape_and_cache", "concat_and_cache", "cache"])
    .not_named(&["rope", "rotary", "norm"])
    .at_least_a_step(2.0);
const ROPE: Pick = OTHER.kinds(&["rope"]).at_least_a_step(2.0);
/// A norm right before RoPE is that of Q or K.
const QK_NORM: Pick = OTHER.kinds(&["norm"]).followed_by(&[ROPE]).at_least_a_step(2.0);
