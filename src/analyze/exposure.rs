//! What a step waits for on one GPU: a partition of its wall time.
//!
//! The sum of kernel durations misleads as soon as streams overlap. Here every nanosecond of a step's wall goes to
//! exactly one place: to the category that held the step up, or to idle time and its cause.
//!
//! ```text
//!   stream 0   ▕▔▔ gemm a ▔▔▏          ▕▔▔▔ gemm b ▔▔▔▏▕▔▔ norm ▔▔▏
//!   stream 1        ▕▔▔▔ allreduce ▔▔▔▏           ▕▔ attn ▔▏          next step ▕▔▔
//!                           ┆ ╰ here the last rank arrives
//!              ├─── gemm ──┤├┤├─ comm ┤├── gemm ──────┤├── other ─┤├──── idle ────┤
//!                            ╰ wait for peer
//! ```
//!
//! Rules, in order:
//!
//! 1. *Compute hides the rest.* While a compute kernel runs, communication, copies and foreign work are free.
//! 2. *Between compute kernels the one that the next waited for counts.* The wall is walked backwards: the last kernel
//!    to end holds the step up for all of its time; before its start, the kernel whose end came last released it, and
//!    so on. A kernel that still runs across such a handover covers only the time that nothing else explains:
//!
//!    ```text
//!      stream 0   ▕▔▔▔▔▔▔▔▔▔ gemm ▔▔▔▔▔▔▔▔▔▏          the norm began when nothing had just ended: attention is
//!      stream 1          ▕▔▔▔ attn ▔▔▔▏ ▕▔▔▔ norm ▔▔▏  the nearest that it can have waited for
//!                 ├ gemm ┤├── attn ───┤┆├── other ──┤
//!                                      ╰ gemm
//!    ```
//! 3. What compute leaves goes to communication while it transfers, then to waiting for another rank (`wait_peer`) while
//!    a communication kernel only spins until the last rank arrives, then to copies, then to kernels of no counted step.
//! 4. What is left is idle. If the call that launched the next work began before the gap, the work was there and the
//!    gap is the GPU's (`launch_gap`), as between the kernels of a graph's replay; until the call began the gap is the
//!    `host`'s; without a known call: `unknown`.
//!
//!    ```text
//!      CPU        ▕ graph launch ▏              ▕ launch ▏
//!      GPU              ▕▔ a ▔▏ ▕▔ b ▔▏                 ▕▔ c ▔▏
//!                              ┆       ├─ host ─┤├ gap ─┤
//!                              ╰ launch gap
//!    ```
//!
//! Waiting is known where collectives could be matched across ranks (see [`collectives`](super::collectives)); elsewhere
//! it is in the communication's time.
//!
//! Rejected: charging overlapping kernels in proportion (no ordering of kernels makes such a share come true), and
//! taking the longest kernel (it may end early and hold up nothing).

use serde::{Deserialize, Serialize};

use crate::classify::Category;
use crate::model::{LaunchIdx, RankIdx, Span};

use super::collectives::Collectives;
use super::latency::Wall;
use super::report::{Cause, Idle, IdleCause};
use super::stats::share;
use super::tally::ByCategory;
use super::view::View;

/// Wall time of all counted steps by what held them up, summed over ranks. `wall_ns` is the sum of all the rest.
#[derive(Clone, Default, Debug)]
pub(super) struct Exposure {
    pub(super) wall_ns: u64,
    pub(super) categories: ByCategory,
    /// Wall time that kernels held up, by rank.
    pub(super) per_rank: Vec<u64>,
    /// The same by kernel, by [`NameId`](crate::model::NameId); sums to `categories`.
    pub(super) names: Vec<u64>,
    idle: [u64; CAUSES.len()],
}

/// The causes that are told apart here.
pub(super) const CAUSES: [Cause; 6] =
    [Cause::LaunchGap, Cause::Host, Cause::WaitPeer, Cause::Copy, Cause::OtherWork, Cause::Unknown];

impl Exposure {
    /// The partition of all walls; `None` for none. Tells `held` of each dispatch, by its position in the trace, how long
    /// it held its step up.
    pub(super) fn of(
        view: &View<'_>,
        walls: &[Wall],
        collectives: Option<&Collectives>,
        held: &mut impl FnMut(u32, u64),
    ) -> Option<Self> {
        if walls.is_empty() {
            return None;
        }
        let mut exposure = Self {
            per_rank: vec![0; view.trace.ranks.len()],
            names: vec![0; view.trace.names.len()],
            ..Self::default()
        };
        let pieces: Vec<(RankIdx, Span)> =
            walls.iter().map(|wall| (view.table.steps[wall.step.index()].rank, wall.span)).collect();
        let names = &mut exposure.names;
        let mut charge = |at: u32, ns: u64| {
            names[view.trace.dispatches[at as usize].name.index()] += ns;
            held(at, ns);
        };
        let parts = partition_and(view, &pieces, collectives, &mut charge);
        for (part, &(rank, span)) in parts.iter().zip(&pieces) {
            exposure.wall_ns += span.duration_ns();
            exposure.per_rank[rank.index()] += part.categories.iter().sum::<u64>();
            exposure.categories.iter_mut().zip(part.categories).for_each(|(sum, ns)| *sum += ns);
            exposure.idle.iter_mut().zip(part.idle).for_each(|(sum, ns)| *sum += ns);
        }
        Some(exposure)
    }

