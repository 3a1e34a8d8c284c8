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
//! Waiting is known where collectives could be matched across ranks (see [`collectives`](crate::analyze::ranks::collectives)); elsewhere
//! it is in the communication's time.
//!
//! Rejected: charging overlapping kernels in proportion (no ordering of kernels makes such a share come true), and
//! taking the longest kernel (it may end early and hold up nothing).

use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::critical::sweep::{Activity, Sweep};
use crate::analyze::ranks::collectives::Collectives;
use crate::analyze::scope::Scope;
use crate::analyze::time::latency::Wall;
use crate::model::{RankIdx, Span};

/// Wall time of all counted steps by what held them up, summed over ranks.
#[derive(Debug)]
pub(crate) struct CriticalTime {
    /// All of it; its length is the wall time of all steps.
    pub(crate) all: Breakdown,
    /// Wall time that kernels held up, by rank.
    pub(crate) per_rank: Vec<u64>,
    /// The same by kernel name, by [`NameId`](crate::model::NameId).
    pub(crate) names: Vec<u64>,
    /// The same by dispatch, by position in the trace.
    pub(crate) dispatches: Vec<u64>,
}

impl CriticalTime {
    /// The partition of all walls; `None` for none.
    pub(crate) fn of(scope: &Scope<'_>, walls: &[Wall], collectives: Option<&Collectives>) -> Option<Self> {
        if walls.is_empty() {
            return None;
        }
        let stretches: Vec<(RankIdx, Span)> =
            walls.iter().map(|wall| (scope.table.steps[wall.step.index()].rank, wall.span)).collect();
        let mut dispatches = vec![0; scope.trace.dispatches.len()];
        let mut charge = |at: u32, ns: u64| dispatches[at as usize] += ns;
        let parts = partition_and(scope, &stretches, collectives, &mut charge);
        let mut per_rank = vec![0; scope.trace.ranks.len()];
        for (part, (rank, _)) in parts.iter().zip(&stretches) {
            per_rank[rank.index()] += part.categories.iter().sum::<u64>();
        }
        let mut names = vec![0; scope.trace.names.len()];
        for (dispatch, ns) in scope.trace.dispatches.iter().zip(&dispatches) {
            names[dispatch.name.index()] += ns;
        }
        Some(Self { all: Breakdown::sum(&parts), per_rank, names, dispatches })
    }

    /// The wall time of all steps.
    pub(crate) fn wall_ns(&self) -> u64 {
        self.all.wall_ns()
    }
}

/// The partition of each of `stretches` of wall time on a rank: in order of time on each rank and disjoint, on the rank's
/// own clock. Waiting for other ranks is told from transfer where `collectives` are given.
pub(crate) fn partition(
    scope: &Scope<'_>,
    stretches: &[(RankIdx, Span)],
    collectives: Option<&Collectives>,
) -> Vec<Breakdown> {
    partition_and(scope, stretches, collectives, &mut |_, _| {})
}

