//! Real pairs of traces, and what TraceLens makes of the same ones.
//!
//! Each side is a step or less, so nothing is proven and no gate passes; what is held is that sums agree wherever both
//! tools define the same thing. Where they differ, and why:
//!
//! * TraceLens joins kernels by name and parent operator, so a kernel that another backend replaced has a row on each
//!   side and no difference; here they stand in one row.
//! * TraceLens' busy time has copies and fills in it; here a step's idle time has them, under a cause of their own,
//!   because a step waits for them and no kernel runs. Its idle time is ours without that cause.
//! * Durations in TraceLens' tables are microseconds in floating point: they agree to some nanoseconds.

mod common;
#[path = "common/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use profile_decode::analyze;
use profile_decode::analyze::compare::{Options, Run, Side, compare};
use profile_decode::classify::{Category, Classifier};
use profile_decode::ingest;
use profile_decode::model::ConditionKind;
use profile_decode::output::Comparison;
use profile_decode::output::Report;
use profile_decode::output::comparison::{Fate, Verdict};
use profile_decode::output::time::Cause;
use profile_decode::steps::{StepOptions, find};

/// The development traces, or `None` with a word about it.
fn dev() -> Option<PathBuf> {
    common::shared().map(|shared| shared.join("traces/dev"))
}

/// A trace as a side and as a report, of the whole of it or of its decode steps.
fn read(path: &Path, whole_trace: bool) -> (Side, Report) {
    read_by(path, whole_trace, &StepOptions::default())
}

/// The same for passes of a prompt or of an encoder: their marker is named, as a user does who wants them for the steps.
fn read_passes(path: &Path) -> (Side, Report) {
    read_by(path, false, &StepOptions { marker: Some("^ProfilerStep#".to_owned()), ..StepOptions::default() })
}

fn read_by(path: &Path, whole_trace: bool, options: &StepOptions) -> (Side, Report) {
    let trace = ingest::read(&[path]).unwrap();
    let classifier = Classifier::builtin();
    let (classes, steps) = (classifier.classify_trace(&trace), find(&trace, options));
    let report =
        analyze::report(&trace, &classes, &steps, &analyze::Options { whole_trace, ..analyze::Options::default() });
    (Side::new(&[Run { trace: &trace, classes: &classes, steps: &steps }], whole_trace), report)
}

/// Rows of a CSV with quoted fields, by the titles of its columns.
fn csv(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    for c in text.chars() {
        let row = rows.last_mut().unwrap();
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            '\r' => {}
            c => row.last_mut().unwrap().push(c),
        }
    }
    rows.retain(|row| row.len() > 1);
    let header = rows.remove(0);
    rows.into_iter().map(|row| header.iter().cloned().zip(row).collect()).collect()
}

/// TraceLens' sums of kernel durations in ns, by name: its table has a row a name and parent operator.
fn by_name(report: &Path) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for row in csv(&report.join("kernel_summary.csv")) {
        let ns = row["Kernel duration (µs)_sum"].parse::<f64>().unwrap() * 1e3;
        *sums.entry(row["Kernel name"].clone()).or_default() += ns;
    }
    sums
}

/// A row of TraceLens' time line, in ns.
fn timeline(report: &Path, name: &str) -> f64 {
    let rows = csv(&report.join("gpu_timeline.csv"));
    rows.iter().find(|row| row["type"] == name).expect("the row")["time ms"].parse::<f64>().unwrap() * 1e6
}

fn close(ours: u64, theirs: f64) -> bool {
    (ours as f64 - theirs).abs() <= 1e-6 * theirs + 20.0
}

const PAIRS: [(&str, &str); 2] = [
    ("kineto_pair_qwen15_hf_mi300_h100", "Qwen_Qwen1.5-0.5B-Chat__1016005"),
    ("kineto_pair_bert_mi300_h100", "gaunernst_bert-small-uncased__1016001"),
];

#[test]
fn a_comparison_calls_a_kernel_what_the_report_calls_it() {
    let Some(dev) = dev() else { return };
    for (pair, file) in PAIRS {
        let (trace, _) = paths(&dev.join(pair), file);
        let [(base, was), (new, is)] = ["h100", "mi300"].map(|side| read_passes(&trace(side)));
        let found = compare(&base, &new, &Options::default());
        assert!(words::are_the_reports(&found, &was, &is) > 5, "{pair}");
    }
}

