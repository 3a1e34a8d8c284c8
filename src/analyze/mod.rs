//! A trace, its classes and its steps to a [`Report`]: pure functions, one small module a question.
//!
//! ```text
//!   Trace, Classes, StepTable ─> view         what counts, and why the rest does not
//!                                 ├─> tally         one pass over the dispatches: every sum
//!                                 │     ├─> breakdown     time by category, backend, kind, data type
//!                                 │     └─> kernels       by name; the top; the longest; the unknown
//!                                 ├─> latency       periods, spans, phases, batches, outliers
//!                                 │     └─> course        their times as they are drawn
//!                                 ├─> collectives   which kernels of different ranks meet, who comes last (clocks)
//!                                 │     ├─> exposure      what held the step up on one GPU: a partition of its wall time
//!                                 │     ├─> path          the same across ranks, over the last to arrive
//!                                 │     └─> ranks         skew, stragglers, waiting and transfer
//!                                 ├─> products      the shapes of matrix products, where launches tell them
//!                                 ├─> layers        kernels by place: the step folded (roles), places named (role_names)
//!                                 └─> completeness  is anything missing?
//!                                         ├─> waste        padding, empty steps, drafts
//!                                         ├─> tuned        kernels against aiter's tables
//!                                         ├─> floor        the least that a step of this model can take
//!                                         └─> advice       rules over the finished report
//! ```
//!
//! Two views of time stand side by side and are never mixed. *GPU time* is the sum of kernel durations; *critical
//! time* is a partition of wall time, which sums to it exactly. All of it is integer nanoseconds until a share is taken,
//! and nothing depends on the order in which a producer delivered its records.

mod advice;
mod alike;
mod breakdown;
mod clocks;
mod collectives;
pub mod compare;
mod completeness;
pub mod course;
mod exposure;
pub mod floor;
mod kernels;
mod latency;
mod layers;
mod path;
pub mod products;
mod ranks;
pub mod report;
mod role_names;
mod roles;
mod stats;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tuned;
mod view;
pub mod waste;

pub use completeness::Completeness;
pub use report::Report;

use crate::classify::{Category, Classes};
use crate::model::{Trace, Warning};
use crate::steps::{Phase, StepTable};

use collectives::Collectives;
use exposure::Exposure;
use report::{Capture, LeftOut, SCHEMA, Scope, ScopeOf, SourceRow, Steps, Totals};
use stats::share;
use tally::Tally;
use view::{Reason, View, distinct};

/// What the user said of the report; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Make the tables of the whole trace even if it has decode steps.
    pub whole_trace: bool,
    /// The model that was served, for the floor under a step's time.
    pub model: Option<floor::Given>,
    /// aiter's tuned tables.
    pub tables: Option<tuned::Tables>,
}

