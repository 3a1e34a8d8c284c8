//! Step times in the form in which they are drawn: one after another, and by how often each occurs.
//!
//! A run of a hundred thousand steps and one of fifty are drawn in the same space, so successive steps are gathered to
//! points and lengths to bins here, where figures are made, and not by whoever draws.

use std::collections::BTreeMap;

use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::analyze::time::stats::percentile;
use crate::output::steps::{Histogram, Point, StepSeries};

/// Points of a series at most.
const POINTS: usize = 240;
/// Bins of a histogram at most.
const BINS: u64 = 40;

/// Histograms of several sets over the same bins; empty if all sets are.
pub(crate) fn histograms(sets: &[&[u64]]) -> Vec<Histogram> {
    let sorted = |set: &[u64]| {
        let mut sorted = set.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let sorted: Vec<Vec<u64>> = sets.iter().map(|set| sorted(set)).collect();
    let Some(from_ns) = sorted.iter().filter_map(|set| set.first().copied()).min() else { return Vec::new() };
    let until_ns = sorted.iter().map(|set| percentile(set, 99)).max().unwrap_or(from_ns).max(from_ns);
    let width_ns = ((until_ns - from_ns) / BINS + 1).max(1);
    let bins = ((until_ns - from_ns) / width_ns + 1) as usize;
    let of = |set: &Vec<u64>| {
        let mut found = Histogram { from_ns, width_ns, counts: vec![0; bins], above: 0 };
        for ns in set {
            match found.counts.get_mut(((ns - from_ns) / width_ns) as usize) {
                Some(count) => *count += 1,
                None => found.above += 1,
            }
        }
        found
    };
    sorted.iter().map(of).collect()
}

/// The times of the counted steps.
pub(crate) fn series(scope: &Scope<'_>, walls: &[Wall]) -> Option<StepSeries> {
    let mut longest: BTreeMap<u32, u64> = BTreeMap::new();
    let mut note = |number: u32, ns: u64| {
        let known = longest.entry(number).or_default();
        *known = ns.max(*known);
    };
    let from_step_to_step = walls.iter().any(|wall| wall.is_period);
    if from_step_to_step {
        for wall in walls.iter().filter(|wall| wall.is_period) {
            note(scope.table.steps[wall.step.index()].number, wall.span.duration_ns());
        }
    } else {
        scope.steps().for_each(|(_, step)| note(step.number, step.gpu.duration_ns()));
    }
    let times: Vec<u64> = longest.into_values().collect();
    let histogram = histograms(&[&times]).pop()?;
    let steps_a_point = times.len().div_ceil(POINTS).max(1);
    let point = |steps: &[u64]| {
        let mut sorted = steps.to_vec();
        sorted.sort_unstable();
        Point { p50_ns: percentile(&sorted, 50), max_ns: percentile(&sorted, 100) }
    };
    let points = times.chunks(steps_a_point).map(point).collect();
    Some(StepSeries { from_step_to_step, steps_a_point: steps_a_point as u64, points, histogram })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::analyze::time::latency;
    use crate::analyze::time::pauses::Pauses;

    #[test]
    fn every_length_is_in_a_bin_or_counted_above_them() {
        let mut lengths: Vec<u64> = (0..200).map(|at| 1_000 + at % 50).collect();
        lengths.push(90_000);
        let found = histograms(&[&lengths, &[]]);
        assert_eq!(found[0].counts.iter().sum::<u64>() + found[0].above, 201);
        assert_eq!((found[0].above, found[0].from_ns), (1, 1_000));
        assert!(found[0].counts.len() as u64 <= BINS);
        assert_eq!(found[1].counts.iter().sum::<u64>(), 0);
        assert_eq!(histograms(&[&[], &[]]), []);
        assert_eq!(histograms(&[&[7, 7]])[0].counts, [2]);
    }

    #[test]
    fn steps_are_points_in_their_order_with_the_period_where_there_is_one() {
        let drawn = trace_with_steps(&[
            Row::decode(&[("gemm", 0, 10)]),
            Row::decode(&[("gemm", 25, 30)]),
            Row::decode(&[("gemm", 45, 55)]),
        ]);
        let scope = drawn.scope();
        let walls = latency::walls(&scope, &Pauses::of(&scope));
        let found = series(&scope, &walls).unwrap();
        let times: Vec<u64> = found.points.iter().map(|point| point.p50_ns).collect();
        assert_eq!((found.from_step_to_step, times), (true, vec![25, 20]));
    }
}
