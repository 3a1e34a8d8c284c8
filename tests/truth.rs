//! Counts and nanoseconds of every reader against an independent oracle, over real traces.
//!
//! The oracle is a separate program in another language; for each trace it notes how many kernels there are, how long
//! they ran, per name and per GPU, which of them a runtime call can be found for, and what each graph launch replayed.
//! Everything must agree to the nanosecond.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use profile_decode::ingest::{self, ErrorKind};
use profile_decode::model::{LaunchCall, Trace};
use serde_json::Value;

/// Oracles of inputs that hold sums only and are refused.
const AGGREGATES: [&str; 1] = ["44371_kernel_stats.csv"];

#[test]
fn every_trace_gives_the_counts_and_nanoseconds_of_the_oracle() {
    let Some(shared) = common::shared() else { return };
    let traces = shared.join("traces");
    let mut oracles = Vec::new();
    find_oracles(&traces.join("truth/dev"), &mut oracles);
    assert!(oracles.len() > 30, "only {} oracles", oracles.len());
    let mut wrong = Vec::new();
    for oracle in oracles {
        let truth: Value = serde_json::from_slice(&std::fs::read(&oracle).unwrap()).unwrap();
        let Some(file) = truth["file"].as_str().filter(|_| truth["kernel_events"].is_u64()) else { continue };
        let path = traces.join(file);
        if let Err(difference) = check(&path, &truth) {
            wrong.push(format!("{file}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{} traces differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn find_oracles(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find_oracles(&path, found);
        } else if path.to_string_lossy().ends_with(".oracle.json") {
            found.push(path);
        }
    }
}

fn check(path: &Path, truth: &Value) -> Result<(), String> {
    let read = ingest::read(&[path]);
    let name = path.file_name().unwrap().to_str().unwrap();
    if AGGREGATES.contains(&name) {
        let kind = read.err().map(|error| error.kind);
        return same("refusal", kind, Some(ErrorKind::UnknownFormat));
    }
    if truth["kernel_events"] == 0 {
        return same("refusal", read.err().map(|error| error.kind), Some(ErrorKind::Empty));
    }
    let trace = read.map_err(|error| error.to_string())?;
    same("losses", trace.losses.len(), 0)?;
    let sum = |spans: &mut dyn Iterator<Item = u64>| spans.fold((0u64, 0u64), |(n, sum), ns| (n + 1, sum + ns));
    let kernels = sum(&mut trace.dispatches.iter().map(|dispatch| dispatch.span.duration_ns()));
    same("kernels", kernels, (number(&truth["kernel_events"]), number(&truth["kernel_time_sum_ns"])))?;
    same("per kernel", per_kernel(&trace), per_kernel_of(truth))?;
    let copies = sum(&mut trace.copies.iter().map(|copy| copy.span.duration_ns()));
    same("copies", copies, copies_of(truth))?;
    same("GPUs", per_gpu(&trace), per_gpu_of(truth))?;
    if let Some(linked) = linked_of(truth) {
        let found = trace.dispatches.iter().filter(|dispatch| dispatch.launch.is_some()).count();
        same("kernels with their launch", found as u64, linked)?;
        same("graph launches", graph_launches(&trace), graph_launches_of(truth))?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Count, total, least and greatest duration.
type Figures = (u64, u64, u64, u64);

fn per_kernel(trace: &Trace) -> BTreeMap<String, Figures> {
    let mut kernels: BTreeMap<String, Figures> = BTreeMap::new();
    for dispatch in &trace.dispatches {
        let ns = dispatch.span.duration_ns();
        let (count, total, min, max) = kernels.entry(trace.kernel(dispatch).to_owned()).or_insert((0, 0, u64::MAX, 0));
        *count += 1;
        *total += ns;
        *min = ns.min(*min);
        *max = ns.max(*max);
    }
    kernels
}

fn per_kernel_of(truth: &Value) -> BTreeMap<String, Figures> {
    let kernels = truth["per_kernel"].as_array().unwrap();
    kernels
        .iter()
        .map(|kernel| {
            let figure = |name: &str| number(&kernel[name]);
            let figures = (figure("count"), figure("total_ns"), figure("min_ns"), figure("max_ns"));
            (kernel["name"].as_str().unwrap().to_owned(), figures)
        })
        .collect()
}

fn copies_of(truth: &Value) -> (u64, u64) {
    let others = truth["other_gpu_events"].as_object().unwrap();
    others.values().fold((0, 0), |(n, sum), event| (n + number(&event["count"]), sum + number(&event["total_ns"])))
}

/// Count and sum of the kernels of each GPU, in order of size: numbers of GPUs differ between oracle and model.
fn per_gpu(trace: &Trace) -> Vec<(u64, u64)> {
    let mut gpus = vec![(0, 0); trace.ranks.len()];
    for dispatch in &trace.dispatches {
        let (count, total) = &mut gpus[trace.rank_of(dispatch.stream).index()];
        *count += 1;
        *total += dispatch.span.duration_ns();
    }
    gpus.retain(|&(count, _)| count > 0);
    gpus.sort_unstable();
    gpus
}

fn per_gpu_of(truth: &Value) -> Vec<(u64, u64)> {
    let devices = truth["devices"].as_object().unwrap();
    let figures = |gpu: &Value| (number(&gpu["kernel_events"]), number(&gpu["kernel_time_sum_ns"]));
    let mut gpus: Vec<_> = devices.values().map(figures).collect();
    gpus.retain(|&(count, _)| count > 0);
    gpus.sort_unstable();
    gpus
}

fn linked_of(truth: &Value) -> Option<u64> {
    let linkage = &truth["linkage"];
    [
        &linkage["kernels_linked_to_runtime_call"],
        &linkage["kernels_linked_to_api"],
        &linkage["kernels_whose_stack_id_is_a_region_stack_id"],
        &truth["hip_api"]["kernels_whose_correlation_is_in_hip_api"],
    ]
    .into_iter()
    .find_map(Value::as_u64)
}

/// How many kernels each graph launch replayed, in order of size.
fn graph_launches(trace: &Trace) -> Vec<u64> {
    let mut replayed = vec![0; trace.launches.len()];
    for launch in trace.dispatches.iter().filter_map(|dispatch| dispatch.launch) {
        replayed[launch.index()] += 1;
    }
    let graphs = trace.launches.iter().zip(replayed).filter(|(launch, _)| launch.call == LaunchCall::Graph);
    let mut counts: Vec<u64> = graphs.map(|(_, count)| count).filter(|&count| count > 0).collect();
    counts.sort_unstable();
    counts
}

fn graph_launches_of(truth: &Value) -> Vec<u64> {
    let launches = truth["graph_launches"].as_array();
    let mut counts: Vec<u64> = launches.into_iter().flatten().map(|launch| number(&launch["kernel_events"])).collect();
    counts.retain(|&count| count > 0);
    counts.sort_unstable();
    counts
}

/// What a dispatch is, whatever the format: start, end, name, device, stream, and the launch call's start and kind.
type Told = (i64, i64, String, Option<i64>, u64, Option<(i64, LaunchCall)>);

fn told(trace: &Trace) -> Vec<Told> {
    let mut all: Vec<Told> = trace
        .dispatches
        .iter()
        .map(|dispatch| {
            let stream = &trace.streams[dispatch.stream.index()];
            let launch = dispatch.launch.map(|launch| &trace.launches[launch.index()]);
            (
                dispatch.span.start_ns,
                dispatch.span.end_ns,
                trace.kernel(dispatch).to_owned(),
                trace.ranks[stream.rank.index()].device,
                stream.id,
                launch.map(|launch| (launch.span.start_ns, launch.call)),
            )
        })
        .collect();
    all.sort_by(|a, b| (a.0, a.1, &a.2, a.3, a.4).cmp(&(b.0, b.1, &b.2, b.3, b.4)));
    all
}

fn ranges(trace: &Trace) -> Vec<(i64, i64, String, u64)> {
    let told = |range: &profile_decode::model::Range| {
        (range.span.start_ns, range.span.end_ns, trace.names.get(range.name).to_owned(), range.thread)
    };
    trace.ranges.iter().map(told).collect()
}

#[test]
fn one_run_of_rocprofv3_reads_the_same_from_csv_json_and_rocpd() {
    let Some(shared) = common::shared() else { return };
    for (run, kernels, steps) in [("graph_tp1", 2400, 40), ("eager_2gpu", 3206, 21)] {
        let directory = shared.join(format!("traces/dev/rocprofv3_modelled_gpu_{run}"));
        let read = |name: &str| ingest::read(&[directory.join(name)]).unwrap();
        let (csv, json, rocpd) = (read("t_kernel_trace.csv"), read("t_results.json.gz"), read("t_results.db"));
        assert_eq!(csv.dispatches.len(), kernels);
        assert_eq!(csv.ranges.len(), steps);
        assert!(csv.dispatches.iter().all(|dispatch| dispatch.launch.is_some()));
        for other in [&json, &rocpd] {
            assert_eq!(told(&csv), told(other));
            assert_eq!(ranges(&csv), ranges(other));
            assert_eq!(csv.launches.len(), other.launches.len());
            let copies = |trace: &Trace| trace.copies.iter().map(|copy| (copy.span, copy.kind)).collect::<Vec<_>>();
            assert_eq!(copies(&csv), copies(other));
            assert!(other.ranks.iter().all(|rank| rank.arch.as_deref() == Some("gfx942")));
            assert_eq!(csv.processes[0].pid, other.processes[0].pid);
        }
        let graphs = |trace: &Trace| trace.launches.iter().map(|launch| launch.graph).collect::<Vec<_>>();
        assert_eq!(graphs(&json), graphs(&rocpd));
        let all = ingest::read(&[&directory]).unwrap();
        assert_eq!(told(&all), told(&rocpd), "a directory that holds one run in three formats is one run");
    }
}
