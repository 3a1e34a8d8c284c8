//! What the figures leave out, what was lost, and how the report was made.

use std::collections::HashMap;

use crate::model::LossCause;
use crate::output::Report;
use crate::output::report::{Capture, ScopeOf};
use crate::output::steps::{Missing, MissingKernel};
use crate::steps::Detector;

use super::{kernel as kernel_name, step_name};
use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent, several};

/// Rows of steps short of kernels.
const MISSING: usize = 10;
/// Kernels that a row names.
const LACKING: usize = 3;
/// Runs of numbers in a row.
const RUNS: usize = 6;

/// What of the trace is not in the tables.
pub(super) fn left_out(report: &Report, document: &mut Document) {
    let rows = &report.scope.left_out;
    if rows.is_empty() {
        return;
    }
    document.heading("Not in these figures");
    let unit = Unit::for_largest(rows.iter().map(|row| row.gpu_time_ns).max().unwrap_or(0));
    let mut table = Table::new([
        ("What".to_owned(), Align::Left),
        ("Steps".to_owned(), Align::Right),
        ("Dispatches".to_owned(), Align::Right),
        (format!("GPU time ({})", unit.name), Align::Right),
        ("Of the trace".to_owned(), Align::Right),
    ]);
    for row in rows {
        let what = match row.reason {
            "warmup" => "warm-up",
            "cut" => "steps cut by the edges of the trace",
            "beyond_limit" => "steps beyond those asked for",
            "other" => "steps of no inference",
            "outside_steps" => "kernels outside any step",
            phase => phase,
        };
        table.row([
            what.into(),
            if row.reason == "outside_steps" { "–".to_owned() } else { integer(row.steps) }.into(),
            integer(row.dispatches).into(),
            unit.figure(row.gpu_time_ns).into(),
            percent(row.share).into(),
        ]);
    }
    document.table(table);
}

/// Losses, steps short of kernels, warnings.
pub(super) fn trust(report: &Report, document: &mut Document) {
    document.heading("Losses and warnings");
    let mut items = Vec::new();
    if report.losses.iter().all(|loss| loss.count == 0) {
        items.push(Text::plain("No lost record was counted."));
    }
    for loss in report.losses.iter().filter(|loss| loss.count > 0) {
        items.push(Text::plain(format!("{}: {}.", several(loss.count, "record"), cause(loss.cause))));
    }
    for warning in &report.warnings {
        items.push(Text::code(warning.code).and(": ").and_text(Text::prose(&warning.text)));
    }
    items.extend(report.steps.remarks.iter().map(|remark| Text::prose(remark)));
    document.list(items);
    missing(report, document);
}

/// Which steps on which ranks lack which kernels; steps that lack the same are one row.
fn missing(report: &Report, document: &mut Document) {
    let mut alike: Vec<(&Missing, Vec<u32>)> = Vec::new();
    let mut places = HashMap::new();
    for row in &report.steps.missing {
        let place = *places.entry((row.rank, row.expected, row.seen, &row.kernels)).or_insert(alike.len());
        if place == alike.len() {
            alike.push((row, Vec::new()));
        }
        alike[place].1.push(row.step);
    }
    if alike.is_empty() {
        return;
    }
    document.subheading("Steps with fewer kernels than their like");
    let mut table = Table::new([
        ("Rank", Align::Right),
        ("Steps", Align::Left),
        ("Expected", Align::Right),
        ("Seen", Align::Right),
        ("Lacking", Align::Left),
    ]);
    for (row, steps) in alike.iter().take(MISSING) {
        let named = |text: Text, kernel: &MissingKernel| {
            let text = if text.is_empty() { text } else { text.and(", ") };
            text.and(format!("{} × ", kernel.count)).and_text(kernel_name(report, &kernel.name))
        };
        let kernels = row.kernels.iter().take(LACKING).fold(Text::default(), named);
        let kernels = match row.kernels.len() {
            0 => Text::plain("the whole step"),
            all if all > LACKING => kernels.and(format!(" and {} more names", all - LACKING)),
            _ => kernels,
        };
        table.row([
            row.rank.to_string().into(),
            numbers(steps).into(),
            integer(row.expected).into(),
            integer(row.seen).into(),
            kernels.into(),
        ]);
    }
    document.table(table);
    if let more @ 1.. = alike.len().saturating_sub(MISSING) {
        document.paragraph(Text::plain(format!("And {more} more; the JSON report lists all.")));
    }
}

/// Some numbers, runs drawn together: `3, 5–9 and 12 more`.
fn numbers(sorted: &[u32]) -> String {
    let runs: Vec<&[u32]> = sorted.chunk_by(|a, b| a + 1 == *b).collect();
    let shown = runs.iter().take(RUNS).map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}–{last}"),
        [] => String::new(),
    });
    let shown: Vec<String> = shown.collect();
    match runs.iter().skip(RUNS).map(|run| run.len()).sum() {
        0_usize => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn cause(cause: LossCause) -> &'static str {
    match cause {
        LossCause::ChannelFull => "the channel to the aggregator was full",
        LossCause::Late => "completed after the window had been written",
        LossCause::UnknownSymbol => "ran under a kernel id that no code object had registered (time counted, name not)",
        LossCause::NoCompletion => "were enqueued and never reported as completed",
        LossCause::MemoryBound => "came after the record bound was reached",
        LossCause::Unwritten => "could not be written to the capture file",
        LossCause::Unreadable => "could not be read from the file",
        LossCause::Producer => "were dropped by the tracer that made the trace, by its own count",
    }
}

