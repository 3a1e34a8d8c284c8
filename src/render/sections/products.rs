//! The shapes of matrix products, where the trace tells them.

use crate::output::Report;

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, integer, percent};

/// Shapes that are shown; all are in the JSON.
const SHOWN: usize = 10;

pub(super) fn products(report: &Report, document: &mut Document) {
    let Some(products) = &report.products else { return };
    document.heading("GEMM shapes");
    document.paragraph(Text::plain(format!(
        "Known of {} of the GPU time of GEMM kernels: those whose operator noted the shapes of its inputs. M is the number \
         of rows, in decode that of tokens. Count and median are of the kernel that takes most.",
        percent(products.share_of_gemm)
    )));
    let shown = &products.shapes[..products.shapes.len().min(SHOWN)];
    let unit = Unit::for_largest(shown.iter().flat_map(|row| &row.kernels).map(|row| row.p50_ns).max().unwrap_or(0));
    let with_steps = products.shapes.iter().any(|row| row.critical_share.is_some());
    let mut columns = vec![("Shape".to_owned(), Align::Left), ("Share".to_owned(), Align::Right)];
    columns.extend(with_steps.then(|| ("Of wall time".to_owned(), Align::Right)));
    columns.extend([
        ("Count".to_owned(), Align::Right),
        (format!("p50 ({})", unit.name), Align::Right),
        ("Kernel".to_owned(), Align::Left),
    ]);
    let mut table = Table::new(columns);
    for row in shown {
        let Some(first) = row.kernels.first() else { continue };
        let name = match row.kernels.len() - 1 {
            0 => kernel(report, &first.name),
            more => kernel(report, &first.name).and(format!(" and {more} more")),
        };
        let held = with_steps.then(|| Cell::from(row.critical_share.map_or_else(|| "–".to_owned(), percent)));
        let cells = [row.shape.to_string().into(), percent(row.share).into()];
        let figures = [integer(first.count).into(), unit.figure(first.p50_ns).into(), name.into()];
        table.row(cells.into_iter().chain(held).chain(figures));
    }
    document.table(table);
    if let Some(more) = products.shapes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let rest: f64 = products.shapes[SHOWN..].iter().map(|row| row.share).sum();
        let text = format!("{} more with {} together are in the JSON report.", integer(more as u64), percent(rest));
        document.paragraph(Text::plain(text));
    }
}
