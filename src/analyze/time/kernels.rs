//! The kernel tables: all names by total time, the first of them, the longest dispatch, and the unknown.

use std::cmp::Reverse;

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::{percentile, share};
use crate::analyze::time::sums::Sums;
use crate::classify;
use crate::model::NameId;
use crate::output::report::LeftOutKernel;
use crate::output::time::{KernelRow, MostExpensive, TopRow, Unknown};

/// How many names the table of the largest totals has.
const TOP: usize = 5;

/// All names that count, by total time; equals by name, so that the order of the input does not show.
pub(crate) fn kernels(scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>) -> Vec<KernelRow> {
    let mut found: Vec<(NameId, &str)> =
        scope.trace.names.iter().filter(|(name, _)| sums.names[name.index()].counted.dispatches > 0).collect();
    found.sort_by_key(|&(name, text)| (Reverse(sums.names[name.index()].counted.gpu_time_ns), text));
    found.into_iter().map(|(name, text)| row(scope, sums, critical, name, text)).collect()
}

fn row(scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>, name: NameId, text: &str) -> KernelRow {
    let verdict = scope.verdict(name);
    let counted = sums.names[name.index()].counted;
    let durations = sums.durations(name);
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
        share: share(counted.gpu_time_ns, sums.counted.gpu_time_ns),
        critical_ns: critical.map(|critical| critical.names[name.index()]),
    }
}

/// The names with the largest total.
pub(crate) fn top(kernels: &[KernelRow]) -> Vec<TopRow> {
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
pub(crate) fn most_expensive(scope: &Scope<'_>, sums: &Sums) -> Option<MostExpensive> {
    let position = sums.longest?;
    let dispatch = &scope.trace.dispatches[position];
    Some(MostExpensive {
        name: scope.trace.kernel(dispatch).to_owned(),
        by: "single dispatch",
        ns: dispatch.span.duration_ns(),
        step: scope.table.step_of(position).map(|step| step.number),
        rank: scope.rank_number(scope.rank_of(position)),
    })
}

/// Names whose purpose no rule knew, and their part of the time.
pub(crate) fn unknown(scope: &Scope<'_>, sums: &Sums, kernels: &[KernelRow]) -> Unknown {
    let unknown =
        |kernel: &&KernelRow| scope.trace.names.find(&kernel.name).is_some_and(|name| scope.verdict(name).is_unknown());
    let total: u64 = kernels.iter().filter(unknown).map(|kernel| kernel.total_ns).sum();
    Unknown {
        gpu_share: share(total, sums.counted.gpu_time_ns),
        names: kernels.iter().filter(unknown).map(|kernel| kernel.name.clone()).collect(),
    }
}

/// Names in what does not count, by total time.
pub(crate) fn left_out(scope: &Scope<'_>, sums: &Sums) -> Vec<LeftOutKernel> {
    let mut rows: Vec<LeftOutKernel> = scope
        .trace
        .names
        .iter()
        .map(|(name, text)| (name, text, sums.names[name.index()].left_out))
        .filter(|(.., sum)| sum.dispatches > 0)
        .map(|(name, text, sum)| LeftOutKernel {
            name: text.to_owned(),
            category: scope.category(name),
            count: sum.dispatches,
            total_ns: sum.gpu_time_ns,
        })
        .collect();
    rows.sort_by(|a, b| b.total_ns.cmp(&a.total_ns).then_with(|| a.name.cmp(&b.name)));
    rows
}
