//! What is worth tuning: products and other work of known shape, by the time that they could save at most.

use crate::output::Report;
use crate::output::roofline::{Bound, Roofline, WorkRow};

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{duration, percent, shorten};

/// Rows that are shown; all are in the JSON.
const SHOWN: usize = 12;
/// Of the wall time, or else of the GPU time: what could save less is not shown.
const SMALL: f64 = 0.001;
/// Characters of a shape.
const SHAPE_WIDTH: usize = 48;

pub(super) fn tune(report: &Report, document: &mut Document) {
    let Some(roofline) = &report.roofline else { return };
    document.heading("What to tune");
    document.paragraph(Text::plain(intro(roofline)));
    let worth = |row: &&WorkRow| {
        let share = row.share_of_peak.map_or(0.0, |of_peak| row.share * (1.0 - of_peak));
        row.could_save_share.unwrap_or(share) >= SMALL
    };
    let rows: Vec<&WorkRow> = roofline.rows.iter().filter(worth).take(SHOWN).collect();
    if rows.is_empty() {
        return;
    }
    let with_tables = rows.iter().any(|row| row.tuned.is_some());
    let mut columns = vec![
        ("Role".to_owned(), Align::Left),
        ("Shape".to_owned(), Align::Left),
        ("Kernel".to_owned(), Align::Left),
        ("GPU time".to_owned(), Align::Right),
        ("A call".to_owned(), Align::Right),
        ("TB/s".to_owned(), Align::Right),
        ("TFLOP/s".to_owned(), Align::Right),
        ("Of peak".to_owned(), Align::Right),
    ];
    columns.extend(with_tables.then(|| ("Tuned table".to_owned(), Align::Left)));
    columns.push(("Saves at most".to_owned(), Align::Right));
    let mut table = Table::new(columns);
    for row in rows {
        let of_peak = match (row.share_of_peak, row.bound) {
            (Some(share), Some(Bound::Compute)) => format!("{} of compute", percent(share)),
            (Some(share), _) => percent(share),
            (None, _) => "–".to_owned(),
        };
        let saving = row.could_save_share.map_or_else(|| row.could_save_ns.map(duration), |share| Some(percent(share)));
        let cells: [Cell; 8] = [
            row.role.clone().or_else(|| row.module.clone()).unwrap_or_else(|| row.op.clone()).into(),
            shape(row).into(),
            row.kernels.first().map(|name| kernel(report, name)).unwrap_or_default().into(),
            percent(row.share).into(),
            duration(row.gpu_time_ns / row.calls.max(1)).into(),
            figure(row.tb_per_s).into(),
            figure(row.tflop_per_s).into(),
            of_peak.into(),
        ];
        let tuned = with_tables.then(|| Cell::from(row.tuned.map_or("–", |verdict| verdict.title())));
        table.row(cells.into_iter().chain(tuned).chain([saving.unwrap_or_else(|| "–".to_owned()).into()]));
    }
    document.table(table);
}

fn intro(roofline: &Roofline) -> String {
    let known = format!("Bytes are known of {} of the GPU time.", percent(roofline.known_share));
    let Some((gpu, hbm)) = roofline.gpu.zip(roofline.hbm_bytes_per_ns) else {
        return format!("{known} The GPU is not known, so there is no peak to compare with.");
    };
    let assumed = if roofline.gpu_assumed { ", taken by its architecture" } else { "" };
    let part = match roofline.partition {
        part if part < 1.0 => format!(", {} of it", percent(part)),
        _ => String::new(),
    };
    format!(
        "{known} The peak is that of the {gpu}{assumed}{part}: {:.2} TB/s of HBM, and the rate of its matrix cores. What a row \
         saves at most is its time beyond that peak, of the wall time where it is on the critical path; no kernel reaches it.",
        hbm / 1000.0
    )
}

fn shape(row: &WorkRow) -> String {
    match (row.product, &row.arguments) {
        // What M has beyond the rows asked for is padding.
        (Some(product), _) => match row.asked_rows.filter(|asked| *asked + 0.5 < f64::from(product.m)) {
            Some(asked) => format!("{product} ({asked:.0} rows asked)"),
            None => product.to_string(),
        },
        (None, Some(arguments)) => shorten(arguments, SHAPE_WIDTH),
        (None, None) => "–".to_owned(),
    }
}

/// Three significant digits.
fn figure(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) if value >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}
