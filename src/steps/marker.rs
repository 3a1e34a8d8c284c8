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
//! They are not moved back: names only hint at which kernels sample, and what launched a kernel is known.

use std::collections::HashMap;

use super::assemble::{self, Found};
use super::labels::{Labels, StepLabel, counts_within};
use super::{Detector, Phase, StepTable};
use crate::model::{LaunchIdx, NameId, ProcessIdx, Range, Trace};

/// A range that is a step.
#[derive(Clone, Copy, Debug)]
struct Marked {
    range: Range,
    label: StepLabel,
}

/// Finds steps by markers, or says why not.
pub(super) fn find(trace: &Trace, labels: &Labels, pattern: Option<&str>) -> Result<StepTable, String> {
    if trace.ranges.is_empty() {
        return Err("the trace has no marker ranges".to_owned());
    }
    let marked = marked_ranges(trace, labels);
    if marked.is_empty() {
        return Err(match pattern {
            Some(pattern) => format!("none of {} marker ranges matches \"{pattern}\"", trace.ranges.len()),
            None => format!("none of {} marker ranges is named like a step", trace.ranges.len()),
        });
    }
    let open = Open::new(&marked);
    let mut of_launch: Vec<Option<Option<u32>>> = vec![None; trace.launches.len()];
    let of_dispatch: Vec<Option<u32>> = trace
        .dispatches
        .iter()
        .map(|dispatch| match (dispatch.range, dispatch.launch) {
            (Some(range), _) => {
                let range = &trace.ranges[range.index()];
                open.on_thread(range.process, range.thread, range.span.start_ns)
            }
            (None, Some(launch)) => *of_launch[launch.index()].get_or_insert_with(|| open.at_launch(trace, launch)),
            (None, None) => None,
        })
        .collect();
    let mut filled = vec![false; marked.len()];
    of_dispatch.iter().flatten().for_each(|&step| filled[step as usize] = true);
    let empty = filled.iter().filter(|&&filled| !filled).count();
    if empty == marked.len() {
        let linked = trace.dispatches.iter().any(|dispatch| dispatch.launch.is_some() || dispatch.range.is_some());
        let why = if linked {
            "launched no kernel that was recorded"
        } else {
            "cannot be joined to kernels: the trace does not link kernels to their launch calls"
        };
        return Err(format!("{} marker ranges name steps, but they {why}", marked.len()));
    }

    let mut table = StepTable { detector: Detector::Marker, confidence: 1.0, ..StepTable::none(trace) };
    table.marker = Some(pattern.map_or_else(|| ids(&marked), str::to_owned));
    let numbers = numbers(&marked);
    let found: Vec<Found> = marked
        .iter()
        .zip(numbers)
        .map(|(marked, number)| Found {
            number,
            phase: marked.label.phase,
            batch: marked.label.batch,
            label: Some(marked.range.name),
            cpu: Some(marked.range.span),
        })
        .collect();
    assemble::fill(&mut table, trace, &found, &of_dispatch);
    if empty > 0 {
        let of = marked.len();
        table.remarks.push(format!("{empty} of {of} marked steps launched no kernel that was recorded"));
    }
    Ok(table)
}

/// The ids of the labels found, for [`StepTable::marker`].
fn ids(marked: &[Marked]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for marked in marked {
        if !ids.contains(&marked.label.id) {
            ids.push(marked.label.id);
        }
    }
    ids.join(", ")
}

/// The ranges that are steps, nested labels of one step counted once (see [`labels`](super::labels)), by start.
fn marked_ranges(trace: &Trace, labels: &Labels) -> Vec<Marked> {
    let mut read: HashMap<NameId, Option<StepLabel>> = HashMap::new();
    let all: Vec<Marked> = trace
        .ranges
        .iter()
        .filter_map(|&range| {
            let label = *read.entry(range.name).or_insert_with(|| labels.parse(trace.names.get(range.name)));
            label.map(|label| Marked { range, label })
        })
        .collect();
    // Strength is compared within a process: a front end may carry other labels than the workers.
    let mut strongest = HashMap::new();
    for marked in &all {
        let best = strongest.entry(marked.range.process).or_insert(marked.label.strength);
        *best = (*best).max(marked.label.strength);
    }
    let mut kept: Vec<Marked> = Vec::new();
    let mut open: HashMap<(ProcessIdx, u64), Vec<usize>> = HashMap::new();
    for marked in all {
        if marked.label.strength < strongest[&marked.range.process] {
            continue;
        }
        let thread = open.entry((marked.range.process, marked.range.thread)).or_default();
        while thread.last().is_some_and(|&outer| kept[outer].range.span.end_ns <= marked.range.span.start_ns) {
            thread.pop();
        }
        match thread.last() {
            Some(&outer) if !counts_within(&marked.label, Some(&kept[outer].label)) => {
                let (outer, inner) = (&mut kept[outer].label, marked.label.batch);
                if outer.phase == marked.label.phase {
                    outer.batch.size = outer.batch.size.or(inner.size);
                    outer.batch.graph_size = outer.batch.graph_size.or(inner.graph_size);
                }
            }
            _ => {
                thread.push(kept.len());
                kept.push(marked);
            }
        }
    }
    kept
}