    /// The idle part as the report shows it.
    pub(super) fn idle(&self) -> Idle {
        idle(self.idle, self.wall_ns)
    }
}

/// Idle time by [`CAUSES`] as the report shows it, of `wall_ns`.
pub(super) fn idle(by_cause: [u64; CAUSES.len()], wall_ns: u64) -> Idle {
    let critical_ns = by_cause.iter().sum();
    let causes = CAUSES.iter().zip(by_cause).map(|(&name, ns)| IdleCause { name, ns }).collect();
    Idle { critical_ns, critical_share: share(critical_ns, wall_ns), causes }
}

/// One stretch of wall time by what held it up; sums to its length.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) categories: ByCategory,
    /// By [`CAUSES`].
    pub(super) idle: [u64; CAUSES.len()],
}

impl Part {
    fn add_idle(&mut self, cause: Cause, ns: u64) {
        let at = CAUSES.iter().position(|&known| known == cause);
        self.idle[at.expect("every cause used here is listed")] += ns;
    }
}

/// The partition of each of `pieces`: stretches of wall time on a rank, in order of time on each rank and disjoint, on
/// the rank's own clock. Waiting for other ranks is told from transfer where `collectives` are given.
pub(super) fn partition(view: &View<'_>, pieces: &[(RankIdx, Span)], collectives: Option<&Collectives>) -> Vec<Part> {
    partition_and(view, pieces, collectives, &mut |_, _| {})
}

/// The same; tells `held` what each dispatch held up.
fn partition_and(
    view: &View<'_>,
    pieces: &[(RankIdx, Span)],
    collectives: Option<&Collectives>,
    held: &mut impl FnMut(u32, u64),
) -> Vec<Part> {
    let activities = Activity::by_rank(view);
    let mut sweeps: Vec<Sweep<'_>> =
        activities.iter().map(|activity| Sweep::new(view, activity, collectives)).collect();
    pieces.iter().map(|&(rank, span)| sweeps[rank.index()].part(span, held)).collect()
}

/// Goes over one rank's work, from piece to piece.
struct Sweep<'a> {
    view: &'a View<'a>,
    collectives: Option<&'a Collectives>,
    activity: &'a Activity,
    compute: Window<'a>,
    communication: Window<'a>,
    copies: Window<'a>,
    other: Window<'a>,
    gaps: Vec<Span>,
}

impl<'a> Sweep<'a> {
    fn new(view: &'a View<'a>, activity: &'a Activity, collectives: Option<&'a Collectives>) -> Self {
        Self {
            view,
            collectives,
            activity,
            compute: Window::new(&activity.compute),
            communication: Window::new(&activity.communication),
            copies: Window::new(&activity.copies),
            other: Window::new(&activity.other),
            gaps: Vec::new(),
        }
    }

