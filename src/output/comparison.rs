//! The comparison of two runs.
//!
//! Differences are new less base: positive is slower. Figures are a decode step's on one rank unless they say otherwise.
//! What `real` and `flag` mean is decided in [`analyze::compare`](crate::analyze::compare).

use serde::Serialize;

use crate::classify::Category;
use crate::model::Condition;
use crate::output::around::{PackageChange, SurroundingsChange};
pub use crate::output::change::{Change, Flag};
use crate::output::steps::Histogram;
use crate::output::tail::TailChange;

/// Name and version of the JSON contract.
pub const SCHEMA: &str = "profile-decode/diff/1";

/// Everything that a comparison says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program that made it, with its version.
    pub made_by: String,
    /// The outcome.
    pub verdict: Verdict,
    /// Whether the sides may be compared.
    pub comparable: Comparable,
    /// What is another around the runs; `None` where a side tells nothing of it.
    pub surroundings: Option<SurroundingsChange>,
    /// What else may explain a change than what the tables seem to say.
    pub hints: Vec<Hint>,
    /// The side that is compared with.
    pub base: SideRow,
    /// The side that is compared.
    pub new: SideRow,
    /// The decode step as a whole.
    pub step: StepChange,
    /// The steps that take longest.
    pub tail: TailChange,
    /// What of the step's change is other work, and what is the same work taking another time; `None` where both sides
    /// did the same batches in the same proportion, and over contexts that nothing grows with.
    pub mix: Option<Mix>,
    /// GPU time by category, all six. Waiting for peers is not in it.
    pub categories: Vec<CategoryChange>,
    /// Wall time of a step in which none of its kernels ran.
    pub idle: Change,
    /// Time that a rank waits for others in collectives; `None` for one rank, or where it cannot be told.
    pub wait: Option<Change>,
    /// The change of the step on its critical path, by what held it up: these sum to `step.delta_ns` exactly. Empty if
    /// there is no difference to share out.
    pub waterfall: Vec<WaterfallRow>,
    /// Backends of each category and how they shifted, by category, then by time.
    pub backends: Vec<BackendRow>,
    /// Steps by batch, for batches that both sides ran.
    pub batches: Vec<BatchChange>,
    /// Steps by phase that either side ran, where there are others than decode steps. Only decode steps are compared in all
    /// other tables, and only they decide the verdict.
    pub phases: Vec<PhaseChange>,
    /// GPU time of each rank, waiting for peers taken off; empty for one rank.
    pub ranks: Vec<RankChange>,
    /// Kernels by their place in the step, else by name; the largest change first.
    pub kernels: Vec<KernelChange>,
    /// Share by which a thing must change to be flagged.
    pub threshold: f64,
    /// Other thresholds that were given, by category.
    pub thresholds: Vec<(Category, f64)>,
    /// Change a step below which nothing is flagged.
    pub min_impact_ns: u64,
    /// Share of itself below which no change is called real: the least noise of the step and of the categories.
    pub noise_floor: Option<f64>,
    /// What the verdict follows.
    pub gate_on: Vec<GateOn>,
    /// What made the verdict: every row that [`Self::gate_on`] follows and that went its way.
    pub decided_by: Vec<GateOn>,
}

/// A kind of row that the verdict may follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOn {
    /// The step as a whole, for the same work.
    Step,
    /// A category's GPU time.
    Category,
    /// Wall time in which none of the step's kernels ran.
    Idle,
    /// A kernel's time.
    Kernel,
    /// The steps of one batch.
    Batch,
    /// A rank's own work.
    Rank,
    /// The slowest steps.
    Tail,
}

impl GateOn {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Step, Self::Category, Self::Idle, Self::Kernel, Self::Batch, Self::Rank, Self::Tail];

    /// What it is called, on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Category => "category",
            Self::Idle => "idle",
            Self::Kernel => "kernel",
            Self::Batch => "batch",
            Self::Rank => "rank",
            Self::Tail => "tail",
        }
    }
}

