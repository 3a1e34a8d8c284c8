//! Is a difference real, and is it large enough to speak of?
//!
//! A difference is *real* if all of these hold:
//!
//! 1. its 95 % interval (from the [scatter](crate::analyze::compare::scatter) of each side) does not contain 0;
//! 2. it exceeds the *noise floor*: what the sides differ by when nothing changed;
//! 3. it survives that many things were looked at (Benjamini-Hochberg, among the rows of its table).
//!
//! It is *flagged* if it is also larger than the threshold and than the least impact a step.
//!
//! What grows on both sides alike is [taken off](crate::analyze::compare::trend) before any of this.
//!
//! The noise floor of a quantity is the largest of three: the half-width of the 99 % interval, and beyond it how far a
//! stretch of either side lies off its median, because a run that was at the other's level for a while cannot tell that
//! level from a change (of a shared course, how far the sides' courses lie apart); how far the two halves of each side lie apart (A/A), added up if both sides drift, because they
//! may drift towards each other; and, where a side has several runs, how far these lie apart. One run a side cannot tell how much a run differs from the next: only
//! repeated runs can.

use crate::analyze::compare::scatter::{Centre, Design, Estimate, MEDIAN, deviation, of};
use crate::analyze::compare::trend::{Axis, level};
use crate::output::comparison::{Change, Flag};

/// Standard errors within which 95 % and 99 % of no-change lie, if there are many steps.
const ERRORS_95: f64 = 1.96;
const ERRORS_99: f64 = 2.576;
/// Halves further apart than this many of their standard errors drift.
const DRIFT_ERRORS: f64 = 2.0;
/// Rate of false discoveries that is put up with among the rows of a table.
const FALSE_DISCOVERIES: f64 = 0.01;
/// Steps a side below which nothing is called real.
pub(super) const STEPS_AT_LEAST: usize = 5;

/// Both sides, ready to compare any quantity of.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) base: &'a Design,
    pub(super) new: &'a Design,
    /// Where each step stands; `None`: what grows on both sides is not taken off.
    pub(super) axis: Option<&'a Axis>,
    /// Whether both sides ran steps that are alike; else each side has its own figures, and no difference.
    pub(super) alike: bool,
    /// Steps of each run, where a side has several.
    pub(super) base_runs: &'a [Vec<u32>],
    pub(super) new_runs: &'a [Vec<u32>],
    /// What a series' values are divided by for one step on one rank.
    pub(super) base_divisor: f64,
    pub(super) new_divisor: f64,
    pub(super) min_impact_ns: u64,
    /// Share below which nothing is called real, once it is known.
    pub(super) floor_share: f64,
}

/// A difference before its neighbours were looked at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) change: Change,
    p: f64,
}

