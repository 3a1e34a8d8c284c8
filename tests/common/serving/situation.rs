//! Which passes follow one another in a situation, and what an engine marks of them.

use profile_decode::steps::Phase;

use super::draw::View::{self, Capture, GpuOnly, Launches, Marked};
use super::engine::{Engine, Kernel, Load, Stream, eager};
use crate::server::Random;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Situation {
    /// Prompts now and then, and nothing else that is special.
    Usual,
    /// Sampling, and drafting at times, after the marked range.
    TailAfterRange,
    /// Labels that tell no phase, with prompts among the steps.
    Phaseless,
    Piecewise,
    MixedEveryFifth,
    EagerAboveLargest,
    IdlePauses,
    /// Each range opened before the last closes, on one thread or on two in turn.
    OverlappingRanges,
    /// Steps without requests, of data-parallel ranks.
    Dummies,
    /// Another thread moves caches whenever it likes.
    Transfers,
    SingleReplays,
    /// As many draft passes as the last were right.
    AdaptiveDrafts,
    /// Sampling on a stream of its own, while the next step runs.
    SamplerAside,
}

impl Situation {
    pub const ALL: [Self; 13] = [
        Self::Usual,
        Self::TailAfterRange,
        Self::Phaseless,
        Self::Piecewise,
        Self::MixedEveryFifth,
        Self::EagerAboveLargest,
        Self::IdlePauses,
        Self::OverlappingRanges,
        Self::Dummies,
        Self::Transfers,
        Self::SingleReplays,
        Self::AdaptiveDrafts,
        Self::SamplerAside,
    ];

    /// Which producers see what is special of it.
    pub fn views(self) -> &'static [View] {
        match self {
            Self::TailAfterRange | Self::Phaseless | Self::OverlappingRanges | Self::Dummies => &[Marked],
            Self::Usual | Self::IdlePauses | Self::Transfers | Self::AdaptiveDrafts => {
                &[Marked, Launches, Capture, GpuOnly]
            }
            Self::Piecewise | Self::MixedEveryFifth | Self::EagerAboveLargest => &[Launches, Capture, GpuOnly],
            Self::SingleReplays => &[Launches, Capture],
            Self::SamplerAside => &[Launches, GpuOnly],
        }
    }
}

/// One step of the engine.
#[derive(Clone, Debug)]
pub struct Pass {
    pub phase: Phase,
    pub label: String,
    /// What the marked range wraps.
    pub inside: Vec<Kernel>,
    /// What is launched after it.
    pub tail: Vec<Kernel>,
    /// How long the host takes before it.
    pub host_ns: i64,
    /// Kernels of another thread, launched while it runs.
    pub aside: Vec<Kernel>,
    pub thread: u64,
    /// Its range closes only within the next.
    pub overlaps: bool,
}

#[derive(Clone, Copy)]
enum Labels {
    Vllm,
    Sglang,
    Forward,
    Profiler,
    RunBatch,
}

impl Labels {
    fn of(self, number: u64, load: Load) -> String {
        let Load { generating, prompts } = load;
        let contexts = u64::from(prompts > 0);
        match self {
            Self::Vllm => format!("execute_context_{contexts}({prompts})_generation_{generating}({generating})"),
            Self::Sglang => match (generating, prompts) {
                (0, 0) => "step[IDLE bs=0]".to_owned(),
                (_, 0) => format!("step[DECODE bs={generating}]"),
                (0, _) => format!("step[EXTEND bs=1 toks={prompts}]"),
                _ => format!("step[MIXED bs={} toks={}]", generating + 1, generating + prompts),
            },
            Self::Forward => "gpu_model_runner: forward".to_owned(),
            Self::Profiler => format!("ProfilerStep#{number}"),
            Self::RunBatch => "scheduler.run_batch".to_owned(),
        }
    }

    fn any(situation: Situation, r: &mut Random) -> Self {
        match situation {
            Situation::Phaseless => [Self::Forward, Self::Profiler, Self::RunBatch][r.below(3) as usize],
            _ => [Self::Vllm, Self::Sglang][r.below(2) as usize],
        }
    }
}

/// What the requests are, step by step.
struct Loads {
    situation: Situation,
    batch: u64,
    every: u64,
    mixes: bool,
}

impl Loads {
    fn next(&mut self, number: u64, r: &mut Random) -> Load {
        if r.chance(10) {
            self.batch = r.between(2, 32);
        }
        let generating = self.batch;
        let prompts = |r: &mut Random| if r.chance(15) { r.between(5, 130) } else { r.between(130, 2_000) };
        match self.situation {
            Situation::SingleReplays | Situation::AdaptiveDrafts => Load { generating, prompts: 0 },
            Situation::MixedEveryFifth if number % 5 == 3 => Load { generating, prompts: r.between(130, 500) },
            Situation::MixedEveryFifth => Load { generating, prompts: 0 },
            Situation::EagerAboveLargest if number % 16 > 9 => Load { generating: r.between(40, 60), prompts: 0 },
            Situation::Dummies if r.chance(25) => Load { generating: 0, prompts: 0 },
            _ if number % self.every == self.every - 2 => {
                Load { generating: if self.mixes { generating } else { 0 }, prompts: prompts(r) }
            }
            _ => Load { generating, prompts: 0 },
        }
    }
}

fn phase(load: Load) -> Phase {
    match (load.generating, load.prompts) {
        (0, 0) => Phase::Dummy,
        (_, 0) => Phase::Decode,
        (0, _) => Phase::Prefill,
        _ => Phase::Mixed,
    }
}

/// The steps of a server, in order.
pub fn passes(engine: &Engine, situation: Situation, r: &mut Random) -> Vec<Pass> {
    let labels = Labels::any(situation, r);
    let mut loads = Loads { situation, batch: r.between(2, 32), every: r.between(5, 13), mixes: r.chance(50) };
    let (drafts, on_two, wraps_all) = (r.chance(50), r.chance(50), r.chance(30));
    let steps = if situation == Situation::SingleReplays { r.between(1, 3) } else { r.between(24, 60) };
    let pauses = [steps / 4, steps / 2, 3 * steps / 4];
    let first = r.between(1, 90);
    let pass = |number: u64| {
        let load = loads.next(number, r);
        let model = if phase(load) == Phase::Dummy { Load { generating: 1, prompts: 0 } } else { load };
        let mut inside = engine.head();
        inside.extend(engine.model(model));
        let mut tail = engine.sampling();
        let passes = match situation {
            Situation::TailAfterRange if drafts => 2,
            Situation::AdaptiveDrafts => r.below(5),
            _ => 0,
        };
        (0..passes).for_each(|_| tail.extend(engine.draft()));
        if wraps_all && situation != Situation::TailAfterRange {
            inside.append(&mut tail);
        }
        let moved = if situation == Situation::Transfers { r.below(3) } else { 0 };
        let is_pause = situation == Situation::IdlePauses && pauses.contains(&number);
        Pass {
            phase: phase(load),
            label: labels.of(first + number, load),
            inside,
            tail,
            host_ns: if is_pause { 2_500_000_000 } else { r.between(60_000, 400_000) as i64 },
            aside: (0..moved)
                .map(|_| Kernel { stream: Stream::Transfer, ..eager("kv_copy_blocks_kernel", 6_000) })
                .collect(),
            thread: if situation == Situation::OverlappingRanges && on_two { 1 + number % 2 } else { 1 },
            overlaps: situation == Situation::OverlappingRanges,
        }
    };
    (0..steps).map(pass).collect()
}
