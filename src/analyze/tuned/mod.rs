//! The GEMM and expert kernels of the steps against aiter's tuned tables.
//!
//! ```text
//!   step:   M = 32   bf16gemm_…_32x64   14.1 µs ──┐
//!   table:  M = 32   bf16gemm_…_32x64   13.2 µs ──┴─ as tuned
//!   step:   M = 32   Cijk_…_MT256x256   31.0 µs ──── in no table
//! ```
//!
//! Kernels are compared by name, on this GPU, at the batches that the steps were padded to. Graph replays carry no shapes,
//! and none are read from elsewhere: a kernel that won several shapes (N, K) has a range of times, and it is slow only if it
//! is slower than in all of them. Tables name some kernels (CK, FlyDSL, opus) by ids of the tuner that are no symbols;
//! those kernels cannot be found, and their time is counted as in no table.

mod table;

use serde::Serialize;

use crate::classify::Category;

use super::floor::find_gpu;
use super::report::{KernelRow, Report, ScopeOf};
use super::stats::share;

pub use table::{Entry, parse};

/// The tables that the user gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tables {
    /// Rows of all of them.
    pub entries: Vec<Entry>,
    /// Files that were read.
    pub files: u64,
    /// Rows in them that made no sense.
    pub unreadable: u64,
}

/// Measured against tuned.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tuned {
    /// Tables that were read.
    pub files: u64,
    /// Rows of this GPU.
    pub rows: u64,
    /// Batches that the steps were padded to, as far as they tell.
    pub batches: Vec<u32>,
    /// Of the GPU time of GEMM and MoE kernels, by verdict, the largest first.
    pub shares: Vec<VerdictShare>,
    /// GEMM and expert kernels by total time.
    pub kernels: Vec<TunedRow>,
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
}

impl TunedVerdict {
    const ALL: [Self; 4] = [Self::AsTuned, Self::Slower, Self::OtherBatch, Self::InNoTable];

    /// Its name in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::AsTuned => "as tuned",
            Self::Slower => "slower than tuned",
            Self::OtherBatch => "tuned for other batches",
            Self::InNoTable => "in no table",
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
    /// How it stands to the tables.
    pub verdict: TunedVerdict,
    /// Median of its executions.
    pub p50_ns: u64,
    /// Shortest and longest time in rows of its name and batch; of its name alone where there is none of the batch.
    pub tuned_ns: Option<[u64; 2]>,
    /// Batches of its rows.
    pub tuned_for: Vec<u32>,
    /// Of the GPU time of GEMM and MoE's expert kernels.
    pub share: f64,
}

/// How much longer than in its table a kernel may take among others, whose data it finds in no cache.
const SLACK: f64 = 1.25;

/// Compares; `None` where there is nothing to compare.
pub(super) fn tuned(report: &Report, tables: &Tables) -> Option<Tuned> {
    if report.scope.of != ScopeOf::DecodeSteps {
        return None;
    }
    let source = report.source.first()?;
    let gpu = find_gpu(source.gpu.as_deref(), None);
    let arch = source.arch.as_deref().or(gpu.map(|gpu| gpu.arch));
    let is_here = |entry: &&Entry| {
        let units = gpu.zip(entry.compute_units).is_none_or(|(gpu, units)| gpu.compute_units == units);
        units && arch.zip(entry.arch.as_deref()).is_none_or(|(arch, of)| arch.split(':').next() == Some(of))
    };
    let mut here: Vec<(&str, &Entry)> =
        tables.entries.iter().filter(is_here).map(|entry| (table::key(&entry.kernel), entry)).collect();
    here.sort_by_key(|(key, entry)| (*key, entry.m, entry.ns));
    let mut batches: Vec<u32> = report.steps.batch.iter().filter_map(|row| row.graph_size.or(row.size)).collect();
    batches.sort_unstable();
    batches.dedup();
    let is_product = |row: &&KernelRow| {
        row.category == Category::Gemm || (row.category == Category::Moe && row.sub.as_deref() == Some("expert_gemm"))
    };
    let products: Vec<&KernelRow> = report.kernels.iter().filter(is_product).collect();
    let all: u64 = products.iter().map(|row| row.total_ns).sum();
    let kernels: Vec<TunedRow> = products.iter().map(|row| compare(row, &here, &batches, all)).collect();
    let of = |verdict| {
        let rows = kernels.iter().zip(&products).filter(|(row, _)| row.verdict == verdict);
        let gpu_time_ns = rows.map(|(_, product)| product.total_ns).sum();
        VerdictShare { verdict, gpu_time_ns, share: share(gpu_time_ns, all) }
    };
    let mut shares: Vec<VerdictShare> =
        TunedVerdict::ALL.map(of).into_iter().filter(|row| row.gpu_time_ns > 0).collect();
    shares.sort_by_key(|row| (std::cmp::Reverse(row.gpu_time_ns), row.verdict));
    Some(Tuned { files: tables.files, rows: here.len() as u64, batches, shares, kernels })
}

