//! The shape of a matrix product.

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
