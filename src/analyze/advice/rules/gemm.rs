//! Dense matrix products. At decode's small M they read the weights once and compute next to nothing, so what counts is
//! whether the kernel was chosen for that shape.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::analyze::advice::evidence::{Evidence, Framework, Kernel};
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Find, Rule, far_from_floor, percent};
use crate::analyze::advice::way::{Way, atom, everywhere, sglang, vllm};
use crate::classify::Category;
use crate::model::Product;
use crate::output::gemm::{ProductRow, TunedRow, TunedVerdict};

const GEMM: Pick = any(Category::Gemm);

/// How to tune for the M that decode runs at, by the table in which the engine looks the kernels up.
const TUNE: &[Way] = &[
    everywhere("Tune for the M that decode runs at (the graph buckets, M = 1 included)."),
    everywhere(
        "aiter's BF16 table: run the server once with AITER_TUNE_GEMM=1, which records the shapes in \
         aiter/configs/bf16_untuned_gemm.csv, then `python3 csrc/gemm_a16w16/gemm_tuner.py --input_file \
         aiter/configs/bf16_untuned_gemm.csv --with-hipblaslt`; AITER_CONFIG_GEMM_BF16 names a table of \
         your own.",
    )
    .when(|evidence, finding| computes(evidence, finding, WIDE) && !is_vllm_on_gfx942(evidence)),
    everywhere(
        "aiter's FP8 tables: add the shapes to aiter/configs/a8w8_bpreshuffle_untuned_gemm.csv, then \
         `python3 csrc/ck_gemm_a8w8_bpreshuffle/gemm_a8w8_bpreshuffle_tune.py -i \
         aiter/configs/a8w8_bpreshuffle_untuned_gemm.csv -o \
         aiter/configs/a8w8_bpreshuffle_tuned_gemm.csv`; with scales by block `python3 \
         csrc/ck_gemm_a8w8_blockscale/gemm_a8w8_blockscale_tune.py -i \
         aiter/configs/a8w8_blockscale_untuned_gemm.csv -o aiter/configs/a8w8_blockscale_tuned_gemm.csv`. \
         AITER_CONFIG_GEMM_A8W8_BPRESHUFFLE and AITER_CONFIG_GEMM_A8W8_BLOCKSCALE name tables of your \
         own.",
    )
    .when(|evidence, finding| computes(evidence, finding, &["fp8"])),
    everywhere(
        "aiter's MXFP4 table: add the shapes to aiter/configs/a4w4_blockscale_untuned_gemm.csv, then \
         `python3 csrc/ck_gemm_a4w4_blockscale/gemm_a4w4_blockscale_tune.py -i \
         aiter/configs/a4w4_blockscale_untuned_gemm.csv -o aiter/configs/a4w4_blockscale_tuned_gemm.csv`; \
         AITER_CONFIG_GEMM_A4W4 names a table of your own.",
    )
    .on(&["gfx950"])
    .when(|evidence, finding| computes(evidence, finding, &["fp4"])),
    everywhere(
        "The server's log has a line `not found tuned config` for each shape that misses; \
         AITER_LOG_TUNED_CONFIG=1 logs those that hit.",
    )
    .when(|evidence, _| !is_vllm_on_gfx942(evidence)),
    HIPBLASLT_ALONE,
    vllm(
        "VLLM_ROCM_USE_AITER=1 takes aiter's tables: those for FP8, and on gfx950 that for BF16 \
         (VLLM_ROCM_USE_AITER_LINEAR, on by default, turns both off).",
    )
    .when(|evidence, finding| !is_vllm_on_gfx942(evidence) || computes(evidence, finding, &["fp8"])),
    vllm("BF16 products go to skinny GEMMs or hipBLASLt there, never to aiter's table.")
        .on(&["gfx942"])
        .when(|evidence, finding| computes(evidence, finding, WIDE)),
    sglang("SGLANG_USE_AITER=1 takes aiter's tables."),
];

/// Data types of 16 bits.
const WIDE: &[&str] = &["bf16", "fp16"];

const HIPBLASLT_ALONE: Way = everywhere(
    "hipBLASLt alone: start the server once with HIPBLASLT_LOG_MASK=32, which logs each product as a hipblaslt-bench command; \
     run these with HIPBLASLT_TUNING_FILE=<file>, then start the server with HIPBLASLT_TUNING_OVERRIDE_FILE=<file>.",
)
.when(|evidence, finding| finding.kernels().any(|at| evidence.kernels[at].row.backend == "hipblaslt"));

