//! The tables of kernels: pairs of slots, and the backends that they belong to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::compare::side::{Side, Slot};
use crate::analyze::compare::slots::{self, Pair};
use crate::analyze::compare::tables::{Step, Tables};
use crate::analyze::layers::names::Roles;
use crate::analyze::time::stats::share;
use crate::classify::Category;
use crate::output::comparison::{BackendRow, Change, Fate, KernelChange, Switch};

impl Tables<'_> {
    /// The kernels, the largest change first.
    pub(super) fn kernels(&self, step: &Step) -> Vec<KernelChange> {
        let pairs = slots::pairs(self.base, self.new);
        let roles = [self.base, self.new].map(slots::roles);
        let judge = self.gpu_judge(step);
        let findings = pairs.iter().map(|pair| judge.compare(&sum(self.base, &pair.base), &sum(self.new, &pair.new)));
        let category = |at: usize| pairs[at].category(self.base, self.new);
        let changes = judge.decide(findings.collect(), |at| self.options.threshold(category(at)));
        let mut rows: Vec<KernelChange> =
            pairs.iter().zip(changes).map(|(pair, change)| self.kernel(pair, change, &roles)).collect();
        rows.sort_by_key(|row| {
            let change = &row.change;
            Reverse((change.delta_ns.map(i64::unsigned_abs), change.base_ns_per_step.max(change.new_ns_per_step)))
        });
        rows
    }

    /// The module that the largest of both sides have, or of the one that there is.
    fn module(&self, pair: &Pair) -> Option<String> {
        let of = |side: &'_ Side, slots: &[usize]| slots.first().map(|&slot| slots::main(side, slot).module.clone());
        match (of(self.base, &pair.base), of(self.new, &pair.new)) {
            (Some(base), Some(new)) => base.filter(|base| Some(base) == new.as_ref()),
            (base, new) => base.or(new).flatten(),
        }
    }

    fn kernel(&self, pair: &Pair, change: Change, roles: &[Option<Roles>; 2]) -> KernelChange {
        let names = |side: &Side, slots: &[usize]| {
            let mut kernels: Vec<(u32, u64)> = Vec::new();
            for &(kernel, ns) in slots.iter().flat_map(|&slot| &side.slots[slot].kernels) {
                match kernels.iter_mut().find(|(known, _)| *known == kernel) {
                    Some((_, sum)) => *sum += ns,
                    None => kernels.push((kernel, ns)),
                }
            }
            kernels.sort_by_key(|&(_, ns)| Reverse(ns));
            let mut names: Vec<String> = Vec::new();
            for (kernel, _) in kernels {
                let name = &side.kernels[kernel as usize].name;
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            names
        };
        let count = |side: &Side, slots: &[usize]| {
            let dispatches: u64 = slots.iter().map(|&slot| side.slots[slot].dispatches).sum();
            dispatches as f64 / (side.steps.len() as u64 * side.ranks()).max(1) as f64
        };
        let backend = |side: &Side, slots: &[usize]| slots.first().map(|&slot| slots::main(side, slot).backend.clone());
        let dtype =
            |side: &Side, slots: &[usize]| slots.first().and_then(|&slot| slots::main(side, slot).dtype.clone());
        let shapes = (shapes(self.base, &pair.base), shapes(self.new, &pair.new));
        let backends = (backend(self.base, &pair.base), backend(self.new, &pair.new));
        let fate = pair.fate(self.base, self.new);
        let category = pair.category(self.base, self.new);
        let roles = &roles[usize::from(fate == Fate::Added)];
        KernelChange {
            module: self.module(pair),
            role: pair.place.zip(roles.as_ref()).and_then(|(place, roles)| slots::role(roles, place)),
            category,
            base: names(self.base, &pair.base),
            new: names(self.new, &pair.new),
            package: None,
            per_arch: self.per_arch(pair),
            base_dtype: dtype(self.base, &pair.base),
            new_dtype: dtype(self.new, &pair.new),
            switch: switch(&backends, &shapes),
            base_shapes: shapes.0,
            new_shapes: shapes.1,
            base_backend: backends.0,
            new_backend: backends.1,
            fate,
            base_count: count(self.base, &pair.base),
            new_count: count(self.new, &pair.new),
            change: self.judged(category, change),
        }
    }

    /// Whether a pair's names differ between sides of different architectures.
    fn per_arch(&self, pair: &Pair) -> bool {
        let (was, is) = (&self.base.facts.archs, &self.new.facts.archs);
        let names = pair.base.first().zip(pair.new.first());
        let differ = |(&was, &is): (&usize, &usize)| slots::main(self.base, was).name != slots::main(self.new, is).name;
        !was.is_empty() && !is.is_empty() && was != is && names.is_none_or(differ)
    }

    pub(super) fn backends(&self) -> Vec<BackendRow> {
        let mut sums: BTreeMap<(Category, String), [u64; 2]> = BTreeMap::new();
        for (nth, side) in [self.base, self.new].into_iter().enumerate() {
            for &(kernel, ns) in side.slots.iter().flat_map(|slot: &Slot| &slot.kernels) {
                let kernel = &side.kernels[kernel as usize];
                sums.entry((kernel.category, kernel.backend.clone())).or_default()[nth] += ns;
            }
        }
        let steps = [self.base, self.new].map(|side| (side.steps.len() as u64 * side.ranks()).max(1));
        let whole = |category: Category, nth: usize| {
            sums.iter().filter(|((of, _), _)| *of == category).map(|(_, sums)| sums[nth]).sum()
        };
        let row = |((category, backend), [was, is]): (&(Category, String), &[u64; 2])| BackendRow {
            category: *category,
            backend: backend.clone(),
            base_ns_per_step: was / steps[0],
            base_share: share(*was, whole(*category, 0)),
            new_ns_per_step: is / steps[1],
            new_share: share(*is, whole(*category, 1)),
        };
        let mut rows: Vec<BackendRow> = sums.iter().map(row).collect();
        rows.sort_by_key(|row| (row.category, Reverse(row.base_ns_per_step.max(row.new_ns_per_step))));
        rows
    }
}

/// What the kernels of slots worked on, in order; `None` if that is not known of all.
fn shapes(side: &Side, slots: &[usize]) -> Option<Vec<String>> {
    let kernels = slots.iter().flat_map(|&slot| &side.slots[slot].kernels);
    let shapes: Option<BTreeSet<String>> =
        kernels.map(|&(kernel, _)| side.kernels[kernel as usize].shape.clone()).collect();
    shapes.filter(|shapes| !shapes.is_empty()).map(|shapes| shapes.into_iter().collect())
}

/// What is another, where both sides tell.
fn switch(backends: &Told<String>, shapes: &Told<Vec<String>>) -> Option<Switch> {
    match (differ(backends)?, differ(shapes)?) {
        (true, false) => Some(Switch::Backend),
        (false, true) => Some(Switch::Shape),
        (true, true) => Some(Switch::BackendAndShape),
        (false, false) => None,
    }
}

fn differ<T: PartialEq>((was, is): &Told<T>) -> Option<bool> {
    Some(was.as_ref()? != is.as_ref()?)
}

/// What the base and the new tell.
type Told<T> = (Option<T>, Option<T>);

/// Time of several slots in each step; zeros for none.
fn sum(side: &Side, slots: &[usize]) -> Vec<u64> {
    let mut sums = vec![0; side.steps.len()];
    for &slot in slots {
        sums.iter_mut().zip(&side.slots[slot].ns).for_each(|(sum, ns)| *sum += ns);
    }
    sums
}