/// The same; tells `held` of each dispatch, by its position in the trace, how long it held its step up.
fn partition_and(
    scope: &Scope<'_>,
    stretches: &[(RankIdx, Span)],
    collectives: Option<&Collectives>,
    held: &mut impl FnMut(u32, u64),
) -> Vec<Breakdown> {
    let activities = Activity::by_rank(scope);
    let mut sweeps: Vec<Sweep<'_>> =
        activities.iter().map(|activity| Sweep::new(scope, activity, collectives)).collect();
    stretches.iter().map(|&(rank, span)| sweeps[rank.index()].part(span, held)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analyze::testing::{Kernel, Row, any_rows, trace_with_steps};
    use crate::analyze::time::latency::walls;
    use crate::analyze::time::pauses::Pauses;
    use crate::classify::Category;
    use crate::output::time::Cause;

    fn critical(rows: &[Row]) -> CriticalTime {
        let drawn = trace_with_steps(rows);
        let scope = drawn.scope();
        CriticalTime::of(&scope, &walls(&scope, &Pauses::of(&scope)), Collectives::of(&scope).as_ref()).unwrap()
    }

    fn on(stream: u64, name: &str, start_ns: i64, end_ns: i64) -> Kernel {
        Kernel { name: name.to_owned(), start_ns, end_ns, stream, launched_ns: None, product: None }
    }

    fn step(kernels: Vec<Kernel>) -> Row {
        Row { kernels, ..Row::decode(&[]) }
    }

    fn of(critical: &CriticalTime, category: Category) -> u64 {
        critical.all.categories[category as usize]
    }

    #[test]
    fn compute_hides_communication_and_what_sticks_out_is_exposed() {
        //   gemm   0──────40            60────100
        //   comm        20────────70
        let found = critical(&[step(vec![on(0, "gemm", 0, 40), on(1, "reduce", 20, 70), on(0, "gemm", 60, 100)])]);
        assert_eq!((of(&found, Category::Gemm), of(&found, Category::Allreduce)), (80, 20));
        assert_eq!(found.all.idle().critical_ns, 0);
    }

    #[test]
    fn a_kernel_that_ends_last_holds_the_step_up_and_those_under_it_do_not() {
        //   gemm   0──────────────────────100
        //   attn        10───40   50───90
        let found = critical(&[step(vec![on(0, "gemm", 0, 100), on(1, "attn", 10, 40), on(1, "attn", 50, 90)])]);
        assert_eq!((of(&found, Category::Gemm), of(&found, Category::Attention)), (100, 0));
    }

    #[test]
    fn the_kernel_whose_end_released_the_next_is_on_the_path() {
        //   gemm   0────────────────70                gemm covers 55..60 and 0..30
        //   attn              30──55
        //   norm                     60─────100
        let found = critical(&[step(vec![on(0, "gemm", 0, 70), on(1, "attn", 30, 55), on(1, "norm", 60, 100)])]);
        assert_eq!(of(&found, Category::Other), 40);
        assert_eq!(of(&found, Category::Attention), 25);
        assert_eq!(of(&found, Category::Gemm), 35);
    }

    #[test]
    fn a_hidden_kernel_changes_gpu_time_and_not_the_path() {
        let bare = critical(&[step(vec![on(0, "gemm", 0, 100)])]);
        let with = critical(&[step(vec![on(0, "gemm", 0, 100), on(1, "attn", 20, 60)])]);
        assert_eq!(bare.all.categories, with.all.categories);
    }

    #[test]
    fn idle_time_is_the_hosts_until_the_next_launch_began_and_the_gpus_after_it() {
        let mut late = on(0, "gemm", 50, 60);
        late.launched_ns = Some(45);
        let mut queued = on(0, "attn", 64, 70);
        queued.launched_ns = Some(46);
        let found = critical(&[step(vec![on(0, "gemm", 0, 10), late, queued, on(0, "norm", 75, 80)])]);
        let idle: Vec<_> = found.all.idle().causes.iter().map(|cause| (cause.name, cause.ns)).collect();
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
        let found = critical(&[step(vec![replayed("gemm", 0, 10), replayed("attn", 13, 20)])]);
        let gap = found.all.idle().causes.iter().find(|cause| cause.name == Cause::LaunchGap).unwrap().ns;
        assert_eq!((gap, found.all.idle().critical_ns), (3, 3));
    }

    #[test]
    fn spinning_until_the_last_rank_arrives_is_waiting_and_what_compute_hides_of_it_is_free() {
        //   rank 0  gemm  0──10  20───30
        //           comm    10──────────────60        waits until 50; 20..30 is hidden
        //   rank 1  gemm  0──────────────50
        //           comm                  50──60
        let found = critical(&[
            step(vec![on(0, "gemm", 0, 10), on(1, "reduce", 10, 60), on(0, "gemm", 20, 30)]),
            Row { rank: 1, ..step(vec![on(0, "gemm", 0, 50), on(1, "reduce", 50, 60)]) },
        ]);
        let wait = found.all.idle().causes.iter().find(|cause| cause.name == Cause::WaitPeer).unwrap().ns;
        assert_eq!((wait, of(&found, Category::Allreduce), of(&found, Category::Gemm)), (30, 20, 70));
    }

    #[test]
    fn the_gap_between_two_steps_belongs_to_the_earlier() {
        let found = critical(&[step(vec![on(0, "gemm", 0, 10)]), step(vec![on(0, "gemm", 25, 35)])]);
        assert_eq!((found.wall_ns(), of(&found, Category::Gemm), found.all.idle().critical_ns), (35, 20, 15));
    }

    proptest! {
        #[test]
        fn wall_time_is_parted_to_the_nanosecond_and_no_category_gets_more_than_it_ran(rows in any_rows()) {
            let drawn = trace_with_steps(&rows);
            let scope = drawn.scope();
            let walls = walls(&scope, &Pauses::of(&scope));
            let collectives = Collectives::of(&scope);
            let Some(found) = CriticalTime::of(&scope, &walls, collectives.as_ref()) else { return Ok(()) };
            let wall: u64 = walls.iter().map(|wall| wall.span.duration_ns()).sum();
            prop_assert_eq!(found.wall_ns(), wall);
            let sums = crate::analyze::time::sums::Sums::new(&scope);
            for category in Category::ALL {
                let gpu: u64 = scope.steps().map(|(at, _)| sums.step(at)[category as usize]).sum();
                prop_assert!(of(&found, category) <= gpu, "{category:?}");
                let kernels = scope.trace.names.iter().filter(|&(name, _)| scope.category(name) == category);
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
