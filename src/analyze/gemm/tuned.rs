//! The GEMM and expert kernels of the steps against aiter's tuned tables.
//!
//! ```text
//!   step:   M = 32   bf16gemm_…_32x64   14.1 µs ──┐
//!   table:  M = 32   bf16gemm_…_32x64   13.2 µs ──┴─ as tuned
//!   step:   M = 32   Cijk_…_MT256x256   31.0 µs ──── in no table
//! ```
//!
//! Where the trace tells a kernel's shape it is held against the rows of that shape:
//!
//! ```text
//!   step:   M=1 N=4096 K=7168   bf16gemm_…_32x64   14.1 µs     table:  bf16gemm_…_32x64   13.2 µs   as tuned
//!           M=1 N=6144 K=4096   Cijk_…_MT256x256   31.0 µs             bf16gemm_…_16x64    8.0 µs   another kernel won
//!           M=1 N=9216 K=4096   Cijk_…_MT256x256   45.0 µs             –                            untuned shape
//! ```
//!
//! Elsewhere (graph replays carry no shapes) kernels are compared by name, on this GPU, at the batches that the steps were
//! padded to: a kernel that won several shapes (N, K) has a range of times, and it is slow only if it is slower than in all
//! of them. Tables name some kernels (CK, FlyDSL, opus) by ids of the tuner that are no symbols; those kernels cannot be
//! found by name, and their time is counted as in no table.

use crate::analyze::floor::find_gpu;
use crate::analyze::gemm::tables::{Entry, Tables, key};
use crate::analyze::time::stats::share;
use crate::classify::Category;
use crate::model::Product;
use crate::output::Report;
use crate::output::gemm::{ProductRow, Tuned, TunedRow, TunedVerdict, UntunedShape, VerdictShare};
use crate::output::report::ScopeOf;
use crate::output::time::KernelRow;

/// All verdicts.
const VERDICTS: [TunedVerdict; 6] = [
    TunedVerdict::AsTuned,
    TunedVerdict::Slower,
    TunedVerdict::OtherBatch,
    TunedVerdict::InNoTable,
    TunedVerdict::OtherKernel,
    TunedVerdict::UntunedShape,
];

/// How much longer than in its table a kernel may take among others, whose data it finds in no cache.
const SLACK: f64 = 1.25;

/// Compares; `None` where there is nothing to compare.
pub(crate) fn tuned(report: &Report, tables: &Tables) -> Option<Tuned> {
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
        tables.entries.iter().filter(is_here).map(|entry| (key(&entry.kernel), entry)).collect();
    here.sort_by_key(|(key, entry)| (*key, entry.m, entry.ns));
    let mut batches: Vec<u32> = report.steps.batch.iter().filter_map(|row| row.rows).collect();
    batches.sort_unstable();
    batches.dedup();
    let is_product = |row: &&KernelRow| {
        row.category == Category::Gemm || (row.category == Category::Moe && row.sub.as_deref() == Some("expert_gemm"))
    };
    let shapes = report.products.as_ref().map_or(&[][..], |products| &products.shapes);
    let items: Vec<Item<'_>> = report.kernels.iter().filter(is_product).flat_map(|row| items(row, shapes)).collect();
    let all: u64 = items.iter().map(|item| item.total_ns).sum();
    let kernels: Vec<TunedRow> = items.iter().map(|item| item.compare(&here, &batches, all)).collect();
    let of = |verdict| {
        let rows = kernels.iter().zip(&items).filter(|(row, _)| row.verdict == verdict);
        let gpu_time_ns = rows.map(|(_, item)| item.total_ns).sum();
        VerdictShare { verdict, gpu_time_ns, share: share(gpu_time_ns, all) }
    };
    let mut by_verdict: Vec<VerdictShare> = VERDICTS.map(of).into_iter().filter(|row| row.gpu_time_ns > 0).collect();
    by_verdict.sort_by_key(|row| (std::cmp::Reverse(row.gpu_time_ns), row.verdict));
    let is_untuned = |row: &&ProductRow| {
        let of_shape =
            |kernel: &TunedRow| kernel.shape == Some(row.shape) && kernel.verdict == TunedVerdict::UntunedShape;
        kernels.iter().any(of_shape)
    };
    let untuned = shapes.iter().filter(is_untuned).map(|row| UntunedShape {
        shape: row.shape,
        gpu_time_ns: row.gpu_time_ns,
        critical_share: row.critical_share,
        nearest: nearest(row.shape, &here),
    });
    let untuned = untuned.collect();
    Some(Tuned { files: tables.files, rows: here.len() as u64, batches, shares: by_verdict, kernels, untuned })
}

/// A kernel, or what of it worked on one shape.
struct Item<'a> {
    row: &'a KernelRow,
    on: Option<&'a ProductRow>,
    total_ns: u64,
    p50_ns: u64,
}

