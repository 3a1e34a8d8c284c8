//! What the report at a server's exit costs: 100 steps of 2,000 dispatches, analysed and written as markdown and JSON;
//! and how much memory a dispatch takes while it is analysed, the trace itself included.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use profile_decode::analyze::{self, Options};
use profile_decode::classify::{Category, Classes, Verdict};
use profile_decode::model::{
    Argument, CapturedGraph, Launch, LaunchCall, Life, Live, Node, RankIdx, Span, Trace, TraceBuilder, Work,
};
use profile_decode::steps::{Batch, Detector, Phase, Step, StepIdx, StepTable, Tail};
use profile_decode::{render, replay};

const STEPS: u32 = 100;
const DISPATCHES: u32 = 2_000;
const NAMES: u32 = 60;
const STEP_NS: i64 = 8_000_000;
const ROUNDS: usize = 20;

/// Blocks from this size on go back to the system when they are freed, so that the peak of one run shows.
const RETURNED: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "65536");

fn main() {
    if std::env::var_os(RETURNED.0).is_none() {
        // The allocator reads it when the process begins.
        let again = std::env::current_exe().and_then(|exe| std::process::Command::new(exe).envs([RETURNED]).status());
        if again.is_ok_and(|status| status.success()) {
            return;
        }
    }
    let mut out = std::io::stdout().lock();
    for ranks in [1, 8] {
        let (trace, classes, table) = trace(ranks);
        let (mut analysis, mut writing) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let report = black_box(analyze::report(&trace, &classes, &table, &Options::default()));
            analysis = analysis.min(begin.elapsed());
            let begin = Instant::now();
            let mut out = Vec::new();
            render::markdown(&report, &mut out).and_then(|()| render::json(&report, &mut out)).unwrap();
            black_box(out);
            writing = writing.min(begin.elapsed());
        }
        let line =
            format!("report/{ranks} ranks: analysis {analysis:?}, markdown and JSON {writing:?} (best of {ROUNDS})");
        let _ = writeln!(out, "{line}");
        for (what, live) in [("a capture of three sizes", false), ("what the process itself captured", true)] {
            let (joining, with) = joining(&trace, &classes, &table, live);
            let line = format!(
                "report/{ranks} ranks: joining {what} {joining:?}, analysis with it {with:?} (best of {ROUNDS})"
            );
            let _ = writeln!(out, "{line}");
        }
        let (before, peak) = memory(|| drop(black_box(analyze::report(&trace, &classes, &table, &Options::default()))));
        let dispatches = trace.dispatches.len() as f64;
        let held = size_of_val(&*trace.dispatches) + size_of_val(&*table.of_dispatch);
        let each = (held as f64 + peak.saturating_sub(before) as f64) / dispatches;
        let _ = writeln!(out, "report/{ranks} ranks: {each:.1} bytes a dispatch at the peak");
    }
}

/// The time that laying captured graphs over the replays of `trace` takes, and that of the analysis after it.
/// `live`: each launch tells its graph.
fn joining(trace: &Trace, classes: &Classes, table: &StepTable, live: bool) -> (Duration, Duration) {
    let classes_of = trace.names.len();
    let mut trace = trace.clone();
    let mut graphs = Vec::new();
    for size in [16, 32, 64] {
        let mut nodes = Vec::new();
        for at in 0..DISPATCHES {
            let op = trace.names.intern(&format!("aten::op_{}", at % NAMES));
            let argument = Argument { sizes: [size, u64::from(at % NAMES)].into(), dtype: None, value: None };
            let arguments = Some([argument].into());
            let work = Work { op: Some(op), arguments, ..Work::default() };
            let kernel = Some(trace.names.intern(&format!("kernel_{}", at % NAMES)));
            nodes.push(Node { kernel, work: Some(trace.captured.works.intern(work)) });
        }
        let (path, label) = (String::new(), Some(format!("capture_{size}_FULL")));
        graphs.push(CapturedGraph {
            path,
            rank: None,
            label,
            size: Some(size as u32),
            forks: false,
            nodes,
            live: live.then(|| Live { lives: Vec::new(), streams: vec![0; DISPATCHES as usize] }),
        });
    }
    if live {
        let ran = |launch: &mut Launch| {
            launch.graph = Some(1);
            Life { process: launch.process, exec: 1, from_ns: i64::MIN, until_ns: i64::MAX, altered: false }
        };
        let lives = trace.launches.iter_mut().map(ran).collect();
        graphs[1].live = Some(Live { lives, streams: vec![0; DISPATCHES as usize] });
        trace.enqueued = (0..trace.dispatches.len() as u64).collect();
    }
    trace.captured.graphs = graphs;
    // The operators' names have no class.
    let verdicts = trace
        .names
        .iter()
        .map(|(name, _)| if name.index() < classes_of { classes.get(name).clone() } else { Verdict::unknown() });
    let classes = Classes::new(verdicts.collect());
    let (mut best, mut with) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let mut trace = trace.clone();
        let begin = Instant::now();
        replay::lay_over(black_box(&mut trace));
        best = best.min(begin.elapsed());
        assert!(trace.captured.of.iter().all(Option::is_some), "all joined");
        let begin = Instant::now();
        black_box(analyze::report(&trace, &classes, table, &Options::default()));
        with = with.min(begin.elapsed());
    }
    (best, with)
}

/// Resident memory before `work`, and the most during it, in bytes; zeros where the system does not tell.
fn memory(work: impl FnOnce()) -> (u64, u64) {
    let line = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    // Resets the peak to what is resident now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = line("VmRSS");
    work();
    (before, line("VmHWM"))
}

/// Steps of kernels one after another on each rank, replayed by one graph.
fn trace(ranks: u32) -> (Trace, Classes, StepTable) {
    let mut draw = TraceBuilder::new().drawing();
    let mut steps = Vec::new();
    for rank in 0..ranks {
        if rank > 0 {
            draw.on_new_rank(rank);
        }
        for number in 0..STEPS {
            let begin = i64::from(number) * STEP_NS;
            let key = u64::from(rank * STEPS + number);
            draw.launch(LaunchCall::Graph, begin - 100_000, begin - 50_000, key);
            for at in 0..DISPATCHES {
                let start_ns = begin + i64::from(at) * 3_900;
                let length = 3_000 + i64::from((at * 7_919 + number * 104_729) % 1_200);
                draw.kernel(&format!("kernel_{}", at % NAMES), start_ns, start_ns + length, key);
            }
            steps.push(Step {
                number,
                rank: RankIdx::new(rank as usize),
                phase: Phase::Decode,
                batch: Batch { size: Some(32), graph_size: Some(32), tokens: None },
                label: None,
                cpu: None,
                gpu: Span::new(begin, begin + i64::from(DISPATCHES) * 3_900),
                dispatches: DISPATCHES,
                gpu_time_ns: 0,
                tail: Tail::default(),
                warmup: false,
            });
        }
    }
    let trace = draw.finish();
    let verdict = |at: usize| Verdict { category: Category::ALL[at % Category::ALL.len()], ..Verdict::unknown() };
    let classes = Classes::new((0..trace.names.len()).map(verdict).collect());
    let step_of = |rank: usize, start_ns: i64| StepIdx::new(rank * STEPS as usize + (start_ns / STEP_NS) as usize);
    let of_dispatch =
        trace.dispatches.iter().map(|d| Some(step_of(trace.rank_of(d.stream).index(), d.span.start_ns))).collect();
    let table = StepTable::new(Detector::Marker, steps, of_dispatch);
    (trace, classes, table)
}
