//! The moving-block bootstrap: how far a median would move if the run were made again.
//!
//! Successive steps are not independent (clocks drift, contexts grow), so steps are not drawn one by one but in blocks
//! of neighbours. What is drawn is a *weight a step*, once a side, and shared by every quantity of that side:
//!
//! ```text
//!   steps     0 1 2 3 4 5 6 7        weights of one draw
//!   blocks      └─┴─┘     └─┴─┘ …    0 1 1 1 0 1 1 1
//! ```
//!
//! A weighted median over values sorted once is a short walk, so hundreds of kernels cost milliseconds. The draws of
//! both sides come from one fixed seed, and draw `i` of one side is set against draw `n - 1 - i` of the other: the two
//! are independent, and to swap the sides negates every difference exactly.

use crate::steps::spread::{GOLDEN, spread};

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

    /// A number below `bound`, which must not be 0. The bias of the multiplication is below 2⁻³² for any count of steps.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// What of a series is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Centre {
    /// The median, by nearest rank: a value that was measured, and no outlier moves it.
    Median,
    /// The mean, for what does not happen in most steps: its median is 0.
    Mean,
}

/// Steps of one kind on one side, with the weights drawn for them.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    /// Positions of its steps in the series, in order of time.
    pub(super) steps: Vec<u32>,
    /// Its part in the whole, the same on both sides.
    pub(super) share: f64,
    /// A weight for each step, draw after draw.
    weights: Vec<u16>,
}

/// One side, ready to be resampled.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) strata: Vec<Stratum>,
    pub(super) block: usize,
    draws: usize,
}

impl Design {
    /// Draws weights for `strata`: positions of steps and the stratum's share.
    pub(super) fn new(strata: Vec<(Vec<u32>, f64)>, block: usize, draws: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let strata = strata
            .into_iter()
            .map(|(steps, share)| {
                let weights = draw(steps.len(), block, draws, &mut random);
                Stratum { steps, share, weights }
            })
            .collect();
        Self { strata, block, draws }
    }

    /// How many independent pieces of evidence there are, roughly.
    pub(super) fn blocks(&self) -> f64 {
        let steps: usize = self.strata.iter().map(|stratum| stratum.steps.len()).sum();
        steps as f64 / self.block as f64
    }

    /// The centre of `series` at the strata's shares, and the same for every draw.
    pub(super) fn estimate(&self, series: &[u64], centre: Centre) -> Estimate {
        let mut found = Estimate { value: 0.0, draws: vec![0.0; self.draws], halves: 0.0 };
        for stratum in &self.strata {
            let values: Vec<u64> = stratum.steps.iter().map(|&step| series[step as usize]).collect();
            found.value += stratum.share * of(&values, centre);
            let (early, late) = values.split_at(values.len() / 2);
            if !early.is_empty() {
                found.halves += stratum.share * (of(late, centre) - of(early, centre));
            }
            resample(&values, stratum, centre, &mut found.draws);
        }
        // Draws scatter about what the side measured, not about the truth, and the fewer blocks the less they do.
        let steps: usize = self.strata.iter().map(|stratum| stratum.steps.len()).sum();
        let shrunk = (1.0 - self.block as f64 / steps.max(1) as f64).max(0.5).sqrt();
        found.draws.iter_mut().for_each(|draw| *draw = found.value + (*draw - found.value) / shrunk);
        found
    }
}

