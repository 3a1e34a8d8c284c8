//! The kernel tables: all names by total time, the first of them, the longest dispatch, and the unknown.

use std::cmp::Reverse;

use crate::classify;
use crate::model::NameId;

use super::exposure::Exposure;
use super::report::{KernelRow, LeftOutKernel, MostExpensive, TopRow, Unknown};
use super::stats::{percentile, share};
use super::tally::Tally;
use super::view::View;

/// How many names the table of the largest totals has.
const TOP: usize = 5;

/// All names that count, by total time; equals by name, so that the order of the input does not show.
pub(super) fn kernels(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>) -> Vec<KernelRow> {
    let mut found: Vec<(NameId, &str)> =
        view.trace.names.iter().filter(|(name, _)| tally.names[name.index()].counted.dispatches > 0).collect();
    found.sort_by_key(|&(name, text)| (Reverse(tally.names[name.index()].counted.gpu_time_ns), text));
    found.into_iter().map(|(name, text)| row(view, tally, exposure, name, text)).collect()
}

fn row(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>, name: NameId, text: &str) -> KernelRow {
    let verdict = view.verdict(name);
    let counted = tally.names[name.index()].counted;
    let durations = tally.durations(name);
    let owned = |text: &Option<std::borrow::Cow<'static, str>>| text.as_deref().map(str::to_owned);
    KernelRow {
        name: text.to_owned(),
        demangled: classify::demangled(text),
        category: verdict.category,
        sub: owned(&verdict.sub),
        secondary: owned(&verdict.secondary),
        backend: verdict.backend.clone().into_owned(),
        dtype: verdict.dtype.clone(),
        arch: owned(&verdict.arch),
        traits: verdict.traits.clone(),
        rule: verdict.rule.clone().into_owned(),
        confidence: verdict.confidence,
        count: counted.dispatches,
        total_ns: counted.gpu_time_ns,
        min_ns: durations.first().copied().unwrap_or(0),
        max_ns: durations.last().copied().unwrap_or(0),
        p50_ns: percentile(durations, 50),
        share: share(counted.gpu_time_ns, tally.counted.gpu_time_ns),
        critical_ns: exposure.map(|exposure| exposure.names[name.index()]),
    }
}

/// The names with the largest total.
pub(super) fn top(kernels: &[KernelRow]) -> Vec<TopRow> {
    let row = |kernel: &KernelRow| TopRow {
        name: kernel.name.clone(),
        category: kernel.category,
        backend: kernel.backend.clone(),
        count: kernel.count,
        total_ns: kernel.total_ns,
        share: kernel.share,
    };
    kernels.iter().take(TOP).map(row).collect()
}

/// The longest dispatch that counts.
pub(super) fn most_expensive(view: &View<'_>, tally: &Tally) -> Option<MostExpensive> {
    let position = tally.longest?;
    let dispatch = &view.trace.dispatches[position];
    Some(MostExpensive {
        name: view.trace.kernel(dispatch).to_owned(),
        by: "single dispatch",
        ns: dispatch.span.duration_ns(),
        step: view.table.step_of(position).map(|step| step.number),
        rank: view.rank_number(view.rank_of(position)),
    })
}

/// Names whose purpose no rule knew, and their part of the time.
pub(super) fn unknown(view: &View<'_>, tally: &Tally, kernels: &[KernelRow]) -> Unknown {
    let unknown =
        |kernel: &&KernelRow| view.trace.names.find(&kernel.name).is_some_and(|name| view.verdict(name).is_unknown());
    let total: u64 = kernels.iter().filter(unknown).map(|kernel| kernel.total_ns).sum();
    Unknown {
        gpu_share: share(total, tally.counted.gpu_time_ns),
        names: kernels.iter().filter(unknown).map(|kernel| kernel.name.clone()).collect(),
    }
}

/// Names in what does not count, by total time.
pub(super) fn left_out(view: &View<'_>, tally: &Tally) -> Vec<LeftOutKernel> {
    let mut rows: Vec<LeftOutKernel> = view
        .trace
        .names
        .iter()
        .map(|(name, text)| (name, text, tally.names[name.index()].left_out))
        .filter(|(.., sum)| sum.dispatches > 0)
        .map(|(name, text, sum)| LeftOutKernel {
            name: text.to_owned(),
            category: view.category(name),
            count: sum.dispatches,
            total_ns: sum.gpu_time_ns,
        })
        .collect();
    rows.sort_by(|a, b| b.total_ns.cmp(&a.total_ns).then_with(|| a.name.cmp(&b.name)));
    rows
}
