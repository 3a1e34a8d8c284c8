//! GPU time by category, and within a category by backend, kind and data type.

use std::collections::BTreeMap;

use crate::classify::Category;

use super::exposure::Exposure;
use super::report::{CategoryRow, Part, Sum};
use super::stats::{per_step, share};
use super::tally::Tally;
use super::view::View;

/// The rows of all categories, the largest first.
pub(super) fn categories(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>) -> Vec<CategoryRow> {
    let mut rows: Vec<CategoryRow> = Category::ALL.map(|category| row(view, tally, exposure, category)).into();
    rows.sort_by_key(|row| std::cmp::Reverse(row.gpu_time_ns));
    rows
}

fn row(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>, category: Category) -> CategoryRow {
    let mut sum = Sum::default();
    let (mut backends, mut subs, mut dtypes) = (Parts::default(), Parts::default(), Parts::default());
    for (name, _) in view.trace.names.iter() {
        let counted = tally.names[name.index()].counted;
        let verdict = view.verdict(name);
        if counted.dispatches == 0 || verdict.category != category {
            continue;
        }
        sum.dispatches += counted.dispatches;
        sum.gpu_time_ns += counted.gpu_time_ns;
        backends.add(&verdict.backend, counted);
        subs.add(verdict.sub.as_deref().unwrap_or("unknown"), counted);
        dtypes.add(verdict.dtype.as_deref().unwrap_or("unknown"), counted);
    }
    let critical_ns = exposure.map(|exposure| exposure.categories[category as usize]);
    CategoryRow {
        name: category,
        gpu_time_ns: sum.gpu_time_ns,
        gpu_share: share(sum.gpu_time_ns, tally.counted.gpu_time_ns),
        critical_ns,
        critical_share: exposure.map(|exposure| share(exposure.categories[category as usize], exposure.wall_ns)),
        per_step_ns: per_step(view.steps().map(|(step, _)| tally.step(step)[category as usize]).collect()),
        dispatches: sum.dispatches,
        backends: backends.rows(sum),
        subs: subs.rows(sum),
        dtypes: dtypes.rows(sum),
    }
}

/// Sums by some text.
#[derive(Default)]
struct Parts<'a>(BTreeMap<&'a str, Sum>);

impl<'a> Parts<'a> {
    fn add(&mut self, name: &'a str, sum: Sum) {
        let part = self.0.entry(name).or_default();
        part.dispatches += sum.dispatches;
        part.gpu_time_ns += sum.gpu_time_ns;
    }

    /// The largest first, equals by name.
    fn rows(self, whole: Sum) -> Vec<Part> {
        let mut rows: Vec<Part> = self
            .0
            .into_iter()
            .map(|(name, sum)| Part {
                name: name.to_owned(),
                gpu_time_ns: sum.gpu_time_ns,
                share: share(sum.gpu_time_ns, whole.gpu_time_ns),
                dispatches: sum.dispatches,
            })
            .collect();
        rows.sort_by_key(|part| std::cmp::Reverse(part.gpu_time_ns));
        rows
    }
}