/// Whether a kernel that was found computes in one of these, as far as names tell.
fn computes(evidence: &Evidence<'_>, finding: &Finding, dtypes: &[&str]) -> bool {
    finding.kernels().any(|at| {
        let dtype = evidence.kernels[at].row.dtype.as_deref();
        dtype.is_none_or(|dtype| dtypes.iter().any(|known| dtype.contains(known)))
    })
}

/// There vLLM asks no table of aiter for BF16 products (`is_tgemm_enabled`).
fn is_vllm_on_gfx942(evidence: &Evidence<'_>) -> bool {
    evidence.frameworks == [Framework::Vllm] && evidence.is_arch_of(&["gfx942"])
}

/// What rules about all GEMMs yield to.
const ALL_MORE_SPECIFIC: &[&str] = &[
    "gemm-split-k-reduce",
    "gemm-untuned-shapes",
    "gemm-fallback",
    "gemm-oversized-tile",
    "gemm-stream-k",
    "gemm-triton",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "gemm-split-k-reduce",
        title: "Adding up the parts of split-K GEMMs holds decode up for {share} of its wall time",
        find: Find::Kernels(&[GEMM.named(&["postgsu", "splitk_reduce", "split_k_reduce", "reduce_splitk"])]),
        threshold: 0.02,
        bound: "the parts were added up inside the GEMM",
        ways: &[
            everywhere(
                "A split of K that ends in a kernel of its own pays only if it saves more than that kernel costs. Tune \
                 these shapes: aiter's `python3 csrc/gemm_a16w16/gemm_tuner.py --with-hipblaslt` compares kernels with and \
                 without, reduction included.",
            )
            .when(|evidence, _| !is_vllm_on_gfx942(evidence)),
            everywhere(
                "A split of K that ends in a kernel of its own pays only if it saves more than that kernel costs. Tune \
                 these shapes for hipBLASLt: HIPBLASLT_LOG_MASK=32 on the server logs each product as a hipblaslt-bench \
                 command; run these with HIPBLASLT_TUNING_FILE=<file>, then start the server with \
                 HIPBLASLT_TUNING_OVERRIDE_FILE=<file>.",
            )
            .when(|evidence, _| is_vllm_on_gfx942(evidence)),
            vllm("VLLM_ROCM_USE_AITER=1 takes the tuned table.").on(&["gfx950"]),
            sglang("SGLANG_USE_AITER=1 takes the tuned table."),
        ],
        verify:
            "The reduction kernels are gone from the kernels table and GEMM's critical time has not grown by as \
             much.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "gemm-untuned-shapes",
        title: "GEMM shapes that are in no tuned table hold decode up for {share} of its wall time: {it}",
        find: Find::Ask(untuned_shapes),
        threshold: 0.03,
        bound: "these GEMMs cost nothing",
        ways: TUNE,
        verify: "With the new tables in --aiter-configs these shapes are no longer among the untuned ones, and GEMM's \
                 critical time has fallen.",
        yields_to: &["gemm-split-k-reduce"],
        about_trust: false,
    },
    Rule {
        id: "gemm-fallback",
        title: "GEMMs that fell back to rocBLAS or PyTorch hold decode up for {share} of its wall time",
        find: Find::Kernels(&[GEMM.by(&["rocblas", "pytorch"])]),
        threshold: 0.03,
        bound: "these GEMMs cost nothing",
        ways: &[everywhere(
            "hipBLASLt has no solution for these products, or was turned off (TORCH_BLAS_PREFER_HIPBLASLT=0). Let \
             PyTorch choose by measuring: PYTORCH_TUNABLEOP_ENABLED=1 PYTORCH_TUNABLEOP_TUNING=1 for one run \
             without graphs, then PYTORCH_TUNABLEOP_TUNING=0."),
vllm("VLLM_ROCM_USE_SKINNY_GEMM, on by default, serves the smallest batches: see that it is not off."),
vllm("VLLM_ROCM_USE_AITER=1 takes aiter's table.").on(&["gfx950"]),
sglang("SGLANG_USE_AITER=1."),],
        verify: "Backends rocblas and pytorch are gone from the GEMM backends table.",
        yields_to: &["gemm-split-k-reduce", "gemm-untuned-shapes"],
        about_trust: false,
    },
    Rule {
        id: "gemm-oversized-tile",
        title: "GEMMs with tiles made for larger batches hold decode up for {share} of its wall time",
        find: Find::Kernels(&[GEMM.by(&["hipblaslt", "rocblas", "triton", "ck", "flydsl"]).only(is_oversized)]),
        threshold: 0.05,
        bound: "these GEMMs cost nothing",
        ways: TUNE,
        verify: "The tile in the kernels' names is no longer four times the batch, and their time has fallen.",
        yields_to: &["gemm-split-k-reduce", "gemm-untuned-shapes", "gemm-fallback"],
        about_trust: false,
    },
    Rule {
        id: "gemm-stream-k",
        title: "Stream-K GEMMs, hipBLASLt's choice for untuned shapes, hold decode up for {share} of its wall time",
        find: Find::Kernels(&[GEMM.by(&["hipblaslt"]).only(|_, kernel| kernel.row.traits.stream_k)]),
        threshold: 0.10,
        bound: "these GEMMs cost nothing",
        ways: TUNE,
        verify: "The kernels' names have no SK3 any more and GEMM's critical time has fallen.",
        yields_to: &["gemm-split-k-reduce", "gemm-untuned-shapes", "gemm-oversized-tile"],
        about_trust: false,
    },
    Rule {
        id: "gemm-triton",
        title: "Triton GEMMs hold decode up for {share} of its wall time",
        find: Find::Kernels(&[GEMM.by(&["triton", "triton-inductor"])]),
        threshold: 0.08,
        bound: "these GEMMs cost nothing",
        ways: &[everywhere(
            "aiter has assembly, CK and FlyDSL kernels for most of these shapes: tune them with `python3 \
             csrc/ck_gemm_a8w8_bpreshuffle/gemm_a8w8_bpreshuffle_tune.py -i \
             aiter/configs/a8w8_bpreshuffle_untuned_gemm.csv -o aiter/configs/a8w8_bpreshuffle_tuned_gemm.csv`, \
             with scales by block `python3 csrc/ck_gemm_a8w8_blockscale/gemm_a8w8_blockscale_tune.py -i \
             aiter/configs/a8w8_blockscale_untuned_gemm.csv -o aiter/configs/a8w8_blockscale_tuned_gemm.csv`.")
.when(|evidence, finding| computes(evidence, finding, &["fp8"])),
            everywhere(
                "aiter has assembly, hipBLASLt and FlyDSL kernels for these shapes: tune them with `python3 \
                 csrc/gemm_a16w16/gemm_tuner.py --input_file aiter/configs/bf16_untuned_gemm.csv \
                 --with-hipblaslt`.",
            )
.when(|evidence, finding| computes(evidence, finding, WIDE) && !is_vllm_on_gfx942(evidence)),
            everywhere(
                "aiter has assembly and CK kernels for MXFP4: tune them with `python3 \
                 csrc/ck_gemm_a4w4_blockscale/gemm_a4w4_blockscale_tune.py -i \
                 aiter/configs/a4w4_blockscale_untuned_gemm.csv -o aiter/configs/a4w4_blockscale_tuned_gemm.csv`.",
            )
.on(&["gfx950"])
.when(|evidence, finding| computes(evidence, finding, &["fp4"])),
            vllm(
                "VLLM_ROCM_USE_AITER=1 takes them where aiter's table has the shape; for MXFP4 it must have \
                 M=1024 and M=8192 of it too.",
            )
.when(|evidence, finding| !is_vllm_on_gfx942(evidence) || computes(evidence, finding, &["fp8"])),
sglang("SGLANG_USE_AITER=1 for BF16 and FP8."),
sglang("SGLANG_ROCM_USE_AITER_FP4_ASM_GEMM=1.")
.on(&["gfx950"])
.when(|evidence, finding| computes(evidence, finding, &["fp4"])),
atom("leave ATOM_USE_TRITON_GEMM and ATOM_USE_FP4_NON_SHUFFLE_TRITON_GEMM at 0."),],
        verify: "The GEMM backends table shows asm, ck or hipblaslt where it showed triton, and GEMM's critical time has \
                 fallen.",
        yields_to: &["gemm-split-k-reduce", "gemm-untuned-shapes", "gemm-oversized-tile"],
        about_trust: false,
    },
    Rule {
        id: "gemm-far-from-floor",
        title: "GEMMs take {it} times what reading their weights takes",
        find: Find::Ask(|evidence| far_from_floor(evidence, GEMM, Category::Gemm)),
        threshold: 0.10,
        bound: "GEMMs read their weights at the full bandwidth of the HBM",
        ways: TUNE,
        verify: "GEMM's distance to the floor has shrunk.",
        yields_to: ALL_MORE_SPECIFIC,
        about_trust: false,
    },
    Rule {
        id: "gemm-dominates",
        title: "GEMM holds decode up for {share} of its wall time: tune the GEMM table for decode's shapes",
        find: Find::KernelsIf(
            |evidence| evidence.report.floor.is_none(),
            &[GEMM.by(&["hipblaslt", "hip", "ck", "asm"])],
        ),
        threshold: 0.60,
        bound: "these GEMMs cost nothing; --model-config gives the memory's bound",
        ways: TUNE,
        verify: "GEMM's critical time has fallen; `profile-decode diff` shows which kernels were replaced.",
        yields_to: ALL_MORE_SPECIFIC,
        about_trust: false,
    },
];

