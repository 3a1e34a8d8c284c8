//! Where the time goes: categories, and who made the kernels in them.

use crate::classify::Category;
use crate::output::Report;
use crate::output::report::ScopeOf;
use crate::output::time::{CategoryPart, Cause};

use super::steps_on_ranks;
use crate::render::chart::{self, Chart, Kind, Whole};
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent};

pub(super) fn categories(report: &Report, document: &mut Document) {
    document.heading("Where the time goes");
    document.chart(shares(report));
    match report.scope.of {
        ScopeOf::DecodeSteps => per_step(report, document),
        ScopeOf::Trace => whole(report, document),
    }
}

/// Both views of time, drawn.
fn shares(report: &Report) -> Chart {
    let gpu = report.categories.iter().map(|row| (chart::Part::Of(row.name, row.title), row.gpu_share)).collect();
    let mut wholes = vec![Whole { name: "GPU time".to_owned(), parts: gpu }];
    if let Some(idle) = &report.idle {
        let critical = report
            .categories
            .iter()
            .map(|row| (chart::Part::Of(row.name, row.title), row.critical_share.unwrap_or(0.0)));
        let parts = critical.chain([(chart::Part::Idle, idle.critical_share)]).collect();
        wholes.push(Whole { name: "Critical path".to_owned(), parts });
    }
    Chart {
        title: "Time by category".to_owned(),
        note: "GPU time is shared out among categories; the critical path is wall time, idle included".to_owned(),
        kind: Kind::Shares(wholes),
    }
}

/// Of decode steps: both views of time, a step on one rank at a time.
fn per_step(report: &Report, document: &mut Document) {
    let steps = steps_on_ranks(report).max(1);
    document.paragraph(Text::plain(
        "GPU time is the sum of kernel durations. Critical is wall time: each nanosecond goes to the one category that \
         held the step up, or to idle.",
    ));
    let largest = report.categories.iter().filter_map(|row| row.per_step_ns).map(|row| row.p50).max().unwrap_or(0);
    let unit = Unit::for_largest(largest);
    let mut table = Table::new([
        ("Category".to_owned(), Align::Left),
        ("GPU time".to_owned(), Align::Right),
        (String::new(), Align::Left),
        ("Critical".to_owned(), Align::Right),
        (format!("p50/step ({})", unit.name), Align::Right),
        (format!("p99/step ({})", unit.name), Align::Right),
        ("Dispatches/step".to_owned(), Align::Right),
    ]);
    for row in &report.categories {
        let figure = |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), |ns| unit.figure(ns));
        table.row([
            row.title.into(),
            percent(row.gpu_share).into(),
            Cell::Bar(row.gpu_share),
            row.critical_share.map_or_else(|| "–".to_owned(), percent).into(),
            figure(row.per_step_ns.map(|row| row.p50)).into(),
            figure(row.per_step_ns.map(|row| row.p99)).into(),
            format!("{:.1}", row.dispatches as f64 / steps as f64).into(),
        ]);
    }
    if let Some(idle) = &report.idle {
        let blank = || Cell::from("");
        let share = percent(idle.critical_share).into();
        table.row(["Idle".into(), blank(), blank(), share, blank(), blank(), blank()]);
    }
    document.table(table);
    idle(report, steps, document);
}

fn idle(report: &Report, steps: u64, document: &mut Document) {
    let Some(idle) = report.idle.as_ref().filter(|idle| idle.critical_ns > 0) else { return };
    let mut causes: Vec<_> = idle.causes.iter().filter(|cause| cause.ns > 0).collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.ns));
    let cause = |cause: &&crate::output::time::IdleCause| {
        format!("{} {}", duration(cause.ns / steps), cause_in_words(cause.name))
    };
    let causes: Vec<String> = causes.iter().map(cause).collect();
    document.paragraph(Text::plain(format!(
        "Idle is {} a step: {}.",
        duration(idle.critical_ns / steps),
        causes.join(", ")
    )));
}

