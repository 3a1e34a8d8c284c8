//! No rule disturbs a healthy server, and each speaks up for its own sickness.

mod document;
mod server;

use proptest::prelude::*;

use crate::analyze::advice::rules;
use crate::analyze::floor::{Given, Model, find_gpu};
use crate::analyze::gemm::tables::{Tables, parse};
use crate::analyze::testing::{Row, any_rows, trace_with_steps};
use crate::analyze::{Options, report};
use crate::classify::{Category, Classifier};
use crate::model::{Product, TraceBuilder};
use crate::steps::{Batch, Phase};

use server::{ALL_TO_ALL, ATTENTION, EXPERTS, GATE, GEMM, Mode, NORM, REDUCE, ROPE_CACHE, SORT, Server};

const HIPBLASLT: &str = "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT32x32x256_MI16x16x1_SN_LDSB1_GSU1_ISA950";
const POST_GSU: &str = "Cijk_SB_BiasS_HAS_ScaleAlphaVec_PostGSU16_VW4";
const ROCBLAS: &str = "Cijk_Ailk_Bljk_BBS_BH_MT128x64x64_MI32x32x8x1_SN_1LDSB0_APM1_AF0EM1_AF1EM1_AMAS3_ASE_ASGT_ASLT_ASM_ASAE01_ASCE01_ASEM1_BL1_BS1_CLR1_DTVA0";
const HUGE: &str = "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT256x256x64_MI16x16x1_SN_LDSB0_GSU1_ISA950";
const STREAM_K: &str =
    "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT64x32x64_MI16x16x1_SN_LDSB0_GSU0_ISA950_SVW8_SK3_SKFTR0";
const TRITON_GEMM: &str = "_gemm_a8w8_kernel_BLOCK_SIZE_M_16_BLOCK_SIZE_N_128_BLOCK_SIZE_K_256_NUM_KSPLIT_1";
const MLA_REDUCE: &str = "_Z16kn_mla_reduce_v1I23MlaReduceKernelV1TraitsILi512ELi16ELi4EEfDF16_Ev23MlaReduceKernelV1Params24MlaReduceKernelV1Configs";
const TRITON_ATTENTION: &str = "kernel_unified_attention_3d";
const ROPE: &str = "_ZN4vllm23rotary_embedding_kernelIN3c108BFloat16ELb1EEEvPKlPT_S6_PKS5_illliii";
const CACHE: &str = "_ZN4vllm30reshape_and_cache_flash_kernelI14__hip_bfloat16S1_LNS_18Fp8KVCacheDataTypeE0EEEvPKT_S5_PT0_S7_PKlllllliiiPKfSB_";
const METADATA: &str = "decode_update_mla_metadata_v1_kernel";
const SOFTMAX: &str = "void (anonymous namespace)::softmax_warp_forward<float, float, float, 8, false, false>(float*, float const*, int, int, int, bool const*, int, bool)";
const TRITON_MOE: &str = "_moe_gemm_a16w16_BLOCK_M_16_BLOCK_N_64_BLOCK_K_128_GROUP_M_1";
const SWIGLU: &str = "_swiglu";
const QUANT: &str =
    "_ZN4vllm41dynamic_per_token_scaled_fp8_quant_kernelIN3c108BFloat16ENS1_13Float8_e4m3fnEEEvPT0_PfPKT_PKfi";
const DEQUANT: &str = "_upcast_from_mxfp";
const CUSTOM: &str =
    "_ZN4vllm26cross_device_reduce_1stageI14__hip_bfloat16Li8EEEvPNS_8RankDataENS_11RankSignalsEPNS_6SignalEPT_ii";
const RCCL: &str = "ncclDevKernel_Generic(ncclDevKernelArgsStorage<4096ul>)";
const TORCH_NORM: &str = "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::BFloat16, float, true>(int, float, c10::BFloat16 const*, c10::BFloat16 const*, c10::BFloat16 const*, float*, float*, c10::BFloat16*)";
const COPY: &str = "void at::native::elementwise_kernel_manual_unroll<128, 8, at::native::gpu_kernel_impl_nocast<at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}>";
const POINTWISE: &str = "triton_poi_fused_add_mul_sigmoid_0";
const ODD: &str = "a_kernel_that_nobody_has_heard_of";

