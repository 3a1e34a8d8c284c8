//! One rank's work walked over from stretch to stretch of wall time, by the [rules for one GPU](super::one_gpu).

use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::scope::Scope;
use crate::classify::Category;
use crate::model::{LaunchIdx, Span};
use crate::output::time::Cause;

/// Goes over one rank's work, from piece to piece.
pub(super) struct Sweep<'a> {
    scope: &'a Scope<'a>,
    collectives: Option<&'a Collectives>,
    activity: &'a Activity,
    compute: Window<'a>,
    communication: Window<'a>,
    copies: Window<'a>,
    other: Window<'a>,
    gaps: Vec<Span>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, activity: &'a Activity, collectives: Option<&'a Collectives>) -> Self {
        Self {
            scope,
            collectives,
            activity,
            compute: Window::new(&activity.compute),
            communication: Window::new(&activity.communication),
            copies: Window::new(&activity.copies),
            other: Window::new(&activity.other),
            gaps: Vec::new(),
        }
    }

    pub(super) fn part(&mut self, wall: Span, held: &mut impl FnMut(u32, u64)) -> Breakdown {
        let mut part = Breakdown::default();
        let (trace, gaps) = (self.scope.trace, &mut self.gaps);
        let span = |at: u32| trace.dispatches[at as usize].span;
        let category = |at: u32| self.scope.category(trace.dispatches[at as usize].name);
        let mut charge = |at: u32, ns: u64| {
            part.categories[category(at) as usize] += ns;
            held(at, ns);
        };
        gaps.clear();
        let compute: Vec<Work> =
            self.compute.overlapping(wall, span).iter().map(|&at| Work { span: span(at), at }).collect();
        walk_back(&compute, wall, &category, &mut charge, gaps);
        gaps.reverse();
        let arrived_ns = |at: u32| {
            let wait_ns = self.collectives.map_or(0, |collectives| collectives.wait_ns(at as usize));
            span(at).start_ns.saturating_add_unsigned(wait_ns)
        };
        let (mut transfers, mut waits) = (Vec::new(), Vec::new());
        for &at in self.communication.overlapping(wall, span) {
            let Span { start_ns, end_ns } = span(at);
            transfers.push(Work { span: Span::new(arrived_ns(at), end_ns), at });
            waits.push(Work { span: Span::new(start_ns, arrived_ns(at)), at });
        }
        transfers.sort_by_key(|work| (work.span, work.at));
        take(gaps, &transfers, &mut charge);
        let mut nothing = |_: u32, _: u64| {};
        part.add_idle(Cause::WaitPeer, take(gaps, &waits, &mut nothing));
        let copy = |at: u32| trace.copies[at as usize].span;
        let copies = self.copies.overlapping(wall, copy).iter().map(|&at| Work { span: copy(at), at });
        part.add_idle(Cause::Copy, take(gaps, &copies.collect::<Vec<Work>>(), &mut nothing));
        let other = self.other.overlapping(wall, span).iter().map(|&at| Work { span: span(at), at });
        part.add_idle(Cause::OtherWork, take(gaps, &other.collect::<Vec<Work>>(), &mut nothing));
        for &gap in gaps.iter() {
            let length = gap.duration_ns();
            let launch = self.activity.launch_ending(self.scope, gap);
            match launch.map(|launch| trace.launches[launch.index()].span.start_ns) {
                Some(launched_ns) => {
                    let host = launched_ns.clamp(gap.start_ns, gap.end_ns).abs_diff(gap.start_ns);
                    part.add_idle(Cause::Host, host);
                    part.add_idle(Cause::LaunchGap, length - host);
                }
                None => part.add_idle(Cause::Unknown, length),
            }
        }
        part
    }
}

/// A piece of work, or the part of it that is looked at.
#[derive(Clone, Copy, Debug)]
struct Work {
    span: Span,
    /// Position in the trace.
    at: u32,
}

/// What one rank did, as positions in the trace in order of start. Positions take 4 bytes where the work itself would
/// take 24: a trace may have tens of millions of dispatches.
#[derive(Default, Debug)]
pub(super) struct Activity {
    compute: Vec<u32>,
    communication: Vec<u32>,
    other: Vec<u32>,
    copies: Vec<u32>,
}

impl Activity {
    pub(super) fn by_rank(scope: &Scope<'_>) -> Vec<Self> {
        let mut ranks: Vec<Self> = scope.trace.ranks.iter().map(|_| Self::default()).collect();
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            let rank = &mut ranks[scope.rank_of(position).index()];
            let list = match (scope.left_out(position), scope.category(dispatch.name)) {
                (Some(_), _) => &mut rank.other,
                (None, Category::Allreduce) => &mut rank.communication,
                (None, _) => &mut rank.compute,
            };
            list.push(position as u32);
        }
        for (position, copy) in scope.trace.copies.iter().enumerate() {
            ranks[scope.trace.rank_of(copy.stream).index()].copies.push(position as u32);
        }
        ranks
    }

    /// The call that launched the work which ends `gap`; `None` where that is not known.
    fn launch_ending(&self, scope: &Scope<'_>, gap: Span) -> Option<LaunchIdx> {
        let kernels = [&self.compute, &self.communication, &self.other];
        let begun = kernels.map(|list| starting_at(list, gap.end_ns, |at| scope.trace.dispatches[at].span));
        let launched =
            begun.into_iter().flatten().filter_map(|&at| Some((at, scope.trace.dispatches[at as usize].launch?)));
        let copies = starting_at(&self.copies, gap.end_ns, |at| scope.trace.copies[at].span);
        launched
            .min()
            .map(|(_, launch)| launch)
            .or_else(|| copies.iter().find_map(|&at| scope.trace.copies[at as usize].launch))
    }
}

