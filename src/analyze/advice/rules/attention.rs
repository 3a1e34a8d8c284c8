//! Attention and its KV cache.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::Finding;
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Find, Rule, far_from_floor};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
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
        ways: &[
            everywhere(
                "Splits fill idle compute units at small batches and cost a merge each. Fewer splits (larger \
                 batches a GPU, data-parallel instead of tensor-parallel attention) or a persistent kernel that \
                 plans its own splits need less merging.",
            ),
            vllm("VLLM_ROCM_USE_AITER=1 makes ROCM_AITER_MLA the first choice, which plans its splits."),
            sglang(
                "SGLANG_AITER_MLA_PERSIST is on by default; if it is off, that is why splits are not planned. \
                 SGLANG_AITER_MLA_AUTO_KV_SPLITS=1 lets aiter choose their number; --attn-dp-size (before: \
                 --enable-dp-attention).",
            ),
            atom("--enable-dp-attention."),
        ],
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
        ways: &[
            everywhere(
                "A kernel that needs no second pass at this context length, or plans its own splits, does without \
                 the merge.",
            ),
            vllm("VLLM_ROCM_USE_AITER=1 with --attention-backend ROCM_AITER_FA."),
            sglang(
                "--attention-backend aiter is the default for most models on these GPUs: see in the log whether \
                 another one was asked for.",
            ),
        ],
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
        ways: &[
            everywhere("aiter has assembly and CK decode attention for most head sizes (MHA, GQA, MLA)."),
            vllm(
                "VLLM_ROCM_USE_AITER=1 with --attention-backend ROCM_AITER_FA; for MLA ROCM_AITER_MLA, the first \
                 choice then.",
            ),
            sglang(
                "--attention-backend aiter is the default for MHA and GQA, and for MLA with 16 or 128 heads a \
                 rank: see in the log whether another one was asked for (--decode-attention-backend goes first).",
            ),
            atom("leave ATOM_USE_UNIFIED_ATTN and ATOM_USE_TRITON_MLA unset."),
        ],
        verify: "The attention kernels' backend is asm or ck, and Attention's critical time has fallen at the same context \
                 length.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "attention-kv-16bit",
        title: "Attention reads a 16-bit KV cache for {share} of the decode wall time",
        find: Find::Ask(wide_cache),
        threshold: 0.15,
        bound: "an FP8 cache halved what these kernels read",
        ways: &[
            everywhere("A cache in FP8 has half the bytes; check the model's accuracy with it."),
            vllm("--kv-cache-dtype fp8."),
            sglang("--kv-cache-dtype fp8_e4m3."),
            atom("--kv_cache_dtype fp8."),
        ],
        verify: "The attention kernels' names tell FP8, and Attention's critical time has fallen at the same context \
             length.",
        yields_to: &["attention-triton"],
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
        ways: &[
            everywhere("One kernel can do RoPE and write the cache, QK norm and quantization included."),
            vllm(
                "--compilation-config '{\"pass_config\": {\"fuse_rope_kvcache\": true}}' with \
                 VLLM_ROCM_USE_AITER=1; for models that normalise Q and K fuse_qk_norm_rope_kvcache. Both serve \
                 no more than 256 tokens a step unless rope_kvcache_fusion_max_token_num is larger.",
            ),
            sglang("SGLANG_USE_AITER=1; --enable-fused-qk-norm-rope for Qwen3 MoE."),
            atom(
                "ATOM_ENABLE_QK_NORM_ROPE_CACHE_QUANT_FUSION=1 (off by default; Qwen3, Qwen3-Next, GLM4 MoE, \
                 gpt-oss).",
            ),
        ],
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
        ways: &[everywhere(
            "Block tables and split plans change once a step, not once a layer: see in the kernels table how often these \
             run a step. If once a layer, a version of the backend that shares the plan between layers helps; if once \
             a step, only larger steps amortize it.",
        )],
        verify: "Executions a step of kind metadata have fallen to one or a few.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "attention-far-from-floor",
        title: "Attention takes {it} times what reading the KV cache takes",
        find: Find::Ask(|evidence| far_from_floor(evidence, ATTENTION, Category::Attention)),
        threshold: 0.10,
        bound: "Attention read the KV cache at the full bandwidth of the HBM",
        ways: &[
            everywhere(
                "At small batches or short contexts few compute units are busy: a backend that splits the cache more finely, \
                 or larger batches a GPU, come nearer.",
            ),
            vllm("VLLM_ROCM_USE_AITER=1 with --attention-backend ROCM_AITER_FA; for MLA ROCM_AITER_MLA."),
            sglang("SGLANG_AITER_MLA_AUTO_KV_SPLITS=1 for MLA lets aiter choose the number of splits."),
        ],
        verify: "Attention's distance to the floor has shrunk at the same context length.",
        yields_to: &[
            "mla-reduce",
            "attention-reduce",
            "attention-triton",
            "kv-cache-write-unfused",
            "attention-metadata",
        ],
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
/// Decode attention whose name tells a cache of 16 bits.
const WIDE: Pick = ATTENTION
    .kinds(&["mha_decode/paged", "mla_decode"])
    .not_named(&["fp8", "f8", "a8w8"])
    .only(|_, kernel| kernel.row.dtype.as_deref().is_some_and(|dtype| ["bf16", "fp16"].contains(&dtype)));

fn wide_cache(evidence: &Evidence<'_>) -> Option<Finding> {
    let mut finding = crate::analyze::advice::rules::kernels(evidence, &[WIDE]);
    finding.cap(finding.ns() / 2);
    Some(finding)
}
