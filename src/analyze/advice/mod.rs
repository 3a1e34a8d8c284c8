//! What could be done about it: rules over the finished report.
//!
//! ```text
//!   Report, steps ─> Evidence ─┬─ rule ─> Finding: time claimed, kernels, what was seen
//!                              ├─ rule ─> …                              │
//!                              └─ rule ─> …        yield · threshold · cap │
//!                                                                        └─> Advice, the largest bound first
//! ```
//!
//! A rule is a row of a table ([`rules`]): what it looks for, from which share of the wall time on it speaks, what its
//! bound means, and what to do in which framework. What it looks for is mostly a [`Pick`](pick::Pick) of kernels; a few
//! rules ask a question of their own.
//!
//! * *The bound is what a step would save if the thing were perfect*: the wall time that the kernels in question held
//!   up (never their GPU time: beside another stream a kernel may hold up nothing), or an idle time. It is never more
//!   than the step.
//! * *No time is promised twice.* A rule may yield to more specific ones: what they claim is taken from it. What still
//!   meets is [settled](mod@settle): findings about the same kernels become one piece of advice with alternatives, and all
//!   bounds together are no more than the step.
//! * *Only what can be done here.* A [way] to act names switches of one engine, for the GPUs and data types that it
//!   is for; a finding that leaves none is no advice. [`switches`] tells where each switch was looked up.
//! * *Silence where evidence is thin*: too few steps (of these only large shares of kernels count), too small a share,
//!   kernels whose class is a guess, a capture that lacks records, kernels that carry the times of others, steps that
//!   nothing shows to be decode's. Advice that is wrong once is not read twice.

mod evidence;
mod finding;
mod gaps;
mod page;
mod pick;
mod rules;
mod settle;
mod switches;
#[cfg(test)]
mod tests;
mod way;

pub use page::page;

use std::cmp::Reverse;

use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::Sums;
use crate::output::Report;
use crate::output::advice::{Advice, Alternative};
use crate::output::report::ScopeOf;
use crate::output::steps::Completeness;

use evidence::Evidence;
use finding::Finding;
use rules::{Rule, percent, several, took};
use settle::{Found, settle};

/// What the report gives reason to advise, the largest possible saving first.
pub(super) fn advice(scope: &Scope<'_>, sums: &Sums, walls: &[Wall], report: &Report) -> Vec<Advice> {
    let steps = report.steps.gpu_span_ns.map_or(0, |span| span.count);
    if report.scope.of != ScopeOf::DecodeSteps || !is_instinct(report) {
        return Vec::new();
    }
    let few = steps < FEWEST_STEPS;
    let evidence = Evidence::new(scope, sums, walls, report);
    let doubtful = is_full_of_holes(report, steps);
    let unknown = report.unknown.gpu_share > MOST_UNKNOWN;
    let is_decode = !report.steps.decode_by.is_empty();
    let speaks = |rule: &&Rule| rule.about_trust || is_decode && !(doubtful || unknown || few && !rule.is_of_kernels());
    let mut found: Vec<Found> = Vec::new();
    for rule in rules::all().filter(speaks) {
        let Some(mut finding) = rule.find(&evidence) else { continue };
        if report.displaced.is_some() && finding.rests_on_kernels() {
            continue;
        }
        for other in found.iter().filter(|other| rule.yields_to.contains(&other.rule.id)) {
            finding.yield_to(&other.finding);
        }
        finding.cap(evidence.wall_ns);
        leave_out_tracing(&mut finding, &evidence);
        let threshold = if few { for_few(rule.threshold) } else { rule.threshold };
        let enough = share(finding.ns(), evidence.wall_ns) >= threshold && !finding.claims.is_empty();
        let Some(action) = way::action(rule.ways, &evidence, &finding).filter(|_| enough) else { continue };
        if few {
            finding.seen.push(format!("no more than {}", several(steps as usize, "decode step")));
        }
        found.push(Found { rule, finding, action, alternatives: Vec::new() });
    }
    let found = settle(found, evidence.wall_ns);
    found.iter().map(|one| row(one, &found, &evidence)).collect()
}

