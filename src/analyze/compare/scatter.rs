//! How far a median would move if the run were made again.
//!
//! Successive steps are not independent: what slows one step mostly slows the next. So a side of `n` steps tells no more
//! than some fewer independent ones would. How many fewer is measured for each series: its values are replaced by normal
//! scores of their ranks, and the correlations over one and more steps are estimated (and corrected for what a short series
//! hides of them). What fits them best, a memory that fades step by step and noise of each step by itself, says by how
//! much they inflate the variance of the centre.
//!
//! The scatter itself is taken from the order of the values, where no shape is assumed: if run again, the median would
//! be one of the values whose rank is near the middle, and how near is a matter of counting.
//!
//! ```text
//!   values, sorted   ·· · ····:··:·:·: ····· ·  ·
//!   ranks drawn               └──┬──┘             half of them, give or take √(n · inflation) / 2
//! ```
//!
//! The draws of both sides are the same ranks, and draw `i` of one side is set against draw `n - 1 - i` of the other: the
//! two are independent, and to swap the sides negates every difference exactly.

use crate::analyze::compare::memory::{Dependence, probit};
use crate::steps::spread::{GOLDEN, spread};

/// By what part, times the root of their number, few values lie too far apart: found by simulation.
const FEW: f64 = 0.4;
/// Seed of all draws: the same inputs always give the same result.
const SEED: u64 = 0x5eed;

/// A small fixed generator (SplitMix64): every run of the program draws the same.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        let drawn = spread(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        drawn
    }

    /// Standard normal.
    pub(super) fn normal(&mut self) -> f64 {
        probit(((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64)
    }
}

/// What of a series is compared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Centre {
    /// A quantile from 0 to 1, by nearest rank: a value that was measured, and no outlier beyond it moves it.
    Quantile(f64),
    /// The mean, for what does not happen in most steps: its median is 0.
    Mean,
}

/// The median.
pub(super) const MEDIAN: Centre = Centre::Quantile(0.5);

/// Steps of one kind on one side.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    /// Positions of its steps in the series, in order of time.
    pub(super) steps: Vec<u32>,
    /// Its part in the whole, the same on both sides.
    pub(super) share: f64,
}

/// One side, ready for its series.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) strata: Vec<Stratum>,
    draws: usize,
}

impl Design {
    /// A side of `strata`: positions of steps and the stratum's share.
    pub(super) fn new(strata: Vec<(Vec<u32>, f64)>, draws: usize) -> Self {
        let strata = strata.into_iter().map(|(steps, share)| Stratum { steps, share }).collect();
        Self { strata, draws }
    }

    /// The same side, of those steps alone that `keep` says.
    pub(super) fn only(&self, keep: impl Fn(u32) -> bool) -> Self {
        let strata = self.strata.iter().map(|stratum| Stratum {
            steps: stratum.steps.iter().copied().filter(|&step| keep(step)).collect(),
            share: stratum.share,
        });
        Self { strata: strata.collect(), draws: self.draws }
    }

    /// Steps in its smallest stratum.
    pub(super) fn fewest(&self) -> usize {
        self.strata.iter().map(|stratum| stratum.steps.len()).min().unwrap_or(0)
    }

    /// The centre of `series` at the strata's shares, and what it might have been.
    pub(super) fn estimate(&self, series: &[u64], centre: Centre) -> Estimate {
        let dependence = Dependence::of(&self.scores(series));
        let mut random = Random::new(SEED);
        let freedom = dependence.freedom;
        let mut found = Estimate { value: 0.0, draws: vec![0.0; self.draws], halves: 0.0, excursion: 0.0, freedom };
        for stratum in &self.strata {
            let mut values: Vec<u64> = stratum.steps.iter().map(|&step| series[step as usize]).collect();
            found.value += stratum.share * of(&values, centre);
            let (early, late) = values.split_at(values.len() / 2);
            if !early.is_empty() {
                found.halves += stratum.share * (of(late, centre) - of(early, centre));
            }
            values.sort_unstable();
            let scatter = Scatter::of(&values, centre, &dependence);
            for draw in &mut found.draws {
                *draw += stratum.share * scatter.at(random.normal());
            }
        }
        found.draws.iter_mut().for_each(|draw| *draw += found.value);
        found.excursion = found.value * excursion(&self.relative(series));
        found
    }

