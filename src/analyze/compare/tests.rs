//! Properties of the comparison as a whole, over sides made up series by series.

use proptest::prelude::*;

use crate::classify::Category;

use super::super::exposure::Part;
use super::layout::Slot;
use super::resample::Random;
use super::result::{Change, Flag};
use super::side::{Facts, Kernel, Side, StepRow};
use super::{Options, compare};

/// A side of one rank whose steps take about 1 ms: a matrix product of 600 µs, attention of 300 µs, 100 µs idle, each
/// off by up to 2 %.
pub(super) fn side(steps: usize, seed: u64) -> Side {
    let mut random = Random::new(seed);
    let mut about = |ns: u64| ns - ns / 50 + random.next() % (ns / 25 + 1);
    let rows = (0..steps).map(|_| [about(600_000), about(300_000), about(100_000)]).collect::<Vec<_>>();
    side_of(&rows.iter().map(|&row| (8, row)).collect::<Vec<_>>())
}

/// A side from steps: batch, and time in matrix products, in attention, and idle.
fn side_of(rows: &[(u32, [u64; 3])]) -> Side {
    let kernel = |name: &str, category| Kernel {
        name: name.to_owned(),
        normal: name.to_owned(),
        demangled: None,
        category,
        sub: "unknown".to_owned(),
        backend: "hip".to_owned(),
    };
    let slot = |kernel: u32, ns: Vec<u64>| Slot {
        place: None,
        kernels: vec![(kernel, ns.iter().sum())],
        dispatches: ns.len() as u64,
        ns,
    };
    let step = |&(size, [gemm, attention, idle]): &(u32, [u64; 3])| {
        let mut span = Part::default();
        span.categories[Category::Gemm as usize] = gemm;
        span.categories[Category::Attention as usize] = attention;
        let mut rest = Part::default();
        rest.idle[0] = idle;
        StepRow {
            run: 0,
            size: Some(size),
            graph_size: None,
            span,
            rest: Some(rest),
            gpu: span.categories,
            wait_ns: 0,
            ranks: vec![gemm + attention],
        }
    };
    Side {
        facts: Facts { runs: 1, ranks: vec![1], has_steps: true, ..Facts::default() },
        steps: rows.iter().map(step).collect(),
        kernels: vec![kernel("gemm", Category::Gemm), kernel("attention", Category::Attention)],
        layout: None,
        slots: vec![
            slot(0, rows.iter().map(|(_, [gemm, ..])| *gemm).collect()),
            slot(1, rows.iter().map(|(_, [_, attention, _])| *attention).collect()),
        ],
    }
}

fn any_side() -> impl Strategy<Value = Side> {
    let step = (prop::sample::select(vec![1_u32, 8, 16]), [0_u64..2_000_000, 0_u64..500_000, 0_u64..100_000]);
    prop::collection::vec(step, 1..40).prop_map(|rows| side_of(&rows))
}

fn options() -> Options {
    Options { draws: 200, ..Options::default() }
}

/// Every change of a comparison, to look at them all.
fn changes(comparison: &super::Comparison) -> Vec<Change> {
    let categories = comparison.categories.iter().map(|row| row.change.clone());
    let kernels = comparison.kernels.iter().map(|row| row.change.clone());
    let batches = comparison.batches.iter().map(|row| row.change.clone());
    categories.chain(kernels).chain(batches).chain([comparison.idle.clone()]).collect()
}

proptest! {
    #[test]
    fn a_side_compared_with_itself_is_the_same(side in any_side()) {
        let found = compare(&side, &side, &options());
        prop_assert_eq!(found.step.delta_ns, 0);
        for change in changes(&found) {
            prop_assert_eq!((change.delta_ns, change.real, change.flag), (0, false, Flag::Same));
        }
        prop_assert!(found.waterfall.iter().all(|row| row.delta_ns == 0));
    }

    #[test]
    fn swapping_the_sides_negates_every_difference(base in any_side(), new in any_side()) {
        let there = compare(&base, &new, &options());
        let back = compare(&new, &base, &options());
        prop_assert_eq!(there.step.delta_ns, -back.step.delta_ns);
        let negated = |[low, high]: [i64; 2]| [-high, -low];
        prop_assert_eq!(there.step.interval, back.step.interval.map(negated));
        for (a, b) in there.categories.iter().zip(&back.categories) {
            prop_assert_eq!(a.change.delta_ns, -b.change.delta_ns);
            prop_assert_eq!(a.change.interval, b.change.interval.map(negated));
            prop_assert_eq!(a.change.real, b.change.real);
        }
        for (a, b) in there.waterfall.iter().zip(&back.waterfall) {
            prop_assert_eq!(a.delta_ns, -b.delta_ns);
        }
    }

    #[test]
    fn the_waterfall_sums_to_the_step_to_the_nanosecond(base in any_side(), new in any_side()) {
        let found = compare(&base, &new, &options());
        prop_assert_eq!(found.waterfall.iter().map(|row| row.delta_ns).sum::<i64>(), found.step.delta_ns);
        let comparable = !found.batches.is_empty();
        if comparable {
            prop_assert_eq!(found.waterfall.iter().map(|row| row.base_ns).sum::<i64>() as u64, found.step.base_p50_ns);
            prop_assert_eq!(found.waterfall.iter().map(|row| row.new_ns).sum::<i64>() as u64, found.step.new_p50_ns);
        }
        if let Some(mix) = &found.mix {
            prop_assert_eq!(mix.same_work.delta_ns + mix.shift_ns, found.step.delta_ns);
        }
    }
}

