//! The report: its sections, and what the whole trace, the tables' scope and our own tracer amount to.

use serde::Serialize;

use crate::classify::Category;
use crate::model::{Format, Loss, Overhead, Warning};
use crate::output::advice::Advice;
use crate::output::around::Surroundings;
use crate::output::captured::Captured;
use crate::output::engine::{EngineLog, RequestView};
use crate::output::floor::Floor;
use crate::output::gemm::{Products, Tuned};
use crate::output::layers::Layers;
use crate::output::ranks::RankSkew;
use crate::output::roofline::Roofline;
use crate::output::steps::{DiscardedWork, Steps};
use crate::output::time::{CategoryRow, Idle, KernelRow, MostExpensive, Sum, TopRow, Unknown};

/// Name and version of the JSON contract.
pub const SCHEMA: &str = "profile-decode/report/1";

/// Everything that a report says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program that made it, with its version.
    pub made_by: String,
    /// Where the trace came from: one entry a rank.
    pub source: Vec<SourceRow>,
    /// Number of ranks merged.
    pub ranks: usize,
    /// The whole trace, steps or not.
    pub totals: Totals,
    /// What the tables below are of, and what they leave out.
    pub scope: ScopeRow,
    /// Decode steps: how they were found, how many, how long.
    pub steps: Steps,
    /// Time by category, the largest first. All six are always there.
    pub categories: Vec<CategoryRow>,
    /// Wall time in which no kernel ran; `None` where there are no steps to partition.
    pub idle: Option<Idle>,
    /// Every kernel name in scope, by total time.
    pub kernels: Vec<KernelRow>,
    /// The names with the largest total.
    pub top: Vec<TopRow>,
    /// The longest single dispatch.
    pub most_expensive: Option<MostExpensive>,
    /// Kernels whose purpose no rule knew.
    pub unknown: Unknown,
    /// The shapes of matrix products; `None` where none is known.
    pub products: Option<Products>,
    /// What captures of the graphs tell of their replays; `None` where none was given, found or seen.
    pub captured: Option<Captured>,
    /// The step folded into layers; `None` where it has none.
    pub layers: Option<Layers>,
    /// The ranks side by side; `None` for one rank.
    pub rank_skew: Option<RankSkew>,
    /// What could be done, the largest saving first.
    pub advice: Vec<Advice>,
    /// The least that a step can take; `None` where no model's configuration was given.
    pub floor: Option<Floor>,
    /// How close kernels come to the GPU's peaks; `None` where no capture tells their operators.
    pub roofline: Option<Roofline>,
    /// Kernels against aiter's tuned tables; `None` where none were given.
    pub tuned: Option<Tuned>,
    /// What is computed for nothing; `None` where nothing of the kind is visible.
    #[serde(rename = "waste")]
    pub discarded: Option<DiscardedWork>,
    /// What stood around the run; `None` where nothing is known.
    pub surroundings: Option<Surroundings>,
    /// What the engine's log tells; `None` where none was given.
    pub engine_log: Option<EngineLog>,
    /// What a benchmark measured from outside; `None` where none was given.
    pub request: Option<RequestView>,
    /// How our own tracer fared; `None` for foreign traces.
    pub capture: Option<Capture>,
    /// Graph launches whose kernels carry the times of other kernels; `None` where no record shows any. Where it is there,
    /// times by kernel, category, layer and role cannot be trusted; the times of steps and the totals can.
    pub displaced: Option<DisplacedNames>,
    /// Records known to be missing, by cause.
    pub losses: Vec<Loss>,
    /// What the reader must know before believing the figures.
    pub warnings: Vec<Warning>,
}

/// One rank and where its records came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceRow {
    /// File or directory as the user named it; empty for the live capture of the process itself.
    pub path: String,
    /// What it was.
    pub format: Format,
    /// Marketing name of the GPU.
    pub gpu: Option<String>,
    /// Instruction set architecture, e.g. `gfx942`.
    pub arch: Option<String>,
    /// The rank as the framework counts.
    pub rank: Option<u32>,
    /// How many ranks there were in all.
    pub world_size: Option<u32>,
    /// Host name.
    pub host: Option<String>,
    /// Process id.
    pub pid: Option<u32>,
    /// Serving framework.
    pub framework: Option<String>,
}

