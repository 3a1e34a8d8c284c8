//! Every table of the comparison: a pair of series for each row, judged together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::compare::hints::{Drift, drift};
use crate::analyze::compare::judge::{Finding, Judge};
use crate::analyze::compare::options::Options;
use crate::analyze::compare::resample::{Design, block_length};
use crate::analyze::compare::side::{Side, Slot, StepRow};
use crate::analyze::compare::slots::{self, Pair};
use crate::analyze::compare::strata::{Strata, Stratum, parts};
use crate::analyze::layers::names::Roles;
use crate::analyze::time::series::histograms;
use crate::analyze::time::stats::{percentile, share};
use crate::classify::Category;
use crate::output::comparison::{
    BackendRow, BatchChange, CategoryChange, Change, Fate, Flag, KernelChange, PhaseChange, RankChange, StepChange,
};

/// Weights that are drawn for one side at most: runs of very many steps are resampled less often, and need it less.
const WEIGHTS: usize = 8 << 20;
/// Draws that an interval needs at least.
const FEWEST_DRAWS: usize = 200;

/// Seed of all resampling: the same inputs always give the same result.
const SEED: u64 = 0x5eed;

/// What the tables are made from.
pub(super) struct Tables<'a> {
    base: &'a Side,
    new: &'a Side,
    options: &'a Options,
    strata: &'a Strata,
    walls: (Vec<u64>, Vec<u64>),
    draws: usize,
    /// Steps of like batches, resampled.
    alike: (Design, Design),
    runs: (Vec<Vec<u32>>, Vec<Vec<u32>>),
}

/// The step as a whole.
pub(super) struct Step {
    /// As it is.
    pub(super) row: StepChange,
    /// For the same batches in the same proportion.
    pub(super) same_work: Change,
    /// Share below which nothing is called real: the least noise of the step and of the categories. The step's alone
    /// will not do, because a host that hesitates makes the step noisy and leaves the kernels as steady as they were.
    pub(super) floor_share: Option<f64>,
    pub(super) drift: Drift,
}

impl Step {
    /// What of the step's change comes of other batches.
    pub(super) fn shift_ns(&self) -> i64 {
        self.row.delta_ns - self.same_work.delta_ns
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
        let draws = options.draws.min(WEIGHTS / base.steps.len().max(new.steps.len()).max(1)).max(FEWEST_DRAWS);
        let runs = |side: &Side, steps: &[u32]| -> Vec<Vec<u32>> {
            let mut runs: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            steps.iter().for_each(|&at| runs.entry(side.steps[at as usize].run).or_default().push(at));
            runs.into_values().collect()
        };
        let design = |walls: &[u64], steps: &[u32], of: &dyn Fn(&Stratum) -> &Vec<u32>| {
            let strata = strata.common.iter().map(|stratum| (of(stratum).clone(), stratum.share)).collect();
            Design::new(strata, block(walls, steps), draws, SEED)
        };
        Self {
            base,
            new,
            options,
            strata,
            draws,
            alike: (
                design(&walls.0, &strata.base, &|stratum| &stratum.base),
                design(&walls.1, &strata.new, &|stratum| &stratum.new),
            ),
            runs: (runs(base, &strata.base), runs(new, &strata.new)),
            walls,
        }
    }

    fn judge<'s>(&'s self, designs: &'s (Design, Design), divisors: (f64, f64), floor_share: f64) -> Judge<'s> {
        Judge {
            base: &designs.0,
            new: &designs.1,
            base_runs: &self.runs.0,
            new_runs: &self.runs.1,
            base_divisor: divisors.0,
            new_divisor: divisors.1,
            min_impact_ns: self.options.min_impact_ns,
            floor_share,
        }
    }

