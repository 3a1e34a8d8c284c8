//! The shape of a matrix product, and which one an operator computes.
//!
//! No list of operators: engines bring their own, and add to them. The first two matrices that have a side in common are
//! the factors, unless they are the result and a factor. Any two matrices of one shape have a side in common too, as in a
//! sum; those count only where the operator's name is that of a product. Whether a kernel is a GEMM is for its name to
//! say: an operator launches others too.

use std::fmt;

use serde::Serialize;

/// The shape of a matrix product: `batch` times an M×K matrix with a K×N one. In decode M is the number of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub struct Product {
    /// How many products of this shape in one call; 1 but for batched ones.
    pub batch: u32,
    /// Rows of the result: those of the activations.
    pub m: u32,
    /// Columns of the result: the weights' other side.
    pub n: u32,
    /// What is summed over.
    pub k: u32,
}

impl Product {
    /// The product that the operator `op` computes, by the first three matrices among its inputs. `is_packed`: whether an
    /// element is two numbers of four bits.
    #[must_use]
    pub fn of(op: &str, matrices: [Option<Matrix>; 3], is_packed: impl FnOnce() -> bool) -> Option<Self> {
        let [first, second, third] = matrices;
        let (first, second) = (first?, second?);
        let behind = third.and_then(|third| second.times(third)).filter(|product| first.is_result_of(*product));
        let front = first.times(second);
        let is_front = |product: &Product| behind.is_none() || third.is_some_and(|third| third.is_result_of(*product));
        let (mut product, factors) = match front.filter(is_front) {
            Some(product) => (product, (first, second)),
            None => (behind?, (second, third?)),
        };
        let name = op.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if factors.0 == factors.1 && !has(&["mm", "matmul", "linear", "splitk", "spltk"]) {
            return None;
        }
        // vLLM's kernels for a handful of tokens take the weights first.
        if has(&["wvsplitk", "wvspltk", "llmm"]) {
            (product.m, product.n) = (product.n, product.m);
        }
        if has(&["fp4", "a4w4"]) || is_packed() {
            product.k = product.k.checked_mul(2)?;
        }
        Some(product)
    }
}

/// The sizes of a tensor; it is a matrix if it has two at least.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Matrix {
    dimensions: u8,
    /// The product of all sizes but the last two.
    before: u64,
    rows: u64,
    columns: u64,
}

impl Matrix {
    /// Adds the size of its next dimension.
    pub fn push(&mut self, size: u64) {
        if self.dimensions == 0 {
            (self.before, self.rows) = (1, 1);
        } else {
            self.before = self.before.saturating_mul(if self.dimensions > 1 { self.rows } else { 1 });
            self.rows = self.columns;
        }
        self.columns = size;
        self.dimensions = self.dimensions.saturating_add(1);
    }

    /// Whether it has two dimensions at least.
    #[must_use]
    pub fn is_one(self) -> bool {
        self.dimensions >= 2
    }

    /// `self` times `other`, whichever way round that lies in memory.
    fn times(self, other: Self) -> Option<Product> {
        let (batch, m) = match (self.dimensions, other.dimensions) {
            (_, 2) => (1, self.before.saturating_mul(self.rows)),
            (ours, theirs) if ours == theirs && self.before == other.before => (self.before, self.rows),
            _ => return None,
        };
        let k = self.columns;
        let n = match (other.columns == k, other.rows == k) {
            (true, _) => other.rows,
            (_, true) => other.columns,
            _ => return None,
        };
        let size = |size: u64| u32::try_from(size).ok().filter(|size| *size > 0);
        Some(Product { batch: size(batch)?, m: size(m)?, n: size(n)?, k: size(k)? })
    }

    /// Whether this can be the result of `product`.
    fn is_result_of(self, product: Product) -> bool {
        let rows = u64::from(product.m) * u64::from(product.batch);
        self.before.saturating_mul(self.rows) == rows && self.columns == u64::from(product.n)
    }
}

/// A shape as engineers write it: `M=1 N=4096 K=7168`, `16 × M=1 N=512 K=128`.
impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, m, n, k } = self;
        if *batch != 1 {
            write!(f, "{batch} × ")?;
        }
        write!(f, "M={m} N={n} K={k}")
    }
}
