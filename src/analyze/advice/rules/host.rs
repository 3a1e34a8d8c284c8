//! Time in which the GPU has nothing to do: launches, graphs, copies.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::gaps::LONG_NS;
use crate::analyze::advice::rules::{Find, Rule, percent, took};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
use crate::model::CopyKind;
use crate::output::time::Cause;

/// Graph launches a step from which on the graph is in pieces: one or two make a full one and its draft.
const PIECES: f64 = 4.0;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "host-bound",
        title: "The GPU waits for the host during {share} of the decode wall time: kernels are launched one by one",
        find: Find::IdleIf(is_eager, &[Cause::Host, Cause::LaunchGap, Cause::Unknown]),
        threshold: 0.08,
        bound: "every kernel was launched in time",
        ways: &[
            everywhere("Let decode run as one full graph that covers the running batch."),
            vllm(
                "no --enforce-eager, and no optimization level of 0; cudagraph_mode FULL_AND_PIECEWISE (the \
                 default) or FULL_DECODE_ONLY in --compilation-config, with cudagraph_capture_sizes up to the \
                 running batch.",
            ),
            sglang(
                "no --disable-cuda-graph (newer: --cuda-graph-backend-decode=disabled); \
                 --cuda-graph-max-bs-decode at least the running batch.",
            ),
            atom("no --enforce-eager; --cudagraph-capture-sizes up to the running batch."),
        ],
        verify: "The idle time of causes `host` and `launch_gap` falls, and the kernels of a step come from one graph launch.",
        yields_to: &["batch-above-graphs"],
        about_trust: false,
    },
    Rule {
        id: "piecewise-graphs",
        title: "{it} graph launches a step: idle time between the pieces is {share} of the decode wall time",
        find: Find::Ask(piecewise),
        threshold: 0.05,
        bound: "one graph launch started the whole step and left no gap",
        ways: &[
            everywhere("Decode in one full graph; pieces leave attention outside and a launch before and after it."),
            vllm(
                "--compilation-config '{\"cudagraph_mode\": \"FULL_AND_PIECEWISE\"}' (the default) or \
                 FULL_DECODE_ONLY; where the mode was lowered the log tells why. An optimization level of 1 runs \
                 pieces alone.",
            ),
            atom("--cudagraph-mode FULL (the default): FULL_AND_PIECEWISE runs decode in pieces too."),
        ],
        verify: "One or two graph launches a step, and less idle time.",
        yields_to: &["batch-above-graphs"],
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
        ways: &[
            everywhere(
                "Schedule the next step while this one runs, and keep what remains outside the graph (sampling, \
             preparing inputs) short. A slow CPU core or a busy NUMA node shows here first.",
            ),
            vllm(
                "asynchronous scheduling is on by default: a log line `Async scheduling is disabled` tells what \
                 turned it off (pipeline parallelism, some speculative methods, --no-async-scheduling). \
                 --numa-bind binds workers to their GPU's node.",
            ),
            sglang("no --disable-overlap-schedule; --numa-node where it is not found by itself."),
            atom("ATOM_NUMA_BIND=1 binds workers to their GPU's node."),
        ],
        verify: "The idle time of cause `host` falls, and token to token comes near to the GPU span.",
        yields_to: &["batch-above-graphs"],
        about_trust: false,
    },
    Rule {
        id: "graph-stalls",
        title: "Graphs stall: long gaps between kernels of one replay are {share} of the decode wall time",
        find: Find::Ask(stalls),
        threshold: 0.04,
        bound: "no kernel of a replay waited",
        ways: &[everywhere(
            "Such a gap is no cost of launching: a node of the graph waits for something that is no kernel of this stream. \
             Look at both sides of the longest in a timeline (`profile-decode export --format perfetto`): a copy or fill \
             node, a branch on another stream that joins late, a host function, or a kernel that the trace lacks.",
        )],
        verify: "The kernels named here follow one another within some microseconds.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "launch-gaps",
        title: "Gaps between kernels that were launched already are {share} of the decode wall time",
        find: Find::Ask(launch_gaps),
        threshold: 0.12,
        bound: "each kernel began when the one before ended",
        ways: &[everywhere(
            "Every kernel costs its gap, in a graph too: fewer, larger kernels have fewer of them, so each fusion \
             that this report suggests saves its gaps besides. Before ROCm 7, HIP_FORCE_DEV_KERNARG=1 shortens \
             them (later runtimes do so by themselves on these GPUs).",
        )],
        verify: "Fewer dispatches a step, and less idle time of cause `launch_gap`.",
        yields_to: &["host-bound"],
        about_trust: false,
    },
    Rule {
        id: "device-copies",
        title: "Copies within the GPU, {it} a step, hold decode up for {share} of its wall time",
        find: Find::Ask(device_copies),
        threshold: 0.02,
        bound: "nothing was copied",
        ways: &[everywhere(
            "So many copies a step come from the model's own code, once a layer or oftener: a tensor that the producer could \
             write where its consumer reads it (`copy_`, `clone`, `contiguous`, `cat` and slices that are written back). \
             The kernels before and after each copy in a timeline name the place.",
        )],
        verify: "Fewer copies within GPUs a step, and the idle time of cause `copy` is gone.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "copies-in-step",
        title: "Copies hold decode up for {share} of its wall time",
        find: Find::Ask(copies),
        threshold: 0.02,
        bound: "nothing was copied while the GPU waited",
        ways: &[
            everywhere(
                "Copy from pinned memory, asynchronously, all inputs at once, and read sampled tokens back a step \
             later: `.item()`, `.tolist()` and `.cpu()` in the loop stop the host until the GPU is done.",
            )
            .when(|evidence, _| crosses(evidence)),
            everywhere(
                "Most of these copies stay within GPUs: let the producer write where the consumer reads (`copy_`, \
                 `clone`, `contiguous` and `cat` copy).",
            )
            .when(|evidence, _| !crosses(evidence)),
            vllm(
                "asynchronous scheduling is on by default: a log line `Async scheduling is disabled` tells what \
                 turned it off.",
            )
            .when(|evidence, _| crosses(evidence)),
            sglang("no --disable-overlap-schedule.").when(|evidence, _| crosses(evidence)),
            atom(
                "ATOM_H2D_BACKEND=packed, in versions that have it, combines the metadata of a step into one copy \
                 (the default is direct).",
            )
            .when(|evidence, _| crosses(evidence)),
        ],
        verify: "Fewer copies a step, and the idle time of cause `copy` is gone.",
        yields_to: &["device-copies"],
        about_trust: false,
    },
];

