//! Decode steps: how they were found, how many there are, how long they take, what they lack, and what they compute for
//! nothing.

use serde::Serialize;

use crate::classify::Category;
use crate::output::time::{Distribution, Sum};
use crate::steps::{Detector, Phase};

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
    /// What shows that the steps counted are decode steps. Where nothing does, the report calls them steps and gives no
    /// advice.
    pub decode_by: Vec<DecodeEvidence>,
    /// Steps after warm-up by phase.
    pub phases: Phases,
    /// The phases' figures, for those that occurred.
    pub by_phase: Vec<PhaseRow>,
    /// Decode steps by batch.
    pub batch: Vec<BatchRow>,
    /// Decode to decode: from a step's first kernel to the first kernel of the next decode step on the same rank, where no
    /// prefill, mixed or empty step and no pause came between. All ranks together.
    pub itl_ns: Option<Distribution>,
    /// What requests that decode wait for: from the first kernel of a decode or mixed step to that of the next, prefill between
    /// them included; without pauses, and without empty steps of data parallelism. All ranks together.
    pub felt_ns: Option<Distribution>,
    /// Times without work that were left out; `None` where there are none.
    pub pauses: Option<Pauses>,
    /// Whether the times of steps are times of tokens.
    pub tokens: Tokens,
    /// What was launched after the marker's range of decode steps; `None` where nothing was.
    pub tail: Option<TailRow>,
    /// From a step's first kernel's start to its last kernel's end, all ranks together.
    pub gpu_span_ns: Option<Distribution>,
    /// From begin to end of the marker range on the CPU, where steps were found by one: when it was launched, not
    /// how long it took.
    pub cpu_range_ns: Option<Distribution>,
    /// The steps' times one after another and by length, for drawing; `None` without decode steps.
    #[serde(rename = "course")]
    pub series: Option<StepSeries>,
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

/// What shows that steps are decode steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeEvidence {
    /// An engine's label says so.
    Label,
    /// The user's marker pattern says so.
    Asked,
    /// They run attention of generated tokens over a cache.
    DecodeAttention,
    /// They are replays of graphs, and run no attention of prompts alone.
    GraphReplays,
    /// Their matrix products have few rows, and they run no attention of prompts alone.
    FewRows,
}

/// Times between steps in which a rank had no work: the server was idle, or its requests had ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Pauses {
    /// How many, on the rank that had most.
    pub count: u64,
    /// How long together, on the rank where that is longest.
    pub total_ns: u64,
    /// Only such times count in which neither a kernel nor a copy ran for longer than this.
    pub longer_than_ns: u64,
}

/// Whether the times of steps are times of tokens.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tokens {
    /// Whether a step gives each request one token; `None` where nothing tells.
    pub a_step_is_a_token: Option<bool>,
    /// How that is known.
    pub known_by: TokensKnownBy,
    /// Why a step is no token.
    pub because: Vec<NoToken>,
    /// Tokens that a step computes for a request, where labels tell.
    pub computed_per_request: Option<f64>,
    /// How often a step runs the model, where its kernels recur as a whole.
    pub passes: Option<u32>,
}

/// How it is known what a step is in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokensKnownBy {
    /// By the steps' labels.
    Label,
    /// By the kernels of the steps.
    Kernels,
    /// It is not known.
    Nothing,
}

/// Why a step is not one token for each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoToken {
    /// Tokens are drafted and verified: how many are accepted no trace tells.
    Speculation,
    /// A step runs the model several times.
    SeveralPasses,
    /// Ranks hand activations on once a step: a request waits for as many steps as there are micro-batches.
    Pipeline,
}

/// What was launched for decode steps after their marker's range: engines mostly mark the forward pass alone.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TailRow {
    /// Decode steps that have one, each counted on each rank.
    pub steps: u64,
    /// Kernel executions.
    pub dispatches: u64,
    /// Sum of their durations; it is in the steps' figures too.
    pub gpu_time_ns: u64,
    /// Of the GPU time of the steps.
    pub share: f64,
    /// What of it is of a draft model: kernels from the first to the last product or attention; `None` where none attends.
    pub draft: Option<Sum>,
    /// Kernel names by total time.
    pub kernels: Vec<TailKernel>,
}

/// A kernel of the tails.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TailKernel {
    /// As the producer wrote it.
    pub name: String,
    /// What it does.
    pub category: Category,
    /// Executions.
    pub count: u64,
    /// Sum of durations.
    pub total_ns: u64,
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
    /// Steps of which neither labels nor kernels tell what they did.
    pub unknown: u64,
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
    /// Most rows that matrix products of such a step have: its tokens, padding included; more than `size` where drafts are
    /// verified. `None` where the label does not tell.
    pub rows: Option<u32>,
    /// Decode steps, each once.
    pub steps: u64,
    /// Periods between successive steps, counted for the earlier one.
    pub itl_ns: Option<Distribution>,
    /// First kernel's start to last kernel's end.
    pub gpu_span_ns: Distribution,
    /// Mean GPU time of a step on one rank.
    pub gpu_time_per_step_ns: u64,
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

/// What can be said of a trace's completeness.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Steps were compared with their like, and none has too few kernels.
    Proven,
    /// Nothing is known to be missing, but there was too little to compare.
    NotChecked,
    /// Records are missing.
    Incomplete,
}

/// Decode steps one after another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepSeries {
    /// Whether these are times from step to step (ITL); else they are from a step's first kernel to its last.
    pub from_step_to_step: bool,
    /// Successive steps that one point stands for.
    pub steps_a_point: u64,
    /// In the order of the steps.
    pub points: Vec<Point>,
    /// How often each length occurs.
    pub histogram: Histogram,
}

/// Some successive steps, each as long as on the rank where it took longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Point {
    /// Median of their times.
    pub p50_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// How often lengths occur, in bins of one width.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Histogram {
    /// Where the first bin begins.
    pub from_ns: u64,
    /// Width of a bin.
    pub width_ns: u64,
    /// How many in each bin.
    pub counts: Vec<u64>,
    /// How many beyond the last bin: the bins end at the 99th percentile, so that an outlier does not flatten the rest.
    pub above: u64,
}

/// What is computed for nothing.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DiscardedWork {
    /// By bucket, the smallest first.
    pub padding: Vec<PaddingRow>,
    /// Of the places in the graphs of all steps that tell; `None` where none does.
    pub empty_share: Option<f64>,
    /// Empty steps of data parallelism.
    pub dummy_steps: u64,
    /// Of all steps but drafts.
    pub dummy_share: f64,
    /// Their time, for each decode step on a rank.
    pub dummy_ns_per_step: u64,
    /// Steps of the draft model.
    pub draft_steps: u64,
    /// Their time, for each decode step on a rank.
    pub draft_ns_per_step: u64,
    /// Of the decode steps' wall time.
    pub draft_share: f64,
    /// Tokens that a decode step computes for a request, where that is not one.
    pub tokens_per_request: Option<f64>,
}

/// Padding of one bucket.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PaddingRow {
    /// The batch that the graph was captured for.
    pub graph_size: u32,
    /// Decode steps that ran it.
    pub steps: u64,
    /// Of its places.
    pub empty_share: f64,
}
