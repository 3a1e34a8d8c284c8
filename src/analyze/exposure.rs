//! What a step waits for on one GPU: a partition of its wall time.
//!
//! The sum of kernel durations misleads as soon as streams overlap. Here every nanosecond of a step's wall goes to
//! exactly one place: to the category that held the step up, or to idle time and its cause.
//!
//! ```text
//!   stream 0   ▕▔▔ gemm a ▔▔▏      ▕▔▔▔ gemm b ▔▔▔▏▕▔▔ norm ▔▔▏
//!   stream 1        ▕▔▔▔ allreduce ▔▔▔▏       ▕▔ attn ▔▏             next step ▕▔▔
//!              ├─── gemm ──┤├─ comm ┤├── gemm ────┤├── other ─┤├──── idle ────┤
//! ```
//!
//! Rules, in order:
//!
//! 1. *Compute hides the rest.* While a compute kernel runs, communication, copies and foreign work are free.
//! 2. *Between compute kernels the one that the next waited for counts.* The wall is walked backwards: the last kernel
//!    to end holds the step up for all of its time; before its start, the kernel whose end came last released it, and
//!    so on. A kernel that still runs across such a handover covers only the time that nothing else explains.
//! 3. What compute leaves goes to communication, then to copies, then to kernels of no counted step.
//! 4. What is left is idle. If the call that launched the next work began before the gap, the work was there and the
//!    gap is the GPU's (`launch_gap`); until the call began the gap is the `host`'s; without a known call: `unknown`.
//!
//! Rejected: charging overlapping kernels in proportion (no ordering of kernels makes such a share come true), and
//! taking the longest kernel (it may end early and hold up nothing).

use serde::{Deserialize, Serialize};

use crate::classify::Category;
use crate::model::{LaunchIdx, NameId, RankIdx, Span};

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
    /// The same by kernel, [`NameId`] by [`NameId`]; sums to `categories`.
    pub(super) names: Vec<u64>,
    idle: [u64; CAUSES.len()],
}

/// The causes that are told apart here.
pub(super) const CAUSES: [Cause; 5] = [Cause::LaunchGap, Cause::Host, Cause::Copy, Cause::OtherWork, Cause::Unknown];

impl Exposure {
    /// The partition of all walls; `None` for none.
    pub(super) fn of(view: &View<'_>, walls: &[Wall]) -> Option<Self> {
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
        let parts = partition_by_name(view, &pieces, &mut exposure.names);
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
        let critical_ns = self.idle.iter().sum();
        let causes = CAUSES.iter().zip(self.idle).map(|(&name, ns)| IdleCause { name, ns }).collect();
        Idle { critical_ns, critical_share: share(critical_ns, self.wall_ns), causes }
    }
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

/// The partition of each of `pieces`: stretches of wall time on a rank, in order of time on each rank and disjoint.
pub(super) fn partition(view: &View<'_>, pieces: &[(RankIdx, Span)]) -> Vec<Part> {
    partition_by_name(view, pieces, &mut vec![0; view.trace.names.len()])
}

/// The same; adds what each kernel held up to `names`.
fn partition_by_name(view: &View<'_>, pieces: &[(RankIdx, Span)], names: &mut [u64]) -> Vec<Part> {
    let activities = Activity::by_rank(view);
    let mut sweeps: Vec<Sweep<'_>> = activities.iter().map(Sweep::new).collect();
    pieces.iter().map(|&(rank, span)| sweeps[rank.index()].part(view, span, names)).collect()
}

/// Goes over one rank's work, from piece to piece.
struct Sweep<'a> {
    activity: &'a Activity,
    compute: Window<'a>,
    communication: Window<'a>,
    copies: Window<'a>,
    other: Window<'a>,
    gaps: Vec<Span>,
}

impl<'a> Sweep<'a> {
    fn new(activity: &'a Activity) -> Self {
        Self {
            activity,
            compute: Window::new(&activity.compute),
            communication: Window::new(&activity.communication),
            copies: Window::new(&activity.copies),
            other: Window::new(&activity.other),
            gaps: Vec::new(),
        }
    }

