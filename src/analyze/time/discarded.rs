//! What is computed for nothing: places of a graph's bucket that no request fills, empty steps of data parallelism, and
//! drafts as far as they are not accepted.
//!
//! ```text
//!   graph for 32   ▕█ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ █ · · · · · · · · · · · · · · ·▏   17 requests: 47 % empty
//! ```
//!
//! All of it is told by the steps' labels; where they do not tell, nothing is said. How many drafted tokens were accepted
//! is in no label that engines write.

use std::collections::BTreeMap;

use crate::analyze::scope::Scope;
use crate::analyze::time::stats::share;
use crate::output::Report;
use crate::output::steps::{DiscardedWork, PaddingRow};
use crate::steps::Phase;

/// What is visible; `None` for nothing.
pub(crate) fn discarded(scope: &Scope<'_>, report: &Report) -> Option<DiscardedWork> {
    let mut buckets: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for row in &report.steps.batch {
        if let (Some(size), Some(graph_size)) = (row.size, row.graph_size) {
            let (steps, filled) = buckets.entry(graph_size).or_default();
            *steps += row.steps;
            *filled += row.steps * u64::from(size.min(graph_size));
        }
    }
    let places = |(&graph_size, &(steps, _)): (&u32, &(u64, u64))| u64::from(graph_size) * steps;
    let padding = |(&graph_size, &(steps, filled)): (&u32, &(u64, u64))| PaddingRow {
        graph_size,
        steps,
        empty_share: 1.0 - share(filled, u64::from(graph_size) * steps),
    };
    let all: u64 = buckets.iter().map(places).sum();
    let filled: u64 = buckets.values().map(|(_, filled)| filled).sum();
    let (tokens, requests) =
        scope.steps().fold((0, 0), |(tokens, requests), (_, step)| match (step.batch.tokens, step.batch.size) {
            (Some(many), Some(size)) => (tokens + u64::from(many), requests + u64::from(size)),
            _ => (tokens, requests),
        });
    let steps = report.steps.gpu_span_ns.map_or(0, |span| span.count);
    let of = |phase| {
        let row = report.steps.by_phase.iter().find(|row| row.phase == phase);
        row.map_or((0, 0), |row| (row.steps, row.gpu_span_ns.mean * row.gpu_span_ns.count))
    };
    let ((dummy_steps, dummy_ns), (draft_steps, draft_ns)) = (of(Phase::Dummy), of(Phase::Draft));
    let phases = report.steps.phases;
    let found = DiscardedWork {
        padding: buckets.iter().map(padding).collect(),
        empty_share: (all > 0).then(|| 1.0 - share(filled, all)),
        dummy_steps,
        dummy_share: share(dummy_steps, phases.decode + phases.prefill + phases.mixed + phases.dummy),
        dummy_ns_per_step: dummy_ns.checked_div(steps)?,
        draft_steps,
        draft_ns_per_step: draft_ns.checked_div(steps)?,
        draft_share: share(draft_ns, report.scope.wall_ns),
        tokens_per_request: (tokens > requests).then(|| tokens as f64 / requests as f64),
    };
    let visible = found.empty_share.is_some() || dummy_steps + draft_steps > 0 || found.tokens_per_request.is_some();
    visible.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::steps::Batch;

    fn steps(of: &[(Phase, Batch)]) -> Option<DiscardedWork> {
        let mut rows: Vec<Row> =
            (0..of.len() as i64).map(|at| Row::decode(&[("gemm", at * 100, at * 100 + 50)])).collect();
        for (row, (phase, batch)) in rows.iter_mut().zip(of) {
            (row.phase, row.batch) = (*phase, *batch);
        }
        trace_with_steps(&rows).report().discarded
    }

    fn batch(size: u32, graph_size: u32) -> (Phase, Batch) {
        (Phase::Decode, Batch { size: Some(size), graph_size: Some(graph_size), tokens: None })
    }

    #[test]
    fn places_that_no_request_fills_are_counted_by_bucket() {
        let found = steps(&[batch(4, 8), batch(8, 8), batch(24, 32)]).unwrap();
        assert_eq!(found.padding[0], PaddingRow { graph_size: 8, steps: 2, empty_share: 0.25 });
        assert_eq!(found.empty_share, Some(0.25));
    }

    #[test]
    fn empty_steps_and_drafts_are_set_against_decode() {
        let other = |phase| (phase, Batch::default());
        let found = steps(&[batch(8, 8), other(Phase::Dummy), other(Phase::Draft), batch(8, 8)]).unwrap();
        assert_eq!((found.dummy_steps, found.dummy_ns_per_step, found.draft_ns_per_step), (1, 25, 25));
    }

    #[test]
    fn where_labels_do_not_tell_nothing_is_said() {
        assert_eq!(steps(&[(Phase::Decode, Batch::default())]), None);
    }

    #[test]
    fn several_tokens_a_request_are_speculation() {
        let guessed = Batch { size: Some(4), graph_size: None, tokens: Some(12) };
        assert_eq!(steps(&[(Phase::Decode, guessed)]).unwrap().tokens_per_request, Some(3.0));
    }
}
