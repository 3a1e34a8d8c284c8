//! Kernels by their place in the model.

use crate::output::Report;
use crate::output::layers::{Layers, Section, SlotRow};

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent, shorten};

/// Slots with less of the GPU time are summed up in one row.
const SMALL: f64 = 0.001;

pub(super) fn layers(report: &Report, document: &mut Document) {
    let Some(layers) = &report.layers else { return };
    document.heading("Layers");
    document.paragraph(kinds(layers));
    let each = layers.steps.max(1);
    let unit = Unit::for_largest(layers.slots.iter().map(|row| row.gpu_time_ns / each).max().unwrap_or(0));
    let with_operators = layers.slots.iter().any(|row| row.op.is_some());
    let mut columns =
        vec![("Where".to_owned(), Align::Left), ("Role".to_owned(), Align::Left), ("Kernel".to_owned(), Align::Left)];
    let with_modules = layers.slots.iter().any(|row| row.module.is_some());
    columns.extend(with_modules.then(|| ("Module".to_owned(), Align::Left)));
    columns.extend(with_operators.then(|| ("Operator".to_owned(), Align::Left)));
    columns.extend([
        ("Layers".to_owned(), Align::Right),
        ("GPU time".to_owned(), Align::Right),
        (String::new(), Align::Left),
        (format!("GPU time/step ({})", unit.name), Align::Right),
        (format!("Critical/step ({})", unit.name), Align::Right),
        (format!("p50/step ({})", unit.name), Align::Right),
    ]);
    let mut table = Table::new(columns);
    let shown = |row: &&SlotRow| row.share >= SMALL;
    for row in layers.slots.iter().filter(shown) {
        let module =
            with_modules.then(|| row.module.clone().map_or_else(|| "–".into(), |name| Cell::from(Text::code(name))));
        let operator = with_operators.then(|| Cell::from(operator(row)));
        let cells = [
            section(row).into(),
            row.role.clone().into(),
            row.kernels.first().map(|name| kernel(report, name)).unwrap_or_default().into(),
        ];
        let figures = [
            if row.layers == 0 { "–".to_owned() } else { integer(row.layers) }.into(),
            percent(row.share).into(),
            Cell::Bar(row.share),
            unit.figure(row.gpu_time_ns / each).into(),
            unit.figure(row.critical_ns / each).into(),
            unit.figure(row.per_step_ns.p50).into(),
        ];
        table.row(cells.into_iter().chain(module).chain(operator).chain(figures));
    }
    document.table(table);
    let rest: Vec<&SlotRow> = layers.slots.iter().filter(|row| !shown(row)).collect();
    if !rest.is_empty() {
        let share: f64 = rest.iter().map(|row| row.share).sum();
        document.paragraph(Text::plain(format!("{} more places have {} together.", rest.len(), percent(share))));
    }
}

/// Characters of a shape in a table.
const SHAPE_WIDTH: usize = 48;

fn operator(row: &SlotRow) -> Text {
    let Some(op) = &row.op else { return Text::plain("–") };
    match &row.shape {
        Some(shape) => Text::code(op.clone()).and(" ").and(shorten(shape, SHAPE_WIDTH)),
        None => Text::code(op.clone()),
    }
}

fn section(row: &SlotRow) -> &'static str {
    match (row.section, row.slot) {
        (Section::Head, _) => "before the layers",
        (Section::Layer, Some(_)) => "layer",
        (Section::Layer, None) => "some layers, or beside",
        (Section::Tail, _) => "after the layers",
    }
}

fn kinds(layers: &Layers) -> Text {
    let kind = |kind: &crate::output::layers::LayerKind| {
        let which = if layers.kinds.len() == 1 { "all alike".to_owned() } else { ranges(&kind.layers) };
        format!(
            "{} × {} ({which}): {} kernels, {} of GPU time each",
            kind.layers.len(),
            kind.name,
            kind.kernels,
            duration(kind.gpu_time_ns)
        )
    };
    let kinds: Vec<String> = layers.kinds.iter().map(kind).collect();
    let mut text = format!("A step has {} layers. {}.", layers.count, kinds.join("; "));
    if layers.other_steps > 0 {
        text += &format!(
            " {} of {} steps on all ranks do not fold into as many layers and are not in this table.",
            integer(layers.other_steps),
            integer(layers.other_steps + layers.steps)
        );
    }
    if let Some(told) = layers.told {
        text += &format!(
            " Modules tell the layer of {} kernels; their order tells the same of {}.",
            integer(told.kernels),
            percent(told.agree as f64 / told.kernels.max(1) as f64)
        );
    }
    Text::plain(text)
}

/// `0–2, 7, 9`.
fn ranges(numbers: &[u32]) -> String {
    let run = |run: &[u32]| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}–{last}"),
        [] => String::new(),
    };
    numbers.chunk_by(|a, b| a + 1 == *b).map(run).collect::<Vec<_>>().join(", ")
}

/// All layers, one by one.
pub(super) fn appendix(report: &Report, document: &mut Document) {
    let Some(layers) = &report.layers else { return };
    document.heading("Appendix: layers");
    let each = layers.steps.max(1);
    let unit = Unit::for_largest(layers.per_layer.iter().map(|row| row.per_step_ns.p50).max().unwrap_or(0));
    let mut table = Table::new([
        ("Layer".to_owned(), Align::Right),
        ("Kind".to_owned(), Align::Left),
        ("GPU time".to_owned(), Align::Right),
        (format!("p50/step ({})", unit.name), Align::Right),
        (format!("p99/step ({})", unit.name), Align::Right),
        (format!("Critical/step ({})", unit.name), Align::Right),
    ]);
    for row in &layers.per_layer {
        table.row([
            row.layer.to_string().into(),
            row.kind.clone().into(),
            percent(row.share).into(),
            unit.figure(row.per_step_ns.p50).into(),
            unit.figure(row.per_step_ns.p99).into(),
            unit.figure(row.critical_ns / each).into(),
        ]);
    }
    document.table(table);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_layers_are_shown_by_their_ends() {
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10]), "0–2, 7, 9–10");
    }
}
