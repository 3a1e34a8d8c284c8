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
//!             ─> tables      every pair of series judged: what grows on both sides taken off (trend), then interval,
//!                            noise floor, real or not (judge, scatter); also kernels, phases
//!             ─> tail        the slowest steps
//!             ─> waterfall   the step's change by what held it up
//!             ─> around      what is another around the runs, and which kernels it may explain
//!             ─> hints       what else may explain it
//!             ─> verdict     from every row that was flagged
//!             ─> Comparison
//! ```
//!
//! Everything rests on steps: the sample is a decode step, not a kernel execution, because executions within a step
//! are not independent. To compare a side with itself gives no difference anywhere, and to swap the sides negates every
//! difference, exactly.

mod around;
mod baseline;
mod comparable;
mod gather;
mod hints;
mod judge;
mod kernels;
mod layout;
mod memory;
mod options;
mod path;
mod phases;
mod scatter;
mod side;
mod slots;
mod strata;
mod tables;
mod tail;
#[cfg(test)]
mod tests;
mod trend;
mod verdict;
mod waterfall;

pub use baseline::BaselineError;
pub use options::Options;
pub use side::{Run, Side};

use crate::output::Comparison;
use crate::output::comparison::{Comparability, Mix, SCHEMA, SideRow, Verdict};
use strata::Strata;
use tables::Tables;
use verdict::Rows;

/// Compares `new` with `base`.
#[must_use]
pub fn compare(base: &Side, new: &Side, options: &Options) -> Comparison {
    let strata = Strata::new(base, new);
    let comparable = comparable::comparable(base, new, &strata);
    let tables = Tables::new(base, new, options, &strata);
    let mut step = tables.step();
    let parts = tables.categories(&step);
    step.lower_floor(parts.categories.iter().map(|row| &row.change));
    let mut kernels = tables.kernels(&step);
    let surroundings = around::around(base, new, &mut kernels);
    let (batches, ranks, tail) = (tables.batches(&step), tables.ranks(&step), tables.tail());
    let (verdict, decided_by) = match comparable.verdict {
        Comparability::No => (Verdict::NotComparable, Vec::new()),
        _ => {
            let (same_work, idle) = (&step.same_work, &parts.idle);
            let (categories, kernels, batches, ranks) = (&parts.categories, &kernels, &batches, &ranks);
            let rows = Rows { step: &step.row, same_work, categories, idle, kernels, batches, ranks, tail: &tail };
            verdict::verdict(&rows, &options.gate_on)
        }
    };
    Comparison {
        schema: SCHEMA,
        made_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        verdict,
        comparable,
        surroundings,
        hints: hints::hints(step.drift, strata.contexts.is_some(), &parts.categories, &kernels),
        base: side_row(base, strata.base.len()),
        new: side_row(new, strata.new.len()),
        waterfall: waterfall::waterfall(base, new, &strata, &step),
        mix: step.mixed.then(|| Mix { same_work: step.same_work.clone(), shift_ns: step.shift_ns() }),
        backends: tables.backends(),
        phases: tables.phases(&step),
        batches,
        ranks,
        kernels,
        tail,
        noise_floor: step.floor_share,
        step: step.row,
        categories: parts.categories,
        idle: parts.idle,
        wait: parts.wait,
        threshold: options.threshold,
        thresholds: options.thresholds.clone(),
        min_impact_ns: options.min_impact_ns,
        gate_on: options.gate_on.clone(),
        decided_by,
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
