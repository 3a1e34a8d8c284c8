//! Percentiles and means of integer nanoseconds, with one definition for the whole report.

use crate::output::time::{Distribution, PerStep};

/// The smallest of `sorted` that at least `percent` % of them do not exceed (nearest rank); 0 for none.
pub(crate) fn percentile(sorted: &[u64], percent: u64) -> u64 {
    debug_assert!(sorted.is_sorted());
    let rank = (sorted.len() as u64 * percent).div_ceil(100).max(1) as usize;
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// `values` in figures; `None` for no values.
pub(crate) fn distribution(mut values: Vec<u64>) -> Option<Distribution> {
    values.sort_unstable();
    let (min, max) = (*values.first()?, *values.last()?);
    let count = values.len() as u64;
    let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
    let mean = ((sum + u128::from(count / 2)) / u128::from(count)) as u64;
    let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(&values, percent));
    Some(Distribution { p50, p90, p99, mean, min, max, count })
}

/// The percentiles that a report gives of a category.
pub(crate) fn per_step(mut values: Vec<u64>) -> Option<PerStep> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(&values, percent));
    Some(PerStep { p50, p90, p99 })
}

/// `part` of `whole`; 0 of nothing.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=10).map(|i| i * 10).collect();
        assert_eq!(percentile(&values, 50), 50);
        assert_eq!(percentile(&values, 90), 90);
        assert_eq!(percentile(&values, 99), 100);
        assert_eq!(percentile(&[7], 50), 7);
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn a_distribution_does_not_care_for_order_and_rounds_its_mean() {
        let found = distribution(vec![5, 1, 2]).unwrap();
        assert_eq!((found.min, found.p50, found.max, found.mean, found.count), (1, 2, 5, 3, 3));
        assert_eq!(distribution(vec![]), None);
    }
}
