//! How long decode steps take: by measure, by batch, by phase, and which stand out.

use crate::output::Report;
use crate::output::report::ScopeOf;
use crate::output::steps::{NoToken, Tokens};
use crate::output::time::Distribution;

use super::{is_decode, steps_on_ranks};
use crate::render::chart::{Chart, Kind, Lengths};
use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent, several};

/// Outliers that are named; the rest are counted.
const OUTLIERS: usize = 5;

pub(super) fn steps(report: &Report, document: &mut Document) {
    if report.scope.of == ScopeOf::Trace {
        return;
    }
    document.heading("Step latency");
    let steps = &report.steps;
    let measures = [
        (if is_decode(report) { "Decode to decode (ITL)" } else { "Step to step" }, steps.itl_ns),
        ("Token to token, prefill between included", felt(report)),
        ("On the GPU, first kernel to last", steps.gpu_span_ns),
        ("Marker range on the CPU", steps.cpu_range_ns),
    ];
    let known = measures.iter().filter_map(|(title, found)| found.map(|found| (*title, found)));
    let unit = Unit::for_largest(known.clone().map(|(_, found)| found.p99).max().unwrap_or(0));
    let mut table = Table::new(
        [(format!("Step ({})", unit.name), Align::Left)]
            .into_iter()
            .chain(["p50", "p90", "p99", "mean", "min", "max", "n"].map(|title| (title.to_owned(), Align::Right))),
    );
    for (title, found) in known {
        let Distribution { p50, p90, p99, mean, min, max, count } = found;
        let figures = [p50, p90, p99, mean, min, max].map(|ns| unit.figure(ns).into());
        table.row([title.into()].into_iter().chain(figures).chain([integer(count).into()]));
    }
    document.table(table);
    meaning(report, document);
    series(report, document);
    outliers(report, document);
    batches(report, document);
    phases(report, document);
}

/// What requests feel, where that is something else than the time from decode to decode.
fn felt(report: &Report) -> Option<Distribution> {
    report.steps.felt_ns.filter(|felt| is_decode(report) && report.steps.itl_ns != Some(*felt))
}

/// What the times mean: of tokens or of steps, with what left out, with what in it.
fn meaning(report: &Report, document: &mut Document) {
    let steps = &report.steps;
    let mut sentences: Vec<String> = Vec::new();
    if let Some(pauses) = &steps.pauses {
        sentences.push(format!(
            "{} of {} together without work left out: neither a kernel nor a copy ran for more than {}.",
            several(pauses.count, "gap"),
            duration(pauses.total_ns),
            duration(pauses.longer_than_ns)
        ));
    }
    if is_decode(report) {
        sentences.extend(tokens(&steps.tokens));
    }
    if let Some(tail) = &steps.tail {
        let ranks = steps_on_ranks(report).max(1);
        let draft = match &tail.draft {
            Some(draft) => format!(", {} of it by a draft model", duration(draft.gpu_time_ns / ranks)),
            None => String::new(),
        };
        sentences.push(format!(
            "{} a step ({} of the GPU time) were launched after the marker's range{draft}.",
            duration(tail.gpu_time_ns / ranks),
            percent(tail.share)
        ));
    }
    if !sentences.is_empty() {
        document.paragraph(Text::plain(sentences.join(" ")));
    }
}

/// Whether these are times of tokens, in sentences.
fn tokens(tokens: &Tokens) -> Vec<String> {
    let computed = |many: f64| format!("A step computes {many:.2} tokens for each request. ");
    let because = |why: &NoToken| match why {
        NoToken::Speculation => format!(
            "{}Tokens are drafted and verified, and no trace tells how many are accepted: these are times of steps, not of \
             tokens.",
            tokens.computed_per_request.map_or_else(String::new, computed)
        ),
        NoToken::SeveralPasses => format!(
            "Each step runs the model {} times, as its kernels show: these are times of steps, not of tokens.",
            tokens.passes.unwrap_or_default()
        ),
        NoToken::Pipeline => {
            "Ranks hand activations on once a step, as in pipeline parallelism: a request waits for as many \
                              steps as there are micro-batches, which the trace does not tell."
                .to_owned()
        }
    };
    match (tokens.a_step_is_a_token, tokens.known_by) {
        (Some(true), _) => vec!["A step is one token for each request, as the labels tell.".to_owned()],
        (None, _) => {
            vec![
                "Whether a step is one token for each request, nothing in the trace tells: these are times of steps."
                    .to_owned(),
            ]
        }
        (Some(false), _) => tokens.because.iter().map(because).collect(),
    }
}