impl Judge<'_> {
    /// Compares one quantity, given for every step of each side.
    pub(super) fn compare(&self, base: &[u64], new: &[u64]) -> Finding {
        let centre = match (self.centre(self.base, base), self.centre(self.new, new)) {
            (Centre::Quantile(_), Centre::Quantile(_)) => MEDIAN,
            _ => Centre::Mean,
        };
        self.compare_at(centre, base, new)
    }

    /// Compares one quantity at a quantile, or by its mean.
    pub(super) fn compare_at(&self, centre: Centre, base: &[u64], new: &[u64]) -> Finding {
        if !self.alike {
            let value = |design: &Design, series: &[u64], divisor: f64| design.estimate(series, centre).value / divisor;
            return Finding::unpaired(
                value(self.base, base, self.base_divisor),
                value(self.new, new, self.new_divisor),
            );
        }
        let axis = self.axis.filter(|_| centre != Centre::Mean);
        let level = axis.and_then(|axis| level(axis, (self.base, base), (self.new, new)));
        let (growth, base, new) = match &level {
            Some(level) => (Some(level.growth), (&level.base.0, &*level.base.1), (&level.new.0, &*level.new.1)),
            None => (None, (self.base, base), (self.new, new)),
        };
        let runs = spread(self.base_runs, base.1, centre) / self.base_divisor;
        let runs = runs.max(spread(self.new_runs, new.1, centre) / self.new_divisor);
        let few = base.0.fewest().min(new.0.fewest()) < at_least(centre);
        let base = scaled(base.0.estimate(base.1, centre), self.base_divisor);
        let new = scaled(new.0.estimate(new.1, centre), self.new_divisor);
        let mut found = Finding::unpaired(base.value, new.value);
        let change = &mut found.change;
        let delta_ns = change.new_ns_per_step as i64 - change.base_ns_per_step as i64;
        change.delta_ns = Some(delta_ns);
        change.delta_share = (change.base_ns_per_step > 0).then(|| delta_ns as f64 / change.base_ns_per_step as f64);
        change.growth = growth;
        if few {
            return found;
        }
        let mut draws: Vec<f64> = new.draws.iter().zip(base.draws.iter().rev()).map(|(new, base)| new - base).collect();
        let error = deviation(&draws);
        draws.sort_by(f64::total_cmp);
        let freedom = freedom(&base, &new);
        let widen = student(ERRORS_95, freedom) / ERRORS_95;
        let delta = new.value - base.value;
        let end = |at: usize| (delta + (draws[at] - delta) * widen).round() as i64;
        let tail = draws.len() / 40;
        change.interval = Some([end(tail), end(draws.len() - 1 - tail)]);
        let excursion = match (centre, &level) {
            (Centre::Mean, _) => 0.0,
            (_, Some(level)) => level.apart * base.value.max(new.value),
            (_, None) => base.excursion.max(new.excursion),
        };
        let floor = (student(ERRORS_99, freedom) * error + excursion).max(halves(&base, &new)).max(runs);
        let floor = floor.max(self.floor_share * base.value.min(new.value));
        change.noise_floor_ns = Some(floor.ceil() as u64);
        found.p = p_value(delta_ns as f64, error, freedom);
        change.p_value = Some(found.p);
        found
    }

    fn centre(&self, design: &Design, series: &[u64]) -> Centre {
        let steps = design.strata.iter().flat_map(|stratum| &stratum.steps);
        let (steps, zeros) = steps.fold((0, 0), |(all, zeros), &step| {
            (all + 1, zeros + usize::from(series.get(step as usize).is_none_or(|value| *value == 0)))
        });
        // All zeros have the same median as mean.
        if zeros * 2 >= steps && zeros < steps { Centre::Mean } else { MEDIAN }
    }

    /// Decides on the findings of one table, each with its threshold.
    pub(super) fn decide(&self, findings: Vec<Finding>, threshold: impl Fn(usize) -> f64) -> Vec<Change> {
        let limit = discoveries(findings.iter().map(|finding| finding.p).collect());
        let decide = |(at, finding): (usize, Finding)| {
            let mut change = finding.change;
            let (Some([low, high]), Some(floor)) = (change.interval, change.noise_floor_ns) else { return change };
            let Some(delta_ns) = change.delta_ns else { return change };
            let size = delta_ns.unsigned_abs();
            change.real = (low > 0 || high < 0) && size > floor && finding.p <= limit;
            // Of nothing, everything is more than any share.
            let large = change.delta_share.is_none_or(|share| share.abs() > threshold(at));
            if change.real && large && size >= self.min_impact_ns {
                change.flag = if delta_ns > 0 { Flag::Regressed } else { Flag::Improved };
            }
            change
        };
        findings.into_iter().enumerate().map(decide).collect()
    }
}

impl Finding {
    /// What each side is, without a difference.
    fn unpaired(base: f64, new: f64) -> Self {
        let (base_ns_per_step, new_ns_per_step) = (base.round() as u64, new.round() as u64);
        Self { change: Change { base_ns_per_step, new_ns_per_step, ..Change::default() }, p: 1.0 }
    }
}

/// Steps of each side that a centre needs: about five of them must lie beyond it.
fn at_least(centre: Centre) -> usize {
    match centre {
        Centre::Quantile(part) if part > 0.5 => (STEPS_AT_LEAST as f64 / (1.0 - part)).round() as usize,
        _ => STEPS_AT_LEAST,
    }
}

