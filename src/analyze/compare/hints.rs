//! What else may explain a change than what the tables seem to say.
//!
//! A slower kernel is mostly a slower kernel. But a clock that was capped slows all of them alike, a run that heats up
//! is slower at its end, and attention takes longer over longer contexts, which traces do not tell. None of this is
//! proof; each is a sentence that saves a search in the wrong place.

use crate::analyze::compare::scatter::{MEDIAN, of};
use crate::classify::Category;
use crate::output::comparison::{CategoryChange, Fate, Flag, Hint, KernelChange};

/// A change by less than this of all kernels alike is not worth a word.
const ALIKE_AT_LEAST: f64 = 0.02;
/// Part of the time that must have changed alike.
const ALIKE_PART: f64 = 0.85;
/// Kernels and categories that must be among it.
const ALIKE_KERNELS: usize = 5;
const ALIKE_CATEGORIES: usize = 3;
/// Drift over a run, in parts of its step, that is worth a word.
const DRIFT_AT_LEAST: f64 = 0.02;
/// Steps that a drift must show in, and the part of all pairs of an early and a late step that must agree.
const DRIFT_STEPS: usize = 20;
const DRIFT_PART: f64 = 0.9;

/// How far a side's step drifts from its first half to its second, as a part of itself; 0 if that may be chance.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Drift {
    pub(super) base: f64,
    pub(super) new: f64,
}

/// By what part of itself `series` drifts from its first half to its second: 0 unless nearly every value of the one lies
/// on the same side of nearly every value of the other.
pub(super) fn drift(series: &[u64]) -> f64 {
    if series.len() < DRIFT_STEPS {
        return 0.0;
    }
    let (early, late) = series.split_at(series.len() / 2);
    let mut sorted = early.to_vec();
    sorted.sort_unstable();
    let below: usize = late.iter().map(|value| sorted.partition_point(|other| other < value)).sum();
    let part = below as f64 / (early.len() * late.len()) as f64;
    let all = of(series, MEDIAN);
    if all == 0.0 || (1.0 - DRIFT_PART..=DRIFT_PART).contains(&part) {
        return 0.0;
    }
    (of(late, MEDIAN) - of(early, MEDIAN)) / all
}

/// All that apply.
pub(super) fn hints(
    drift: Drift,
    contexts_known: bool,
    categories: &[CategoryChange],
    kernels: &[KernelChange],
) -> Vec<Hint> {
    let mut hints = Vec::new();
    hints.extend(alike(kernels));
    for (name, drift) in [("base", drift.base), ("new", drift.new)] {
        hints.extend(drifts(name, drift));
    }
    if !contexts_known {
        hints.extend(contexts(categories, kernels));
    }
    hints
}

/// Nearly all kernels changed by the same factor.
fn alike(kernels: &[KernelChange]) -> Option<Hint> {
    // Communication waits and moves data: the shader clock is not what it hangs on.
    let rows = kernels.iter().filter(|row| row.category != Category::Allreduce);
    let rows: Vec<(f64, f64, &KernelChange)> = rows
        .filter(|row| row.fate != Fate::Added && row.fate != Fate::Removed && row.change.base_ns_per_step > 0)
        .map(|row| {
            let (was, is) = (row.change.base_ns_per_step as f64, row.change.new_ns_per_step as f64);
            (is / was, was + is, row)
        })
        .collect();
    let whole: f64 = rows.iter().map(|(_, weight, _)| weight).sum();
    let mut sorted: Vec<(f64, f64)> = rows.iter().map(|(ratio, weight, _)| (*ratio, *weight)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut passed = 0.0;
    let middle = sorted.iter().find(|(_, weight)| {
        passed += weight;
        passed * 2.0 >= whole
    });
    let by = middle?.0 - 1.0;
    let near = |ratio: f64| (ratio - 1.0 - by).abs() <= by.abs() / 3.0;
    let among: Vec<&(f64, f64, &KernelChange)> = rows.iter().filter(|(ratio, ..)| near(*ratio)).collect();
    let part = among.iter().map(|(_, weight, _)| weight).sum::<f64>() / whole;
    let real = among.iter().filter(|(.., row)| row.change.real).map(|(_, weight, _)| weight).sum::<f64>() / whole;
    let mut categories: Vec<Category> = among.iter().map(|(.., row)| row.category).collect();
    categories.sort_unstable();
    categories.dedup();
    let applies = by.abs() >= ALIKE_AT_LEAST
        && part >= ALIKE_PART
        && real >= ALIKE_PART / 2.0
        && among.len() >= ALIKE_KERNELS
        && categories.len() >= ALIKE_CATEGORIES;
    applies.then(|| Hint {
        code: "all-alike",
        text: format!(
            "nearly all kernels are {} by about {:.0} %, whatever they do: a clock, a power cap or heat looks like this, and \
             a change of the program seldom does",
            if by > 0.0 { "slower" } else { "faster" },
            by.abs() * 100.0
        ),
    })
}

fn drifts(name: &str, drift: f64) -> Option<Hint> {
    (drift.abs() >= DRIFT_AT_LEAST).then(|| Hint {
        code: "drifting",
        text: format!(
            "steps of the {name} get {} by {:.0} % from its first half to its second: clocks were not steady, or contexts grew",
            if drift > 0.0 { "slower" } else { "faster" },
            drift.abs() * 100.0
        ),
    })
}

/// Attention changed, by the same kernels.
fn contexts(categories: &[CategoryChange], kernels: &[KernelChange]) -> Option<Hint> {
    let attention = categories.iter().find(|row| row.name == Category::Attention)?;
    let others = categories.iter().any(|row| row.name != Category::Attention && row.change.flag != Flag::Same);
    let mut of_attention = kernels.iter().filter(|row| row.category == Category::Attention);
    let applies = attention.change.flag != Flag::Same && !others && of_attention.all(|row| row.fate == Fate::Same);
    let grows = attention.change.growth.filter(|growth| *growth > 0.0);
    let grows = grows.map_or_else(String::new, |growth| {
        format!(
            " (it grows by {:.0} % within these runs, so a later window looks like a slower kernel)",
            growth * 100.0
        )
    });
    applies.then(|| Hint {
        code: "contexts-unknown",
        text: format!(
            "attention takes longer over longer contexts, whose lengths these traces do not tell{grows}: make sure that \
             both sides served the same prompts, from the same step on"
        ),
    })
}
