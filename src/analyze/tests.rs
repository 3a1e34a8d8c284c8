//! What holds for every report, whatever the trace.

use proptest::prelude::*;

use crate::analyze::testing::{Row, any_rows, any_served_ranks, trace_with_steps, trace_with_steps_and};
use crate::classify::{Category, Confidence, Verdict};
use crate::output::Report;
use crate::output::ranks::{Across, CollectiveKind, RankRow};
use crate::output::report::ScopeOf;

#[test]
fn tables_are_of_decode_steps_and_the_rest_is_listed_with_its_share() {
    let rows = [
        Row::warmup(&[("gemm", 0, 10)]),
        Row::prefill(&[("gemm", 20, 60)]),
        Row::decode(&[("gemm", 100, 120), ("attn", 120, 130)]),
    ];
    let report = trace_with_steps_and(&rows, &[Row::decode(&[("norm", 70, 90)])]).report();
    assert_eq!(report.scope.of, ScopeOf::DecodeSteps);
    assert_eq!(report.scope.counted.gpu_time_ns, 30);
    let left: Vec<_> = report.scope.left_out.iter().map(|row| (row.reason, row.steps, row.gpu_time_ns)).collect();
    assert_eq!(left, [("warmup", 1, 10), ("prefill", 1, 40), ("outside_steps", 0, 20)]);
    assert_eq!(report.totals.outside_steps.gpu_time_ns, 20);
    assert_eq!(report.kernels.iter().map(|k| (&*k.name, k.total_ns)).collect::<Vec<_>>(), [("gemm", 20), ("attn", 10)]);
}

/// The drawn verdicts leave the confidence of the backend at low, and name the backend.
#[test]
fn what_a_guess_puts_under_a_backend_is_told_and_the_unknown_is_no_guess() {
    let drawn = trace_with_steps(&[Row::decode(&[("gemm_a", 0, 10), ("gemm_b", 10, 40), ("zork", 40, 50)])]);
    let mut classes = drawn.classes.clone();
    for (name, text) in drawn.trace.names.iter() {
        let found = classes.get(name).clone();
        if text == "gemm_b" {
            classes.set(name, Verdict { backend_confidence: Confidence::High, ..found });
        }
    }
    let report = crate::analyze::report(&drawn.trace, &classes, &drawn.table, &crate::analyze::Options::default());
    let parts = |category| report.category(category).unwrap().backends.clone();
    let [gemm] = &parts(Category::Gemm)[..] else { panic!("one backend") };
    assert_eq!((gemm.name.as_str(), gemm.gpu_time_ns, gemm.guessed_share), ("hip", 40, 0.25));
    assert_eq!(parts(Category::Other)[0].guessed_share, 0.0);
}

#[test]
fn without_decode_steps_the_whole_trace_counts_and_the_report_says_so() {
    let report = trace_with_steps_and(&[], &[Row::decode(&[("gemm", 0, 10)])]).report();
    assert_eq!((report.scope.of, report.scope.counted.gpu_time_ns), (ScopeOf::Trace, 10));
    assert!(report.warnings.iter().any(|warning| warning.code == "no-decode-steps"));
    assert!(!report.steps.complete);
    assert_eq!((report.idle, report.steps.itl_ns), (None, None));
}

#[test]
fn an_empty_trace_makes_an_empty_report() {
    let report = trace_with_steps(&[]).report();
    assert_eq!((report.totals.dispatches, report.kernels.len(), report.categories.len()), (0, 0, 6));
    assert_eq!(report.most_expensive, None);
}

#[test]
fn a_step_that_ran_on_two_ranks_is_one_step() {
    let report = trace_with_steps(&[
        Row::decode(&[("gemm", 0, 10)]),
        Row::decode(&[("gemm", 20, 30)]),
        Row::decode(&[("gemm", 0, 10)]).on_rank(1),
        Row::decode(&[("gemm", 20, 30)]).on_rank(1),
    ])
    .report();
    assert_eq!((report.steps.count, report.steps.phases.decode, report.ranks), (2, 2, 2));
    assert_eq!(report.steps.itl_ns.unwrap().count, 2);
}