/// Degrees of freedom of the difference's error (Welch and Satterthwaite).
fn freedom(base: &Estimate, new: &Estimate) -> f64 {
    let (was, is) = (base.deviation().powi(2), new.deviation().powi(2));
    let sum = was * was / base.freedom + is * is / new.freedom;
    if sum > 0.0 { ((was + is).powi(2) / sum).max(2.0) } else { base.freedom.min(new.freedom).max(2.0) }
}

/// Turns sums over ranks into one rank's.
fn scaled(mut estimate: Estimate, divisor: f64) -> Estimate {
    estimate.value /= divisor;
    estimate.halves /= divisor;
    estimate.draws.iter_mut().for_each(|draw| *draw /= divisor);
    estimate
}

/// How far the halves of the sides lie apart.
fn halves(base: &Estimate, new: &Estimate) -> f64 {
    // The median of a half has √2 times the error of the whole's, and a difference of two such √2 times that.
    let drifts = |side: &Estimate| side.halves.abs() > DRIFT_ERRORS * 2.0 * side.deviation();
    if drifts(base) && drifts(new) {
        base.halves.abs() + new.halves.abs()
    } else {
        base.halves.abs().max(new.halves.abs())
    }
}

/// How far the runs of one side lie apart.
fn spread(runs: &[Vec<u32>], series: &[u64], centre: Centre) -> f64 {
    let centres = runs.iter().filter(|run| !run.is_empty()).map(|run| {
        let values: Vec<u64> = run.iter().filter_map(|&step| series.get(step as usize).copied()).collect();
        of(&values, centre)
    });
    let (least, most) = centres.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    (most - least).max(0.0)
}

/// Two-sided probability of a difference at least as large if there were none: Student's t, by Wallace's approximation.
fn p_value(delta: f64, error: f64, freedom: f64) -> f64 {
    if delta == 0.0 {
        return 1.0;
    }
    if error == 0.0 {
        return 0.0;
    }
    let t = delta / error;
    let z = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * (freedom * (t * t / freedom).ln_1p()).sqrt();
    libm::erfc(z / std::f64::consts::SQRT_2)
}

/// The normal quantile `z` as one of Student's t: a few steps tell their own spread badly. The inverse of the same
/// approximation.
fn student(z: f64, freedom: f64) -> f64 {
    let z = z * (8.0 * freedom + 3.0) / (8.0 * freedom + 1.0);
    (freedom * (z * z / freedom).exp_m1()).sqrt()
}

/// The largest p value that still counts as a discovery (Benjamini and Hochberg).
fn discoveries(mut p: Vec<f64>) -> f64 {
    p.sort_by(f64::total_cmp);
    let count = p.len() as f64;
    let passes = |(at, p): (usize, &f64)| *p <= FALSE_DISCOVERIES * (at + 1) as f64 / count;
    let last = p.iter().enumerate().rev().find(|&found| passes(found));
    last.map_or(-1.0, |(_, p)| *p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_tables() {
        for (t, freedom, expected) in [(1.96, 1e6, 0.05), (2.228, 10.0, 0.05), (3.169, 10.0, 0.01), (4.303, 2.0, 0.05)]
        {
            let found = p_value(t, 1.0, freedom);
            assert!((found / expected - 1.0).abs() < 0.15, "t = {t}, {freedom} degrees: {found}");
        }
        assert_eq!(p_value(0.0, 0.0, 5.0), 1.0);
        for (freedom, expected) in [(4.0, 2.776), (10.0, 2.228), (1e6, 1.96)] {
            assert!((student(1.96, freedom) / expected - 1.0).abs() < 0.01, "{freedom} degrees");
        }
    }

    #[test]
    fn of_many_rows_only_those_count_that_chance_does_not_explain() {
        assert_eq!(discoveries(vec![0.008; 1]), 0.008);
        assert_eq!(discoveries((1..=100).map(|i| f64::from(i) / 100.0).collect()), -1.0);
        assert_eq!(discoveries([vec![1e-6, 1e-4], vec![0.5; 98]].concat()), 1e-4);
    }
}
