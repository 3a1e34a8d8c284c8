//! A trace as trace events, the JSON that Perfetto and `chrome://tracing` open.
//!
//! Only the window is written, from the first step that the report counts to the last, because a viewer chokes on a
//! whole trace long before a disk does.
//!
//! ```text
//!   process "rank 0 (gfx942)"      thread "steps"       ├─ decode 12 ─┤├─ decode 13 ─┤
//!                                  thread "stream 7"    ▆▆▆ ▆▆ ▆▆▆▆    one slice a kernel, coloured by category
//!   process "host of rank 0"       thread 4711          ├─ decode[bs=32] ─┤  ├ graph ┤   ranges and launch calls
//! ```
//!
//! Slices of one track may lie within each other and never across each other. Kernels of one stream do overlap at
//! times, so what would lie across goes to a further track of the same name. Numbers of processes and threads are ours,
//! small and in the order in which tracks come: Perfetto keeps 32 bits of them, and of two tracks whose numbers it cuts to
//! the same it drops one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde::Serialize;

use super::json::write_line;
use super::lanes::Lanes;
use super::window::Window;
use crate::classify::{Classes, demangled};
use crate::model::{Geometry, LaunchCall, NameId, Span, Trace};
use crate::steps::StepTable;

/// Tracks of a rank before its streams.
const STEPS: u64 = 0;

/// One event of the trace event format.
#[derive(Serialize)]
struct Event<'a, A> {
    ph: &'static str,
    pid: u64,
    tid: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    /// Microseconds since the window began.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: A,
}

/// What names a process or a thread.
#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// What is known of a kernel execution.
#[derive(Serialize)]
struct OfKernel<'a> {
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_written: Option<&'a str>,
    /// The operator that launched it, and the tensors that it was called with.
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
    /// Its module and layer, where a module tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<u32>,
    #[serde(flatten)]
    launched: Option<Launched>,
}

/// How many blocks were launched, of how many work-items, where the capture tells.
#[derive(Serialize)]
struct Launched {
    grid: [u32; 3],
    block: [u32; 3],
}

/// What is known of a step.
#[derive(Serialize)]
struct OfStep {
    batch: Option<u32>,
    graph_size: Option<u32>,
    dispatches: u32,
    gpu_time_ns: u64,
}

#[derive(Serialize)]
struct Nothing {}

/// Writes the window of `trace`, or all of it.
pub(super) fn write(
    trace: &Trace,
    classes: &Classes,
    table: &StepTable,
    whole: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let window = Window::of(trace, table, whole);
    let mut writer =
        Writer { out, first: true, origin_ns: window.span.start_ns, tracks: BTreeMap::new(), threads: HashMap::new() };
    writer.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
    writer.names(trace)?;
    for step in window.steps(table) {
        let name = format!("{} {}", step.phase.name(), step.number);
        let args = OfStep {
            batch: step.batch.size,
            graph_size: step.batch.graph_size,
            dispatches: step.dispatches,
            gpu_time_ns: step.gpu_time_ns,
        };
        let track = Track { process: step.rank.index() as u64, thread: STEPS, title: "steps".to_owned() };
        writer.slice(track, step.gpu, &name, Some("step"), args)?;
    }
    let mut readable: HashMap<NameId, Option<String>> = HashMap::new();
    for at in window.dispatches(trace) {
        let dispatch = &trace.dispatches[at];
        let verdict = classes.get(dispatch.name);
        let (rank, name) = (trace.rank_of(dispatch.stream), trace.kernel(dispatch));
        let readable = &*readable.entry(dispatch.name).or_insert_with(|| demangled(name));
        let work = trace.captured.work(at);
        let args = OfKernel {
            category: verdict.category.name(),
            sub: verdict.sub.as_deref(),
            backend: &verdict.backend,
            step: table.step_of(at).map(|step| step.number),
            as_written: readable.as_ref().map(|_| name),
            op: work.and_then(|work| work.op).map(|op| trace.names.get(op)),
            arguments: work.and_then(|work| work.tensors_shown(&trace.names)),
            module: work.and_then(|work| work.module).map(|module| trace.names.get(module)),
            layer: work.filter(|work| work.layer_told).and_then(|work| work.layer),
            launched: work.and_then(|work| work.launched).map(|Geometry { grid, block, .. }| Launched { grid, block }),
        };
        let track = stream(trace, rank.index(), dispatch.stream.index());
        writer.slice(track, dispatch.span, readable.as_deref().unwrap_or(name), Some(verdict.category.name()), args)?;
    }
    for copy in trace.copies.iter().filter(|copy| window.holds(copy.span)) {
        let of = stream(trace, trace.rank_of(copy.stream).index(), copy.stream.index());
        let track = Track { thread: of.thread + 1, title: format!("{}, copies", of.title), ..of };
        writer.slice(track, copy.span, "copy", Some("copy"), Nothing {})?;
    }
    let ranges =
        trace.ranges.iter().map(|range| (range.span, range.process, range.thread, trace.names.get(range.name)));
    let launches = trace.launches.iter().map(|call| (call.span, call.process, call.thread, call_name(call.call)));
    let mut calls: Vec<_> = ranges.chain(launches).filter(|(span, ..)| window.holds(*span)).collect();
    calls.sort_by_key(|(span, ..)| (span.start_ns, Reverse(span.end_ns)));
    for (span, process, number, name) in calls {
        writer.slice(thread(trace, process.index(), number), span, name, Some("host"), Nothing {})?;
    }
    writer.out.write_all(b"]}\n")
}

