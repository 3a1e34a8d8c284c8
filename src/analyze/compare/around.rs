//! What is another around the two sides, and which of the kernels that changed it may explain.
//!
//! ```text
//!   facts of both ─ equal: counted ─┬─ a tuned table: its rows ──── shape, or kernel's name ─┐
//!                                   └─ a package: its kernels ───── file, or backend ────────┴─ ms a step
//! ```
//!
//! That a kernel changed and that its package did is no proof that the one came of the other; it is where to look first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::around::{packages, rows};
use crate::analyze::compare::side::Side;
use crate::analyze::gemm::tables::key;
use crate::model::{Around, Fact, FactKind, TunedTable};
use crate::output::around::{FactChange, FactRow, PackageChange, SurroundingsChange, TableChange, TableRowChange};
use crate::output::comparison::{Flag, KernelChange};

/// Rows of a table that are listed.
const ROWS: usize = 200;

/// Says in the rows of `kernels` whose package is another; what differs. `None` where a side tells nothing.
pub(super) fn around(base: &Side, new: &Side, kernels: &mut [KernelChange]) -> Option<SurroundingsChange> {
    let (was, is) = (&base.facts.around, &new.facts.around);
    if was.is_empty() || is.is_empty() {
        return None;
    }
    for row in &mut *kernels {
        row.package = package(row, base, new);
    }
    let tables = tables(was, is, kernels);
    let (mut differ, equal) = differing(was, is);
    for fact in &mut differ {
        let of_rows = tables.iter().filter(|table| fact.kind == FactKind::TunedTable && table.name == fact.name);
        let mut of: Vec<u64> =
            of_rows.flat_map(|table| &table.rows).flat_map(|row| row.kernels.iter().copied()).collect();
        if matches!(fact.kind, FactKind::KernelPackage | FactKind::Engine | FactKind::Commit | FactKind::Rocm) {
            let is_of = |row: &KernelChange| row.package.as_ref().is_some_and(|package| package.name == fact.name);
            of.extend((0..).zip(&*kernels).filter(|(_, row)| changed(row) && is_of(row)).map(|(at, _)| at));
        }
        if let (FactKind::Logged, Some(shape)) = (fact.kind, product(&fact.name)) {
            of.extend(joined(shape, &[], &[], kernels).0);
        }
        of.sort_unstable();
        of.dedup();
        fact.delta_ns_per_step = delta(&of, kernels);
        fact.kernels = of;
    }
    differ.sort_by_key(|fact| (Reverse(fact.delta_ns_per_step.map(i64::unsigned_abs)), fact.kind));
    Some(SurroundingsChange { differ, equal, tables })
}

/// Whether a kernel changed by more than noise.
fn changed(row: &KernelChange) -> bool {
    row.change.flag != Flag::Same
}

fn delta(rows: &[u64], kernels: &[KernelChange]) -> Option<i64> {
    let deltas: Vec<i64> = rows.iter().filter_map(|&at| kernels.get(at as usize)?.change.delta_ns).collect();
    (!deltas.is_empty()).then(|| deltas.iter().sum())
}

/// Facts that differ, and how many do not.
fn differing(was: &Around, is: &Around) -> (Vec<FactChange>, u64) {
    let mut facts: BTreeMap<(FactKind, String), [Vec<String>; 2]> = BTreeMap::new();
    for (nth, side) in [was, is].into_iter().enumerate() {
        for FactRow { kind, name, values } in rows(side) {
            facts.entry((kind, name)).or_default()[nth] = values;
        }
    }
    let all = facts.len();
    let change = |((kind, name), [base, new]): ((FactKind, String), [Vec<String>; 2])| {
        (base != new).then(|| FactChange { kind, name, base, new, kernels: Vec::new(), delta_ns_per_step: None })
    };
    let differ: Vec<FactChange> = facts.into_iter().filter_map(change).collect();
    let equal = (all - differ.len()) as u64;
    (differ, equal)
}

/// The package of a row's kernels, if it is another on the two sides.
fn package(row: &KernelChange, base: &Side, new: &Side) -> Option<PackageChange> {
    let name = row.new.first().or(row.base.first())?;
    let known = |side: &Side| side.kernels.iter().find(|kernel| kernel.name == *name).map(|kernel| kernel.path.clone());
    let path = known(new).or_else(|| known(base)).flatten();
    let backend = row.new_backend.as_deref().or(row.base_backend.as_deref())?;
    let (names, known_by) = packages::of(path.as_deref(), backend)?;
    let versions = |side: &Side, name: &str| -> Vec<String> {
        let is_it = |fact: &&Fact| {
            let kinds = [FactKind::KernelPackage, FactKind::Engine, FactKind::Commit, FactKind::Rocm];
            kinds.contains(&fact.kind) && fact.name == name
        };
        side.facts.around.facts.iter().filter(is_it).map(|fact| fact.value.clone()).collect()
    };
    names.iter().find_map(|name| {
        let (was, is) = (versions(base, name), versions(new, name));
        (was != is).then(|| PackageChange { name: (*name).to_owned(), base: was, new: is, known_by })
    })
}