    fn part(&mut self, wall: Span, held: &mut impl FnMut(u32, u64)) -> Part {
        let mut part = Part::default();
        let (trace, gaps) = (self.view.trace, &mut self.gaps);
        let span = |at: u32| trace.dispatches[at as usize].span;
        let category = |at: u32| self.view.category(trace.dispatches[at as usize].name);
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
            let launch = self.activity.launch_ending(self.view, gap);
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
struct Activity {
    compute: Vec<u32>,
    communication: Vec<u32>,
    other: Vec<u32>,
    copies: Vec<u32>,
}

impl Activity {
    fn by_rank(view: &View<'_>) -> Vec<Self> {
        let mut ranks: Vec<Self> = view.trace.ranks.iter().map(|_| Self::default()).collect();
        for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
            let rank = &mut ranks[view.rank_of(position).index()];
            let list = match (view.left_out(position), view.category(dispatch.name)) {
                (Some(_), _) => &mut rank.other,
                (None, Category::Allreduce) => &mut rank.communication,
                (None, _) => &mut rank.compute,
            };
            list.push(position as u32);
        }
        for (position, copy) in view.trace.copies.iter().enumerate() {
            ranks[view.trace.rank_of(copy.stream).index()].copies.push(position as u32);
        }
        ranks
    }

    /// The call that launched the work which ends `gap`; `None` where that is not known.
    fn launch_ending(&self, view: &View<'_>, gap: Span) -> Option<LaunchIdx> {
        let kernels = [&self.compute, &self.communication, &self.other];
        let begun = kernels.map(|list| starting_at(list, gap.end_ns, |at| view.trace.dispatches[at].span));
        let launched =
            begun.into_iter().flatten().filter_map(|&at| Some((at, view.trace.dispatches[at as usize].launch?)));
        let copies = starting_at(&self.copies, gap.end_ns, |at| view.trace.copies[at].span);
        launched
            .min()
            .map(|(_, launch)| launch)
            .or_else(|| copies.iter().find_map(|&at| view.trace.copies[at as usize].launch))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::latency::walls;
    use super::super::testing::{Kernel, Row, any_rows, trace_with_steps};
    use super::*;

    fn exposure(rows: &[Row]) -> Exposure {
        let drawn = trace_with_steps(rows);
        let view = drawn.view();
        Exposure::of(&view, &walls(&view), Collectives::of(&view).as_ref(), &mut |_, _| {}).unwrap()
    }

    fn on(stream: u64, name: &str, start_ns: i64, end_ns: i64) -> Kernel {
        Kernel { name: name.to_owned(), start_ns, end_ns, stream, launched_ns: None, product: None }
    }

    fn step(kernels: Vec<Kernel>) -> Row {
        Row { kernels, ..Row::decode(&[]) }
    }

    fn of(exposure: &Exposure, category: Category) -> u64 {
        exposure.categories[category as usize]
    }

    #[test]
    fn compute_hides_communication_and_what_sticks_out_is_exposed() {
        //   gemm   0──────40            60────100
        //   comm        20────────70
        let found = exposure(&[step(vec![on(0, "gemm", 0, 40), on(1, "reduce", 20, 70), on(0, "gemm", 60, 100)])]);
        assert_eq!((of(&found, Category::Gemm), of(&found, Category::Allreduce)), (80, 20));
        assert_eq!(found.idle().critical_ns, 0);
    }

    #[test]
    fn a_kernel_that_ends_last_holds_the_step_up_and_those_under_it_do_not() {
        //   gemm   0──────────────────────100
        //   attn        10───40   50───90
        let found = exposure(&[step(vec![on(0, "gemm", 0, 100), on(1, "attn", 10, 40), on(1, "attn", 50, 90)])]);
        assert_eq!((of(&found, Category::Gemm), of(&found, Category::Attention)), (100, 0));
    }

    #[test]
    fn the_kernel_whose_end_released_the_next_is_on_the_path() {
        //   gemm   0────────────────70                gemm covers 55..60 and 0..30
        //   attn              30──55
        //   norm                     60─────100
        let found = exposure(&[step(vec![on(0, "gemm", 0, 70), on(1, "attn", 30, 55), on(1, "norm", 60, 100)])]);
        assert_eq!(of(&found, Category::Other), 40);
        assert_eq!(of(&found, Category::Attention), 25);
        assert_eq!(of(&found, Category::Gemm), 35);
    }

    #[test]
    fn a_hidden_kernel_changes_gpu_time_and_not_the_path() {
        let bare = exposure(&[step(vec![on(0, "gemm", 0, 100)])]);
        let with = exposure(&[step(vec![on(0, "gemm", 0, 100), on(1, "attn", 20, 60)])]);
        assert_eq!(bare.categories, with.categories);
    }

    #[test]
    fn idle_time_is_the_hosts_until_the_next_launch_began_and_the_gpus_after_it() {
        let mut late = on(0, "gemm", 50, 60);
        late.launched_ns = Some(45);
        let mut queued = on(0, "attn", 64, 70);
        queued.launched_ns = Some(46);
        let found = exposure(&[step(vec![on(0, "gemm", 0, 10), late, queued, on(0, "norm", 75, 80)])]);
        let idle: Vec<_> = found.idle().causes.iter().map(|cause| (cause.name, cause.ns)).collect();
        let expected = [
            (Cause::LaunchGap, 5 + 4),
            (Cause::Host, 35),
            (Cause::WaitPeer, 0),
            (Cause::Copy, 0),
            (Cause::OtherWork, 0),
            (Cause::Unknown, 5),
        ];
        assert_eq!(idle, expected);
    }

    #[test]
    fn the_kernels_of_a_replay_wait_for_nobody_but_the_gpu() {
        //   CPU   ▕ launch of both ▏
        //   GPU          ▕─ gemm ─▏  ▕─ attn ─▏
        let replayed = |name, start_ns, end_ns| Kernel { launched_ns: Some(-20), ..on(0, name, start_ns, end_ns) };
        let found = exposure(&[step(vec![replayed("gemm", 0, 10), replayed("attn", 13, 20)])]);
        let gap = found.idle().causes.iter().find(|cause| cause.name == Cause::LaunchGap).unwrap().ns;
        assert_eq!((gap, found.idle().critical_ns), (3, 3));
    }

    #[test]
    fn spinning_until_the_last_rank_arrives_is_waiting_and_what_compute_hides_of_it_is_free() {
        //   rank 0  gemm  0──10  20───30
        //           comm    10──────────────60        waits until 50; 20..30 is hidden
        //   rank 1  gemm  0──────────────50
        //           comm                  50──60
        let found = exposure(&[
            step(vec![on(0, "gemm", 0, 10), on(1, "reduce", 10, 60), on(0, "gemm", 20, 30)]),
            Row { rank: 1, ..step(vec![on(0, "gemm", 0, 50), on(1, "reduce", 50, 60)]) },
        ]);
        let wait = found.idle().causes.iter().find(|cause| cause.name == Cause::WaitPeer).unwrap().ns;
        assert_eq!((wait, of(&found, Category::Allreduce), of(&found, Category::Gemm)), (30, 20, 70));
    }

    #[test]
    fn the_gap_between_two_steps_belongs_to_the_earlier() {
        let found = exposure(&[step(vec![on(0, "gemm", 0, 10)]), step(vec![on(0, "gemm", 25, 35)])]);
        assert_eq!((found.wall_ns, of(&found, Category::Gemm), found.idle().critical_ns), (35, 20, 15));
    }

    proptest! {
        #[test]
        fn wall_time_is_parted_to_the_nanosecond_and_no_category_gets_more_than_it_ran(rows in any_rows()) {
            let drawn = trace_with_steps(&rows);
            let view = drawn.view();
            let walls = walls(&view);
            let collectives = Collectives::of(&view);
            let Some(found) = Exposure::of(&view, &walls, collectives.as_ref(), &mut |_, _| {}) else { return Ok(()) };
            let wall: u64 = walls.iter().map(|wall| wall.span.duration_ns()).sum();
            prop_assert_eq!(found.wall_ns, wall);
            prop_assert_eq!(found.categories.iter().sum::<u64>() + found.idle().critical_ns, wall);
            let tally = super::super::tally::Tally::new(&view);
            for category in Category::ALL {
                let gpu: u64 = view.steps().map(|(at, _)| tally.step(at)[category as usize]).sum();
                prop_assert!(of(&found, category) <= gpu, "{category:?}");
                let kernels = view.trace.names.iter().filter(|&(name, _)| view.category(name) == category);
                let held: u64 = kernels.map(|(name, _)| found.names[name.index()]).sum();
                prop_assert_eq!(held, of(&found, category), "{:?}", category);
            }
        }

        /// Hidden: within a kernel during which no other begins, so that nothing can have waited for it.
        #[test]
        fn a_hidden_kernel_changes_gpu_time_and_not_the_critical_path(rows in any_rows(), at in any::<prop::sample::Index>()) {
            let kernels = || rows.iter().enumerate().flat_map(|(row, of)| of.kernels.iter().map(move |k| (row, of.rank, k)));
            let covers = |rank: u32, span: &Kernel| {
                let begins = |&(_, other, k): &(usize, u32, &Kernel)| {
                    other == rank && k.start_ns > span.start_ns && k.start_ns < span.end_ns
                };
                span.end_ns - span.start_ns > 2 && !span.name.starts_with("reduce") && !kernels().any(|k| begins(&k))
            };
            let covering: Vec<(usize, Kernel)> =
                kernels().filter(|&(_, rank, k)| covers(rank, k)).map(|(row, _, k)| (row, k.clone())).collect();
            if covering.is_empty() {
                return Ok(());
            }
            let (row, cover) = at.get(&covering);
            let mut more = rows.clone();
            let hidden = Kernel { start_ns: cover.start_ns + 1, end_ns: cover.end_ns - 1, stream: 7, ..cover.clone() };
            more[*row].kernels.push(Kernel { name: "quant_hidden".to_owned(), ..hidden });
            let (without, with) = (trace_with_steps(&rows).report(), trace_with_steps(&more).report());
            prop_assert_eq!(&without.idle, &with.idle);
            for (a, b) in without.categories.iter().flat_map(|a| with.category(a.name).map(|b| (a, b))) {
                prop_assert_eq!(a.critical_ns, b.critical_ns, "{:?}", a.name);
            }
            prop_assert_eq!(with.totals.gpu_time_ns - without.totals.gpu_time_ns, hidden_ns(cover));
        }
    }

    fn hidden_ns(cover: &Kernel) -> u64 {
        cover.end_ns.abs_diff(cover.start_ns) - 2
    }
}