    /// Each step in units of its stratum's median, in order of time; those of strata without one are left out.
    fn relative(&self, series: &[u64]) -> Vec<f64> {
        let mut relative: Vec<(u32, f64)> = Vec::new();
        for stratum in &self.strata {
            let values: Vec<u64> = stratum.steps.iter().map(|&step| series[step as usize]).collect();
            let level = of(&values, MEDIAN);
            if level > 0.0 {
                relative.extend(stratum.steps.iter().zip(&values).map(|(&step, &ns)| (step, ns as f64 / level)));
            }
        }
        relative.sort_unstable_by_key(|&(step, _)| step);
        relative.into_iter().map(|(_, value)| value).collect()
    }

    /// The normal score of each step among its like, in order of time.
    fn scores(&self, series: &[u64]) -> Vec<f64> {
        let mut scores: Vec<(u32, f64)> = Vec::new();
        for stratum in &self.strata {
            let mut order: Vec<(u64, u32)> = stratum.steps.iter().map(|&step| (series[step as usize], step)).collect();
            order.sort_unstable();
            let count = order.len() as f64;
            let mut from = 0;
            for tied in order.chunk_by(|a, b| a.0 == b.0) {
                // Values that are the same have one score, or their order in time would be taken for a trend.
                let score = probit((from as f64 + tied.len() as f64 / 2.0) / count);
                scores.extend(tied.iter().map(|&(_, step)| (step, score)));
                from += tied.len();
            }
        }
        scores.sort_unstable_by_key(|&(step, _)| step);
        scores.into_iter().map(|(_, score)| score).collect()
    }
}

/// Where the centre of sorted values might have been.
enum Scatter<'a> {
    /// Ranks as parts of one, about `middle`, with this standard deviation.
    Ranks { sorted: &'a [u64], middle: f64, deviation: f64 },
    /// Values, with this standard deviation.
    Values(f64),
}

impl<'a> Scatter<'a> {
    fn of(sorted: &'a [u64], centre: Centre, dependence: &Dependence) -> Self {
        let count = sorted.len().max(1) as f64;
        match centre {
            Centre::Quantile(middle) => {
                let deviation = (middle * (1.0 - middle) * dependence.of_quantile / (count + 2.0)).sqrt();
                // Few values lie further apart about their middle than the middle scatters.
                let deviation = deviation * (1.0 - FEW / count.sqrt());
                Self::Ranks { sorted, middle, deviation }
            }
            Centre::Mean => {
                let values: Vec<f64> = sorted.iter().map(|&value| value as f64).collect();
                Self::Values(deviation(&values) * (dependence.of_mean / count).sqrt())
            }
        }
    }

    /// How far from the centre it would be, `z` standard deviations out.
    fn at(&self, z: f64) -> f64 {
        match self {
            Self::Ranks { sorted, middle, deviation } => {
                between(sorted, middle + z * deviation) - between(sorted, *middle)
            }
            Self::Values(deviation) => z * deviation,
        }
    }
}