#[test]
fn a_slower_category_is_flagged_and_no_other() {
    let base = side(60, 1);
    let mut new = side(60, 2);
    for (at, step) in new.steps.iter_mut().enumerate() {
        let more = step.gpu[Category::Attention as usize] / 8;
        step.gpu[Category::Attention as usize] += more;
        step.span.categories[Category::Attention as usize] += more;
        new.slots[1].ns[at] += more;
    }
    let found = compare(&base, &new, &Options::default());
    let flags: Vec<_> = found.categories.iter().map(|row| row.change.flag).collect();
    let expected =
        Category::ALL.map(|category| if category == Category::Attention { Flag::Regressed } else { Flag::Same });
    assert_eq!(flags, expected);
    assert_eq!(found.idle.flag, Flag::Same);
    assert_eq!(found.verdict, super::Verdict::Regressed);
    assert_eq!(found.kernels[0].base, ["attention"]);
}

#[test]
fn a_host_that_hesitates_hides_no_slower_kernel() {
    let hesitant = |seed: u64, slower: u64| {
        let mut side = side(60, seed);
        let mut random = Random::new(seed);
        for (at, step) in side.steps.iter_mut().enumerate() {
            if let Some(rest) = &mut step.rest {
                rest.idle[0] = random.next() % 20_000_000;
            }
            let more = step.gpu[Category::Attention as usize] * slower / 100;
            step.gpu[Category::Attention as usize] += more;
            step.span.categories[Category::Attention as usize] += more;
            side.slots[1].ns[at] += more;
        }
        side
    };
    let found = compare(&hesitant(1, 0), &hesitant(2, 15), &Options::default());
    assert!(!found.step.real, "{:?}", found.step);
    let attention = &found.categories[Category::Attention as usize].change;
    assert_eq!((attention.flag, found.kernels[0].change.flag), (Flag::Regressed, Flag::Regressed), "{attention:?}");
    assert!(found.noise_floor.unwrap() < 0.05, "{:?}", found.noise_floor);
}

#[test]
fn more_of_the_larger_batch_is_a_shift_of_the_mix_and_no_regression() {
    let small = |seed: u64| side(40, seed).steps;
    let mix = |of_large: usize, seed: u64| {
        let rows: Vec<(u32, [u64; 3])> = small(seed)
            .iter()
            .enumerate()
            .map(|(at, step)| {
                let large = at % 10 < of_large;
                let (gemm, attention) = (step.gpu[Category::Gemm as usize], step.gpu[Category::Attention as usize]);
                let factor = if large { 2 } else { 1 };
                (if large { 64 } else { 8 }, [gemm * factor, attention * factor, 100_000])
            })
            .collect();
        side_of(&rows)
    };
    let found = compare(&mix(2, 1), &mix(8, 2), &Options::default());
    assert!(found.step.delta_share.unwrap() > 0.5, "{:?}", found.step);
    let mix = found.mix.unwrap();
    assert!(mix.same_work.delta_share.unwrap().abs() < 0.02, "{mix:?}");
    assert_eq!((found.step.flag, found.verdict), (Flag::Same, super::Verdict::Same));
    assert!(found.comparable.reasons.iter().any(|reason| reason.code == "mix-shift"));
}

#[test]
fn repeated_runs_that_differ_make_their_difference_noise() {
    let runs = |levels: &[u64], seed: u64| {
        let mut whole: Option<Side> = None;
        for (run, level) in (0..).zip(levels) {
            let mut part = side(30, seed + u64::from(run));
            for step in &mut part.steps {
                step.run = run;
                step.span.categories[Category::Gemm as usize] += level * 1_000;
            }
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => {
                    whole.steps.extend(part.steps);
                    for (slot, other) in whole.slots.iter_mut().zip(part.slots) {
                        slot.ns.extend(other.ns);
                    }
                }
            }
        }
        whole.unwrap()
    };
    let one_run = compare(&runs(&[0], 1), &runs(&[90], 2), &Options::default());
    assert_eq!(one_run.step.flag, Flag::Regressed);
    let repeated = compare(&runs(&[0, 100, 10], 1), &runs(&[90, 10, 95], 2), &Options::default());
    assert_eq!((repeated.step.flag, repeated.step.real), (Flag::Same, false), "{:?}", repeated.step);
}

#[test]
fn nothing_is_called_real_that_rests_on_a_handful_of_steps() {
    let base = side(4, 1);
    let mut new = side(4, 2);
    new.steps.iter_mut().for_each(|step| step.span.categories[Category::Gemm as usize] *= 2);
    let found = compare(&base, &new, &Options::default());
    assert_eq!((found.step.interval, found.step.flag), (None, Flag::Same));
    assert_eq!(found.verdict, super::Verdict::NotComparable);
}