/// Where the figures come from.
pub(super) fn how(report: &Report, document: &mut Document) {
    document.heading("How this was made");
    let mut items = vec![Text::plain(format!("By {}.", report.made_by))];
    items.extend(sources(report));
    items.push(steps(report));
    if let Some(capture) = &report.capture {
        items.push(Text::plain(format!(
            "Captured in the server with rocprofiler-sdk {}: armed by {}, closed by {}, {} asked for{}, {} recorded.",
            capture.sdk_version.as_deref().unwrap_or("of unknown version"),
            capture.armed_by,
            capture.closed_by,
            several(capture.steps_wanted.into(), "decode step"),
            window_count(report, capture),
            several(capture.records, "record")
        )));
        if capture.dispatch_context.as_deref() == Some("kept") {
            items.push(Text::plain(
                "The SDK's dispatch context was on all the time: steps outside the window were slowed by it as well, so what \
                 is said of the cost of tracing is too low.",
            ));
        }
        let overhead = &capture.overhead;
        if let (Some(p50), Some(p99)) = (overhead.callback_p50_ns, overhead.callback_p99_ns) {
            items.push(Text::plain(format!(
                "Cost of tracing: {} in the completion callback (p99 {}){}.",
                duration(p50),
                duration(p99),
                overhead
                    .aggregator_cpu_ns
                    .map_or_else(String::new, |ns| format!(", {} CPU time of the aggregator thread", duration(ns)))
            )));
        }
        let step = "From the begin of a decode step to that of the next on the CPU:";
        items.extend(compared(step, overhead.step_inside_p50_ns, overhead.step_outside_p50_ns));
        let launch = "In a graph launch call:";
        items.extend(compared(launch, overhead.graph_launch_inside_p50_ns, overhead.graph_launch_outside_p50_ns));
    }
    items.push(Text::plain(
        "Percentiles are by nearest rank, so each is a value that was measured. ITL is the time from a step's first \
         kernel to the first kernel of the next decode step on the same rank; where a prefill, an empty step or a gap \
         without work came between, there is none.",
    ));
    document.list(items);
}

/// What the tracer's window counted, where that is not what the report counts.
fn window_count(report: &Report, capture: &Capture) -> String {
    match capture.steps_before_stop {
        0 => String::new(),
        same if same == report.steps.count => String::new(),
        other => format!(" ({} by the tracer's own count)", integer(other)),
    }
}

/// What took how long while dispatches were recorded, and while not.
fn compared(what: &str, inside: Option<u64>, outside: Option<u64>) -> Option<Text> {
    let (inside, outside) = (duration(inside?), duration(outside?));
    Some(Text::plain(format!("{what} {inside} while tracing, {outside} while not (medians).")))
}

fn sources(report: &Report) -> Vec<Text> {
    let mut items: Vec<(Text, Vec<String>)> = Vec::new();
    let mut last = None;
    for row in &report.source {
        let mut rank = row.rank.map_or_else(|| "one rank".to_owned(), |rank| format!("rank {rank}"));
        if let Some(arch) = &row.arch {
            rank.push_str(&format!(" ({arch})"));
        }
        if last == Some((&row.path, row.format)) {
            if let Some((_, ranks)) = items.last_mut() {
                ranks.push(rank);
            }
            continue;
        }
        last = Some((&row.path, row.format));
        let format = serde_json::to_value(row.format).ok();
        let format = format.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown").to_owned();
        let from = if row.path.is_empty() {
            Text::plain("From the server itself")
        } else {
            Text::plain(format!("From {format} ")).and_code(row.path.clone())
        };
        let host = row.host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
        let framework = row.framework.as_ref().map_or_else(String::new, |framework| format!(", {framework}"));
        items.push((from.and(format!("{host}{framework}: ")), vec![rank]));
    }
    items.into_iter().map(|(text, ranks)| text.and(format!("{}.", ranks.join(", ")))).collect()
}

fn steps(report: &Report) -> Text {
    let steps = &report.steps;
    let by = match steps.detector {
        Detector::Marker => "Steps by marker ranges",
        Detector::Graph => "Steps by graph launches",
        Detector::Period => "Steps by the period in the sequence of kernels",
        Detector::None => return Text::plain("No steps: neither markers nor graph launches nor a period were found."),
    };
    let mut text = Text::plain(by);
    if let Some(marker) = &steps.marker {
        text = text.and(" matching ").and_code(marker.clone());
    }
    let counted = match report.scope.of {
        ScopeOf::DecodeSteps => format!("; {} counted", several(steps.count, step_name(report))),
        ScopeOf::Trace => "; the whole trace counted".to_owned(),
    };
    text.and(format!("{counted}, {} left out as warm-up.", several(steps.warmup_skipped, step_name(report))))
}