/// The parts of a kernel's time: one for each known shape, and what is left.
fn items<'a>(row: &'a KernelRow, shapes: &'a [ProductRow]) -> Vec<Item<'a>> {
    let on_shape = |on: &'a ProductRow| {
        let kernel = on.kernels.iter().find(|kernel| kernel.name == row.name)?;
        Some(Item { row, on: Some(on), total_ns: kernel.total_ns, p50_ns: kernel.p50_ns })
    };
    let mut items: Vec<Item<'_>> = shapes.iter().filter_map(on_shape).collect();
    let known: u64 = items.iter().map(|item| item.total_ns).sum();
    if known < row.total_ns || items.is_empty() {
        items.push(Item { row, on: None, total_ns: row.total_ns - known, p50_ns: row.p50_ns });
    }
    items
}

/// What aiter looks a number of rows up as, one after the other: as it is, rounded up finely, and to a power of two.
pub(crate) fn looked_up(m: u32) -> [u32; 3] {
    let grain = match m {
        0..=256 => 16,
        257..=1024 => 32,
        1025..=4096 => 64,
        _ => 128,
    };
    [m, m.checked_next_multiple_of(grain).unwrap_or(m), m.checked_next_power_of_two().unwrap_or(m)]
}

/// How far off a row may be for it to be named.
const NEAR: f64 = 1.25;

/// The row whose shape is least off `shape`: a table made for another split of the model, or another padding.
fn nearest(shape: Product, here: &[(&str, &Entry)]) -> Option<[u32; 3]> {
    let off = |a: u32, b: u32| (f64::from(a.max(1)) / f64::from(b.max(1))).ln().abs();
    let of_row = |entry: &Entry| {
        let [batch, n, k] = entry.product?;
        // Rows are looked up padded.
        let m = looked_up(shape.m).into_iter().map(|m| off(m, entry.m)).fold(f64::MAX, f64::min);
        let each = [m, off(shape.n, n), off(shape.k, k)];
        let is_near = batch == shape.batch && each.iter().all(|off| *off <= NEAR.ln());
        is_near.then(|| (each.iter().sum::<f64>(), [entry.m, n, k]))
    };
    let rows = here.iter().filter_map(|(_, entry)| of_row(entry));
    rows.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, shape)| shape)
}

fn range(entries: &[&Entry]) -> Option<[u64; 2]> {
    let times = || entries.iter().map(|entry| entry.ns);
    Some([times().min()?, times().max()?])
}

fn key_of(row: &KernelRow) -> &str {
    key(row.demangled.as_deref().unwrap_or(&row.name))
}

