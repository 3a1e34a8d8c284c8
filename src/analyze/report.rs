//! The report as data: what [`report`](super::report()) finds and every output format shows.
//!
//! Serialised as it stands this is the JSON contract `profile-decode/report/1`: the names of the fields are its keys.
//! Fields may be added; none may change its meaning without a new schema number. All times are integer nanoseconds and
//! all shares fractions of 1. What is not known is `None` (`null`), never 0.

use serde::Serialize;

use crate::classify::{Category, Confidence, Traits};
use crate::model::{Format, Loss, Overhead, Warning};
use crate::steps::{Detector, Phase};

pub use super::advice::Advice;
use super::completeness::Completeness;
use super::course::Course;
use super::floor::Floor;
use super::products::Products;
use super::tuned::Tuned;
use super::waste::Waste;

mod layers;
mod ranks;

pub use layers::{LayerKind, LayerRow, Layers, Section, SlotRow};
pub use ranks::{
    Across, AcrossCategory, Clock, ClockRow, CollectiveKind, Collectives, LastArriver, OnPath, RankRow, RankSkew,
    StartSkew, StepSkew, Straggler,
};

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
    pub scope: Scope,
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
    /// The step folded into layers; `None` where it has none.
    pub layers: Option<Layers>,
    /// The ranks side by side; `None` for one rank.
    pub rank_skew: Option<RankSkew>,
    /// What could be done, the largest saving first.
    pub advice: Vec<Advice>,
    /// The least that a step can take; `None` where no model's configuration was given.
    pub floor: Option<Floor>,
    /// Kernels against aiter's tuned tables; `None` where none were given.
    pub tuned: Option<Tuned>,
    /// What is computed for nothing; `None` where nothing of the kind is visible.
    pub waste: Option<Waste>,
    /// How our own tracer fared; `None` for foreign traces.
    pub capture: Option<Capture>,
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

/// Dispatches and the sum of their durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sum {
    /// How many.
    pub dispatches: u64,
    /// How long in all.
    pub gpu_time_ns: u64,
}

impl Sum {
    /// Adds one dispatch.
    pub(super) fn add(&mut self, duration_ns: u64) {
        self.dispatches += 1;
        self.gpu_time_ns += duration_ns;
    }
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
pub struct Scope {
    /// What was counted.
    pub of: ScopeOf,
    /// Its sums, over all ranks.
    pub counted: Sum,
    /// Wall time of what was counted, summed over ranks: the steps' walls, or each rank's from first kernel to last.
    pub wall_ns: u64,
    /// What was not counted, by reason.
    pub left_out: Vec<LeftOut>,
    /// Kernel names by total time in what was left out.
    pub left_out_kernels: Vec<LeftOutKernel>,
}

/// A part of the trace that is not in the tables.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LeftOut {
    /// `warmup`, `cut` (by the trace's edges), `beyond_limit` (more steps than asked for), a phase (`prefill`, `mixed`,
    /// `draft`, `dummy`, `other`), or `outside_steps`.
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

/// The decode steps.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Steps {
    /// How steps were found.
    pub detector: Detector,
    /// The marker pattern that matched.
    pub marker: Option<String>,
    /// Decode steps left out as warm-up, in this trace and by the tracer before it began to record.
    pub warmup_skipped: u64,
    /// Decode steps counted; a step that ran on eight ranks is one.
    pub count: u64,
    /// Steps after warm-up by phase.
    pub phases: Phases,
    /// The phases' figures, for those that occurred.
    pub by_phase: Vec<PhaseRow>,
    /// Decode steps by batch.
    pub batch: Vec<BatchRow>,
    /// Inter-token latency: from a step's first kernel to the first kernel of the next decode step on the same rank,
    /// where no prefill or mixed step came between. All ranks together.
    pub itl_ns: Option<Distribution>,
    /// From a step's first kernel's start to its last kernel's end, all ranks together.
    pub gpu_span_ns: Option<Distribution>,
    /// From begin to end of the marker range on the CPU, where steps were found by one: when it was launched, not
    /// how long it took.
    pub cpu_range_ns: Option<Distribution>,
    /// The steps' times one after another and by length, for drawing; `None` without decode steps.
    pub course: Option<Course>,
    /// Steps that took more than half as long again as the median, the longest first.
    pub outliers: Vec<Outlier>,
    /// Whether nothing is known to be missing; false where there are no steps to judge by.
    pub complete: bool,
    /// The same with the reason: proven, not checked, or incomplete.
    pub completeness: Completeness,
    /// Decode steps known to be complete: on every rank held against their like, and nothing missing. A lost record that
    /// was counted and cannot be placed is taken to be of a step of its own.
    pub complete_steps: u64,
    /// Steps that have fewer kernels than their like.
    pub missing: Vec<Missing>,
    /// What is doubtful about the steps, or why there are none.
    pub remarks: Vec<String>,
}