/// The tuned tables that differ.
fn tables(was: &Around, is: &Around, kernels: &[KernelChange]) -> Vec<TableChange> {
    let mut names: Vec<&str> = was.tables.iter().chain(&is.tables).map(|table| &*table.name).collect();
    names.sort_unstable();
    names.dedup();
    let of = |side: &'_ Around, name: &str| side.tables.iter().find(|table| table.name == name).cloned();
    let pairs = names
        .into_iter()
        .map(|name| (name.to_owned(), of(was, name).unwrap_or_default(), of(is, name).unwrap_or_default()));
    let differing = pairs.filter(|(_, was, is)| was.hash != is.hash);
    differing.map(|(name, was, is)| table(name, &was, &is, kernels)).collect()
}

/// Kernels that won, by shape.
fn winners(table: &TunedTable) -> BTreeMap<[u32; 3], Vec<&str>> {
    let mut winners: BTreeMap<[u32; 3], Vec<&str>> = BTreeMap::new();
    for (shape, kernel) in &table.shapes {
        let kernel = table.kernels.get(*kernel as usize).map_or("", String::as_str);
        let of = winners.entry(*shape).or_default();
        if !of.contains(&kernel) {
            of.push(kernel);
        }
    }
    winners
}

fn table(name: String, was: &TunedTable, is: &TunedTable, kernels: &[KernelChange]) -> TableChange {
    let mut rows: BTreeMap<[u32; 3], [Vec<&str>; 2]> = BTreeMap::new();
    for (nth, side) in [was, is].into_iter().enumerate() {
        for (shape, kernels) in winners(side) {
            rows.entry(shape).or_default()[nth] = kernels;
        }
    }
    rows.retain(|_, [was, is]| was != is);
    let rows_differ = rows.len() as u64;
    let first = |kernels: &[&str]| kernels.first().map(|kernel| (*kernel).to_owned());
    let mut rows: Vec<TableRowChange> = rows
        .into_iter()
        .map(|(shape, [was, is])| {
            let (of, joined_by) = joined(shape, &was, &is, kernels);
            let delta_ns_per_step = delta(&of, kernels);
            TableRowChange {
                shape,
                base_kernel: first(&was),
                new_kernel: first(&is),
                kernels: of,
                delta_ns_per_step,
                joined_by,
            }
        })
        .collect();
    rows.sort_by_key(|row| (Reverse(row.delta_ns_per_step.map(i64::unsigned_abs)), row.kernels.is_empty(), row.shape));
    rows.truncate(ROWS);
    TableChange { name, rows, rows_differ, cut: was.cut || is.cut }
}

/// The kernels that ran with a row: by the shape that captures tell, or else by the names of its kernels, if they changed.
fn joined(shape: [u32; 3], was: &[&str], is: &[&str], kernels: &[KernelChange]) -> (Vec<u64>, Option<&'static str>) {
    let rows = || (0..).zip(kernels);
    let shapes = |row: &KernelChange| {
        let told = row.base_shapes.iter().chain(&row.new_shapes).flatten();
        told.filter_map(|shape| product(shape)).any(|[m, n, k]| [n, k] == shape[1..] && padded(m).contains(&shape[0]))
    };
    let by_shape: Vec<u64> = rows().filter(|(_, row)| shapes(row)).map(|(at, _)| at).collect();
    if !by_shape.is_empty() {
        return (by_shape, Some("shape"));
    }
    let is_named = |names: &[String], won: &[&str]| {
        names.iter().any(|name| won.iter().any(|won| !won.is_empty() && key(name) == key(won)))
    };
    let told = |row: &KernelChange| row.base_shapes.is_some() || row.new_shapes.is_some();
    let named = |row: &KernelChange| changed(row) && !told(row) && (is_named(&row.base, was) || is_named(&row.new, is));
    let by_name: Vec<u64> = rows().filter(|(_, row)| named(row)).map(|(at, _)| at).collect();
    let joined_by = (!by_name.is_empty()).then_some("name");
    (by_name, joined_by)
}

/// What aiter looks a number of rows up as.
fn padded(m: u32) -> [u32; 3] {
    crate::analyze::gemm::tuned::looked_up(m)
}

/// M, N and K of a shape as comparisons write it.
fn product(shape: &str) -> Option<[u32; 3]> {
    let mut numbers = shape.split(' ').filter_map(|part| part.split_once('=')?.1.parse().ok());
    let product = [numbers.next()?, numbers.next()?, numbers.next()?];
    (shape.starts_with("M=") && numbers.next().is_none()).then_some(product)
}
