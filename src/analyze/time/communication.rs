//! What communication between ranks is made of: all-reduces, all-to-alls, sends and receives, ….
//!
//! The process tells, or else the kernel's name does. RCCL's generic kernels are called alike whatever they compute.

use std::collections::BTreeMap;

use crate::analyze::scope::Scope;
use crate::analyze::time::stats::share;
use crate::classify::Category;
use crate::output::time::{CategoryPart, Sum};

/// What is called by the name of an all-reduce.
const ALL_REDUCE: &str = "all_reduce";
/// What neither the process nor a name tells.
const UNKNOWN: &str = "unknown";

/// Communication in scope by what it computes, the largest first, equals by name.
pub(crate) fn collectives(scope: &Scope<'_>) -> Vec<CategoryPart> {
    let sums = sums(scope);
    let whole_ns = sums.values().map(|sum| sum.gpu_time_ns).sum();
    let mut rows: Vec<CategoryPart> = sums
        .into_iter()
        .map(|(name, Sum { gpu_time_ns, dispatches })| CategoryPart {
            name: name.to_owned(),
            gpu_time_ns,
            share: share(gpu_time_ns, whole_ns),
            guessed_share: 0.0,
            dispatches,
        })
        .collect();
    rows.sort_by_key(|part| std::cmp::Reverse(part.gpu_time_ns));
    rows
}

/// What the category is called in prose: after all-reduces where nothing else is known to be in it.
pub(crate) fn title(scope: &Scope<'_>) -> &'static str {
    title_of(sums(scope).into_keys())
}

/// The same, from the names of [`collectives`].
pub(crate) fn title_of<'a>(mut collectives: impl Iterator<Item = &'a str>) -> &'static str {
    let only = collectives.all(|name| name == ALL_REDUCE || name == UNKNOWN);
    if only { Category::Allreduce.title() } else { "Communication" }
}

fn sums(scope: &Scope<'_>) -> BTreeMap<&'static str, Sum> {
    let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
    let mut told = scope.trace.told.iter().peekable();
    for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
        let told = told.next_if(|told| told.dispatch as usize == position);
        if scope.category(dispatch.name) != Category::Allreduce || scope.left_out(position).is_some() {
            continue;
        }
        let of_name = scope.verdict(dispatch.name).traits.collective;
        let kind = told.and_then(|told| told.call).map(|call| call.name()).or(of_name).unwrap_or(UNKNOWN);
        let sum = sums.entry(kind).or_default();
        sum.dispatches += 1;
        sum.gpu_time_ns += dispatch.span.duration_ns();
    }
    sums
}

#[cfg(test)]
mod tests {
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::classify::Category;

    #[test]
    fn the_category_is_called_allreduce_where_nothing_else_is_known_to_be_in_it() {
        let title = |names: &[&str]| {
            let kernels: Vec<_> =
                names.iter().enumerate().map(|(at, name)| (*name, at as i64 * 10, at as i64 * 10 + 9)).collect();
            let report = trace_with_steps(&[Row::decode(&kernels)]).report();
            let row = report.category(Category::Allreduce).unwrap();
            let parts: Vec<String> = row.collectives.iter().map(|part| part.name.clone()).collect();
            (row.title, parts.join(" "))
        };
        assert_eq!(title(&["gemm", "reduce_sum"]), ("AllReduce", "all_reduce".to_owned()));
        assert_eq!(title(&["reduce", "reduce_sum"]), ("AllReduce", "all_reduce unknown".to_owned()));
        assert_eq!(title(&["reduce_exchange", "reduce_sum"]), ("Communication", "all_reduce all_to_all".to_owned()));
    }
}