/// Whether both sides of the tile are at least four times the most rows that any step was padded to: most rows of the tile
/// are then computed for nothing. A shape that the trace tells goes before what labels say.
fn is_oversized(evidence: &Evidence<'_>, kernel: &Kernel<'_>) -> bool {
    let Some([m, n, _]) = kernel.row.traits.tile else { return false };
    let shapes = evidence.report.products.as_ref().map_or(&[][..], |products| &products.shapes);
    let of_kernel = shapes.iter().filter(|row| row.kernels.iter().any(|of| of.name == kernel.row.name));
    let rows = of_kernel.map(|row| row.shape.m).max().or_else(|| evidence.most_rows());
    rows.is_some_and(|rows| m.min(n) >= 64 && m.min(n) >= rows.max(1).saturating_mul(4))
}

/// Shapes, and the wall time that those of their kernels held up which `is` picks, the largest first.
pub(super) fn shapes(evidence: &Evidence<'_>, is: impl Fn(Product, &str) -> bool) -> Vec<(Product, u64)> {
    let rows = evidence.report.products.as_ref().map_or(&[][..], |products| &products.shapes);
    let held = |row: &ProductRow| {
        let picked = row.kernels.iter().filter(|kernel| is(row.shape, &kernel.name));
        (row.shape, picked.filter_map(|kernel| kernel.critical_ns).sum())
    };
    let mut found: Vec<(Product, u64)> = rows.iter().map(held).filter(|(_, ns)| *ns > 0).collect();
    found.sort_by_key(|&(shape, ns)| (Reverse(ns), shape));
    found
}

