//! Serving engines drawn as traces, with the true step of every dispatch.
//!
//! Everything a step detector has to see through is a field: graph mode, prefills, batch buckets, kernels that come and
//! go, side streams, asynchronous scheduling, lost records, a window that opens and closes within a step.

#![allow(dead_code, missing_docs, unreachable_pub)]

use profile_decode::model::{
    Format, Launch, LaunchCall, Links, NameId, Process, ProcessIdx, Range, Rank, RankIdx, Source, Span, StreamIdx,
    Trace, TraceBuilder,
};
use proptest::bool::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// SplitMix64: small, seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Full,
    Piecewise,
    Eager,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefills {
    None,
    /// Each step with this chance in percent, several in a row at times.
    Random(u64),
    /// One every so many steps: a benchmark with fixed lengths.
    Every(u64),
}

#[derive(Clone, Debug)]
pub struct Server {
    pub seed: u64,
    pub mode: Mode,
    pub ranks: u32,
    pub one_process: bool,
    pub steps: u64,
    pub layers: u64,
    /// Kernels a layer.
    pub layer: u64,
    /// Layers before the others that are of another kind, and the distance of special layers among the others.
    pub dense_first: u64,
    pub special_every: u64,
    pub head: u64,
    pub tail: u64,
    /// Names that tell nothing.
    pub neutral: bool,
    /// The next step is launched while the GPU is busy with this one.
    pub asynchronous: bool,
    pub buckets: u64,
    pub prefills: Prefills,
    /// Steps after which the head has two kernels more.
    pub metadata_every: u64,
    /// The attention needs a second kernel in some steps.
    pub split_attention: bool,
    pub side_stream: bool,
    /// Kernels before the first step that belong to none.
    pub prelude: u64,
    /// The window opens and closes within a step.
    pub cut_edges: bool,
    /// How much longer a kernel may take than it should, in per cent.
    pub jitter: u64,
    /// Lost records, in 100,000.
    pub lost: u64,
    /// Launch calls are recorded, and know their graph.
    pub launches: bool,
    pub graph_ids: bool,
    pub markers: bool,
}

impl Server {
    /// A server of a few layers that only decodes, from graphs.
    pub fn plain() -> Self {
        Self {
            seed: 1,
            mode: Mode::Full,
            ranks: 1,
            one_process: false,
            steps: 40,
            layers: 8,
            layer: 12,
            dense_first: 0,
            special_every: 0,
            head: 3,
            tail: 6,
            neutral: false,
            asynchronous: false,
            buckets: 1,
            prefills: Prefills::None,
            metadata_every: 0,
            split_attention: false,
            side_stream: false,
            prelude: 0,
            cut_edges: false,
            jitter: 10,
            lost: 0,
            launches: true,
            graph_ids: true,
            markers: false,
        }
    }

    /// Any server; it shrinks to a simpler one.
    pub fn any() -> impl Strategy<Value = Self> {
        let prefills = prop_oneof![
            1 => Just(Prefills::None),
            1 => (8..=20_u64).prop_map(Prefills::Every),
            2 => (2..=25_u64).prop_map(Prefills::Random),
        ];
        let mode = prop_oneof![2 => Just(Mode::Full), 1 => Just(Mode::Piecewise), 1 => Just(Mode::Eager)];
        let ranks = prop_oneof![6 => Just(1_u32), 2 => Just(2), 1 => Just(4)];
        let model = (select(vec![4_u64, 6, 8, 12, 16, 24, 32, 40]), 7..=16_u64, 1..=8_u64, 3..=14_u64);
        let layers = (often_none(20, 1..=3), often_none(25, 2..=6));
        let engine = (mode, ranks, weighted(0.3), weighted(0.5), weighted(0.35), 1..=3_u64, prefills);
        let kernels = (often_none(40, 5..=16), weighted(0.3), weighted(0.2));
        let trace = (often_none(50, 1..=200), weighted(0.4), select(vec![0_u64, 0, 10, 50, 100]), weighted(0.5));
        let run = (any::<u64>(), 24..=60_u64, 0..=25_u64);
        (run, model, layers, engine, kernels, trace).prop_map(|(run, model, layers, engine, kernels, trace)| {
            let (seed, steps, jitter) = run;
            let ((layers_of_model, layer, head, tail), (dense_first, special_every)) = (model, layers);
            let (mode, ranks, one_process, neutral, asynchronous, buckets, prefills) = engine;
            let (metadata_every, split_attention, side_stream) = kernels;
            let (prelude, cut_edges, lost, graph_ids) = trace;
            Self {
                seed,
                mode,
                ranks,
                one_process,
                steps,
                layers: layers_of_model,
                layer,
                dense_first,
                special_every,
                head,
                tail,
                // Without waits of the GPU only names tell where a step begins.
                neutral: neutral && !asynchronous,
                asynchronous,
                buckets,
                prefills,
                metadata_every,
                split_attention,
                side_stream,
                prelude,
                cut_edges,
                jitter,
                lost,
                launches: true,
                graph_ids,
                markers: false,
            }
        })
    }
}

