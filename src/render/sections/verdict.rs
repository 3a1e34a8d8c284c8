//! The three sentences at the top.

use crate::output::Report;
use crate::output::advice::Advice;
use crate::output::report::ScopeOf;
use crate::output::steps::Completeness;
use crate::steps::Phase;

use super::{is_decode, kernel, step_name, steps_on_ranks};
use crate::render::document::{Document, Text};
use crate::render::text::{duration, integer, percent, several};

/// Warnings without which the sentences after them mislead.
const FIRST_OF_ALL: [&str; 5] = [
    "names-on-other-times",
    "ranks-missing",
    "marker-matches-nothing",
    "warmup-leaves-nothing",
    "fewer-steps-than-asked",
];

/// What to know first; where the time goes; the biggest lever; whether the capture can be trusted.
pub(super) fn verdict(report: &Report, document: &mut Document) {
    if report.totals.dispatches == 0 {
        document.paragraph(Text::default().and_strong("There is no kernel in this trace."));
        return;
    }
    for warning in report.warnings.iter().filter(|warning| FIRST_OF_ALL.contains(&warning.code)) {
        document.paragraph(Text::default().and_strong(warning.text.clone()));
    }
    document.paragraph(where_time_goes(report));
    document.paragraph(biggest_lever(report));
    document.paragraph(trust(report));
}

fn where_time_goes(report: &Report) -> Text {
    let of = match report.scope.of {
        ScopeOf::DecodeSteps if is_decode(report) => "decode GPU time",
        ScopeOf::DecodeSteps => "the steps' GPU time",
        ScopeOf::Trace => "GPU time",
    };
    let mut rows = report.categories.iter().filter(|row| row.gpu_time_ns > 0);
    let Some(first) = rows.next() else {
        return Text::default().and_strong("No time was spent in kernels.");
    };
    let mut text = Text::default().and_strong(format!("{} is {} of {of}", first.title, percent(first.gpu_share)));
    let others: Vec<String> = rows.take(3).map(|row| format!("{} {}", row.title, percent(row.gpu_share))).collect();
    if !others.is_empty() {
        text = text.and(format!(", then {}", others.join(", ")));
    }
    if let (Some(span), Some(idle)) = (report.steps.gpu_span_ns, &report.idle) {
        let next = if is_decode(report) { "to the next decode (median ITL)" } else { "to the next (median)" };
        let itl = report.steps.itl_ns.map(|itl| format!("{} {next}, ", duration(itl.p50)));
        text = text.and(format!(
            "; a step takes {}{} on the GPU, and {} of its wall time does none of its work",
            itl.unwrap_or_default(),
            duration(span.p50),
            percent(idle.critical_share)
        ));
    }
    text.and(".")
}

fn biggest_lever(report: &Report) -> Text {
    let is_lever = |advice: &&Advice| advice.saves_at_most_ns_per_step > 0 && !advice.about_trust;
    if let Some(first) = report.advice.iter().find(is_lever) {
        return Text::plain("The biggest lever: ")
            .and_strong(first.title.clone())
            .and(format!(", which can save at most {} a step.", duration(first.saves_at_most_ns_per_step)));
    }
    let Some(top) = report.top.first() else { return Text::default() };
    if report.displaced.is_some() {
        return Text::plain("No kernel can be named as the target, since kernels carry the times of others.");
    }
    Text::plain("The biggest single target is ")
        .and(format!("the {} kernel ", report.title(top.category)))
        .and_text(kernel(report, &top.name))
        .and(format!(
            " ({}) with {} of the GPU time in {}; no rule found a saving that it could put a bound on.",
            top.backend,
            percent(top.share),
            several(top.count, "execution")
        ))
}

fn trust(report: &Report) -> Text {
    let steps = &report.steps;
    let unknown = match report.unknown.gpu_share {
        0.0 => "every kernel's purpose is known".to_owned(),
        share => format!("{} of the GPU time is in kernels of unknown purpose", percent(share)),
    };
    if report.scope.of == ScopeOf::Trace {
        return Text::default()
            .and_strong("These figures are of the whole trace, not of decode steps")
            .and(format!(": {}prefill, warm-up and all else are in them; {unknown}.", no_decode(report)));
    }
    let on_ranks = if report.ranks > 1 { format!(" on {} ranks", report.ranks) } else { String::new() };
    let count = format!("{}{on_ranks}", several(steps.count, step_name(report)));
    let unknown = match is_decode(report) {
        true => unknown,
        false => format!("{unknown}; nothing shows that these are steps of decode"),
    };
    match steps.completeness {
        Completeness::Proven => Text::default()
            .and_strong("The capture is complete")
            .and(format!(": in {count} no step has fewer kernels than its like, and {unknown}.")),
        Completeness::NotChecked => Text::default()
            .and_strong("Nothing is known to be missing")
            .and(format!(", but nothing proves it either: {count} cannot be compared with like ones; {unknown}.")),
        Completeness::Incomplete => {
            let lost: u64 = report.losses.iter().map(|loss| loss.count).sum();
            let short = steps.missing.len() as u64;
            Text::default().and_strong("The capture is incomplete: take no sum at face value").and(format!(
                " ({} of {} lack kernels, {} lost records were counted); {unknown}.",
                integer(short),
                several(steps_on_ranks(report), "step"),
                integer(lost)
            ))
        }
    }
}

/// What the steps that were found are, where none of them is of decode.
fn no_decode(report: &Report) -> String {
    let rows = report.steps.by_phase.iter().filter(|row| row.phase != Phase::Decode);
    let kinds = rows.map(|row| match row.phase {
        Phase::Other => format!("{} of no inference", integer(row.steps)),
        phase => format!("{} {}", integer(row.steps), phase.name()),
    });
    let kinds: Vec<String> = kinds.collect();
    match report.steps.count == 0 && !kinds.is_empty() {
        true => format!("no step that was found is of decode ({}); ", kinds.join(", ")),
        false => String::new(),
    }
}