/// The value at a part of all ranks, between two values where it falls between them; 0 for none.
fn between(sorted: &[u64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = part.mul_add(sorted.len() as f64, -0.5).clamp(0.0, last as f64);
    let (low, high) = (sorted[at as usize] as f64, sorted[(at as usize + 1).min(last)] as f64);
    low + (high - low) * at.fract()
}

/// By how much the median of a stretch of `relative` lies off 1 at most: a clock that stepped, a run that warmed up. 0 if
/// it is what the noise from one step to the next explains.
fn excursion(relative: &[f64]) -> f64 {
    let stretch = (relative.len() / STRETCHES).max(STRETCH);
    if relative.len() < 2 * stretch {
        return 0.0;
    }
    let apart: Vec<f64> = relative.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let noise = middle(&apart) * BY_MEDIAN / std::f64::consts::SQRT_2;
    let most = relative.chunks_exact(stretch).map(|stretch| (middle(stretch) - 1.0).abs()).fold(0.0, f64::max);
    let explained = EXCURSION * OF_MEDIAN * noise / (stretch as f64).sqrt();
    if most > explained { most } else { 0.0 }
}

/// Stretches of a side that are looked at by themselves, and the fewest steps in one.
const STRETCHES: usize = 12;
const STRETCH: usize = 4;
/// Standard errors that a stretch must lie off to be off.
const EXCURSION: f64 = 4.0;
/// A standard deviation in terms of the median absolute deviation, and a median's error in terms of a mean's.
const BY_MEDIAN: f64 = 1.4826;
const OF_MEDIAN: f64 = 1.2533;

/// The median of `values`; 0 for none.
fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let at = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f64::total_cmp).1 }
}

/// What [`Design::estimate`] found.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// Values that it might have been.
    pub(super) draws: Vec<f64>,
    /// By how much the second half of the side lies above its first: a comparison of the side with itself.
    pub(super) halves: f64,
    /// By how much a stretch of the side lies off its median at most; 0 if that is the noise of its steps.
    pub(super) excursion: f64,
    /// Degrees of freedom of the draws' deviation.
    pub(super) freedom: f64,
}

impl Estimate {
    /// Standard deviation of the draws.
    pub(super) fn deviation(&self) -> f64 {
        deviation(&self.draws)
    }
}

/// The centre of some values; 0 for none.
pub(super) fn of(values: &[u64], centre: Centre) -> f64 {
    match centre {
        Centre::Mean => values.iter().sum::<u64>() as f64 / values.len().max(1) as f64,
        Centre::Quantile(part) => {
            let mut values = values.to_vec();
            let at = ((values.len() as f64 * part).ceil() as usize).saturating_sub(1);
            if values.is_empty() { 0.0 } else { *values.select_nth_unstable(at).1 as f64 }
        }
    }
}

/// Standard deviation of `values`.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::compare::memory::inflation;

    fn design(steps: usize) -> Design {
        Design::new(vec![((0..steps as u32).collect(), 1.0)], 400)
    }

    /// A series about 1,000,000 whose neighbours are correlated by `rho`.
    fn correlated(steps: usize, rho: f64, random: &mut Random) -> Vec<u64> {
        let mut now = random.normal();
        let mut next = || {
            now = rho * now + (1.0 - rho * rho).sqrt() * random.normal();
            (1e6 + 2e4 * now) as u64
        };
        (0..steps).map(|_| next()).collect()
    }

    #[test]
    fn the_interval_of_a_median_covers_the_truth_as_often_as_it_says() {
        for rho in [0.0, 0.6] {
            let mut random = Random::new(1);
            let covered = (0..400)
                .filter(|_| {
                    let mut draws = design(100).estimate(&correlated(100, rho, &mut random), MEDIAN).draws;
                    draws.sort_by(f64::total_cmp);
                    (draws[10]..=draws[389]).contains(&1e6)
                })
                .count();
            // Before the interval is widened for how little is known of the memory.
            assert!((355..=395).contains(&covered), "{covered} of 400 at {rho}");
        }
    }

    #[test]
    fn the_deviation_grows_with_the_dependence_between_steps() {
        let mut random = Random::new(3);
        let mut of = |rho: f64| design(2000).estimate(&correlated(2000, rho, &mut random), MEDIAN);
        let (white, red) = (of(0.0), of(0.8));
        // The square root of what correlation makes of the variance.
        let times = red.deviation() / white.deviation();
        assert!((times / inflation(1.0, 0.8).sqrt() - 1.0).abs() < 0.25, "{times}");
        assert!(red.freedom < white.freedom / 3.0, "{} {}", red.freedom, white.freedom);
    }

    #[test]
    fn values_that_are_all_the_same_scatter_by_nothing() {
        let found = design(20).estimate(&[7; 20], MEDIAN);
        assert_eq!((found.value, found.deviation(), found.halves), (7.0, 0.0, 0.0));
    }
}
