//! Steps that recur like decode steps and are none.
//!
//! The torch profiler numbers training iterations as it numbers decode steps, and whatever runs in a loop has a period. An
//! engine's own label is taken at its word; steps that were found otherwise are looked at once more:
//!
//! * Steps with kernels or operators that compute or apply gradients are of *training*.
//! * A model has layers: some kernels run several times in a step. Or it has at least what a model begins and ends with
//!   or lives on, if the names tell: embedding, attention, sampling. Steps with neither, and steps of one or two kernels,
//!   are the loop of a *benchmark*.
//!
//! Such steps stay in the table, as [`Phase::Other`], and a remark says why: their numbers are true, but they are not
//! decode's. All are judged together, by most of a sample of them, so that a loop is not cut into decode and other steps.

use std::collections::{HashMap, HashSet};

use crate::classify::vocabulary::{self, Place};
use crate::model::{NameId, Trace};
use crate::steps::labels::{Labels, Strength};
use crate::steps::{Detector, Phase, Step, StepIdx, StepTable};

/// Steps that are looked at.
const SAMPLE: usize = 64;
/// Characters of a kernel's name in a remark.
const NAME_WIDTH: usize = 100;
/// Least number of different kernels in a step of a model.
const LEAST_KERNELS: usize = 3;

/// Tells steps that are not of inference from those that are.
pub(in crate::steps) fn judge(table: &mut StepTable, trace: &Trace, labels: &Labels) {
    let is_vouched_for = |step: &Step| {
        let label = step.label.filter(|_| table.detector == Detector::Marker);
        let label = label.and_then(|label| labels.parse(trace.names.get(label)));
        label.is_some_and(|label| label.strength == Strength::Engine)
    };
    table.remarks.extend(diffusion(table, trace, labels));
    let judged: Vec<usize> = (0..table.steps.len()).filter(|&at| !is_vouched_for(&table.steps[at])).collect();
    let decode: Vec<usize> = judged.iter().copied().filter(|&at| table.steps[at].phase == Phase::Decode).collect();
    if decode.is_empty() {
        return;
    }
    let sample: Vec<usize> = decode.iter().copied().step_by(decode.len().div_ceil(SAMPLE)).collect();
    let Some(why) = what_else(table, trace, &sample) else { return };
    judged.iter().for_each(|&at| table.steps[at].phase = Phase::Other);
    table.remarks.push(why);
}

/// That steps are labelled as a diffusion model's, if some are.
fn diffusion(table: &StepTable, trace: &Trace, labels: &Labels) -> Option<String> {
    let names: HashSet<NameId> = table.steps.iter().filter_map(|step| step.label).collect();
    let mut messages = names.into_iter().map(|name| trace.names.get(name));
    let is_diffusion = |message: &&str| labels.parse(message).is_some_and(|label| label.id == "diffusion");
    let message = messages.by_ref().filter(is_diffusion).min()?;
    Some(format!("The steps are of a diffusion model, not of decode: they are labelled, for example, `{message}`."))
}

/// What the steps of a `sample` are, in a sentence; `None`: of inference, for all that is known.
fn what_else(table: &StepTable, trace: &Trace, sample: &[usize]) -> Option<String> {
    let mut place_of = vec![None; table.steps.len()];
    sample.iter().enumerate().for_each(|(place, &step)| place_of[step] = Some(place));
    let mut places: HashMap<NameId, Place> = HashMap::new();
    let mut seen = vec![Seen::default(); sample.len()];
    for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
        let Some(place) = step.map(StepIdx::index).and_then(|step| place_of[step]) else { continue };
        let seen: &mut Seen = &mut seen[place];
        seen.kernels += 1;
        seen.names.insert(dispatch.name);
        let mut place_of =
            |name: NameId| *places.entry(name).or_insert_with(|| vocabulary::place(trace.names.get(name)));
        let place = place_of(dispatch.name);
        seen.is_of_a_model |= place.embeds || place.samples || place.attention.is_any();
        let op = dispatch.launch.and_then(|launch| trace.launches[launch.index()].op);
        seen.of_training =
            seen.of_training.or([Some(dispatch.name), op].into_iter().flatten().find(|&name| place_of(name).trains));
    }
    let most = |is: &dyn Fn(&Seen) -> bool| 2 * seen.iter().filter(|seen| is(seen)).count() > seen.len();
    if most(&|seen| seen.of_training.is_some()) {
        let name = seen.iter().find_map(|seen| seen.of_training)?;
        let name: String = trace.names.get(name).chars().take(NAME_WIDTH).collect();
        return Some(format!("The steps are of training, not of decode: they run, for example, `{name}`."));
    }
    let few = most(&|seen| seen.names.len() < LEAST_KERNELS);
    if few || most(&|seen| !seen.is_of_a_model && seen.kernels < 2 * seen.names.len()) {
        let what =
            if few { "only one or two different kernels" } else { "no layers, and neither attention nor sampling" };
        return Some(format!(
            "The steps look like the loop of a benchmark, not like decode: most have {what}. If they are decode steps, \
             name their marker."
        ));
    }
    None
}

