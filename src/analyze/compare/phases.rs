//! The table of phases: steps that are not decode, beside those that are.

use std::collections::BTreeSet;

use crate::analyze::compare::judge::Judge;
use crate::analyze::compare::scatter::Design;
use crate::analyze::compare::side::Side;
use crate::analyze::compare::strata::parts;
use crate::analyze::compare::tables::{Step, Tables, series};
use crate::analyze::compare::trend::Axis;
use crate::analyze::time::stats::share;
use crate::output::comparison::PhaseChange;

impl Tables<'_> {
    /// Steps by phase, decode first; empty where there is no other. A phase that a side did not run has no difference.
    pub(super) fn phases(&self, step: &Step) -> Vec<PhaseChange> {
        let names: BTreeSet<&String> = self.base.others.keys().chain(self.new.others.keys()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let decode = |side: &Side| match side.facts.has_steps {
            true => series(side, &|step| parts(step.span).iter().sum()),
            false => Vec::new(),
        };
        let mut rows = vec![("decode", decode(self.base), decode(self.new), self.wall_divisors())];
        rows.extend(names.into_iter().map(|name| {
            let of = |side: &Side| side.others.get(name).cloned().unwrap_or_default();
            (name.as_str(), of(self.base), of(self.new), (1.0, 1.0))
        }));
        rows.retain(|(_, base, new, _)| !base.is_empty() || !new.is_empty());
        let whole = |values: &[u64]| Design::new(vec![((0..values.len() as u32).collect(), 1.0)], self.options.draws);
        let findings = rows.iter().map(|(_, base, new, divisors)| {
            let designs = (whole(base), whole(new));
            let axis = Axis::in_order(base.len(), new.len());
            let judge = Judge {
                axis: Some(&axis),
                alike: !base.is_empty() && !new.is_empty(),
                base_runs: &[],
                new_runs: &[],
                ..self.judge(&designs, *divisors, step.floor_share.unwrap_or(0.0))
            };
            judge.compare(base, new)
        });
        let judge = self.judge(&self.alike, (1.0, 1.0), 0.0);
        let changes = judge.decide(findings.collect(), |_| self.options.threshold);
        let all = |count: fn(&Row<'_>) -> usize| rows.iter().map(count).sum::<usize>() as u64;
        let (base_all, new_all) = (all(|row| row.1.len()), all(|row| row.2.len()));
        let row = |((phase, base, new, _), change): (&Row<'_>, _)| PhaseChange {
            phase: (*phase).to_owned(),
            base_steps: base.len() as u64,
            new_steps: new.len() as u64,
            base_share: share(base.len() as u64, base_all),
            new_share: share(new.len() as u64, new_all),
            change,
        };
        rows.iter().zip(changes).map(row).collect()
    }
}

/// A phase: its name, its steps on both sides, and what they are divided by.
type Row<'a> = (&'a str, Vec<u64>, Vec<u64>, (f64, f64));