/// Shapes that a piece of advice names.
const SHAPES_NAMED: usize = 5;

/// The largest of `shapes` in a line; `None` for none.
pub(super) fn listed(evidence: &Evidence<'_>, shapes: &[(Product, u64)]) -> Option<String> {
    let (more, shown) = (shapes.len().saturating_sub(SHAPES_NAMED), &shapes[..shapes.len().min(SHAPES_NAMED)]);
    let parts: Vec<String> = shown.iter().map(|shape| told(evidence, shape)).collect();
    let more = if more > 0 { format!("; {more} more") } else { String::new() };
    (!parts.is_empty()).then(|| format!("GEMM shapes: {}{more}", parts.join("; ")))
}

/// `M=1 N=4096 K=7168, 12.0 % of ITL`.
fn told(evidence: &Evidence<'_>, &(shape, ns): &(Product, u64)) -> String {
    let whole = if evidence.report.steps.itl_ns.is_some() { "ITL" } else { "the wall time" };
    format!("{shape}, {} of {whole}", percent(evidence.share(ns)))
}

fn untuned_shapes(evidence: &Evidence<'_>) -> Option<Finding> {
    let is_untuned = |row: &&TunedRow| row.verdict == TunedVerdict::UntunedShape;
    let rows = evidence.report.tuned.as_ref()?.kernels.iter().filter(is_untuned);
    let untuned: HashSet<(Product, &str)> = rows.filter_map(|row| Some((row.shape?, &*row.name))).collect();
    let found = shapes(evidence, |shape, name| untuned.contains(&(shape, name)));
    let mut held: HashMap<&str, u64> = HashMap::new();
    for row in &evidence.report.products.as_ref()?.shapes {
        for kernel in row.kernels.iter().filter(|kernel| untuned.contains(&(row.shape, &kernel.name))) {
            *held.entry(&kernel.name).or_default() += kernel.critical_ns.unwrap_or(0);
        }
    }
    let claim = |(at, kernel): (usize, &Kernel<'_>)| Some((Claim::Kernel(at), *held.get(&*kernel.row.name)?));
    Some(Finding {
        it: told(evidence, found.first()?),
        claims: evidence.kernels.iter().enumerate().filter_map(claim).filter(|(_, ns)| *ns > 0).collect(),
        seen: listed(evidence, &found).into_iter().collect(),
        ..Finding::default()
    })
}