/// What a step runs.
#[derive(Clone, Debug, Default)]
struct Seen {
    kernels: usize,
    names: HashSet<NameId>,
    is_of_a_model: bool,
    of_training: Option<NameId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LaunchCall, TraceBuilder};
    use crate::steps::{StepOptions, find};

    /// Phase and remarks of twelve steps of these kernels under a marker.
    fn steps(marker: &str, kernels: &[&str]) -> (Phase, Vec<String>) {
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..12_i64 {
            let at = step * 1000;
            draw.range(&marker.replace('N', &step.to_string()), at, at + 100);
            draw.launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
            for (i, name) in kernels.iter().enumerate() {
                let start = at + 10 + i as i64 * 20;
                draw.kernel(name, start, start + 15, step as u64);
            }
        }
        let table = find(&draw.finish(), &StepOptions::default());
        assert!(table.steps.windows(2).all(|pair| pair[0].phase == pair[1].phase));
        (table.steps[0].phase, table.remarks)
    }

    #[test]
    fn a_profiler_step_with_gradients_is_training() {
        let kernels =
            ["gemm", "relu", "gemm", "relu", "threshold_backward_kernel", "gemm", "multi_tensor_apply_kernel"];
        let (phase, remarks) = steps("ProfilerStep#N", &kernels);
        assert_eq!(phase, Phase::Other);
        assert!(remarks[0].contains("training") && remarks[0].contains("threshold_backward_kernel"), "{remarks:?}");
    }

    #[test]
    fn a_loop_of_two_kernels_is_a_benchmark_however_often_they_run() {
        let (phase, remarks) = steps("ProfilerStep#N", &["fill", "gemm", "gemm", "gemm", "gemm"]);
        assert_eq!(phase, Phase::Other);
        assert!(remarks[0].contains("benchmark"), "{remarks:?}");
        assert_eq!(steps("ProfilerStep#N", &["fill", "gemm", "quant", "norm"]).0, Phase::Other);
    }

    #[test]
    fn layers_or_a_kernel_that_only_models_have_are_decode() {
        let layers = ["norm", "gemm", "act", "norm", "gemm", "act", "norm", "gemm", "act"];
        assert_eq!(steps("ProfilerStep#N", &layers).0, Phase::Decode);
        assert_eq!(steps("ProfilerStep#N", &["norm", "gemm", "paged_attention_kernel", "add"]).0, Phase::Decode);
    }

    #[test]
    fn the_steps_of_a_diffusion_model_are_no_decode() {
        let (phase, remarks) = steps("execute_diffusion_1_256x256", &["gemm", "fmha_fwd_hd128", "gemm", "norm"]);
        assert_eq!(phase, Phase::Other);
        assert!(remarks[0].contains("diffusion") && remarks[0].contains("256x256"), "{remarks:?}");
    }

    #[test]
    fn an_engines_label_is_taken_at_its_word() {
        assert_eq!(steps("step[DECODE bs=1]", &["gemm"]).0, Phase::Decode);
        assert_eq!(steps("execute_context_0(0)_generation_1(1)", &["x_backward"]).0, Phase::Decode);
    }
}
