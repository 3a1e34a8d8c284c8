//! From the base's step to the new one, part by part.

use crate::output::Comparison;
use crate::render::chart::{Chart, Kind};
use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::Unit;

use super::words::{figure, title};

pub(super) fn waterfall(comparison: &Comparison, document: &mut Document) {
    if comparison.waterfall.is_empty() {
        return;
    }
    document.heading("Where the step's change comes from");
    let step = &comparison.step;
    let changes: Vec<(String, i64)> = comparison
        .waterfall
        .iter()
        .filter(|row| row.delta_ns != 0)
        .map(|row| (title(comparison, row.name), row.delta_ns))
        .collect();
    if !changes.is_empty() {
        document.chart(Chart {
            title: "From the base's step to the new".to_owned(),
            note: "What each part adds to the median step or takes off it; the scale does not begin at zero".to_owned(),
            kind: Kind::Waterfall { base_ns: step.base_p50_ns as i64, new_ns: step.new_p50_ns as i64, changes },
        });
    }
    let unit = Unit::for_largest(step.base_p50_ns.max(step.new_p50_ns));
    let plain = |ns: i64| {
        if ns < 0 { format!("−{}", unit.figure(ns.unsigned_abs())) } else { unit.figure(ns.unsigned_abs()) }
    };
    let figure = |ns: i64| figure(unit, ns);
    let mut table = Table::new([
        ("On the critical path".to_owned(), Align::Left),
        (format!("Base ({})", unit.name), Align::Right),
        (format!("New ({})", unit.name), Align::Right),
        (format!("Change ({})", unit.name), Align::Right),
    ]);
    for row in comparison.waterfall.iter().filter(|row| row.base_ns != 0 || row.new_ns != 0) {
        table.row([
            title(comparison, row.name).into(),
            plain(row.base_ns).into(),
            plain(row.new_ns).into(),
            figure(row.delta_ns).into(),
        ]);
    }
    table.row([
        Text::default().and_strong("Step").into(),
        plain(step.base_p50_ns as i64).into(),
        plain(step.new_p50_ns as i64).into(),
        Text::default().and_strong(step.delta_ns.map_or_else(|| "–".to_owned(), figure)).into(),
    ]);
    document.table(table);
    document.paragraph(Text::plain(
        "What a typical step (the middle half of all) waits for, so the rows sum to the median step.",
    ));
}
