//! Steps of real traces: what each detector finds against an independent oracle.
//!
//! Each trace is looked at three times: as it is, with its markers removed, and with its launches removed too, so that
//! every detector has its turn. The table of all is printed.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use profile_decode::ingest;
use profile_decode::model::Trace;
use profile_decode::steps::{Detector, Phase, StepOptions, StepTable, find};
use serde_json::Value;

fn everything() -> StepOptions {
    StepOptions { warmup: Some(0), ..StepOptions::default() }
}

fn without_markers(trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    trace.ranges.clear();
    trace.dispatches.iter_mut().for_each(|dispatch| dispatch.range = None);
    trace
}

fn without_launches(trace: &Trace) -> Trace {
    let mut trace = without_markers(trace);
    trace.launches.clear();
    trace.dispatches.iter_mut().for_each(|dispatch| dispatch.launch = None);
    trace
}

/// A trace as it is, without markers, and without launches, with the steps found.
fn three_ways(trace: Trace) -> [(Trace, StepTable); 3] {
    let bare = without_launches(&trace);
    let unmarked = without_markers(&trace);
    [trace, unmarked, bare].map(|trace| {
        let table = find(&trace, &everything());
        (trace, table)
    })
}

/// Dispatches and their sum of each decode step that is not cut.
fn decode(table: &StepTable) -> Vec<(u32, u64)> {
    let whole = table.steps.iter().filter(|step| step.phase == Phase::Decode && !step.warmup);
    whole.map(|step| (step.dispatches, step.gpu_time_ns)).collect()
}

fn dev(file: &str) -> Option<PathBuf> {
    Some(common::shared()?.join("traces/dev").join(file))
}

fn read(path: &Path) -> Trace {
    ingest::read(&[path]).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn marked_steps_hold_the_kernels_that_the_oracle_links_to_them() {
    // Steps on all ranks, nested labels counted once.
    let steps = [
        ("kineto_vllm_decode_full_mi300x/graph_execution.json.gz", 1),
        ("kineto_sglang_prefilldecode_mi300x/sglang_Qwen3-8B_prefilldecode.json.gz", 1),
        ("kineto_b200_vllm_tp8_rank0_prefill/eager_trace.json.gz", 1),
        ("kineto_xdit_flux1_aiter_sage/profile_trace_rank_0.json.gz", 1),
        ("kineto_mi300_resnet_act_checkpoint/resnet_act_checkpoint.json.gz", 3),
        ("kineto_multirank_ddp4_mi300/merged_all_events.json.gz", 12),
        ("kineto_multirank_ddp4_mi300/derived_per_rank/rank0.pt.trace.json.gz", 3),
        ("kineto_multirank_ddp4_mi300/derived_per_rank/rank3.pt.trace.json.gz", 3),
        ("kineto_miopen_replay_mi300x_x8listed/replay_trace.json", 10),
        ("kineto_mi250_minitoy_rocm62/amd_trace_mi250_minitoy_train_ROCm6_2_kineto.json.gz", 1),
        ("kineto_edge_hta/nccl_parser_config_nccl_data.json.gz", 3),
    ];
    for (file, count) in steps {
        let Some(path) = dev(file) else { return };
        let oracle = path.to_string_lossy().replace("/dev/", "/truth/dev/") + ".oracle.json";
        let truth: Value = serde_json::from_slice(&std::fs::read(oracle).unwrap()).unwrap();
        let mut known: Vec<(String, u64, u64)> = truth["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| {
                let linked = &step["by_correlation"];
                let number = |key: &str| linked[key].as_u64().unwrap();
                (step["name"].as_str().unwrap().to_owned(), number("kernel_events"), number("kernel_time_sum_ns"))
            })
            .collect();
        let trace = read(&path);
        let table = find(&trace, &everything());
        assert_eq!((table.detector, table.steps.len()), (Detector::Marker, count), "{file}: {:?}", table.refused);
        for step in &table.steps {
            let label = trace.names.get(step.label.unwrap()).to_owned();
            let row = (label, u64::from(step.dispatches), step.gpu_time_ns);
            let at = known
                .iter()
                .position(|known| *known == row)
                .unwrap_or_else(|| panic!("{file}: {row:?} not in {known:?}"));
            known.swap_remove(at);
        }
    }
}

#[test]
fn the_same_step_has_the_same_number_on_every_rank() {
    let Some(path) = dev("kineto_multirank_ddp4_mi300/merged_all_events.json.gz") else { return };
    let trace = read(&path);
    let table = find(&trace, &everything());
    let mut labels: BTreeMap<u32, HashSet<&str>> = BTreeMap::new();
    for step in &table.steps {
        labels.entry(step.number).or_default().insert(trace.names.get(step.label.unwrap()));
    }
    assert_eq!(labels.len(), 3);
    assert!(labels.values().all(|labels| labels.len() == 1), "{labels:?}");
}

