//! Every table of the comparison: a pair of series for each row, judged together.

use std::collections::BTreeMap;

use crate::analyze::compare::hints::{Drift, drift};
use crate::analyze::compare::judge::{Finding, Judge};
use crate::analyze::compare::options::Options;
use crate::analyze::compare::scatter::{Centre, Design};
use crate::analyze::compare::side::{Side, StepRow};
use crate::analyze::compare::strata::{Strata, Stratum, parts};
use crate::analyze::compare::tail::outliers;
use crate::analyze::time::communication;
use crate::analyze::time::series::histograms;
use crate::analyze::time::stats::{percentile, share};
use crate::classify::Category;
use crate::output::comparison::{BatchChange, CategoryChange, Change, Flag, RankChange, StepChange};
use crate::output::tail::TailChange;

/// What the tables are made from.
pub(super) struct Tables<'a> {
    pub(super) base: &'a Side,
    pub(super) new: &'a Side,
    pub(super) options: &'a Options,
    strata: &'a Strata,
    walls: (Vec<u64>, Vec<u64>),
    /// Steps of like batches.
    pub(super) alike: (Design, Design),
    runs: (Vec<Vec<u32>>, Vec<Vec<u32>>),
}

/// The step as a whole.
pub(super) struct Step {
    /// As it is.
    pub(super) row: StepChange,
    /// For the same batches in the same proportion, at the same contexts.
    pub(super) same_work: Change,
    /// Whether that is something else than the step as it is.
    pub(super) mixed: bool,
    /// Share below which nothing is called real: the least noise of the step and of the categories. The step's alone
    /// will not do, because a host that hesitates makes the step noisy and leaves the kernels as steady as they were.
    pub(super) floor_share: Option<f64>,
    pub(super) drift: Drift,
}

impl Step {
    /// What of the step's change comes of other batches or contexts.
    pub(super) fn shift_ns(&self) -> i64 {
        self.row.delta_ns.unwrap_or(0) - self.same_work.delta_ns.unwrap_or(0)
    }

    /// Takes the noise of `parts` into account.
    pub(super) fn lower_floor<'c>(&mut self, parts: impl Iterator<Item = &'c Change>) {
        let noise = |change: &Change| {
            let least = change.base_ns_per_step.min(change.new_ns_per_step);
            change.noise_floor_ns.filter(|_| least > 0).map(|floor| share(floor, least))
        };
        let step = noise(&self.same_work);
        self.floor_share = parts.filter_map(noise).chain(step).min_by(f64::total_cmp);
    }
}

/// The categories and what stands beside them.
pub(super) struct Parts {
    pub(super) categories: Vec<CategoryChange>,
    pub(super) idle: Change,
    pub(super) wait: Option<Change>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(base: &'a Side, new: &'a Side, options: &'a Options, strata: &'a Strata) -> Self {
        let walls = (strata.walls(base), strata.walls(new));
        let runs = |side: &Side, steps: &[u32]| -> Vec<Vec<u32>> {
            let mut runs: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            steps.iter().for_each(|&at| runs.entry(side.steps[at as usize].run).or_default().push(at));
            runs.into_values().collect()
        };
        let design = |all: &[u32], of: fn(&Stratum) -> &Vec<u32>| {
            let common = strata.common.iter().map(|stratum| (of(stratum).clone(), stratum.share)).collect();
            // Without a common batch each side has its own figures.
            Design::new(if strata.common.is_empty() { vec![(all.to_vec(), 1.0)] } else { common }, options.draws)
        };
        Self {
            base,
            new,
            options,
            strata,
            alike: (design(&strata.base, |stratum| &stratum.base), design(&strata.new, |stratum| &stratum.new)),
            runs: (runs(base, &strata.base), runs(new, &strata.new)),
            walls,
        }
    }

    /// A side's steps in one stratum.
    pub(super) fn whole(&self, steps: &[u32]) -> Design {
        Design::new(vec![(steps.to_vec(), 1.0)], self.options.draws)
    }