impl Item<'_> {
    fn compare(&self, here: &[(&str, &Entry)], batches: &[u32], all: u64) -> TunedRow {
        let name = key_of(self.row);
        let first = here.partition_point(|(key, _)| *key < name);
        let named: Vec<&Entry> =
            here[first..].iter().take_while(|(key, _)| *key == name).map(|(_, entry)| *entry).collect();
        let (verdict, tuned_ns) = match self.on {
            Some(on) => self.on_shape(on, here),
            None => self.by_name(&named, batches),
        };
        let mut tuned_for: Vec<u32> = named.iter().map(|entry| entry.m).collect();
        tuned_for.dedup();
        TunedRow {
            name: self.row.name.clone(),
            category: self.row.category,
            shape: self.on.map(|on| on.shape),
            verdict,
            p50_ns: self.p50_ns,
            tuned_ns,
            tuned_for,
            share: share(self.total_ns, all),
        }
    }

    fn against(&self, range: [u64; 2]) -> (TunedVerdict, Option<[u64; 2]>) {
        let slow = self.p50_ns as f64 > range[1] as f64 * SLACK;
        (if slow { TunedVerdict::Slower } else { TunedVerdict::AsTuned }, Some(range))
    }

    /// Against the rows of its name, at the batches that were run.
    fn by_name(&self, named: &[&Entry], batches: &[u32]) -> (TunedVerdict, Option<[u64; 2]>) {
        // aiter looks a batch up as it is, and else padded.
        let is_run = |m: u32| batches.iter().any(|&batch| looked_up(batch).contains(&m));
        let of_batch: Vec<&Entry> =
            named.iter().copied().filter(|entry| batches.is_empty() || is_run(entry.m)).collect();
        match (range(&of_batch), range(named)) {
            (Some(range), _) => self.against(range),
            (None, Some(range)) => (TunedVerdict::OtherBatch, Some(range)),
            (None, None) => (TunedVerdict::InNoTable, None),
        }
    }

    /// Against the rows of the shape that it worked on.
    fn on_shape(&self, on: &ProductRow, here: &[(&str, &Entry)]) -> (TunedVerdict, Option<[u64; 2]>) {
        let Product { batch, m, n, k } = on.shape;
        let types = self.row.dtype.as_deref().unwrap_or("");
        let is_type = |of: &str| types.is_empty() || types.split(|c: char| !c.is_alphanumeric()).any(|part| part == of);
        let of_product = |entry: &Entry| entry.product == Some([batch, n, k]) && entry.dtype.is_none_or(is_type);
        let rows_for = |m: u32| -> Vec<&(&str, &Entry)> {
            here.iter().filter(|(_, entry)| entry.m == m && of_product(entry)).collect()
        };
        let Some(rows) = looked_up(m).into_iter().map(rows_for).find(|rows| !rows.is_empty()) else {
            return (TunedVerdict::UntunedShape, None);
        };
        let of = |name: &str| -> Vec<&Entry> {
            rows.iter().filter(|(key, _)| *key == name).map(|(_, entry)| *entry).collect()
        };
        if let Some(range) = range(&of(key_of(self.row))) {
            return self.against(range);
        }
        // What adds up the parts of a split K runs beside the kernel that the table names, and belongs to it.
        if on.kernels.iter().any(|kernel| !of(key(&kernel.name)).is_empty()) {
            return (TunedVerdict::AsTuned, None);
        }
        (TunedVerdict::OtherKernel, range(&rows.iter().map(|(_, entry)| *entry).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::gemm::tables::parse;
    use crate::analyze::testing::{Row, trace_with_steps};
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
    fn a_kernel_of_known_shape_is_held_against_the_rows_of_that_shape() {
        const ROWS: &str = "gfx,M,N,K,dtype,us,kernelName\n\
                            gfx942,16,4096,7168,torch.bfloat16,9.5,gemm_a\n\
                            gfx942,64,4096,7168,torch.bfloat16,50,gemm_a\n\
                            gfx942,3,512,128,torch.bfloat16,9,gemm_a\n\
                            gfx942,3,2048,128,torch.bfloat16,9,gemm_z\n";
        let shape = |n, k| Some(Product { batch: 1, m: 3, n, k });
        let rows: Vec<Row> = (0..10_i64)
            .map(|step| {
                let at = step * 100_000;
                let kernels = [
                    // Padded to 16 rows, and as fast as there.
                    ("gemm_a", at, at + 10_000, shape(4096, 7168)),
                    // Adds up the parts of the one before.
                    ("gemm_reduce", at + 10_000, at + 11_000, shape(4096, 7168)),
                    ("gemm_a", at + 20_000, at + 32_000, shape(512, 128)),
                    ("gemm_b", at + 40_000, at + 45_000, shape(2048, 128)),
                    ("gemm_c", at + 50_000, at + 80_000, shape(9216, 4096)),
                    ("gemm_c", at + 80_000, at + 85_000, None),
                ];
                let mut row = Row::decode(&kernels.map(|(name, start, end, _)| (name, start, end)));
                for (kernel, (.., product)) in row.kernels.iter_mut().zip(kernels) {
                    kernel.launched_ns = Some(kernel.start_ns - 1_000);
                    kernel.product = product;
                }
                row
            })
            .collect();
        let (entries, unreadable) = parse(ROWS).unwrap();
        let tables = Tables { entries, files: 1, unreadable };
        let tuned = tuned(&trace_with_steps(&rows).report(), &tables).unwrap();
        let mut found: Vec<_> =
            tuned.kernels.iter().map(|row| (&*row.name, row.shape.map(|shape| shape.n), row.verdict)).collect();
        found.sort();
        let expected = [
            ("gemm_a", Some(512), TunedVerdict::Slower),
            ("gemm_a", Some(4096), TunedVerdict::AsTuned),
            ("gemm_b", Some(2048), TunedVerdict::OtherKernel),
            ("gemm_c", None, TunedVerdict::InNoTable),
            ("gemm_c", Some(9216), TunedVerdict::UntunedShape),
            ("gemm_reduce", Some(4096), TunedVerdict::AsTuned),
        ];
        assert_eq!(found, expected);
        let untuned: Vec<_> = tuned.untuned.iter().map(|row| (row.shape.n, row.gpu_time_ns, row.nearest)).collect();
        assert_eq!(untuned, [(9216, 300_000, None)]);
        assert!((tuned.shares.iter().map(|row| row.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_nearest_row_is_named_if_it_is_near() {
        let rows =
            "gfx,M,N,K,us,kernelName\ngfx942,32,2624,4096,9.5,a\ngfx942,32,2880,4096,9.5,b\ngfx942,1,2688,4096,9,c\n";
        let (entries, _) = parse(rows).unwrap();
        let here: Vec<(&str, &Entry)> = entries.iter().map(|entry| (key(&entry.kernel), entry)).collect();
        let shape = |m, n, k| Product { batch: 1, m, n, k };
        assert_eq!(nearest(shape(32, 2688, 4096), &here), Some([32, 2624, 4096]));
        assert_eq!(nearest(shape(31, 2800, 4096), &here), Some([32, 2880, 4096]));
        assert_eq!(nearest(shape(32, 9216, 4096), &here), None);
        assert_eq!(nearest(shape(256, 2688, 4096), &here), None);
    }

    #[test]
    fn rows_of_other_gpus_count_for_nothing() {
        let found = verdicts("gfx,M,us,kernelName\ngfx950,32,9.5,gemm_a\n");
        assert!(found.iter().all(|(_, verdict)| *verdict == TunedVerdict::InNoTable));
    }
}