#[test]
fn the_replays_of_a_vllm_server_are_its_steps_with_and_without_launches() {
    let Some(path) = dev("rpd_vllm_decode_mi300x/mytrace.rpd.gz") else { return };
    let [(trace, as_is), (_, unmarked), (_, bare)] = three_ways(read(&path));
    assert_eq!(
        (as_is.detector, unmarked.detector, bare.detector),
        (Detector::Graph, Detector::Graph, Detector::Period)
    );
    let replayed = |table: &StepTable| {
        let mut kernels: BTreeMap<usize, (HashSet<usize>, u32)> = BTreeMap::new();
        for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
            let Some(launch) =
                dispatch.launch.filter(|l| trace.launches[l.index()].call == profile_decode::model::LaunchCall::Graph)
            else {
                continue;
            };
            let entry = kernels.entry(step.expect("a replay belongs to a step").index()).or_default();
            entry.0.insert(launch.index());
            entry.1 += 1;
        }
        kernels.into_values().map(|(launches, kernels)| (launches.len(), kernels)).collect::<Vec<_>>()
    };
    for table in [&as_is, &unmarked, &bare] {
        assert_eq!(replayed(table), vec![(1, 386); 20]);
    }
    // Head and tail go with their step: the same dispatches whichever way they were found.
    assert_eq!(decode(&as_is), decode(&bare));
    assert_eq!(decode(&as_is).len(), 20);
}

#[test]
fn forty_modelled_replays_are_forty_steps_from_every_format_with_and_without_markers() {
    for file in ["t_kernel_trace.csv", "t_results.json.gz", "t_results.db"] {
        let Some(path) = dev(&format!("rocprofv3_modelled_gpu_graph_tp1/{file}")) else { return };
        let tables = three_ways(read(&path)).map(|(_, table)| table);
        assert_eq!(
            tables.each_ref().map(|table| table.detector),
            [Detector::Marker, Detector::Graph, Detector::Period],
            "{file}"
        );
        let [marked, unmarked, bare] = tables.each_ref().map(decode);
        assert_eq!((marked.len(), marked.iter().all(|step| step.0 == 60)), (40, true), "{file}");
        assert_eq!(marked, unmarked, "{file}");
        assert_eq!(marked, bare, "{file}");
    }
}

#[test]
fn twenty_eager_steps_on_two_gpus_are_the_same_from_every_format_with_and_without_markers() {
    for file in ["t_kernel_trace.csv", "t_results.json.gz", "t_results.db"] {
        let Some(path) = dev(&format!("rocprofv3_modelled_gpu_eager_2gpu/{file}")) else { return };
        let tables = three_ways(read(&path)).map(|(_, table)| table);
        assert_eq!(
            tables.each_ref().map(|table| table.detector),
            [Detector::Marker, Detector::Period, Detector::Period],
            "{file}"
        );
        let [marked, unmarked, bare] = tables.each_ref().map(decode);
        assert_eq!((marked.len(), marked.iter().all(|step| step.0 == 80)), (40, true), "{file}: {marked:?}");
        assert_eq!(marked, unmarked, "{file}");
        assert_eq!(marked, bare, "{file}");
    }
}

#[test]
fn a_single_replay_without_its_marker_is_a_step_and_without_launches_it_is_refused_with_the_reason() {
    let Some(path) = dev("kineto_vllm_decode_full_mi300x/graph_execution.json.gz") else { return };
    let [_, (_, unmarked), (_, bare)] = three_ways(read(&path));
    assert_eq!((unmarked.detector, unmarked.steps.len()), (Detector::Graph, 1));
    assert_eq!(bare.refused[1].why, "the trace has no launch calls");
}

#[allow(clippy::print_stderr)]
#[test]
fn the_table_of_detectors_and_traces() {
    let Some(root) = dev("") else { return };
    let mut files = Vec::new();
    list(&root, &mut files);
    for path in files {
        let Ok(trace) = ingest::read(&[&path]) else { continue };
        if trace.dispatches.len() < 100 {
            continue;
        }
        let cells = three_ways(trace).map(|(_, table)| match table.detector {
            Detector::None => format!("no: {}", table.refused.last().map_or("", |refusal| &refusal.why)),
            detector => {
                let usual = table.steps.iter().map(|step| step.dispatches).max().unwrap_or(0);
                format!(
                    "{} {} steps, up to {usual} kernels, {:.0} %",
                    detector.name(),
                    table.steps.len(),
                    table.confidence * 100.0
                )
            }
        });
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        eprintln!("{name}\n    as is       {}\n    no markers  {}\n    no launches {}", cells[0], cells[1], cells[2]);
    }
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.to_string_lossy().into_owned();
        match path.is_dir() {
            true if !name.contains("edge_derived") => list(&path, files),
            true => {}
            false
                if ["json", "json.gz", "rpd.gz", "_results.db", "kernel_trace.csv", "kernel_trace.csv.gz"]
                    .iter()
                    .any(|end| name.ends_with(end)) =>
            {
                files.push(path)
            }
            false => {}
        }
    }
}
