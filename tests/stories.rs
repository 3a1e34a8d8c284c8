//! Regressions that people reported, drawn with the figures that they gave: does the comparison put the true cause first?
//!
//! Each story changes times, names or launches, as the report says it was, among noise of 2 % and much that stays as it
//! was. First is what moved most in the waterfall, and the first row of the kernels. The table is printed (`cargo test
//! --test stories -- --nocapture`).

#![allow(clippy::print_stdout)]

#[path = "common/served.rs"]
mod served;

use profile_decode::analyze::compare::{Options, compare};
use profile_decode::classify::{Category, Classifier};
use profile_decode::output::Comparison;
use profile_decode::output::comparison::{Flag, Verdict};
use served::{ATTENTION, Kernel, MOE_DOWN, MOE_UP, O_PROJ, Planted, QKV, Server};

/// What somebody saw.
struct Story {
    /// Where, and what was found to be the cause.
    source: &'static str,
    base: fn() -> Server,
    new: fn(Server) -> Server,
    /// What of the step grew most.
    part: &'static str,
    /// Part of the name of the kernel that grew most: before and after. Empty: no kernel is to blame.
    kernel: [&'static str; 2],
}

const GPTQ: &str = "fused_moe_kernel_gptq_awq";
const SKINNY: &str = "_Z17wvSplitK_hf_sml_I14__hip_bfloat16Li64ELi2ELi16ELi8ELi2ELi4EEviiiiiiPKT_S3_S3_PS1_i";
const ASM_FA: &str = "_ZN5aiter42pa_bf16_noquant_gqa8_1tg_4w_mtp_msk1_ps_2E";
const PAGED: &str = "_Z39paged_attention_ll4mi_QKV_mfma16_kernelI14__hip_bfloat16S0_LN4vllm18Fp8KVCacheDataTypeE0ES0_Li16ELi128ELi256ELb0ELi8EEv";
const ASM_GEMM: &str = "_ZN5aiter36bf16gemm_fp32bf16_tn_32x64_splitk_cleanE";
const CK_UP: &str = "_ZN2ck29kernel_moe_mxgemm_2lds_stage1IfEEv";
const CK_DOWN: &str = "_ZN2ck29kernel_moe_mxgemm_2lds_stage2IfEEv";

/// A server of one GPU with other kernels in its layers.
fn with(replaced: &[(&'static str, Kernel)]) -> Server {
    let mut server = Server::new(1);
    for (name, kernel) in replaced {
        let at = server.layer.iter().position(|known| known.0 == *name).expect("a kernel of the layer");
        server.layer[at] = *kernel;
    }
    server
}

fn planted(planted: Planted, server: Server) -> Server {
    Server { planted, seed: server.seed + 1, ..server }
}

/// What is left of a layer, and its kernel taking so much of it that the whole takes `times` as long.
fn of_the_step(name: &str, times: f64, server: &Server) -> f64 {
    let layers = server.layers as f64;
    let step = layers * server.layer.iter().map(|kernel| kernel.2).sum::<f64>() + 156e3;
    let own = layers * server.layer.iter().filter(|kernel| kernel.0 == name).map(|kernel| kernel.2).sum::<f64>();
    (times - 1.0) * step / own
}

const STORIES: [Story; 10] = [
    Story {
        source: "vllm#43153: another Triton compiles the expert kernel, TPOT 43.7 to 79.7 ms",
        base: || with(&[(MOE_UP, (GPTQ, Category::Moe, 60e3)), (MOE_DOWN, (GPTQ, Category::Moe, 40e3))]),
        new: |server| planted(Planted::Kernel(GPTQ, of_the_step(GPTQ, 79.7 / 43.7, &server)), server),
        part: "moe",
        kernel: [GPTQ, GPTQ],
    },
    Story {
        source: "ROCm/triton#970: a compiler flag, the expert kernel 82.28 to 121.23 us",
        base: || with(&[(MOE_UP, (MOE_UP, Category::Moe, 82.28e3))]),
        new: |server| planted(Planted::Kernel(MOE_UP, 121.23 / 82.28 - 1.0), server),
        part: "moe",
        kernel: [MOE_UP, MOE_UP],
    },
    Story {
        source: "aiter#3909: MXFP4 experts in two stages, latency 9,526 to 10,342 ms",
        base: || with(&[(MOE_UP, (CK_UP, Category::Moe, 60e3)), (MOE_DOWN, (CK_DOWN, Category::Moe, 40e3))]),
        new: |server| planted(Planted::Kernel(CK_UP, of_the_step(CK_UP, 10_342.0 / 9_526.0, &server)), server),
        part: "moe",
        kernel: ["stage1", "stage1"],
    },
    Story {
        source: "vllm#46596: ROCM_ATTN in place of AITER's attention, TPOT twice as long",
        base: || with(&[(ATTENTION, (ASM_FA, Category::Attention, 40e3))]),
        new: |server| {
            let times = 1.0 + of_the_step(ASM_FA, 2.0, &server);
            planted(Planted::Swapped(ASM_FA, PAGED, times), server)
        },
        part: "attention",
        kernel: ["pa_bf16", "paged_attention_ll4mi"],
    },
    Story {
        source: "aiter#5380: no rows for gfx942 in the tuned table, BF16 GEMMs by torch",
        base: || with(&[(O_PROJ, (ASM_GEMM, Category::Gemm, 16e3))]),
        new: |server| planted(Planted::Swapped(ASM_GEMM, O_PROJ, 1.8), server),
        part: "gemm",
        kernel: ["bf16gemm", "Cijk"],
    },
    Story {
        source: "aiter#3493: no configuration for the QKV projection, 2.3 times as long",
        base: || with(&[]),
        new: |server| planted(Planted::Swapped(QKV, "_gemm_a8w8_blockscale_kernel", 2.3), server),
        part: "gemm",
        kernel: ["MT32x32x256", "a8w8_blockscale"],
    },
    Story {
        source: "a skinny GEMM that fell to torch.mm",
        base: || with(&[(QKV, (SKINNY, Category::Gemm, 20e3))]),
        new: |server| planted(Planted::Swapped(SKINNY, QKV, 2.0), server),
        part: "gemm",
        kernel: ["wvSplitK", "Cijk"],
    },
    Story {
        source: "ROCm/aiter#2511: 270 us more for each graph launch",
        base: || with(&[]),
        new: |server| planted(Planted::Idle(270.0 / 60.0), server),
        part: "idle",
        kernel: ["", ""],
    },
    Story {
        source: "a straggler under a power cap: compute of one rank of eight 20 % slower",
        base: || Server::parallel(8, 1),
        new: |server| planted(Planted::Rank(3, 0.2), server),
        part: "",
        kernel: ["", ""],
    },
    Story {
        source: "a second graph bucket without its tuned kernels: one batch of four 40 % slower",
        base: || Server { batch: |step| [8, 16, 16, 32][step % 4], ..Server::new(1) },
        new: |server| planted(Planted::Batch(32, 0.4), server),
        part: "",
        kernel: ["", ""],
    },
];

/// Why the comparison does not put the cause first; empty if it does.
fn missed(story: &Story, found: &Comparison) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, got: String, right: bool| {
        if !right {
            wrong.push(format!("{what} is {got}"));
        }
    };
    check("the verdict", format!("{:?}", found.verdict), found.verdict == Verdict::Regressed);
    let first = found.waterfall.iter().max_by_key(|row| row.delta_ns).map_or("none", |row| row.name);
    check("the first part", first.to_owned(), story.part.is_empty() || first == story.part);
    if let [base, new] = story.kernel
        && !base.is_empty()
    {
        let row = found.kernels.first();
        let is = row.is_some_and(|row| row.base[0].contains(base) && row.new[0].contains(new));
        let is_alone = found
            .kernels
            .iter()
            .filter(|row| row.change.flag == Flag::Regressed)
            .all(|row| row.base.iter().any(|name| name.contains(base)));
        check("the first kernel", format!("{:?}", row.map(|row| (&row.base, &row.new))), is);
        check("another kernel", "blamed".to_owned(), is_alone);
    }
    wrong
}

#[test]
fn the_true_cause_of_what_people_reported_comes_first() {
    let classifier = Classifier::builtin();
    println!("\nstory                                                                              step        first");
    let mut failed = Vec::new();
    for story in &STORIES {
        let base = (story.base)();
        let new = (story.new)(base.clone());
        let found = compare(&base.side(&classifier), &new.side(&classifier), &Options::default());
        let wrong = missed(story, &found);
        println!(
            "{:<84} {:+8} us  {}",
            story.source,
            found.step.delta_ns.unwrap_or(0) / 1000,
            if wrong.is_empty() { "yes" } else { "no" }
        );
        if !wrong.is_empty() {
            failed.push(format!("{}: {}", story.source, wrong.join(", ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_straggler_is_named_and_a_slow_batch_is() {
    let classifier = Classifier::builtin();
    let pair = |story: &Story| {
        let base = (story.base)();
        let new = (story.new)(base.clone());
        compare(&base.side(&classifier), &new.side(&classifier), &Options::default())
    };
    let of = |part: &str| STORIES.iter().find(|story| story.source.contains(part)).expect("the story");
    let straggler = pair(of("straggler"));
    let slower: Vec<u32> =
        straggler.ranks.iter().filter(|row| row.change.flag == Flag::Regressed).map(|row| row.rank).collect();
    assert_eq!(slower, [3]);
    let bucket = pair(of("bucket"));
    let slower: Vec<_> =
        bucket.batches.iter().filter(|row| row.change.flag == Flag::Regressed).map(|row| row.size).collect();
    assert_eq!(slower.len(), 1, "{slower:?}");
}
