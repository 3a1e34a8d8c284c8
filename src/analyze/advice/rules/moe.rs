//! Mixture of experts: routing, sorting, expert products.

use std::collections::BTreeMap;

use crate::analyze::advice::evidence::{Evidence, Kernel};
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Find, Rule, far_from_floor, percent};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
use crate::classify::Category;
use crate::model::RankIdx;
use crate::output::time::Cause;

const MOE: Pick = any(Category::Moe);
const OTHER: Pick = any(Category::Other);
const TRITON_EXPERTS: Pick = MOE.kinds(&["expert_gemm"]).by(&["triton"]);

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
        ways: &[
            everywhere(
                "Softmax or sigmoid, bias, grouping, top-k and renormalisation of the router are one kernel in \
                 aiter (topk_softmax, grouped_topk, biased_grouped_topk) and in vLLM (topk_softmax).",
            ),
            vllm("VLLM_ROCM_USE_AITER=1 (VLLM_ROCM_USE_AITER_MOE, on by default, turns its experts and gate off)."),
            sglang("SGLANG_USE_AITER=1."),
        ],
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
        ways: &[
            everywhere(
                "At small batches sorting costs as much as a small GEMM: use a single-pass sort, and expert \
                 kernels that scatter and reduce themselves.",
            ),
            vllm(
                "VLLM_ROCM_USE_AITER=1; VLLM_ROCM_AITER_MOE_DISPATCH_POLICY is 0 by default, which sorts small \
                 batches in one pass: see that it is not 2.",
            ),
            sglang(
                "SGLANG_USE_AITER=1; SGLANG_AITER_MOE_SORTING_DISPATCH_POLICY=1 sorts in one pass (the default, \
                 2, takes several; measure both).",
            ),
        ],
        verify: "Kinds sort, scatter and moe_reduce have fallen in the MoE parts table.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-triton",
        title: "Triton expert GEMMs hold decode up for {share} of its wall time",
        find: Find::Kernels(&[TRITON_EXPERTS.only(has_alternative)]),
        threshold: 0.08,
        bound: "these kernels cost nothing",
        ways: &[
            everywhere(
                "aiter has CK, assembly and FlyDSL expert kernels: tune them for this model (`python3 \
                 csrc/ck_gemm_moe_2stages_codegen/gemm_moe_tune.py -i aiter/configs/untuned_fmoe.csv -o \
                 aiter/configs/tuned_fmoe.csv`; AITER_CONFIG_FMOE names a table of your own).",
            ),
            vllm(
                "VLLM_ROCM_USE_AITER=1 (VLLM_ROCM_USE_AITER_MOE is on by default); \
                 VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS=1 where there are shared experts. Staying with Triton: \
                 tune with benchmarks/kernels/benchmark_moe.py --tune and set VLLM_TUNED_CONFIG_FOLDER.",
            ),
            sglang("SGLANG_USE_AITER=1, without --moe-runner-backend triton."),
            atom("leave ATOM_USE_TRITON_MOE and ATOM_USE_TRITON_GEMM at 0."),
        ],
        verify: "The MoE backends table shows ck, asm or flydsl, and MoE's critical time has fallen.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "expert-imbalance",
        title: "Experts are loaded unevenly: ranks wait for {share} of the decode wall time for the one with most \
             tokens",
        find: Find::Ask(imbalance),
        threshold: 0.03,
        bound: "every rank's experts took the mean of all ranks",
        ways: &[
            everywhere("Place or replicate the experts by how often they are chosen."),
            vllm(
                "--enable-eplb with --enable-expert-parallel; --eplb-config '{\"log_balancedness\": true}' logs \
                 the balance.",
            ),
            sglang("--enable-eplb with --ep-size; --ep-num-redundant-experts replicates the busiest."),
            atom("--enable-eplb with --enable-expert-parallel."),
        ],
        verify: "The ranks' MoE time in a step comes close to each other, and waiting falls.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-activation-unfused",
        title: "Activation between the expert GEMMs, a kernel of its own, holds decode up for {share} of its wall \
             time",
        find: Find::Kernels(&[
            MOE.kinds(&["expert_act"]),
            OTHER.kinds(&["activation"]).preceded_by(&[MOE.kinds(&["expert_gemm"])]),
        ]),
        threshold: 0.03,
        bound: "the first expert GEMM applied the activation",
        ways: &[
            everywhere(
                "Two-stage fused MoE kernels (CK, assembly, FlyDSL) apply SiLU and the gate in the first stage.",
            ),
            vllm("VLLM_ROCM_USE_AITER=1 (VLLM_ROCM_USE_AITER_MOE is on by default)."),
            sglang("SGLANG_USE_AITER=1."),
        ],
        verify: "No activation kernel stands between the expert GEMMs.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "moe-far-from-floor",
        title: "MoE takes {it} times what reading its experts' weights takes",
        find: Find::Ask(|evidence| far_from_floor(evidence, MOE, Category::Moe)),
        threshold: 0.10,
        bound: "MoE read its experts' weights at the full bandwidth of the HBM",
        ways: &[
            everywhere(
                "Tune the expert kernels for decode's tokens, the graph buckets (`python3 \
                 csrc/ck_gemm_moe_2stages_codegen/gemm_moe_tune.py -i aiter/configs/untuned_fmoe.csv -o \
                 aiter/configs/tuned_fmoe.csv`; AITER_CONFIG_FMOE names a table of your own).",
            )
            .when(|evidence, _| !evidence.kernels.iter().any(|kernel| TRITON_EXPERTS.holds(evidence, kernel))),
            vllm(
                "Triton's expert kernels: tune them with benchmarks/kernels/benchmark_moe.py --tune and set \
                 VLLM_TUNED_CONFIG_FOLDER.",
            )
            .when(|evidence, _| evidence.kernels.iter().any(|kernel| TRITON_EXPERTS.holds(evidence, kernel))),
            vllm("VLLM_ROCM_USE_AITER=1 (VLLM_ROCM_USE_AITER_MOE is on by default)."),
            sglang("SGLANG_USE_AITER=1."),
        ],
        verify: "MoE's distance to the floor has shrunk.",
        yields_to: &["moe-gate-unfused", "moe-sort-share", "moe-triton", "moe-activation-unfused"],
        about_trust: false,
    },
];