/// One of `range` in so many per cent, else 0.
fn often_none(percent: u32, range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = u64> {
    prop_oneof![100 - percent => Just(0), percent => range]
}

/// A kernel to be launched: its name, its stream (0 or 1), how long it runs, and which graph it is in.
#[derive(Clone, Debug)]
struct Kernel {
    name: String,
    stream: u64,
    ns: u64,
    graph: Option<u64>,
}

/// A trace and what is true of it.
pub struct Drawn {
    pub trace: Trace,
    /// The true step of each dispatch of the trace.
    pub truth: Vec<Option<u32>>,
    /// (rank, step) of each lost record.
    pub lost: Vec<(u32, u32)>,
    /// The step is a prefill.
    pub prefill: Vec<bool>,
    /// The window opens within the first step and closes within the last.
    pub cut_edges: bool,
}

struct Plan<'a> {
    server: &'a Server,
    r: Random,
}

impl Plan<'_> {
    fn name(&self, plain: &str, meaning: &str) -> String {
        if self.server.neutral { format!("k_{}", plain) } else { meaning.to_owned() }
    }

    fn head(&mut self, step: u64) -> Vec<Kernel> {
        let s = self.server;
        // Engines fill the same buffers with the same kernels, so names repeat within the head.
        let mut kernels: Vec<Kernel> = (0..s.head - 1).map(|i| self.eager(&format!("fill_{}", i / 2), 2_000)).collect();
        if s.metadata_every > 0 && step % s.metadata_every == s.metadata_every - 1 {
            kernels.push(self.eager("copy_block_table", 2_000));
            kernels.push(self.eager("fill_0", 2_000));
        }
        let embed = self.name("e", "void at::native::indexSelectLargeIndex<__hip_bfloat16>");
        kernels.push(self.eager(&embed, 4_000));
        kernels
    }

    fn tail(&mut self) -> Vec<Kernel> {
        let norm = self.name("norm", "fused_add_rms_norm_kernel");
        let mut kernels = vec![self.eager(&norm, 3_000)];
        let lm_head = self.name("lm", "Cijk_lm_head_MT256x256");
        kernels.push(self.eager(&lm_head, 90_000));
        for i in 0..self.server.tail - 2 {
            let plain = format!("t{i}");
            let meaning =
                if i == self.server.tail - 3 { "argmax_kernel".to_owned() } else { format!("softmaxforward_{i}") };
            let name = self.name(&plain, &meaning);
            kernels.push(self.eager(&name, 5_000));
        }
        kernels
    }

    fn eager(&self, name: &str, ns: u64) -> Kernel {
        Kernel { name: name.to_owned(), stream: 0, ns, graph: None }
    }

    /// One layer; `bucket` is the tile of its products, `None` for a prefill.
    fn layer(&mut self, layer: u64, bucket: Option<u64>, split: bool, tokens: u64) -> Vec<Kernel> {
        let s = self.server;
        let dense = layer < s.dense_first;
        let special = s.special_every > 0 && !dense && layer % s.special_every == s.special_every - 1;
        let tile = bucket.map_or("P".to_owned(), |bucket| bucket.to_string());
        let scale = bucket.map_or(tokens, |_| 1);
        let mut names: Vec<(String, u64)> = vec![
            (self.name("norm", "fused_add_rms_norm_kernel"), 3_000),
            (format!("Cijk_qkv_MT{tile}"), 20_000),
            ("rotary_embedding_kernel".replace("embedding", "pos"), 3_000),
            ("reshape_and_cache_flash".to_owned(), 3_000),
        ];
        let kind = if special { "window" } else { "full" };
        match bucket {
            Some(_) => {
                names.push((self.name(&format!("a_{kind}"), &format!("paged_attention_{kind}")), 30_000));
                if split {
                    names.push((self.name("reduce", "paged_attention_reduce"), 4_000));
                }
            }
            None => names.push((self.name(&format!("pa_{kind}"), &format!("ck_tile::FmhaFwdKernel_{kind}")), 60_000)),
        }
        names.push((format!("Cijk_o_MT{tile}"), 15_000));
        if s.ranks > 1 {
            names.push((self.name("ar", "cross_device_reduce_1stage"), 8_000));
        }
        let ffn = if dense { "dense" } else { "moe" };
        let left = (s.layer + 1).saturating_sub(names.len() as u64).max(2);
        for i in 0..left {
            let tiled = i == 0 || i == left - 1;
            let name = if tiled { format!("Cijk_{ffn}{i}_MT{tile}") } else { format!("{ffn}_{i}") };
            names.push((name, 12_000));
        }
        let side = if s.side_stream { names.len() as u64 - 2 } else { u64::MAX };
        names
            .into_iter()
            .enumerate()
            .map(|(i, (name, ns))| Kernel { name, stream: u64::from(i as u64 == side), ns: ns * scale, graph: None })
            .collect()
    }

    /// The kernels of a step.
    fn step(&mut self, step: u64, bucket: Option<u64>, split: bool, tokens: u64) -> Vec<Kernel> {
        let s = self.server;
        let mut kernels = self.head(step);
        // Another attention kernel is another graph.
        let graphs = |bucket: u64| (2 * bucket + u64::from(split)) * 1000;
        for layer in 0..s.layers {
            let mut of_layer = self.layer(layer, bucket, split, tokens);
            match (s.mode, bucket) {
                (Mode::Full, Some(bucket)) => of_layer.iter_mut().for_each(|k| k.graph = Some(graphs(bucket))),
                (Mode::Piecewise, bucket) => {
                    let first = graphs(bucket.unwrap_or(99));
                    let attention = of_layer.iter().position(|k| is_attention(&k.name)).unwrap_or(0);
                    let after = if of_layer.get(attention + 1).is_some_and(|k| is_attention(&k.name)) { 2 } else { 1 };
                    for (i, kernel) in of_layer.iter_mut().enumerate() {
                        if i < attention {
                            kernel.graph = Some(first + layer);
                        } else if i >= attention + after {
                            kernel.graph = Some(first + layer + 1);
                        }
                    }
                }
                _ => {}
            }
            kernels.append(&mut of_layer);
        }
        kernels.append(&mut self.tail());
        kernels
    }
}

