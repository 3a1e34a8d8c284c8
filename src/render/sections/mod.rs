//! What a report says, in which order.
//!
//! A reader who stops after three sentences has the answer: where the time goes, what to do first, whether to believe
//! it. Then come the figures behind each, the largest first; how the report was made comes last.

mod advice;
mod around;
mod captured;
pub(super) mod compare;
mod engine;
mod floor;
mod kernels;
mod layers;
pub(super) mod markers;
mod products;
mod provenance;
mod ranks;
mod steps;
mod time;
mod tune;
mod tuned;
mod verdict;

use crate::output::Report;
use crate::output::report::ScopeOf;

use super::document::{Document, Text};
use super::text::shorten;

/// Lays out `report`.
pub(super) fn document(report: &Report) -> Document {
    let mut document = Document { title: title(report), blocks: Vec::new() };
    verdict::verdict(report, &mut document);
    steps::steps(report, &mut document);
    time::categories(report, &mut document);
    time::parts(report, &mut document);
    layers::layers(report, &mut document);
    kernels::top(report, &mut document);
    products::products(report, &mut document);
    tune::tune(report, &mut document);
    advice::advice(report, &mut document);
    floor::floor(report, &mut document);
    tuned::tuned(report, &mut document);
    ranks::ranks(report, &mut document);
    captured::captured(report, &mut document);
    provenance::left_out(report, &mut document);
    provenance::trust(report, &mut document);
    engine::request(report, &mut document);
    engine::log(report, &mut document);
    around::around(report, &mut document);
    provenance::how(report, &mut document);
    kernels::appendix(report, &mut document);
    layers::appendix(report, &mut document);
    document
}

fn title(report: &Report) -> String {
    let mut gpus: Vec<&str> =
        report.source.iter().filter_map(|row| row.gpu.as_deref().or(row.arch.as_deref())).collect();
    gpus.dedup();
    let what = match report.scope.of {
        ScopeOf::DecodeSteps if is_decode(report) => "Decode profile",
        ScopeOf::DecodeSteps => "Step profile",
        ScopeOf::Trace => "GPU profile",
    };
    let ranks = if report.ranks > 1 { format!("{} ranks", report.ranks) } else { String::new() };
    let details: Vec<&str> = gpus.into_iter().chain([ranks.as_str()]).filter(|part| !part.is_empty()).collect();
    if details.is_empty() { what.to_owned() } else { format!("{what}: {}", details.join(", ")) }
}

/// Whether something shows that the steps counted are decode steps.
fn is_decode(report: &Report) -> bool {
    !report.steps.decode_by.is_empty()
}

/// What the steps counted are called.
fn step_name(report: &Report) -> &'static str {
    if is_decode(report) { "decode step" } else { "step" }
}

/// Characters of a kernel name in a table.
const NAME_WIDTH: usize = 72;

/// A kernel's name for a table: readable and short. The appendix has it in full.
fn kernel(report: &Report, name: &str) -> Text {
    let row = report.kernels.iter().find(|row| row.name == name);
    Text::code(shorten(row.and_then(|row| row.demangled.as_deref()).unwrap_or(name), NAME_WIDTH))
}

/// What a figure "a step" is per: a step on one rank.
fn steps_on_ranks(report: &Report) -> u64 {
    report.steps.gpu_span_ns.map_or(0, |span| span.count)
}
