//! How a report is put together: each section asks one module.

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::engine::bench::Bench;
use crate::analyze::engine::log::Log;
use crate::analyze::gemm::tables::Tables;
use crate::analyze::gemm::{shapes, tuned};
use crate::analyze::layers::tables;
use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::ranks::skew;
use crate::analyze::scope::{Reason, Scope, distinct};
use crate::analyze::time::latency::Wall;
use crate::analyze::time::pauses::Pauses;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::{RankSums, Sums};
use crate::analyze::time::{categories, discarded, kernels, latency, series, tail, tokens};
use crate::analyze::{advice, around, captured, completeness, contradictions, engine, floor, roofline, shown};
use crate::classify::{Category, Classes};
use crate::model::{Trace, Warning};
use crate::output::Report;
use crate::output::report::{
    Capture, DisplacedNames, LeftOutRow, RankTotals, SCHEMA, ScopeOf, ScopeRow, SourceRow, Totals,
};
use crate::output::steps::{Completeness, Steps};
use crate::steps::{Phase, StepTable, Unmet};

/// What the user said of the report; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Make the tables of the whole trace even if it has decode steps.
    pub whole_trace: bool,
    /// The model that was served, for the floor under a step's time.
    pub model: Option<floor::Given>,
    /// aiter's tuned tables.
    pub tables: Option<Tables>,
    /// The engine's log.
    pub log: Option<Log>,
    /// What a benchmark measured.
    pub bench: Option<Bench>,
}

/// Makes the report.
#[must_use]
pub fn report(trace: &Trace, classes: &Classes, steps: &StepTable, options: &Options) -> Report {
    let scope = Scope::new(trace, classes, steps, options.whole_trace);
    let sums = Sums::new(&scope);
    let pauses = Pauses::of(&scope);
    let walls = if scope.of == ScopeOf::DecodeSteps { latency::walls(&scope, &pauses) } else { Vec::new() };
    let measured = measured(&scope, &sums, &pauses, &walls, options);
    let compared = held_against(measured, &scope, options);
    let advice = advice::advice(&scope, &sums, &walls, &compared);
    Report { advice, ..compared }
}

/// What the trace alone tells.
fn measured(scope: &Scope<'_>, sums: &Sums, pauses: &Pauses, walls: &[Wall], options: &Options) -> Report {
    let trace = scope.trace;
    let collectives = Collectives::of(scope);
    let critical = CriticalTime::of(scope, walls, collectives.as_ref());
    let critical = critical.as_ref();
    let found = completeness::check(scope);
    let kernels = kernels::kernels(scope, sums, critical);
    let categories = categories::categories(scope, sums, critical);
    let gemm_ns = categories.iter().filter(|row| row.name == Category::Gemm).map(|row| row.gpu_time_ns).sum();
    let displaced = contradictions::displaced_names(scope);
    let (layers, places) = tables::layers(scope, sums, critical).unzip();
    let places = places.flatten();
    let mut losses = trace.losses.clone();
    losses.sort_by_key(|loss| loss.cause);
    Report {
        schema: SCHEMA,
        made_by: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        source: source(trace),
        ranks: trace.ranks.len(),
        totals: totals(scope, sums),
        scope: scope_row(scope, sums, critical),
        steps: steps_row(scope, sums, pauses, walls, &found),
        categories,
        idle: critical.map(|critical| critical.all.idle()),
        top: kernels::top(&kernels),
        most_expensive: kernels::most_expensive(scope, sums),
        unknown: kernels::unknown(scope, sums, &kernels),
        kernels,
        products: shapes::shapes(scope, sums, critical, gemm_ns),
        captured: captured::captured(scope),
        layers,
        roofline: roofline::roofline(scope, sums, critical, places.as_ref()),
        rank_skew: skew::skew(scope, sums, walls, critical, collectives.as_ref()),
        advice: Vec::new(),
        floor: None,
        tuned: None,
        discarded: None,
        engine_log: None,
        request: None,
        surroundings: around::surroundings(scope),
        capture: capture(trace, &losses),
        losses,
        warnings: warnings(scope, sums, &found, displaced.as_ref(), options),
        displaced,
    }
}

