//! The ranks side by side.

use crate::analyze::Report;
use crate::analyze::report::ScopeOf;

use super::super::document::{Align, Document, Table, Text};
use super::super::text::{Unit, duration, integer, percent};

pub(super) fn ranks(report: &Report, document: &mut Document) {
    let Some(skew) = &report.rank_skew else { return };
    document.heading("Ranks");
    let times = skew.per_rank.iter().flat_map(|row| [row.step_p50_ns, Some(per_step(row.gpu_time_ns, row.steps))]);
    let unit = Unit::for_largest(times.flatten().max().unwrap_or(0));
    let mut table = Table::new([
        ("Rank".to_owned(), Align::Right),
        ("Steps".to_owned(), Align::Right),
        (format!("Step p50 ({})", unit.name), Align::Right),
        (
            format!("GPU time{} ({})", if report.scope.of == ScopeOf::Trace { "" } else { "/step" }, unit.name),
            Align::Right,
        ),
        (format!("Waiting/step ({})", unit.name), Align::Right),
        (format!("Transfer/step ({})", unit.name), Align::Right),
    ]);
    for row in &skew.per_rank {
        let figure = |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), |ns| unit.figure(ns));
        table.row([
            row.rank.to_string().into(),
            integer(row.steps).into(),
            figure(row.step_p50_ns).into(),
            unit.figure(per_step(row.gpu_time_ns, row.steps)).into(),
            figure(row.wait_ns.map(|ns| per_step(ns, row.steps))).into(),
            figure(row.transfer_ns.map(|ns| per_step(ns, row.steps))).into(),
        ]);
    }
    document.table(table);
    let mut text = Text::default();
    if let Some(rank) = skew.slowest_rank {
        let why = if skew.collectives.is_some() { "the others wait for it" } else { "by its median step" };
        text = text.and(format!("The slowest rank is {rank}: {why}. "));
    }
    match &skew.collectives {
        Some(found) => {
            let total = found.wait_ns + found.transfer_ns;
            let share = if total == 0 { 0.0 } else { found.wait_ns as f64 / total as f64 };
            text = text.and(format!(
                "Of {} in {} collectives matched across the ranks, {} was waiting for the last rank to arrive",
                duration(total),
                integer(found.count),
                percent(share)
            ));
            if let Some(last) = found.last_arriver.first() {
                text = text.and(format!("; rank {} was last {} times", last.rank, integer(last.times)));
            }
            text = text.and(".");
        }
        None => text = text.and("No collectives could be matched across the ranks."),
    }
    document.paragraph(text);
}

fn per_step(ns: u64, steps: u64) -> u64 {
    ns / steps.max(1)
}
