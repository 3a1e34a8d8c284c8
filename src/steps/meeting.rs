//! Whether ranks meet in kernels that may be the same collectives, by when these ran.
//!
//! Ranks that meet leave together, whenever each arrived. So what the kernels of two ranks tell does not depend on their
//! clocks: seen from the usual difference of their ends, ends agree better than starts.

use crate::model::Span;

/// Whether two ranks meet in these pairs of kernels: whether their ends agree better than their starts, whatever their
/// clocks. Two ranks that do the same at the same pace without meeting start as far apart as they end.
pub(crate) fn meet(pairs: &[(Span, Span)]) -> bool {
    if pairs.is_empty() {
        return false;
    }
    let mut ends: Vec<i64> = pairs.iter().map(|(a, b)| b.end_ns.saturating_sub(a.end_ns)).collect();
    ends.sort_unstable();
    let usual = ends[ends.len() / 2];
    let ends = median(ends.iter().map(|end| end.abs_diff(usual)));
    median(pairs.iter().map(|(a, b)| b.start_ns.saturating_sub(a.start_ns).abs_diff(usual))) > 2 * ends
}

/// Whether ends are as near to each other as they are on one clock: nearer than a collective is long.
pub(crate) fn end_together(pairs: &[(Span, Span)]) -> bool {
    median(pairs.iter().map(|(a, b)| a.end_ns.abs_diff(b.end_ns))) <= typical_length_ns(pairs)
}

/// Median length of the shorter kernel of a pair: of the one that waits less.
pub(crate) fn typical_length_ns(pairs: &[(Span, Span)]) -> u64 {
    median(pairs.iter().map(|(a, b)| a.duration_ns().min(b.duration_ns())))
}

/// 0 for nothing.
fn median(of: impl Iterator<Item = u64>) -> u64 {
    let mut of: Vec<u64> = of.collect();
    of.sort_unstable();
    of.get(of.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}
