//! Steps by the marker ranges that serving engines open around them.
//!
//! ```text
//!   thread 1   ├── step[DECODE bs=8] ──┤├── step[DECODE bs=8] ──┤
//!   launches     g    s s                 g    s s
//!   GPU                 ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ ss        ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ ss
//!                       └── of the first step, though the second is open when it ends
//! ```
//!
//! A dispatch belongs to the step whose range was open when the call that launched it *began*. The GPU runs behind the
//! CPU, by whole steps with asynchronous scheduling, so what the clock says when the GPU gets to a kernel tells nothing.
//! In order:
//!
//! 1. Where a producer knows the range first hand ([`Dispatch::range`](crate::model::Dispatch::range)), that range and
//!    those around it decide.
//! 2. Else the launch call does: a step open on the calling thread, else one open on any thread of the process, since
//!    autograd and worker threads launch for the step that another thread announced.
//! 3. A dispatch without either is outside steps.
//!
//! **Asynchronous tails.** Engines that overlap scheduling with the GPU launch the sampling of step n while the range of
//! step n + 1 is open. By the rule above these kernels count for n + 1. Each step then holds exactly one sampling — its
//! predecessor's — so sums and averages per step are right, and only the first and last step of a trace differ.
//! Moving them back would need to know *whose* tokens a kernel samples, which no trace tells.

use super::assemble::{self, Found};
use super::open::Open;
use super::ranges::{self, Marked};
use super::{NoSteps, Unlinked};
use crate::model::Trace;
use crate::steps::labels::Labels;
use crate::steps::{Detector, StepTable};

/// Finds steps by markers, or says why not.
pub(super) fn find(trace: &Trace, labels: &Labels, pattern: Option<&str>) -> Result<StepTable, NoSteps> {
    if trace.ranges.is_empty() {
        return Err(NoSteps::NoRanges);
    }
    let marked = ranges::marked(trace, labels);
    if marked.is_empty() {
        let ranges = trace.ranges.len();
        return Err(match pattern {
            Some(pattern) => NoSteps::NoMatch { ranges, pattern: pattern.to_owned() },
            None => NoSteps::NoLabel { ranges },
        });
    }
    let of_dispatch = belonging(trace, &marked);
    let mut filled = vec![false; marked.len()];
    of_dispatch.iter().flatten().for_each(|&step| filled[step as usize] = true);
    let empty = filled.iter().filter(|&&filled| !filled).count();
    if empty == marked.len() {
        let linked = trace.dispatches.iter().any(|dispatch| dispatch.launch.is_some() || dispatch.range.is_some());
        let why = if linked { Unlinked::NothingLaunched } else { Unlinked::NoLinks };
        return Err(NoSteps::Empty { ranges: marked.len(), why });
    }
    let found: Vec<Found> = marked
        .iter()
        .zip(ranges::numbers(&marked))
        .map(|(marked, number)| Found {
            number,
            phase: marked.label.phase,
            batch: marked.label.batch,
            label: Some(marked.range.name),
            cpu: Some(marked.range.span),
        })
        .collect();
    let mut table = assemble::table(trace, Detector::Marker, &found, &of_dispatch);
    table.confidence = 1.0;
    table.marker = Some(pattern.map_or_else(|| ranges::ids(&marked), str::to_owned));
    if empty > 0 {
        let of = marked.len();
        table.remarks.push(format!("{empty} of {of} marked steps launched no kernel that was recorded"));
    }
    Ok(table)
}

