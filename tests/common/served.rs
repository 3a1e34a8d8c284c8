//! A server under load, drawn as a trace: layers of kernels with noise that is like real noise, and one thing made
//! slower on purpose.
//!
//! Noise has three parts: each kernel varies from step to step, and remembers part of its deviation in the next step;
//! all kernels follow the GPU's clock, which wanders, steps, flips or warms up over the run; and the host's gap between
//! steps varies most. Attention may grow with the context, and some steps may be much slower than the others.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fmt::Write as _;

use profile_decode::analyze::compare::{Run, Side};
use profile_decode::classify::{Category, Classifier};
use profile_decode::model::{
    Format, Launch, LaunchCall, Links, Process, Range, Rank, RankIdx, Source, Span, Trace, TraceBuilder,
};
use profile_decode::steps::{self, StepOptions};

/// One kernel: name, category, nominal ns.
pub type Kernel = (&'static str, Category, f64);

pub const QKV: &str = "Cijk_Alik_Bljk_BBS_BH_UserArgs_MT32x32x256_MI16x16x1_SN_LDSB1_GSU4_ISA942";
pub const O_PROJ: &str = "Cijk_Alik_Bljk_BBS_BH_UserArgs_MT64x16x512_MI16x16x1_SN_LDSB0_GSU1_ISA942";
pub const ATTENTION: &str = "_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E";
pub const REDUCE: &str = "_ZN5aiter26cross_device_reduce_2stageIDF16_Li2ELb1EEEvPNS_8RankDataE";
pub const MOE_UP: &str = "_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1_swiglu";
pub const MOE_DOWN: &str = "_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1";
pub const NORM: &str = "_gemma_rmsnorm_kernel.kd";
pub const LOGITS: &str = "Cijk_Alik_Bljk_BBS_BH_UserArgs_MT128x16x256_MI16x16x1_SN_ISA942_WGM8";

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Planted {
    Nothing,
    /// One kernel takes this much longer.
    Kernel(&'static str, f64),
    /// All kernels of a category do.
    Category(Category, f64),
    /// The gap between steps is longer by this part of itself.
    Idle(f64),
    /// All compute of one rank takes longer.
    Rank(usize, f64),
    /// Steps of one batch do.
    Batch(u32, f64),
    /// One kernel is another, which takes so many times as long.
    Swapped(&'static str, &'static str, f64),
    /// Part of all steps take so many times as long: attention in them does.
    Tail(f64, f64),
    /// The same, because the host is late with the next step.
    Stalls(f64, f64),
}

/// What the clock does over a run. Changes of it are parts of [`Server::drift`], at times that the seed decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// One of the ways of [`Drift`].
    Wanders,
    /// Down at one time, and perhaps up again at another.
    Steps,
    /// One of two states, each for some ten steps.
    Flips,
    /// Slower at first, then less and less.
    Warms,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drift {
    Up,
    Down,
    Wave,
    Drop,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub ranks: usize,
    pub layers: usize,
    pub steps: usize,
    /// Standard deviation of a kernel's time from step to step.
    pub jitter: f64,
    /// What part of its deviation a kernel keeps in the next step.
    pub memory: f64,
    /// How far the clock wanders over the run.
    pub drift: f64,
    pub clock: Clock,
    /// By what part of itself attention grows over a hundred steps.
    pub growth: f64,
    /// Step at which the window begins, of those that attention grows over.
    pub from: usize,
    /// Whether labels tell the context, which begins at 1000 tokens.
    pub tells_context: bool,
    /// Each step takes so many times as long with this probability, without any change.
    pub tail: (f64, f64),
    pub planted: Planted,
    pub layer: Vec<Kernel>,
    /// Batch of each step.
    pub batch: fn(usize) -> u32,
    pub seed: u64,
}

impl Server {
    pub fn new(seed: u64) -> Self {
        Self {
            ranks: 1,
            layers: 4,
            steps: 40,
            jitter: 0.02,
            memory: 0.5,
            drift: 0.0,
            clock: Clock::Wanders,
            growth: 0.0,
            from: 0,
            tells_context: false,
            tail: (0.0, 1.0),
            planted: Planted::Nothing,
            layer: vec![
                (NORM, Category::Other, 6e3),
                (QKV, Category::Gemm, 24e3),
                (ATTENTION, Category::Attention, 40e3),
                (O_PROJ, Category::Gemm, 16e3),
                (MOE_UP, Category::Moe, 60e3),
                (MOE_DOWN, Category::Moe, 40e3),
            ],
            batch: |_| 16,
            seed,
        }
    }

    /// A server of `ranks` ranks that meet twice a layer.
    pub fn parallel(ranks: usize, seed: u64) -> Self {
        let mut server = Self { ranks, ..Self::new(seed) };
        server.layer.insert(4, (REDUCE, Category::Allreduce, 12e3));
        server.layer.push((REDUCE, Category::Allreduce, 12e3));
        server
    }

    pub fn trace(&self) -> Trace {
        draw(self)
    }

    pub fn side(&self, classifier: &Classifier) -> Side {
        side(&[self.trace()], classifier)
    }

    fn slowdown(&self, rank: usize, name: &str, category: Category) -> f64 {
        match self.planted {
            Planted::Kernel(slow, by) if slow == name => 1.0 + by,
            Planted::Category(slow, by) if slow == category => 1.0 + by,
            Planted::Rank(slow, by) if slow == rank && category != Category::Allreduce => 1.0 + by,
            Planted::Swapped(old, _, times) if old == name => times,
            _ => 1.0,
        }
    }

    /// The clock's slowness at each step.
    fn clocks(&self, random: &mut Random) -> Vec<f64> {
        let kind = [Drift::Up, Drift::Down, Drift::Wave, Drift::Drop][(random.next() % 4) as usize];
        let (down, up, mut slow) = (random.uniform(), random.uniform(), random.next().is_multiple_of(2));
        let mut of = |step: usize| {
            let at = step as f64 / self.steps as f64;
            let flag = |is: bool| f64::from(u8::from(is));
            match self.clock {
                Clock::Wanders => match kind {
                    Drift::Up => at,
                    Drift::Down => 1.0 - at,
                    Drift::Wave => 0.5 + 0.5 * (at * 9.0).sin(),
                    Drift::Drop => flag(at > 0.6),
                },
                Clock::Steps => flag(at > down && (up < down || at < up)),
                Clock::Flips => {
                    slow ^= random.uniform() < 0.1;
                    flag(slow)
                }
                Clock::Warms => (-(step as f64) / 15.0 / (0.5 + down)).exp(),
            }
        };
        (0..self.steps).map(|step| 1.0 + self.drift * of(step)).collect()
    }

    /// How many times as long each step's attention and gap take: for tails.
    fn outliers(&self, random: &mut Random) -> Vec<(f64, f64)> {
        let mut of = vec![(1.0, 1.0); self.steps];
        let usual: f64 = self.layer.iter().map(|kernel| kernel.2).sum::<f64>() * self.layers as f64;
        let attention = self.layers as f64
            * self.layer.iter().filter(|kernel| kernel.1 == Category::Attention).map(|kernel| kernel.2).sum::<f64>();
        let whole = usual + 156e3;
        let mut slow = |share: f64, by: &dyn Fn(&mut (f64, f64))| {
            let mut left = (share * self.steps as f64).round() as usize;
            while left > 0 {
                let at = (random.next() % self.steps as u64) as usize;
                if of[at] == (1.0, 1.0) {
                    by(&mut of[at]);
                    left -= 1;
                }
            }
        };
        match self.planted {
            Planted::Tail(share, times) => slow(share, &|of| of.0 = 1.0 + (times - 1.0) * whole / attention),
            Planted::Stalls(share, times) => slow(share, &|of| of.1 = 1.0 + (times - 1.0) * whole / 60e3),
            _ => {}
        }
        let (probability, times) = self.tail;
        for step in &mut of {
            if random.uniform() < probability {
                step.0 = 1.0 + (times - 1.0) * whole / attention;
            }
        }
        of
    }
}

/// A side of these runs.
pub fn side(traces: &[Trace], classifier: &Classifier) -> Side {
    let options = StepOptions { warmup: Some(0), ..StepOptions::default() };
    let parts: Vec<_> =
        traces.iter().map(|trace| (classifier.classify_trace(trace), steps::find(trace, &options))).collect();
    let runs: Vec<_> =
        traces.iter().zip(&parts).map(|(trace, (classes, steps))| Run { trace, classes, steps }).collect();
    Side::new(&runs, false)
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn draw(server: &Server) -> Trace {
    let mut random = Random::new(server.seed);
    let clocks = server.clocks(&mut random);
    // A generator of its own, so that everything else is drawn alike with a tail and without.
    let outliers = server.outliers(&mut Random::new(server.seed ^ 0xbad));
    let mut builder = TraceBuilder::new();
    let source = builder.source(Source { path: "served".to_owned(), format: Format::Capture });
    let mut ranks = Vec::new();
    for number in 0..server.ranks {
        let process = builder.process(Process { source, pid: Some(number as u32 + 1), host: None, framework: None });
        let rank = builder.rank(Rank {
            process,
            number: Some(number as u32),
            world_size: Some(server.ranks as u32),
            device: Some(0),
            gpu: Some("AMD Instinct MI300X".to_owned()),
            arch: Some("gfx942".to_owned()),
        });
        ranks.push((process, builder.stream(rank, 0)));
    }
    let tail = [(LOGITS, Category::Gemm, 90e3)];
    let sequence: Vec<Kernel> = (0..server.layers)
        .flat_map(|_| server.layer.iter().copied())
        .chain([(NORM, Category::Other, 6e3)])
        .chain(tail)
        .collect();
    let mut names: Vec<&str> = sequence.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let mut memory = vec![0.0; names.len() * server.ranks];
    let mut now = vec![1_000_000.0_f64; server.ranks];
    for step in 0..server.steps {
        let clock = clocks[step];
        let batch = (server.batch)(step);
        let slower = if let Planted::Batch(slow, by) = server.planted
            && slow == batch
        {
            1.0 + by
        } else {
            1.0
        };
        let scale = (0.5 + f64::from(batch) / 32.0) * slower;
        let context = server.from + step;
        let grown = (1.0 + server.growth * context as f64 / 100.0) * outliers[step].0;
        // Noise of a step: every kernel of one name shares it.
        for deviation in &mut memory {
            let kept = server.memory;
            *deviation = kept * *deviation + server.jitter * (1.0 - kept * kept).sqrt() * random.normal();
        }
        let mut arrived = vec![Vec::new(); server.ranks];
        for (rank, &(process, _)) in ranks.iter().enumerate() {
            let launch_ns = now[rank] as i64 - 40_000;
            let lengths = (1000 + context as u64) * u64::from(batch);
            let label = builder.names().intern(&match server.tells_context {
                true => format!(
                    "execute_{batch}_context_0(sq0sk0sqsq0sqsk0)_generation_{batch}(sq{batch}sk{lengths}sqsq{batch}sqsk{lengths})"
                ),
                false => format!("decode[bs={batch} tok={batch} p=0 d={batch}]"),
            });
            let span = Span::new(launch_ns, launch_ns + 30_000);
            builder.range(Range { span, name: label, process, thread: 1 }, None);
            let call = Span::new(launch_ns + 1_000, launch_ns + 20_000);
            let launch = Launch {
                span: call,
                call: LaunchCall::Graph,
                process,
                thread: 1,
                graph: Some(1),
                op: None,
                product: None,
            };
            builder.launch(launch, Some(step as u64));
        }
        for &(name, category, nominal) in &sequence {
            let which = names.binary_search(&name).unwrap();
            let own = |rank: usize, memory: &[f64]| {
                let noise = 1.0 + memory[rank * names.len() + which];
                let grown = if category == Category::Attention { grown } else { 1.0 };
                (nominal * scale * clock * grown * noise.max(0.2) * server.slowdown(rank, name, category)).max(100.0)
            };
            let starts: Vec<f64> = now.iter().map(|now| now + 500.0).collect();
            let latest = starts.iter().copied().fold(0.0, f64::max);
            for rank in 0..server.ranks {
                let end = match category {
                    Category::Allreduce => latest + own(0, &memory),
                    _ => starts[rank] + own(rank, &memory),
                };
                let shown = if let Planted::Swapped(old, new, _) = server.planted
                    && old == name
                {
                    new
                } else {
                    name
                };
                arrived[rank].push((starts[rank] as i64, end as i64, shown));
                now[rank] = end;
            }
        }
        let slower = if let Planted::Idle(by) = server.planted { 1.0 + by } else { 1.0 };
        let pause = 60e3 * slower * outliers[step].1 * (1.0 + server.jitter * random.normal()).max(0.2);
        let latest = now.iter().copied().fold(0.0, f64::max);
        for (rank, &(_, stream)) in ranks.iter().enumerate() {
            now[rank] = latest + pause;
            for &(start, end, name) in &arrived[rank] {
                let name = builder.names().intern(name);
                builder.dispatch(start, end, name, stream, Links { launch: Some(step as u64), ..Links::default() });
            }
        }
    }
    builder.finish()
}

/// The same as a Kineto file, one rank.
pub fn kineto(trace: &Trace) -> String {
    let mut out = String::from(r#"{"schemaVersion":1,"traceEvents":["#);
    let us = |ns: i64| format!("{}.{:03}", ns / 1000, ns % 1000);
    let mut event = |name: &str, category: &str, thread: &str, span: Span, args: String| {
        let comma = if out.ends_with('[') { "" } else { "," };
        let (at, long) = (us(span.start_ns), us(span.duration_ns() as i64));
        let _ = write!(
            out,
            r#"{comma}{{"ph":"X","cat":"{category}","name":"{name}",{thread},"ts":{at},"dur":{long},"args":{{{args}}}}}"#
        );
    };
    for range in &trace.ranges {
        event(trace.names.get(range.name), "user_annotation", r#""pid":1,"tid":1"#, range.span, String::new());
    }
    for (at, launch) in trace.launches.iter().enumerate() {
        let args = format!(r#""correlation":{at}"#);
        event("hipGraphLaunch", "cuda_runtime", r#""pid":1,"tid":1"#, launch.span, args);
    }
    for dispatch in trace.dispatches.iter().filter(|dispatch| trace.rank_of(dispatch.stream) == RankIdx::new(0)) {
        let launch = dispatch.launch.map_or(0, |launch| launch.index());
        let args = format!(r#""correlation":{launch},"device":0,"stream":7"#);
        event(trace.kernel(dispatch), "kernel", r#""pid":0,"tid":7"#, dispatch.span, args);
    }
    out.push_str("]}");
    out
}