/// The outcome of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something that the verdict follows got slower than the threshold allows.
    Regressed,
    /// Something got faster by more than the threshold, and the step did not get slower.
    Improved,
    /// Neither.
    Same,
    /// The sides must not be compared.
    NotComparable,
}

/// Whether two sides may be compared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Comparable {
    /// The answer.
    pub verdict: Comparability,
    /// Why not, or what to be careful about; the gravest first.
    pub reasons: Vec<Reason>,
}

/// Whether two sides may be compared, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparability {
    /// Nothing speaks against it.
    Yes,
    /// Something differs that may explain a change.
    WithCare,
    /// A comparison means nothing.
    No,
}

/// A reason against comparing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reason {
    /// Stable identifier.
    pub code: &'static str,
    /// How much it weighs.
    pub verdict: Comparability,
    /// One sentence.
    pub text: String,
}

/// Something else that may explain a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Hint {
    /// Stable identifier.
    pub code: &'static str,
    /// One sentence, without its full stop.
    pub text: String,
}

/// What one side is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SideRow {
    /// Files and directories as the user named them.
    pub inputs: Vec<String>,
    /// Runs.
    pub runs: u32,
    /// Ranks of a run.
    pub ranks: u64,
    /// Decode steps compared.
    pub steps: u64,
    /// Formats of the inputs.
    pub formats: Vec<String>,
    /// Marketing names of the GPUs.
    pub gpus: Vec<String>,
    /// Instruction set architectures.
    pub archs: Vec<String>,
    /// Serving frameworks.
    pub frameworks: Vec<String>,
    /// Under which conditions it ran, as far as the traces tell.
    pub conditions: Vec<Condition>,
    /// Layers that the steps were folded into.
    pub layers: Option<u32>,
    /// Kernel executions of a step on one rank.
    pub dispatches_per_step: f64,
    /// Part of the kernels that graphs launched.
    pub graph_share: Option<f64>,
}

/// What a step's time is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From a step's first kernel to the next's.
    Itl,
    /// From a step's first kernel to its last.
    GpuSpan,
    /// From the first kernel of the trace to the last: there are no steps.
    Trace,
}

/// How the step changed. Across ranks that meet in collectives, a step's time is that of the path over the ranks that
/// arrive last; else it is the mean over ranks.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StepChange {
    /// What is measured.
    pub measure: Measure,
    /// Median of the base.
    pub base_p50_ns: u64,
    /// Median of the new.
    pub new_p50_ns: u64,
    /// Their difference; `None` if no batch was run by both sides.
    pub delta_ns: Option<i64>,
    /// Of the base.
    pub delta_share: Option<f64>,
    /// 95 % interval of the difference; `None` for too few steps.
    pub interval: Option<[i64; 2]>,
    /// What the medians differ by when nothing changed.
    pub noise_floor_ns: Option<u64>,
    /// Whether the difference is more than chance.
    pub real: bool,
    /// Whether it is flagged, for the same work: see [`Mix`].
    pub flag: Flag,
    /// 90th percentile of the base.
    pub base_p90_ns: u64,
    /// 90th percentile of the new.
    pub new_p90_ns: u64,
    /// 99th percentile of the base.
    pub base_p99_ns: u64,
    /// 99th percentile of the new.
    pub new_p99_ns: u64,
    /// How often each length occurs, in the base and in the new, over the same bins.
    pub histograms: Vec<Histogram>,
}

/// The step's change taken apart: `same_work.delta_ns + shift_ns` is `step.delta_ns`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Mix {
    /// The same batches in the same proportion (the mean of both sides'), at the same contexts.
    pub same_work: Change,
    /// What comes of the sides having run other batches, or in other proportion, or other contexts.
    pub shift_ns: i64,
}

impl Comparison {
    /// What a category is called in prose.
    #[must_use]
    pub fn title(&self, category: Category) -> &'static str {
        self.categories.iter().find(|row| row.name == category).map_or_else(|| category.title(), |row| row.title)
    }
}

/// How a category changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CategoryChange {
    /// Which.
    pub name: Category,
    /// What it is called in prose: communication after all-reduces where neither side is known to do anything else.
    pub title: &'static str,
    /// GPU time.
    #[serde(flatten)]
    pub change: Change,
}

