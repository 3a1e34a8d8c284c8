//! The shapes of matrix products: which M, N and K the GEMM kernels worked on, and how long.
//!
//! ```text
//!   aten::mm [[1, 7168], [7168, 4096]] ─> launch ─> Cijk_…        M=1 N=4096 K=7168   11.2 µs  ┐ one row: all that the
//!                                      └> launch ─> Cijk_…PostGSU M=1 N=4096 K=7168    2.1 µs  ┘ product costs
//! ```
//!
//! A shape is known of kernels that were launched one by one by a profiled operator; graph replays carry none. Only
//! kernels that are GEMMs by their names count: an operator launches copies and the like besides.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::classify::Category;
use crate::model::{NameId, Product, ProductIdx};

use super::stats::{percentile, share};
use super::view::View;

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

/// What is gathered of the kernels in scope, by shape and name.
pub(super) struct Gathered<'a> {
    view: &'a View<'a>,
    of: FxHashMap<(ProductIdx, NameId), Kernel>,
}

#[derive(Default)]
struct Kernel {
    durations: Vec<u64>,
    critical_ns: u64,
}

impl<'a> Gathered<'a> {
    /// All dispatches that count; nothing where no shape is known.
    pub(super) fn new(view: &'a View<'a>) -> Self {
        let mut gathered = Self { view, of: FxHashMap::default() };
        if !view.trace.products.is_empty() {
            for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
                if view.left_out(position).is_none()
                    && let Some(key) = gathered.key(position)
                {
                    gathered.of.entry(key).or_default().durations.push(dispatch.span.duration_ns());
                }
            }
        }
        gathered
    }

    fn key(&self, position: usize) -> Option<(ProductIdx, NameId)> {
        let dispatch = &self.view.trace.dispatches[position];
        let product = self.view.trace.launches[dispatch.launch?.index()].product?;
        (self.view.category(dispatch.name) == Category::Gemm).then_some((product, dispatch.name))
    }

    /// Notes that the dispatch at `position` held its step up for so long.
    pub(super) fn held(&mut self, position: usize, ns: u64) {
        if !self.of.is_empty()
            && let Some(key) = self.key(position)
            && let Some(kernel) = self.of.get_mut(&key)
        {
            kernel.critical_ns += ns;
        }
    }

    /// The table; `None` where no shape is known. `gemm_ns` is the GPU time of all GEMMs, `gpu_ns` of everything in scope,
    /// `wall_ns` the steps' wall time, where there are steps.
    pub(super) fn table(self, gemm_ns: u64, gpu_ns: u64, wall_ns: Option<u64>) -> Option<Products> {
        let trace = self.view.trace;
        let mut by_shape: FxHashMap<ProductIdx, Vec<ProductKernel>> = FxHashMap::default();
        for ((product, name), mut kernel) in self.of {
            kernel.durations.sort_unstable();
            by_shape.entry(product).or_default().push(ProductKernel {
                name: trace.names.get(name).to_owned(),
                count: kernel.durations.len() as u64,
                total_ns: kernel.durations.iter().sum(),
                p50_ns: percentile(&kernel.durations, 50),
                critical_ns: wall_ns.map(|_| kernel.critical_ns),
            });
        }
        let row = |(product, mut kernels): (ProductIdx, Vec<ProductKernel>)| {
            kernels.sort_by(|a, b| (Reverse(a.total_ns), &a.name).cmp(&(Reverse(b.total_ns), &b.name)));
            let gpu_time_ns = kernels.iter().map(|kernel| kernel.total_ns).sum();
            let critical_ns = kernels.iter().map(|kernel| kernel.critical_ns).sum::<Option<u64>>();
            ProductRow {
                shape: trace.products[product.index()],
                gpu_time_ns,
                share: share(gpu_time_ns, gpu_ns),
                critical_ns,
                critical_share: critical_ns.zip(wall_ns).map(|(ns, wall)| share(ns, wall)),
                kernels,
            }
        };
        let mut shapes: Vec<ProductRow> = by_shape.into_iter().map(row).collect();
        shapes.sort_by_key(|row| (Reverse(row.gpu_time_ns), row.shape));
        let gpu_time_ns = shapes.iter().map(|row| row.gpu_time_ns).sum();
        let found = Products { gpu_time_ns, share_of_gemm: share(gpu_time_ns, gemm_ns), shapes };
        (!found.shapes.is_empty()).then_some(found)
    }
}

/// A shape as engineers write it.
#[must_use]
pub fn spelled(shape: Product) -> String {
    let Product { batch, m, n, k } = shape;
    let product = format!("M={m} N={n} K={k}");
    if batch == 1 { product } else { format!("{batch} × {product}") }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Row, trace_with_steps};
    use super::*;

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
            found.shapes.iter().map(|row| (spelled(row.shape), row.gpu_time_ns, row.critical_ns)).collect();
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
