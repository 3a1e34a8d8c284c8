//! GPU time by category, and within a category by backend, kind and data type.

use std::collections::BTreeMap;

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::scope::Scope;
use crate::analyze::time::communication;
use crate::analyze::time::stats::{per_step, share};
use crate::analyze::time::sums::Sums;
use crate::classify::{Category, Confidence};
use crate::output::time::Sum;
use crate::output::time::{CategoryPart, CategoryRow};

/// The rows of all categories, the largest first.
pub(crate) fn categories(scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>) -> Vec<CategoryRow> {
    let mut rows: Vec<CategoryRow> = Category::ALL.map(|category| row(scope, sums, critical, category)).into();
    rows.sort_by_key(|row| std::cmp::Reverse(row.gpu_time_ns));
    rows
}

fn row(scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>, category: Category) -> CategoryRow {
    let mut sum = Sum::default();
    let (mut backends, mut subs, mut dtypes) = (Parts::default(), Parts::default(), Parts::default());
    for (name, _) in scope.trace.names.iter() {
        let counted = sums.names[name.index()].counted;
        let verdict = scope.verdict(name);
        if counted.dispatches == 0 || verdict.category != category {
            continue;
        }
        sum.dispatches += counted.dispatches;
        sum.gpu_time_ns += counted.gpu_time_ns;
        let guess = |known: bool, sure: Confidence| known && sure == Confidence::Low;
        backends.add(&verdict.backend, counted, guess(verdict.backend != "unknown", verdict.backend_confidence));
        subs.add(
            verdict.sub.as_deref().unwrap_or("unknown"),
            counted,
            guess(!verdict.is_unknown(), verdict.confidence),
        );
        dtypes.add(verdict.dtype.as_deref().unwrap_or("unknown"), counted, false);
    }
    let critical_ns = critical.map(|critical| critical.all.categories[category as usize]);
    let (title, collectives) = match category {
        Category::Allreduce => {
            let parts = communication::collectives(scope);
            (communication::title_of(parts.iter().map(|part| &*part.name)), parts)
        }
        _ => (category.title(), Vec::new()),
    };
    CategoryRow {
        name: category,
        title,
        gpu_time_ns: sum.gpu_time_ns,
        gpu_share: share(sum.gpu_time_ns, sums.counted.gpu_time_ns),
        critical_ns,
        critical_share: critical_ns.zip(critical).map(|(ns, critical)| share(ns, critical.wall_ns())),
        per_step_ns: per_step(scope.steps().map(|(step, _)| sums.step(step)[category as usize]).collect()),
        dispatches: sum.dispatches,
        backends: backends.rows(sum),
        subs: subs.rows(sum),
        collectives,
        dtypes: dtypes.rows(sum),
    }
}

/// Sums by some text.
#[derive(Default)]
struct Parts<'a>(BTreeMap<&'a str, Part>);

/// What a text's kernels sum up to, and how much of their time is there by a guess.
#[derive(Clone, Copy, Default)]
struct Part {
    sum: Sum,
    guessed_ns: u64,
}

impl<'a> Parts<'a> {
    fn add(&mut self, name: &'a str, sum: Sum, guess: bool) {
        let part = self.0.entry(name).or_default();
        part.sum.dispatches += sum.dispatches;
        part.sum.gpu_time_ns += sum.gpu_time_ns;
        part.guessed_ns += if guess { sum.gpu_time_ns } else { 0 };
    }

    /// The largest first, equals by name.
    fn rows(self, whole: Sum) -> Vec<CategoryPart> {
        let mut rows: Vec<CategoryPart> = self
            .0
            .into_iter()
            .map(|(name, Part { sum, guessed_ns })| CategoryPart {
                name: name.to_owned(),
                gpu_time_ns: sum.gpu_time_ns,
                share: share(sum.gpu_time_ns, whole.gpu_time_ns),
                guessed_share: share(guessed_ns, sum.gpu_time_ns),
                dispatches: sum.dispatches,
            })
            .collect();
        rows.sort_by_key(|part| std::cmp::Reverse(part.gpu_time_ns));
        rows
    }
}