/// A part of the step's change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WaterfallRow {
    /// A category, `idle`, or `batch_mix`: what [`Mix`] shifts.
    pub name: &'static str,
    /// Part of a typical step of the base: the rows sum to the step. Only that of `batch_mix` may be negative.
    pub base_ns: i64,
    /// Part of a typical step of the new.
    pub new_ns: i64,
    /// Their difference; for `batch_mix`, the shift.
    pub delta_ns: i64,
}

/// A backend's part in a category.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BackendRow {
    /// The category.
    pub category: Category,
    /// The backend.
    pub backend: String,
    /// Mean time a step in the base.
    pub base_ns_per_step: u64,
    /// Of the category's in the base.
    pub base_share: f64,
    /// Mean time a step in the new.
    pub new_ns_per_step: u64,
    /// Of the category's in the new.
    pub new_share: f64,
}

/// How steps of one batch changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BatchChange {
    /// Requests.
    pub size: Option<u32>,
    /// Size that the graph was captured for.
    pub graph_size: Option<u32>,
    /// Steps of the base.
    pub base_steps: u64,
    /// Steps of the new.
    pub new_steps: u64,
    /// The step's time.
    #[serde(flatten)]
    pub change: Change,
}

/// How steps of one phase changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PhaseChange {
    /// The phase.
    pub phase: String,
    /// Steps of the base.
    pub base_steps: u64,
    /// Steps of the new.
    pub new_steps: u64,
    /// Of all steps of the base.
    pub base_share: f64,
    /// Of all steps of the new.
    pub new_share: f64,
    /// From a step's first kernel to its last, on the rank where that is longest.
    #[serde(flatten)]
    pub change: Change,
}

/// How a rank's own work changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RankChange {
    /// Its place among the ranks, from 0.
    pub rank: u32,
    /// GPU time without waiting for peers.
    #[serde(flatten)]
    pub change: Change,
}

/// What became of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is on both sides; tiles, architecture and build suffixes may differ.
    Same,
    /// Another does its work.
    Replaced,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// What is another about the kernels of a place, where both sides tell what they worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Another backend has the same shape.
    Backend,
    /// The same backend has another shape.
    Shape,
    /// Both are others.
    BackendAndShape,
}

/// How the kernels of one place, or of one name, changed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KernelChange {
    /// Place in the step; `None`: matched by module, name or category.
    pub role: Option<String>,
    /// The module that launched the largest, behind the layers' common path and with `*` for the layer's number; `None` where
    /// no capture tells it, or the sides' are not the same.
    pub module: Option<String>,
    /// What they do.
    pub category: Category,
    /// Names in the base, the largest first.
    pub base: Vec<String>,
    /// Names in the new.
    pub new: Vec<String>,
    /// Backend of the largest of the base.
    pub base_backend: Option<String>,
    /// Backend of the largest of the new.
    pub new_backend: Option<String>,
    /// Data type of the largest of the base, where its name tells.
    pub base_dtype: Option<String>,
    /// Data type of the largest of the new.
    pub new_dtype: Option<String>,
    /// What those of the base worked on, where captures of their graphs tell of all.
    pub base_shapes: Option<Vec<String>>,
    /// What those of the new worked on.
    pub new_shapes: Option<Vec<String>>,
    /// Whether another backend does the work, or the work is another; `None` where a side does not tell, or neither is so.
    pub switch: Option<Switch>,
    /// Whether the sides ran on different architectures and the kernels' names differ: another build, or another kernel,
    /// may be there for that reason alone.
    pub per_arch: bool,
    /// The package that they belong to, where it is another; `None`: it is the same, or not known.
    pub package: Option<PackageChange>,
    /// What became of it.
    #[serde(rename = "change")]
    pub fate: Fate,
    /// Executions a step on one rank, in the base.
    pub base_count: f64,
    /// In the new.
    pub new_count: f64,
    /// Time a step.
    #[serde(flatten)]
    pub change: Change,
}