proptest! {
    #[test]
    fn categories_kernels_and_what_is_left_out_add_up_to_the_trace(rows in any_rows()) {
        let report = trace_with_steps(&rows).report();
        let time: u64 = rows.iter().flat_map(|row| &row.kernels).map(|k| (k.end_ns - k.start_ns) as u64).sum();
        let left: u64 = report.scope.left_out.iter().map(|row| row.gpu_time_ns).sum();
        prop_assert_eq!(report.totals.gpu_time_ns, time);
        prop_assert_eq!(report.scope.counted.gpu_time_ns + left, time);
        prop_assert_eq!(report.scope.left_out_kernels.iter().map(|k| k.total_ns).sum::<u64>(), left);
        let counted = report.scope.counted;
        prop_assert_eq!(report.categories.iter().map(|row| row.gpu_time_ns).sum::<u64>(), counted.gpu_time_ns);
        prop_assert_eq!(report.kernels.iter().map(|row| row.total_ns).sum::<u64>(), counted.gpu_time_ns);
        prop_assert_eq!(report.kernels.iter().map(|row| row.count).sum::<u64>(), counted.dispatches);
        for row in &report.categories {
            let parts = [&row.backends, &row.subs, &row.dtypes].map(|parts| parts.iter().map(|p| p.gpu_time_ns).sum::<u64>());
            prop_assert_eq!(parts, [row.gpu_time_ns; 3]);
        }
        if counted.gpu_time_ns > 0 {
            let shares: f64 = report.categories.iter().map(|row| row.gpu_share).sum();
            prop_assert!((shares - 1.0).abs() < 1e-9);
        }
        if let Some(idle) = &report.idle {
            let critical: u64 = report.categories.iter().filter_map(|row| row.critical_ns).sum();
            prop_assert_eq!(critical + idle.critical_ns, report.scope.wall_ns);
            prop_assert_eq!(idle.causes.iter().map(|cause| cause.ns).sum::<u64>(), idle.critical_ns);
        }
        prop_assert!(report.totals.busy_ns <= time);
    }

    /// Kernels within a row are delivered in another order; rows keep theirs, since it gives them their numbers.
    #[test]
    fn the_order_of_the_input_changes_nothing(rows in any_rows(), seed in any::<u64>()) {
        let mut shuffled = rows.clone();
        for row in &mut shuffled {
            row.kernels.sort_by_key(|kernel| (kernel.start_ns as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        prop_assert_eq!(trace_with_steps(&rows).report(), trace_with_steps(&shuffled).report());
    }

    #[test]
    fn twice_the_time_is_twice_the_figures(rows in any_rows()) {
        let mut doubled = rows.clone();
        for kernel in doubled.iter_mut().flat_map(|row| &mut row.kernels) {
            kernel.start_ns *= 2;
            kernel.end_ns *= 2;
            kernel.launched_ns = kernel.launched_ns.map(|at| at * 2);
        }
        let (once, twice) = (trace_with_steps(&rows).report(), trace_with_steps(&doubled).report());
        prop_assert_eq!(once.scope.wall_ns * 2, twice.scope.wall_ns);
        for (a, b) in once.categories.iter().zip(&twice.categories) {
            prop_assert_eq!((a.name, a.gpu_time_ns * 2), (b.name, b.gpu_time_ns));
            prop_assert_eq!(a.critical_ns.map(|ns| ns * 2), b.critical_ns);
        }
        let idle = |report: &Report, by: u64| -> Vec<_> {
            report.idle.iter().flat_map(|idle| &idle.causes).map(|cause| (cause.name, cause.ns * by)).collect()
        };
        prop_assert_eq!(idle(&once, 2), idle(&twice, 1));
        let ranks = |report: &Report, by: u64| -> Vec<_> {
            let rows = report.rank_skew.iter().flat_map(|skew| &skew.per_rank);
            rows.map(|r| [r.wait_ns, r.transfer_ns, r.early_ns, r.own_ns, r.own_gpu_ns].map(|ns| ns.map(|ns| ns * by))).collect()
        };
        prop_assert_eq!(ranks(&once, 2), ranks(&twice, 1));
        let path = |report: &Report, by: u64| {
            let path = report.rank_skew.as_ref().and_then(|skew| skew.critical_path.clone());
            path.map(|path| (path.wall_ns * by, path.idle.critical_ns * by, path.hops))
        };
        prop_assert_eq!(path(&once, 2), path(&twice, 1));
    }

    #[test]
    fn waiting_and_transfer_add_up_to_the_collectives_and_the_path_to_the_wall(rows in any_served_ranks()) {
        let drawn = trace_with_steps(&rows);
        let report = drawn.report();
        let Some(skew) = &report.rank_skew else { return Ok(()) };
        if let Some(found) = &skew.collectives {
            prop_assert_eq!(found.last_arriver.iter().map(|row| row.times).sum::<u64>(), found.count - found.undecided);
            let kinds = |of: fn(&CollectiveKind) -> u64| found.by_kind.iter().map(of).sum::<u64>();
            prop_assert_eq!((kinds(|k| k.wait_ns), kinds(|k| k.transfer_ns)), (found.wait_ns, found.transfer_ns));
            prop_assert!(found.last_arriver.iter().all(|row| row.times <= row.of));
            prop_assert_eq!(found.steps.iter().map(|step| step.wait_ns).sum::<u64>(), found.wait_ns);
            if found.unmatched == 0 && skew.groups.len() == 1 && skew.groups[0].len() == report.ranks {
                let collectives = report.category(Category::Allreduce).unwrap().gpu_time_ns;
                prop_assert_eq!(found.wait_ns + found.transfer_ns, collectives);
            }
        }
        for row in &skew.per_rank {
            prop_assert!(row.wait_ns <= row.early_ns);
        }
        if let Some(path) = &skew.critical_path {
            let parts: u64 = path.categories.iter().map(|row| row.ns).sum();
            prop_assert_eq!(parts + path.idle.critical_ns, path.wall_ns);
            prop_assert_eq!(path.on_path.iter().map(|row| row.ns).sum::<u64>(), path.wall_ns);
        }
    }

    /// Times differ from rank to rank: of ranks that arrive together the first counts as last, and no order of ranks
    /// that is not the ranks' own could break that tie.
    #[test]
    fn the_ranks_in_another_order_are_the_same_ranks(rows in any_served_ranks(), by in 0_u32..4) {
        let ranks = rows.iter().map(|row| row.rank).max().unwrap_or(0) + 1;
        let renamed = |rank: u32| (rank + by) % ranks;
        let turned: Vec<Row> = rows.iter().cloned().map(|row| Row { rank: renamed(row.rank), ..row }).collect();
        let (a, b) = (trace_with_steps(&rows).report(), trace_with_steps(&turned).report());
        prop_assert_eq!(&a.categories, &b.categories);
        prop_assert_eq!(&a.idle, &b.idle);
        let (Some(mut a), Some(b)) = (a.rank_skew, b.rank_skew) else { return Ok(()) };
        let Some(found) = &mut a.collectives else { return Ok(()) };
        found.last_arriver.iter_mut().for_each(|row| row.rank = renamed(row.rank));
        found.last_arriver.sort_by_key(|row| (std::cmp::Reverse(row.times), row.rank));
        found.steps.iter_mut().for_each(|row| row.last = None);
        a.per_rank.iter_mut().for_each(|row| row.rank = renamed(row.rank));
        a.per_rank.sort_by_key(|row| row.rank);
        a.stragglers.iter_mut().for_each(|row| row.rank = renamed(row.rank));
        a.stragglers.sort_by_key(|row| (std::cmp::Reverse(row.own_ns_per_step - row.median_ns_per_step), row.rank));
        let mut other = b.collectives.unwrap();
        // Of ranks that were last equally often in a step the first is named.
        other.steps.iter_mut().for_each(|row| row.last = None);
        prop_assert_eq!(a.collectives.unwrap(), other);
        // Of ranks that are equally slow the first is named.
        let slowness = |rank: Option<u32>, rows: &[RankRow]| {
            let row = rows.iter().find(|row| Some(row.rank) == rank)?;
            let wait = row.wait_ns.map(|ns| u128::from(ns) * 1000 / u128::from(row.steps.max(1)));
            Some((wait, row.step_p50_ns.filter(|_| wait.is_none())))
        };
        let slowest = a.slowest_rank.map(renamed);
        prop_assert_eq!(slowness(slowest, &a.per_rank), slowness(b.slowest_rank, &b.per_rank));
        prop_assert_eq!((a.per_rank, a.stragglers), (b.per_rank, b.stragglers));
        let sums = |path: Option<Across>| path.map(|path| (path.wall_ns, path.categories, path.idle, path.hops));
        prop_assert_eq!(sums(a.critical_path), sums(b.critical_path));
    }
}
