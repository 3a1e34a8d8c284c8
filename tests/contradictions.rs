//! Evidence that contradicts itself or is not all there is said, and nothing rests on it.

mod common;
#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;

use std::path::Path;
use std::process::{Command, Output};

use kineto::Kineto;
use serde_json::Value;

const GEMM: &str = "Cijk_Alik_Bljk_BBS_BH_MT16x16x512_MI16x16x1";
const ATTENTION: &str = "paged_attention_ll4mi_QKV_mfma16_kernel";
const NORM: &str = "fused_add_rms_norm_kernel";

/// A server of 12 decode steps of 4 layers: each a replay whose kernels take `gemm`, 40 and 5 µs, one after another. In
/// each replay the records of `displaced` layers have attention and norm exchanged.
fn served(path: &Path, gemm: f64, displaced: u64) {
    let mut trace = Kineto::of_rank(0, 1);
    for step in 0..12 {
        let begin = step as f64 * 1_000.0;
        trace.range("execute_context_0(0)_generation_8(8)", begin, 40.0);
        trace.call("hipGraphLaunch", begin + 5.0, 20.0, step + 1);
        for layer in 0..4 {
            let at = begin + 50.0 + layer as f64 * (gemm + 50.0);
            let [attention, norm] = [(ATTENTION, at + gemm, 40.0), (NORM, at + gemm + 41.0, 5.0)];
            trace.kernel(GEMM, at, gemm, step + 1);
            for (name, start, length) in if layer < displaced { [norm, attention] } else { [attention, norm] } {
                trace.kernel(name, start, length, step + 1);
            }
        }
    }
    trace.write(path);
}

fn profile_decode(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = profile_decode(&[arguments, &["--format", "json"]].concat());
    contract::parsed(&output.stdout)
}

fn warning<'a>(report: &'a Value, code: &str) -> Option<&'a str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().find(|warning| warning["code"] == code).and_then(|warning| warning["text"].as_str())
}

#[test]
fn kernels_that_carry_the_times_of_others_are_said_and_no_advice_rests_on_them() {
    let directory = tempfile::tempdir().unwrap();
    let (healthy, displaced) = (directory.path().join("healthy.json"), directory.path().join("displaced.json"));
    served(&healthy, 200.0, 0);
    served(&displaced, 200.0, 1);

    let report = json(&["report", "--warmup", "0", healthy.to_str().unwrap()]);
    assert_eq!((&report["displaced"], warning(&report, "names-on-other-times")), (&Value::Null, None));
    let rests_on_kernels = |report: &Value| {
        let advice = report["advice"].as_array().unwrap();
        advice.iter().any(|advice| !advice["kernels"].as_array().unwrap().is_empty())
    };
    assert!(rests_on_kernels(&report), "else the next lines prove nothing: {:#}", report["advice"]);

    let report = json(&["report", "--warmup", "0", displaced.to_str().unwrap()]);
    let found = &report["displaced"];
    let counts = ["launches", "of_launches", "records", "moved"].map(|key| found[key].as_u64().unwrap());
    assert_eq!(counts, [12, 12, 144, 12]);
    assert_eq!(found["steps"].as_array().unwrap().len(), 12);
    let text = warning(&report, "names-on-other-times").unwrap();
    assert!(text.contains("12 of 144 records are out of place"), "{text}");
    assert!(!rests_on_kernels(&report), "{:#}", report["advice"]);
    let markdown = profile_decode(&["report", "--warmup", "0", displaced.to_str().unwrap()]);
    let markdown = String::from_utf8(markdown.stdout).unwrap();
    let first = markdown.lines().find(|line| line.starts_with("**")).unwrap_or_default();
    assert!(first.starts_with("**In 12 of 12 graph launches"), "{markdown}");
}

