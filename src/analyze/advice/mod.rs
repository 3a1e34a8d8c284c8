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
//! * *No time is promised twice without saying so.* A rule may yield to more specific ones: what they claim is taken from
//!   it. Rules that still claim the same kernels or the same idle time name each other.
//! * *Silence where evidence is thin*: too few steps (of these only large shares of kernels count), too small a share,
//!   kernels whose class is a guess, a capture that lacks records, kernels that carry the times of others, steps that
//!   nothing shows to be decode's. Advice that is wrong once is not read twice.

mod evidence;
mod pick;
mod rules;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::Sums;
use crate::output::Report;
use crate::output::advice::Advice;
use crate::output::report::ScopeOf;
use crate::output::steps::Completeness;

use evidence::Evidence;
use rules::{Finding, Rule, percent, several};

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
    let mut found: Vec<(&Rule, Finding)> = Vec::new();
    let is_decode = !report.steps.decode_by.is_empty();
    let speaks = |rule: &&Rule| rule.about_trust || is_decode && !(doubtful || unknown || few && !rule.is_of_kernels());
    for rule in rules::all().filter(speaks) {
        let Some(mut finding) = rule.find(&evidence) else { continue };
        if report.displaced.is_some() && finding.rests_on_kernels() {
            continue;
        }
        for (other, theirs) in &found {
            if rule.yields_to.contains(&other.id) {
                finding.yield_to(theirs);
            }
        }
        finding.cap(evidence.wall_ns);
        let threshold = if few { for_few(rule.threshold) } else { rule.threshold };
        if share(finding.ns(), evidence.wall_ns) >= threshold {
            if few {
                finding.seen.push(format!("no more than {}", several(steps as usize, "decode step")));
            }
            found.push((rule, finding));
        }
    }
    let mut advice: Vec<Advice> = found.iter().map(|(rule, finding)| row(rule, finding, &found, &evidence)).collect();
    advice.sort_by_key(|advice| (Reverse(advice.saves_at_most_ns_per_step), advice.id));
    advice
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

fn row(rule: &Rule, finding: &Finding, all: &[(&Rule, Finding)], evidence: &Evidence<'_>) -> Advice {
    let part = share(finding.ns(), evidence.wall_ns);
    let overlaps = |&&(other, ref theirs): &&(&Rule, Finding)| other.id != rule.id && finding.overlaps(theirs);
    let mut kernels: Vec<(usize, u64)> =
        finding.claims.iter().filter_map(|&(claim, ns)| claim.kernel().map(|kernel| (kernel, ns))).collect();
    kernels.sort_by_key(|&(kernel, ns)| (Reverse(ns), kernel));
    let name = |&(kernel, _): &(usize, u64)| evidence.kernels[kernel].row.name.clone();
    Advice {
        id: rule.id,
        title: rule.title.replace("{share}", &percent(part)).replace("{it}", &finding.it),
        saves_at_most_ns_per_step: finding.ns() / evidence.steps,
        share_of_itl: part,
        bound: rule.bound.to_owned(),
        overlaps: all.iter().filter(overlaps).map(|(other, _)| other.id).collect(),
        kernels: kernels.iter().take(KERNELS_NAMED).map(name).collect(),
        evidence: finding.seen.clone(),
        action: rule.action.text(&evidence.frameworks),
        verify: rule.verify.to_owned(),
    }
}