/// Steps by phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Phases {
    /// One token for each request.
    pub decode: u64,
    /// Prompts only.
    pub prefill: u64,
    /// Both.
    pub mixed: u64,
    /// Draft model.
    pub draft: u64,
    /// Empty steps of data parallelism.
    pub dummy: u64,
    /// Steps of no inference, as far as their kernels tell: training, or the loop of a benchmark.
    pub other: u64,
}

/// The figures of one phase, warm-up left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PhaseRow {
    /// The phase.
    pub phase: Phase,
    /// Steps, each once.
    pub steps: u64,
    /// Over all ranks.
    pub dispatches: u64,
    /// Over all ranks.
    pub gpu_time_ns: u64,
    /// First kernel's start to last kernel's end.
    pub gpu_span_ns: Distribution,
}

/// Decode steps of one batch size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BatchRow {
    /// Requests in the step, where the label tells.
    pub size: Option<u32>,
    /// The size that its graph was captured for; the difference is padding.
    pub graph_size: Option<u32>,
    /// Decode steps, each once.
    pub steps: u64,
    /// Periods between successive steps, counted for the earlier one.
    pub itl_ns: Option<Distribution>,
    /// First kernel's start to last kernel's end.
    pub gpu_span_ns: Distribution,
    /// Mean GPU time of a step on one rank.
    pub gpu_time_per_step_ns: u64,
}

/// A set of durations in figures. Percentiles are by nearest rank: the smallest of the values that at least p % of
/// them do not exceed. So each is a value that was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Distribution {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Arithmetic mean, rounded.
    pub mean: u64,
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
    /// How many values.
    pub count: u64,
}

/// A step that stands out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Outlier {
    /// Its number.
    pub step: u32,
    /// The rank.
    pub rank: u32,
    /// Its GPU span.
    pub gpu_span_ns: u64,
    /// The category that grew most against its median, if one explains half of the excess; else the time between
    /// kernels did.
    pub grown: Option<Category>,
}

/// A step with fewer kernels than its like.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Missing {
    /// Its number.
    pub step: u32,
    /// The rank.
    pub rank: u32,
    /// Kernels of the other steps of the same batch (or replays of the same graph).
    pub expected: u64,
    /// Kernels recorded.
    pub seen: u64,
    /// Which are missing, as far as the comparison tells; empty where the whole step is.
    pub kernels: Vec<MissingKernel>,
}

/// A kernel that a step has too few of.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct MissingKernel {
    /// As the producer wrote it.
    pub name: String,
    /// How many are missing.
    pub count: u32,
}

/// A category's part.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CategoryRow {
    /// Which.
    pub name: Category,
    /// Sum of kernel durations, over all ranks.
    pub gpu_time_ns: u64,
    /// Of the GPU time in scope.
    pub gpu_share: f64,
    /// Wall time in which this category was what the step waited for, summed over ranks.
    pub critical_ns: Option<u64>,
    /// Of the wall time in scope.
    pub critical_share: Option<f64>,
    /// GPU time in one step on one rank.
    pub per_step_ns: Option<PerStep>,
    /// Kernel executions.
    pub dispatches: u64,
    /// By who wrote or generated the kernels, the largest first.
    pub backends: Vec<Part>,
    /// By kind within the category, the largest first.
    pub subs: Vec<Part>,
    /// By data type as far as the names tell, the largest first.
    pub dtypes: Vec<Part>,
}

