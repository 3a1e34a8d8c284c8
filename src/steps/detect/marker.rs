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
//! 2. Else the launch call does: a step open on the calling thread; for a thread without steps of its own, one open on any
//!    thread of the process, since autograd and worker threads launch for the step that another thread announced.
//! 3. A launch after a step, before the next on its thread, is of that step's *tail*: engines' ranges wrap the forward
//!    pass, and sampling and drafting come after it.
//! 4. Anything else is outside steps, as is what a thread without steps launches whenever it likes: transfers of caches.
//!
//! **Asynchronous tails.** Engines that overlap scheduling with the GPU launch the sampling of step n while the range of
//! step n + 1 is open. By the rule above these kernels count for n + 1. Each step then holds exactly one sampling — its
//! predecessor's — so sums and averages per step are right, and only the first and last step of a trace differ.
//! Moving them back would need to know *whose* tokens a kernel samples, which no trace tells.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::assemble::{self, Found};
use super::open::{Open, Part, Within};
use super::ranges::{self, Marked};
use super::{NoSteps, Unlinked};
use crate::classify::vocabulary;
use crate::model::{Dispatch, NameId, Range, RankIdx, Trace};
use crate::steps::labels::{self, Labels};
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
    let mut ranks: Vec<BTreeSet<RankIdx>> = vec![BTreeSet::new(); marked.len()];
    for (dispatch, step) in trace.dispatches.iter().zip(&of_dispatch) {
        if let Some((step, _)) = step {
            ranks[*step as usize].insert(trace.rank_of(dispatch.stream));
        }
    }
    let empty = ranks.iter().filter(|ranks| ranks.is_empty()).count();
    if empty == marked.len() {
        let linked = trace.dispatches.iter().any(|dispatch| dispatch.launch.is_some() || dispatch.range.is_some());
        let why = if linked { Unlinked::NothingLaunched } else { Unlinked::NoLinks };
        return Err(NoSteps::Empty { ranges: marked.len(), why });
    }
    let found: Vec<Found> = marked
        .iter()
        .zip(ranges::numbers(&marked, &ranks))
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

/// The marked step that each dispatch belongs to, and whether to its tail.
fn belonging(trace: &Trace, marked: &[Marked]) -> Vec<Option<(u32, bool)>> {
    let open = Open::new(trace, marked);
    let mut of_launch: Vec<Option<Option<Within>>> = vec![None; trace.launches.len()];
    let within = |dispatch: &Dispatch| match (dispatch.range, dispatch.launch) {
        (Some(range), _) => {
            let Range { process, thread, span, name } = trace.ranges[range.index()];
            let within = open.on_thread(process, thread, span.start_ns)?;
            // Our own tracer says where the last step's tail ends.
            let is_tail = within.part != Part::Range && trace.names.get(name) == labels::TAIL;
            Some(if is_tail { Within { part: Part::Tail, ..within } } else { within })
        }
        (None, Some(launch)) => *of_launch[launch.index()].get_or_insert_with(|| open.at_launch(trace, launch)),
        (None, None) => None,
    };
    let within: Vec<Option<Within>> = trace.dispatches.iter().map(within).collect();
    let last_tails = LastTails::new(trace, &within);
    let step_of = |(position, within): (usize, &Option<Within>)| {
        let Within { step, part } = (*within)?;
        let belongs = part != Part::AfterLast || last_tails.holds(trace, step, position);
        belongs.then_some((step, part != Part::Range))
    };
    within.iter().enumerate().map(step_of).collect()
}

/// Where the tails of the last steps end, after which a trace may show anything: at the first kernel that no tail before had.
/// Where there is none before, at the first that does not sample.
struct LastTails {
    /// By step, the start of the first launch that is not of its tail.
    ends: HashMap<u32, i64>,
}

impl LastTails {
    fn new(trace: &Trace, within: &[Option<Within>]) -> Self {
        let of_part = |wanted: Part| {
            let here = within.iter().enumerate().filter_map(move |(position, within)| Some((position, (*within)?)));
            here.filter(move |(_, within)| within.part == wanted)
        };
        let known: HashSet<NameId> = of_part(Part::Tail).map(|(at, _)| trace.dispatches[at].name).collect();
        let mut ends: HashMap<u32, i64> = HashMap::new();
        for (position, Within { step, .. }) in of_part(Part::AfterLast) {
            let name = trace.dispatches[position].name;
            let is_tail = match known.is_empty() {
                true => vocabulary::place(trace.names.get(name)).samples,
                false => known.contains(&name),
            };
            if !is_tail {
                let at_ns = launched_ns(trace, position);
                ends.entry(step).and_modify(|end| *end = at_ns.min(*end)).or_insert(at_ns);
            }
        }
        Self { ends }
    }

    fn holds(&self, trace: &Trace, step: u32, position: usize) -> bool {
        self.ends.get(&step).is_none_or(|&end| launched_ns(trace, position) < end)
    }
}

