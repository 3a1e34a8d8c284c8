//! The kernels: the five largest, the longest dispatch, and in the appendix the rest with full names.

use crate::classify::Evidence;
use crate::output::Report;
use crate::output::time::UnknownKernel;

use super::kernel;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent};

/// Kernels in the appendix's table; the rest are summed up in a line.
const APPENDIX: usize = 25;
/// Unknown kernels that are named.
const UNKNOWN: usize = 10;

/// The names with the largest total, and the longest single dispatch.
pub(super) fn top(report: &Report, document: &mut Document) {
    if report.top.is_empty() {
        return;
    }
    document.heading(format!("Top {} kernels by total time", report.top.len()));
    let unit = Unit::for_largest(report.top.iter().map(|row| row.total_ns / row.count.max(1)).max().unwrap_or(0));
    let mut table = Table::new([
        ("#".to_owned(), Align::Right),
        ("Kernel".to_owned(), Align::Left),
        ("Category".to_owned(), Align::Left),
        ("Backend".to_owned(), Align::Left),
        ("Share".to_owned(), Align::Right),
        (String::new(), Align::Left),
        ("Count".to_owned(), Align::Right),
        (format!("Mean ({})", unit.name), Align::Right),
    ]);
    for (at, row) in report.top.iter().enumerate() {
        table.row([
            (at + 1).to_string().into(),
            kernel(report, &row.name).into(),
            report.title(row.category).into(),
            row.backend.clone().into(),
            percent(row.share).into(),
            Cell::Bar(row.share),
            integer(row.count).into(),
            unit.figure(row.total_ns / row.count.max(1)).into(),
        ]);
    }
    document.table(table);
    if let Some(most) = &report.most_expensive {
        let number = report.kernels.iter().position(|row| row.name == most.name);
        let number = number.map_or_else(String::new, |at| format!(" (number {} in the appendix)", at + 1));
        let step = most.step.map_or_else(String::new, |step| format!(", step {step}"));
        let rank = if report.ranks > 1 { format!(", rank {}", most.rank) } else { String::new() };
        document.paragraph(
            Text::plain("Most expensive single dispatch: ")
                .and_text(kernel(report, &most.name))
                .and(format!("{number}, {}{step}{rank}.", duration(most.ns))),
        );
    }
}

/// The kernels by total time, with their names in full below.
pub(super) fn appendix(report: &Report, document: &mut Document) {
    if report.kernels.is_empty() {
        return;
    }
    document.heading("Appendix: kernels");
    let shown = &report.kernels[..report.kernels.len().min(APPENDIX)];
    let unit = Unit::for_largest(shown.iter().map(|row| row.p50_ns).max().unwrap_or(0));
    let mut table = Table::new([
        ("#".to_owned(), Align::Right),
        ("Kernel".to_owned(), Align::Left),
        ("Category".to_owned(), Align::Left),
        ("Kind".to_owned(), Align::Left),
        ("Backend".to_owned(), Align::Left),
        ("Type".to_owned(), Align::Left),
        ("MFMA".to_owned(), Align::Left),
        ("Share".to_owned(), Align::Right),
        ("Count".to_owned(), Align::Right),
        (format!("p50 ({})", unit.name), Align::Right),
        (format!("max ({})", unit.name), Align::Right),
    ]);
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    for (at, row) in shown.iter().enumerate() {
        table.row([
            (at + 1).to_string().into(),
            kernel(report, &row.name).into(),
            report.title(row.category).into(),
            known(&row.sub).into(),
            row.backend.clone().into(),
            known(&row.dtype).into(),
            row.traits.mfma.map_or_else(|| "–".to_owned(), shape).into(),
            percent(row.share).into(),
            integer(row.count).into(),
            unit.figure(row.p50_ns).into(),
            unit.figure(row.max_ns).into(),
        ]);
    }
    document.table(table);
    let rest = &report.kernels[shown.len()..];
    if !rest.is_empty() {
        let share: f64 = rest.iter().map(|row| row.share).sum();
        document.paragraph(Text::plain(format!("{} more names have {} together.", rest.len(), percent(share))));
    }
    evidence(report, document);
    full_names(report, document);
    unknown(report, document);
}

/// What told what kernels do, where it was not their names alone.
fn evidence(report: &Report, document: &mut Document) {
    let mut shares: Vec<(Evidence, f64)> = Vec::new();
    for row in &report.kernels {
        match shares.iter_mut().find(|(evidence, _)| *evidence == row.purpose_by) {
            Some((_, share)) => *share += row.share,
            None => shares.push((row.purpose_by, row.share)),
        }
    }
    if shares.iter().all(|(evidence, _)| *evidence == Evidence::Name) {
        return;
    }
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let parts: Vec<String> =
        shares.iter().map(|(evidence, share)| format!("{} {}", evidence.title(), percent(*share))).collect();
    document.paragraph(Text::plain(format!("What told their purpose, by GPU time: {}.", parts.join(", "))));
}

/// Names that were shown shortened or demangled, as the producer wrote them.
fn full_names(report: &Report, document: &mut Document) {
    let as_written = |name: &str| matches!(&kernel(report, name).0[..], [crate::render::document::Piece::Code(shown)] if shown == name);
    let shown = report.kernels.iter().take(APPENDIX).enumerate();
    let mut names: Vec<Text> = shown
        .filter(|(_, row)| !as_written(&row.name))
        .map(|(at, row)| Text::plain(format!("{}: ", at + 1)).and_code(row.name.clone()))
        .collect();
    if let Some(most) = &report.most_expensive
        && !as_written(&most.name)
        && !report.kernels.iter().take(APPENDIX).any(|row| row.name == most.name)
    {
        let at = report.kernels.iter().position(|row| row.name == most.name).map_or(0, |at| at + 1);
        names.push(Text::plain(format!("{at}: ")).and_code(most.name.clone()));
    }
    if !names.is_empty() {
        document.subheading("Names in full");
        document.list(names);
    }
}

fn unknown(report: &Report, document: &mut Document) {
    let unknown = &report.unknown;
    if unknown.names.is_empty() {
        return;
    }
    document.subheading("Kernels of unknown purpose");
    document.paragraph(Text::plain(format!(
        "{} names with {} of the GPU time, counted as Other.",
        unknown.names.len(),
        percent(unknown.gpu_share)
    )));
    let row = |unknown: &UnknownKernel| {
        let text = kernel(report, &unknown.name).and(format!(
            ": {}, {} launches, backend {}",
            percent(unknown.gpu_share),
            unknown.count,
            unknown.backend
        ));
        let text = match &unknown.after {
            Some(name) => text.and(", after ").and_text(kernel(report, name)),
            None => text,
        };
        let text = match &unknown.before {
            Some(name) => text.and(", before ").and_text(kernel(report, name)),
            None => text,
        };
        unknown.sources.iter().fold(text, |text, source| text.and(", written in ").and_code(source.clone()))
    };
    document.list(unknown.kernels.iter().take(UNKNOWN).map(row).collect());
    let more = unknown.names.len().saturating_sub(UNKNOWN);
    if more > 0 {
        document.paragraph(Text::plain(format!("{more} more are in the JSON report.")));
    }
}

/// A matrix instruction's shape; K is 0 where the name leaves it out.
fn shape([m, n, k]: [u32; 3]) -> String {
    if k == 0 { format!("{m}x{n}") } else { format!("{m}x{n}x{k}") }
}