fn compare(row: &KernelRow, here: &[(&str, &Entry)], batches: &[u32], all: u64) -> TunedRow {
    let name = table::key(row.demangled.as_deref().unwrap_or(&row.name));
    let first = here.partition_point(|(key, _)| *key < name);
    let named: Vec<&Entry> =
        here[first..].iter().take_while(|(key, _)| *key == name).map(|(_, entry)| *entry).collect();
    // aiter looks a batch up as it is, and else padded to the next power of two.
    let is_run = |m: u32| batches.iter().any(|&batch| m == batch || Some(m) == batch.checked_next_power_of_two());
    let of_batch: Vec<&Entry> = named.iter().copied().filter(|entry| batches.is_empty() || is_run(entry.m)).collect();
    let range = |entries: &[&Entry]| {
        let times = || entries.iter().map(|entry| entry.ns);
        Some([times().min()?, times().max()?])
    };
    let (verdict, tuned_ns) = match (range(&of_batch), range(&named)) {
        (Some(range), _) if row.p50_ns as f64 > range[1] as f64 * SLACK => (TunedVerdict::Slower, Some(range)),
        (Some(range), _) => (TunedVerdict::AsTuned, Some(range)),
        (None, Some(range)) => (TunedVerdict::OtherBatch, Some(range)),
        (None, None) => (TunedVerdict::InNoTable, None),
    };
    let mut tuned_for: Vec<u32> = named.iter().map(|entry| entry.m).collect();
    tuned_for.dedup();
    TunedRow {
        name: row.name.clone(),
        category: row.category,
        verdict,
        p50_ns: row.p50_ns,
        tuned_ns,
        tuned_for,
        share: share(row.total_ns, all),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Row, trace_with_steps};
    use super::*;
    use crate::steps::Batch;

    /// Ten steps for 32 requests: GEMM a takes 10 µs, b 20 µs, c 30 µs.
    fn verdicts(csv: &str) -> Vec<(String, TunedVerdict)> {
        let rows: Vec<Row> = (0..10_i64)
            .map(|step| {
                let at = step * 100_000;
                let kernels = [
                    ("gemm_a", at, at + 10_000),
                    ("gemm_b", at + 10_000, at + 30_000),
                    ("gemm_c", at + 30_000, at + 60_000),
                ];
                let batch = Batch { size: Some(30), graph_size: Some(32), tokens: None };
                Row { batch, ..Row::decode(&kernels) }
            })
            .collect();
        let (entries, unreadable) = parse(csv).unwrap();
        let tables = Tables { entries, files: 1, unreadable };
        let tuned = tuned(&trace_with_steps(&rows).report(), &tables).unwrap();
        assert!((tuned.shares.iter().map(|row| row.share).sum::<f64>() - 1.0).abs() < 1e-9);
        let mut found: Vec<_> = tuned.kernels.into_iter().map(|row| (row.name, row.verdict)).collect();
        found.sort();
        found
    }

    #[test]
    fn each_kernel_is_held_against_the_rows_of_its_name_and_batch() {
        let found = verdicts("gfx,M,us,kernelName\ngfx942,32,9.5,gemm_a\ngfx942,32,12,gemm_b\ngfx942,64,30,gemm_c\n");
        let expected = [
            ("gemm_a".to_owned(), TunedVerdict::AsTuned),
            ("gemm_b".to_owned(), TunedVerdict::Slower),
            ("gemm_c".to_owned(), TunedVerdict::OtherBatch),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_slowest_shape_of_a_name_decides_since_the_shape_is_not_known() {
        let found = verdicts("gfx,M,us,kernelName\ngfx942,32,5,gemm_b\ngfx942,32,19,gemm_b\n");
        assert_eq!(found[1].1, TunedVerdict::AsTuned);
    }

    #[test]
    fn rows_of_other_gpus_count_for_nothing() {
        let found = verdicts("gfx,M,us,kernelName\ngfx950,32,9.5,gemm_a\n");
        assert!(found.iter().all(|(_, verdict)| *verdict == TunedVerdict::InNoTable));
    }
}