pub(super) fn cause_in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::LaunchGap => "between kernels already launched",
        Cause::Host => "until the host launched the next kernel",
        Cause::WaitPeer => "waiting for another rank",
        Cause::Copy => "copying",
        Cause::OtherWork => "running kernels of other steps",
        Cause::Unknown => "of unknown cause (the trace has no launch calls for what came next)",
    }
}

/// Of a whole trace: sums.
fn whole(report: &Report, document: &mut Document) {
    let unit = Unit::for_largest(report.categories.iter().map(|row| row.gpu_time_ns).max().unwrap_or(0));
    let mut table = Table::new([
        ("Category".to_owned(), Align::Left),
        ("GPU time".to_owned(), Align::Right),
        (String::new(), Align::Left),
        (format!("Sum ({})", unit.name), Align::Right),
        ("Dispatches".to_owned(), Align::Right),
    ]);
    for row in &report.categories {
        table.row([
            row.title.into(),
            percent(row.gpu_share).into(),
            Cell::Bar(row.gpu_share),
            unit.figure(row.gpu_time_ns).into(),
            integer(row.dispatches).into(),
        ]);
    }
    document.table(table);
    let totals = &report.totals;
    document.paragraph(Text::plain(format!(
        "GPU time {}, of which {} with at least one kernel running; from first kernel to last {}.",
        duration(totals.gpu_time_ns),
        duration(totals.busy_ns),
        duration(totals.wall_ns)
    )));
}

/// What GEMM, MoE, attention, communication and quantization are made of.
pub(super) fn parts(report: &Report, document: &mut Document) {
    type Split = (Category, &'static str, &'static str, fn(&crate::output::time::CategoryRow) -> &[CategoryPart]);
    let splits: [Split; 6] = [
        (Category::Gemm, "GEMM backends", "Backend", |row| &row.backends),
        (Category::Moe, "MoE backends", "Backend", |row| &row.backends),
        (Category::Moe, "MoE parts", "Part", |row| &row.subs),
        (Category::Attention, "Attention", "Part", |row| &row.subs),
        (Category::Allreduce, "Communication", "Kind", |row| &row.subs),
        (Category::Quantization, "Quantization", "Kind", |row| &row.subs),
    ];
    for (category, title, column, parts) in splits {
        let Some(row) = report.category(category).filter(|row| row.gpu_time_ns > 0) else { continue };
        split(report, document, title, column, parts(row));
    }
}

/// From which share of a row's GPU time on it is told that rules of low confidence put it there.
const GUESSED_SHOWN: f64 = 0.005;

fn split(report: &Report, document: &mut Document, title: &str, column: &str, parts: &[CategoryPart]) {
    let per_step = report.scope.of == ScopeOf::DecodeSteps;
    let steps = if per_step { steps_on_ranks(report).max(1) } else { 1 };
    let unit = Unit::for_largest(parts.iter().map(|part| part.gpu_time_ns / steps).max().unwrap_or(0));
    let per = if per_step { "/step" } else { "" };
    let guesses = parts.iter().any(|part| part.guessed_share >= GUESSED_SHOWN);
    let mut columns = vec![
        (column.to_owned(), Align::Left),
        ("Share".to_owned(), Align::Right),
        (String::new(), Align::Left),
        (format!("GPU time{per} ({})", unit.name), Align::Right),
        (format!("Dispatches{per}"), Align::Right),
    ];
    if guesses {
        columns.push(("Guessed".to_owned(), Align::Right));
    }
    let mut table = Table::new(columns);
    for part in parts {
        let dispatches = part.dispatches as f64 / steps as f64;
        let mut row: Vec<Cell> = vec![
            part.name.clone().into(),
            percent(part.share).into(),
            Cell::Bar(part.share),
            unit.figure(part.gpu_time_ns / steps).into(),
            if per_step { format!("{dispatches:.1}") } else { integer(part.dispatches) }.into(),
        ];
        if guesses {
            let shown = part.guessed_share >= GUESSED_SHOWN;
            row.push(if shown { percent(part.guessed_share) } else { String::new() }.into());
        }
        table.row(row);
    }
    document.subheading(title);
    document.table(table);
}
