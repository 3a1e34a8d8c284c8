//! The outcome of a comparison, from every row that was flagged.
//!
//! The verdict follows all kinds of rows unless some are [switched off](crate::analyze::compare::Options::gate_on). Two
//! things are left to sense:
//!
//! * Parts of the step (categories, idle time, kernels, ranks) may get slower if the step as a whole really got faster by
//!   it: a fusion makes one kernel slower and spares another. Batches and the tail are no parts: those who wait for them
//!   gain nothing from the others.
//! * A kernel that came and one that went in the same category are one change: the sum counts.

use crate::classify::Category;
use crate::output::comparison::{
    BatchChange, CategoryChange, Change, Fate, Flag, GateOn, KernelChange, RankChange, StepChange, Verdict,
};
use crate::output::tail::TailChange;

/// Everything that can be flagged.
pub(super) struct Rows<'a> {
    pub(super) step: &'a StepChange,
    pub(super) same_work: &'a Change,
    pub(super) categories: &'a [CategoryChange],
    pub(super) idle: &'a Change,
    pub(super) kernels: &'a [KernelChange],
    pub(super) batches: &'a [BatchChange],
    pub(super) ranks: &'a [RankChange],
    pub(super) tail: &'a TailChange,
}

/// The verdict on sides that may be compared, and what decided it.
pub(super) fn verdict(rows: &Rows<'_>, gate_on: &[GateOn]) -> (Verdict, Vec<GateOn>) {
    let which = |flag: Flag| -> Vec<GateOn> {
        let flagged = |of: &&GateOn| gate_on.contains(of) && rows.flagged(**of, flag);
        GateOn::ALL.iter().filter(flagged).copied().collect()
    };
    let step = |way: fn(i64) -> bool| rows.same_work.real && rows.same_work.delta_ns.is_some_and(way);
    let is_part = |of: &GateOn| matches!(of, GateOn::Category | GateOn::Idle | GateOn::Kernel | GateOn::Rank);
    let mut worse = which(Flag::Regressed);
    if step(i64::is_negative) {
        worse.retain(|of| !is_part(of));
    }
    let mut better = which(Flag::Improved);
    if step(i64::is_positive) {
        better.clear();
    }
    match (worse.is_empty(), better.is_empty()) {
        (false, _) => (Verdict::Regressed, worse),
        (true, false) => (Verdict::Improved, better),
        (true, true) => (Verdict::Same, Vec::new()),
    }
}

impl Rows<'_> {
    fn flagged(&self, of: GateOn, flag: Flag) -> bool {
        match of {
            GateOn::Step => self.step.flag == flag,
            GateOn::Category => self.categories.iter().any(|row| row.change.flag == flag),
            GateOn::Idle => self.idle.flag == flag,
            GateOn::Kernel => self.kernels.iter().any(|row| row.change.flag == flag && !self.is_made_up_for(row)),
            GateOn::Batch => self.batches.iter().any(|row| row.change.flag == flag),
            GateOn::Rank => self.ranks.iter().any(|row| row.change.flag == flag),
            GateOn::Tail => {
                [self.tail.p90.flag, self.tail.p99.flag, self.tail.outliers.flag].into_iter().any(|of| of == flag)
            }
        }
    }

    /// Whether a kernel that came or went only took the place of others in its category.
    fn is_made_up_for(&self, row: &KernelChange) -> bool {
        let comes_or_goes = |row: &KernelChange| matches!(row.fate, Fate::Added | Fate::Removed);
        if !comes_or_goes(row) {
            return false;
        }
        let of = |category: Category| self.kernels.iter().filter(move |row| row.category == category);
        let deltas = of(row.category).filter(|row| comes_or_goes(row)).filter_map(|row| row.change.delta_ns);
        let sum: i64 = deltas.sum();
        sum.signum() != row.change.delta_ns.map_or(0, i64::signum)
    }
}
