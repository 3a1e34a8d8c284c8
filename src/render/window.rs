//! Which part of a trace is exported: from the first step that the report counts to the last.

use crate::model::{Span, Trace};
use crate::steps::{Step, StepTable};

/// A part of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) span: Span,
}

impl Window {
    /// The window of the counted steps; the whole trace if there are none, or if that is asked for.
    pub(super) fn of(trace: &Trace, table: &StepTable, whole: bool) -> Self {
        let hull = |spans: &mut dyn Iterator<Item = Span>| spans.reduce(Span::hull);
        let mut steps = table.steps.iter().filter(|step| counts(step)).map(|step| step.gpu);
        let of_steps = if whole { None } else { hull(&mut steps) };
        let all = trace.dispatches.iter().map(|dispatch| dispatch.span);
        let all = all.chain(trace.ranges.iter().map(|range| range.span));
        let mut all = all.chain(trace.launches.iter().map(|launch| launch.span));
        Self { span: of_steps.or_else(|| hull(&mut all)).unwrap_or(Span::new(0, 0)) }
    }

    /// Whether some of `span` is in it.
    pub(super) fn holds(&self, span: Span) -> bool {
        span.start_ns <= self.span.end_ns && span.end_ns >= self.span.start_ns
    }

    /// Steps in it, in the order of their start.
    pub(super) fn steps<'t>(&self, table: &'t StepTable) -> Vec<&'t Step> {
        let mut steps: Vec<&Step> =
            table.steps.iter().filter(|step| step.dispatches > 0 && self.holds(step.gpu)).collect();
        steps.sort_by_key(|step| (step.gpu.start_ns, step.rank));
        steps
    }

    /// Positions of the dispatches in it.
    pub(super) fn dispatches(self, trace: &Trace) -> impl Iterator<Item = usize> + '_ {
        let in_window = move |at: &usize| self.holds(trace.dispatches[*at].span);
        (0..trace.dispatches.len()).filter(in_window)
    }
}

fn counts(step: &Step) -> bool {
    !step.warmup && step.dispatches > 0
}
