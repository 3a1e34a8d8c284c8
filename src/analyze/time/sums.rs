//! One pass over the dispatches: every sum that the report's tables are made of.

use crate::analyze::scope::{Reason, Scope};
use crate::classify::Category;
use crate::model::{NameId, Span, Trace};
use crate::output::time::Sum;
use crate::steps::StepIdx;

/// GPU time by category, indexed by `category as usize`.
pub(crate) type ByCategory = [u64; Category::ALL.len()];

/// Adds one dispatch to a sum.
fn add(sum: &mut Sum, duration_ns: u64) {
    sum.dispatches += 1;
    sum.gpu_time_ns += duration_ns;
}

/// Sums by name, step, rank and reason.
#[derive(Debug)]
pub(crate) struct Sums {
    /// By [`NameId`].
    pub(crate) names: Vec<NameSums>,
    /// By [`StepIdx`], all steps.
    pub(crate) steps: Vec<ByCategory>,
    /// By rank.
    pub(crate) ranks: Vec<RankSums>,
    /// What counts.
    pub(crate) counted: Sum,
    /// What does not, by [`Reason`].
    pub(crate) left_out: [Sum; Reason::ALL.len()],
    /// Dispatches that belong to no step, whatever counts.
    pub(crate) outside_steps: Sum,
    /// Position of the longest dispatch that counts; of equals the first.
    pub(crate) longest: Option<usize>,
    /// Durations of the dispatches that count, grouped by name, sorted within.
    durations: Vec<u64>,
}

/// Sums of one name.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct NameSums {
    pub(crate) counted: Sum,
    pub(crate) left_out: Sum,
    /// Where its durations end in [`Sums::durations`].
    end: usize,
}

/// Sums of one rank.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RankSums {
    pub(crate) all: Sum,
    pub(crate) counted: Sum,
    pub(crate) busy_ns: u64,
    pub(crate) hull: Option<Span>,
    /// The run of kernels without a gap that is still growing.
    run: Option<Span>,
}

impl RankSums {
    /// Adds a kernel; they must come sorted by start.
    fn add(&mut self, span: Span) {
        add(&mut self.all, span.duration_ns());
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
    pub(crate) fn wall_ns(&self) -> u64 {
        self.hull.map_or(0, Span::duration_ns)
    }
}

impl Sums {
    pub(crate) fn new(scope: &Scope<'_>) -> Self {
        let trace = scope.trace;
        let mut sums = Self {
            names: vec![NameSums::default(); trace.names.len()],
            steps: vec![ByCategory::default(); scope.table.steps.len()],
            ranks: vec![RankSums::default(); trace.ranks.len()],
            counted: Sum::default(),
            left_out: Default::default(),
            outside_steps: Sum::default(),
            longest: None,
            durations: Vec::new(),
        };
        let mut longest: Option<(u64, usize)> = None;
        for (position, dispatch) in trace.dispatches.iter().enumerate() {
            let duration = dispatch.span.duration_ns();
            let rank = &mut sums.ranks[scope.rank_of(position).index()];
            let name = &mut sums.names[dispatch.name.index()];
            rank.add(dispatch.span);
            match scope.table.of_dispatch[position] {
                Some(step) => sums.steps[step.index()][scope.category(dispatch.name) as usize] += duration,
                None => add(&mut sums.outside_steps, duration),
            }
            if let Some(reason) = scope.left_out(position) {
                add(&mut name.left_out, duration);
                add(&mut sums.left_out[reason as usize], duration);
                continue;
            }
            add(&mut name.counted, duration);
            add(&mut rank.counted, duration);
            add(&mut sums.counted, duration);
            longest = match longest {
                Some((most, at)) if most > duration || (most == duration && !precedes(trace, position, at)) => longest,
                _ => Some((duration, position)),
            };
        }
        for rank in &mut sums.ranks {
            rank.busy_ns += rank.run.take().map_or(0, Span::duration_ns);
        }
        sums.longest = longest.map(|(_, position)| position);
        sums.gather_durations(scope);
        sums
    }

    /// Sorted durations of a name's dispatches that count.
    pub(crate) fn durations(&self, name: NameId) -> &[u64] {
        let NameSums { end, counted, .. } = self.names[name.index()];
        &self.durations[end - counted.dispatches as usize..end]
    }

    /// GPU time of a step by category.
    pub(crate) fn step(&self, step: StepIdx) -> &ByCategory {
        &self.steps[step.index()]
    }

    fn gather_durations(&mut self, scope: &Scope<'_>) {
        self.durations = vec![0; self.counted.dispatches as usize];
        let mut begin = 0;
        for name in &mut self.names {
            name.end = begin;
            begin += name.counted.dispatches as usize;
        }
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            if scope.left_out(position).is_none() {
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
