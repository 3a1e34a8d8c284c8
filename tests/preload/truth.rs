//! The report equals the ledger, to the last dispatch and nanosecond.

use std::collections::BTreeMap;
use std::path::Path;

use profile_decode::classify::{Classifier, Context};
use profile_decode::steps::{Phase, StepOptions};
use profile_decode::{ingest, steps};
use serde_json::Value;

use crate::harness::{Server, report};
use crate::ledger::{Expected, Sum};

/// Compares a run's JSON report and its captures with what the ledger says.
pub(crate) fn equals_the_ledger(directory: &Path, expected: &Expected, ranks: usize, window: usize) {
    let report = report(directory);
    assert_eq!(report["ranks"], ranks);
    assert_eq!(report["steps"]["count"], window, "{:#}", report["steps"]);
    assert_eq!(report["steps"]["complete"], true, "{:#}", report["steps"]);
    assert!(report["capture"]["dropped"].as_array().is_some_and(Vec::is_empty), "{:#}", report["capture"]);

    compare_kernels(&report, expected).expect("the kernels of the ledger");

    let classifier = Classifier::builtin();
    let mut categories: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, sum) in &expected.kernels {
        let category = classifier.classify(name, &Context::default()).category.name();
        let entry = categories.entry(category.to_owned()).or_default();
        entry.0 += sum.count;
        entry.1 += sum.total_ns;
    }
    let mut reported: BTreeMap<String, (u64, u64)> = rows(&report["categories"], |row| {
        let sums = (row["dispatches"].as_u64().expect("a count"), row["gpu_time_ns"].as_u64().expect("a sum"));
        (row["name"].as_str().expect("a name").to_owned(), sums)
    });
    reported.retain(|_, sums| *sums != (0, 0));
    assert_eq!(reported, categories);

    compare_steps(directory, expected).expect("the steps of the ledger");
}

/// Compares the kernels of a report with the ledger's.
pub(crate) fn compare_kernels(report: &Value, expected: &Expected) -> Result<(), String> {
    let kernels: BTreeMap<String, Sum> = rows(&report["kernels"], |row| {
        let number = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key} in {row}"));
        let sum = Sum {
            count: number("count"),
            total_ns: number("total_ns"),
            min_ns: number("min_ns"),
            max_ns: number("max_ns"),
        };
        (row["name"].as_str().expect("a name").to_owned(), sum)
    });
    if kernels == expected.kernels { Ok(()) } else { Err(format!("{kernels:?} instead of {:?}", expected.kernels)) }
}

/// Compares the decode steps of the captures, rank by rank, with the ledger's.
pub(crate) fn compare_steps(directory: &Path, expected: &Expected) -> Result<(), String> {
    let (found, expected) = (steps_of(directory), expected.steps.values().cloned().collect::<Vec<_>>());
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

fn rows<T>(table: &Value, row: impl Fn(&Value) -> (String, T)) -> BTreeMap<String, T> {
    table.as_array().expect("a table").iter().map(row).collect()
}

/// The decode steps in the captures, rank by rank, numbered from 0.
fn steps_of(directory: &Path) -> Vec<BTreeMap<usize, Sum>> {
    let trace = ingest::read(&[directory]).expect("the captures can be read");
    let table = steps::find(&trace, &StepOptions::default());
    let mut ranks: Vec<_> = (0..trace.ranks.len()).collect();
    ranks.sort_by_key(|&rank| trace.ranks[rank].number);
    let mut sums = Vec::new();
    for rank in ranks {
        let decode: Vec<usize> = (0..table.steps.len())
            .filter(|&at| table.steps[at].rank.index() == rank && table.steps[at].phase == Phase::Decode)
            .collect();
        let number: BTreeMap<usize, usize> = decode.iter().enumerate().map(|(number, &at)| (at, number)).collect();
        let mut steps: BTreeMap<usize, Sum> = BTreeMap::new();
        for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
            if let Some(number) = step.and_then(|step| number.get(&step.index())) {
                let sum = steps.entry(*number).or_default();
                let ns = dispatch.span.duration_ns();
                sum.count += 1;
                sum.total_ns += ns;
                sum.min_ns = sum.min_ns.min(ns);
                sum.max_ns = sum.max_ns.max(ns);
            }
        }
        sums.push(steps);
    }
    sums
}

/// Runs a server and holds its report to the ledger.
fn holds(arguments: &[&str], ranks: usize) {
    let (warmup, window) = (12, 30);
    let server = Server::new(arguments).steps(window, warmup);
    let run = server.run();
    run.succeeded();
    equals_the_ledger(&run.output(), &run.expected(warmup, window, is_decode), ranks, window);
}

/// The decode labels of the three engines that the simulated server plays.
pub(crate) fn is_decode(message: &str) -> bool {
    ["execute_context_0(0)_", "step[DECODE ", "decode[", "eager_decode["].iter().any(|label| message.starts_with(label))
}

#[test]
fn a_dense_model_under_graphs() {
    holds(&["--model", "dense", "--steps", "60"], 1);
}

#[test]
fn a_mixture_of_experts_on_four_gpus_in_one_process() {
    holds(&["--model", "moe", "--tp", "4", "--steps", "60", "--markers", "sglang"], 4);
}

#[test]
fn a_mixture_of_experts_on_gfx950_eager_with_many_prefills() {
    let arguments = ["--model", "moe-gfx950", "--arch", "gfx950", "--mode", "eager", "--markers", "atom"];
    holds(&[&arguments[..], &["--steps", "60", "--prefill-every", "7"]].concat(), 1);
}

#[test]
fn piecewise_graphs() {
    holds(&["--model", "dense", "--mode", "piecewise", "--steps", "60", "--tp", "2"], 2);
}

#[test]
fn four_processes_make_one_report() {
    holds(&["--model", "moe", "--tp", "4", "--processes", "--steps", "60"], 4);
}
