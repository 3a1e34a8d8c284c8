//! What could be done about it: rules as data over the finished report.

use super::report::{Advice, Report};

/// What the report gives reason to advise, the largest possible saving first.
pub(super) fn advice(report: &Report) -> Vec<Advice> {
    let mut advice: Vec<Advice> = RULES.iter().filter_map(|rule| rule(report)).collect();
    advice.sort_by(|a, b| b.saves_at_most_ns_per_step.cmp(&a.saves_at_most_ns_per_step).then(a.id.cmp(b.id)));
    advice
}

/// A rule looks at the report and stays silent unless its evidence is there.
type Rule = fn(&Report) -> Option<Advice>;

const RULES: &[Rule] = &[];