#[test]
fn sums_by_name_agree_with_tracelens_on_both_sides_and_in_the_comparison() {
    let Some(dev) = dev() else { return };
    for (pair, file) in PAIRS {
        let (trace, report) = paths(&dev.join(pair), file);
        let sides = ["h100", "mi300"].map(|side| {
            let (found, ours) = read(&trace(side), true);
            let theirs = by_name(&report(side));
            assert_eq!(ours.kernels.len(), theirs.len(), "{pair}, {side}: as many names");
            for row in &ours.kernels {
                let theirs = theirs.get(&row.name).unwrap_or_else(|| panic!("TraceLens has no {}", row.name));
                assert!(close(row.total_ns, *theirs), "{pair}, {side}, {}: {} and {theirs}", row.name, row.total_ns);
            }
            (found, theirs)
        });
        let [(base, was), (new, is)] = &sides;
        let found = compare(base, new, &Options::default());
        assert_eq!(found.verdict, Verdict::NotComparable, "single steps prove nothing");
        sums_hold(pair, &found);
        let ours = found.kernels.iter().filter_map(|row| row.change.delta_ns).sum::<i64>() as f64;
        let theirs = is.values().sum::<f64>() - was.values().sum::<f64>();
        assert!((ours - theirs).abs() <= 1e-5 * theirs.abs() + 100.0, "{pair}: {ours} and {theirs}");
        // A kernel that both sides ran is in no row that says it came or went.
        for row in &found.kernels {
            let gone = row.fate == Fate::Removed && row.base.iter().all(|name| is.contains_key(name));
            assert!(!gone || row.change.base_ns_per_step * 50 < found.step.base_p50_ns, "{pair}: {row:?}");
        }
    }
}

type PathOf = Box<dyn Fn(&str) -> PathBuf>;

/// The trace and TraceLens' report of each side of a pair.
fn paths(directory: &Path, file: &str) -> (PathOf, PathOf) {
    let (one, other, file) = (directory.to_owned(), directory.to_owned(), file.to_owned());
    let name = file.clone();
    (
        Box::new(move |side| one.join(side).join(format!("{file}.json.gz"))),
        Box::new(move |side| other.join(side).join(format!("{name}_perf_report_csvs"))),
    )
}

/// What must be true of any comparison.
fn sums_hold(pair: &str, found: &Comparison) {
    let categories: i64 = found.categories.iter().filter_map(|row| row.change.delta_ns).sum();
    let kernels: i64 = found.kernels.iter().filter_map(|row| row.change.delta_ns).sum();
    assert_eq!(categories, kernels, "{pair}");
    assert_eq!(Some(found.waterfall.iter().map(|row| row.delta_ns).sum::<i64>()), found.step.delta_ns, "{pair}");
}

#[test]
fn the_step_and_its_idle_time_agree_with_tracelens() {
    let Some(dev) = dev() else { return };
    let (pair, file) = PAIRS[0];
    let (trace, report) = paths(&dev.join(pair), file);
    for side in ["h100", "mi300"] {
        let (_, ours) = read_passes(&trace(side));
        let step = ours.steps.gpu_span_ns.expect("a step").p50;
        assert!(close(step, timeline(&report(side), "total_time")), "{side}: {step}");
        let idle = ours.idle.expect("steps have idle time");
        let copies: u64 = idle.causes.iter().filter(|cause| cause.name == Cause::Copy).map(|cause| cause.ns).sum();
        let theirs = timeline(&report(side), "idle_time");
        assert!(close(idle.critical_ns - copies, theirs), "{side}: {} less {copies}, and {theirs}", idle.critical_ns);
    }
}

#[test]
fn attention_that_another_backend_does_is_replaced_and_not_gone() {
    let Some(dev) = dev() else { return };
    let (trace, _) = paths(&dev.join(PAIRS[0].0), PAIRS[0].1);
    let found = compare(&read(&trace("h100"), false).0, &read(&trace("mi300"), false).0, &Options::default());
    let row = found.kernels.iter().find(|row| row.new == ["attn_fwd"]).expect("attention on MI300X");
    assert_eq!((row.fate, row.per_arch, row.base.len()), (Fate::Replaced, true, 1));
    assert!(row.base[0].contains("flash_fwd_kernel"), "{:?}", row.base);
}

