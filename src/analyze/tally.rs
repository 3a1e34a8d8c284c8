//! One pass over the dispatches: every sum that the report's tables are made of.

use crate::classify::Category;
use crate::model::{NameId, Span, Trace};
use crate::steps::StepIdx;

use super::report::Sum;
use super::view::{Reason, View};

/// GPU time by category, indexed by `category as usize`.
pub(super) type ByCategory = [u64; Category::ALL.len()];

/// Sums by name, step, rank and reason.
#[derive(Debug)]
pub(super) struct Tally {
    /// By [`NameId`].
    pub(super) names: Vec<NameTally>,
    /// By [`StepIdx`], all steps.
    pub(super) steps: Vec<ByCategory>,
    /// By rank.
    pub(super) ranks: Vec<RankTally>,
    /// What counts.
    pub(super) counted: Sum,
    /// What does not, by [`Reason`].
    pub(super) left_out: [Sum; Reason::ALL.len()],
    /// Dispatches that belong to no step, whatever counts.
    pub(super) outside_steps: Sum,
    /// Position of the longest dispatch that counts; of equals the first.
    pub(super) longest: Option<usize>,
    /// Durations of the dispatches that count, grouped by name, sorted within.
    durations: Vec<u64>,
}

/// Sums of one name.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct NameTally {
    pub(super) counted: Sum,
    pub(super) left_out: Sum,
    /// Where its durations end in [`Tally::durations`].
    end: usize,
}

/// Sums of one rank.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct RankTally {
    pub(super) all: Sum,
    pub(super) counted: Sum,
    pub(super) busy_ns: u64,
    pub(super) hull: Option<Span>,
    /// The run of kernels without a gap that is still growing.
    run: Option<Span>,
}

impl RankTally {
    /// Adds a kernel; they must come sorted by start.
    fn add(&mut self, span: Span) {
        self.all.add(span.duration_ns());
        self.hull = Some(self.hull.map_or(span, |hull| hull.hull(span)));
        match &mut self.run {
            Some(run) if span.start_ns <= run.end_ns => run.end_ns = run.end_ns.max(span.end_ns),
            run => {
                self.busy_ns += run.map_or(0, Span::duration_ns);
                *run = Some(span);
            }
        }
    }

    /// From its first kernel's start to its last kernel's end.
    pub(super) fn wall_ns(&self) -> u64 {
        self.hull.map_or(0, Span::duration_ns)
    }
}

impl Tally {
    pub(super) fn new(view: &View<'_>) -> Self {
        let trace = view.trace;
        let mut tally = Self {
            names: vec![NameTally::default(); trace.names.len()],
            steps: vec![ByCategory::default(); view.table.steps.len()],
            ranks: vec![RankTally::default(); trace.ranks.len()],
            counted: Sum::default(),
            left_out: Default::default(),
            outside_steps: Sum::default(),
            longest: None,
            durations: Vec::new(),
        };
        let mut longest: Option<(u64, usize)> = None;
        for (position, dispatch) in trace.dispatches.iter().enumerate() {
            let duration = dispatch.span.duration_ns();
            let rank = &mut tally.ranks[view.rank_of(position).index()];
            let name = &mut tally.names[dispatch.name.index()];
            rank.add(dispatch.span);
            match view.table.of_dispatch[position] {
                Some(step) => tally.steps[step.index()][view.category(dispatch.name) as usize] += duration,
                None => tally.outside_steps.add(duration),
            }
            if let Some(reason) = view.left_out(position) {
                name.left_out.add(duration);
                tally.left_out[reason as usize].add(duration);
                continue;
            }
            name.counted.add(duration);
            rank.counted.add(duration);
            tally.counted.add(duration);
            longest = match longest {
                Some((most, at)) if most > duration || (most == duration && !precedes(trace, position, at)) => longest,
                _ => Some((duration, position)),
            };
        }
        for rank in &mut tally.ranks {
            rank.busy_ns += rank.run.take().map_or(0, Span::duration_ns);
        }
        tally.longest = longest.map(|(_, position)| position);
        tally.gather_durations(view);
        tally
    }

    /// Sorted durations of a name's dispatches that count.
    pub(super) fn durations(&self, name: NameId) -> &[u64] {
        let NameTally { end, counted, .. } = self.names[name.index()];
        &self.durations[end - counted.dispatches as usize..end]
    }

    /// GPU time of a step by category.
    pub(super) fn step(&self, step: StepIdx) -> &ByCategory {
        &self.steps[step.index()]
    }

    fn gather_durations(&mut self, view: &View<'_>) {
        self.durations = vec![0; self.counted.dispatches as usize];
        let mut begin = 0;
        for name in &mut self.names {
            name.end = begin;
            begin += name.counted.dispatches as usize;
        }
        for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
            if view.left_out(position).is_none() {
                let end = &mut self.names[dispatch.name.index()].end;
                self.durations[*end] = dispatch.span.duration_ns();
                *end += 1;
            }
        }
        for name in &self.names {
            self.durations[name.end - name.counted.dispatches as usize..name.end].sort_unstable();
        }
    }
}

/// Whether the dispatch at `a` is the one to name of two equally long ones, whatever the order of the input.
fn precedes(trace: &Trace, a: usize, b: usize) -> bool {
    let key = |at: usize| {
        let dispatch = &trace.dispatches[at];
        (dispatch.span, trace.kernel(dispatch), trace.ranks[trace.rank_of(dispatch.stream).index()].number)
    };
    key(a) < key(b)
}
