//! How a series remembers, and what that costs: neighbours that resemble one another tell less than independent ones.
//!
//! A memory that fades step by step, beside noise of each step by itself, is fitted to the correlations over one and more
//! steps. Kernels that remember and a host's gap that does not are such a series; a first-order autoregression is not.

/// The correlation of neighbours, at most: beyond it a series tells next to nothing.
const RHO_AT_MOST: f64 = 0.97;
/// And at least: that neighbours repel one another narrows an interval by little.
const RHO_AT_LEAST: f64 = -0.3;
/// How much neighbours of a series resemble one another, and what that costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dependence {
    /// By what factor the variance of a median is larger than that of as many independent values.
    pub(super) of_quantile: f64,
    /// The same of a mean.
    pub(super) of_mean: f64,
    /// Degrees of freedom of an error that is estimated with these.
    pub(super) freedom: f64,
}

impl Dependence {
    pub(super) fn of(scores: &[f64]) -> Self {
        let count = scores.len().max(1) as f64;
        let Memory { kept, rho } = Memory::of(scores);
        let of_quantile = inflation(kept, rho);
        // The ranks of independent values are known to scatter by so much; what is not known well is the inflation.
        let slope = (inflation(kept, rho + SMALL) / of_quantile).ln() / SMALL;
        let freedom = 2.0 * count / (slope * slope * (1.0 - rho * rho));
        Self { of_quantile, of_mean: 1.0 + 2.0 * kept * rho / (1.0 - rho), freedom }
    }
}

/// How a series remembers: values `k` steps apart are correlated by `kept · rho^k`.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// The part of the variance that is remembered; the rest is noise of each step by itself.
    kept: f64,
    rho: f64,
}

impl Memory {
    /// That which fits the correlations over some steps best. Without much evidence, everything is remembered.
    fn of(scores: &[f64]) -> Self {
        let count = scores.len().max(1) as f64;
        let variance: f64 = scores.iter().map(|score| score * score).sum();
        let seen = |lag: usize| {
            let covariance: f64 = scores.iter().zip(scores.iter().skip(lag)).map(|(a, b)| a * b).sum();
            if variance > 0.0 { covariance / variance } else { 0.0 }
        };
        // Short series show too little of it, by this much.
        let at_most = (1.0 - STEPS_OF_MEMORY / count).clamp(0.0, RHO_AT_MOST);
        let first = (seen(1) + (1.0 + 3.0 * seen(1)) / count).clamp(RHO_AT_LEAST, at_most);
        if first <= 0.0 {
            return Self { kept: 1.0, rho: first };
        }
        let hidden = ((1.0 + first) / (1.0 - first) / count).min(0.25);
        let lags = (scores.len() / 6).clamp(1, LAGS);
        let correlation = |lag: usize| {
            let seen = seen(lag) * count / (count - lag as f64).max(1.0);
            seen + (1.0 - seen) * hidden
        };
        let correlations: Vec<f64> = (1..=lags).map(correlation).collect();
        let fits = (0..=FITS)
            .map(|nth| Self::fit(&correlations, at_most * f64::from(nth) / f64::from(FITS), ALL_KEPT / count));
        let best = fits.min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(Self { kept: 1.0, rho: first }, |(memory, _)| memory)
    }

    /// The part that fits `correlations` best at `rho`, and how badly it fits; `weight` pulls it towards all.
    fn fit(correlations: &[f64], rho: f64, weight: f64) -> (Self, f64) {
        let powers = (1..).map(|lag| rho.powi(lag));
        let (mut product, mut square) = (weight, weight);
        for (correlation, power) in correlations.iter().zip(powers.clone()) {
            product += correlation * power;
            square += power * power;
        }
        let kept = (product / square).clamp(0.0, 1.0);
        let off: f64 = correlations.iter().zip(powers).map(|(seen, power)| (seen - kept * power).powi(2)).sum();
        (Self { kept, rho }, off + weight * (1.0 - kept).powi(2))
    }
}

/// Steps over which correlations are looked at, at most.
const LAGS: usize = 12;
/// Memories that are tried.
const FITS: u32 = 64;
/// A memory that fades by less than a part in so many of the series cannot be told from a drift.
const STEPS_OF_MEMORY: f64 = 8.0;
/// How strongly a memory is taken to keep everything, in correlations that say so.
const ALL_KEPT: f64 = 4.0;
/// A step that is small beside any correlation.
const SMALL: f64 = 0.01;

/// By what factor memory makes the variance of a median larger: that of how many values lie below it, where values that
/// are correlated by `r` are on the same side of the median in `1/2 + asin(r) / π` of all cases.
pub(super) fn inflation(kept: f64, rho: f64) -> f64 {
    let mut sum = 1.0;
    let mut power = rho;
    while power.abs() > 1e-4 {
        sum += 4.0 / std::f64::consts::PI * (kept * power).asin();
        power *= rho;
    }
    sum
}

/// The standard normal quantile of `p`, which must lie between 0 and 1: the approximation of Acklam, good to nine digits.
pub(super) fn probit(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    let poly = |of: &[f64], x: f64| of.iter().fold(0.0, |sum, factor| sum * x + factor);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        poly(&C, q) / poly(&D, q)
    };
    let q = p - 0.5;
    match p {
        ..0.02425 => tail(p),
        0.02425..=0.97575 => q * poly(&A, q * q) / poly(&B, q * q),
        _ => -tail(1.0 - p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (p, expected) in [(0.5, 0.0), (0.975, 1.959_964), (0.01, -2.326_348), (0.9999, 3.719_016)] {
            assert!((probit(p) - expected).abs() < 1e-6, "{p}: {}", probit(p));
        }
    }
}
