//! A report as text: syntax only, nothing is computed here.
//!
//! ```text
//!   Report ─> sections ─> document ─┬─> markdown
//!        │                          └─> html
//!        └────────────────────────────> json
//! ```
//!
//! Beside reports, the steps that a report counts can be exported for other programs, as trace events and as CSV.
//!
//! What a report says and in which order is decided once, in `sections`, as a neutral document of headings, paragraphs,
//! tables and charts. JSON is the [`Report`] as it stands. All text that came from a trace is escaped by the syntax that
//! writes it.

mod chart;
mod csv;
mod document;
mod html;
pub(crate) mod json;
mod lanes;
mod markdown;
mod perfetto;
mod sections;
mod text;
mod window;

use std::io::{self, Write};

use crate::classify::Classes;
use crate::model::Trace;
use crate::output::{Comparison, Markers, Report};
use crate::steps::StepTable;

/// Writes `report` as markdown.
///
/// # Errors
/// If `out` cannot be written to.
pub fn markdown(report: &Report, out: &mut impl Write) -> io::Result<()> {
    markdown::write(&sections::document(report), out)
}

/// Writes `report` as one HTML file that needs nothing else.
///
/// # Errors
/// If `out` cannot be written to.
pub fn html(report: &Report, out: &mut impl Write) -> io::Result<()> {
    html::write(&sections::document(report), out)
}

/// Writes `report` as JSON, in the form that its schema names.
///
/// # Errors
/// If `out` cannot be written to.
pub fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    json::write_pretty(report, out)
}

/// Writes `markers` as markdown.
///
/// # Errors
/// If `out` cannot be written to.
pub fn markers_markdown(markers: &Markers, out: &mut impl Write) -> io::Result<()> {
    markdown::write(&sections::markers::document(markers), out)
}

/// Writes `markers` as one HTML file that needs nothing else.
///
/// # Errors
/// If `out` cannot be written to.
pub fn markers_html(markers: &Markers, out: &mut impl Write) -> io::Result<()> {
    html::write(&sections::markers::document(markers), out)
}

/// Writes `comparison` as markdown.
///
/// # Errors
/// If `out` cannot be written to.
pub fn comparison_markdown(comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    markdown::write(&sections::compare::document(comparison), out)
}

/// Writes `comparison` as one HTML file that needs nothing else.
///
/// # Errors
/// If `out` cannot be written to.
pub fn comparison_html(comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    html::write(&sections::compare::document(comparison), out)
}

/// Writes `comparison` as JSON, in the form that its schema names.
///
/// # Errors
/// If `out` cannot be written to.
pub fn comparison_json(comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    json::write_pretty(comparison, out)
}

/// Writes the window of `trace`, or all of it, as trace events for Perfetto.
///
/// # Errors
/// If `out` cannot be written to.
pub fn perfetto(
    trace: &Trace,
    classes: &Classes,
    table: &StepTable,
    whole: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    perfetto::write(trace, classes, table, whole, out)
}

/// Writes the kernel executions of the window of `trace`, or of all of it, as CSV.
///
/// # Errors
/// If `out` cannot be written to.
pub fn dispatches_csv(
    trace: &Trace,
    classes: &Classes,
    table: &StepTable,
    whole: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    csv::dispatches(trace, classes, table, whole, out)
}

/// Writes the kernels of `report` as CSV.
///
/// # Errors
/// If `out` cannot be written to.
pub fn kernels_csv(report: &Report, out: &mut impl Write) -> io::Result<()> {
    csv::kernels(report, out)
}

/// The answer of `comparison` in at most ten lines, for a terminal.
#[must_use]
pub fn comparison_summary(comparison: &Comparison) -> Vec<String> {
    sections::compare::summary(comparison).iter().map(document::Text::raw).collect()
}

/// `text` with everything spelled as an escape that would act on a terminal rather than show itself.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| text::push_visible(&mut out, c));
    out
}