/// Numbers each step within its process: over the whole process if its steps follow one another, else within its
/// thread, since threads with steps that overlap each drive GPUs of their own.
///
/// Where every step carries the engine's own number, that counts: ranks that started apart have it in common.
fn numbers(marked: &[Marked]) -> Vec<u32> {
    let own: Option<Vec<u32>> = marked.iter().map(|step| step.label.sequence).collect();
    if let Some(own) = own {
        let first = own.iter().copied().min().unwrap_or(0);
        return own.into_iter().map(|number| number - first).collect();
    }
    let mut busy_until: HashMap<ProcessIdx, (i64, u64)> = HashMap::new();
    let mut threaded: HashMap<ProcessIdx, bool> = HashMap::new();
    for step in marked.iter().filter(|step| step.label.phase != Phase::Draft) {
        let Range { process, thread, span, .. } = step.range;
        let (until, on) = busy_until.entry(process).or_insert((i64::MIN, thread));
        if span.start_ns < *until && *on != thread {
            threaded.insert(process, true);
        }
        if span.end_ns > *until {
            (*until, *on) = (span.end_ns, thread);
        }
    }
    let mut next: HashMap<(ProcessIdx, Option<u64>), u32> = HashMap::new();
    let mut number = |step: &Marked| {
        let Range { process, thread, .. } = step.range;
        let own = threaded.contains_key(&process).then_some(thread);
        let next = next.entry((process, own)).or_insert(0);
        *next += 1;
        *next - 1
    };
    marked.iter().map(&mut number).collect()
}

/// Which step is open when, on a thread or in a process.
#[derive(Debug)]
struct Open<'a> {
    marked: &'a [Marked],
    threads: HashMap<(ProcessIdx, u64), Timeline>,
    processes: HashMap<ProcessIdx, Timeline>,
}

/// Positions of steps by start, and the latest end among each and those before it.
#[derive(Debug, Default)]
struct Timeline {
    steps: Vec<u32>,
    latest_end: Vec<i64>,
}

impl<'a> Open<'a> {
    fn new(marked: &'a [Marked]) -> Self {
        let mut open = Self { marked, threads: HashMap::new(), processes: HashMap::new() };
        for (step, Marked { range, .. }) in marked.iter().enumerate() {
            let end = range.span.end_ns;
            open.threads.entry((range.process, range.thread)).or_default().push(step as u32, end);
            open.processes.entry(range.process).or_default().push(step as u32, end);
        }
        open
    }

    /// The step open when a launch call began.
    fn at_launch(&self, trace: &Trace, launch: LaunchIdx) -> Option<u32> {
        let launch = &trace.launches[launch.index()];
        let at_ns = launch.span.start_ns;
        self.on_thread(launch.process, launch.thread, at_ns)
            .or_else(|| self.processes.get(&launch.process)?.innermost(self.marked, at_ns))
    }

    /// The innermost step open on a thread.
    fn on_thread(&self, process: ProcessIdx, thread: u64, at_ns: i64) -> Option<u32> {
        self.threads.get(&(process, thread))?.innermost(self.marked, at_ns)
    }
}

impl Timeline {
    fn push(&mut self, step: u32, end_ns: i64) {
        self.steps.push(step);
        self.latest_end.push(self.latest_end.last().map_or(end_ns, |&before| before.max(end_ns)));
    }

    /// The step with the latest start that is open at `at_ns`.
    fn innermost(&self, marked: &[Marked], at_ns: i64) -> Option<u32> {
        let after = self.steps.partition_point(|&step| marked[step as usize].range.span.start_ns <= at_ns);
        (0..after)
            .rev()
            .take_while(|&place| self.latest_end[place] > at_ns)
            .map(|place| self.steps[place])
            .find(|&step| marked[step as usize].range.span.contains(at_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Drawing, Launch, LaunchCall, Links, Span, TraceBuilder};

    fn draw() -> Drawing {
        TraceBuilder::new().drawing()
    }

    fn known(trace: &Trace) -> Result<StepTable, String> {
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
        assert_eq!(known(&plain.finish()).unwrap_err(), "the trace has no marker ranges");
        let mut ops = draw();
        ops.range("aten::mm", 0, 1);
        assert_eq!(known(&ops.finish()).unwrap_err(), "none of 1 marker ranges is named like a step");
        let mut unlinked = draw();
        unlinked.range("step[DECODE bs=1]", 0, 9).kernel("k", 1, 2, 1);
        assert!(known(&unlinked.finish()).unwrap_err().contains("does not link kernels to their launch calls"));
    }
}