fn is_attention(name: &str) -> bool {
    name.contains("attention")
        || name.contains("Fmha")
        || name.starts_with("k_a_")
        || name.starts_with("k_pa_")
        || name == "k_reduce"
}

struct Lane {
    process: ProcessIdx,
    rank: RankIdx,
    streams: [StreamIdx; 2],
    thread: u64,
    cpu: i64,
    gpu: [i64; 2],
}

/// Draws a server's run.
pub fn draw(server: &Server) -> Drawn {
    let mut builder = TraceBuilder::new();
    let mut plan = Plan { server, r: Random::new(server.seed ^ 0xabcd) };
    let mut lanes = lanes(server, &mut builder);
    let mut key = 0_u64;
    let mut rows: Vec<Row> = Vec::new();

    // What the server did before: kernels of no step.
    for lane in &mut lanes {
        for i in 0..server.prelude {
            let kernel = plan.eager(&format!("init_{}", i % 23), 4_000);
            emit(&mut builder, lane, std::slice::from_ref(&kernel), None, server, &mut plan.r, &mut key, &mut rows);
        }
    }

    let mut prefill = Vec::new();
    let (mut bucket, mut split) = (0, false);
    let mut in_a_row = 0;
    for step in 0..server.steps {
        if plan.r.chance(8) {
            bucket = plan.r.below(server.buckets);
        }
        if server.split_attention && plan.r.chance(15) {
            split = !split;
        }
        let prompts = match server.prefills {
            Prefills::None => false,
            Prefills::Random(percent) => plan.r.chance(percent) || (in_a_row > 0 && plan.r.chance(30)),
            Prefills::Every(steps) => step % steps == 0,
        };
        in_a_row = if prompts { in_a_row + 1 } else { 0 };
        prefill.push(prompts);
        let tokens = plan.r.between(5, 30);
        let kernels = plan.step(step, (!prompts).then_some(bucket), split, tokens);
        let host = plan.r.between(150_000, 900_000) as i64;
        for lane in &mut lanes {
            let done = lane.gpu[0].max(lane.gpu[1]);
            // A synchronous engine waits for the tokens; an asynchronous one only keeps from running away.
            lane.cpu = if server.asynchronous { lane.cpu.max(done - 2_000_000) } else { lane.cpu.max(done) + host };
            let from = lane.cpu;
            emit(&mut builder, lane, &kernels, Some(step as u32), server, &mut plan.r, &mut key, &mut rows);
            if server.markers {
                let message = if prompts {
                    "step[EXTEND bs=1 toks=9]".to_owned()
                } else {
                    format!("step[DECODE bs={}]", bucket + 1)
                };
                let name = builder.names().intern(&message);
                let span = Span::new(from, lane.cpu);
                builder.range(Range { span, name, process: lane.process, thread: lane.thread }, None);
            }
        }
    }
    finish(server, builder, rows, prefill, &mut plan.r)
}

