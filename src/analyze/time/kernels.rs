//! The kernel tables: all names by total time, the first of them, the longest dispatch, and the unknown.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::{percentile, share};
use crate::analyze::time::sums::Sums;
use crate::classify;
use crate::model::{Dispatch, NameId, StreamIdx};
use crate::output::report::LeftOutKernel;
use crate::output::time::{KernelRow, MostExpensive, TopRow, Unknown, UnknownKernel};

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
        purpose_by: verdict.purpose_from,
        backend_by: verdict.backend_from,
        origins: scope.trace.origins.get(&name).cloned().unwrap_or_default(),
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
    let rows: Vec<(NameId, &KernelRow)> = kernels
        .iter()
        .filter_map(|kernel| Some((scope.trace.names.find(&kernel.name)?, kernel)))
        .filter(|&(name, _)| scope.verdict(name).is_unknown())
        .collect();
    let neighbours = Neighbours::of(scope, rows.iter().map(|&(name, _)| name));
    let total: u64 = rows.iter().map(|(_, kernel)| kernel.total_ns).sum();
    let known = |(name, kernel): &(NameId, &KernelRow)| UnknownKernel {
        name: kernel.name.clone(),
        count: kernel.count,
        total_ns: kernel.total_ns,
        gpu_share: kernel.share,
        backend: kernel.backend.clone(),
        after: usual(scope, *name, &neighbours.before),
        before: usual(scope, *name, &neighbours.after),
        code_object: scope.trace.code_objects.get(name).map(|uri| uri.to_string()),
        sources: kernel.origins.iter().filter_map(|origin| origin.source.clone()).collect(),
    };
    Unknown {
        gpu_share: share(total, sums.counted.gpu_time_ns),
        names: rows.iter().map(|(_, kernel)| kernel.name.clone()).collect(),
        kernels: rows.iter().map(known).collect(),
    }
}

/// How often which kernel ran just before and just after some, on their streams.
#[derive(Default)]
struct Neighbours {
    before: FxHashMap<(NameId, NameId), u64>,
    after: FxHashMap<(NameId, NameId), u64>,
}

impl Neighbours {
    fn of(scope: &Scope<'_>, names: impl Iterator<Item = NameId>) -> Self {
        let wanted: FxHashSet<NameId> = names.collect();
        let mut neighbours = Self::default();
        if wanted.is_empty() {
            return neighbours;
        }
        let mut last: FxHashMap<StreamIdx, NameId> = FxHashMap::default();
        let mut in_order: Vec<Dispatch> = Vec::new();
        for together in scope.trace.dispatches.chunk_by(|a, b| a.span == b.span) {
            // What began and ended together is put in an order that does not depend on the input's.
            in_order.clear();
            in_order.extend_from_slice(together);
            in_order.sort_by_key(|dispatch| scope.trace.kernel(dispatch));
            for dispatch in &in_order {
                let name = dispatch.name;
                if let Some(previous) = last.insert(dispatch.stream, name).filter(|&previous| previous != name) {
                    neighbours.met(previous, name, &wanted);
                }
            }
        }
        neighbours
    }

    fn met(&mut self, previous: NameId, name: NameId, wanted: &FxHashSet<NameId>) {
        if wanted.contains(&name) {
            *self.before.entry((name, previous)).or_default() += 1;
        }
        if wanted.contains(&previous) {
            *self.after.entry((previous, name)).or_default() += 1;
        }
    }
}

/// The one that `name` met most often; of equals the first by name.
fn usual(scope: &Scope<'_>, name: NameId, met: &FxHashMap<(NameId, NameId), u64>) -> Option<String> {
    let met = met.iter().filter(|((of, _), _)| *of == name);
    let others = met.map(|(&(_, other), &count)| (count, Reverse(scope.trace.names.get(other))));
    others.max().map(|(_, Reverse(other))| other.to_owned())
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