/// Makes the report.
#[must_use]
pub fn report(trace: &Trace, classes: &Classes, steps: &StepTable, options: &Options) -> Report {
    let view = View::new(trace, classes, steps, options.whole_trace);
    let tally = Tally::new(&view);
    let walls = latency::walls(&view);
    let walls = if view.of == ScopeOf::DecodeSteps { walls } else { Vec::new() };
    let collectives = Collectives::of(&view);
    let placed = layers::place(&view);
    let mut critical = layers::Critical::new(placed.as_ref());
    let mut gathered = products::Gathered::new(&view);
    let mut held = |at: u32, ns: u64| {
        critical.add(placed.as_ref(), at, ns);
        gathered.held(at as usize, ns);
    };
    let exposure = Exposure::of(&view, &walls, collectives.as_ref(), &mut held);
    let found = completeness::check(&view);
    let kernels = kernels::kernels(&view, &tally, exposure.as_ref());
    let categories = breakdown::categories(&view, &tally, exposure.as_ref());
    let gemm_ns = categories.iter().filter(|row| row.name == Category::Gemm).map(|row| row.gpu_time_ns).sum();
    let products =
        gathered.table(gemm_ns, tally.counted.gpu_time_ns, exposure.as_ref().map(|exposure| exposure.wall_ns));
    let mut warnings = trace.warnings.clone();
    warnings.extend(found.warnings.iter().cloned());
    warnings.extend(remarkable(&view, &tally, options));
    warnings.sort_by(|a, b| (a.code, &a.text).cmp(&(b.code, &b.text)));
    warnings.dedup();
    let mut losses = trace.losses.clone();
    losses.sort_by_key(|loss| loss.cause);
    let mut report = Report {
        schema: SCHEMA,
        made_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        source: source(trace),
        ranks: trace.ranks.len(),
        totals: totals(&view, &tally),
        scope: scope(&view, &tally, exposure.as_ref()),
        steps: steps_row(&view, &tally, &walls, &found),
        categories,
        idle: exposure.as_ref().map(Exposure::idle),
        top: kernels::top(&kernels),
        most_expensive: kernels::most_expensive(&view, &tally),
        unknown: kernels::unknown(&view, &tally, &kernels),
        kernels,
        products,
        layers: placed.as_ref().map(|placed| placed.layers(&view, &tally, &critical)),
        rank_skew: ranks::skew(&view, &tally, &walls, exposure.as_ref(), collectives.as_ref()),
        advice: Vec::new(),
        floor: None,
        tuned: None,
        waste: None,
        capture: capture(trace, &losses),
        losses,
        warnings,
    };
    report.tuned = options.tables.as_ref().and_then(|tables| tuned::tuned(&report, tables));
    report.waste = waste::waste(&view, &report);
    if let Some(given) = &options.model {
        match floor::floor(&report, given) {
            Ok(floor) => report.floor = Some(floor),
            Err(why) => {
                let text = format!("There is no decode floor: {why}.");
                report.warnings.push(Warning { code: "no-decode-floor", text });
            }
        }
    }
    report.advice = advice::advice(&view, &tally, &walls, &report);
    report
}

fn source(trace: &Trace) -> Vec<SourceRow> {
    let row = |rank: &crate::model::Rank| {
        let process = &trace.processes[rank.process.index()];
        let source = &trace.sources[process.source.index()];
        SourceRow {
            path: source.path.clone(),
            format: source.format,
            gpu: rank.gpu.clone(),
            arch: rank.arch.clone(),
            rank: rank.number,
            world_size: rank.world_size,
            host: process.host.clone(),
            pid: process.pid,
            framework: process.framework.clone(),
        }
    };
    trace.ranks.iter().map(row).collect()
}

fn totals(view: &View<'_>, tally: &Tally) -> Totals {
    let per_rank = tally.ranks.iter().enumerate().map(|(at, rank)| report::RankTotals {
        rank: view.rank_number(crate::model::RankIdx::new(at)),
        dispatches: rank.all.dispatches,
        gpu_time_ns: rank.all.gpu_time_ns,
        busy_ns: rank.busy_ns,
        wall_ns: rank.wall_ns(),
    });
    let per_rank: Vec<report::RankTotals> = per_rank.collect();
    Totals {
        dispatches: per_rank.iter().map(|rank| rank.dispatches).sum(),
        gpu_time_ns: per_rank.iter().map(|rank| rank.gpu_time_ns).sum(),
        busy_ns: per_rank.iter().map(|rank| rank.busy_ns).sum(),
        wall_ns: per_rank.iter().map(|rank| rank.wall_ns).max().unwrap_or(0),
        copies: view.trace.copies.len() as u64,
        outside_steps: tally.outside_steps,
        per_rank,
    }
}