/// The steps one after another, and how often each length occurs.
fn series(report: &Report, document: &mut Document) {
    let Some(series) = report.steps.series.as_ref().filter(|series| series.points.len() > 1) else { return };
    let (what, middle) = match series.from_step_to_step {
        true => ("from step to step", report.steps.itl_ns),
        false => ("from first kernel to last", report.steps.gpu_span_ns),
    };
    let points = match series.steps_a_point {
        1 => "A step a point".to_owned(),
        steps => format!("{} steps a point, their median", integer(steps)),
    };
    document.chart(Chart {
        title: "Step by step".to_owned(),
        note: format!("{points}: time {what}, on the rank where it took longest"),
        kind: Kind::Series(series.points.clone()),
    });
    let above = match series.histogram.above {
        0 => String::new(),
        above => format!(" ({} longer, not drawn)", several(above, "step")),
    };
    document.chart(Chart {
        title: "How long steps take".to_owned(),
        note: format!("Part of the steps by time {what}{above}"),
        kind: Kind::Histogram(vec![Lengths {
            name: String::new(),
            p50_ns: middle.map_or(0, |found| found.p50),
            histogram: series.histogram.clone(),
        }]),
    });
}

fn outliers(report: &Report, document: &mut Document) {
    let outliers = &report.steps.outliers;
    if outliers.is_empty() {
        return;
    }
    let named: Vec<String> = outliers
        .iter()
        .take(OUTLIERS)
        .map(|outlier| {
            let why = outlier.grown.map_or("time between kernels", |category| report.title(category));
            let rank = if report.ranks > 1 { format!(" on rank {}", outlier.rank) } else { String::new() };
            format!("step {}{rank} {} ({why})", outlier.step, duration(outlier.gpu_span_ns))
        })
        .collect();
    let more = match outliers.len().saturating_sub(OUTLIERS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    document.paragraph(Text::plain(format!("Steps half as long again as the median: {}{more}.", named.join(", "))));
}

fn batches(report: &Report, document: &mut Document) {
    let batches = &report.steps.batch;
    if batches.iter().all(|row| row.size.is_none() && row.graph_size.is_none()) {
        return;
    }
    let unit = Unit::for_largest(batches.iter().map(|row| row.gpu_span_ns.p50).max().unwrap_or(0));
    document.subheading("By batch");
    let mut table = Table::new([
        ("Requests".to_owned(), Align::Right),
        ("Graph size".to_owned(), Align::Right),
        ("Steps".to_owned(), Align::Right),
        (format!("ITL p50 ({})", unit.name), Align::Right),
        (format!("GPU span p50 ({})", unit.name), Align::Right),
        (format!("GPU time mean ({})", unit.name), Align::Right),
    ]);
    let known = |size: Option<u32>| size.map_or_else(|| "–".to_owned(), |size| size.to_string());
    for row in batches {
        table.row([
            known(row.size).into(),
            known(row.graph_size).into(),
            integer(row.steps).into(),
            row.itl_ns.map_or_else(|| "–".to_owned(), |itl| unit.figure(itl.p50)).into(),
            unit.figure(row.gpu_span_ns.p50).into(),
            unit.figure(row.gpu_time_per_step_ns).into(),
        ]);
    }
    document.table(table);
}

fn phases(report: &Report, document: &mut Document) {
    let phases = &report.steps.by_phase;
    if phases.len() < 2 {
        return;
    }
    let unit = Unit::for_largest(phases.iter().map(|row| row.gpu_span_ns.p50).max().unwrap_or(0));
    document.subheading("By phase");
    let kind = if is_decode(report) { "pure decode steps" } else { "the steps of the phase decode" };
    document.paragraph(Text::plain(format!("All tables but this one are of {kind}.")));
    let mut table = Table::new([
        ("Phase".to_owned(), Align::Left),
        ("Steps".to_owned(), Align::Right),
        ("Dispatches".to_owned(), Align::Right),
        (format!("GPU span p50 ({})", unit.name), Align::Right),
        (format!("p99 ({})", unit.name), Align::Right),
    ]);
    for row in phases {
        table.row([
            row.phase.name().into(),
            integer(row.steps).into(),
            integer(row.dispatches).into(),
            unit.figure(row.gpu_span_ns.p50).into(),
            unit.figure(row.gpu_span_ns.p99).into(),
        ]);
    }
    document.table(table);
}
