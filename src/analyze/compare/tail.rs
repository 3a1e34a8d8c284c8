//! The slowest steps: users feel them, and a median does not.
//!
//! Two things are judged. The 90th and the 99th percentile are judged as the median is. They see a tail that is as wide
//! as they are deep, and of few steps they tell little. So *outliers* are counted too: steps that take much longer than
//! their neighbours of the same batch.
//!
//! ```text
//!   ns │           ×                            × beyond the bound
//!      │ ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ bound = factor × the median of the neighbours
//!      │ ·······.··· ····.·.············.········   ··.·····
//!      └──────────────────────────────────────────────────── steps
//! ```
//!
//! The bound is relative to a step's neighbours, so neither a clock that drops nor a context that grows makes outliers, and
//! a run that is slower as a whole has no more of them than before: that is what the median is for.
//!
//! If nothing changed, each outlier is as likely to be on either side, in proportion to their steps. So the count on one
//! side is binomial whatever the tail looks like, and the rate of false alarms is known: at most [`FALSE_ALARMS`] each
//! way. Where more outliers are neighbours than chance explains, they have one cause, and each *cluster* counts once. Six
//! against none are the fewest that count: three slow steps of a hundred, and none in the base, are no proof.

use std::cmp::Reverse;

use crate::analyze::compare::scatter::{MEDIAN, of};
use crate::analyze::compare::side::Side;
use crate::analyze::compare::strata::{Strata, parts};
use crate::classify::Category;
use crate::output::comparison::Flag;
use crate::output::tail::{Outliers, SlowStep};

/// How many times its neighbours a step must take to stand out, at least.
const BOUND: f64 = 1.5;
/// And by how many standard deviations of the steps that do not.
const DEVIATIONS: f64 = 6.0;
/// A standard deviation in terms of the median absolute deviation.
const BY_MEDIAN: f64 = 1.4826;
/// Neighbours on each side of a step that say what is usual.
const NEIGHBOURS: usize = 10;
/// Steps of each side below which nothing is said.
const STEPS_AT_LEAST: usize = 30;
/// Probability by which chance alone may look like more outliers on one given side.
const FALSE_ALARMS: f64 = 0.02;
/// Probability of so many outliers being neighbours above which that is chance.
const BY_CHANCE: f64 = 0.05;
/// Steps that are named.
const NAMED: usize = 10;

/// Counts the outliers of both sides.
pub(super) fn outliers(base: &Side, new: &Side, strata: &Strata, divisors: (f64, f64), min_impact_ns: u64) -> Outliers {
    let was = Neighbourhood::of(base, strata, false);
    let is = Neighbourhood::of(new, strata, true);
    let bound = 1.0 + (BOUND - 1.0).max(DEVIATIONS * was.deviation().max(is.deviation()));
    let (was, is) = (Found::of(was, bound, divisors.0), Found::of(is, bound, divisors.1));
    let mut row = Outliers {
        bound,
        base_steps: was.slow.len() as u64,
        new_steps: is.slow.len() as u64,
        base_share: was.share(),
        new_share: is.share(),
        base_ns_per_step: was.ns_per_step(),
        new_ns_per_step: is.ns_per_step(),
        steps: is.named(new, strata, divisors.1),
        ..Outliers::default()
    };
    if was.all.min(is.all) < STEPS_AT_LEAST {
        return row;
    }
    let part = is.all as f64 / (was.all + is.all) as f64;
    let (more, fewer) = (at_least(was.events(), is.events(), part), at_least(is.events(), was.events(), 1.0 - part));
    row.p_value = Some((2.0 * more.min(fewer)).min(1.0));
    row.real = more.min(fewer) <= FALSE_ALARMS;
    if row.real && row.new_ns_per_step.abs_diff(row.base_ns_per_step) >= min_impact_ns {
        row.flag = match (more < fewer, row.new_ns_per_step > row.base_ns_per_step) {
            (true, true) => Flag::Regressed,
            (false, false) => Flag::Improved,
            // More of them that cost less, or the other way round.
            _ => Flag::Same,
        };
    }
    row
}

