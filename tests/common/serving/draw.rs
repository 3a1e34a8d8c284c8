//! When kernels run, and what a producer sees of it.

use profile_decode::model::{
    Format, Launch, LaunchCall, Links, NameId, Process, ProcessIdx, Range, Rank, Source, Span, StreamIdx, TraceBuilder,
};

use super::engine::{Attention, Engine, Kernel, Stream};
use super::situation::Pass;
use super::{Drawn, Serving};
use crate::server::Random;

/// What the producer of a trace records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    /// The torch profiler, with the engine's markers.
    Marked,
    /// The same without markers.
    Launches,
    /// Our own tracer without markers: the launches of graphs alone.
    Capture,
    /// Kernels alone.
    GpuOnly,
}

/// The thread that moves caches.
const TRANSFERS: u64 = 77;

/// A rank while it is drawn.
struct Lane {
    process: ProcessIdx,
    streams: [StreamIdx; 3],
    cpu: i64,
    gpu: [i64; 3],
    /// Start of a range that closes within the next step's, with its label and thread.
    open: Option<(i64, NameId, u64)>,
}

struct Row {
    span: Span,
    name: NameId,
    stream: StreamIdx,
    key: Option<u64>,
    step: Option<u32>,
    is_glue: bool,
}

struct Drawing<'a> {
    view: View,
    builder: TraceBuilder,
    rows: Vec<Row>,
    key: u64,
    r: &'a mut Random,
}

pub fn draw(serving: &Serving, engine: &Engine, passes: Vec<Pass>, r: &mut Random) -> Drawn {
    let mut d = Drawing { view: serving.view, builder: TraceBuilder::new(), rows: Vec::new(), key: 0, r };
    let mut lanes = d.lanes(engine.ranks);
    for (number, pass) in passes.iter().enumerate() {
        for lane in &mut lanes {
            d.pass(lane, pass, number as u32, engine);
        }
    }
    for lane in &mut lanes {
        let end = lane.cpu + 1_000;
        d.close(lane, end);
    }
    let Drawing { mut builder, rows, .. } = d;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| (rows[at].span.start_ns, rows[at].span.end_ns, at));
    for (at, row) in order.iter().map(|&at| (at, &rows[at])) {
        // Our own tracer counts what is enqueued.
        let enqueued = (serving.view == View::Capture).then_some(at as u64 + 1);
        let links = Links { launch: row.key, enqueued, ..Links::default() };
        builder.dispatch(row.span.start_ns, row.span.end_ns, row.name, row.stream, links);
    }
    // Without calls, and with a GPU that never waits, nothing tells.
    let is_told = !engine.asynchronous || matches!(serving.view, View::Marked | View::Launches);
    Drawn {
        is_between: order.iter().map(|&at| rows[at].is_glue && !is_told).collect(),
        trace: builder.finish(),
        truth: order.iter().map(|&at| rows[at].step).collect(),
        launched: order.iter().map(|&at| at as u32).collect(),
        phases: passes.iter().map(|pass| pass.phase).collect(),
        is_one_attention: engine.attention == Attention::One,
    }
}

