//! Where the time goes: by category, by kernel, and idle.

use serde::Serialize;

use crate::classify::{Category, Confidence, Evidence, Traits};
use crate::model::Origin;

/// Dispatches and the sum of their durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sum {
    /// How many.
    pub dispatches: u64,
    /// How long in all.
    pub gpu_time_ns: u64,
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

/// A category's part.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CategoryRow {
    /// Which.
    pub name: Category,
    /// What it is called in prose: that of `allreduce` is "AllReduce" where nothing else is known to be in it, else
    /// "Communication".
    pub title: &'static str,
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
    pub backends: Vec<CategoryPart>,
    /// By kind within the category, the largest first.
    pub subs: Vec<CategoryPart>,
    /// Of communication: by what it computes, as far as the process or the kernels' names tell (`all_reduce`,
    /// `all_to_all`, `send_recv`, …), the largest first. Empty for other categories.
    pub collectives: Vec<CategoryPart>,
    /// By data type as far as the names tell, the largest first.
    pub dtypes: Vec<CategoryPart>,
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
pub struct CategoryPart {
    /// Its name; `unknown` where the classifier does not tell.
    pub name: String,
    /// Sum of kernel durations.
    pub gpu_time_ns: u64,
    /// Of the category's GPU time.
    pub share: f64,
    /// Of its own GPU time, that of kernels of which a rule that is a guess says that they belong here (confidence
    /// `low`); 0 for collectives and data types.
    pub guessed_share: f64,
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
    /// What told what it does.
    pub purpose_by: Evidence,
    /// What told who wrote it.
    pub backend_by: Evidence,
    /// What its code objects tell of it, one each that says something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
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
    /// What is known of them all the same, in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<UnknownKernel>,
}

/// A kernel whose purpose no rule knew, and what may help to find it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct UnknownKernel {
    /// As the producer wrote it.
    pub name: String,
    /// Executions.
    pub count: u64,
    /// Sum of durations.
    pub total_ns: u64,
    /// Of the GPU time in scope.
    pub gpu_share: f64,
    /// Who wrote or generated it, or `unknown`.
    pub backend: String,
    /// The kernel that most often ran just before it on its stream.
    pub after: Option<String>,
    /// The kernel that most often ran just after it on its stream.
    pub before: Option<String>,
    /// URI of the code object that registered it.
    pub code_object: Option<String>,
    /// Files that it was written in, as its code objects tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}
