//! What grows on both sides alike, and is therefore neither noise nor a difference.
//!
//! Attention takes longer with every token of context, so over a run its time climbs, and by far more than a kernel that
//! got slower would add. Looked at side by side the runs differ little in it:
//!
//! ```text
//!   ns │            ╱╱ new           Taken together, each side scatters by its whole climb.
//!      │         ╱╱ ╱ base           At equal context they differ by the same part everywhere.
//!      │      ╱╱ ╱
//!      │   ╱╱ ╱
//!      └────────────── context, or the step's place in its run
//! ```
//!
//! So the course that both sides *share* is found: medians of a few stretches of the axis, each side relative to its own
//! level, averaged over the sides. If it stands out of what the sides' courses differ by, both sides are divided by it.
//! A course that one side has alone (a clock that drops, a run that warms up) stays what it is: noise.
//!
//! A line fitted to each side is not it: it would also take off what the sides do not share, and with it the difference
//! that is sought. Steps outside the stretch of the axis that both sides ran have no counterpart and are left out.

use crate::analyze::compare::scatter::{Design, MEDIAN, of};

/// Stretches of the axis, at most and at least.
const STRETCHES: usize = 10;
const STRETCHES_AT_LEAST: usize = 4;
/// Steps of each side in a stretch, at least.
const STEPS: usize = 4;
/// How many times the variance of the shared course must be that of the difference of both, to be a shared course. If
/// nothing is shared it is a quarter of it.
const STANDS_OUT: f64 = 3.0;
/// Growth from the first stretch to the last that is worth taking off.
const GROWTH_AT_LEAST: f64 = 0.02;

/// Where each step of each side stands: tokens of context, or its place in its run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Axis {
    pub(super) base: Vec<u64>,
    pub(super) new: Vec<u64>,
}

impl Axis {
    /// By the order in the series.
    pub(super) fn in_order(base: usize, new: usize) -> Self {
        Self { base: (0..base as u64).collect(), new: (0..new as u64).collect() }
    }
}

/// Both sides of a series without the course that they share.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) base: (Design, Vec<u64>),
    pub(super) new: (Design, Vec<u64>),
    /// By what part of itself the series grows over the stretch that both sides ran.
    pub(super) growth: f64,
    /// By what part of themselves the sides' courses lie apart at most: where they do, they are not quite one course.
    pub(super) apart: f64,
}

/// The sides without the course that they share; `None` if they share none.
pub(super) fn level(axis: &Axis, base: (&Design, &[u64]), new: (&Design, &[u64])) -> Option<Level> {
    let (was, is) = (points(base.0, &axis.base, base.1)?, points(new.0, &axis.new, new.1)?);
    let ends = |points: &[Point]| Some((points.first()?.at, points.last()?.at));
    let (was_ends, is_ends) = (ends(&was)?, ends(&is)?);
    let (from, to) = (was_ends.0.max(is_ends.0), was_ends.1.min(is_ends.1));
    let within = |points: Vec<Point>| -> Vec<Point> {
        points.into_iter().filter(|point| (from..=to).contains(&point.at)).collect()
    };
    let course = Course::shared(&within(was), &within(is))?;
    let side = |(design, series): (&Design, &[u64]), axis: &[u64]| {
        let flat = series.iter().zip(axis).map(|(&ns, &at)| (ns as f64 / course.at(at)).round() as u64).collect();
        (design.only(|step| (from..=to).contains(&axis[step as usize])), flat)
    };
    Some(Level {
        base: side(base, &axis.base),
        new: side(new, &axis.new),
        growth: course.growth(),
        apart: course.apart,
    })
}

/// A step: where it stands, and the logarithm of its value in units of its stratum's level.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: u64,
    log: f64,
}

/// The steps of a side in the order of the axis; `None` if its values have no level, or are not all above zero.
fn points(design: &Design, axis: &[u64], series: &[u64]) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    for stratum in &design.strata {
        let values: Vec<u64> = stratum.steps.iter().map(|&step| series[step as usize]).collect();
        let level = of(&values, MEDIAN);
        if values.contains(&0) {
            return None;
        }
        let point = |(&step, &ns): (&u32, &u64)| Point { at: axis[step as usize], log: (ns as f64 / level).ln() };
        points.extend(stratum.steps.iter().zip(&values).map(point));
    }
    points.sort_by_key(|point| point.at);
    Some(points)
}

/// A course along the axis.
#[derive(Debug)]
struct Course {
    /// Logarithms at a few places.
    places: Vec<(f64, f64)>,
    apart: f64,
}

