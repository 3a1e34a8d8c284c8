//! Which attention a kernel does that can do both.
//!
//! vLLM's Triton backend has one kernel for prompts and for generated tokens; its name tells no more. In a step that only
//! generates, it attends over a cache. Reports are of such steps, so there the kernel is called what it does in them, in
//! every table.

use crate::classify::vocabulary::{self, Attention};
use crate::classify::{Classes, Verdict};
use crate::model::{NameId, Trace};
use crate::steps::{Phase, StepTable};

/// What generated tokens' attention over a paged cache is called.
const OVER_CACHE: &str = "mha_decode/paged";

/// `classes`, with kernels that do either attention called what they do in decode steps, if they run in these.
pub(crate) fn in_decode(mut classes: Classes, trace: &Trace, table: &StepTable) -> Classes {
    let either: Vec<NameId> =
        trace.names.iter().filter(|&(name, text)| is_either(classes.get(name), text)).map(|(name, _)| name).collect();
    for name in either {
        let mut steps = trace.dispatches.iter().enumerate().filter(|(_, dispatch)| dispatch.name == name);
        if steps.any(|(position, _)| table.step_of(position).is_some_and(|step| step.phase == Phase::Decode)) {
            let found = classes.get(name);
            let rule = format!("{}; in decode steps", found.rule).into();
            classes.set(name, Verdict { sub: Some(OVER_CACHE.into()), rule, ..found.clone() });
        }
    }
    classes
}

fn is_either(verdict: &Verdict, text: &str) -> bool {
    Attention::of(verdict).prefill && vocabulary::place(text).attention.decode
}

#[cfg(test)]
mod tests {
    use crate::classify::Classifier;
    use crate::model::{LaunchCall, NameId, TraceBuilder};
    use crate::pipeline::Prepared;
    use crate::steps::StepOptions;

    /// What `kernel_unified_attention_2d` is in steps with this label.
    fn sub_in(label: &str) -> String {
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..4_i64 {
            let at = step * 1_000;
            draw.range(label, at, at + 900).launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
            draw.kernel("kernel_unified_attention_2d", at + 10, at + 500, step as u64);
        }
        let run = Prepared::new(draw.finish(), &Classifier::builtin(), &StepOptions::default());
        let name: NameId = run.trace.names.find("kernel_unified_attention_2d").unwrap();
        run.classes.get(name).sub.clone().unwrap().into_owned()
    }

    #[test]
    fn one_kernel_for_both_attends_over_the_cache_in_steps_that_generate() {
        assert_eq!(sub_in("execute_context_0(0)_generation_8(8)"), "mha_decode/paged");
        assert_eq!(sub_in("execute_context_2(4096)_generation_0(0)"), "fa_prefill");
    }
}
