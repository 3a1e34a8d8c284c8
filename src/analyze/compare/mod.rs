//! Two runs side by side: what changed, by how much, and is it real.
//!
//! ```text
//!   runs ─> path       each step's time over the ranks; waiting for peers taken off
//!        ─> layout     kernels by place, else by name
//!        ─> Side       series over steps, and facts (gather); may be stored and compared later
//!
//!   two Sides ─> strata      steps of like batch
//!             ─> comparable  may they be compared, and how carefully
//!             ─> slots       which kernel stands for which
//!             ─> tables      every pair of series judged (judge, resample): interval, noise floor, real or not
//!             ─> waterfall   the step's change by what held it up
//!             ─> hints       what else may explain it
//!             ─> Comparison
//! ```
//!
//! Everything rests on steps: the sample is a decode step, not a kernel execution, because executions within a step
//! are not independent. To compare a side with itself gives no difference anywhere, and to swap the sides negates every
//! difference, exactly.

mod baseline;
mod comparable;
mod gather;
mod hints;
mod judge;
mod layout;
mod options;
mod path;
mod resample;
mod side;
mod slots;
mod strata;
mod tables;
#[cfg(test)]
mod tests;
mod waterfall;

pub use baseline::BaselineError;
pub use options::Options;
pub use side::{Run, Side};

use crate::output::Comparison;
use crate::output::comparison::{Change, Comparability, Flag, Mix, SCHEMA, SideRow, Verdict};
use strata::Strata;
use tables::Tables;

/// Compares `new` with `base`.
#[must_use]
pub fn compare(base: &Side, new: &Side, options: &Options) -> Comparison {
    let strata = Strata::new(base, new);
    let comparable = comparable::comparable(base, new, &strata);
    let tables = Tables::new(base, new, options, &strata);
    let mut step = tables.step();
    let parts = tables.categories(&step);
    step.lower_floor(parts.categories.iter().map(|row| &row.change));
    let kernels = tables.kernels(&step);
    let hints = hints::hints(step.drift, &parts.categories, &kernels);
    let verdict = match comparable.verdict {
        Comparability::No => Verdict::NotComparable,
        _ => verdict(&step.same_work, parts.categories.iter().map(|row| &row.change).chain([&parts.idle])),
    };
    Comparison {
        schema: SCHEMA,
        made_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        verdict,
        comparable,
        hints,
        base: side_row(base, strata.base.len()),
        new: side_row(new, strata.new.len()),
        waterfall: waterfall::waterfall(base, new, &strata, &step),
        mix: (!strata.is_plain()).then(|| Mix { same_work: step.same_work.clone(), shift_ns: step.shift_ns() }),
        backends: tables.backends(),
        batches: tables.batches(&step),
        phases: tables.phases(&step),
        ranks: tables.ranks(&step),
        kernels,
        noise_floor: step.floor_share,
        step: step.row,
        categories: parts.categories,
        idle: parts.idle,
        wait: parts.wait,
        threshold: options.threshold,
        thresholds: options.thresholds.clone(),
        min_impact_ns: options.min_impact_ns,
    }
}

/// The outcome for sides that may be compared. A category that got slower counts unless the step got faster by it.
fn verdict<'a>(step: &Change, parts: impl Iterator<Item = &'a Change> + Clone) -> Verdict {
    let any = |flag: Flag| parts.clone().any(|part| part.flag == flag);
    match step.flag {
        Flag::Regressed => Verdict::Regressed,
        Flag::Improved => Verdict::Improved,
        Flag::Same if any(Flag::Regressed) && !(step.real && step.delta_ns < 0) => Verdict::Regressed,
        Flag::Same if any(Flag::Improved) && !(step.real && step.delta_ns > 0) => Verdict::Improved,
        Flag::Same => Verdict::Same,
    }
}

fn side_row(side: &Side, steps: usize) -> SideRow {
    let facts = &side.facts;
    SideRow {
        inputs: facts.inputs.clone(),
        runs: facts.runs,
        ranks: side.ranks(),
        steps: if facts.has_steps { steps as u64 } else { 0 },
        formats: facts.formats.clone(),
        gpus: facts.gpus.clone(),
        archs: facts.archs.clone(),
        frameworks: facts.frameworks.clone(),
        conditions: facts.conditions.clone(),
        layers: side.layout.as_ref().map(|layout| layout.layers),
        dispatches_per_step: facts.dispatches_per_step,
        graph_share: facts.graph_share,
    }
}