impl Course {
    /// What both sides have in common, if it stands out.
    fn shared(base: &[Point], new: &[Point]) -> Option<Self> {
        let count = (base.len().min(new.len()) / STEPS).min(STRETCHES);
        if count < STRETCHES_AT_LEAST {
            return None;
        }
        let mut places: Vec<u64> = base.iter().chain(new).map(|point| point.at).collect();
        places.sort_unstable();
        let begins: Vec<u64> = (0..count).map(|nth| places[places.len() * nth / count]).collect();
        let of = |points: &[Point], nth: usize| -> Option<(f64, f64)> {
            let from = points.partition_point(|point| point.at < begins[nth]);
            let to = begins.get(nth + 1).map_or(points.len(), |&next| points.partition_point(|point| point.at < next));
            let stretch = points.get(from..to).filter(|stretch| stretch.len() >= STEPS)?;
            let mut logs: Vec<f64> = stretch.iter().map(|point| point.log).collect();
            let middle = logs.len() / 2;
            let log = *logs.select_nth_unstable_by(middle, f64::total_cmp).1;
            Some(((stretch[0].at as f64 + stretch[stretch.len() - 1].at as f64) / 2.0, log))
        };
        let both: Vec<_> = (0..count).filter_map(|nth| Some((of(base, nth)?, of(new, nth)?))).collect();
        let centred = |logs: Vec<f64>| -> Vec<f64> {
            let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
            logs.into_iter().map(|log| log - mean).collect()
        };
        let shared = centred(both.iter().map(|(was, is)| (was.1 + is.1) / 2.0).collect());
        let apart = centred(both.iter().map(|(was, is)| is.1 - was.1).collect());
        let variance = |logs: &[f64]| logs.iter().map(|log| log * log).sum::<f64>();
        let at = both.iter().map(|(was, is)| (was.0 + is.0) / 2.0);
        let places = at.zip(shared.iter().copied()).collect();
        let most = apart.iter().map(|log| log.abs()).fold(0.0, f64::max);
        let course = Self { places, apart: most.exp_m1() };
        let stands_out = both.len() >= STRETCHES_AT_LEAST
            && variance(&shared) >= STANDS_OUT * variance(&apart)
            && course.growth().abs() >= GROWTH_AT_LEAST;
        stands_out.then_some(course)
    }

    /// From its lowest to its highest place; negative if that comes later.
    fn growth(&self) -> f64 {
        let by_log = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (self.places.iter().min_by(by_log), self.places.iter().max_by(by_log)) else {
            return 0.0;
        };
        let growth = (high.1 - low.1).exp() - 1.0;
        if high.0 >= low.0 { growth } else { -growth }
    }

    /// The factor at a place: straight between the places that are known, and on for half as far at their ends.
    fn at(&self, at: u64) -> f64 {
        let at = at as f64;
        let next = self.places.partition_point(|&(place, _)| place < at).clamp(1, self.places.len() - 1);
        let ((from, low), (to, high)) = (self.places[next - 1], self.places[next]);
        let part = if to > from { (at - from) / (to - from) } else { 0.0 };
        (low + (high - low) * part.clamp(-0.5, 1.5)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::compare::scatter::Random;

    fn whole(steps: usize) -> Design {
        Design::new(vec![((0..steps as u32).collect(), 1.0)], 200)
    }

    fn series(steps: usize, seed: u64, of: impl Fn(usize) -> f64) -> Vec<u64> {
        let mut random = Random::new(seed);
        (0..steps).map(|at| (1e5 * of(at) * (1.0 + 0.01 * random.normal())) as u64).collect()
    }

    fn levelled(base: &[u64], new: &[u64]) -> Option<Level> {
        let axis = Axis::in_order(base.len(), new.len());
        level(&axis, (&whole(base.len()), base), (&whole(new.len()), new))
    }

    #[test]
    fn a_climb_that_both_sides_share_is_taken_off_and_their_difference_stays() {
        let climb = |at: usize| 1.0 + 0.3 * (at as f64 / 60.0).sqrt();
        let (base, new) = (series(60, 1, climb), series(60, 2, |at| 1.15 * climb(at)));
        let found = levelled(&base, &new).expect("a shared course");
        assert!((0.2..0.35).contains(&found.growth), "{}", found.growth);
        let ratio = of(&found.new.1, MEDIAN) / of(&found.base.1, MEDIAN);
        assert!((1.14..1.16).contains(&ratio), "{ratio}");
        let halves = found.base.0.estimate(&found.base.1, MEDIAN);
        assert!(halves.halves.abs() < 0.02 * halves.value, "{halves:?}");
    }

    #[test]
    fn of_a_longer_run_the_stretch_that_both_ran_is_compared() {
        let climb = |at: usize| 1.0 + 0.005 * at as f64;
        let found = levelled(&series(60, 1, climb), &series(120, 2, climb)).expect("a shared course");
        let [was, is] = [&found.base, &found.new].map(|(design, series)| design.estimate(series, MEDIAN).value);
        assert!((is / was - 1.0).abs() < 0.01, "{was} {is}");
        assert_eq!(found.new.0.strata[0].steps.len(), 60);
    }

    #[test]
    fn a_course_of_one_side_alone_is_not_shared() {
        let flat = |_: usize| 1.0;
        assert!(levelled(&series(60, 1, flat), &series(60, 2, flat)).is_none());
        assert!(levelled(&series(60, 1, flat), &series(60, 2, |at| 1.0 + 0.3 * at as f64 / 60.0)).is_none());
        let up = |at: usize| 1.0 + 0.1 * at as f64 / 60.0;
        assert!(levelled(&series(60, 1, up), &series(60, 2, |at| 1.1 - 0.1 * at as f64 / 60.0)).is_none());
        let late = |at: usize| if at > 45 { 1.1 } else { 1.0 };
        let early = |at: usize| if at > 15 { 1.1 } else { 1.0 };
        assert!(levelled(&series(60, 1, early), &series(60, 2, late)).is_none());
    }
}
