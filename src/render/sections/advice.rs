//! What to do, the largest saving first.

use crate::output::Report;

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{duration, percent};

pub(super) fn advice(report: &Report, document: &mut Document) {
    if report.advice.is_empty() {
        return;
    }
    document.heading("What to do");
    document.paragraph(Text::plain(
        "Each saving is an upper bound, not a promise. Together the bounds never exceed one step; time between decode \
         steps is counted apart.",
    ));
    if report.advice.len() > 1 {
        document.table(overview(report));
    }
    for item in &report.advice {
        document.subheading(item.title.clone());
        let saves = match item.saves_at_most_ns_per_step {
            0 => Text::plain(format!("Saves no time: {}.", item.bound)),
            ns => {
                let saved = format!("{} a step ({} of its time)", duration(ns), percent(item.share_of_itl));
                Text::plain("Saves at most ").and_strong(saved).and(format!(", if {}.", item.bound))
            }
        };
        let mut lines = vec![saves];
        if !item.overlaps.is_empty() {
            lines.push(Text::plain(format!("Claims some of the same time as: {}.", item.overlaps.join(", "))));
        }
        lines.extend(item.evidence.iter().map(|evidence| Text::plain(format!("Seen: {evidence}."))));
        if !item.kernels.is_empty() {
            let join = |text: Text, name: &String| {
                let text = if text.is_empty() { Text::plain("Kernels: ") } else { text.and(", ") };
                text.and_text(kernel(report, name))
            };
            lines.push(item.kernels.iter().fold(Text::default(), join).and("."));
        }
        lines.push(Text::plain("Do: ").and_text(prose(&item.action)));
        for other in &item.alternatives {
            let text = Text::plain(format!("Or ({}): ", other.id)).and_text(prose(&other.action));
            lines.push(text);
        }
        if !item.checked.is_empty() {
            let versions = item.checked.join(", ");
            lines.push(Text::plain(format!("Looked up in: {versions}. Unverified for other versions.")));
        }
        lines.push(Text::plain("Check: ").and_text(prose(&item.verify)));
        document.list(lines);
    }
}

/// A text of a rule: what stands between backticks is code.
fn prose(text: &str) -> Text {
    let piece = |all: Text, (at, piece): (usize, &str)| if at % 2 == 0 { all.and(piece) } else { all.and_code(piece) };
    text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty()).fold(Text::default(), piece)
}

/// All of it in a table, for those who read no further.
fn overview(report: &Report) -> Table {
    let mut table = Table::new([
        ("Rule", Align::Left),
        ("At most a step", Align::Right),
        ("Of its time", Align::Right),
        ("Overlaps", Align::Left),
    ]);
    for item in &report.advice {
        table.row([
            Cell::from(Text::code(item.id)),
            duration(item.saves_at_most_ns_per_step).into(),
            percent(item.share_of_itl).into(),
            if item.overlaps.is_empty() { "–".into() } else { item.overlaps.join(", ").into() },
        ]);
    }
    table
}