/// Whether kernels are launched one by one. Our own tracer records graph launches and no others, so where it recorded
/// none there was none; then the trace does not tell the host's idle time from gaps either.
fn is_eager(evidence: &Evidence<'_>) -> bool {
    evidence.is_graph().map_or(evidence.is_own, |graph| !graph)
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

/// Whether long gaps are most of what the GPU leaves between kernels that were launched already.
fn is_stalled(evidence: &Evidence<'_>) -> bool {
    evidence.gaps.long_ns * 2 >= evidence.idle_ns(Cause::LaunchGap)
}

fn stalls(evidence: &Evidence<'_>) -> Option<Finding> {
    let gaps = evidence.gaps;
    let (ns, longest) = (gaps.long_ns.min(evidence.idle_ns(Cause::LaunchGap)), gaps.longest?);
    let name = |id| evidence.name(id);
    let seen = vec![
        format!(
            "{:.1} gaps a step of at least {} within replays, {} a step in all",
            gaps.long as f64 / evidence.steps as f64,
            took(LONG_NS),
            took(gaps.long_ns / evidence.steps)
        ),
        format!("the longest, {}, is between {} and {}", took(longest.ns), name(longest.after), name(longest.before)),
    ];
    (ns > 0 && is_stalled(evidence)).then(|| Finding::of(Claim::Idle(Cause::LaunchGap), ns, seen))
}

fn launch_gaps(evidence: &Evidence<'_>) -> Option<Finding> {
    if graphs_a_step(evidence) > PIECES || is_stalled(evidence) {
        return None;
    }
    let mut finding = crate::analyze::advice::rules::idle(evidence, &[Cause::LaunchGap]);
    let kernels: f64 = evidence.kernels.iter().map(|kernel| kernel.a_step).sum();
    let each = finding.ns() as f64 / evidence.steps as f64 / kernels.max(1.0);
    finding.seen.push(format!("{kernels:.0} kernels a step, {} of gap to each", took(each as u64)));
    Some(finding)
}

/// Copies within GPUs a step from which on they come from layers rather than from the step as a whole.
const OF_LAYERS: f64 = 8.0;

fn device_copies(evidence: &Evidence<'_>) -> Option<Finding> {
    let all_ns: u64 = evidence.copies.iter().map(|copies| copies.ns).sum();
    let within = evidence.copies.iter().find(|copies| copies.kind == CopyKind::DeviceToDevice)?;
    let a_step = within.count as f64 / evidence.steps as f64;
    if within.ns * 2 < all_ns || a_step < OF_LAYERS {
        return None;
    }
    Some(Finding { it: format!("{a_step:.0}"), ..copies(evidence)? })
}

/// Whether most of the copies' time is between host and GPU.
fn crosses(evidence: &Evidence<'_>) -> bool {
    let ns = |is: fn(CopyKind) -> bool| -> u64 {
        evidence.copies.iter().filter(|copies| is(copies.kind)).map(|copies| copies.ns).sum()
    };
    ns(|kind| matches!(kind, CopyKind::HostToDevice | CopyKind::DeviceToHost)) * 2 >= ns(|_| true)
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
        .map(|copies| format!("{:.1} {}", copies.count as f64 / evidence.steps as f64, kind(copies.kind)))
        .collect();
    let seen = vec![
        format!("idle by cause: copy {} of the wall time", percent(evidence.share(ns))),
        format!("copies a step: {}", counts.join(", ")),
    ];
    (ns > 0).then(|| Finding::of(Claim::Idle(Cause::Copy), ns, seen))
}