fn launched_ns(trace: &Trace, position: usize) -> i64 {
    let dispatch = &trace.dispatches[position];
    dispatch.launch.map_or(dispatch.span.start_ns, |launch| trace.launches[launch.index()].span.start_ns)
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
        assert_eq!(rows(&table), [(0, 0, Phase::Unknown, 1)]);
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

    /// Steps at these times on their threads, each with a kernel launched in its middle, and kernels launched at other
    /// times: (thread, time, name).
    fn served(steps: &[(u64, i64, i64)], others: &[(u64, i64, &str)]) -> StepTable {
        let mut draw = draw();
        for (key, &(thread, start, end)) in steps.iter().enumerate() {
            let name = draw.builder().names().intern("step[DECODE bs=8]");
            draw.builder()
                .range(Range { span: Span::new(start, end), name, process: ProcessIdx::new(0), thread }, None);
            let at = (start + end) / 2;
            launch_on(&mut draw, thread, at, key as u64);
            draw.kernel("forward", at + 1, at + 2, key as u64);
        }
        for (key, &(thread, at, name)) in (1000..).zip(others) {
            launch_on(&mut draw, thread, at, key);
            draw.kernel(name, at + 1, at + 2, key);
        }
        known(&draw.finish()).unwrap()
    }

    /// (number, dispatches, of these in the tail) of each step.
    fn tails(table: &StepTable) -> Vec<(u32, u32, u32)> {
        table.steps.iter().map(|step| (step.number, step.dispatches, step.tail.dispatches)).collect()
    }

    #[test]
    fn what_a_thread_launches_between_two_steps_is_the_tail_of_the_first() {
        //  ├── 0 ──┤ sample draft ├── 1 ──┤ sample ├── 2 ──┤ sample  unknown
        let steps = [(1, 0, 10), (1, 20, 30), (1, 40, 50)];
        let table = served(
            &steps,
            &[
                (1, 12, "sample"),
                (1, 15, "draft"),
                (1, 33, "sample"),
                (1, 52, "sample"),
                (1, 60, "checkpoint"),
                (1, 70, "sample"),
            ],
        );
        assert_eq!(tails(&table), [(0, 3, 2), (1, 2, 1), (2, 2, 1)]);
        assert_eq!(table.steps[0].gpu, Span::new(6, 17));
        assert_eq!(table.of_dispatch.iter().filter(|step| step.is_none()).count(), 2, "no tail before had that");
        let single = served(
            &steps[..1],
            &[(1, 12, "aiter::random_sample_kernel"), (1, 14, "fill"), (1, 15, "topk_topp_sampling")],
        );
        assert_eq!(tails(&single), [(0, 2, 1)], "of a single step only what samples is known to be of its tail");
    }

    #[test]
    fn a_thread_that_launches_whenever_it_likes_is_of_no_step() {
        let steps = [(1, 0, 10), (1, 20, 30), (1, 40, 50)];
        let transfers = [(7, 4, "kv"), (7, 15, "kv"), (7, 24, "kv"), (7, 36, "kv")];
        assert_eq!(tails(&served(&steps, &transfers)), [(0, 1, 0), (1, 1, 0), (2, 1, 0)]);
        let helpers = [(7, 4, "backward"), (7, 24, "backward"), (7, 44, "backward")];
        assert_eq!(tails(&served(&steps, &helpers)), [(0, 2, 0), (1, 2, 0), (2, 2, 0)]);
    }

    #[test]
    fn steps_that_overlap_are_all_steps_on_one_thread_or_on_two() {
        //  ├─── 0 ───┤     ├─── 2 ───┤
        //          ├─── 1 ───┤
        let every = |thread: fn(i64) -> u64| -> Vec<_> {
            (0..6).map(|step| (thread(step), step * 90, step * 90 + 100)).collect()
        };
        for steps in [every(|_| 1), every(|step| 1 + step as u64 % 2)] {
            let numbers: Vec<_> = served(&steps, &[]).steps.iter().map(|step| (step.number, step.dispatches)).collect();
            assert_eq!(numbers, (0..6).map(|step| (step, 1)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_range_known_first_hand_beats_the_launch() {
        let mut draw = draw();
        let name = draw.builder().names().intern("inner");
        draw.range("step[DECODE bs=1]", 0, 100);
        draw.builder().range(Range { span: Span::new(10, 20), name, process: ProcessIdx::new(0), thread: 1 }, Some(7));
        draw.launch(LaunchCall::Kernel, 150, 151, 1);
        let (kernel, stream) = (draw.builder().names().intern("k"), crate::model::StreamIdx::new(0));
        draw.builder().dispatch(
            160,
            170,
            kernel,
            stream,
            Links { launch: Some(1), range: Some(7), ..Links::default() },
        );
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
