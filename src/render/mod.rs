//! A report as text: syntax only, nothing is computed here.
//!
//! ```text
//!   Report ─> sections ─> document ─┬─> markdown
//!        │                          └─> html
//!        └────────────────────────────> json
//! ```
//!
//! What a report says and in which order is decided once, in `sections`, as a neutral document of headings, paragraphs,
//! tables and charts. JSON is the [`Report`] as it stands. All text that came from a trace is escaped by the syntax that
//! writes it.

mod chart;
mod document;
mod html;
pub(crate) mod json;
mod markdown;
mod sections;
mod text;

use std::io::{self, Write};

use crate::analyze::Report;
use crate::analyze::compare::Comparison;

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