/// Sums over the whole trace.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Totals {
    /// Kernel executions.
    pub dispatches: u64,
    /// Sum of their durations; exceeds busy time where streams overlap.
    pub gpu_time_ns: u64,
    /// Time in which at least one kernel ran: union over the streams of a rank, summed over ranks.
    pub busy_ns: u64,
    /// From the first kernel's start to the last kernel's end, on the rank where that is longest.
    pub wall_ns: u64,
    /// Copies and fills by the runtime. They are no kernels and in no other sum.
    pub copies: u64,
    /// Kernels that belong to no step of any phase.
    pub outside_steps: Sum,
    /// The same sums a rank.
    pub per_rank: Vec<RankTotals>,
}

/// Sums over one rank.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RankTotals {
    /// Its number.
    pub rank: u32,
    /// Kernel executions.
    pub dispatches: u64,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
    /// Union over its streams.
    pub busy_ns: u64,
    /// From its first kernel's start to its last kernel's end.
    pub wall_ns: u64,
}

/// What categories, kernels and the like were computed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeOf {
    /// Decode steps after warm-up; nothing else.
    DecodeSteps,
    /// Every dispatch of the trace, because there are no decode steps or because the user said so.
    Trace,
}

/// What the tables are of, and what they leave out. `counted` and `left_out` add up to the totals of the trace.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ScopeRow {
    /// What was counted.
    pub of: ScopeOf,
    /// Its sums, over all ranks.
    pub counted: Sum,
    /// Wall time of what was counted, summed over ranks: the steps' walls, or each rank's from first kernel to last.
    pub wall_ns: u64,
    /// What was not counted, by reason.
    pub left_out: Vec<LeftOutRow>,
    /// Kernel names by total time in what was left out.
    pub left_out_kernels: Vec<LeftOutKernel>,
}

/// A part of the trace that is not in the tables.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LeftOutRow {
    /// `warmup`, `cut` (by the trace's edges), `beyond_limit` (more steps than asked for), a phase (`prefill`, `mixed`,
    /// `draft`, `dummy`, `other`, `unknown`), or `outside_steps`.
    pub reason: &'static str,
    /// Steps concerned, each counted once however many ranks ran it.
    pub steps: u64,
    /// Kernel executions.
    pub dispatches: u64,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
    /// Of the GPU time of the whole trace.
    pub share: f64,
}

/// A kernel in what was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeftOutKernel {
    /// As the producer wrote it.
    pub name: String,
    /// What it does.
    pub category: Category,
    /// Executions left out.
    pub count: u64,
    /// Sum of their durations.
    pub total_ns: u64,
}

/// Graph launches whose records are not in the order of their starts, though one stream runs them in their order: names
/// and times do not belong together. The source of the fault is ROCm/rocm-systems#10579.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DisplacedNames {
    /// Launches concerned.
    pub launches: u64,
    /// Graph launches of the trace.
    pub of_launches: u64,
    /// Kernels that the launches concerned ran.
    pub records: u64,
    /// Of those, the fewest that have to move for the others to be in order.
    pub moved: u64,
    /// Numbers of the steps concerned.
    pub steps: Vec<u32>,
}

/// How our own tracer fared.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Capture {
    /// What the tracer measured of its own cost.
    pub overhead: Overhead,
    /// Records lost, by cause.
    pub dropped: Vec<Loss>,
    /// Records received.
    pub records: u64,
    /// Decode steps recorded before the window closed, by the tracer's own count; 0 where it saw none and recorded all.
    pub steps_before_stop: u64,
    /// Decode steps that it was told to record.
    pub steps_wanted: u32,
    /// Decode steps of warm-up that it was told to let pass.
    pub warmup_wanted: u32,
    /// The marker pattern that it was told, if not the known labels.
    pub marker: Option<String>,
    /// What armed the window.
    pub armed_by: String,
    /// Why the window closed.
    pub closed_by: String,
    /// Version of the rocprofiler-sdk.
    pub sdk_version: Option<String>,
    /// Whether the SDK's context for dispatches was `switched` for the window, or `kept` on all the time, which costs the
    /// SDK's interception of every dispatch. `None`: the capture is older than the question.
    pub dispatch_context: Option<String>,
}

impl Report {
    /// The row of a category.
    #[must_use]
    pub fn category(&self, category: Category) -> Option<&CategoryRow> {
        self.categories.iter().find(|row| row.name == category)
    }

    /// What a category is called in prose.
    #[must_use]
    pub fn title(&self, category: Category) -> &'static str {
        self.category(category).map_or(category.title(), |row| row.title)
    }
}
