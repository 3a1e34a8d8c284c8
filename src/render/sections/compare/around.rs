//! What is another around the runs.

use crate::output::Comparison;
use crate::output::around::{FactChange, TableRowChange};
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{several, shorten};

use super::words::{sentence, signed};

/// Rows that are shown of what differs, and of a table.
const SHOWN: usize = 20;
const ROWS: usize = 8;
/// Things that the summary names.
const NAMED: usize = 2;
/// Characters of a value.
const WIDTH: usize = 60;

/// What differs, in a line.
pub(super) fn line(comparison: &Comparison) -> Option<Text> {
    let surroundings = comparison.surroundings.as_ref()?;
    let first = surroundings.differ.iter().take(NAMED);
    let named: Vec<String> = first.map(|fact| format!("{}{}", named(comparison, fact), explains(fact))).collect();
    if named.is_empty() {
        return None;
    }
    let more = match surroundings.differ.len() - named.len() {
        0 => String::new(),
        more => format!("; and {}", several(more as u64, "more thing")),
    };
    Some(Text::plain(format!("Around the runs differ: {}{more}.", named.join("; "))))
}

/// A thing, with the shapes of a table that kernels ran with.
fn named(comparison: &Comparison, fact: &FactChange) -> String {
    let tables = comparison.surroundings.iter().flat_map(|all| &all.tables);
    let rows = tables.filter(|table| table.name == fact.name).flat_map(|table| &table.rows);
    let ran: Vec<String> = rows.filter(|row| !row.kernels.is_empty()).take(3).map(shape).collect();
    if ran.is_empty() {
        return format!("{} {} {} → {}", fact.kind.title(), fact.name, values(&fact.base), values(&fact.new));
    }
    format!("{} {} ({})", fact.kind.title(), fact.name, ran.join("; "))
}

fn explains(fact: &FactChange) -> String {
    match fact.delta_ns_per_step {
        Some(ns) => {
            format!(", whose {} changed by {} a step", several(fact.kernels.len() as u64, "kernel"), signed(ns))
        }
        None => String::new(),
    }
}

fn shape(row: &TableRowChange) -> String {
    let [m, n, k] = row.shape;
    format!("M={m} N={n} K={k}")
}

fn values(values: &[String]) -> String {
    if values.is_empty() { "none".to_owned() } else { shorten(&values.join(" / "), WIDTH) }
}

/// The tables of what differs.
pub(super) fn around(comparison: &Comparison, document: &mut Document) {
    let Some(surroundings) = &comparison.surroundings else { return };
    if surroundings.differ.is_empty() && surroundings.equal < 2 {
        return;
    }
    document.heading("Around the runs");
    let mut table = Table::new([
        ("What", Align::Left),
        ("Name", Align::Left),
        ("Base", Align::Left),
        ("New", Align::Left),
        ("Its kernels changed by", Align::Right),
    ]);
    for fact in surroundings.differ.iter().take(SHOWN) {
        table.row([
            Cell::from(sentence(fact.kind.title())),
            Text::code(fact.name.clone()).into(),
            values(&fact.base).into(),
            values(&fact.new).into(),
            fact.delta_ns_per_step.map_or_else(|| "–".to_owned(), signed).into(),
        ]);
    }
    document.table(table);
    let more = match surroundings.differ.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("{more} more differ and are in the JSON. "),
    };
    let equal = several(surroundings.equal, "thing");
    let verb = if surroundings.equal == 1 { "is" } else { "are" };
    document.paragraph(Text::plain(format!("{more}{equal} around the runs {verb} equal.")));
    for table in surroundings.tables.iter().filter(|table| !table.rows.is_empty()) {
        rows(comparison, &table.name, &table.rows, table.rows_differ, document);
    }
}

/// The rows of a tuned table that differ.
fn rows(comparison: &Comparison, name: &str, rows: &[TableRowChange], differ: u64, document: &mut Document) {
    document.subheading(format!("Rows of {name} that differ"));
    let mut table = Table::new([
        ("Shape", Align::Left),
        ("Base's winner", Align::Left),
        ("New's winner", Align::Left),
        ("Kernels that ran", Align::Left),
        ("Changed by", Align::Right),
    ]);
    for row in rows.iter().take(ROWS) {
        let winner = |kernel: &Option<String>| {
            kernel.as_ref().map_or_else(|| Text::plain("no row"), |kernel| Text::code(shorten(kernel, WIDTH)))
        };
        let ran = row.kernels.first().and_then(|&at| comparison.kernels.get(at as usize));
        let ran = ran.and_then(|kernel| kernel.new.first().or(kernel.base.first()));
        table.row([
            Cell::from(shape(row)),
            winner(&row.base_kernel).into(),
            winner(&row.new_kernel).into(),
            ran.map_or_else(|| Text::plain("–"), |name| Text::code(shorten(name, WIDTH))).into(),
            row.delta_ns_per_step.map_or_else(|| "–".to_owned(), signed).into(),
        ]);
    }
    document.table(table);
    if let more @ 1.. = differ.saturating_sub(ROWS as u64) {
        document.paragraph(Text::plain(format!("And {}.", several(more, "more row"))));
    }
}
