//! How far captures of the graphs tell what their replays did.

use crate::model::Unjoined;
use crate::output::Report;
use crate::output::captured::{Captured, NotJoined};

use super::kernel;
use crate::render::document::{Document, Text};
use crate::render::text::{integer, several};

/// Kernels that are named of those that did not join.
const NAMED: usize = 3;

pub(super) fn captured(report: &Report, document: &mut Document) {
    let Some(captured) = &report.captured else { return };
    document.heading("Captured graphs");
    let used = captured.graphs.iter().filter(|row| row.launches > 0).map(|row| {
        let label = row.label.clone().unwrap_or_else(|| row.path.clone());
        format!("{label} ({}, {})", several(row.kernels, "kernel"), several(row.launches, "replay"))
    });
    let used: Vec<String> = used.collect();
    let mut text = format!(
        "{} of {} kernel executions are matched to the capture of their graph",
        integer(captured.joined),
        integer(captured.of)
    );
    if !used.is_empty() {
        const SHOWN: usize = 8;
        let more = used.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!(": {}{more}", used[..used.len().min(SHOWN)].join(", "));
    }
    document.paragraph(Text::plain(text).and("."));
    let items: Vec<Text> = captured
        .not_joined
        .chunk_by(|a, b| a.reason == b.reason)
        .map(|rows| not_joined(report, captured, rows))
        .collect();
    if !items.is_empty() {
        document.list(items);
    }
}

fn not_joined(report: &Report, captured: &Captured, rows: &[NotJoined]) -> Text {
    let count: u64 = rows.iter().map(|row| row.count).sum();
    let why = match rows[0].reason {
        Unjoined::NoGraph => "launched outside of a graph",
        Unjoined::NoSuchGraph => "in launches that fit no captured graph",
        Unjoined::Displaced => "whose names are on other kernels' times",
        Unjoined::Ambiguous => "that could be several nodes of the graph",
        Unjoined::NoOperator => "whose operator the capture does not tell",
    };
    let mut text = Text::plain(format!("{} of {} {why}: ", integer(count), integer(captured.of)));
    for (nth, row) in rows.iter().take(NAMED).enumerate() {
        text = text.and(if nth > 0 { ", " } else { "" }).and_text(kernel(report, &row.name));
    }
    match rows.len().saturating_sub(NAMED) {
        0 => text.and("."),
        more => text.and(format!(" and {more} more.")),
    }
}