    fn part(&mut self, view: &View<'_>, wall: Span, names: &mut [u64]) -> Part {
        let mut part = Part::default();
        let gaps = &mut self.gaps;
        gaps.clear();
        let mut held = |work: &Work, ns: u64| {
            part.categories[work.category as usize] += ns;
            if let Some(name) = work.name {
                names[name.index()] += ns;
            }
        };
        walk_back(self.compute.overlapping(wall), wall, &mut held, gaps);
        gaps.reverse();
        take(gaps, self.communication.overlapping(wall), &mut held);
        let mut nothing = |_: &Work, _: u64| {};
        part.add_idle(Cause::Copy, take(gaps, self.copies.overlapping(wall), &mut nothing));
        part.add_idle(Cause::OtherWork, take(gaps, self.other.overlapping(wall), &mut nothing));
        for &gap in gaps.iter() {
            let length = gap.duration_ns();
            match self.activity.launch_ending(gap).map(|launch| view.trace.launches[launch.index()].span.start_ns) {
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

/// A piece of GPU work.
#[derive(Clone, Copy, Debug)]
struct Work {
    span: Span,
    category: Category,
    /// The kernel; `None` for copies.
    name: Option<NameId>,
}

/// What one rank did, each list sorted by start.
#[derive(Default, Debug)]
struct Activity {
    compute: Vec<Work>,
    communication: Vec<Work>,
    copies: Vec<Work>,
    other: Vec<Work>,
    /// Starts of all of these with the call that launched them.
    starts: Vec<(i64, Option<LaunchIdx>)>,
}

impl Activity {
    fn by_rank(view: &View<'_>) -> Vec<Self> {
        let mut ranks: Vec<Self> = view.trace.ranks.iter().map(|_| Self::default()).collect();
        for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
            let rank = &mut ranks[view.rank_of(position).index()];
            let work = Work { span: dispatch.span, category: view.category(dispatch.name), name: Some(dispatch.name) };
            rank.starts.push((work.span.start_ns, dispatch.launch));
            match (view.left_out(position), work.category) {
                (Some(_), _) => rank.other.push(work),
                (None, Category::Allreduce) => rank.communication.push(work),
                (None, _) => rank.compute.push(work),
            }
        }
        for copy in &view.trace.copies {
            let rank = &mut ranks[view.trace.rank_of(copy.stream).index()];
            rank.starts.push((copy.span.start_ns, copy.launch));
            rank.copies.push(Work { span: copy.span, category: Category::Other, name: None });
        }
        for rank in &mut ranks {
            rank.starts.sort_by_key(|&(start_ns, launch)| (start_ns, launch.is_none()));
        }
        ranks
    }

    /// The call that launched the work which ends `gap`; `None` where that is not known.
    fn launch_ending(&self, gap: Span) -> Option<LaunchIdx> {
        let at = self.starts.partition_point(|&(start_ns, _)| start_ns < gap.end_ns);
        self.starts.get(at).filter(|&&(start_ns, _)| start_ns == gap.end_ns).and_then(|&(_, launch)| launch)
    }
}

/// Walks over work sorted by start, from wall to wall, in one pass.
struct Window<'a> {
    rest: &'a [Work],
    /// Work met so far that may reach into the next wall, sorted by start.
    open: Vec<Work>,
}

impl<'a> Window<'a> {
    fn new(work: &'a [Work]) -> Self {
        Self { rest: work, open: Vec::new() }
    }

    /// The work that overlaps `wall`, sorted by start. Walls must come in order.
    fn overlapping(&mut self, wall: Span) -> &[Work] {
        self.open.retain(|work| work.span.end_ns > wall.start_ns);
        let begun = self.rest.partition_point(|work| work.span.start_ns < wall.end_ns);
        let (begun, rest) = self.rest.split_at(begun);
        self.open.extend(begun.iter().filter(|work| work.span.end_ns > wall.start_ns));
        self.rest = rest;
        &self.open
    }
}

/// Rule 2 of the module: shares out the part of `wall` in which something of `work` ran among what `held` it up, and
/// adds the rest to `gaps`, the last first.
fn walk_back(work: &[Work], wall: Span, held: &mut impl FnMut(&Work, u64), gaps: &mut Vec<Span>) {
    let mut by_end: Vec<&Work> = work.iter().collect();
    by_end.sort_by_key(|work| (work.span.end_ns, work.span.start_ns, work.category));
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
        held(holder, now.abs_diff(until));
        now = until;
    }
}

/// Removes what `work` (sorted by start) covers from `gaps` (sorted, disjoint), and tells how much that was, in all and
/// to `held` by the work that covered it.
fn take(gaps: &mut Vec<Span>, work: &[Work], held: &mut impl FnMut(&Work, u64)) -> u64 {
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
            held(piece, end_ns.abs_diff(start_ns));
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
        Exposure::of(&view, &walls(&view)).unwrap()
    }

    fn on(stream: u64, name: &str, start_ns: i64, end_ns: i64) -> Kernel {
        Kernel { name: name.to_owned(), start_ns, end_ns, stream, launched_ns: None }
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
            (Cause::Copy, 0),
            (Cause::OtherWork, 0),
            (Cause::Unknown, 5),
        ];
        assert_eq!(idle, expected);
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
            let Some(found) = Exposure::of(&view, &walls) else { return Ok(()) };
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
    }
}