/// The probability that at least `of_it` of all clusters are on a side that each is on with probability `part`.
fn at_least(others: usize, of_it: usize, part: f64) -> f64 {
    let all = others + of_it;
    let mut term = part.powi(all as i32);
    let mut sum = 0.0;
    for count in (0..=all).rev() {
        if count < of_it {
            break;
        }
        sum += term;
        term *= count as f64 / (all - count + 1) as f64 * (1.0 - part) / part;
    }
    sum.min(1.0)
}

/// A step beside its neighbours of the same batch and run.
#[derive(Clone, Debug)]
struct Beside {
    step: u32,
    ns: u64,
    /// What its neighbours take.
    usual_ns: f64,
    neighbours: Vec<u32>,
}

/// All steps of a side, in order of time.
struct Neighbourhood(Vec<Beside>);

impl Neighbourhood {
    fn of(side: &Side, strata: &Strata, is_new: bool) -> Self {
        let walls = strata.walls(side);
        let mut all = Vec::new();
        for stratum in &strata.common {
            let steps = if is_new { &stratum.new } else { &stratum.base };
            for run in steps.chunk_by(|&a, &b| side.steps[a as usize].run == side.steps[b as usize].run) {
                for (at, &step) in run.iter().enumerate() {
                    // At the edges the window stands still, so that there are as many neighbours everywhere.
                    let from = at.saturating_sub(NEIGHBOURS).min(run.len().saturating_sub(2 * NEIGHBOURS + 1));
                    let neighbours = &run[from..run.len().min(from + 2 * NEIGHBOURS + 1)];
                    let values: Vec<u64> = neighbours.iter().map(|&step| walls[step as usize]).collect();
                    let neighbours = neighbours.to_vec();
                    all.push(Beside { step, ns: walls[step as usize], usual_ns: of(&values, MEDIAN), neighbours });
                }
            }
        }
        all.sort_by_key(|beside| beside.step);
        Self(all)
    }

    /// The standard deviation of steps from what is usual, as a part of it; those that stand out do not count.
    fn deviation(&self) -> f64 {
        const SCALE: f64 = 1e9;
        let off: Vec<u64> = self
            .0
            .iter()
            .filter(|beside| beside.usual_ns > 0.0)
            .map(|beside| ((beside.ns as f64 / beside.usual_ns - 1.0).abs() * SCALE) as u64)
            .collect();
        BY_MEDIAN * of(&off, MEDIAN) / SCALE
    }
}

/// The outliers of a side.
struct Found {
    slow: Vec<Beside>,
    clusters: usize,
    all: usize,
    lost_ns: f64,
}

impl Found {
    fn of(Neighbourhood(all): Neighbourhood, bound: f64, divisor: f64) -> Self {
        let count = all.len();
        let is_slow = |beside: &Beside| beside.usual_ns > 0.0 && beside.ns as f64 > bound * beside.usual_ns;
        let clusters = all.chunk_by(|a, b| is_slow(a) && is_slow(b)).filter(|cluster| is_slow(&cluster[0])).count();
        let slow: Vec<Beside> = all.into_iter().filter(is_slow).collect();
        let lost_ns = slow.iter().map(|beside| beside.ns as f64 - beside.usual_ns).sum::<f64>() / divisor;
        Self { slow, clusters, all: count, lost_ns }
    }

    /// How many independent events the outliers are: all of them if no more are neighbours than chance explains.
    fn events(&self) -> usize {
        let slow = self.slow.len();
        let expected = (slow * slow.saturating_sub(1)) as f64 / self.all.max(1) as f64;
        let together = slow - self.clusters;
        // The probability, by Poisson's law, of at least so many neighbours.
        let mut term = (-expected).exp();
        let mut fewer = 0.0;
        for count in 0..together {
            fewer += term;
            term *= expected / (count + 1) as f64;
        }
        if 1.0 - fewer >= BY_CHANCE { slow } else { self.clusters }
    }

    fn share(&self) -> f64 {
        self.slow.len() as f64 / self.all.max(1) as f64
    }

    fn ns_per_step(&self) -> u64 {
        (self.lost_ns / self.all.max(1) as f64).round() as u64
    }

