//! The products of the steps against aiter's tuned tables.

use crate::output::Report;

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{duration, integer, percent, several};

/// Kernels that are shown; all are in the JSON.
const SHOWN: usize = 12;

pub(super) fn tuned(report: &Report, document: &mut Document) {
    let Some(tuned) = &report.tuned else { return };
    document.heading("aiter's tuned tables");
    let batches: Vec<String> = tuned.batches.iter().map(u32::to_string).collect();
    let at = if batches.is_empty() { "any batch".to_owned() } else { format!("batch {}", batches.join(", ")) };
    let shares: Vec<String> =
        tuned.shares.iter().map(|row| format!("{} {}", percent(row.share), row.verdict.title())).collect();
    document.paragraph(Text::plain(format!(
        "Of the time of GEMMs and expert GEMMs: {}. Compared with {} of this GPU in {}: by shape and kernel where the trace \
         tells the shape; else by the kernel's name at {at}, and then it is slow only if it is slower than in every shape \
         that it won.",
        shares.join(", "),
        several(tuned.rows, "row"),
        several(tuned.files, "table"),
    )));
    let untuned = tuned.untuned.iter().take(SHOWN).map(|row| {
        let part = row.critical_share.map_or_else(String::new, |part| format!(" ({} of the wall time)", percent(part)));
        let nearest = row.nearest.map_or_else(String::new, |[m, n, k]| format!(", nearest row M={m} N={n} K={k}"));
        format!("{}{part}{nearest}", row.shape)
    });
    let untuned: Vec<String> = untuned.collect();
    if !untuned.is_empty() {
        document.paragraph(Text::plain("Untuned shapes: ").and(untuned.join("; ")).and("."));
    }
    let mut table = Table::new([
        ("Kernel", Align::Left),
        ("Shape", Align::Left),
        ("Share", Align::Right),
        ("Measured p50", Align::Right),
        ("In the tables", Align::Right),
        ("Verdict", Align::Left),
    ]);
    for row in tuned.kernels.iter().take(SHOWN) {
        let range = row.tuned_ns.map_or("–".to_owned(), |[least, most]| match least == most {
            true => duration(least),
            false => format!("{} to {}", duration(least), duration(most)),
        });
        table.row([
            Cell::from(kernel(report, &row.name)),
            row.shape.map_or_else(|| "–".to_owned(), |shape| shape.to_string()).into(),
            percent(row.share).into(),
            duration(row.p50_ns).into(),
            range.into(),
            row.verdict.title().into(),
        ]);
    }
    document.table(table);
    if let Some(more) = tuned.kernels.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        document.paragraph(Text::plain(format!("{} more are in the JSON report.", integer(more as u64))));
    }
}
