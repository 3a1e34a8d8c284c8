//! The shapes of matrix products: which M, N and K the GEMM kernels worked on, and how long.
//!
//! ```text
//!   aten::mm [[1, 7168], [7168, 4096]] ─> launch ─> Cijk_…        M=1 N=4096 K=7168   11.2 µs  ┐ one row: all that the
//!                                      └> launch ─> Cijk_…PostGSU M=1 N=4096 K=7168    2.1 µs  ┘ product costs
//! ```
//!
//! A shape is known of kernels that were launched one by one by a profiled operator, and of those of a graph whose capture
//! was profiled; graph replays by themselves carry none. Only
//! kernels that are GEMMs by their names count: an operator launches copies and the like besides.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::{percentile, share};
use crate::analyze::time::sums::Sums;
use crate::classify::Category;
use crate::model::{NameId, ProductIdx};
use crate::output::gemm::{ProductKernel, ProductRow, Products};

/// What a kernel did on one shape.
#[derive(Default)]
struct OnShape {
    durations: Vec<u64>,
    critical_ns: u64,
}

/// The shapes; `None` where none is known. `gemm_ns` is the GPU time of all GEMMs.
pub(crate) fn shapes(
    scope: &Scope<'_>,
    sums: &Sums,
    critical: Option<&CriticalTime>,
    gemm_ns: u64,
) -> Option<Products> {
    let trace = scope.trace;
    let mut by_shape: FxHashMap<ProductIdx, Vec<ProductKernel>> = FxHashMap::default();
    for ((product, name), mut on_shape) in gathered(scope, critical) {
        on_shape.durations.sort_unstable();
        by_shape.entry(product).or_default().push(ProductKernel {
            name: trace.names.get(name).to_owned(),
            count: on_shape.durations.len() as u64,
            total_ns: on_shape.durations.iter().sum(),
            p50_ns: percentile(&on_shape.durations, 50),
            critical_ns: critical.map(|_| on_shape.critical_ns),
        });
    }
    let row = |(product, mut kernels): (ProductIdx, Vec<ProductKernel>)| {
        kernels.sort_by(|a, b| (Reverse(a.total_ns), &a.name).cmp(&(Reverse(b.total_ns), &b.name)));
        let gpu_time_ns = kernels.iter().map(|kernel| kernel.total_ns).sum();
        let critical_ns = kernels.iter().map(|kernel| kernel.critical_ns).sum::<Option<u64>>();
        ProductRow {
            shape: trace.products[product.index()],
            gpu_time_ns,
            share: share(gpu_time_ns, sums.counted.gpu_time_ns),
            critical_ns,
            critical_share: critical_ns.zip(critical).map(|(ns, critical)| share(ns, critical.wall_ns())),
            kernels,
        }
    };
    let mut shapes: Vec<ProductRow> = by_shape.into_iter().map(row).collect();
    shapes.sort_by_key(|row| (Reverse(row.gpu_time_ns), row.shape));
    let gpu_time_ns = shapes.iter().map(|row| row.gpu_time_ns).sum();
    let found = Products { gpu_time_ns, share_of_gemm: share(gpu_time_ns, gemm_ns), shapes };
    (!found.shapes.is_empty()).then_some(found)
}

/// The dispatches that count and whose shape is known, by shape and name.
fn gathered(scope: &Scope<'_>, critical: Option<&CriticalTime>) -> FxHashMap<(ProductIdx, NameId), OnShape> {
    let trace = scope.trace;
    let mut gathered: FxHashMap<(ProductIdx, NameId), OnShape> = FxHashMap::default();
    if trace.products.is_empty() {
        return gathered;
    }
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        if let Some(product) = trace.product_of(position)
            && scope.category(dispatch.name) == Category::Gemm
            && scope.left_out(position).is_none()
        {
            let on_shape = gathered.entry((product, dispatch.name)).or_default();
            on_shape.durations.push(dispatch.span.duration_ns());
            on_shape.critical_ns += critical.map_or(0, |critical| critical.dispatches[position]);
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::model::Product;

    const SMALL: Product = Product { batch: 1, m: 1, n: 4096, k: 7168 };
    const BATCHED: Product = Product { batch: 16, m: 1, n: 512, k: 128 };

    /// Ten steps of 100 µs: two GEMMs of one shape, one batched, one of no known shape, and a copy that the first one's
    /// operator launched too.
    fn drawn() -> Products {
        let rows: Vec<Row> = (0..10_i64)
            .map(|step| {
                let at = step * 100_000;
                let kernels = [
                    ("gemm_a", at, at + 10_000),
                    ("gemm_reduce", at + 10_000, at + 12_000),
                    ("odd_copy", at + 12_000, at + 14_000),
                    ("gemm_a", at + 20_000, at + 50_000),
                    ("gemm_b", at + 50_000, at + 90_000),
                ];
                let mut row = Row::decode(&kernels);
                for (kernel, product) in
                    row.kernels.iter_mut().zip([Some(SMALL), Some(SMALL), Some(SMALL), Some(BATCHED), None])
                {
                    kernel.launched_ns = Some(kernel.start_ns - 1_000);
                    kernel.product = product;
                }
                row
            })
            .collect();
        trace_with_steps(&rows).report().products.unwrap()
    }

    #[test]
    fn a_shape_has_the_time_of_its_gemm_kernels_and_of_nothing_else() {
        let found = drawn();
        assert_eq!((found.gpu_time_ns, found.share_of_gemm), (420_000, 42.0 / 82.0));
        let rows: Vec<_> =
            found.shapes.iter().map(|row| (row.shape.to_string(), row.gpu_time_ns, row.critical_ns)).collect();
        let expected = [
            ("16 × M=1 N=512 K=128".to_owned(), 300_000, Some(300_000)),
            ("M=1 N=4096 K=7168".to_owned(), 120_000, Some(120_000)),
        ];
        assert_eq!(rows, expected);
        let kernels: Vec<_> = found.shapes[1].kernels.iter().map(|row| (&*row.name, row.count, row.p50_ns)).collect();
        assert_eq!(kernels, [("gemm_a", 10, 10_000), ("gemm_reduce", 10, 2_000)]);
    }

    #[test]
    fn without_shapes_there_is_no_table() {
        assert_eq!(trace_with_steps(&[Row::decode(&[("gemm", 0, 10)])]).report().products, None);
    }
}