/// Whether aiter computes such experts otherwise: those with 4-bit weights only from gfx950 on.
fn has_alternative(evidence: &Evidence<'_>, kernel: &Kernel<'_>) -> bool {
    // `a16w4`, `a8w4` and the like: the second number is the weights'.
    let told = kernel.row.dtype.as_deref().is_some_and(|dtype| dtype.contains("fp4"));
    let four_bits = told || ["fp4", "16w4", "8w4", "4w4"].iter().any(|word| kernel.text.contains(word));
    !four_bits || evidence.is_arch_of(&["gfx950"])
}

/// How much of its mean the longest rank must exceed it by.
const UNEVEN: f64 = 0.10;

/// What is lost to the rank whose experts take longest in a step, where tokens travel between ranks and it is not always
/// the same one.
fn imbalance(evidence: &Evidence<'_>) -> Option<Finding> {
    let travels = |name: &str| name == "all_to_all";
    if !evidence.report.category(Category::Allreduce)?.collectives.iter().any(|part| travels(&part.name)) {
        return None;
    }
    let mut by_step: BTreeMap<u32, Vec<(u64, RankIdx)>> = BTreeMap::new();
    for pace in &evidence.pace {
        by_step.entry(pace.number).or_default().push((pace.gpu[Category::Moe as usize], pace.rank));
    }
    let (mut lost_ns, mut mean_ns, mut longest) = (0, 0, BTreeMap::<RankIdx, usize>::new());
    let shared: Vec<_> = by_step.values().filter(|ranks| ranks.len() > 1).collect();
    for ranks in &shared {
        let mean = ranks.iter().map(|(ns, _)| ns).sum::<u64>() / ranks.len() as u64;
        let &(most, rank) = ranks.iter().max()?;
        lost_ns += (most - mean) * ranks.len() as u64;
        mean_ns += mean * ranks.len() as u64;
        *longest.entry(rank).or_default() += 1;
    }
    let always = longest.values().any(|&times| times * 10 > shared.len() * 9);
    let over = lost_ns as f64 / mean_ns.max(1) as f64;
    let seen = vec![format!(
        "MoE time by rank and step: in {} steps the longest rank takes {} more than the mean, and {} of the ranks \
         are it",
        shared.len(),
        percent(over),
        longest.len()
    )];
    let ns = lost_ns.min(evidence.idle_ns(Cause::WaitPeer));
    (over >= UNEVEN && !always && ns > 0).then(|| Finding::of(Claim::Idle(Cause::WaitPeer), ns, seen))
}
