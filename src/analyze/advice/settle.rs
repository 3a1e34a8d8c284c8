//! Findings that meet become one, and no time is promised twice.
//!
//! ```text
//!   found         gemm-triton  {a b c}      moe-sort {d}     elementwise {c e}     bucket-padding  part of all
//!                      │                       │                  │ c is taken          │
//!   settled       gemm-triton  {a b c}      moe-sort {d}     elementwise {e}       what is left of the step at most
//! ```
//!
//! A finding of which half is claimed by a larger one is an *alternative* of it: another way to save the same time. The
//! rest gives up what it shares. Then bounds are cut so that together they are no more than the step.

use std::cmp::Reverse;

use crate::analyze::advice::finding::Finding;
use crate::analyze::advice::rules::Rule;
use crate::analyze::advice::way::Told;
use crate::analyze::time::stats::share;

/// A rule that speaks.
pub(super) struct Found {
    pub(super) rule: &'static Rule,
    pub(super) finding: Finding,
    /// What to do.
    pub(super) action: Told,
    /// Other rules about the same time, the largest first.
    pub(super) alternatives: Vec<Found>,
}

/// More than this no other kernels save: a step reads its weights and its cache whatever the kernel.
const MOST_OF_KERNELS: f64 = 0.6;

/// What is said in the end: the largest bound first, what is about trust last.
pub(super) fn settle(mut found: Vec<Found>, wall_ns: u64) -> Vec<Found> {
    let order = |one: &Found| (one.rule.about_trust, Reverse(one.finding.ns()), one.rule.id);
    found.sort_by_key(order);
    let mut settled: Vec<Found> = Vec::new();
    for mut one in found {
        let shared = |other: &Found| one.finding.shared_ns(&other.finding);
        let most = settled.iter_mut().filter(|other| !other.rule.about_trust).max_by_key(|other| shared(other));
        if let Some(other) = most.filter(|other| shared(other) > 0 && shared(other) * 2 >= one.finding.ns()) {
            other.alternatives.push(one);
            continue;
        }
        settled.iter().filter(|other| !other.rule.about_trust).for_each(|other| one.finding.yield_to(&other.finding));
        if !one.finding.claims.is_empty() && share(one.finding.ns(), wall_ns) >= one.rule.threshold {
            settled.push(one);
        }
    }
    let mut left_ns = wall_ns;
    for Found { finding, rule, .. } in settled.iter_mut().filter(|one| one.finding.is_within_steps()) {
        if finding.rests_on_kernels() {
            finding
                .cut_at((wall_ns as f64 * MOST_OF_KERNELS) as u64, "; cut at 60 % of the step, since its work remains");
        }
        if !rule.about_trust {
            finding.cut_at(left_ns, "; cut, since the bounds above claim the rest of the step");
            left_ns -= finding.ns();
        }
    }
    settled.sort_by_key(order);
    settled
}