fn stream(trace: &Trace, rank: usize, stream: usize) -> Track {
    // Numbers of streams may be pointers: the place in the trace is short and unique.
    Track { process: rank as u64, thread: 1 + 2 * stream as u64, title: format!("stream {}", trace.streams[stream].id) }
}

/// Hosts are numbered after the ranks.
fn host(trace: &Trace, process: usize) -> u64 {
    (trace.ranks.len() + process) as u64
}

fn thread(trace: &Trace, process: usize, thread: u64) -> Track {
    Track { process: host(trace, process), thread, title: format!("thread {thread}") }
}

fn call_name(call: LaunchCall) -> &'static str {
    match call {
        LaunchCall::Kernel => "launch kernel",
        LaunchCall::Module => "launch module kernel",
        LaunchCall::ExtModule | LaunchCall::Ext => "launch kernel (ext)",
        LaunchCall::Graph => "launch graph",
        LaunchCall::Memory => "copy or fill",
        LaunchCall::Other => "call",
    }
}

/// Where a slice belongs.
struct Track {
    process: u64,
    thread: u64,
    title: String,
}

struct Writer<'w, W> {
    out: &'w mut W,
    first: bool,
    origin_ns: i64,
    /// Lanes of each process and thread.
    tracks: BTreeMap<(u64, u64), Lanes>,
    /// The number written for each lane of a process's thread.
    threads: HashMap<(u64, u64, usize), u64>,
}

impl<W: Write> Writer<'_, W> {
    fn event<A: Serialize>(&mut self, event: &Event<'_, A>) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            self.out.write_all(b",")?;
        }
        write_line(event, self.out)
    }

    /// Names the ranks and the processes that drive them.
    fn names(&mut self, trace: &Trace) -> io::Result<()> {
        for (at, rank) in trace.ranks.iter().enumerate() {
            let what =
                rank.arch.as_deref().or(rank.gpu.as_deref()).map_or_else(String::new, |what| format!(" ({what})"));
            let name = format!("rank {}{what}", rank.number.unwrap_or(at as u32));
            self.name("process_name", at as u64, 0, &name)?;
            let host = format!("host of {name}");
            self.name("process_name", self::host(trace, rank.process.index()), 0, &host)?;
        }
        Ok(())
    }

    fn name(&mut self, what: &'static str, pid: u64, tid: u64, name: &str) -> io::Result<()> {
        self.event(&Event { ph: "M", pid, tid, name: what, cat: None, ts: None, dur: None, args: Named { name } })
    }

    /// Slices must come in the order of their start.
    fn slice<A: Serialize>(
        &mut self,
        track: Track,
        span: Span,
        name: &str,
        cat: Option<&str>,
        args: A,
    ) -> io::Result<()> {
        let lanes = self.tracks.entry((track.process, track.thread)).or_default();
        let known = lanes.count();
        let lane = lanes.place(span);
        let is_new = lane == known;
        let next = self.threads.len() as u64 + 1;
        let tid = *self.threads.entry((track.process, track.thread, lane)).or_insert(next);
        if is_new {
            self.name("thread_name", track.process, tid, &track.title)?;
        }
        let micros = |ns: i64| ns as f64 / 1e3;
        self.event(&Event {
            ph: "X",
            pid: track.process,
            tid,
            name,
            cat,
            ts: Some(micros(span.start_ns.saturating_sub(self.origin_ns))),
            dur: Some(micros(span.duration_ns().cast_signed())),
            args,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Classifier;
    use crate::model::TraceBuilder;
    use crate::steps::{StepOptions, find};

    fn written(trace: &Trace, whole: bool) -> Vec<serde_json::Value> {
        let (classes, table) = (Classifier::builtin().classify_trace(trace), find(trace, &StepOptions::default()));
        let mut out = Vec::new();
        write(trace, &classes, &table, whole, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        json["traceEvents"].as_array().unwrap().clone()
    }

    #[test]
    fn kernels_that_overlap_on_a_stream_are_on_tracks_of_their_own_and_nested_ranges_are_not() {
        let mut drawing = TraceBuilder::new().drawing();
        drawing.kernel("a", 1_000, 5_000, 1).kernel("b", 4_000, 9_000, 2).kernel("c\u{1b}\"<", 9_000, 9_500, 3);
        drawing.range("outer", 0, 10_000).range("inner", 2_000, 3_000);
        let events = written(&drawing.finish(), true);
        let track = |name: &str| {
            let event = events.iter().find(|event| event["ph"] == "X" && event["name"] == name).expect(name);
            (event["pid"].as_u64(), event["tid"].as_u64())
        };
        assert_ne!(track("a"), track("b"));
        let numbers = events.iter().flat_map(|event| [event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap()]);
        assert!(numbers.max().unwrap() < 1 << 31);
        assert_eq!(track("a"), track("c\u{1b}\"<"));
        assert_eq!(track("outer"), track("inner"));
        let a = events.iter().find(|event| event["name"] == "a").unwrap();
        assert_eq!((a["ts"].as_f64(), a["dur"].as_f64()), (Some(1.0), Some(4.0)));
    }
}
