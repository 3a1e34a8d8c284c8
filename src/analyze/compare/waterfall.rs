//! The step's change by what held it up, to the nanosecond.
//!
//! Medians of parts do not sum to the median of the whole. So a side's median step is shared out by what the *middle
//! half* of its steps is made of: outliers do not count, and the parts sum to the median by construction. Rounding goes
//! to the largest remainders.

use crate::analyze::compare::scatter::{MEDIAN, of};
use crate::analyze::compare::side::Side;
use crate::analyze::compare::strata::{Strata, parts};
use crate::analyze::compare::tables::Step;
use crate::classify::Category;
use crate::output::comparison::WaterfallRow;

/// The rows, in the order of categories, then idle, then the shift of the mix where there is one.
pub(super) fn waterfall(base: &Side, new: &Side, strata: &Strata, step: &Step) -> Vec<WaterfallRow> {
    if step.row.delta_ns.is_none() {
        return Vec::new();
    }
    let base_parts = typical(base, strata, false, step.same_work.base_ns_per_step);
    let new_parts = typical(new, strata, true, step.same_work.new_ns_per_step);
    let names = Category::ALL.map(Category::name).into_iter().chain(["idle"]);
    let row = |((name, base_ns), new_ns): ((&'static str, u64), u64)| {
        let (base_ns, new_ns) = (base_ns as i64, new_ns as i64);
        WaterfallRow { name, base_ns, new_ns, delta_ns: new_ns - base_ns }
    };
    let mut rows: Vec<WaterfallRow> = names.zip(base_parts).zip(new_parts).map(row).collect();
    if step.mixed {
        let base_ns = step.row.base_p50_ns as i64 - step.same_work.base_ns_per_step as i64;
        let new_ns = step.row.new_p50_ns as i64 - step.same_work.new_ns_per_step as i64;
        rows.push(WaterfallRow { name: "batch_mix", base_ns, new_ns, delta_ns: step.shift_ns() });
    }
    rows
}

/// What a typical step is made of; sums to `whole_ns`.
fn typical(side: &Side, strata: &Strata, is_new: bool, whole_ns: u64) -> Vec<u64> {
    let walls = strata.walls(side);
    let mut shares = vec![0.0; Category::ALL.len() + 1];
    for stratum in &strata.common {
        let mut steps = if is_new { stratum.new.clone() } else { stratum.base.clone() };
        let level = of(&steps.iter().map(|&step| walls[step as usize]).collect::<Vec<_>>(), MEDIAN);
        steps.sort_by_key(|&step| (walls[step as usize], step));
        let middle = &steps[steps.len() / 4..steps.len() - steps.len() / 4];
        let mut sums = vec![0_u64; shares.len()];
        for &step in middle {
            let of_step = parts(strata.part(&side.steps[step as usize]));
            sums.iter_mut().zip(of_step).for_each(|(sum, ns)| *sum += ns);
        }
        let whole = sums.iter().sum::<u64>().max(1) as f64;
        shares.iter_mut().zip(&sums).for_each(|(share, &sum)| *share += stratum.share * level * sum as f64 / whole);
    }
    apportion(whole_ns, &shares)
}

/// Shares `whole` out in proportion to `shares`, in integers: the largest remainders are rounded up.
fn apportion(whole: u64, shares: &[f64]) -> Vec<u64> {
    let sum: f64 = shares.iter().sum();
    if sum <= 0.0 {
        // Steps without any length have no parts.
        return vec![0; shares.len()];
    }
    let exact: Vec<f64> = shares.iter().map(|share| share / sum * whole as f64).collect();
    let mut out: Vec<u64> = exact.iter().map(|value| value.floor() as u64).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let mut left = whole.saturating_sub(out.iter().sum());
    for &at in order.iter().cycle() {
        if left == 0 {
            break;
        }
        out[at] += 1;
        left -= 1;
    }
    // Rounding of the products may have given a nanosecond too many.
    let mut over = out.iter().sum::<u64>().saturating_sub(whole);
    for &at in order.iter().rev() {
        let take = over.min(out[at]);
        out[at] -= take;
        over -= take;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shared_out_sums_to_the_whole(
            whole in 0_u64..1 << 40,
            shares in prop::collection::vec(0.0..1e9_f64, 7),
        ) {
            prop_assume!(shares.iter().sum::<f64>() > 0.0);
            prop_assert_eq!(apportion(whole, &shares).iter().sum::<u64>(), whole);
        }
    }
}
