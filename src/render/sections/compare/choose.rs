//! Which rows explain a change: those that a reader is shown. All of them are in the JSON.

use std::cmp::Reverse;

use crate::output::comparison::{Flag, KernelChange, WaterfallRow};

/// Kernels in the table; those that are flagged are there in any case.
const KERNELS: usize = 25;
/// Kernels in the table at most, unless flagged: as many as explain the change.
const KERNELS_AT_MOST: usize = 60;

/// How much of `whole` explains it: what is left of it is small change.
fn explain(whole: u64) -> u64 {
    whole - whole / 20
}

/// What `rows` changed by, up or down.
pub(super) fn moved<'r>(rows: impl IntoIterator<Item = &'r KernelChange>) -> u64 {
    rows.into_iter().map(size).sum()
}

fn size(row: &KernelChange) -> u64 {
    row.change.delta_ns.map_or(0, i64::unsigned_abs)
}

/// How many of `deltas`, which come in the order in which they are shown, explain their sum.
fn explaining(deltas: impl Iterator<Item = u64> + Clone) -> usize {
    let whole = explain(deltas.clone().sum());
    let mut explained = 0;
    let needed = deltas.take_while(|delta| {
        let goes_on = explained < whole;
        explained += delta;
        goes_on
    });
    needed.count()
}

/// The kernels of the table: as many as explain the change, and those that are flagged.
pub(super) fn kernels(rows: &[KernelChange]) -> Vec<&KernelChange> {
    let many = explaining(rows.iter().map(size)).clamp(KERNELS, KERNELS_AT_MOST);
    let is_shown = |(at, row): &(usize, &KernelChange)| *at < many || row.change.flag != Flag::Same;
    rows.iter().enumerate().filter(is_shown).map(|(_, row)| row).collect()
}

/// The parts of a step that explain its change, the largest first.
pub(super) fn parts(rows: &[WaterfallRow]) -> Vec<&WaterfallRow> {
    let mut rows: Vec<&WaterfallRow> = rows.iter().filter(|row| row.delta_ns != 0).collect();
    rows.sort_by_key(|row| Reverse(row.delta_ns.unsigned_abs()));
    rows.truncate(explaining(rows.iter().map(|row| row.delta_ns.unsigned_abs())));
    rows
}
