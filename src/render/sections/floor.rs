//! How far the steps are from what the memory allows, and what of them is computed for nothing.

use crate::output::Report;
use crate::output::floor::Floor;
use crate::output::steps::DiscardedWork;

use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent, several};

pub(super) fn floor(report: &Report, document: &mut Document) {
    if let Some(floor) = &report.floor {
        distance(floor, document);
    }
    if let Some(discarded) = &report.discarded {
        for_nothing(discarded, document);
    }
}

fn distance(floor: &Floor, document: &mut Document) {
    document.heading("Decode floor");
    let context =
        floor.context.map_or(String::new(), |context| format!(", {} tokens of context each", integer(context.into())));
    document.paragraph(
        Text::plain("A step takes ")
            .and_strong(format!("{:.1} times the least possible", floor.times_floor))
            .and(format!(
                ": {} against {}, the time in which the HBM of one {} can bring the {} of weights and KV cache that a step \
                 of {} reads ({} at TP = {}{context}; {} GB/s, {}).",
                duration(floor.measured_ns_per_step),
                duration(floor.floor_ns_per_step),
                floor.gpu,
                bytes(floor.bytes_per_step),
                several(floor.batch.into(), "request"),
                floor.model,
                floor.tensor_parallel,
                floor.hbm_bytes_per_ns,
                floor.source,
            )),
    );
    let unit = Unit::for_largest(floor.categories.iter().map(|row| row.gpu_ns_per_step).max().unwrap_or(0));
    let columns = [
        "Bytes/step".to_owned(),
        format!("Floor ({})", unit.name),
        format!("Measured ({})", unit.name),
        "Times".into(),
    ];
    let mut table = Table::new(
        [("Category".to_owned(), Align::Left)].into_iter().chain(columns.map(|title| (title, Align::Right))),
    );
    for row in &floor.categories {
        table.row([
            row.name.title().into(),
            bytes(row.bytes_per_step).into(),
            unit.figure(row.floor_ns_per_step).into(),
            unit.figure(row.gpu_ns_per_step).into(),
            format!("{:.1}", row.times_floor).into(),
        ]);
    }
    document.table(table);
    let parts: Vec<String> =
        floor.parts.iter().map(|part| format!("{} {}", part.name, bytes(part.bytes_per_step))).collect();
    document.paragraph(Text::plain(format!("What is read: {}.", parts.join(", "))));
    document.list(floor.assumptions.iter().map(|said| Text::plain(format!("Assumed: {said}."))).collect());
}

fn for_nothing(discarded: &DiscardedWork, document: &mut Document) {
    document.heading("Computed for nothing");
    let mut lines = Vec::new();
    if let Some(share) = discarded.empty_share {
        let buckets: Vec<String> = discarded
            .padding
            .iter()
            .map(|row| {
                let steps = several(row.steps, "step");
                format!("{} in graphs for {} ({steps})", percent(row.empty_share), row.graph_size)
            })
            .collect();
        let by_bucket = if buckets.len() > 1 { format!(": {}", buckets.join(", ")) } else { String::new() };
        lines.push(Text::plain(format!("Padding: {} of the places in graphs are empty{by_bucket}.", percent(share))));
    }
    if discarded.dummy_steps > 0 {
        lines.push(Text::plain(format!(
            "Empty steps: {}, {} of all; {} for each decode step.",
            integer(discarded.dummy_steps),
            percent(discarded.dummy_share),
            duration(discarded.dummy_ns_per_step)
        )));
    }
    if discarded.draft_steps > 0 {
        lines.push(Text::plain(format!(
            "Drafts: {} for each decode step, {} of its time.",
            duration(discarded.draft_ns_per_step),
            percent(discarded.draft_share)
        )));
    }
    if let Some(tokens) = discarded.tokens_per_request {
        lines.push(Text::plain(format!(
            "A decode step computes {tokens:.2} tokens a request; how many of them are accepted, the trace does not tell."
        )));
    }
    document.list(lines);
}

/// An amount of memory in prose, e.g. `17.4 GB`.
fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
