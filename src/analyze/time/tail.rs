//! What engines launch for a decode step after the range that marks it: sampling, the check of drafts, the next draft.

use rustc_hash::FxHashMap;

use crate::analyze::scope::Scope;
use crate::analyze::time::stats::share;
use crate::classify::Category;
use crate::classify::vocabulary::Attention;
use crate::model::NameId;
use crate::output::steps::{TailKernel, TailRow};
use crate::output::time::Sum;
use crate::steps::StepIdx;

/// The tails of the counted steps together; `None` where none has one.
pub(crate) fn tail(scope: &Scope<'_>) -> Option<TailRow> {
    let steps = || scope.steps().map(|(_, step)| step).filter(|step| step.tail.dispatches > 0);
    let mut of_step: FxHashMap<StepIdx, Vec<u32>> = FxHashMap::default();
    for &position in &scope.table.in_tails {
        if let Some(step) =
            scope.table.of_dispatch[position as usize].filter(|_| scope.left_out(position as usize).is_none())
        {
            of_step.entry(step).or_default().push(position);
        }
    }
    let mut names: FxHashMap<NameId, Sum> = FxHashMap::default();
    let (mut draft, mut drafts) = (Sum::default(), false);
    for positions in of_step.values() {
        for &position in positions {
            add(names.entry(name(scope, position)).or_default(), scope, position);
        }
        if let Some(of_draft) = drafted(scope, positions) {
            drafts = true;
            of_draft.iter().for_each(|&position| add(&mut draft, scope, position));
        }
    }
    let kernel = |(name, sum): (NameId, Sum)| TailKernel {
        name: scope.trace.names.get(name).to_owned(),
        category: scope.category(name),
        count: sum.dispatches,
        total_ns: sum.gpu_time_ns,
    };
    let mut kernels: Vec<TailKernel> = names.into_iter().map(kernel).collect();
    kernels.sort_by(|a, b| b.total_ns.cmp(&a.total_ns).then_with(|| a.name.cmp(&b.name)));
    let gpu_time_ns = steps().map(|step| step.tail.gpu_time_ns).sum();
    let row = TailRow {
        steps: steps().count() as u64,
        dispatches: steps().map(|step| u64::from(step.tail.dispatches)).sum(),
        gpu_time_ns,
        share: share(gpu_time_ns, scope.steps().map(|(_, step)| step.gpu_time_ns).sum()),
        draft: drafts.then_some(draft),
        kernels,
    };
    (row.steps > 0).then_some(row)
}

fn name(scope: &Scope<'_>, position: u32) -> NameId {
    scope.trace.dispatches[position as usize].name
}

fn add(sum: &mut Sum, scope: &Scope<'_>, position: u32) {
    sum.dispatches += 1;
    sum.gpu_time_ns += scope.trace.dispatches[position as usize].span.duration_ns();
}

/// The part of a tail in which a draft model runs: from its first product or attention to its last. A tail in which nothing
/// attends is no model.
fn drafted<'a>(scope: &Scope<'_>, tail: &'a [u32]) -> Option<&'a [u32]> {
    let attends = |&position: &u32| Attention::of(scope.verdict(name(scope, position))).is_any();
    let is_model = |position: &u32| {
        let category = scope.category(name(scope, *position));
        matches!(category, Category::Gemm | Category::Attention | Category::Moe)
    };
    tail.iter().find(|position| attends(position))?;
    let (first, last) = (tail.iter().position(is_model)?, tail.iter().rposition(is_model)?);
    Some(&tail[first..=last])
}

#[cfg(test)]
mod tests {
    use crate::classify::Classifier;
    use crate::model::{LaunchCall, TraceBuilder};
    use crate::output::time::Sum;
    use crate::pipeline::Prepared;
    use crate::steps::StepOptions;

    const FORWARD: [&str; 2] = ["paged_attention_ll4mi_QKV_mfma16_kernel", "Cijk_Alik_Bljk_BBS_BH_MT16x16x512"];
    const SAMPLER: &str = "void at::native::argmax_kernel";

    /// Six decode steps whose range ends after the forward pass; `after` is launched between it and the next.
    fn row(after: &[&str]) -> Option<super::TailRow> {
        let mut draw = TraceBuilder::new().drawing();
        let mut key = 0;
        for step in 0..6_i64 {
            let at = step * 1_000;
            draw.range("execute_context_0(0)_generation_8(8)", at, at + 100);
            for (place, name) in FORWARD.iter().chain(after).enumerate() {
                let (place, start) = (place as i64, at + 300 + place as i64 * 50);
                let launched = if place < 2 { at + 10 + place } else { at + 110 + place };
                key += 1;
                draw.launch(LaunchCall::Kernel, launched, launched + 1, key).kernel(name, start, start + 40, key);
            }
        }
        let options = StepOptions { warmup: Some(0), ..StepOptions::default() };
        let run = Prepared::new(draw.finish(), &Classifier::builtin(), &options);
        super::tail(&crate::analyze::scope::Scope::new(&run.trace, &run.classes, &run.steps, false))
    }

    #[test]
    fn sampling_after_the_range_is_the_tail_and_nothing_else_is() {
        assert_eq!(row(&[]), None);
        let found = row(&[SAMPLER]).unwrap();
        assert_eq!((found.steps, found.dispatches, found.gpu_time_ns, found.draft), (6, 6, 240, None));
        assert_eq!((found.share * 3.0).round(), 1.0, "one of three kernels");
        assert_eq!((found.kernels.len(), found.kernels[0].count), (1, 6));
    }

    #[test]
    fn a_model_in_the_tail_is_a_draft() {
        let found = row(&[SAMPLER, FORWARD[1], FORWARD[0], SAMPLER, FORWARD[1], SAMPLER]).unwrap();
        assert_eq!((found.dispatches, found.draft), (36, Some(Sum { dispatches: 24, gpu_time_ns: 960 })));
    }
}