    /// The worst of them, and what was slow in each.
    fn named(&self, side: &Side, strata: &Strata, divisor: f64) -> Vec<SlowStep> {
        let lost = |beside: &Beside| beside.ns.saturating_sub(beside.usual_ns as u64);
        let mut worst: Vec<&Beside> = self.slow.iter().collect();
        worst.sort_by_key(|beside| (Reverse(lost(beside)), beside.step));
        worst.into_iter().take(NAMED).map(|beside| name(beside, side, strata, divisor)).collect()
    }
}

/// What was slow in a step.
fn name(beside: &Beside, side: &Side, strata: &Strata, divisor: f64) -> SlowStep {
    let at = beside.step as usize;
    let row = &side.steps[at];
    let usual = |of: &dyn Fn(usize) -> u64| -> u64 {
        let values: Vec<u64> = beside.neighbours.iter().map(|&step| of(step as usize)).collect();
        self::of(&values, MEDIAN) as u64
    };
    let more = |of: &dyn Fn(usize) -> u64| of(at).saturating_sub(usual(of));
    let names = Category::ALL.map(Category::name).into_iter().chain(["idle"]);
    let of_part = |part: usize| move |step: usize| parts(strata.part(&side.steps[step]))[part];
    let by_part = names.enumerate().map(|(part, name)| (name, more(&of_part(part))));
    let (part, part_ns) = by_part.max_by_key(|(_, ns)| *ns).unwrap_or(("idle", 0));
    let slots = side.slots.iter().filter(|slot| side.kernels[slot.main() as usize].category.name() == part);
    let kernel = slots.map(|slot| (slot, more(&|step| slot.ns[step]))).max_by_key(|(_, ns)| *ns);
    let kernel = kernel.filter(|(_, ns)| *ns > 0);
    let scaled = |ns: u64, divisor: f64| (ns as f64 / divisor).round() as u64;
    SlowStep {
        run: row.run,
        number: row.number,
        ns: scaled(beside.ns, divisor),
        usual_ns: scaled(beside.usual_ns as u64, divisor),
        part,
        part_ns: scaled(part_ns, divisor),
        kernel: kernel.map(|(slot, _)| side.kernels[slot.main() as usize].name.clone()),
        kernel_ns: kernel.map_or(0, |(_, ns)| ns),
        rank: if part == "idle" {
            awaited(&row.waits)
        } else {
            let own = |rank: usize| more(&|step| side.steps[step].ranks.get(rank).copied().unwrap_or(0));
            let slowest = (0..row.ranks.len()).max_by_key(|&rank| (own(rank), Reverse(rank)));
            slowest.filter(|_| row.ranks.len() > 1).map(|rank| rank as u32)
        },
    }
}

/// The rank that the others waited for: it waited least.
fn awaited(waits: &[u64]) -> Option<u32> {
    let least = (0..waits.len()).min_by_key(|&rank| (waits[rank], rank))?;
    let others = waits.iter().enumerate().filter(|&(rank, _)| rank != least);
    others.map(|(_, ns)| *ns).min().filter(|ns| *ns > waits[least]).map(|_| least as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_that_come_together_count_once() {
        let found = |slow: usize, clusters: usize| {
            let beside = Beside { step: 0, ns: 0, usual_ns: 0.0, neighbours: Vec::new() };
            Found { slow: vec![beside; slow], clusters, all: 200, lost_ns: 0.0 }.events()
        };
        assert_eq!((found(6, 6), found(6, 5), found(6, 2), found(20, 18), found(20, 4)), (6, 6, 2, 20, 4));
    }

    #[test]
    fn clusters_are_shared_out_as_coins_fall() {
        assert!((at_least(0, 6, 0.5) - 1.0 / 64.0).abs() < 1e-12);
        assert!((at_least(1, 1, 0.5) - 0.75).abs() < 1e-12);
        assert!((at_least(2, 10, 0.5) - 79.0 / 4096.0).abs() < 1e-12);
        assert!((at_least(5, 0, 0.3) - 1.0).abs() < 1e-12);
        assert!((at_least(0, 2, 0.25) - 0.0625).abs() < 1e-12);
    }
}
