//! How close kernels of known operator come to what the GPU can do.

use serde::Serialize;

use crate::classify::Category;
use crate::model::Product;
use crate::output::gemm::TunedVerdict;

/// Bytes and operations of kernels whose operator and shapes are known, against the peaks of the GPU.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Roofline {
    /// The GPU whose peaks are taken; `None` where it is not known: then there is no share of a peak.
    pub gpu: Option<&'static str>,
    /// Whether only the architecture tells which GPU it is.
    pub gpu_assumed: bool,
    /// The part of the GPU that a rank has, where the GPU is partitioned; else 1.
    pub partition: f64,
    /// Peak bandwidth of that part's HBM in bytes a nanosecond, that is GB/s.
    pub hbm_bytes_per_ns: Option<f64>,
    /// Where the peaks are from.
    pub source: Option<&'static str>,
    /// Of the GPU time in scope, how much is in kernels whose bytes are known.
    pub known_share: f64,
    /// By operator, shapes and role, by the time that could be saved.
    pub rows: Vec<WorkRow>,
    /// What was assumed.
    pub assumptions: Vec<&'static str>,
}

/// The kernels of one operator with one set of shapes, in one role.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WorkRow {
    /// What its place in the step is called; `None` where steps do not fold into layers.
    pub role: Option<String>,
    /// In how many layers it runs; `None` where that is not known.
    pub layers: Option<u64>,
    /// The module that launched it, with `*` for the layer's number; `None` where no capture tells it.
    pub module: Option<String>,
    /// The operator that launched it, or else the class of the module.
    pub op: String,
    /// Sizes and types of the operator's arguments; `None` where captures do not agree on them.
    pub arguments: Option<String>,
    /// Batch, M, N and K of a matrix product.
    pub product: Option<Product>,
    /// What it does.
    pub category: Category,
    /// Its kernels, by total time: several where a product is split and added up.
    pub kernels: Vec<String>,
    /// Calls, over all ranks. Kernels that follow each other on a stream for one product are one call.
    pub calls: u64,
    /// GPU time of its kernels, over all ranks.
    pub gpu_time_ns: u64,
    /// Of the GPU time in scope.
    pub share: f64,
    /// Wall time that its kernels held up, of the wall time in scope; `None` without steps.
    pub critical_share: Option<f64>,
    /// Bytes that a call must move at least; `None` where that is not known.
    pub bytes: Option<u64>,
    /// Floating-point or integer operations of a call; `None` where that is not known.
    pub flops: Option<u64>,
    /// Those bytes over the time that they took.
    pub tb_per_s: Option<f64>,
    /// Those operations over the time that they took.
    pub tflop_per_s: Option<f64>,
    /// What limits it at best.
    pub bound: Option<Bound>,
    /// The time that a call takes at that peak.
    pub least_ns: Option<u64>,
    /// That time over the measured: beyond 1 where data came from caches.
    pub share_of_peak: Option<f64>,
    /// GPU time that would be saved at the peak: more than tuning can.
    pub could_save_ns: Option<u64>,
    /// Of the wall time in scope, as far as its kernels are on the critical path; `None` without steps.
    pub could_save_share: Option<f64>,
    /// Rows of a product that a call was asked for, on average; what M has beyond them is padding. `None` where labels do
    /// not tell.
    pub asked_rows: Option<f64>,
    /// How its heaviest kernel stands to aiter's tuned tables; `None` where none were given, or for other work.
    pub tuned: Option<TunedVerdict>,
}

/// What limits a kernel at best.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The bandwidth of the HBM.
    Memory,
    /// The matrix cores.
    Compute,
}