/// Those of `positions`, which are sorted by start, that start at `start_ns`.
fn starting_at(positions: &[u32], start_ns: i64, span: impl Fn(usize) -> Span) -> &[u32] {
    let from = positions.partition_point(|&at| span(at as usize).start_ns < start_ns);
    let count = positions[from..].iter().take_while(|&&at| span(at as usize).start_ns == start_ns).count();
    &positions[from..from + count]
}

/// Walks over work sorted by start, from wall to wall, in one pass.
struct Window<'a> {
    rest: &'a [u32],
    /// Work met so far that may reach into the next wall, sorted by start.
    open: Vec<u32>,
}

impl<'a> Window<'a> {
    fn new(work: &'a [u32]) -> Self {
        Self { rest: work, open: Vec::new() }
    }

    /// The work that overlaps `wall`, sorted by start. Walls must come in order.
    fn overlapping(&mut self, wall: Span, span: impl Fn(u32) -> Span) -> &[u32] {
        self.open.retain(|&at| span(at).end_ns > wall.start_ns);
        let begun = self.rest.iter().take_while(|&&at| span(at).start_ns < wall.end_ns).count();
        let (begun, rest) = self.rest.split_at(begun);
        self.open.extend(begun.iter().filter(|&&at| span(at).end_ns > wall.start_ns));
        self.rest = rest;
        &self.open
    }
}

/// Rule 2 of the module: shares out the part of `wall` in which something of `work` ran among what `held` it up, and
/// adds the rest to `gaps`, the last first.
fn walk_back(
    work: &[Work],
    wall: Span,
    category: &impl Fn(u32) -> Category,
    held: &mut impl FnMut(u32, u64),
    gaps: &mut Vec<Span>,
) {
    let mut by_end: Vec<&Work> = work.iter().collect();
    by_end.sort_by_key(|work| (work.span.end_ns, work.span.start_ns, category(work.at), work.at));
    // Kernels that run at `now` (just before it), those that end last at the front.
    let mut running: Vec<&Work> = Vec::new();
    let mut now = wall.end_ns;
    // Whether somebody waits at `now` for a kernel to end; if not, a kernel that runs on only covers the time.
    while now > wall.start_ns {
        running.retain(|work| work.span.start_ns < now);
        while let Some(work) = by_end.pop_if(|work| work.span.end_ns >= now) {
            if work.span.start_ns < now {
                running.push(work);
            }
        }
        let next_end = by_end.last().map_or(wall.start_ns, |work| work.span.end_ns.max(wall.start_ns));
        // The last in `running` ends first: it released what came at `now`, or is nearest to having done so.
        let Some(&holder) = running.last() else {
            gaps.push(Span::new(next_end, now));
            now = next_end;
            continue;
        };
        let released = holder.span.end_ns == now || now == wall.end_ns;
        let until = if released { holder.span.start_ns } else { holder.span.start_ns.max(next_end) };
        let until = until.max(wall.start_ns);
        held(holder.at, now.abs_diff(until));
        now = until;
    }
}

/// Removes what `work` (sorted by start) covers from `gaps` (sorted, disjoint), and tells how much that was, in all and
/// to `held` by the work that covered it.
fn take(gaps: &mut Vec<Span>, work: &[Work], held: &mut impl FnMut(u32, u64)) -> u64 {
    if work.is_empty() || gaps.is_empty() {
        return 0;
    }
    let mut taken = 0;
    let mut left = Vec::with_capacity(gaps.len());
    let mut first = 0;
    // Work is sorted by start, not by end: a long one may reach over several gaps, so `first` moves past it only when
    // the furthest end so far lies behind.
    let furthest: Vec<i64> = work
        .iter()
        .scan(i64::MIN, |most, work| {
            *most = (*most).max(work.span.end_ns);
            Some(*most)
        })
        .collect();
    for &gap in gaps.iter() {
        first += furthest[first..].partition_point(|&end_ns| end_ns <= gap.start_ns);
        let mut now = gap.start_ns;
        for piece in work[first..].iter().take_while(|work| work.span.start_ns < gap.end_ns) {
            let start_ns = piece.span.start_ns.max(now);
            let end_ns = piece.span.end_ns.min(gap.end_ns);
            if end_ns <= start_ns {
                continue;
            }
            if start_ns > now {
                left.push(Span::new(now, start_ns));
            }
            taken += end_ns.abs_diff(start_ns);
            held(piece.at, end_ns.abs_diff(start_ns));
            now = end_ns;
        }
        if now < gap.end_ns {
            left.push(Span::new(now, gap.end_ns));
        }
    }
    *gaps = left;
    taken
}
