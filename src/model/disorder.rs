//! Graph replays whose records contradict themselves.
//!
//! HIP's own activity records (Kineto, roctracer, RPD) name the kernels of a graph replay by their place in the graph
//! and take their times from a list of signals. Some releases of ROCm 7 put both together although their orders
//! differ, so that kernels carry the times of others:
//!
//! ```text
//!   what ran       rope  store  attention······  reduce  gemm·····
//!   what is told   rope  attention  store·······  reduce  gemm····     sums are right, names are not
//! ```
//!
//! A stream runs the kernels of one replay in their order, and such a producer writes their records in that order. Record
//! order that is not start order is therefore a sure sign. Its measure is the number of records outside the longest
//! ordered subsequence: those that have to move to put the others in order.
//!
//! Source: ROCm/rocm-systems pull requests 10579 and 10939. rocprofiler-sdk pairs name and time of each packet itself.

use std::collections::HashMap;

use super::{Disorder, Dispatch, LaunchIdx, StreamIdx};

/// The launches among those that `is_checked` lets pass whose `dispatches`, in record order, are out of order, by launch
/// and stream.
pub(super) fn find(dispatches: &[Dispatch], is_checked: impl Fn(LaunchIdx, StreamIdx) -> bool) -> Vec<Disorder> {
    let mut suspects = suspects(dispatches, is_checked);
    if suspects.is_empty() {
        return Vec::new();
    }
    for dispatch in dispatches {
        if let Some(launch) = dispatch.launch
            && let Some(starts) = suspects.get_mut(&(launch, dispatch.stream))
        {
            starts.push(dispatch.span.start_ns);
        }
    }
    let disorder = |((launch, stream), starts): ((LaunchIdx, StreamIdx), Vec<i64>)| Disorder {
        launch,
        stream,
        records: starts.len() as u32,
        moved: (starts.len() - longest_ordered(&starts)) as u32,
    };
    let mut found: Vec<Disorder> = suspects.into_iter().map(disorder).collect();
    found.sort_unstable_by_key(|disorder| (disorder.launch, disorder.stream));
    found
}

/// Launch and stream of which a record starts before the one written before it.
fn suspects(
    dispatches: &[Dispatch],
    is_checked: impl Fn(LaunchIdx, StreamIdx) -> bool,
) -> HashMap<(LaunchIdx, StreamIdx), Vec<i64>> {
    let mut suspects = HashMap::new();
    // Streams take turns in the file, launches on one stream hardly ever: the last record of each stream is enough.
    let mut last: HashMap<StreamIdx, (LaunchIdx, i64)> = HashMap::new();
    for dispatch in dispatches {
        let Some(launch) = dispatch.launch.filter(|&launch| is_checked(launch, dispatch.stream)) else { continue };
        let start_ns = dispatch.span.start_ns;
        let before = last.insert(dispatch.stream, (launch, start_ns));
        if before.is_some_and(|(of, before_ns)| of == launch && start_ns < before_ns) {
            suspects.entry((launch, dispatch.stream)).or_default();
        }
    }
    suspects
}

/// Length of the longest subsequence of `starts` that never falls.
fn longest_ordered(starts: &[i64]) -> usize {
    // The least end of an ordered subsequence of each length.
    let mut ends: Vec<i64> = Vec::new();
    for &start in starts {
        let longer_than = ends.partition_point(|&end| end <= start);
        match ends.get_mut(longer_than) {
            Some(end) => *end = start,
            None => ends.push(start),
        }
    }
    ends.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Length of the longest ordered subsequence, by trying them all.
    fn by_trying(starts: &[i64]) -> usize {
        (0_u32..1 << starts.len())
            .filter(|chosen| {
                let kept = (0..starts.len()).filter(|at| chosen & (1 << at) != 0).map(|at| starts[at]);
                kept.is_sorted()
            })
            .map(u32::count_ones)
            .max()
            .unwrap_or(0) as usize
    }

    proptest! {
        #[test]
        fn as_few_records_as_possible_have_to_move(starts in proptest::collection::vec(0_i64..8, 0..10)) {
            prop_assert_eq!(longest_ordered(&starts), by_trying(&starts));
        }
    }
}
