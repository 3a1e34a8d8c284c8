//! Tables whose rows are changes of time a step: their common columns, and all but the kernels'.

use crate::output::Comparison;
use crate::output::comparison::{Change, Flag};
use crate::render::document::{Align, Cell, Document, Table, Text, Tone};
use crate::render::text::{Unit, duration, integer, percent};

use super::words::{figure, signed_percent};

/// Columns of every table of changes, after those that say what changed.
fn columns(unit: Unit) -> Vec<(String, Align)> {
    vec![
        (format!("Base ({}/step)", unit.name), Align::Right),
        (format!("New ({}/step)", unit.name), Align::Right),
        (format!("Change ({})", unit.name), Align::Right),
        ("Change".to_owned(), Align::Right),
        (format!("95 % interval ({})", unit.name), Align::Right),
        ("Verdict".to_owned(), Align::Left),
    ]
}

fn cells(change: &Change, unit: Unit, threshold: f64) -> Vec<Cell> {
    let none = || "–".to_owned();
    let figure = |ns: i64| figure(unit, ns);
    let verdict = match change.flag {
        Flag::Regressed => Text::default().and_verdict(Tone::Worse, "▲ regressed"),
        Flag::Improved => Text::default().and_verdict(Tone::Better, "▼ improved"),
        Flag::Same if change.delta_ns.is_none() => Text::plain("not compared"),
        Flag::Same if change.delta_ns == Some(0) => Text::plain("same"),
        Flag::Same if change.interval.is_none() && change.delta_share.is_none_or(|share| share.abs() > threshold) => {
            Text::plain("over the threshold, unproven")
        }
        Flag::Same if change.interval.is_none() => Text::plain("unproven"),
        Flag::Same if change.real => Text::plain("real, small"),
        Flag::Same => Text::plain("noise"),
    };
    vec![
        unit.figure(change.base_ns_per_step).into(),
        unit.figure(change.new_ns_per_step).into(),
        change.delta_ns.map_or_else(none, figure).into(),
        change.delta_share.map_or_else(none, signed_percent).into(),
        change.interval.map_or_else(none, |[low, high]| format!("{} … {}", figure(low), figure(high))).into(),
        verdict.into(),
    ]
}

/// A table of changes.
pub(super) fn changes<'c>(
    document: &mut Document,
    comparison: &Comparison,
    what: &[(&str, Align)],
    rows: impl Iterator<Item = (Vec<Cell>, &'c Change)>,
) {
    let rows: Vec<(Vec<Cell>, &Change)> = rows.collect();
    let largest = rows.iter().map(|(_, change)| change.base_ns_per_step.max(change.new_ns_per_step)).max();
    let unit = Unit::for_largest(largest.unwrap_or(0));
    let what = what.iter().map(|(title, align)| ((*title).to_owned(), *align));
    let mut table = Table::new(what.chain(columns(unit)));
    for (mut row, change) in rows {
        row.extend(cells(change, unit, comparison.threshold));
        table.row(row);
    }
    document.table(table);
}

pub(super) fn categories(comparison: &Comparison, document: &mut Document) {
    document.heading("Categories");
    let rows = comparison.categories.iter().map(|row| (row.title.to_owned(), &row.change));
    let rows = rows
        .chain([("Idle".to_owned(), &comparison.idle)])
        .chain(comparison.wait.iter().map(|wait| ("Waiting for peers".to_owned(), wait)))
        .filter(|(_, change)| change.base_ns_per_step > 0 || change.new_ns_per_step > 0)
        .map(|(name, change)| (vec![name.into()], change));
    changes(document, comparison, &[("Category", Align::Left)], rows);
    let per_rank = if comparison.new.ranks > 1 {
        ", mean of the ranks, without the time that ranks wait for one another"
    } else {
        ""
    };
    document.paragraph(Text::plain(format!(
        "GPU time of a step by category{per_rank}; idle is wall time in which none of its kernels ran. Flagged is what \
         changed by more than {} and {} a step, and by more than noise explains.",
        percent(comparison.threshold),
        duration(comparison.min_impact_ns)
    )));
    let grown = comparison.categories.iter().filter_map(|row| Some((row.title, row.change.growth?)));
    let grown: Vec<String> = grown.map(|(name, growth)| format!("{name} {}", signed_percent(growth))).collect();
    if !grown.is_empty() {
        document.paragraph(Text::plain(format!(
            "Over the steps that both sides ran, both grow alike: {}. That is taken off, and the figures are those at the \
             middle.",
            grown.join(", ")
        )));
    }
}