#[test]
fn a_database_and_the_csv_of_the_same_run_are_the_same_run() {
    let Some(dev) = dev() else { return };
    let pair = dev.join("rocpd_pair_bmm_20251223_mi300x");
    let (a, _) = read(&pair.join("A_bmm_45_results.db"), true);
    let (csv, _) = read(&pair.join("derived_A_kernel_trace.csv"), true);
    let same = compare(&a, &csv, &Options::default());
    assert_eq!(same.step.delta_ns, Some(0));
    assert!(
        same.kernels.iter().all(|row| row.change.delta_ns == Some(0) && row.fate == Fate::Same),
        "{:?}",
        same.kernels
    );
}

#[test]
fn a_real_pair_of_kernel_versions_is_one_kernel_replaced_under_the_same_conditions() {
    let Some(dev) = dev() else { return };
    let pair = dev.join("rocpd_pair_bmm_20251223_mi300x");
    let (a, was) = read(&pair.join("A_bmm_45_results.db"), true);
    let (b, is) = read(&pair.join("B_bmm_transe_37_results.db"), true);
    let found = compare(&a, &b, &Options::default());
    sums_hold("bmm", &found);
    assert_eq!(found.kernels.len(), 2, "the product and the fill: {:?}", found.kernels);
    for (row, fate) in found.kernels.iter().zip([Fate::Replaced, Fate::Same]) {
        let sum = |report: &Report, names: &[String]| -> u64 {
            report.kernels.iter().filter(|row| names.contains(&row.name)).map(|row| row.total_ns).sum()
        };
        assert_eq!(row.fate, fate);
        assert_eq!((row.base_count.round(), row.new_count.round()), (row.new_count.round(), row.base_count.round()));
        assert_eq!(row.change.base_ns_per_step, sum(&was, &row.base));
        assert_eq!(row.change.new_ns_per_step, sum(&is, &row.new));
    }
    let value = |kind| found.base.conditions.iter().find(|row| row.kind == kind).map(|row| row.value.as_str());
    assert_eq!(value(ConditionKind::Rocm), Some("7.1.1"));
    assert_eq!(value(ConditionKind::ComputeUnits), Some("304"));
    assert_eq!(value(ConditionKind::ComputeDies), Some("8"));
    assert_eq!(found.base.conditions, found.new.conditions);
}

#[test]
fn a_real_decode_server_compared_with_itself_is_the_same() {
    let Some(dev) = dev() else { return };
    let (side, _) = read(&dev.join("rpd_vllm_decode_mi300x/mytrace.rpd.gz"), false);
    let found = compare(&side, &side, &Options::default());
    assert!(found.kernels.iter().all(|row| row.change.delta_ns == Some(0)));
    assert_eq!((found.step.delta_ns, found.verdict), (Some(0), Verdict::Same));
    // Its prefills are set beside its decode steps and decide nothing.
    let phases: Vec<(&str, u64)> = found.phases.iter().map(|row| (row.phase.as_str(), row.base_steps)).collect();
    assert_eq!(phases, [("decode", 20), ("prefill", 2)]);
}

#[test]
fn a_collective_without_a_counterpart_takes_out_itself_and_no_other() {
    let Some(shared) = common::shared() else { return };
    let side = |name: &str| read(&shared.join("faults").join(name), false).0;
    let found = compare(&side("diff-waiting-steps-base"), &side("diff-waiting-steps-new"), &Options::default());
    // Rank 1's matrix product takes 110 µs rather than 60; everything else is as it was.
    let ranks: Vec<Option<i64>> = found.ranks.iter().map(|row| row.change.delta_ns).collect();
    assert_eq!(ranks, [Some(0), Some(50_000)]);
    let reduce = found.categories.iter().find(|row| row.name == Category::Allreduce).unwrap();
    // The transfer is 19.5 µs on rank 0 and 19.75 µs on rank 1.
    assert_eq!((reduce.change.base_ns_per_step, reduce.change.delta_ns), (19_625, Some(0)));
    assert_eq!(found.step.delta_ns, Some(50_000));
}