/// What [`Design::estimate`] found.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) draws: Vec<f64>,
    /// By how much the second half of the side lies above its first: a comparison of the side with itself.
    pub(super) halves: f64,
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
        Centre::Median => {
            let mut values = values.to_vec();
            let at = values.len().div_ceil(2).saturating_sub(1);
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

fn draw(steps: usize, block: usize, draws: usize, random: &mut Random) -> Vec<u16> {
    let mut weights = vec![0_u16; steps * draws];
    if steps == 0 {
        return weights;
    }
    let block = block.clamp(1, steps);
    for weights in weights.chunks_exact_mut(steps) {
        let mut left = steps;
        while left > 0 {
            let start = random.below(steps - block + 1);
            // The last block is cut to size: at its end or at its beginning, or the first steps would count more.
            let take = block.min(left);
            let start = start + if random.next() & 1 == 0 { 0 } else { block - take };
            weights[start..start + take].iter_mut().for_each(|weight| *weight = weight.saturating_add(1));
            left -= take;
        }
    }
    weights
}

fn resample(values: &[u64], stratum: &Stratum, centre: Centre, draws: &mut [f64]) {
    let count = values.len();
    if count == 0 {
        return;
    }
    if values.iter().all(|value| *value == values[0]) {
        draws.iter_mut().for_each(|sum| *sum += stratum.share * values[0] as f64);
        return;
    }
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_unstable_by_key(|&at| values[at as usize]);
    let half = count.div_ceil(2) as u32;
    for (sum, weights) in draws.iter_mut().zip(stratum.weights.chunks_exact(count)) {
        let value = match centre {
            Centre::Median => {
                let mut seen = 0;
                let at = order.iter().find(|&&at| {
                    seen += u32::from(weights[at as usize]);
                    seen >= half
                });
                values[at.map_or(0, |&at| at as usize)] as f64
            }
            Centre::Mean => {
                let sum: u64 = values.iter().zip(weights).map(|(value, weight)| value * u64::from(*weight)).sum();
                sum as f64 / count as f64
            }
        };
        *sum += stratum.share * value;
    }
}

/// How long blocks must be so that most of the dependence between steps stays within them.
///
/// Twice the usual rule for a first-order autoregression, at the upper end of what its coefficient may be: the rule
/// minimises the error of the variance and so leaves it too small, and a gate would rather see a little less than cry
/// wolf. At least the cube root of the number of steps and at most a quarter of it.
pub(super) fn block_length(series: &[u64]) -> usize {
    let count = series.len();
    if count < 8 {
        return 1;
    }
    let steps = count as f64;
    let mean = series.iter().sum::<u64>() as f64 / steps;
    let centred: Vec<f64> = series.iter().map(|&value| value as f64 - mean).collect();
    let variance: f64 = centred.iter().map(|value| value * value).sum();
    let covariance: f64 = centred.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let seen = if variance > 0.0 { (covariance / variance).max(0.0) } else { 0.0 };
    // Short series show too little of it, by this much, and vary by their standard error.
    let upper = seen + (1.0 + 3.0 * seen) / steps + ((1.0 - seen * seen).max(0.0) / steps).sqrt();
    let rho = upper.min(0.97);
    let rule = 2.0 * (2.0 * rho / (1.0 - rho * rho)).powf(2.0 / 3.0) * steps.cbrt();
    (rule.max(steps.cbrt()).round() as usize).clamp(1, count.div_ceil(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(steps: usize, block: usize, draws: usize) -> Design {
        Design::new(vec![((0..steps as u32).collect(), 1.0)], block, draws, 7)
    }

    #[test]
    fn every_draw_has_as_many_steps_as_the_side() {
        let design = design(23, 5, 100);
        for weights in design.strata[0].weights.chunks(23) {
            assert_eq!(weights.iter().sum::<u16>(), 23);
        }
    }

    #[test]
    fn the_interval_of_a_median_covers_the_truth_as_often_as_it_says() {
        // Uniform noise on 0..1000: the median is 500. Independent steps, 200 runs of 60.
        let mut random = Random::new(1);
        let covered = (0..200)
            .filter(|_| {
                let values: Vec<u64> = (0..60).map(|_| random.next() % 1000).collect();
                let mut draws = design(60, 4, 400).estimate(&values, Centre::Median).draws;
                draws.sort_by(f64::total_cmp);
                (draws[10]..=draws[389]).contains(&500.0)
            })
            .count();
        assert!((180..=200).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn weighted_medians_are_those_of_the_drawn_steps() {
        let values = [9, 1, 5, 3, 7];
        let design = design(5, 2, 50);
        let found = design.estimate(&values, Centre::Median);
        for (draw, weights) in found.draws.iter().zip(design.strata[0].weights.chunks(5)) {
            let mut drawn: Vec<u64> =
                values.iter().zip(weights).flat_map(|(&value, &weight)| vec![value; weight as usize]).collect();
            drawn.sort_unstable();
            let shrunk = (1.0_f64 - 2.0 / 5.0).sqrt();
            assert!((found.value + (draw - found.value) * shrunk - drawn[2] as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn blocks_grow_with_the_dependence_between_steps() {
        let mut random = Random::new(3);
        let white: Vec<u64> = (0..200).map(|_| random.next() % 100).collect();
        let drifting: Vec<u64> = (0..200).map(|at| 10 * at + random.next() % 100).collect();
        assert!(block_length(&white) <= 15, "{}", block_length(&white));
        assert!(block_length(&drifting) > 30, "{}", block_length(&drifting));
        assert!(block_length(&[5; 100]) < 12);
    }
}
