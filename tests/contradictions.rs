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