/// `report`, held against what the user gave: tuned tables, a model.
fn held_against(mut report: Report, scope: &Scope<'_>, options: &Options) -> Report {
    let tuned = options.tables.as_ref().and_then(|tables| tuned::tuned(&report, tables));
    if let Some(roofline) = &mut report.roofline {
        roofline::against_tables(roofline, tuned.as_ref());
    }
    let discarded = discarded::discarded(scope, &report);
    let floor = options.model.as_ref().map(|given| floor::floor(&report, given, &floor::Served::of(scope)));
    if let Some(Err(why)) = &floor {
        report.warnings.push(Warning { code: "no-decode-floor", text: format!("There is no decode floor: {why}.") });
    }
    let engine_log = options.log.as_ref().map(|log| engine::engine_log(&report, scope, log));
    let request = options.bench.as_ref().map(|bench| engine::request(&report, scope, bench));
    Report { engine_log, request, tuned, discarded, floor: floor.and_then(Result::ok), ..report }
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

fn totals(scope: &Scope<'_>, sums: &Sums) -> Totals {
    let per_rank = sums.ranks.iter().enumerate().map(|(at, rank)| RankTotals {
        rank: scope.rank_number(crate::model::RankIdx::new(at)),
        dispatches: rank.all.dispatches,
        gpu_time_ns: rank.all.gpu_time_ns,
        busy_ns: rank.busy_ns,
        wall_ns: rank.wall_ns(),
    });
    let per_rank: Vec<RankTotals> = per_rank.collect();
    Totals {
        dispatches: per_rank.iter().map(|rank| rank.dispatches).sum(),
        gpu_time_ns: per_rank.iter().map(|rank| rank.gpu_time_ns).sum(),
        busy_ns: per_rank.iter().map(|rank| rank.busy_ns).sum(),
        wall_ns: per_rank.iter().map(|rank| rank.wall_ns).max().unwrap_or(0),
        copies: scope.trace.copies.len() as u64,
        outside_steps: sums.outside_steps,
        per_rank,
    }
}

fn scope_row(scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>) -> ScopeRow {
    let all: u64 = sums.ranks.iter().map(|rank| rank.all.gpu_time_ns).sum();
    let left_out = |reason: Reason| {
        let sum = sums.left_out[reason as usize];
        let row = LeftOutRow {
            reason: reason.name(),
            steps: distinct(scope.steps_left_out(reason)),
            dispatches: sum.dispatches,
            gpu_time_ns: sum.gpu_time_ns,
            share: share(sum.gpu_time_ns, all),
        };
        (row.dispatches > 0).then_some(row)
    };
    ScopeRow {
        of: scope.of,
        counted: sums.counted,
        wall_ns: critical.map_or_else(|| sums.ranks.iter().map(RankSums::wall_ns).sum(), CriticalTime::wall_ns),
        left_out: Reason::ALL.into_iter().filter_map(left_out).collect(),
        left_out_kernels: kernels::left_out(scope, sums),
    }
}

fn steps_row(scope: &Scope<'_>, sums: &Sums, pauses: &Pauses, walls: &[Wall], found: &completeness::Found) -> Steps {
    let table = scope.table;
    let counted = || scope.steps().map(|(_, step)| step);
    let warmup = scope.steps_left_out(Reason::Warmup).filter(|step| step.phase == Phase::Decode);
    let before = scope.trace.capture.as_ref().map_or(0, |capture| capture.warmup_steps);
    let count = distinct(counted());
    let (phases, tail) = (latency::phases(&table.steps), tail::tail(scope));
    Steps {
        detector: table.detector,
        marker: table.marker.clone(),
        warmup_skipped: before + distinct(warmup),
        count,
        decode_by: shown::decode_by(scope),
        phases,
        by_phase: latency::by_phase(&table.steps),
        batch: latency::by_batch(scope, walls),
        itl_ns: latency::itl(walls),
        felt_ns: latency::felt(scope, pauses),
        pauses: pauses.row(scope),
        tokens: tokens::tokens(scope, &phases, tail.as_ref().is_some_and(|tail| tail.draft.is_some())),
        tail,
        gpu_span_ns: latency::gpu_span(counted()),
        cpu_range_ns: latency::cpu_range(counted()),
        series: series::series(scope, walls),
        outliers: latency::outliers(scope, sums),
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
        steps_wanted: info.steps_wanted,
        warmup_wanted: info.warmup_wanted,
        marker: info.marker.clone(),
        armed_by: info.armed_by.clone(),
        closed_by: info.closed_by.clone(),
        sdk_version: info.sdk_version.clone(),
        dispatch_context: info.dispatch_context.clone(),
    })
}

/// Part of the time that may go to kernels nobody knows before the report says so.
const UNKNOWN_WORTH_SAYING: f64 = 0.05;

/// What the reader must know before believing the figures.
fn warnings(
    scope: &Scope<'_>,
    sums: &Sums,
    found: &completeness::Found,
    displaced: Option<&DisplacedNames>,
    options: &Options,
) -> Vec<Warning> {
    let mut warnings = scope.trace.warnings.clone();
    warnings.extend(found.warnings.iter().cloned());
    let unmet = |unmet: &Unmet| Warning { code: unmet.code(), text: format!("{}.", unmet.text()) };
    warnings.extend(scope.table.unmet.iter().map(unmet));
    warnings.extend(captured::warnings(scope.trace));
    warnings.extend(displaced.map(contradictions::of_displaced_names));
    warnings.extend(contradictions::of_missing_ranks(scope));
    warnings.extend(remarkable(scope, sums, options));
    warnings.sort_by(|a, b| (a.code, &a.text).cmp(&(b.code, &b.text)));
    warnings.dedup();
    warnings
}

/// What the figures themselves give reason to say.
fn remarkable(scope: &Scope<'_>, sums: &Sums, options: &Options) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    if scope.of == ScopeOf::Trace && !options.whole_trace {
        let what = if scope.table.steps.is_empty() { "No steps were found" } else { "No decode steps were found" };
        warn("no-decode-steps", format!("{what}: every figure is of the whole trace, not of decode steps."));
    }
    let unknown: u64 = scope
        .trace
        .names
        .iter()
        .filter(|&(name, _)| scope.verdict(name).is_unknown())
        .map(|(name, _)| sums.names[name.index()].counted.gpu_time_ns)
        .sum();
    let part = share(unknown, sums.counted.gpu_time_ns);
    if part > UNKNOWN_WORTH_SAYING {
        let text = format!("{:.1} % of the GPU time is in kernels that no rule knows; they are listed.", part * 100.0);
        warn("unknown-kernels", text);
    }
    let counts: Vec<usize> = (0..scope.trace.ranks.len())
        .map(|at| scope.steps().filter(|(_, step)| step.rank.index() == at).count())
        .collect();
    if counts.iter().min() != counts.iter().max() {
        let text = format!("The ranks do not have the same number of decode steps ({counts:?}).");
        warn("ranks-differ-in-steps", text);
    }
    warnings
}