struct Row {
    start: i64,
    end: i64,
    name: NameId,
    lane: u32,
    stream: StreamIdx,
    key: u64,
    step: Option<u32>,
}

fn lanes(server: &Server, builder: &mut TraceBuilder) -> Vec<Lane> {
    let source = builder.source(Source { path: "server".to_owned(), format: Format::Capture });
    let process = |builder: &mut TraceBuilder, pid| {
        builder.process(Process { source, pid: Some(pid), host: None, framework: None })
    };
    let mut one = process(builder, 1);
    (0..server.ranks)
        .map(|number| {
            if number > 0 && !server.one_process {
                one = process(builder, number + 1);
            }
            let rank = builder.rank(Rank {
                process: one,
                number: Some(number),
                world_size: Some(server.ranks),
                device: Some(i64::from(number)),
                gpu: None,
                arch: Some("gfx942".to_owned()),
            });
            let streams = [builder.stream(rank, 0), builder.stream(rank, 1)];
            let start = 1_000_000_000 + i64::from(number) * 300;
            Lane { process: one, rank, streams, thread: 1 + u64::from(number), cpu: start, gpu: [start; 2] }
        })
        .collect()
}

/// Launches kernels, those of one graph in one call, and lets the GPU run them.
#[allow(clippy::too_many_arguments)]
fn emit(
    builder: &mut TraceBuilder,
    lane: &mut Lane,
    kernels: &[Kernel],
    step: Option<u32>,
    server: &Server,
    r: &mut Random,
    key: &mut u64,
    rows: &mut Vec<Row>,
) {
    for launched in kernels.chunk_by(|a, b| a.graph.is_some() && a.graph == b.graph) {
        *key += 1;
        let call = if launched[0].graph.is_some() { LaunchCall::Graph } else { LaunchCall::Kernel };
        let cost = if call == LaunchCall::Graph { r.between(8_000, 20_000) } else { r.between(2_500, 4_500) } as i64;
        if server.launches {
            let graph = launched[0].graph.filter(|_| server.graph_ids);
            let span = Span::new(lane.cpu, lane.cpu + cost);
            builder.launch(
                Launch { span, call, process: lane.process, thread: lane.thread, graph, op: None, product: None },
                Some(*key),
            );
        }
        let mut ready = lane.cpu + 5_000;
        lane.cpu += cost;
        for kernel in launched {
            let stream = kernel.stream as usize;
            // A side stream waits for the main one, and the main one for it.
            let free = if server.side_stream { lane.gpu[0].max(lane.gpu[1]) } else { lane.gpu[stream] };
            let gap = if kernel.graph.is_some() { r.between(700, 1_500) } else { r.between(1_200, 3_000) } as i64;
            let start = (free + gap).max(ready);
            ready = start;
            let ns = (kernel.ns * r.between(95, 100 + server.jitter) / 100) as i64;
            lane.gpu[stream] = start + ns;
            let name = builder.names().intern(&kernel.name);
            rows.push(Row {
                start,
                end: start + ns,
                name,
                lane: lane.rank.index() as u32,
                stream: lane.streams[stream],
                key: *key,
                step,
            });
        }
    }
}

/// Loses records, cuts the edges and builds the trace.
fn finish(server: &Server, mut builder: TraceBuilder, mut rows: Vec<Row>, prefill: Vec<bool>, r: &mut Random) -> Drawn {
    rows.sort_by_key(|row| (row.start, row.end));
    let last = server.steps as u32 - 1;
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    if server.cut_edges && server.prelude == 0 {
        let inside = |step: u32, r: &mut Random| {
            let of_step: Vec<i64> = rows.iter().filter(|row| row.step == Some(step)).map(|row| row.start).collect();
            of_step[r.below(of_step.len() as u64) as usize]
        };
        from = inside(0, r);
        to = inside(last, r);
    }
    let mut lost = Vec::new();
    rows.retain(|row| {
        if row.start < from || row.start >= to {
            return false;
        }
        let is_lost = row.step.is_some() && r.below(100_000) < server.lost;
        if let (true, Some(step)) = (is_lost, row.step) {
            lost.push((row.lane, step));
        }
        !is_lost
    });
    for row in &rows {
        builder.dispatch(row.start, row.end, row.name, row.stream, Links { launch: Some(row.key), ..Links::default() });
    }
    let truth = rows.iter().map(|row| row.step).collect();
    Drawn { trace: builder.finish(), truth, lost, prefill, cut_edges: from != i64::MIN }
}
