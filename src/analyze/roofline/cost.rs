//! What a call must move and compute at least, by its operator and shapes.
//!
//! ```text
//!   aten::addmm  bf16[2880], bf16[32, 4096], bf16[4096, 2880]      reads all three, writes bf16[32, 2880]
//!                bytes = 2·(2880 + 32·4096 + 4096·2880 + 32·2880)  flops = 2·32·2880·4096
//! ```
//!
//! Every argument is moved once, whatever caches hold of it. What the shapes do not tell (weights that an operator keeps to
//! itself, how long contexts are) is not known, and neither are the bytes.

use crate::analyze::floor::MatrixType;
use crate::analyze::tensor::{Dtype, Tensor, tensors};
use crate::model::{Names, Product, Work};

/// What a call costs.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Cost {
    /// Bytes that it moves.
    pub(super) bytes: Option<u64>,
    /// Operations.
    pub(super) flops: Option<u64>,
    /// What the matrix cores multiply.
    pub(super) on: Option<MatrixType>,
    /// The bytes go between GPUs, whose peak is not known.
    pub(super) no_peak: bool,
    /// The bytes are those of all tokens before: of a sliding window there are fewer.
    pub(super) whole_context: bool,
}

/// The tensors that a product multiplies, and what else it takes.
pub(super) struct Factors<'a> {
    pub(super) a: Tensor<'a>,
    pub(super) b: Tensor<'a>,
    /// A tensor of the result's size among the arguments is where it goes.
    pub(super) result: Option<Tensor<'a>>,
    /// Scales and a bias.
    pub(super) others: Vec<Tensor<'a>>,
}

impl<'a> Factors<'a> {
    /// Those of `work`, if its arguments hold them.
    pub(super) fn of(work: &'a Work, product: Product, names: &Names) -> Option<Self> {
        let mut rest = tensors(work.arguments.as_deref()?, names)?;
        let Product { batch, m, n, k } = product;
        let [batch, m, n, k] = [batch, m, n, k].map(u64::from);
        let values = |tensor: Tensor<'_>| tensor.elements().saturating_mul(tensor.dtype.values);
        let multiplies = |tensor: &Tensor<'_>| tensor.dtype.matrix.is_some() && tensor.sizes.len() >= 2;
        let mut take = |rows: u64, columns: u64| {
            let wanted = batch.saturating_mul(rows).saturating_mul(columns);
            let ends = |tensor: &Tensor<'_>| {
                let last = &tensor.sizes[tensor.sizes.len() - 2..];
                last.iter().any(|&size| size == columns || size * tensor.dtype.values == columns)
            };
            let is = |tensor: &Tensor<'_>| multiplies(tensor) && values(*tensor) == wanted && ends(tensor);
            rest.iter().position(is).map(|at| rest.remove(at))
        };
        let b = take(n, k)?;
        let a = take(m, k)?;
        let result = take(m, n);
        Some(Self { a, b, result, others: rest })
    }

    /// The type of the result: as told, else that of the factors; of narrow factors 16 bits.
    pub(super) fn result_bytes(&self) -> u64 {
        self.result.map_or(self.a.dtype.bytes.max(2), |result| result.dtype.bytes)
    }

    /// Types of the factors and the result as aiter names them.
    pub(super) fn types(&self) -> (&'static str, &'static str) {
        let Dtype { torch, bytes, .. } = self.a.dtype;
        let out = self.result.map_or(if bytes >= 2 { torch } else { "torch.bfloat16" }, |result| result.dtype.torch);
        (torch, out)
    }

    /// Whether a vector as long as the result's rows is added.
    pub(super) fn has_bias(&self, product: Product) -> bool {
        self.others
            .iter()
            .any(|other| other.sizes == [u64::from(product.n)] && other.dtype.bytes == self.result_bytes())
    }

    /// Whether the factors have scales.
    pub(super) fn is_scaled(&self) -> bool {
        self.a.dtype.bytes < 2 && self.others.iter().any(|other| other.dtype.torch == "torch.float32")
    }
}

/// What a call of a matrix product costs.
pub(super) fn of_product(work: &Work, product: Product, names: &Names) -> Cost {
    let Product { batch, m, n, k } = product;
    let flops = [2, u64::from(batch), u64::from(m), u64::from(n), u64::from(k)];
    let flops = flops.into_iter().try_fold(1_u64, u64::checked_mul);
    let Some(factors) = Factors::of(work, product, names) else { return Cost { flops, ..Cost::default() } };
    let result = u64::from(batch) * u64::from(m) * u64::from(n) * factors.result_bytes();
    let others: u64 = factors.others.iter().map(|other| other.bytes()).sum();
    let bytes = factors.a.bytes() + factors.b.bytes() + others + result;
    // Both are multiplied as the wider of the two.
    let wider = if factors.a.dtype.bytes >= factors.b.dtype.bytes { factors.a } else { factors.b };
    Cost { bytes: Some(bytes), flops, on: wider.dtype.matrix, ..Cost::default() }
}
