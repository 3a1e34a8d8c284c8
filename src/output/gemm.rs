//! Matrix products: the shapes that the kernels worked on, and how they stand to aiter's tuned tables.

use serde::Serialize;

use crate::classify::Category;
use crate::model::Product;

/// The products whose shapes are known.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Products {
    /// GPU time of GEMM kernels whose shape is known, over all ranks.
    pub gpu_time_ns: u64,
    /// The same of the GPU time of all GEMM kernels in scope.
    pub share_of_gemm: f64,
    /// By shape, by total time.
    pub shapes: Vec<ProductRow>,
}

/// One shape.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ProductRow {
    /// Batch, M, N and K.
    #[serde(flatten)]
    pub shape: Product,
    /// GPU time of its kernels, over all ranks.
    pub gpu_time_ns: u64,
    /// Of the GPU time in scope.
    pub share: f64,
    /// Wall time that its kernels held up, summed over ranks; `None` without steps.
    pub critical_ns: Option<u64>,
    /// Of the wall time in scope: of the ITL where steps follow one another.
    pub critical_share: Option<f64>,
    /// Its kernels, by total time.
    pub kernels: Vec<ProductKernel>,
}

/// A kernel that worked on a shape.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ProductKernel {
    /// As the producer wrote it.
    pub name: String,
    /// Executions.
    pub count: u64,
    /// Sum of durations.
    pub total_ns: u64,
    /// Median, by nearest rank.
    pub p50_ns: u64,
    /// Wall time that it held up, summed over ranks; `None` without steps.
    pub critical_ns: Option<u64>,
}

/// Measured against tuned.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tuned {
    /// Tables that were read.
    pub files: u64,
    /// Rows of this GPU.
    pub rows: u64,
    /// Rows that the steps' products have, padding included, as far as labels tell.
    pub batches: Vec<u32>,
    /// Of the GPU time of GEMM and MoE kernels, by verdict, the largest first.
    pub shares: Vec<VerdictShare>,
    /// GEMM and expert kernels by total time, those of known shape a row a shape.
    pub kernels: Vec<TunedRow>,
    /// Shapes that are in no table, by total time; only those that the trace tells.
    pub untuned: Vec<UntunedShape>,
}

/// A shape that is in no table.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct UntunedShape {
    /// Batch, M, N and K.
    #[serde(flatten)]
    pub shape: Product,
    /// GPU time of its kernels, over all ranks.
    pub gpu_time_ns: u64,
    /// Of the wall time in scope: of the ITL where steps follow one another; `None` without steps.
    pub critical_share: Option<f64>,
    /// M, N and K of the nearest row of this GPU; `None` where all are further off than a quarter.
    pub nearest: Option<[u32; 3]>,
}

/// How a kernel stands to the tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TunedVerdict {
    /// It takes as long as in the table, or less.
    AsTuned,
    /// It takes a quarter longer than in any row of its name and batch.
    Slower,
    /// It is in the tables, but for other batches: a kernel that was tuned for another shape fills in.
    OtherBatch,
    /// It is in no table: an untuned shape, a fallback, or a kernel that the tables name by an id.
    InNoTable,
    /// The tables have its shape, but name another kernel: the table is not used, or names kernels by ids.
    OtherKernel,
    /// The tables do not have its shape.
    UntunedShape,
}

impl TunedVerdict {
    /// Its name in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::AsTuned => "as tuned",
            Self::Slower => "slower than tuned",
            Self::OtherBatch => "tuned for other batches",
            Self::InNoTable => "in no table",
            Self::OtherKernel => "another kernel won",
            Self::UntunedShape => "untuned shape",
        }
    }
}

/// The time of one verdict.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct VerdictShare {
    /// Which.
    pub verdict: TunedVerdict,
    /// GPU time, over all ranks.
    pub gpu_time_ns: u64,
    /// Of the GPU time of GEMM and MoE's expert kernels.
    pub share: f64,
}

/// One kernel.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TunedRow {
    /// As the kernels table names it.
    pub name: String,
    /// What it does.
    pub category: Category,
    /// What it worked on, where the trace tells.
    pub shape: Option<Product>,
    /// How it stands to the tables.
    pub verdict: TunedVerdict,
    /// Median of its executions (on this shape, if one is given).
    pub p50_ns: u64,
    /// Shortest and longest time in rows of its name and shape, or batch; of its name alone where there is none of these.
    /// Of another kernel's, if that won the shape.
    pub tuned_ns: Option<[u64; 2]>,
    /// Batches of its rows.
    pub tuned_for: Vec<u32>,
    /// Of the GPU time of GEMM and MoE's expert kernels.
    pub share: f64,
}
