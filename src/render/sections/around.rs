//! What stood around the run: the telling things in a table, the rest counted.

use crate::model::FactKind;
use crate::output::Report;
use crate::output::around::{FactRow, GpuTelemetry, Reading};
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{duration, percent, several, shorten};

/// Kinds of which there may be many: of these only so many are shown.
const MANY: [FactKind; 5] =
    [FactKind::TunedTable, FactKind::CodeObjects, FactKind::Argument, FactKind::Variable, FactKind::Package];
const SHOWN: usize = 6;
/// Characters of a value.
const WIDTH: usize = 80;

pub(super) fn around(report: &Report, document: &mut Document) {
    let Some(surroundings) = &report.surroundings else { return };
    document.heading("Surroundings");
    let mut table = Table::new([("What", Align::Left), ("Found", Align::Left)]);
    let mut more = Vec::new();
    for kind in FactKind::ALL {
        let rows: Vec<&FactRow> = surroundings.facts.iter().filter(|row| row.kind == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let shown = if MANY.contains(&kind) { SHOWN } else { usize::MAX };
        let text = rows.iter().take(shown).enumerate().fold(Text::default(), |text, (at, row)| {
            let text = if at == 0 { text } else { text.and("; ") };
            text.and(format!("{} ", row.name)).and_code(shorten(&row.values.join(" / "), WIDTH))
        });
        table.row([Cell::from(title(kind)), text.into()]);
        if let Some(left) = rows.len().checked_sub(shown).filter(|left| *left > 0) {
            more.push(several(left as u64, kind.title()));
        }
    }
    for gpu in &surroundings.telemetry {
        table.row([Cell::from(format!("Rank {} in the window", gpu.rank)), doing(gpu).into()]);
    }
    document.table(table);
    let mut text = String::new();
    if !more.is_empty() {
        text.push_str(&format!("Not shown, in the JSON report: {}. ", more.join(", ")));
    }
    if let Some(took_ns) = surroundings.took_ns {
        text.push_str(&format!("Looking around took {} of a thread of its own.", duration(took_ns)));
    }
    if surroundings.cut {
        text.push_str(" A bound cut the search short, so something may be missing.");
    }
    document.paragraph(Text::plain(text.trim().to_owned()));
}

fn title(kind: FactKind) -> String {
    let title = kind.title();
    title[..1].to_uppercase() + &title[1..]
}

/// What a GPU was doing, in a line.
fn doing(gpu: &GpuTelemetry) -> String {
    let range = |reading: &Option<Reading>, what: &str, unit: &str| {
        let reading = reading.as_ref()?;
        let spread = if reading.min == reading.max {
            reading.p50.to_string()
        } else {
            format!("{} ({} to {})", reading.p50, reading.min, reading.max)
        };
        Some(format!("{what} {spread} {unit}"))
    };
    let mut parts: Vec<String> = [
        range(&gpu.clock_mhz, "clock", "MHz"),
        range(&gpu.power_w, "power", "W"),
        range(&gpu.cap_w, "cap", "W"),
        range(&gpu.hotspot_c, "hotspot", "°C"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(share) = gpu.throttled_share.filter(|share| *share > 0.0) {
        parts.push(format!("throttled at {} of the looks", percent(share)));
    }
    if let (Some(slow), Some(other)) = (gpu.slow_steps_clock_mhz, gpu.other_steps_clock_mhz)
        && slow * 20 < other * 19
    {
        parts.push(format!("the slowest tenth of the steps ran at {slow} MHz, the others at {other} MHz"));
    }
    parts.join(", ")
}