/// The marked step that each dispatch belongs to.
fn belonging(trace: &Trace, marked: &[Marked]) -> Vec<Option<u32>> {
    let open = Open::new(marked);
    let mut of_launch: Vec<Option<Option<u32>>> = vec![None; trace.launches.len()];
    let step_of = |dispatch: &crate::model::Dispatch| match (dispatch.range, dispatch.launch) {
        (Some(range), _) => {
            let range = &trace.ranges[range.index()];
            open.on_thread(range.process, range.thread, range.span.start_ns)
        }
        (None, Some(launch)) => *of_launch[launch.index()].get_or_insert_with(|| open.at_launch(trace, launch)),
        (None, None) => None,
    };
    trace.dispatches.iter().map(step_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Drawing, Launch, LaunchCall, Links, ProcessIdx, Range, Span, TraceBuilder};
    use crate::steps::Phase;

    fn draw() -> Drawing {
        TraceBuilder::new().drawing()
    }

    fn known(trace: &Trace) -> Result<StepTable, NoSteps> {
        find(trace, &Labels::known(), None)
    }

    /// (rank, number, phase, dispatches) of each step.
    fn rows(table: &StepTable) -> Vec<(usize, u32, Phase, u32)> {
        table.steps.iter().map(|step| (step.rank.index(), step.number, step.phase, step.dispatches)).collect()
    }

    fn launch_on(draw: &mut Drawing, thread: u64, at_ns: i64, correlation: u64) {
        let (process, span) = (ProcessIdx::new(0), Span::new(at_ns, at_ns + 1));
        let launch = Launch { span, call: LaunchCall::Kernel, process, thread, graph: None, op: None, product: None };
        draw.builder().launch(launch, Some(correlation));
    }

    #[test]
    fn a_kernel_belongs_to_the_step_that_launched_it_however_late_it_runs() {
        //  CPU  ├─ step 0 ─┤├─ step 1 ─┤
        //  GPU              aaaa        bbbb
        let mut draw = draw();
        draw.range("step[DECODE bs=8]", 0, 10).range("step[DECODE bs=8]", 10, 20);
        draw.launch(LaunchCall::Graph, 5, 6, 1).launch(LaunchCall::Graph, 10, 11, 2).launch(
            LaunchCall::Kernel,
            20,
            21,
            3,
        );
        draw.kernel("a", 12, 19, 1).kernel("b", 22, 30, 2).kernel("c", 31, 32, 3);
        let table = known(&draw.finish()).unwrap();
        assert_eq!(rows(&table), [(0, 0, Phase::Decode, 1), (0, 1, Phase::Decode, 1)]);
        assert_eq!(table.steps[0].gpu, Span::new(12, 19));
        assert_eq!(table.steps[0].cpu, Some(Span::new(0, 10)));
        assert_eq!(table.steps[0].batch.size, Some(8));
        assert!(table.of_dispatch[2].is_none(), "a launch at the end of a range is after it");
        assert_eq!(table.marker.as_deref(), Some("sglang-decode"));
    }

    #[test]
    fn a_worker_thread_launches_for_the_step_that_another_thread_announced() {
        let mut draw = draw();
        draw.range("ProfilerStep#3", 0, 10);
        launch_on(&mut draw, 2, 5, 1);
        draw.kernel("backward", 7, 9, 1);
        let table = known(&draw.finish()).unwrap();
        assert_eq!(rows(&table), [(0, 0, Phase::Decode, 1)]);
    }

    #[test]
    fn threads_that_each_drive_a_gpu_keep_their_own_steps_and_number_them_alike() {
        let mut draw = draw();
        for (rank, thread) in [(0_u32, 1_u64), (1, 2)] {
            if rank > 0 {
                draw.on_new_rank(rank);
            }
            for step in 0..3_i64 {
                let (start, key) = (step * 100 + i64::from(rank), u64::from(rank) * 100 + step as u64);
                let name = draw.builder().names().intern("step[DECODE bs=1]");
                let range = Range { span: Span::new(start, start + 90), name, process: ProcessIdx::new(0), thread };
                draw.builder().range(range, None);
                launch_on(&mut draw, thread, start + 50, key);
                draw.kernel("k", start + 60, start + 70, key);
            }
        }
        let table = known(&draw.finish()).unwrap();
        let decode = |rank, number| (rank, number, Phase::Decode, 1);
        assert_eq!(rows(&table), [decode(0, 0), decode(0, 1), decode(0, 2), decode(1, 0), decode(1, 1), decode(1, 2)]);
    }

    #[test]
    fn one_range_over_two_gpus_is_the_same_step_on_both_and_a_gap_keeps_the_numbers() {
        let mut draw = draw();
        draw.range("step[DECODE bs=1]", 0, 10).range("step[DECODE bs=1]", 10, 20).range("step[DECODE bs=1]", 20, 30);
        draw.launch(LaunchCall::Kernel, 1, 2, 1).launch(LaunchCall::Kernel, 11, 12, 2).launch(
            LaunchCall::Kernel,
            21,
            22,
            3,
        );
        draw.kernel("k", 1, 2, 1).kernel("k", 11, 12, 2).kernel("k", 21, 22, 3);
        draw.on_new_rank(1).kernel("k", 1, 2, 1).kernel("k", 21, 22, 3);
        let table = known(&draw.finish()).unwrap();
        let numbers: Vec<_> = table.steps.iter().map(|step| (step.rank.index(), step.number)).collect();
        assert_eq!(numbers, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]);
    }

    #[test]
    fn nested_labels_are_one_step_and_the_outer_one_covers_its_preparation() {
        //  ├───── execute_ ─────┤
        //     ├── step[ ──┤
        //  p      k
        let mut draw = draw();
        draw.range("ProfilerStep#1", 0, 200);
        draw.range("execute_context_0(0)_generation_8(8)", 0, 100).range("step[DECODE bs=8/16]", 10, 90);
        draw.launch(LaunchCall::Kernel, 1, 2, 1).launch(LaunchCall::Kernel, 20, 21, 2).launch(
            LaunchCall::Kernel,
            150,
            151,
            3,
        );
        draw.kernel("prepare", 5, 6, 1).kernel("k", 30, 40, 2).kernel("other", 160, 161, 3);
        let table = known(&draw.finish()).unwrap();
        assert_eq!(rows(&table), [(0, 0, Phase::Decode, 2)]);
        assert_eq!(table.steps[0].batch.graph_size, Some(16), "what the inner label adds is kept");
    }

    #[test]
    fn a_draft_within_a_step_is_a_step_of_its_own() {
        let mut draw = draw();
        draw.range("decode[bs=4 tok=4 p=0 d=4]", 0, 100).range("draft[0/1 bs=4]", 40, 60);
        for (at, key) in [(10, 1), (50, 2), (70, 3)] {
            draw.launch(LaunchCall::Kernel, at, at + 1, key).kernel("k", at + 2, at + 5, key);
        }
        let table = known(&draw.finish()).unwrap();
        assert_eq!(rows(&table), [(0, 0, Phase::Decode, 2), (0, 1, Phase::Draft, 1)]);
    }

    #[test]
    fn a_range_known_first_hand_beats_the_launch() {
        let mut draw = draw();
        let name = draw.builder().names().intern("inner");
        draw.range("step[DECODE bs=1]", 0, 100);
        draw.builder().range(Range { span: Span::new(10, 20), name, process: ProcessIdx::new(0), thread: 1 }, Some(7));
        draw.launch(LaunchCall::Kernel, 150, 151, 1);
        let (kernel, stream) = (draw.builder().names().intern("k"), crate::model::StreamIdx::new(0));
        draw.builder().dispatch(160, 170, kernel, stream, Links { launch: Some(1), range: Some(7) });
        let table = known(&draw.finish()).unwrap();
        assert_eq!(rows(&table), [(0, 0, Phase::Decode, 1)]);
    }

    #[test]
    fn refusals_say_what_was_looked_at() {
        let mut plain = draw();
        plain.kernel("k", 0, 1, 1);
        assert_eq!(known(&plain.finish()).unwrap_err().to_string(), "the trace has no marker ranges");
        let mut ops = draw();
        ops.range("aten::mm", 0, 1);
        assert_eq!(known(&ops.finish()).unwrap_err().to_string(), "none of 1 marker ranges is named like a step");
        let mut unlinked = draw();
        unlinked.range("step[DECODE bs=1]", 0, 9).kernel("k", 1, 2, 1);
        assert!(
            known(&unlinked.finish()).unwrap_err().to_string().contains("does not link kernels to their launch calls")
        );
    }
}
