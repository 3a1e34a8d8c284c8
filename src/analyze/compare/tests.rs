//! Properties of the comparison as a whole, over sides made up series by series.

use proptest::prelude::*;

use crate::analyze::compare::scatter::Random;
use crate::analyze::compare::side::{Facts, Kernel, Side, Slot, StepRow};
use crate::analyze::compare::{Options, compare};
use crate::analyze::critical::breakdown::Breakdown;
use crate::classify::Category;
use crate::output::comparison::{Change, Flag};

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
        dtype: None,
        secondary: None,
        collective: None,
        path: None,
        shape: None,
        module: None,
    };
    let slot = |kernel: u32, ns: Vec<u64>| Slot {
        place: None,
        kernels: vec![(kernel, ns.iter().sum())],
        dispatches: ns.len() as u64,
        ns,
    };
    let step = |&(size, [gemm, attention, idle]): &(u32, [u64; 3])| {
        let mut span = Breakdown::default();
        span.categories[Category::Gemm as usize] = gemm;
        span.categories[Category::Attention as usize] = attention;
        let mut rest = Breakdown::default();
        rest.idle[0] = idle;
        StepRow {
            run: 0,
            number: 0,
            size: Some(size),
            graph_size: None,
            context: None,
            span,
            rest: Some(rest),
            gpu: span.categories,
            wait_ns: 0,
            waits: Vec::new(),
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
        others: std::collections::BTreeMap::new(),
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
fn changes(comparison: &crate::analyze::compare::Comparison) -> Vec<Change> {
    let categories = comparison.categories.iter().map(|row| row.change.clone());
    let kernels = comparison.kernels.iter().map(|row| row.change.clone());
    let batches = comparison.batches.iter().map(|row| row.change.clone());
    categories.chain(kernels).chain(batches).chain([comparison.idle.clone()]).collect()
}

proptest! {
    #[test]
    fn a_side_compared_with_itself_is_the_same(side in any_side()) {
        let found = compare(&side, &side, &options());
        prop_assert_eq!(found.step.delta_ns, Some(0));
        for change in changes(&found) {
            prop_assert_eq!((change.delta_ns, change.real, change.flag), (Some(0), false, Flag::Same));
        }
        prop_assert!(found.waterfall.iter().all(|row| row.delta_ns == 0));
    }

    #[test]
    fn swapping_the_sides_negates_every_difference(base in any_side(), new in any_side()) {
        let there = compare(&base, &new, &options());
        let back = compare(&new, &base, &options());
        prop_assert_eq!(there.step.delta_ns, back.step.delta_ns.map(|delta| -delta));
        let negated = |[low, high]: [i64; 2]| [-high, -low];
        prop_assert_eq!(there.step.interval, back.step.interval.map(negated));
        for (a, b) in there.categories.iter().zip(&back.categories) {
            prop_assert_eq!(a.change.delta_ns, b.change.delta_ns.map(|delta| -delta));
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
        prop_assert_eq!(found.waterfall.iter().map(|row| row.delta_ns).sum::<i64>(), found.step.delta_ns.unwrap_or(0));
        let comparable = !found.batches.is_empty();
        if comparable {
            prop_assert_eq!(found.waterfall.iter().map(|row| row.base_ns).sum::<i64>() as u64, found.step.base_p50_ns);
            prop_assert_eq!(found.waterfall.iter().map(|row| row.new_ns).sum::<i64>() as u64, found.step.new_p50_ns);
        }
        if let Some(mix) = &found.mix {
            prop_assert_eq!(mix.same_work.delta_ns.map(|delta| delta + mix.shift_ns), found.step.delta_ns);
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
    assert_eq!(found.verdict, crate::analyze::compare::Verdict::Regressed);
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
    assert_eq!((found.step.flag, found.verdict), (Flag::Same, crate::analyze::compare::Verdict::Same));
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
    assert_eq!(found.verdict, crate::analyze::compare::Verdict::NotComparable);
}

fn codes(found: &crate::analyze::compare::Comparison) -> Vec<&'static str> {
    found.comparable.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn conditions_that_differ_are_said_and_those_that_one_side_does_not_tell_are_not() {
    use crate::model::{Condition, ConditionKind};
    let with = |conditions: &[(ConditionKind, &str)]| {
        let mut side = side(40, 1);
        let condition = |&(kind, value): &(ConditionKind, &str)| Condition { kind, value: value.to_owned() };
        side.facts.conditions = conditions.iter().map(condition).collect();
        side
    };
    let base = with(&[
        (ConditionKind::ComputeUnits, "304"),
        (ConditionKind::ComputeDies, "8"),
        (ConditionKind::ShaderClock, "2100"),
        (ConditionKind::Hip, "7.0.51831"),
        (ConditionKind::Torch, "2.8.0"),
    ]);
    assert_eq!(codes(&compare(&base, &base, &options())), [""; 0]);
    let new = with(&[
        (ConditionKind::ComputeUnits, "38"),
        (ConditionKind::ComputeDies, "1"),
        (ConditionKind::ShaderClock, "1700"),
        (ConditionKind::Hip, "7.1.2"),
    ]);
    let found = compare(&base, &new, &options());
    assert_eq!(codes(&found), ["other-partition", "other-clock", "other-hip"]);
    assert!(found.comparable.reasons[0].text.contains("304 in the base, 38 in the new"), "{:?}", found.comparable);
    assert_eq!(found.comparable.verdict, crate::output::comparison::Comparability::WithCare);
    // Clocks are never quite the same.
    assert_eq!(codes(&compare(&base, &with(&[(ConditionKind::ShaderClock, "2080")]), &options())), [""; 0]);
}

#[test]
fn another_precision_is_other_work() {
    let of = |dtype: &str| {
        let mut side = side(40, 1);
        side.kernels[0].dtype = Some(dtype.to_owned());
        side
    };
    let found = compare(&of("bf16"), &of("fp8"), &options());
    assert_eq!(codes(&found), ["other-precision"]);
    let row = found.kernels.iter().find(|row| row.base == ["gemm"]).unwrap();
    assert_eq!((row.base_dtype.as_deref(), row.new_dtype.as_deref()), (Some("bf16"), Some("fp8")));
}

#[test]
fn another_build_of_a_kernel_on_another_architecture_is_the_same_kernel_and_says_so() {
    let on = |arch: &str| {
        let mut side = side(40, 1);
        side.facts.archs = vec![arch.to_owned()];
        side.kernels[0].name = format!("gemm_{arch}");
        side
    };
    let found = compare(&on("gfx942"), &on("gfx950"), &options());
    let row = |name: &str| found.kernels.iter().find(|row| row.base == [name]).unwrap();
    assert_eq!((row("gemm_gfx942").fate, row("gemm_gfx942").per_arch), (crate::output::comparison::Fate::Same, true));
    assert!(!row("attention").per_arch);
    assert_eq!(codes(&found), ["other-arch"]);
}

#[test]
fn other_phases_are_set_side_by_side_and_decide_nothing() {
    let with = |prefill_ns: u64, count: usize| {
        let mut side = side(40, 1);
        side.others.insert("prefill".to_owned(), (0..count as u64).map(|at| prefill_ns + at).collect());
        side
    };
    let found = compare(&with(1_000_000, 10), &with(2_000_000, 10), &options());
    assert_eq!(found.verdict, crate::analyze::compare::Verdict::Same);
    let rows: Vec<_> = found.phases.iter().map(|row| (row.phase.as_str(), row.base_steps, row.change.flag)).collect();
    assert_eq!(rows, [("decode", 40, Flag::Same), ("prefill", 10, Flag::Regressed)]);
    assert!((found.phases[1].base_share - 0.2).abs() < 1e-9);
}

#[test]
fn a_phase_that_one_side_did_not_run_has_no_difference_and_one_that_none_did_no_row() {
    let mut new = side(40, 2);
    new.others.insert("prefill".to_owned(), vec![1_000_000; 8]);
    let found = compare(&side(40, 1), &new, &options());
    let rows: Vec<_> = found.phases.iter().map(|row| (row.phase.as_str(), row.base_steps, row.new_steps)).collect();
    assert_eq!(rows, [("decode", 40, 40), ("prefill", 0, 8)]);
    let change = &found.phases[1].change;
    assert_eq!((change.delta_ns, change.delta_share, change.new_ns_per_step), (None, None, 1_000_000));
    // Of whole traces there is no decode step.
    let whole = |mut side: Side| {
        side.facts.has_steps = false;
        side
    };
    let found = compare(&whole(new.clone()), &whole(new), &options());
    assert_eq!(found.phases.iter().map(|row| row.phase.as_str()).collect::<Vec<_>>(), ["prefill"]);
}

/// A side of six kernels in three categories, each step of each slower by a factor.
fn of_six(seed: u64, slower: impl Fn(usize, usize) -> f64) -> Side {
    let mut random = Random::new(seed);
    let categories = [Category::Gemm, Category::Attention, Category::Other];
    let mut side = side(60, seed);
    let names = (0..6).map(|at| Kernel {
        name: format!("kernel{}", ["a", "b", "c", "d", "e", "f"][at]),
        normal: format!("kernel{}", ["a", "b", "c", "d", "e", "f"][at]),
        category: categories[at % 3],
        ..side.kernels[0].clone()
    });
    side.kernels = names.collect();
    side.slots = (0..6)
        .map(|at| {
            let ns: Vec<u64> =
                (0..60).map(|step| ((100_000 + random.next() % 1_000) as f64 * slower(at, step)) as u64).collect();
            Slot { place: None, kernels: vec![(at as u32, ns.iter().sum())], dispatches: 60, ns }
        })
        .collect();
    for (step, row) in side.steps.iter_mut().enumerate() {
        row.gpu = [0; 6];
        side.slots
            .iter()
            .zip(0..)
            .for_each(|(slot, at): (&Slot, usize)| row.gpu[categories[at % 3] as usize] += slot.ns[step]);
        row.span.categories = row.gpu;
        row.ranks = vec![row.gpu.iter().sum()];
    }
    side
}

fn hints(found: &crate::analyze::compare::Comparison) -> Vec<&'static str> {
    found.hints.iter().map(|hint| hint.code).collect()
}

#[test]
fn all_kernels_slower_alike_look_like_a_clock_and_one_does_not() {
    let base = of_six(1, |_, _| 1.0);
    assert_eq!(hints(&compare(&base, &of_six(2, |_, _| 1.07), &options())), ["all-alike"]);
    assert_eq!(hints(&compare(&base, &of_six(2, |at, _| if at == 0 { 1.4 } else { 1.0 }), &options())), [""; 0]);
    assert_eq!(hints(&compare(&base, &of_six(2, |_, _| 1.0), &options())), [""; 0]);
}

#[test]
fn a_run_that_gets_slower_is_said_to_drift() {
    let base = of_six(1, |_, _| 1.0);
    let heating = of_six(2, |_, step| 1.0 + step as f64 / 600.0);
    let found = compare(&base, &heating, &options());
    assert_eq!(hints(&found).last(), Some(&"drifting"), "{:?}", found.hints);
    assert!(found.hints.last().unwrap().text.contains("the new get slower"), "{:?}", found.hints);
}

#[test]
fn attention_alone_slower_by_the_same_kernels_may_be_longer_contexts() {
    let found = compare(&of_six(1, |_, _| 1.0), &of_six(2, |at, _| if at % 3 == 1 { 1.2 } else { 1.0 }), &options());
    assert_eq!(hints(&found), ["contexts-unknown"]);
    assert_eq!(found.verdict, crate::analyze::compare::Verdict::Regressed);
}

#[test]
fn communication_is_called_after_all_reduces_where_neither_side_does_anything_else() {
    let with = |collective: &str| {
        let mut side = side(10, 1);
        let kernel = Kernel {
            category: Category::Allreduce,
            collective: Some(collective.to_owned()),
            ..side.kernels[0].clone()
        };
        side.kernels.push(kernel);
        side
    };
    let title = |base: &str, new: &str| compare(&with(base), &with(new), &options()).title(Category::Allreduce);
    assert_eq!(title("all_reduce", "all_reduce"), "AllReduce");
    assert_eq!(title("all_reduce", "all_to_all"), "Communication");
    assert_eq!(title("all_to_all", "all_reduce"), "Communication");
}

#[test]
fn kernels_of_one_module_stand_for_one_another_whatever_they_are_called() {
    // As many products on both sides, under names that tell nothing; the heavier one of the base is the lighter one now.
    let with = |products: [(&str, Option<&str>, u64); 2]| {
        let mut side = of_six(1, |_, _| 1.0);
        side.kernels.truncate(2);
        side.slots.truncate(2);
        for (at, (name, module, ns)) in products.into_iter().enumerate() {
            let kernel = &mut side.kernels[at];
            (kernel.name, kernel.normal) = (name.to_owned(), name.to_owned());
            (kernel.category, kernel.module) = (Category::Gemm, module.map(str::to_owned));
            side.slots[at].ns = vec![ns; 60];
            side.slots[at].kernels = vec![(at as u32, 60 * ns)];
        }
        side
    };
    let (qkv, o) = (Some("*.self_attn.qkv_proj"), Some("*.self_attn.o_proj"));
    let pairs = |base: [Option<&str>; 2], new: [Option<&str>; 2]| {
        let base = with([("was_a", base[0], 200_000), ("was_b", base[1], 100_000)]);
        let new = with([("is_a", new[0], 180_000), ("is_b", new[1], 90_000)]);
        let found = compare(&base, &new, &options());
        let of = |row: &crate::output::comparison::KernelChange| (row.base.clone(), row.new.clone());
        let mut pairs: Vec<_> = found.kernels.iter().map(of).collect();
        pairs.sort();
        pairs
    };
    let names = |base: &str, new: &str| (vec![base.to_owned()], vec![new.to_owned()]);
    assert_eq!(pairs([qkv, o], [o, qkv]), [names("was_a", "is_b"), names("was_b", "is_a")]);
    let by_purpose = (vec!["was_a".to_owned(), "was_b".to_owned()], vec!["is_a".to_owned(), "is_b".to_owned()]);
    assert_eq!(pairs([None, None], [None, None]), [by_purpose]);
}