pub(super) fn batches(comparison: &Comparison, document: &mut Document) {
    if comparison.mix.is_none()
        || comparison.batches.len() < 2 && comparison.batches.iter().all(|row| row.change.flag == Flag::Same)
    {
        return;
    }
    document.heading("By batch");
    let size = |size: Option<u32>| size.map_or_else(|| "–".to_owned(), |size| size.to_string());
    let rows = comparison.batches.iter().map(|row| {
        let steps = format!("{} / {}", integer(row.base_steps), integer(row.new_steps));
        (vec![size(row.size).into(), size(row.graph_size).into(), steps.into()], &row.change)
    });
    let what = [("Batch", Align::Right), ("Graph", Align::Right), ("Steps", Align::Right)];
    changes(document, comparison, &what, rows);
}

pub(super) fn phases(comparison: &Comparison, document: &mut Document) {
    if comparison.phases.is_empty() {
        return;
    }
    document.heading("By phase");
    let rows = comparison.phases.iter().map(|row| {
        let steps = format!("{} / {}", integer(row.base_steps), integer(row.new_steps));
        let shares = format!("{} / {}", percent(row.base_share), percent(row.new_share));
        (vec![row.phase.clone().into(), steps.into(), shares.into()], &row.change)
    });
    let what = [("Phase", Align::Left), ("Steps", Align::Right), ("Of all steps", Align::Right)];
    changes(document, comparison, &what, rows);
    document.paragraph(Text::plain(
        "From a step's first kernel to its last. Decode steps alone are in all other tables and decide the verdict; the \
         other phases compete with them for the GPU.",
    ));
}

pub(super) fn ranks(comparison: &Comparison, document: &mut Document) {
    if comparison.ranks.is_empty() {
        return;
    }
    document.heading("By rank");
    let rows = comparison.ranks.iter().map(|row| (vec![row.rank.to_string().into()], &row.change));
    changes(document, comparison, &[("Rank", Align::Right)], rows);
    document.paragraph(Text::plain("Each rank's own work: GPU time without waiting for the others."));
}

pub(super) fn backends(comparison: &Comparison, document: &mut Document) {
    let shifted: Vec<_> =
        comparison.backends.iter().filter(|row| (row.base_share - row.new_share).abs() >= 0.01).collect();
    if shifted.is_empty() {
        return;
    }
    document.heading("Backends that shifted");
    let unit =
        Unit::for_largest(shifted.iter().map(|row| row.base_ns_per_step.max(row.new_ns_per_step)).max().unwrap_or(0));
    let mut table = Table::new([
        ("Category".to_owned(), Align::Left),
        ("Backend".to_owned(), Align::Left),
        ("Base".to_owned(), Align::Right),
        ("New".to_owned(), Align::Right),
        (format!("Base ({}/step)", unit.name), Align::Right),
        (format!("New ({}/step)", unit.name), Align::Right),
    ]);
    for row in shifted {
        table.row([
            comparison.title(row.category).into(),
            row.backend.clone().into(),
            percent(row.base_share).into(),
            percent(row.new_share).into(),
            unit.figure(row.base_ns_per_step).into(),
            unit.figure(row.new_ns_per_step).into(),
        ]);
    }
    document.table(table);
    document.paragraph(Text::plain("Shares of the category's GPU time; mean time of a step on one rank."));
}