#[test]
fn a_comparison_judges_steps_and_not_kernels_where_these_carry_the_times_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let [base, sound, displaced] = ["base", "sound", "displaced"].map(|name| directory.path().join(name));
    served(&base, 100.0, 0);
    served(&sound, 150.0, 0);
    served(&displaced, 150.0, 1);
    let flags = |new: &Path| {
        let diff = json(&["diff", "--warmup", "0", base.to_str().unwrap(), new.to_str().unwrap()]);
        let flagged = |rows: &Value| rows.as_array().unwrap().iter().filter(|row| row["flag"] != "same").count();
        (flagged(&diff["categories"]), flagged(&diff["kernels"]), diff["comparable"].clone())
    };
    let (categories, kernels, _) = flags(&sound);
    assert_eq!((categories, kernels), (1, 1), "the planted GEMM");
    let (categories, kernels, comparable) = flags(&displaced);
    assert_eq!((categories, kernels), (0, 0));
    let reasons = comparable["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["code"] == "names-on-other-times"), "{comparable:#}");
}

#[test]
fn one_rank_of_eight_says_so_and_names_no_last_rank() {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<String> = (0..3)
        .map(|rank| {
            let mut trace = Kineto::of_rank(rank, 8);
            for step in 0..6_u32 {
                let begin = f64::from(step) * 1_000.0;
                trace.range("execute_context_0(0)_generation_8(8)", begin, 40.0);
                trace.call("hipLaunchKernel", begin + 5.0, 5.0, u64::from(step) + 1);
                let late = f64::from(rank) * 20.0;
                trace.kernel(GEMM, begin + 50.0, 100.0 + late, u64::from(step) + 1);
                trace.kernel("ncclDevKernel_Generic", begin + 150.0 + late, 100.0 - late, u64::from(step) + 1);
            }
            let path = directory.path().join(format!("rank{rank}.json"));
            trace.write(&path);
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let report = json(&["report", "--warmup", "0", &files[0]]);
    let text = warning(&report, "ranks-missing").unwrap();
    assert!(text.starts_with("1 of 8 ranks are given; waiting for the others is inside AllReduce"), "{text}");

    let report = json(&["report", "--warmup", "0", &files[0], &files[1], &files[2]]);
    assert!(warning(&report, "ranks-missing").unwrap().starts_with("3 of 8 ranks"));
    let skew = &report["rank_skew"];
    assert_eq!((&skew["slowest_rank"], &skew["collectives"]), (&Value::Null, &Value::Null), "{skew:#}");
}

#[test]
fn the_shared_replay_with_names_on_other_times_has_four_records_out_of_place_and_its_twin_none() {
    let Some(shared) = common::shared() else { return };
    let report = |name: &str| json(&["report", shared.join("faults").join(name).to_str().unwrap()]);
    assert_eq!(report("graph-names-on-other-times.json")["displaced"]["moved"], 4);
    assert_eq!(report("graph-names-on-other-times.healthy.json")["displaced"], Value::Null);
}

/// How a server of two tensor-parallel pairs tells of its collectives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// Each kernel its group.
    Kernels,
    /// The header all groups.
    Header,
    Nothing,
}

/// Times at which four ranks, the pairs (0, 1) and (2, 3) inside an exchange of all, arrive at the collectives of a step;
/// drawn so that everybody is last somewhere.
fn arrivals(step: u32, layer: u32, rank: u32) -> (f64, f64) {
    let vary = |of: u32, by: u32| f64::from((step * 7 + layer * 5 + rank * of) % by);
    (20.0 + vary(3, 5), 4.0 + vary(11, 7))
}

/// Writes the traces of the four ranks, rank `r` with a clock that is ahead by `ahead[r]` µs, and gives the time that each
/// waited, in ns.
fn pairs_in_an_exchange(directory: &Path, tells: Tells, ahead: [f64; 4]) -> [u64; 4] {
    const ALL: [u32; 4] = [0, 1, 2, 3];
    let pair = |rank: u32| if rank < 2 { ("7", [0, 1]) } else { ("8", [2, 3]) };
    let mut traces: Vec<Kineto> = ALL.iter().map(|&rank| Kineto::of_rank(rank, 4)).collect();
    for (rank, trace) in traces.iter_mut().enumerate().filter(|_| tells == Tells::Header) {
        let (name, ranks) = pair(rank as u32);
        trace.group("0", &ALL).group(name, &ranks);
    }
    let mut waits = [0.0; 4];
    let mut now = [1_000.0_f64; 4];
    let mut id = 0;
    for step in 0..10 {
        for rank in 0..4 {
            traces[rank].range("execute_context_0(0)_generation_8(8)", now[rank] + ahead[rank] - 20.0, 15.0);
        }
        for layer in 0..3 {
            id += 2;
            let mut meets = |now: &mut [f64; 4], works: [f64; 4], call: &str, groups: &[&[u32]], transfer: f64| {
                let arrives: Vec<f64> = (0..4).map(|rank| now[rank] + works[rank]).collect();
                for group in groups {
                    let last = group.iter().map(|&rank| arrives[rank as usize]).fold(0.0, f64::max);
                    for &rank in *group {
                        let at = rank as usize;
                        let ends = last + transfer + f64::from((step + rank) % 3) * 0.1;
                        let trace = &mut traces[at];
                        let id = id + u64::from(call == "all_to_all");
                        trace.call("hipLaunchKernel", now[at] + ahead[at] - 18.0, 1.0, id);
                        trace.kernel(GEMM, now[at] + ahead[at], works[at], id);
                        let (begin, long) = (arrives[at] + ahead[at], ends - arrives[at]);
                        let name = if group.len() == 4 { "0" } else { pair(rank).0 };
                        match tells {
                            Tells::Kernels => trace.collective(call, (name, group), begin, long, id),
                            _ if call == "all_to_all" => {
                                trace.kernel("EpDispatchIntraNodeKernel_bf16", begin, long, id)
                            }
                            _ => trace.kernel("ncclDevKernel_AllReduce_Sum_bf16", begin, long, id),
                        };
                        waits[at] += last - arrives[at];
                        now[at] = ends + 0.5;
                    }
                }
            };
            let works = |second: bool| {
                let of = ALL.map(|rank| arrivals(step, layer, rank));
                of.map(|(first, then)| if second { then } else { first })
            };
            meets(&mut now, works(false), "allreduce", &[&[0, 1], &[2, 3]], 8.0);
            meets(&mut now, works(true), "all_to_all", &[&ALL], 12.0);
        }
        now = now.map(|now| now + 25.0);
    }
    for (rank, trace) in traces.iter().enumerate() {
        trace.write(&directory.join(format!("rank{rank}.pt.trace.json")));
    }
    waits.map(|us| (us * 1_000.0).round() as u64)
}

#[test]
fn a_rank_is_in_a_pair_and_in_the_exchange_of_all_whether_told_or_guessed() {
    for (tells, evidence) in [(Tells::Kernels, "told"), (Tells::Header, "guessed"), (Tells::Nothing, "guessed")] {
        let directory = tempfile::tempdir().unwrap();
        let waits = pairs_in_an_exchange(directory.path(), tells, [0.0; 4]);
        let report = json(&["report", "--warmup", "0", directory.path().to_str().unwrap()]);
        let skew = &report["rank_skew"];
        assert_eq!(skew["groups"], serde_json::json!([[0, 1], [0, 1, 2, 3], [2, 3]]), "{skew:#}");
        assert!(skew["group_evidence"].as_array().unwrap().iter().all(|of| of == evidence), "{skew:#}");
        for (row, expected) in skew["per_rank"].as_array().unwrap().iter().zip(waits) {
            let found = row["wait_ns"].as_u64().unwrap();
            assert!(found.abs_diff(expected) < 1_000, "{evidence}: {row:#} {expected}");
        }
        let found = skew["collectives"]["by_kind"].as_array().unwrap();
        let mut kinds: Vec<&str> = found.iter().map(|kind| kind["collective"].as_str().unwrap()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["all_reduce", "all_to_all"]);
        let counts = [&skew["collectives"]["count"], &skew["collectives"]["unmatched"]];
        assert_eq!(counts, [90, 0], "three of each of ten steps, and the pairs twice");
    }
}

#[test]
fn clocks_of_hosts_that_no_trace_names_are_aligned_and_steps_keep_their_order() {
    // A step takes some 160 µs: the second pair's clock is many steps ahead.
    for ahead in [[0.0, 0.0, 5_310.0, 5_310.0], [0.0, 730.0, -4_200.0, 90.0]] {
        let directory = tempfile::tempdir().unwrap();
        let waits = pairs_in_an_exchange(directory.path(), Tells::Kernels, ahead);
        let report = json(&["report", "--warmup", "0", directory.path().to_str().unwrap()]);
        let skew = &report["rank_skew"];
        assert_eq!(skew["collectives"]["count"], 90, "{ahead:?} {skew:#}");
        let rows = skew["per_rank"].as_array().unwrap().iter();
        let clocks = skew["clock"]["per_rank"].as_array().unwrap().iter();
        for (((row, clock), expected), ahead) in rows.zip(clocks).zip(waits).zip(ahead) {
            let doubt = clock["uncertainty_ns"].as_u64().unwrap();
            assert!((1..=400).contains(&doubt), "{clock:#}");
            let offset = clock["offset_ns"].as_i64().unwrap() as f64;
            assert!((offset - ahead * 1_000.0).abs() <= doubt as f64, "{clock:#} {ahead}");
            let off = row["wait_ns"].as_u64().unwrap().abs_diff(expected);
            assert!(off <= 60 * doubt, "{row:#} {expected}");
        }
    }
}

#[test]
fn only_the_rank_that_was_slowed_down_has_regressed_where_a_collective_has_no_counterpart() {
    let Some(shared) = common::shared() else { return };
    let [base, new] = ["base", "new"].map(|side| shared.join(format!("faults/diff-waiting-steps-{side}")));
    let diff = json(&["diff", base.to_str().unwrap(), new.to_str().unwrap()]);
    let category = |name: &str| diff["categories"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&category("gemm")["flag"], &category("allreduce")["flag"]), (&"regressed".into(), &"same".into()));
    assert_eq!(category("allreduce")["delta_ns"], 0);
    let ranks = diff["ranks"].as_array().unwrap();
    let flags: Vec<_> = ranks.iter().map(|rank| rank["flag"].as_str().unwrap()).collect();
    assert_eq!(flags, ["same", "regressed"], "{ranks:#?}");
}
