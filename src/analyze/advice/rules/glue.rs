//! What stands between the kernels that do the work: quantization, norms, casts, copies, small elementwise kernels.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::Finding;
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Find, Rule};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
use crate::classify::Category;

const OTHER: Pick = any(Category::Other);
const QUANT: Pick = any(Category::Quantization)
    .kinds(&[
        "fp8_per_tensor",
        "fp8_per_token",
        "fp8_group",
        "mxfp4_quant",
        "mxfp8_quant",
        "nvfp4_quant",
        "int8_quant",
        "fp8/int8_block_quant",
    ])
    .at_least_a_step(2.0);
const PRODUCTS: &[Pick] = &[any(Category::Gemm), any(Category::Moe)];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "quant-unfused",
        title: "Quantizing activations in kernels of their own before GEMMs holds decode up for {share} of its wall \
             time",
        find: Find::Kernels(&[QUANT.followed_by(PRODUCTS)]),
        threshold: 0.04,
        bound: "the kernel before each GEMM quantized its output",
        ways: &[
            everywhere(
                "Norm, activation and attention can write FP8 or FP4 themselves; a static scale needs no pass of its \
             own over the activations.",
            ),
            vllm(
                "with VLLM_ROCM_USE_AITER=1 fuse_norm_quant and fuse_act_quant are on: see the log's line \
                 `Enabled custom fusions`, and that neither --enforce-eager nor an optimization level of 0 turned \
                 compilation off. Without aiter: --compilation-config '{\"pass_config\": {\"fuse_norm_quant\": \
                 true, \"fuse_act_quant\": true}}'.",
            ),
            sglang("SGLANG_USE_AITER=1."),
            atom(
                "the fusions for DeepSeek and Llama are on by default: see that \
                 ATOM_ENABLE_DS_INPUT_RMSNORM_QUANT_FUSION, ATOM_ENABLE_DS_QKNORM_QUANT_FUSION, \
                 ATOM_LLAMA_ENABLE_AITER_TRITON_FUSED_RMSNORM_QUANT and \
                 ATOM_LLAMA_ENABLE_AITER_TRITON_FUSED_SILU_MUL_QUANT are not 0. Off by default: \
                 ATOM_ENABLE_QK_NORM_ROPE_CACHE_QUANT_FUSION=1 (Qwen3, Qwen3-Next, GLM4 MoE, gpt-oss).",
            ),
        ],
        verify: "Kernels of kind fused_norm_quant and fused_act_quant take the place of the standalone ones.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "dequant-per-step",
        title: "Weights are converted back in every step, which holds decode up for {share} of its wall time",
        find: Find::Kernels(&[any(Category::Quantization).kinds(&["dequant"])]),
        threshold: 0.02,
        bound: "the GEMMs read the weights as they are",
        ways: &[
            everywhere(
                "The GPU multiplies FP8 from gfx942 on and MXFP4, MXFP6 and MXFP8 from gfx950 on; a checkpoint in \
             another format is emulated. Take one that the GPU computes in.",
            ),
            vllm(
                "VLLM_MXFP4_EMULATION_DEQUANT_AT_LOAD=1 converts emulated MXFP4 once, at load, for four times the \
                 memory of the weights; for MXFP8 VLLM_MXFP8_EMULATION_DEQUANT_AT_LOAD does so unless it is 0.",
            )
            .on(&["gfx942"]),
        ],
        verify: "Kind dequant is gone from the quantization table.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "allreduce-norm-unfused",
        title: "Norms right after all-reduces hold decode up for {share} of its wall time",
        find: Find::Kernels(&[
            OTHER.kinds(&["norm"]).preceded_by(&[any(Category::Allreduce)]),
            any(Category::Quantization).kinds(&["fused_norm_quant"]).preceded_by(&[any(Category::Allreduce)]),
        ]),
        threshold: 0.04,
        bound: "the all-reduce applied the norm",
        ways: &[
            everywhere("aiter's fused all-reduce adds the residual and applies RMSNorm in the same kernel."),
            vllm(
                "with VLLM_ROCM_USE_AITER=1 and tensor parallelism fuse_allreduce_rms is on: see the log's line \
                 `Enabled custom fusions`, and that VLLM_ROCM_USE_AITER_CUSTOM_AR is not 0.",
            ),
            sglang("--enable-aiter-allreduce-fusion with SGLANG_USE_AITER=1."),
            atom(
                "ATOM_ENABLE_ALLREDUCE_RMSNORM_FUSION is on by default, for DeepSeek, Qwen3 MoE, Qwen3-Next, \
                 gpt-oss, GLM4 MoE and MiniMax-M2: see that it is not 0.",
            ),
        ],
        verify: "The collectives are of kind fused_allreduce_rmsnorm, and no norm follows them.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "norm-by-pytorch",
        title: "Norms made of PyTorch's own kernels hold decode up for {share} of its wall time",
        find: Find::Kernels(&[OTHER.kinds(&["norm"]).by(&["pytorch"]).at_least_a_step(2.0)]),
        threshold: 0.03,
        bound: "the norms cost nothing",
        ways: &[
            everywhere("One kernel adds the residual and applies RMSNorm."),
            vllm("VLLM_ROCM_USE_AITER=1 (VLLM_ROCM_USE_AITER_RMSNORM, on by default, turns its norms off)."),
            sglang("SGLANG_USE_AITER=1."),
        ],
        verify: "The norms' backend is hip, ck or triton, once a norm.",
        yields_to: &["allreduce-norm-unfused"],
        about_trust: false,
    },
    Rule {
        id: "copies-casts",
        title: "Copies and casts between kernels hold decode up for {share} of its wall time",
        find: Find::Kernels(&[
            OTHER.kinds(&["copy/fill", "transpose"]).at_least_a_step(2.0),
            OTHER
                .kinds(&["elementwise"])
                .named(&["_to_copy", "direct_copy", "convert_element_type"])
                .at_least_a_step(2.0),
        ]),
        threshold: 0.04,
        bound: "nothing was copied or cast",
        ways: &[
            everywhere(
                "Look in the kernels table between which kernels they stand: a layout that one side wants \
             (contiguous, padded), or a dtype that one side lacks (an FP32 router, BF16 to FP16). Load the \
             weights in the layout and compute in the dtype of the consumer.",
            ),
            vllm("let torch.compile fuse what is left: no --enforce-eager, no compilation mode 0.")
                .when(|evidence, _| !is_compiled(evidence)),
            sglang("--enable-torch-compile (experimental) with --torch-compile-max-bs.")
                .when(|evidence, _| !is_compiled(evidence)),
            atom("--level 3 (the default) compiles: see that it is not lower.")
                .when(|evidence, _| !is_compiled(evidence)),
        ],
        verify: "Kinds copy/fill and transpose have fallen, and fewer kernels run a step.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "elementwise-glue",
        title: "Small elementwise kernels hold decode up for {share} of its wall time",
        find: Find::Kernels(&[OTHER
            .kinds(&["elementwise", "reduction", "indexing", "activation"])
            .by(&["pytorch", "triton-inductor"])
            .at_least_a_step(2.0)]),
        threshold: 0.08,
        bound: "the kernels around them did their work",
        ways: &[
            everywhere(
                "Each costs some microseconds whatever it computes, and a gap besides. Fuse them into their \
             neighbours.",
            )
            .when(|evidence, finding| !by_inductor(evidence, finding)),
            everywhere(
                "torch.compile made these kernels: what is left between them is a matrix product, attention or a \
                 custom operator that it cannot fuse into. Operators that bring their own norm, activation or \
                 quantization take these away.",
            )
            .when(by_inductor),
            vllm("no --enforce-eager; VLLM_ROCM_USE_AITER=1 brings fused norms and activations.")
                .when(|evidence, _| !is_compiled(evidence)),
            vllm(
                "VLLM_ROCM_USE_AITER=1 brings fused norms and activations; the log's line `Enabled custom \
                 fusions` tells which passes ran.",
            )
            .when(|evidence, _| is_compiled(evidence)),
            sglang("SGLANG_USE_AITER=1."),
            sglang("--enable-torch-compile (experimental) with --torch-compile-max-bs.")
                .when(|evidence, _| !is_compiled(evidence)),
            atom("--level 3 (the default) compiles: see that it is not lower.")
                .when(|evidence, _| !is_compiled(evidence)),
        ],
        verify: "Fewer kernels of Other run a step.",
        yields_to: &["copies-casts"],
        about_trust: false,
    },
    Rule {
        id: "sampling-critical",
        title: "Choosing the next token holds decode up for {share} of its wall time",
        find: Find::Kernels(&[OTHER
            .kinds(&["sampling", "softmax", "sort/topk", "sort/scan", "rng", "reduction", "indexing"])
            .at_most_a_step(3.0)]),
        threshold: 0.06,
        bound: "sampling cost nothing",
        ways: &[
            everywhere(
                "Top-p and top-k sort the whole vocabulary, log-probabilities take a softmax of it: ask for neither \
             where greedy or plain temperature will do (temperature=0, no logprobs). aiter has fused samplers.",
            ),
            vllm(
                "asynchronous scheduling, on by default, prepares the next step meanwhile: a log line `Async \
                 scheduling is disabled` tells what turned it off.",
            ),
            sglang("without --disable-overlap-schedule the next batch is prepared meanwhile."),
        ],
        verify: "Softmax, sort and arg-max at the end of the step are fewer or shorter.",
        yields_to: &[],
        about_trust: false,
    },
];

/// Whether torch.compile made any of the step's kernels.
fn is_compiled(evidence: &Evidence<'_>) -> bool {
    evidence.kernels.iter().any(|kernel| kernel.row.backend == "triton-inductor")
}

/// Whether torch.compile made most of what was found.
fn by_inductor(evidence: &Evidence<'_>, finding: &Finding) -> bool {
    let made = |at: &usize| evidence.kernels[*at].row.backend == "triton-inductor";
    finding.kernels().filter(made).count() * 2 > finding.kernels().count()
}