impl Drawing<'_> {
    fn lanes(&mut self, ranks: u32) -> Vec<Lane> {
        let source = self.builder.source(Source { path: "serving".to_owned(), format: Format::Kineto });
        let lane = |number: u32| {
            let process = Process { source, pid: Some(100 + number), host: None, framework: None };
            let process = self.builder.process(process);
            let rank = self.builder.rank(Rank {
                process,
                number: Some(number),
                world_size: Some(ranks),
                device: Some(i64::from(number)),
                gpu: None,
                arch: Some("gfx942".to_owned()),
            });
            let streams = [0, 1, 2].map(|id| self.builder.stream(rank, id));
            let start = 1_000_000_000 + i64::from(number) * 300;
            Lane { process, streams, cpu: start, gpu: [start; 3], open: None }
        };
        (0..ranks).map(lane).collect()
    }

    fn pass(&mut self, lane: &mut Lane, pass: &Pass, number: u32, engine: &Engine) {
        let main = lane.gpu[0];
        let done = main.max(lane.gpu[1]);
        lane.cpu = match engine.asynchronous {
            // Only keeps from running away.
            true if pass.host_ns < 1_000_000_000 => (lane.cpu + pass.host_ns / 8).max(main - 300_000),
            _ => lane.cpu.max(done) + pass.host_ns,
        };
        let from = lane.cpu;
        let label = self.builder.names().intern(&pass.label);
        if pass.overlaps {
            lane.cpu += 2_000;
            self.close(lane, from + 1_000);
            lane.open = Some((from, label, pass.thread));
        }
        let half = pass.inside.len() / 2;
        // A graph is one call.
        let half = half + pass.inside[half..].iter().take_while(|k| k.graph.is_some()).count();
        self.launch(lane, &pass.inside[..half], Some(number), pass.thread);
        for (at, kernel) in pass.aside.iter().enumerate() {
            let cpu = lane.cpu;
            lane.cpu = [from - 20_000, cpu, cpu + 15_000][(number as usize + at) % 3];
            self.launch(lane, std::slice::from_ref(kernel), None, TRANSFERS);
            lane.cpu = cpu;
        }
        self.launch(lane, &pass.inside[half..], Some(number), pass.thread);
        if !pass.overlaps {
            lane.open = Some((from, label, pass.thread));
            let end = lane.cpu + 500;
            self.close(lane, end);
            lane.cpu += 1_000;
        }
        self.launch(lane, &pass.tail, Some(number), pass.thread);
    }

    fn close(&mut self, lane: &mut Lane, end: i64) {
        if let Some((start, name, thread)) = lane.open.take().filter(|_| self.view == View::Marked) {
            self.builder.range(Range { span: Span::new(start, end), name, process: lane.process, thread }, None);
        }
    }

    /// Launches kernels, those of one graph in one call, and lets the GPU run them.
    fn launch(&mut self, lane: &mut Lane, kernels: &[Kernel], step: Option<u32>, thread: u64) {
        for together in kernels.chunk_by(|a, b| a.graph.is_some() && a.graph == b.graph) {
            self.key += 1;
            let graph = together[0].graph;
            let call = if graph.is_some() { LaunchCall::Graph } else { LaunchCall::Kernel };
            let cost =
                if graph.is_some() { self.r.between(8_000, 16_000) } else { self.r.between(1_500, 3_000) } as i64;
            let is_seen = match self.view {
                View::Marked | View::Launches => true,
                View::Capture => graph.is_some(),
                View::GpuOnly => false,
            };
            if is_seen {
                let span = Span::new(lane.cpu, lane.cpu + cost);
                let launch = Launch { span, call, process: lane.process, thread, graph, op: None, product: None };
                self.builder.launch(launch, Some(self.key));
            }
            let mut ready = lane.cpu + 4_000;
            lane.cpu += cost;
            for kernel in together {
                let stream = kernel.stream as usize;
                let gap = self.r.between(700, 1_500) as i64;
                // The sampler waits for the hidden states; the next step for nobody.
                let after =
                    if stream == Stream::Sampler as usize { lane.gpu[0].max(lane.gpu[1]) } else { lane.gpu[stream] };
                let start = (after + gap).max(ready);
                ready = start;
                let end = start + (kernel.ns * self.r.between(95, 110) / 100) as i64;
                lane.gpu[stream] = end;
                let name = self.builder.names().intern(&kernel.name);
                let key = is_seen.then_some(self.key);
                self.rows.push(Row {
                    span: Span::new(start, end),
                    name,
                    stream: lane.streams[stream],
                    key,
                    step,
                    is_glue: kernel.is_glue,
                });
            }
        }
    }
}
