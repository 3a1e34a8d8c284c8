//! Which marker ranges a trace has.

use crate::output::Markers;
use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::{Unit, integer, several, shorten};

/// Rows of the table; JSON has all.
const ROWS: usize = 50;
/// Threads that a row names.
const THREADS: usize = 3;
/// Characters of a message.
const NAME_WIDTH: usize = 90;

/// Lays out `markers`.
pub(in crate::render) fn document(markers: &Markers) -> Document {
    let mut document = Document { title: "Marker ranges".to_owned(), blocks: Vec::new() };
    let steps = markers.markers.iter().filter(|row| row.label.is_some()).count();
    let what = match (markers.ranges, steps) {
        (0, _) => "There are no marker ranges in this trace.".to_owned(),
        (ranges, 0) => format!("{}, of which none names a step.", several(ranges, "range")),
        (ranges, _) => format!("{}; a # stands for a number.", several(ranges, "range")),
    };
    document.paragraph(Text::plain(what));
    let unit = Unit::for_largest(markers.markers.iter().map(|row| row.p50_ns).max().unwrap_or(0));
    let mut table = Table::new([
        ("Message".to_owned(), Align::Left),
        ("Count".to_owned(), Align::Right),
        ("Threads".to_owned(), Align::Left),
        (format!("p50 ({})", unit.name), Align::Right),
        ("Step".to_owned(), Align::Left),
    ]);
    for row in markers.markers.iter().take(ROWS) {
        let mut threads: Vec<String> = row.threads.iter().take(THREADS).map(u64::to_string).collect();
        let more = row.threads.len().saturating_sub(THREADS);
        threads.extend((more > 0).then(|| format!("{more} more")));
        let step = row
            .label
            .map_or_else(|| "–".to_owned(), |label| format!("{label}, {}", row.phase.map_or("", |phase| phase.name())));
        table.row([
            Text::code(shorten(&row.name, NAME_WIDTH)).into(),
            integer(row.count).into(),
            threads.join(", ").into(),
            unit.figure(row.p50_ns).into(),
            step.into(),
        ]);
    }
    document.table(table);
    if let more @ 1.. = markers.markers.len().saturating_sub(ROWS) {
        document.paragraph(Text::plain(format!("And {more} more; --format json lists all.")));
    }
    document
}
