//! The part of the report that shows kernels by their place in the model.

use serde::{Deserialize, Serialize};

use crate::classify::Category;
use crate::output::time::PerStep;

/// The decode step folded into layers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Layers {
    /// How many layers the most frequent step has.
    pub count: u64,
    /// Steps (each once a rank) whose kernels fold into as many layers; the tables are of these.
    pub steps: u64,
    /// Steps that do not: kernels are missing, or they ran something else.
    pub other_steps: u64,
    /// How layers that modules tell agree with those that are inferred; `None` where none is told.
    pub told: Option<Told>,
    /// Layers that run the same kernels, the most frequent kind first.
    pub kinds: Vec<LayerKind>,
    /// One row a layer.
    pub per_layer: Vec<LayerRow>,
    /// Kernels by place: before the layers, in them, after them, in the order of the step.
    pub slots: Vec<SlotRow>,
}

/// Layers that the modules of a capture tell.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Told {
    /// Kernel executions whose layer is told.
    pub kernels: u64,
    /// Those of them that the order of kernels puts into the same layer.
    pub agree: u64,
}

/// Layers that run the same kernels.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LayerKind {
    /// A letter, `A` for the most frequent.
    pub name: String,
    /// Which layers.
    pub layers: Vec<u32>,
    /// Kernels of one layer on the main stream.
    pub kernels: u64,
    /// GPU time of one layer in one step on one rank, on average.
    pub gpu_time_ns: u64,
}

/// One layer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LayerRow {
    /// Counted from 0.
    pub layer: u32,
    /// Name of its [`LayerKind`].
    pub kind: String,
    /// Kernel executions in all steps.
    pub dispatches: u64,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
    /// Of the GPU time of these steps.
    pub share: f64,
    /// GPU time in one step on one rank.
    pub per_step_ns: PerStep,
    /// Wall time that it held up.
    pub critical_ns: u64,
}

/// Where in the step a kernel stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Before the first layer.
    #[serde(alias = "Head")]
    Head,
    /// In the layers.
    #[serde(alias = "Layer")]
    Layer,
    /// After the last layer.
    #[serde(alias = "Tail")]
    Tail,
}

/// Kernels of one place, over all layers and steps.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SlotRow {
    /// Part of the step.
    pub section: Section,
    /// Position in it, in the order in which it runs; `None` for kernels that only some layers or steps have, and for
    /// those that run beside the main stream.
    pub slot: Option<u32>,
    /// What the kernel is there for, e.g. `o_proj GEMM`, `attention decode`, `MoE stage 1`.
    pub role: String,
    /// What it does.
    pub category: Category,
    /// In how many layers it runs; 0 outside of them.
    pub layers: u64,
    /// Names of the kernels that ran here, by total time.
    pub kernels: Vec<String>,
    /// The module that launched them, that with the most time, with `*` for the layer's number; `None` where no capture tells it.
    pub module: Option<String>,
    /// The operator that launched them, or else the class of the module, that with the most time; `None` where no capture tells it.
    pub op: Option<String>,
    /// M, N and K of its product, or else sizes and types of its arguments.
    pub shape: Option<String>,
    /// Kernel executions.
    pub dispatches: u64,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
    /// Of the GPU time of these steps.
    pub share: f64,
    /// GPU time in one step on one rank, over all layers.
    pub per_step_ns: PerStep,
    /// Wall time that it held up.
    pub critical_ns: u64,
}