/// The rule that must speak up, and the server made sick in that way.
type Sickness = (&'static str, fn() -> Server);

const SICK: &[Sickness] = &[
    ("gemm-split-k-reduce", || Server::healthy().after(GEMM, &[(POST_GSU, 5_000)])),
    ("gemm-fallback", || Server::healthy().replace(GEMM, &[(ROCBLAS, 20_000)])),
    ("gemm-oversized-tile", || Server {
        batch: Batch { size: Some(8), graph_size: Some(8), tokens: None },
        ..Server::healthy().replace(GEMM, &[(HUGE, 30_000)])
    }),
    ("gemm-stream-k", || Server::healthy().replace(GEMM, &[(STREAM_K, 30_000)])),
    ("gemm-triton", || Server::healthy().replace(GEMM, &[(TRITON_GEMM, 20_000)])),
    ("gemm-dominates", || Server::healthy().replace(GEMM, &[(HIPBLASLT, 300_000)])),
    ("mla-reduce", || Server::healthy().after(ATTENTION, &[(MLA_REDUCE, 12_000)])),
    ("attention-reduce", || Server::healthy().after(ATTENTION, &[("reduce_segments", 15_000)])),
    ("attention-triton", || Server::healthy().replace(ATTENTION, &[(TRITON_ATTENTION, 40_000)])),
    ("kv-cache-write-unfused", || Server::healthy().replace(ROPE_CACHE, &[(ROPE, 8_000), (CACHE, 8_000)])),
    ("attention-metadata", || Server::healthy().after(ROPE_CACHE, &[(METADATA, 8_000)])),
    ("moe-gate-unfused", || Server::healthy().replace(GATE, &[(SOFTMAX, 5_000), (SOFTMAX, 5_000)])),
    ("moe-sort-share", || Server::healthy().replace(SORT, &[(SORT, 20_000)])),
    ("moe-triton", || Server::healthy().replace(EXPERTS, &[(TRITON_MOE, 90_000)])),
    ("moe-activation-unfused", || Server::healthy().after(EXPERTS, &[(SWIGLU, 8_000)])),
    ("quant-unfused", || Server::healthy().replace(GEMM, &[(QUANT, 5_000), (GEMM, 12_000)])),
    ("dequant-per-step", || Server::healthy().replace(GEMM, &[(DEQUANT, 9_000), (GEMM, 12_000)])),
    ("allreduce-norm-unfused", || Server::parallel(2).replace(REDUCE, &[(CUSTOM, 8_000), (NORM, 7_000)])),
    ("norm-by-pytorch", || Server::healthy().replace(NORM, &[(TORCH_NORM, 8_000)])),
    ("copies-casts", || Server::healthy().after(GEMM, &[(COPY, 6_000)])),
    ("elementwise-glue", || Server::healthy().after(GEMM, &[(POINTWISE, 8_000), (POINTWISE, 8_000)])),
    ("sampling-critical", || {
        let mut server = Server::healthy();
        server.tail.push((SOFTMAX, 40_000));
        server
    }),
    ("straggler-rank", || Server { slow: |rank, _| if rank == 1 { 1.1 } else { 1.0 }, ..Server::parallel(4) }),
    ("start-skew", || Server {
        skew_ns: |rank, step| ((rank * 7 + step * 3) % 4) as i64 * 8_000,
        ..Server::parallel(4)
    }),
    ("rccl-small-messages", || Server::parallel(2).replace(REDUCE, &[(RCCL, 20_000)])),
    ("exposed-communication", || Server::parallel(2).replace(REDUCE, &[(REDUCE, 40_000)])),
    ("host-bound", || Server { mode: Mode::Eager, ..Server::healthy() }),
    ("piecewise-graphs", || Server { mode: Mode::Pieces(10), ..Server::healthy() }),
    ("host-between-graphs", || Server { host_ns: 60_000, ..Server::healthy() }),
    ("launch-gaps", || Server { gap_ns: 4_000, ..Server::healthy() }),
    ("copies-in-step", || Server { copy_ns: 15_000, ..Server::healthy() }),
    ("bucket-padding", || Server {
        batch: Batch { size: Some(17), graph_size: Some(32), tokens: None },
        ..Server::healthy()
    }),
    ("bucket-just-missed", || Server {
        batch_of: |step| {
            let (size, graph) = if step % 3 == 0 { (33, 48) } else { (32, 32) };
            Some((Batch { size: Some(size), graph_size: Some(graph), tokens: None }, false))
        },
        slow: |_, step| if step % 3 == 0 { 1.3 } else { 1.0 },
        ..Server::healthy()
    }),
    ("batch-above-graphs", || Server {
        batch_of: |step| {
            let large = step % 4 == 0;
            let batch =
                Batch { size: Some(if large { 40 } else { 32 }), graph_size: (!large).then_some(32), tokens: None };
            Some((batch, large))
        },
        ..Server::healthy()
    }),
    ("graph-stalls", || Server { stall_ns: |_, name| if name == SORT { 20_000 } else { 0 }, ..Server::healthy() }),
    ("device-copies", || {
        let mut server = Server { device_copy_ns: 3_000, ..Server::healthy() };
        server.layer = [server.layer.clone(), server.layer].concat();
        server
    }),
    ("straggler-host", || Server {
        stall_ns: |rank, name| if rank == 1 && name == ATTENTION { 8_000 } else { 0 },
        ..Server::parallel(4)
    }),
    ("expert-imbalance", || Server {
        slow: |rank, step| if rank == step * 7 % 4 { 1.6 } else { 1.0 },
        slow_kernel: EXPERTS,
        ..Server::parallel(4).after(SORT, &[(ALL_TO_ALL, 5_000)])
    }),
    ("attention-kv-16bit", || Server::healthy().replace(ATTENTION, &[(ATTENTION, 100_000)])),
    ("dummy-steps", || Server { between: Some((Phase::Dummy, 3, 300_000)), ..Server::healthy() }),
    ("draft-share", || Server { between: Some((Phase::Draft, 1, 200_000)), ..Server::healthy() }),
    ("prefill-interrupts", || Server { between: Some((Phase::Mixed, 4, 900_000)), ..Server::healthy() }),
    ("clocks-fall", || Server { slow: |_, step| 1.0 + step as f64 / 150.0, ..Server::healthy() }),
    ("bimodal-steps", || Server { slow: |_, step| if step % 3 == 1 { 1.3 } else { 1.0 }, ..Server::healthy() }),
    ("unknown-kernels", || Server::healthy().after(GEMM, &[(ODD, 20_000)])),
    ("incomplete-capture", || Server { lose_every: Some(15), ..Server::healthy() }),
];

/// Rules whose sickness is drawn by a test of their own.
const ELSEWHERE: [&str; 5] = [
    "attention-far-from-floor",
    "gemm-far-from-floor",
    "gemm-untuned-shapes",
    "moe-far-from-floor",
    "tracing-overhead",
];

#[test]
fn a_healthy_server_is_left_in_peace() {
    assert_eq!(Server::healthy().ids(), [""; 0]);
    assert_eq!(Server::parallel(2).ids(), [""; 0]);
    assert_eq!(Server::parallel(8).ids(), [""; 0]);
    // Noise of a few per cent is no pace.
    let noisy = Server { slow: |rank, step| 1.0 + ((rank * 31 + step * 17) % 7) as f64 * 0.005, ..Server::parallel(2) };
    assert_eq!(noisy.ids(), [""; 0]);
}

#[test]
fn every_rule_speaks_up_for_its_own_sickness() {
    for (id, server) in SICK {
        let found = server().ids();
        assert!(found.contains(id), "{id}: {found:?}");
    }
}

#[test]
fn no_other_rule_stands_before_that_of_the_sickness() {
    for (id, server) in SICK {
        assert_eq!(server().ids()[0], *id);
    }
}

#[test]
fn bounds_within_steps_sum_to_no_more_than_a_step() {
    let every = || SICK.iter().map(|(_, server)| server());
    let worst = |a: &Server, b: &Server| {
        let layer: Vec<server::Kernel> = a.layer.iter().chain(&b.layer).copied().collect();
        Server { layer, ..a.clone() }
    };
    for (a, b) in every().zip(every().skip(1)) {
        let report = worst(&a, &b).report();
        let within =
            report.advice.iter().filter(|advice| !OUTSIDE_OF_STEPS.contains(&advice.id) && !advice.about_trust);
        let sum: f64 = within.map(|advice| advice.share_of_itl).sum();
        assert!(sum <= 1.0, "{sum}: {:?}", report.advice);
    }
}

/// Rules about time between the decode steps.
const OUTSIDE_OF_STEPS: [&str; 3] = ["dummy-steps", "draft-share", "prefill-interrupts"];

#[test]
fn a_sickness_brings_at_most_one_more_piece_of_advice() {
    for (id, server) in SICK {
        let found = server().ids();
        assert!(found.len() <= 2, "{id}: {found:?}");
    }
}

#[test]
fn every_rule_has_its_sickness_and_a_name_of_its_own() {
    let mut drawn: Vec<&str> = SICK.iter().map(|(id, _)| *id).chain(ELSEWHERE).collect();
    let mut ids: Vec<&str> = rules::all().map(|rule| rule.id).collect();
    drawn.sort_unstable();
    ids.sort_unstable();
    assert_eq!(drawn, ids);
    ids.dedup();
    assert!(ids.len() >= 20 && ids.len() == rules::all().count());
}

#[test]
fn rules_yield_to_rules_that_come_before_them() {
    let order: Vec<&str> = rules::all().map(|rule| rule.id).collect();
    for (at, rule) in rules::all().enumerate() {
        for other in rule.yields_to {
            assert!(order[..at].contains(other), "{} yields to {other}", rule.id);
        }
    }
}

#[test]
fn gemm_shapes_in_no_table_are_named_with_their_share_of_the_itl() {
    let mut server =
        Server { mode: Mode::Eager, host_ns: 0, ..Server::healthy().replace(GEMM, &[(HIPBLASLT, 300_000)]) };
    server.product = Some(Product { batch: 1, m: 32, n: 4096, k: 7168 });
    let drawn = server.drawn();
    let (entries, unreadable) = parse("gfx,M,N,K,us,kernelName\ngfx950,32,4096,4096,9.5,some_gemm\n").unwrap();
    let options = Options { tables: Some(Tables { entries, files: 1, unreadable }), ..Options::default() };
    let report = report(&drawn.trace, &drawn.classes, &drawn.table, &options);
    let advice = report.advice.iter().find(|advice| advice.id == "gemm-untuned-shapes").expect("advice");
    let held = advice.title.split(" for ").nth(1).and_then(|rest| rest.split(" of its").next()).expect("a share");
    let share = format!("M=32 N=4096 K=7168, {held} of ITL");
    assert!(held.starts_with("81.") && advice.title.ends_with(&share), "{}", advice.title);
    // No kernel saves all of it.
    assert!((0.59..=0.6).contains(&advice.share_of_itl) && advice.bound.contains("60 %"), "{}", advice.bound);
    assert_eq!(advice.evidence, [format!("GEMM shapes: {share}")]);
    // Without tables the shape is still named where the kernels are.
    let report = crate::analyze::report(&drawn.trace, &drawn.classes, &drawn.table, &Options::default());
    let names = |advice: &&crate::analyze::advice::Advice| {
        advice.evidence.iter().any(|seen| seen.contains("M=32 N=4096 K=7168"))
    };
    assert_eq!(report.advice.iter().filter(names).map(|advice| advice.id).collect::<Vec<_>>(), ["gemm-dominates"]);
}

#[test]
fn what_is_far_from_the_memorys_speed_is_advised_on_with_the_distance_as_bound() {
    let config = r#"{"hidden_size": 1024, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 4096,
        "moe_intermediate_size": 512, "n_routed_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000}"#;
    let slow = [
        ("gemm-far-from-floor", Category::Gemm, GEMM, HIPBLASLT),
        ("moe-far-from-floor", Category::Moe, EXPERTS, EXPERTS),
        ("attention-far-from-floor", Category::Attention, ATTENTION, ATTENTION),
    ];
    for (id, category, kernel, by) in slow {
        let model = Model::parse(config).unwrap();
        let gpu = find_gpu(Some("MI355X"), None);
        let given = Given { model, tensor_parallel: Some(1), batch: None, context: Some(1000), kv_bytes: None, gpu };
        let drawn = Server::healthy().replace(kernel, &[(by, 200_000)]).drawn();
        let options = Options { model: Some(given), ..Options::default() };
        let report = report(&drawn.trace, &drawn.classes, &drawn.table, &options);
        let advice = report.advice.iter().find(|advice| advice.id == id).expect(id);
        let rows = &report.floor.as_ref().unwrap().categories;
        let row = rows.iter().find(|row| row.name == category).unwrap();
        let distance = row.critical_ns_per_step.unwrap() - row.floor_ns_per_step;
        let most = report.scope.wall_ns * 6 / 10 / report.steps.gpu_span_ns.unwrap().count;
        assert!(advice.saves_at_most_ns_per_step.abs_diff(distance.min(most)) <= 1, "{id}: {advice:?}");
    }
}

#[test]
fn actions_are_for_the_framework_that_the_trace_tells_of() {
    let action = |marker| {
        let server = Server { marker, mode: Mode::Eager, ..Server::healthy() };
        server.report().advice[0].action.clone()
    };
    let vllm = action(Some("vllm-context"));
    assert!(vllm.contains("--enforce-eager") && !vllm.contains("--disable-cuda-graph"), "{vllm}");
    let sglang = action(Some("sglang-step"));
    assert!(sglang.contains("--disable-cuda-graph") && !sglang.contains("--enforce-eager"), "{sglang}");
    let unknown = action(None);
    assert!(["vLLM: ", "SGLang: ", "ATOM: "].iter().all(|name| unknown.contains(name)), "{unknown}");
}

#[test]
fn rules_that_claim_the_same_time_name_each_other() {
    // Copies that a graph in pieces leaves alone claim other time than its gaps do.
    let server = Server { copy_ns: 15_000, mode: Mode::Pieces(10), ..Server::healthy() };
    assert!(server.report().advice.iter().all(|advice| advice.overlaps.is_empty()));
    let padded = Server { batch: Batch { size: Some(17), graph_size: Some(32), tokens: None }, ..server };
    let report = padded.report();
    for advice in &report.advice {
        let others: Vec<&str> = report.advice.iter().map(|other| other.id).filter(|id| *id != advice.id).collect();
        let padding = advice.id == "bucket-padding";
        assert!(if padding { advice.overlaps.len() == others.len() } else { advice.overlaps == ["bucket-padding"] });
    }
}

#[test]
fn thin_evidence_says_nothing() {
    let eager = Server { mode: Mode::Eager, ..Server::healthy() };
    assert_eq!(Server { steps: 4, ..eager.clone() }.ids(), [""; 0]);
    // Which kernels run is told by one step, if they hold up most of it.
    let slow = |ns| Server { steps: 1, ..Server::healthy().replace(GEMM, &[(TRITON_GEMM, ns)]) }.report().advice;
    let [advice] = &slow(60_000)[..] else { panic!() };
    assert_eq!(advice.id, "gemm-triton");
    assert_eq!(advice.evidence.last().unwrap(), "no more than 1 decode step");
    assert_eq!(slow(3_000), []);
    // An action for AMD's GPUs is none for others.
    assert_eq!(Server { arch: "sm_100", ..eager }.ids(), [""; 0]);
    // Where one step in fifteen lacks kernels, only that is worth saying.
    let slow = Server { host_ns: 60_000, ..Server::healthy() };
    assert_eq!(Server { lose_every: Some(15), ..slow }.ids(), ["incomplete-capture"]);
}

#[test]
fn a_trace_without_steps_has_nothing_to_advise() {
    let trace = TraceBuilder::new().finish();
    let classes = Classifier::builtin().classify_trace(&trace);
    let table = crate::steps::StepTable::none(&trace);
    assert!(report(&trace, &classes, &table, &Options::default()).advice.is_empty());
}

#[test]
fn a_stragglers_bound_is_by_how_much_it_comes_after_the_last_but_one() {
    let step = |rank: u32, at: i64, arrives: i64| {
        let kernels = [("attn", at, at + 100), ("gemm", at + 100, at + arrives), ("reduce", at + arrives, at + 1_100)];
        Row::decode(&kernels).on_rank(rank)
    };
    let rows: Vec<Row> =
        (0..30).map(|i| step(i / 10, i64::from(i % 10) * 1_200, [700, 800, 1_000][i as usize / 10])).collect();
    let advice = trace_with_steps(&rows).report().advice;
    let found: Vec<_> = advice.iter().map(|advice| (advice.id, advice.saves_at_most_ns_per_step)).collect();
    assert!(found.contains(&("straggler-rank", 200)), "{found:?}");
}

#[test]
fn a_straggler_is_found_in_one_group_in_two_in_three_and_among_pairs() {
    for replicas in 1..=4_i64 {
        for size in [2_i64, 4] {
            let ranks = replicas * size;
            let rows = (0..ranks).flat_map(|rank| {
                // Replicas run apart. The last rank of the last one is slow.
                let late = if rank == ranks - 1 { 200 } else { 0 };
                (0..12).map(move |step| {
                    let at = step * 1_200 + rank / size * 310;
                    let arrives = at + 700 + late + (rank * 7 + step * 5) % 11;
                    let kernels =
                        [("attn", at, at + 100), ("gemm", at + 100, arrives), ("reduce", arrives, at + 1_000)];
                    Row::decode(&kernels).on_rank(rank as u32)
                })
            });
            let report = trace_with_steps(&rows.collect::<Vec<_>>()).report();
            let found = report.advice.iter().find(|advice| advice.id == "straggler-rank");
            let title = found.map_or("", |advice| &advice.title);
            assert!(title.contains(&format!("rank {}:", ranks - 1)), "{replicas} of {size}: {title:?}");
            let slow: Vec<u32> = report.rank_skew.unwrap().stragglers.iter().map(|row| row.rank).collect();
            assert_eq!(slow, [ranks as u32 - 1], "{replicas} of {size}");
        }
    }
}

#[test]
fn scaling_all_times_scales_all_bounds() {
    for (id, server) in SICK {
        let (once, thrice) = (server().report(), Server { scale: 3, ..server() }.report());
        // Whether RCCL moves small messages, and whether a gap is long, is told by absolute time.
        if ["rccl-small-messages", "launch-gaps", "graph-stalls", "straggler-host"].contains(id) {
            continue;
        }
        let bounds = |report: &crate::analyze::advice::Report| -> Vec<(&str, u64)> {
            report.advice.iter().map(|advice| (advice.id, advice.saves_at_most_ns_per_step)).collect()
        };
        for (a, b) in bounds(&once).iter().zip(bounds(&thrice)) {
            assert_eq!(a.0, b.0, "{id}");
            assert!((a.1 * 3).abs_diff(b.1) <= 3 + b.1 / 1000, "{id}: {a:?} {b:?}");
        }
        assert_eq!(once.advice.len(), thrice.advice.len(), "{id}");
    }
}

#[test]
fn no_bound_exceeds_the_step_nor_what_its_kernels_held_up() {
    for (id, server) in SICK {
        let report = server().report();
        let step_ns = report.scope.wall_ns / report.steps.gpu_span_ns.unwrap().count;
        let mut last = u64::MAX;
        for advice in &report.advice {
            let bound = advice.saves_at_most_ns_per_step;
            assert!(bound <= step_ns && bound <= last, "{id}: {advice:?}");
            assert!((0.0..=1.0).contains(&advice.share_of_itl), "{id}");
            last = bound;
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_trace_no_bound_exceeds_the_step(rows in any_rows()) {
        let report = trace_with_steps(&rows).report();
        let steps = report.steps.gpu_span_ns.map_or(1, |span| span.count);
        for advice in &report.advice {
            prop_assert!(advice.saves_at_most_ns_per_step <= report.scope.wall_ns / steps);
        }
    }
}