    /// A judge of sums over ranks.
    fn gpu_judge(&self, step: &Step) -> Judge<'_> {
        let ranks = (self.base.ranks() as f64, self.new.ranks() as f64);
        self.judge(&self.alike, ranks, step.floor_share.unwrap_or(0.0))
    }

    /// What wall times are divided by: paths over the last to arrive are one rank's already.
    fn wall_divisors(&self) -> (f64, f64) {
        let of = |side: &Side| if side.facts.across { 1.0 } else { side.ranks() as f64 };
        (of(self.base), of(self.new))
    }

    pub(super) fn step(&self) -> Step {
        let divisors = self.wall_divisors();
        let one = |designs: &(Design, Design)| {
            let judge = self.judge(designs, divisors, 0.0);
            let finding = judge.compare(&self.walls.0, &self.walls.1);
            judge.decide(vec![finding], |_| self.options.threshold).remove(0)
        };
        let same_work = one(&self.alike);
        let drift = Drift {
            base: self.drift(&self.walls.0, |stratum| &stratum.base),
            new: self.drift(&self.walls.1, |stratum| &stratum.new),
        };
        let plain = if self.strata.is_plain() {
            same_work.clone()
        } else {
            let design = |walls: &[u64], steps: &[u32]| {
                Design::new(vec![(steps.to_vec(), 1.0)], block(walls, steps), self.draws, SEED)
            };
            one(&(design(&self.walls.0, &self.strata.base), design(&self.walls.1, &self.strata.new)))
        };
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
        Step { row, same_work, floor_share: None, drift }
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
            .map(|(name, change)| CategoryChange { name, change: self.of_kernels(change) })
            .collect();
        let (idle, wait) = (changes.next().unwrap_or_default(), changes.next());
        Parts { categories, idle, wait: wait.map(|change| self.of_kernels(change)) }
    }

    /// A change of what kernels took, which is nothing to judge by where they carry the times of others.
    fn of_kernels(&self, change: Change) -> Change {
        match self.base.facts.displaced || self.new.facts.displaced {
            true => Change { real: false, flag: Flag::Same, ..change },
            false => change,
        }
    }

    pub(super) fn batches(&self, step: &Step) -> Vec<BatchChange> {
        let findings = self.strata.common.iter().map(|stratum| {
            let design = |walls: &[u64], steps: &[u32]| {
                Design::new(vec![(steps.to_vec(), 1.0)], block(walls, steps), self.draws, SEED)
            };
            let designs = (design(&self.walls.0, &stratum.base), design(&self.walls.1, &stratum.new));
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

    /// The kernels, the largest change first.
    pub(super) fn kernels(&self, step: &Step) -> Vec<KernelChange> {
        let pairs = slots::pairs(self.base, self.new);
        let roles = [self.base, self.new].map(slots::roles);
        let judge = self.gpu_judge(step);
        let findings = pairs.iter().map(|pair| judge.compare(&sum(self.base, &pair.base), &sum(self.new, &pair.new)));
        let category = |at: usize| pairs[at].category(self.base, self.new);
        let changes = judge.decide(findings.collect(), |at| self.options.threshold(category(at)));
        let mut rows: Vec<KernelChange> = pairs
            .iter()
            .zip(changes)
            .map(|(pair, change)| self.kernel(pair, self.of_kernels(change), &roles))
            .collect();
        rows.sort_by_key(|row| {
            let change = &row.change;
            Reverse((change.delta_ns.unsigned_abs(), change.base_ns_per_step.max(change.new_ns_per_step)))
        });
        rows
    }

    fn kernel(&self, pair: &Pair, change: Change, roles: &[Option<Roles>; 2]) -> KernelChange {
        let names = |side: &Side, slots: &[usize]| {
            let mut kernels: Vec<(u32, u64)> = Vec::new();
            for &(kernel, ns) in slots.iter().flat_map(|&slot| &side.slots[slot].kernels) {
                match kernels.iter_mut().find(|(known, _)| *known == kernel) {
                    Some((_, sum)) => *sum += ns,
                    None => kernels.push((kernel, ns)),
                }
            }
            kernels.sort_by_key(|&(_, ns)| Reverse(ns));
            kernels.into_iter().map(|(kernel, _)| side.kernels[kernel as usize].name.clone()).collect()
        };
        let count = |side: &Side, slots: &[usize]| {
            let dispatches: u64 = slots.iter().map(|&slot| side.slots[slot].dispatches).sum();
            dispatches as f64 / (side.steps.len() as u64 * side.ranks()).max(1) as f64
        };
        let backend = |side: &Side, slots: &[usize]| slots.first().map(|&slot| slots::main(side, slot).backend.clone());
        let dtype =
            |side: &Side, slots: &[usize]| slots.first().and_then(|&slot| slots::main(side, slot).dtype.clone());
        let fate = pair.fate(self.base, self.new);
        let roles = &roles[usize::from(fate == Fate::Added)];
        KernelChange {
            role: pair.place.zip(roles.as_ref()).and_then(|(place, roles)| slots::role(roles, place)),
            category: pair.category(self.base, self.new),
            base: names(self.base, &pair.base),
            new: names(self.new, &pair.new),
            per_arch: self.per_arch(pair),
            base_dtype: dtype(self.base, &pair.base),
            new_dtype: dtype(self.new, &pair.new),
            base_backend: backend(self.base, &pair.base),
            new_backend: backend(self.new, &pair.new),
            fate,
            base_count: count(self.base, &pair.base),
            new_count: count(self.new, &pair.new),
            change,
        }
    }

    /// Whether a pair's names differ between sides of different architectures.
    fn per_arch(&self, pair: &Pair) -> bool {
        let (was, is) = (&self.base.facts.archs, &self.new.facts.archs);
        let names = pair.base.first().zip(pair.new.first());
        let differ = |(&was, &is): (&usize, &usize)| slots::main(self.base, was).name != slots::main(self.new, is).name;
        !was.is_empty() && !is.is_empty() && was != is && names.is_none_or(differ)
    }

    /// Steps by phase, decode first; empty where there is no other.
    pub(super) fn phases(&self, step: &Step) -> Vec<PhaseChange> {
        let names: BTreeSet<&String> = self.base.others.keys().chain(self.new.others.keys()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let all = |side: &Side| side.steps.len() + side.others.values().map(Vec::len).sum::<usize>();
        let row = |phase: &str, counts: (usize, usize), change: Change| PhaseChange {
            phase: phase.to_owned(),
            base_steps: counts.0 as u64,
            new_steps: counts.1 as u64,
            base_share: share(counts.0 as u64, all(self.base) as u64),
            new_share: share(counts.1 as u64, all(self.new) as u64),
            change,
        };
        let spans = |side: &Side| series(side, &|step| parts(step.span).iter().sum());
        let compare = |base: &[u64], new: &[u64], divisors: (f64, f64)| {
            let design = |values: &[u64]| {
                let steps: Vec<u32> = (0..values.len() as u32).collect();
                Design::new(vec![(steps.clone(), 1.0)], block(values, &steps), self.draws, SEED)
            };
            let designs = (design(base), design(new));
            let judge = Judge {
                base_runs: &[],
                new_runs: &[],
                ..self.judge(&designs, divisors, step.floor_share.unwrap_or(0.0))
            };
            judge.compare(base, new)
        };
        let mut counts = vec![(self.base.steps.len(), self.new.steps.len())];
        let mut findings = vec![compare(&spans(self.base), &spans(self.new), self.wall_divisors())];
        for name in &names {
            let of = |side: &Side| side.others.get(*name).cloned().unwrap_or_default();
            let (base, new) = (of(self.base), of(self.new));
            counts.push((base.len(), new.len()));
            findings.push(compare(&base, &new, (1.0, 1.0)));
        }
        let changes = self.judge(&self.alike, (1.0, 1.0), 0.0).decide(findings, |_| self.options.threshold);
        let names = ["decode"].into_iter().chain(names.into_iter().map(String::as_str));
        names.zip(counts).zip(changes).map(|((name, counts), change)| row(name, counts, change)).collect()
    }

    pub(super) fn backends(&self) -> Vec<BackendRow> {
        let mut sums: BTreeMap<(Category, String), [u64; 2]> = BTreeMap::new();
        for (nth, side) in [self.base, self.new].into_iter().enumerate() {
            for &(kernel, ns) in side.slots.iter().flat_map(|slot: &Slot| &slot.kernels) {
                let kernel = &side.kernels[kernel as usize];
                sums.entry((kernel.category, kernel.backend.clone())).or_default()[nth] += ns;
            }
        }
        let steps = [self.base, self.new].map(|side| (side.steps.len() as u64 * side.ranks()).max(1));
        let whole = |category: Category, nth: usize| {
            sums.iter().filter(|((of, _), _)| *of == category).map(|(_, sums)| sums[nth]).sum()
        };
        let row = |((category, backend), [was, is]): (&(Category, String), &[u64; 2])| BackendRow {
            category: *category,
            backend: backend.clone(),
            base_ns_per_step: was / steps[0],
            base_share: share(*was, whole(*category, 0)),
            new_ns_per_step: is / steps[1],
            new_share: share(*is, whole(*category, 1)),
        };
        let mut rows: Vec<BackendRow> = sums.iter().map(row).collect();
        rows.sort_by_key(|row| (row.category, Reverse(row.base_ns_per_step.max(row.new_ns_per_step))));
        rows
    }
}

/// One figure of each step.
fn series(side: &Side, of: &dyn Fn(&StepRow) -> u64) -> Vec<u64> {
    side.steps.iter().map(of).collect()
}

/// Time of several slots in each step; zeros for none.
fn sum(side: &Side, slots: &[usize]) -> Vec<u64> {
    let mut sums = vec![0; side.steps.len()];
    for &slot in slots {
        sums.iter_mut().zip(&side.slots[slot].ns).for_each(|(sum, ns)| *sum += ns);
    }
    sums
}

/// The length of blocks for a side.
fn block(walls: &[u64], steps: &[u32]) -> usize {
    block_length(&steps.iter().map(|&at| walls[at as usize]).collect::<Vec<_>>())
}
