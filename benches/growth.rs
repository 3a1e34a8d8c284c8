//! What ten times as much of one thing costs: ranks, streams, kernels that overlap, names, nested ranges, agents.
//!
//! Each line has the time of a trace with a hundred thousand kernels and few of the thing, then with ten times as many and
//! again: reading, report and Perfetto export. What is at most n log n stays about level, for the kernels are as many. Run
//! with `cargo bench --bench growth`.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use profile_decode::analyze::Options;
use profile_decode::classify::Classifier;
use profile_decode::pipeline::Prepared;
use profile_decode::steps::StepOptions;
use profile_decode::{ingest, render};

const KERNELS: usize = 100_000;
const ROUNDS: usize = 3;

/// What grows.
struct Thing {
    name: &'static str,
    counts: [usize; 3],
    /// The file of a trace with so many of it: its name, and its text.
    write: fn(usize) -> (&'static str, String),
}

const THINGS: [Thing; 6] = [
    Thing { name: "ranks", counts: [10, 100, 1_000], write: |n| kineto(|i| Kernel { gpu: i % n, ..Kernel::at(i) }) },
    Thing {
        name: "streams",
        counts: [10, 100, 1_000],
        write: |n| kineto(|i| Kernel { stream: i % n, ..Kernel::at(i) }),
    },
    Thing {
        name: "overlapping kernels",
        counts: [100, 1_000, 10_000],
        write: |n| kineto(|i| Kernel { takes: 10 * n, stream: i % n, ..Kernel::at(i) }),
    },
    Thing {
        name: "names",
        counts: [100, 1_000, 10_000],
        write: |n| kineto(|i| Kernel { name: i % n, ..Kernel::at(i) }),
    },
    Thing { name: "nested ranges", counts: [10, 100, 1_000], write: nested },
    Thing { name: "agents", counts: [10, 100, 1_000], write: agents },
];

/// A kernel of the trace.
struct Kernel {
    at: usize,
    takes: usize,
    gpu: usize,
    stream: usize,
    name: usize,
}

impl Kernel {
    fn at(index: usize) -> Self {
        Self { at: 10 * index, takes: 5, gpu: 0, stream: 7, name: index % 50 }
    }

    fn event(&self) -> String {
        let Self { at, takes, gpu, stream, name } = self;
        format!(
            "{{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"kernel_{name}\", \"pid\": {gpu}, \"tid\": {stream}, \
             \"ts\": {at}, \"dur\": {takes}, \"args\": {{\"device\": {gpu}, \"stream\": {stream}, \"correlation\": {at}}}}}"
        )
    }
}

fn events(all: impl Iterator<Item = String>) -> (&'static str, String) {
    ("trace.json", format!("{{\"traceEvents\": [{}]}}", all.collect::<Vec<_>>().join(",\n")))
}

fn kineto(kernel: impl Fn(usize) -> Kernel) -> (&'static str, String) {
    events((0..KERNELS).map(|index| kernel(index).event()))
}

/// Ranges so deep in one another, again and again over the whole trace.
fn nested(depth: usize) -> (&'static str, String) {
    let block = KERNELS / 100;
    let ranges = (0..100).flat_map(|at| {
        (0..depth).map(move |level| {
            let (from, until) = (10 * block * at + level, 10 * block * (at + 1) - level);
            format!(
                "{{\"ph\": \"X\", \"cat\": \"user_annotation\", \"name\": \"range {level}\", \"pid\": 1, \"tid\": 1, \
                 \"ts\": {from}, \"dur\": {}}}",
                until - from
            )
        })
    });
    events(ranges.chain((0..KERNELS).map(|index| Kernel::at(index).event())))
}

fn agents(count: usize) -> (&'static str, String) {
    let mut text = String::from(
        "\"Kind\",\"Agent_Id\",\"Queue_Id\",\"Kernel_Name\",\"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\"\n",
    );
    for index in 0..KERNELS {
        let (agent, name, start) = (index % count, index % 50, 1_000 + 10_000 * index);
        let end = start + 5_000;
        text += &format!("\"KERNEL_DISPATCH\",\"Agent {agent}\",1,\"kernel_{name}\",{index},{start},{end}\n");
    }
    ("1_kernel_trace.csv", text)
}

/// Seconds from the file to the written report and export, the best of some rounds.
fn seconds(path: &Path, classifier: &Classifier) -> f64 {
    let round = |_| {
        let begin = Instant::now();
        let trace = ingest::read(&[path.to_path_buf()]).expect("the trace just written");
        let prepared = Prepared::new(trace, classifier, &StepOptions::default());
        let report = prepared.report(&Options::default());
        let mut out = Vec::new();
        render::markdown(&report, &mut out).and_then(|()| render::json(&report, &mut out)).expect("memory");
        let Prepared { trace, classes, steps } = &prepared;
        render::perfetto(trace, classes, steps, true, &mut out).expect("memory");
        black_box(out);
        begin.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let classifier = Classifier::builtin();
    let mut out = std::io::stdout().lock();
    for Thing { name, counts, write } in THINGS {
        let times = counts.map(|count| {
            let (file, text) = write(count);
            let path = directory.path().join(file);
            std::fs::write(&path, text).expect("a temporary file");
            format!("{count}: {:.2} s", seconds(&path, &classifier))
        });
        let _ = writeln!(out, "growth/{name}: {}", times.join(", "));
    }
}