/// Percentiles over steps; see [`Distribution`] for their definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PerStep {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
}

/// A part of a category.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Part {
    /// Its name; `unknown` where the classifier does not tell.
    pub name: String,
    /// Sum of kernel durations.
    pub gpu_time_ns: u64,
    /// Of the category's GPU time.
    pub share: f64,
    /// Kernel executions.
    pub dispatches: u64,
}

/// Wall time of the steps in which none of their kernels ran, or only some that spun until another rank arrived; summed
/// over ranks. With the categories' critical time it adds up to the wall time in scope.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Idle {
    /// All of it.
    pub critical_ns: u64,
    /// Of the wall time in scope.
    pub critical_share: f64,
    /// Split by cause; a cause that was not looked for is not listed.
    pub causes: Vec<IdleCause>,
}

/// Why nothing of the step ran.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The next kernel had been launched already: the gap that the GPU makes between two kernels.
    LaunchGap,
    /// The CPU had not yet launched the next kernel.
    Host,
    /// The GPU waited for another rank.
    WaitPeer,
    /// A copy or fill ran.
    Copy,
    /// Kernels ran that belong to no counted step.
    OtherWork,
    /// The trace does not tell.
    Unknown,
}

/// Idle time of one cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct IdleCause {
    /// Which.
    pub name: Cause,
    /// How long.
    pub ns: u64,
}

/// A kernel name.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KernelRow {
    /// As the producer wrote it.
    pub name: String,
    /// Readable, where that differs.
    pub demangled: Option<String>,
    /// What it does.
    pub category: Category,
    /// Kind within the category.
    pub sub: Option<String>,
    /// For fused kernels, the second thing it does.
    pub secondary: Option<String>,
    /// Who wrote or generated it.
    pub backend: String,
    /// Data types as far as the name tells.
    pub dtype: Option<String>,
    /// Architecture as far as the name tells.
    pub arch: Option<String>,
    /// How it was built, as far as the name tells: matrix instruction, tile, split of K.
    pub traits: Traits,
    /// The rule that decided.
    pub rule: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// Executions.
    pub count: u64,
    /// Sum of durations.
    pub total_ns: u64,
    /// Shortest.
    pub min_ns: u64,
    /// Longest.
    pub max_ns: u64,
    /// Median, by nearest rank.
    pub p50_ns: u64,
    /// Of the GPU time in scope.
    pub share: f64,
    /// Wall time in which this kernel was what the step waited for, summed over ranks; `None` without steps.
    pub critical_ns: Option<u64>,
}

/// One of the names with the largest total.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TopRow {
    /// As the producer wrote it.
    pub name: String,
    /// What it does.
    pub category: Category,
    /// Who wrote or generated it.
    pub backend: String,
    /// Executions.
    pub count: u64,
    /// Sum of durations.
    pub total_ns: u64,
    /// Of the GPU time in scope.
    pub share: f64,
}

/// The longest single dispatch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MostExpensive {
    /// As the producer wrote it.
    pub name: String,
    /// Always `single dispatch`: the largest total is the first of `top`.
    pub by: &'static str,
    /// How long it took.
    pub ns: u64,
    /// The step it belongs to.
    pub step: Option<u32>,
    /// The rank it ran on.
    pub rank: u32,
}

/// Kernels whose purpose no rule knew.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Unknown {
    /// Of the GPU time in scope.
    pub gpu_share: f64,
    /// Their names, by total time.
    pub names: Vec<String>,
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
    /// Decode steps recorded before the window closed.
    pub steps_before_stop: u64,
    /// What armed the window.
    pub armed_by: String,
    /// Why the window closed.
    pub closed_by: String,
    /// Version of the rocprofiler-sdk.
    pub sdk_version: Option<String>,
}

impl Report {
    /// The row of a category.
    #[must_use]
    pub fn category(&self, category: Category) -> Option<&CategoryRow> {
        self.categories.iter().find(|row| row.name == category)
    }
}
