//! What must be put right before anything else is believed.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::rules::{Find, Rule, percent, took};
use crate::analyze::advice::way::everywhere;
use crate::output::steps::Completeness;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unknown-kernels",
        title: "Kernels that no rule knows hold decode up for {share} of its wall time",
        find: Find::Ask(unknown),
        threshold: 0.10,
        bound: "these kernels cost nothing",
        ways: &[everywhere(
            "Say what they are in a file of rules (--rules FILE; `profile-decode classify --list-rules` shows the \
             language, `profile-decode classify --explain NAME` what was tried), so that shares and advice include them.",
        )],
        verify: "The unknown share at the top of the report is below 5 %.",
        yields_to: &[],
        about_trust: true,
    },
    Rule {
        id: "incomplete-capture",
        title: "The capture is incomplete: {it}",
        find: Find::Ask(incomplete),
        threshold: 0.0,
        bound: "this costs trust, not time",
        ways: &[everywhere(
            "Record again. With this tracer: fewer steps at a time, or a larger PROFILE_DECODE_MAX_RECORDS. With Kineto: \
             kernels of graph replays are lost where PyTorch's wheel brings a roctracer of its own beside the \
             rocprofiler-sdk. Until then no share is to be believed.",
        )],
        verify: "The report says that the capture is complete.",
        yields_to: &[],
        about_trust: true,
    },
    Rule {
        id: "tracing-overhead",
        title: "Steps are {it} longer while they are traced",
        find: Find::Ask(overhead),
        threshold: 0.05,
        bound: "tracing was free; the server without it is faster by this",
        ways: &[everywhere(
            "Take shares, not absolute times, from this report. A second profiler in the process (Kineto, rocprofv3) adds \
             its own cost: record without it. Trace fewer steps.",
        )],
        verify: "Step time inside and outside of the window agree to 5 %.",
        yields_to: &[],
        about_trust: true,
    },
];

fn unknown(evidence: &Evidence<'_>) -> Option<Finding> {
    let unknown = &evidence.report.unknown;
    let is_unknown = |at: &usize| unknown.names.contains(&evidence.kernels[*at].row.name);
    let claims: Vec<(Claim, u64)> = (0..evidence.kernels.len())
        .filter(is_unknown)
        .map(|at| (Claim::Kernel(at), evidence.kernels[at].critical_ns))
        .filter(|&(_, ns)| ns > 0)
        .collect();
    let seen = vec![format!(
        "unknown: {} with {} of the GPU time",
        crate::analyze::advice::rules::several(unknown.names.len(), "kernel"),
        percent(unknown.gpu_share)
    )];
    Some(Finding { claims, seen, ..Finding::default() })
}

fn incomplete(evidence: &Evidence<'_>) -> Option<Finding> {
    let report = evidence.report;
    if report.steps.completeness != Completeness::Incomplete {
        return None;
    }
    let (short, lost) = (report.steps.missing.len(), report.losses.iter().map(|loss| loss.count).sum::<u64>());
    let missing: u64 = report.steps.missing.iter().map(|row| row.expected.saturating_sub(row.seen)).sum();
    let seen = vec![format!(
        "in {short} of {} steps, {missing} fewer kernels than in their like; lost records counted: {lost}",
        evidence.steps
    )];
    let mut finding = Finding::of(Claim::OtherSteps, 0, seen);
    finding.it = format!("kernels are missing in {short} of {} steps; lost records: {lost}", evidence.steps);
    Some(finding)
}

fn overhead(evidence: &Evidence<'_>) -> Option<Finding> {
    let overhead = evidence.report.capture.as_ref()?.overhead;
    let (outside, inside) = (overhead.step_outside_p50_ns?, overhead.step_inside_p50_ns?);
    let longer = inside.checked_sub(outside).filter(|&ns| ns > 0)?;
    let seen =
        vec![format!("step outside of the window {}, inside {} (medians, on the host)", took(outside), took(inside))];
    let mut finding = Finding::of(Claim::Pace, longer * evidence.steps, seen);
    finding.it = percent(longer as f64 / outside.max(1) as f64);
    Some(finding)
}
