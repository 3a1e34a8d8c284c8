//! Mixture of experts: routing, sorting, expert products.

use crate::analyze::advice::evidence::{Evidence, Kernel};
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Action, Find, Rule};
use crate::classify::Category;

const MOE: Pick = any(Category::Moe);
const OTHER: Pick = any(Category::Other);

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "moe-gate-unfused",
        title: "Routing by PyTorch's softmax, top-k and sort holds decode up for {share} of its wall time",
        find: Find::KernelsIf(
            |evidence| evidence.kernels.iter().any(|kernel| MOE.holds(evidence, kernel)),
            &[OTHER
                .kinds(&["softmax", "sort/topk", "sort/scan", "topk/indexing"])
                .by(&["pytorch", "rocprim", "hip"])
                .at_least_a_step(4.0)],
        ),
        threshold: 0.02,
        bound: "the gate was one kernel that costs nothing",
        action: Action {
            any: "Softmax or sigmoid, bias, grouping, top-k and renormalisation of the router are one kernel in aiter \
                  (topk_softmax, grouped_topk, biased_grouped_topk) and in vLLM (topk_softmax).",
            vllm: "VLLM_ROCM_USE_AITER=1 with VLLM_ROCM_USE_AITER_MOE=1.",
            sglang: "SGLANG_USE_AITER=1.",
            atom: "",
        },
        verify: "Softmax, sort and top-k of PyTorch run no more once a layer; MoE has kernels of kind gate/topk.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-sort-share",
        title: "Sorting tokens to experts and gathering them again holds decode up for {share} of its wall time",
        find: Find::Kernels(&[MOE.kinds(&["sort", "scatter/gather/permute", "moe_reduce"])]),
        threshold: 0.06,
        bound: "tokens reached their experts at no cost",
        action: Action {
            any: "At small batches sorting costs as much as a small GEMM: use a single-pass sort, and expert kernels that \
                  scatter and reduce themselves.",
            vllm: "VLLM_ROCM_USE_AITER=1 with VLLM_ROCM_USE_AITER_MOE=1; VLLM_ROCM_AITER_MOE_DISPATCH_POLICY=1 sorts in \
                   one pass.",
            sglang: "SGLANG_USE_AITER=1.",
            atom: "",
        },
        verify: "Kinds sort, scatter and moe_reduce have fallen in the MoE parts table.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-triton",
        title: "Triton expert GEMMs hold decode up for {share} of its wall time",
        find: Find::Kernels(&[MOE.kinds(&["expert_gemm"]).by(&["triton"]).only(has_alternative)]),
        threshold: 0.08,
        bound: "these kernels cost nothing",
        action: Action {
            any: "aiter has CK, assembly and FlyDSL expert kernels: tune them for this model (`python3 \
                  csrc/ck_gemm_moe_2stages_codegen/gemm_moe_tune.py -i aiter/configs/untuned_fmoe.csv -o \
                  aiter/configs/tuned_fmoe.csv`; AITER_CONFIG_FMOE names a table of your own).",
            vllm: "VLLM_ROCM_USE_AITER=1 with VLLM_ROCM_USE_AITER_MOE=1; VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS=1 \
                   where there are shared experts. Staying with Triton: tune with benchmarks/kernels/benchmark_moe.py \
                   --tune and set VLLM_TUNED_CONFIG_FOLDER.",
            sglang: "SGLANG_USE_AITER=1, without --moe-runner-backend triton.",
            atom: "",
        },
        verify: "The MoE backends table shows ck, asm or flydsl, and MoE's critical time has fallen.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-activation-unfused",
        title: "Activation between the expert GEMMs, a kernel of its own, holds decode up for {share} of its wall time",
        find: Find::Kernels(&[
            MOE.kinds(&["expert_act"]),
            OTHER.kinds(&["activation"]).preceded_by(&[MOE.kinds(&["expert_gemm"])]),
        ]),
        threshold: 0.03,
        bound: "the first expert GEMM applied the activation",
        action: Action {
            any: "Two-stage fused MoE kernels (CK, assembly, FlyDSL) apply SiLU and the gate in the first stage.",
            vllm: "VLLM_ROCM_USE_AITER=1 with VLLM_ROCM_USE_AITER_MOE=1.",
            sglang: "SGLANG_USE_AITER=1.",
            atom: "",
        },
        verify: "No activation kernel stands between the expert GEMMs.",
        yields_to: &[],
        about_trust: false,
    },
];

/// Whether aiter computes such experts otherwise: those with 4-bit weights only from gfx950 on.
fn has_alternative(evidence: &Evidence<'_>, kernel: &Kernel<'_>) -> bool {
    let four_bits =
        kernel.row.dtype.as_deref().is_some_and(|dtype| dtype.contains("fp4")) || kernel.text.contains("fp4");
    !four_bits || evidence.is_arch("gfx950")
}