    pub(super) fn judge<'s>(
        &'s self,
        designs: &'s (Design, Design),
        divisors: (f64, f64),
        floor_share: f64,
    ) -> Judge<'s> {
        Judge {
            base: &designs.0,
            new: &designs.1,
            axis: Some(&self.strata.axis),
            alike: !self.strata.common.is_empty(),
            base_runs: &self.runs.0,
            new_runs: &self.runs.1,
            base_divisor: divisors.0,
            new_divisor: divisors.1,
            min_impact_ns: self.options.min_impact_ns,
            floor_share,
        }
    }

    /// A judge of sums over ranks.
    pub(super) fn gpu_judge(&self, step: &Step) -> Judge<'_> {
        let ranks = (self.base.ranks() as f64, self.new.ranks() as f64);
        self.judge(&self.alike, ranks, step.floor_share.unwrap_or(0.0))
    }

    /// What wall times are divided by: paths over the last to arrive are one rank's already.
    pub(super) fn wall_divisors(&self) -> (f64, f64) {
        let of = |side: &Side| if side.facts.across { 1.0 } else { side.ranks() as f64 };
        (of(self.base), of(self.new))
    }

    pub(super) fn step(&self) -> Step {
        let divisors = self.wall_divisors();
        let one = |axis, designs: &(Design, Design)| {
            let judge = Judge { axis, ..self.judge(designs, divisors, 0.0) };
            let finding = judge.compare(&self.walls.0, &self.walls.1);
            judge.decide(vec![finding], |_| self.options.threshold).remove(0)
        };
        let same_work = one(Some(&self.strata.axis), &self.alike);
        let drift = Drift {
            base: self.drift(&self.walls.0, |stratum| &stratum.base),
            new: self.drift(&self.walls.1, |stratum| &stratum.new),
        };
        let whole = (self.whole(&self.strata.base), self.whole(&self.strata.new));
        let mixed = same_work.delta_ns.is_some() && (same_work.growth.is_some() || !self.strata.is_plain());
        let plain = if mixed { one(None, &whole) } else { same_work.clone() };
        // Of what grows on both sides the whole scatters by its growth, which says nothing of the difference.
        let plain = if same_work.growth.is_some() { moved(&same_work, plain) } else { plain };
        let sorted = |walls: &[u64], steps: &[u32], divisor: f64| -> Vec<u64> {
            let mut walls: Vec<u64> =
                steps.iter().map(|&at| (walls[at as usize] as f64 / divisor).round() as u64).collect();
            walls.sort_unstable();
            walls
        };
        let was = sorted(&self.walls.0, &self.strata.base, divisors.0);
        let is = sorted(&self.walls.1, &self.strata.new, divisors.1);
        let row = StepChange {
            measure: self.strata.measure,
            base_p50_ns: plain.base_ns_per_step,
            new_p50_ns: plain.new_ns_per_step,
            delta_ns: plain.delta_ns,
            delta_share: plain.delta_share,
            interval: plain.interval,
            noise_floor_ns: plain.noise_floor_ns,
            real: plain.real,
            flag: same_work.flag,
            base_p90_ns: percentile(&was, 90),
            new_p90_ns: percentile(&is, 90),
            base_p99_ns: percentile(&was, 99),
            new_p99_ns: percentile(&is, 99),
            histograms: histograms(&[&was, &is]),
        };
        Step { row, same_work, mixed, floor_share: None, drift }
    }

    /// The slowest steps.
    pub(super) fn tail(&self) -> TailChange {
        let judge = self.judge(&self.alike, self.wall_divisors(), 0.0);
        let at = |part: f64| judge.compare_at(Centre::Quantile(part), &self.walls.0, &self.walls.1);
        let mut changes = judge.decide(vec![at(0.9), at(0.99)], |_| self.options.threshold).into_iter();
        let (p90, p99) = (changes.next().unwrap_or_default(), changes.next().unwrap_or_default());
        let divisors = self.wall_divisors();
        let outliers = outliers(self.base, self.new, self.strata, divisors, self.options.min_impact_ns);
        TailChange { p90, p99, outliers }
    }

    /// How far the steps of the most frequent batch drift.
    fn drift(&self, walls: &[u64], of: fn(&Stratum) -> &Vec<u32>) -> f64 {
        let most = self.strata.common.iter().map(of).max_by_key(|steps| steps.len());
        most.map_or(0.0, |steps| drift(&steps.iter().map(|&at| walls[at as usize]).collect::<Vec<_>>()))
    }

    pub(super) fn categories(&self, step: &Step) -> Parts {
        let judge = self.gpu_judge(step);
        let compare = |of: &dyn Fn(&StepRow) -> u64| judge.compare(&series(self.base, of), &series(self.new, of));
        let mut findings: Vec<Finding> =
            Category::ALL.iter().map(|&category| compare(&|step| step.gpu[category as usize])).collect();
        let wall_judge = self.judge(&self.alike, self.wall_divisors(), judge.floor_share);
        let idle = |step: &StepRow| parts(self.strata.part(step)).last().copied().unwrap_or(0);
        findings.push(wall_judge.compare(&series(self.base, &idle), &series(self.new, &idle)));
        let waits = self.base.facts.across && self.new.facts.across;
        if waits {
            findings.push(compare(&|step| step.wait_ns));
        }
        let threshold = |at: usize| {
            Category::ALL.get(at).map_or(self.options.threshold, |&category| self.options.threshold(category))
        };
        let mut changes = judge.decide(findings, threshold).into_iter();
        let categories = Category::ALL
            .into_iter()
            .zip(changes.by_ref())
            .map(|(name, change)| CategoryChange { name, title: self.title(name), change: self.judged(name, change) })
            .collect();
        let (idle, wait) = (changes.next().unwrap_or_default(), changes.next());
        Parts { categories, idle, wait: wait.map(|change| self.of_kernels(change)) }
    }

    /// What a category is called: as both sides together would call it.
    fn title(&self, category: Category) -> &'static str {
        let kernels = self.base.kernels.iter().chain(&self.new.kernels).filter(|kernel| kernel.category == category);
        match category {
            Category::Allreduce => communication::title_of(kernels.filter_map(|kernel| kernel.collective.as_deref())),
            other => other.title(),
        }
    }

    /// The change of something in `category`: attention over other contexts is other work.
    pub(super) fn judged(&self, category: Category, change: Change) -> Change {
        match self.strata.contexts.is_some_and(|contexts| contexts.are_apart()) && category == Category::Attention {
            true => Change { real: false, flag: Flag::Same, ..change },
            false => self.of_kernels(change),
        }
    }

    /// A change of what kernels took, which is nothing to judge by where they carry the times of others.
    pub(super) fn of_kernels(&self, change: Change) -> Change {
        match self.base.facts.displaced || self.new.facts.displaced {
            true => Change { real: false, flag: Flag::Same, ..change },
            false => change,
        }
    }

    pub(super) fn batches(&self, step: &Step) -> Vec<BatchChange> {
        let findings = self.strata.common.iter().map(|stratum| {
            let designs = (self.whole(&stratum.base), self.whole(&stratum.new));
            self.judge(&designs, self.wall_divisors(), 0.0).compare(&self.walls.0, &self.walls.1)
        });
        let changes = self.gpu_judge(step).decide(findings.collect(), |_| self.options.threshold);
        let row = |(stratum, change): (&Stratum, Change)| BatchChange {
            size: stratum.size,
            graph_size: stratum.graph_size,
            base_steps: stratum.base.len() as u64,
            new_steps: stratum.new.len() as u64,
            change,
        };
        self.strata.common.iter().zip(changes).map(row).collect()
    }

    pub(super) fn ranks(&self, step: &Step) -> Vec<RankChange> {
        let ranks = self.base.ranks().min(self.new.ranks()) as usize;
        if ranks < 2 || self.base.ranks() != self.new.ranks() {
            return Vec::new();
        }
        let judge = self.judge(&self.alike, (1.0, 1.0), step.floor_share.unwrap_or(0.0));
        let of = |rank: usize| move |step: &StepRow| step.ranks.get(rank).copied().unwrap_or(0);
        let findings = (0..ranks).map(|at| judge.compare(&series(self.base, &of(at)), &series(self.new, &of(at))));
        let changes = judge.decide(findings.collect(), |_| self.options.threshold);
        (0..).zip(changes).map(|(rank, change)| RankChange { rank, change }).collect()
    }
}

/// `whole`, a side by side of all steps, with what `same_work` says of how sure the difference is.
fn moved(same_work: &Change, whole: Change) -> Change {
    let by = whole.delta_ns.unwrap_or(0) - same_work.delta_ns.unwrap_or(0);
    Change {
        interval: same_work.interval.map(|[low, high]| [low + by, high + by]),
        noise_floor_ns: same_work.noise_floor_ns,
        real: same_work.real,
        ..whole
    }
}

/// One figure of each step.
pub(super) fn series(side: &Side, of: &dyn Fn(&StepRow) -> u64) -> Vec<u64> {
    side.steps.iter().map(of).collect()
}