fn scope(view: &View<'_>, tally: &Tally, exposure: Option<&Exposure>) -> Scope {
    let all: u64 = tally.ranks.iter().map(|rank| rank.all.gpu_time_ns).sum();
    let left_out = |reason: Reason| {
        let sum = tally.left_out[reason as usize];
        let row = LeftOut {
            reason: reason.name(),
            steps: distinct(view.steps_left_out(reason)),
            dispatches: sum.dispatches,
            gpu_time_ns: sum.gpu_time_ns,
            share: share(sum.gpu_time_ns, all),
        };
        (row.dispatches > 0).then_some(row)
    };
    let wall = |exposure: &Exposure| exposure.wall_ns;
    Scope {
        of: view.of,
        counted: tally.counted,
        wall_ns: exposure.map_or_else(|| tally.ranks.iter().map(tally::RankTally::wall_ns).sum(), wall),
        left_out: Reason::ALL.into_iter().filter_map(left_out).collect(),
        left_out_kernels: kernels::left_out(view, tally),
    }
}

fn steps_row(view: &View<'_>, tally: &Tally, walls: &[latency::Wall], found: &completeness::Found) -> Steps {
    let table = view.table;
    let counted = || view.steps().map(|(_, step)| step);
    let warmup = view.steps_left_out(Reason::Warmup).filter(|step| step.phase == Phase::Decode);
    let before = view.trace.capture.as_ref().map_or(0, |capture| capture.warmup_steps);
    let count = distinct(counted());
    Steps {
        detector: table.detector,
        marker: table.marker.clone(),
        warmup_skipped: before + distinct(warmup),
        count,
        phases: latency::phases(&table.steps),
        by_phase: latency::by_phase(&table.steps),
        batch: latency::by_batch(view, walls),
        itl_ns: latency::itl(walls),
        gpu_span_ns: latency::gpu_span(counted()),
        cpu_range_ns: latency::cpu_range(counted()),
        course: course::course(view, walls),
        outliers: latency::outliers(view, tally),
        complete: count > 0 && found.verdict != Completeness::Incomplete,
        completeness: found.verdict,
        complete_steps: found.complete_steps,
        missing: found.missing.clone(),
        remarks: table.remarks.clone(),
    }
}

fn capture(trace: &Trace, losses: &[crate::model::Loss]) -> Option<Capture> {
    let info = trace.capture.as_ref()?;
    Some(Capture {
        overhead: info.overhead,
        dropped: losses.to_vec(),
        records: info.records,
        steps_before_stop: info.steps_before_stop,
        armed_by: info.armed_by.clone(),
        closed_by: info.closed_by.clone(),
        sdk_version: info.sdk_version.clone(),
    })
}

/// Part of the time that may go to kernels nobody knows before the report says so.
const UNKNOWN_WORTH_SAYING: f64 = 0.05;

/// What the reader must know before believing the figures, as far as the figures themselves tell.
fn remarkable(view: &View<'_>, tally: &Tally, options: &Options) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    if view.of == ScopeOf::Trace && !options.whole_trace {
        let what = if view.table.steps.is_empty() { "No steps were found" } else { "No decode steps were found" };
        warn("no-decode-steps", format!("{what}: every figure is of the whole trace, not of decode steps."));
    }
    let unknown: u64 = view
        .trace
        .names
        .iter()
        .filter(|&(name, _)| view.verdict(name).is_unknown())
        .map(|(name, _)| tally.names[name.index()].counted.gpu_time_ns)
        .sum();
    let part = share(unknown, tally.counted.gpu_time_ns);
    if part > UNKNOWN_WORTH_SAYING {
        let text = format!("{:.1} % of the GPU time is in kernels that no rule knows; they are listed.", part * 100.0);
        warn("unknown-kernels", text);
    }
    let counts: Vec<usize> = (0..view.trace.ranks.len())
        .map(|at| view.steps().filter(|(_, step)| step.rank.index() == at).count())
        .collect();
    if counts.iter().min() != counts.iter().max() {
        let text = format!("The ranks do not have the same number of decode steps ({counts:?}).");
        warn("ranks-differ-in-steps", text);
    }
    warnings
}