/// Idle time that is there only because somebody records is none that the server without a tracer loses. A capture of our
/// own measured steps outside of its window; a foreign trace cannot know.
fn leave_out_tracing(finding: &mut Finding, evidence: &Evidence<'_>) {
    if !finding.is_idle_of_this_rank() {
        return;
    }
    match evidence.untraced_idle_ns {
        Some(idle_ns) if idle_ns < finding.ns() => {
            let added_ns = (finding.ns() - idle_ns) / evidence.steps;
            let seen = format!(
                "untraced steps have no more than {} of it; tracing adds {}",
                took(idle_ns / evidence.steps),
                took(added_ns)
            );
            finding.cap(idle_ns);
            finding.seen.push(seen);
        }
        None if !evidence.is_own => {
            finding.seen.push("this trace does not tell how much of it the profiler adds".to_owned());
        }
        _ => {}
    }
}

/// Fewer steps are an anecdote: they tell which kernels run, not what the host, the ranks and the clocks do.
const FEWEST_STEPS: u64 = 5;
/// With more of the GPU time unknown, what the known kernels are is no picture of the step.
const MOST_UNKNOWN: f64 = 0.4;
/// Kernels that a piece of advice names.
const KERNELS_NAMED: usize = 3;

/// The threshold of a rule with fewer steps than that: twice its own, or halfway to everything.
fn for_few(threshold: f64) -> f64 {
    (2.0 * threshold).min(f64::midpoint(1.0, threshold))
}

/// Whether the GPU is one that the actions are for. A trace that does not tell is taken for one.
fn is_instinct(report: &Report) -> bool {
    let other = |gpu: &str| !["AMD", "Instinct", "MI2", "MI3"].iter().any(|word| gpu.contains(word));
    report.source.iter().all(|row| match (&row.arch, &row.gpu) {
        (Some(arch), _) => arch.starts_with("gfx9"),
        (None, Some(gpu)) => !other(gpu),
        (None, None) => true,
    })
}

/// Whether so many records are missing that shares of the time mean little.
fn is_full_of_holes(report: &Report, steps: u64) -> bool {
    let lost: u64 = report.losses.iter().map(|loss| loss.count).sum();
    report.steps.completeness == Completeness::Incomplete
        && (report.steps.missing.len() as u64 * 20 > steps || lost * 100 > report.totals.dispatches)
}

fn row(one: &Found, all: &[Found], evidence: &Evidence<'_>) -> Advice {
    let Found { rule, finding, .. } = one;
    let part = share(finding.ns(), evidence.wall_ns);
    let overlaps = |other: &&Found| other.rule.id != rule.id && finding.overlaps(&other.finding);
    let mut kernels: Vec<(usize, u64)> =
        finding.claims.iter().filter_map(|&(claim, ns)| claim.kernel().map(|kernel| (kernel, ns))).collect();
    kernels.sort_by_key(|&(kernel, ns)| (Reverse(ns), kernel));
    let name = |&(kernel, _): &(usize, u64)| evidence.kernels[kernel].row.name.clone();
    let alternative = |other: &Found| Alternative {
        id: other.rule.id,
        title: title(other, evidence),
        action: other.action.text.clone(),
    };
    Advice {
        id: rule.id,
        title: title(one, evidence),
        saves_at_most_ns_per_step: finding.ns() / evidence.steps,
        share_of_itl: part,
        bound: format!("{}{}", rule.bound, finding.cut),
        about_trust: rule.about_trust,
        overlaps: all.iter().filter(overlaps).map(|other| other.rule.id).collect(),
        kernels: kernels.iter().take(KERNELS_NAMED).map(name).collect(),
        evidence: finding.seen.clone(),
        checked: one.action.checked.clone(),
        action: one.action.text.clone(),
        alternatives: one.alternatives.iter().map(alternative).collect(),
        verify: rule.verify.to_owned(),
    }
}

fn title(one: &Found, evidence: &Evidence<'_>) -> String {
    let part = percent(share(one.finding.held_ns(), evidence.wall_ns));
    one.rule.title.replace("{share}", &part).replace("{it}", &one.finding.it)
}
