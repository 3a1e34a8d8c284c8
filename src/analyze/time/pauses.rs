//! Times in which a rank had nothing to do.
//!
//! ```text
//!   ▆▆▆▆ ▆▆▆▆ ▆▆▆▆                                   ▆▆▆▆ ▆▆▆▆
//!                 ├───────── nobody waits ──────────┤
//! ```
//!
//! Between two steps of a server without requests no user waits for a token, so such a time is no latency and no idle time
//! of a step. A trace does not say that there were no requests. It is taken for granted where neither a kernel nor a copy
//! ran for much longer than steps take, and the report says how many such times were left out, and from which length on.

use crate::analyze::scope::Scope;
use crate::analyze::time::stats::percentile;
use crate::model::{RankIdx, Span};
use crate::output;
use crate::steps::Phase;

/// The shortest pause. Garbage collection, a page cache or another process rarely hold a server up for as long.
const LEAST_NS: u64 = 200_000_000;
/// Steps of the usual length that a pause is longer than.
const STEPS: u64 = 10;

/// The pauses of each rank, in order.
#[derive(Debug)]
pub(crate) struct Pauses {
    by_rank: Vec<Vec<Span>>,
    longer_than_ns: u64,
}

impl Pauses {
    pub(crate) fn of(scope: &Scope<'_>) -> Self {
        let longer_than_ns = usual_ns(scope).saturating_mul(STEPS).max(LEAST_NS);
        Self { by_rank: without_work(scope, longer_than_ns), longer_than_ns }
    }

    /// Whether `rank` paused between these times.
    pub(crate) fn between(&self, rank: RankIdx, start_ns: i64, end_ns: i64) -> bool {
        self.by_rank[rank.index()].iter().any(|pause| pause.start_ns >= start_ns && pause.end_ns <= end_ns)
    }

    /// Those between decode steps, as the report tells of them.
    pub(crate) fn row(&self, scope: &Scope<'_>) -> Option<output::steps::Pauses> {
        let mut hulls: Vec<Option<Span>> = vec![None; self.by_rank.len()];
        for (_, step) in scope.steps() {
            let hull = &mut hulls[step.rank.index()];
            *hull = Some(hull.map_or(step.gpu, |hull| hull.hull(step.gpu)));
        }
        let (mut count, mut total_ns) = (0, 0);
        for (pauses, hull) in self.by_rank.iter().zip(&hulls) {
            let Some(hull) = hull else { continue };
            let inside =
                || pauses.iter().filter(|pause| pause.start_ns >= hull.start_ns && pause.end_ns <= hull.end_ns);
            count = count.max(inside().count() as u64);
            total_ns = total_ns.max(inside().map(|pause| pause.duration_ns()).sum());
        }
        (count > 0).then_some(output::steps::Pauses { count, total_ns, longer_than_ns: self.longer_than_ns })
    }
}

/// The median from the begin of a counted step to that of the next decode step on its rank.
fn usual_ns(scope: &Scope<'_>) -> u64 {
    let counted = |at: usize| scope.reason(crate::steps::StepIdx::new(at)).is_none();
    let pairs = scope.table.steps.windows(2).enumerate();
    let pairs = pairs.filter(|(at, pair)| counted(*at) && pair.iter().all(|step| step.phase == Phase::Decode));
    let same = pairs.filter(|(_, pair)| pair[0].rank == pair[1].rank);
    let mut times: Vec<u64> = same
        .map(|(_, pair)| Span::new(pair[0].gpu.start_ns, pair[1].gpu.start_ns.max(pair[0].gpu.start_ns)).duration_ns())
        .collect();
    times.sort_unstable();
    if times.is_empty() { 0 } else { percentile(&times, 50) }
}

/// By rank, the times longer than this in which it ran neither a kernel nor a copy.
fn without_work(scope: &Scope<'_>, longer_than_ns: u64) -> Vec<Vec<Span>> {
    let trace = scope.trace;
    let mut until: Vec<Option<i64>> = vec![None; trace.ranks.len()];
    let mut found: Vec<Vec<Span>> = vec![Vec::new(); trace.ranks.len()];
    let mut copies = trace.copies.iter().map(|copy| (copy.stream, copy.span)).peekable();
    let mut kernels = trace.dispatches.iter().map(|dispatch| (dispatch.stream, dispatch.span)).peekable();
    loop {
        let next = match (kernels.peek(), copies.peek()) {
            (Some((_, kernel)), Some((_, copy))) if copy.start_ns < kernel.start_ns => copies.next(),
            (Some(_), _) => kernels.next(),
            (None, _) => copies.next(),
        };
        let Some((stream, span)) = next else { return found };
        let rank = trace.rank_of(stream).index();
        if let Some(until) = until[rank].filter(|&until| span.start_ns > until) {
            let gap = Span::new(until, span.start_ns);
            if gap.duration_ns() > longer_than_ns {
                found[rank].push(gap);
            }
        }
        until[rank] = Some(until[rank].map_or(span.end_ns, |until| until.max(span.end_ns)));
    }
}
