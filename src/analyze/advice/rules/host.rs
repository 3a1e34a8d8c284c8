//! Time in which the GPU has nothing to do: launches, graphs, copies.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::rules::{Action, Claim, Find, Finding, Rule, percent};
use crate::model::{CopyKind, Format};
use crate::output::time::Cause;

/// Graph launches a step from which on the graph is in pieces: one or two make a full one and its draft.
const PIECES: f64 = 4.0;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "host-bound",
        title: "The GPU waits for the host during {share} of the decode wall time: kernels are launched one by one",
        find: Find::IdleIf(is_eager, &[Cause::Host, Cause::Unknown]),
        threshold: 0.08,
        bound: "every kernel was launched in time",
        action: Action {
            any: "Let decode run as one full graph that covers the running batch.",
            vllm: "no --enforce-eager; --compilation-config '{\"cudagraph_mode\": \"FULL_AND_PIECEWISE\"}' (or \
                   FULL_DECODE_ONLY) with cudagraph_capture_sizes up to the running batch.",
            sglang: "no --disable-cuda-graph; --cuda-graph-max-bs-decode (before: --cuda-graph-max-bs) at least the \
                     running batch.",
            atom: "no --enforce-eager; --cudagraph-capture-sizes up to the running batch.",
        },
        verify: "The idle time of cause `host` falls, and the kernels of a step come from one graph launch.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "piecewise-graphs",
        title: "{it} graph launches a step: idle time between the pieces is {share} of the decode wall time",
        find: Find::Ask(piecewise),
        threshold: 0.05,
        bound: "one graph launch started the whole step and left no gap",
        action: Action {
            any: "Decode in one full graph; pieces leave attention outside and a launch before and after it.",
            vllm: "--compilation-config '{\"cudagraph_mode\": \"FULL_AND_PIECEWISE\"}' or FULL_DECODE_ONLY, with an \
                   attention backend that can be captured (ROCM_AITER_FA, ROCM_AITER_MLA, TRITON_ATTN).",
            sglang: "",
            atom: "cudagraph_mode FULL_AND_PIECEWISE or FULL_DECODE_ONLY in the compilation config.",
        },
        verify: "One or two graph launches a step, and less idle time.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "host-between-graphs",
        title: "The GPU waits for the host during {share} of the decode wall time, though decode runs as a graph",
        find: Find::IdleIf(
            |evidence| evidence.is_graph() == Some(true) && graphs_a_step(evidence) <= PIECES,
            &[Cause::Host],
        ),
        threshold: 0.08,
        bound: "the next step was always launched in time",
        action: Action {
            any: "Schedule the next step while this one runs, and keep what remains outside the graph (sampling, \
                  preparing inputs) short. A slow CPU core or a busy NUMA node shows here first.",
            vllm: "--async-scheduling.",
            sglang: "no --disable-overlap-schedule; --num-continuous-decode-steps above 1.",
            atom: "",
        },
        verify: "The idle time of cause `host` falls, and token to token comes near to the GPU span.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "launch-gaps",
        title: "Gaps between kernels that were launched already are {share} of the decode wall time",
        find: Find::IdleIf(|evidence| graphs_a_step(evidence) <= PIECES, &[Cause::LaunchGap]),
        threshold: 0.12,
        bound: "each kernel began when the one before ended",
        action: Action::any(
            "Each kernel costs a gap of a microsecond or so even in a graph: fewer, larger kernels have fewer of them, so \
             every fusion that this report suggests saves its gap too. HIP_FORCE_DEV_KERNARG=1 puts kernel arguments \
             into device memory, which shortens the gaps (set in vLLM's images for ROCm).",
        ),
        verify: "Fewer dispatches a step, and less idle time of cause `launch_gap`.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "copies-in-step",
        title: "Copies hold decode up for {share} of its wall time",
        find: Find::Ask(copies),
        threshold: 0.02,
        bound: "nothing was copied while the GPU waited",
        action: Action {
            any: "Copy from pinned memory, asynchronously, all inputs at once, and read sampled tokens back a step later: \
                  `.item()`, `.tolist()` and `.cpu()` in the loop stop the host until the GPU is done.",
            vllm: "--async-scheduling.",
            sglang: "no --disable-overlap-schedule.",
            atom: "ATOM_H2D_BACKEND=packed (the default) combines the metadata of a step into one copy.",
        },
        verify: "Fewer copies a step, and the idle time of cause `copy` is gone.",
        yields_to: &[],
        about_trust: false,
    },
];

/// Whether kernels are launched one by one. Our own tracer records graph launches and no others, so where it recorded
/// none there was none; then the trace does not tell the host's idle time from gaps either.
fn is_eager(evidence: &Evidence<'_>) -> bool {
    let ours = || evidence.report.source.iter().all(|row| row.format == Format::Capture);
    evidence.is_graph().map_or_else(ours, |graph| !graph)
}

fn graphs_a_step(evidence: &Evidence<'_>) -> f64 {
    evidence.launches.graphs as f64 / evidence.steps as f64
}

fn piecewise(evidence: &Evidence<'_>) -> Option<Finding> {
    let pieces = graphs_a_step(evidence);
    if pieces <= PIECES {
        return None;
    }
    let mut finding = crate::analyze::advice::rules::idle(evidence, &[Cause::Host, Cause::LaunchGap]);
    finding.seen.push(format!(
        "{pieces:.1} graph launches a step, and {:.1} kernels launched one by one",
        evidence.launches.single as f64 / evidence.steps as f64
    ));
    finding.it = format!("{pieces:.0}");
    Some(finding)
}

fn copies(evidence: &Evidence<'_>) -> Option<Finding> {
    let ns = evidence.idle_ns(Cause::Copy);
    let kind = |kind| match kind {
        CopyKind::HostToDevice => "to the GPU",
        CopyKind::DeviceToHost => "to the host",
        CopyKind::DeviceToDevice => "within GPUs",
        CopyKind::Fill | CopyKind::Unknown => "fills",
    };
    let counts: Vec<String> = evidence
        .copies
        .iter()
        .map(|&(which, count)| format!("{:.1} {}", count as f64 / evidence.steps as f64, kind(which)))
        .collect();
    let seen = vec![
        format!("idle by cause: copy {} of the wall time", percent(evidence.share(ns))),
        format!("copies a step: {}", counts.join(", ")),
    ];
    (ns > 0).then(|| Finding::of(Claim::Idle(Cause::Copy), ns, seen))
}
