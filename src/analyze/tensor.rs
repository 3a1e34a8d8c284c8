//! The arguments of operators as tensors: how many elements of which type.

use crate::analyze::floor::MatrixType;
use crate::model::{Argument, Names};

/// A tensor that an operator was called with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) sizes: &'a [u64],
    pub(crate) dtype: Dtype,
}

impl Tensor<'_> {
    pub(crate) fn elements(self) -> u64 {
        self.sizes.iter().fold(1, |all, &size| all.saturating_mul(size))
    }

    pub(crate) fn bytes(self) -> u64 {
        self.elements().saturating_mul(self.dtype.bytes)
    }
}

/// A type of elements as PyTorch names it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Dtype {
    /// Bytes of an element of a tensor.
    pub(crate) bytes: u64,
    /// Values in it: two of four bits.
    pub(crate) values: u64,
    /// As matrix cores multiply it.
    pub(crate) matrix: Option<MatrixType>,
    /// As aiter's tables and tuners name it.
    pub(crate) torch: &'static str,
}

/// What the profiler calls the types of tensors, by the beginning of the name.
const DTYPES: &[(&str, u64, u64, Option<MatrixType>, &str)] = &[
    ("c10::BFloat16", 2, 1, Some(MatrixType::Float16), "torch.bfloat16"),
    ("c10::Half", 2, 1, Some(MatrixType::Float16), "torch.float16"),
    ("c10::Float8_e4m3fnuz", 1, 1, Some(MatrixType::Float8), "torch.float8_e4m3fnuz"),
    ("c10::Float8_e4m3fn", 1, 1, Some(MatrixType::Float8), "torch.float8_e4m3fn"),
    ("c10::Float8_e5m2fnuz", 1, 1, Some(MatrixType::Float8), "torch.float8_e5m2fnuz"),
    ("c10::Float8_e5m2", 1, 1, Some(MatrixType::Float8), "torch.float8_e5m2"),
    ("c10::Float8_e8m0fnu", 1, 1, None, "torch.float8_e8m0fnu"),
    ("c10::Float4_e2m1fn_x2", 1, 2, Some(MatrixType::Float4), "torch.float4_e2m1fn_x2"),
    ("float", 4, 1, Some(MatrixType::Float32), "torch.float32"),
    ("double", 8, 1, None, "torch.float64"),
    ("signed char", 1, 1, Some(MatrixType::Int8), "torch.int8"),
    ("char", 1, 1, Some(MatrixType::Int8), "torch.int8"),
    ("unsigned char", 1, 1, None, "torch.uint8"),
    ("bool", 1, 1, None, "torch.bool"),
    ("short int", 2, 1, None, "torch.int16"),
    ("long int", 8, 1, None, "torch.int64"),
    ("int", 4, 1, None, "torch.int32"),
];

/// The type called `name`.
fn dtype(name: &str) -> Option<Dtype> {
    let found = DTYPES.iter().find(|(known, ..)| *known == name);
    found.map(|&(_, bytes, values, matrix, torch)| Dtype { bytes, values, matrix, torch })
}

/// The tensors among `arguments`, in order; `None` if the type of one is not known.
pub(crate) fn tensors<'a>(arguments: &'a [Argument], names: &Names) -> Option<Vec<Tensor<'a>>> {
    let tensor = |argument: &'a Argument| {
        let dtype = argument.dtype.and_then(|name| dtype(names.get(name)))?;
        Some(Tensor { sizes: &argument.sizes, dtype })
    };
    arguments.iter().filter(|argument| !argument.sizes.is_empty()).map(tensor).collect()
}
