//! What calls must move that are no matrix products, by kind of kernel and by their operator's arguments.
//!
//! | kind | moves |
//! |---|---|
//! | norm | input, weight, result, residuals; those that are changed in place twice |
//! | rope | query and key, both in place, positions, and a row of the table of angles for each token |
//! | KV cache write | key and value, twice: read, and written as the cache has them |
//! | copy, elementwise, activation | each argument once, and a result that is none of them |
//! | attention over a cache | query, result, and the keys and values of all tokens behind the requests |
//! | all-reduce | its message; no peak is known for it |
//!
//! Arguments of vLLM's and aiter's operators are told by their shapes and types, not by their places. What does not look as
//! expected has no known bytes.

use super::cost::Cost;
use crate::analyze::tensor::{Dtype, Tensor, tensors};
use crate::classify::{Category, Verdict};
use crate::model::{Names, Work};

/// What is known of a call besides its operator.
#[derive(Clone, Copy, Default)]
pub(super) struct Around {
    /// Tokens behind all of its requests together.
    pub(super) context: Option<f64>,
    /// What the KV cache holds.
    pub(super) cache: Option<Dtype>,
}

/// What a call of `work` by a kernel of this class costs.
pub(super) fn of_other(work: &Work, verdict: &Verdict, names: &Names, around: Around) -> Cost {
    let Some(arguments) = work.arguments.as_deref() else { return Cost::default() };
    let Some(tensors) = tensors(arguments, names).filter(|tensors| !tensors.is_empty()) else { return Cost::default() };
    let op = work.op.map_or_else(String::new, |op| names.get(op).to_ascii_lowercase());
    let sub = verdict.sub.as_deref().unwrap_or_default();
    let bytes = match verdict.category {
        Category::Attention if sub.starts_with("mha_decode") => return attention(&tensors, around),
        Category::Attention if sub.starts_with("kv_cache_write") => cache_write(&op, &tensors),
        Category::Allreduce if op.contains("all_reduce") || op.contains("allreduce") => {
            return Cost { bytes: Some(tensors[0].bytes()), no_peak: true, ..Cost::default() };
        }
        Category::Other if sub.starts_with("norm") => norm(&op, &tensors),
        Category::Other if sub.starts_with("rope") => rope(&tensors),
        Category::Other if ["copy", "elementwise", "activation"].iter().any(|kind| sub.starts_with(kind)) => {
            let last =
                arguments.last().and_then(|argument| argument.value).and_then(|value| names.get(value).parse().ok());
            elementwise(&op, &tensors, last)
        }
        _ => None,
    };
    Cost { bytes, ..Cost::default() }
}

fn sum(tensors: &[Tensor<'_>]) -> u64 {
    tensors.iter().map(|tensor| tensor.bytes()).sum()
}

/// Those of the size of the largest.
fn largest<'a, 't>(tensors: &'a [Tensor<'t>]) -> impl Iterator<Item = &'a Tensor<'t>> {
    let most = tensors.iter().map(|tensor| tensor.elements()).max();
    tensors.iter().filter(move |tensor| Some(tensor.elements()) == most)
}

fn norm(op: &str, tensors: &[Tensor<'_>]) -> Option<u64> {
    if !op.contains("norm") {
        return None;
    }
    let full: Vec<&Tensor<'_>> = largest(tensors).collect();
    let extra = match full.len() {
        // The result is returned.
        1 => full[0].bytes(),
        // vLLM's changes input and residual in place.
        2 if op.contains("fused_add") => full.iter().map(|tensor| tensor.bytes()).sum(),
        _ => 0,
    };
    Some(sum(tensors) + extra)
}

fn rope(tensors: &[Tensor<'_>]) -> Option<u64> {
    let is_integer = |tensor: &&Tensor<'_>| tensor.dtype.matrix.is_none() && tensor.sizes.len() == 1;
    let positions = tensors.iter().find(is_integer)?;
    let tokens = positions.elements();
    let of_tokens = |tensor: &&Tensor<'_>| tensor.dtype.matrix.is_some() && tensor.sizes[0] == tokens;
    let rotated: Vec<&Tensor<'_>> = tensors.iter().filter(of_tokens).collect();
    let table = tensors.iter().find(|tensor| tensor.dtype.matrix.is_some() && tensor.sizes[0] != tokens)?;
    let [query, key] = rotated[..] else { return None };
    let angles = tokens * table.sizes.last()? * table.dtype.bytes;
    Some(2 * (query.bytes() + key.bytes()) + positions.bytes() + angles)
}

fn cache_write(op: &str, tensors: &[Tensor<'_>]) -> Option<u64> {
    let [key, value, caches, ..] = tensors else { return None };
    if !op.contains("cache") || key.dtype.matrix.is_none() || key.sizes[0] != value.sizes[0] {
        return None;
    }
    let slots = tensors.iter().find(|tensor| tensor.sizes == [key.sizes[0]] && tensor.dtype.matrix.is_none())?;
    let written = (key.elements() + value.elements()) * caches.dtype.bytes;
    Some(key.bytes() + value.bytes() + written + slots.bytes())
}

/// `last` is the last of the arguments, where it is a number: of Triton's pointwise kernels, how many elements they go
/// through.
fn elementwise(op: &str, tensors: &[Tensor<'_>], last: Option<u64>) -> Option<u64> {
    let full = || largest(tensors);
    if op.starts_with("triton_poi") {
        // An argument that is larger is a table, of which some rows are read.
        return (full().next()?.elements() == last?).then(|| sum(tensors));
    }
    let (first, rest) = tensors.split_first()?;
    if op.contains("copy") || op.contains("fill") || op.contains("zero") {
        return Some(sum(tensors));
    }
    if op.ends_with('_') {
        return Some(2 * first.bytes() + sum(rest));
    }
    if op.starts_with("aten::") {
        return Some(sum(tensors) + full().next()?.bytes());
    }
    // Operators of engines write to an argument.
    (op.contains("_and_mul") && tensors.len() == 2).then(|| sum(tensors))
}

fn attention(tensors: &[Tensor<'_>], around: Around) -> Cost {
    let [query, key, value, ..] = tensors else { return Cost::default() };
    let ([tokens, heads, size], [_, kv_heads, of_key], [_, values, of_value]) = (query.sizes, key.sizes, value.sizes)
    else {
        return Cost::default();
    };
    let is_grouped = *kv_heads > 0 && heads % kv_heads == 0 && (kv_heads, size) == (values, of_key);
    let Some(context) = around.context.filter(|_| is_grouped) else { return Cost::default() };
    let cache = around.cache.unwrap_or(key.dtype);
    let read = context * (kv_heads * (of_key + of_value) * cache.bytes) as f64;
    let result = tokens * heads * of_value * query.dtype.bytes;
    let flops = 2.0 * context * (heads * (size + of_value)) as f64;
    Cost {
        bytes: Some(read as u64 + query.bytes() + result),
        flops: Some(flops as u64),
        on: query.dtype.matrix,
        whole_context: true,
        ..Cost::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{Classifier, Context};
    use crate::model::Argument;

    const BF16: &str = "c10::BFloat16";

    /// Bytes of a call of `op` by `kernel` with these arguments; a tensor's sizes and type, or a number.
    fn bytes(op: &str, kernel: &str, arguments: &[(&[u64], &str)], around: Around) -> Option<u64> {
        let mut names = Names::default();
        let mut argument = |&(sizes, dtype): &(&[u64], &str)| Argument {
            sizes: sizes.into(),
            dtype: (!sizes.is_empty()).then(|| names.intern(dtype)),
            value: sizes.is_empty().then(|| names.intern(dtype)),
        };
        let arguments = Some(arguments.iter().map(&mut argument).collect());
        let op = names.intern(op);
        let work = Work { op: Some(op), arguments, ..Work::default() };
        let verdict = Classifier::builtin().classify(kernel, &Context::default());
        of_other(&work, &verdict, &names, around).bytes
    }

    #[test]
    fn norms_move_their_arguments_and_a_result_that_is_none_of_them() {
        let norm = |op: &str, arguments: &[(&[u64], &str)]| bytes(op, "rms_norm_kernel", arguments, Around::default());
        let (row, weight): (&[u64], &[u64]) = (&[32, 2880], &[2880]);
        let (rows, weights) = (32 * 2880 * 2, 2880 * 2);
        assert_eq!(norm("aiter::rms_norm", &[(row, BF16), (weight, BF16), (&[], "1e-5")]), Some(2 * rows + weights));
        let with_result = [(row, BF16), (row, BF16), (weight, BF16)];
        assert_eq!(norm("_C::rms_norm", &with_result), Some(2 * rows + weights));
        assert_eq!(norm("_C::fused_add_rms_norm", &with_result), Some(4 * rows + weights));
        let four = [(row, BF16), (row, BF16), (row, BF16), (row, BF16), (weight, BF16)];
        assert_eq!(norm("aiter::rmsnorm2d_fwd_with_add_ck", &four), Some(4 * rows + weights));
        assert_eq!(norm("aten::mystery", &four), None);
    }

    #[test]
    fn rope_and_the_writes_of_the_cache_move_what_they_touch() {
        let rope: [(&[u64], &str); 6] = [
            (&[32], "long int"),
            (&[32, 4096], BF16),
            (&[32, 512], BF16),
            (&[], "64"),
            (&[131_072, 64], BF16),
            (&[], "True"),
        ];
        let expected = 2 * 32 * (4096 + 512) * 2 + 32 * 8 + 32 * 64 * 2;
        let kernel = "void vllm::rotary_embedding_kernel<c10::BFloat16, true>(long const*)";
        assert_eq!(bytes("_C::rotary_embedding", kernel, &rope, Around::default()), Some(expected));
        let fp8 = "c10::Float8_e4m3fnuz";
        let cache: [(&[u64], &str); 5] = [
            (&[32, 8, 64], BF16),
            (&[32, 8, 64], BF16),
            (&[1000, 32, 8, 64], fp8),
            (&[1000, 32, 8, 64], fp8),
            (&[32], "long int"),
        ];
        let kernel = "void vllm::reshape_and_cache_flash_kernel<__hip_bfloat16, __hip_bfloat16>(int)";
        let expected = 2 * 32 * 8 * 64 * (2 + 1) + 32 * 8;
        assert_eq!(bytes("_C_cache_ops::reshape_and_cache_flash", kernel, &cache, Around::default()), Some(expected));
    }

    #[test]
    fn pointwise_kernels_move_their_arguments_unless_one_is_a_table() {
        let pad: [(&[u64], &str); 3] = [(&[32, 2880], BF16), (&[32, 3072], BF16), (&[], "98304")];
        let pointwise = |arguments: &[(&[u64], &str)]| {
            bytes(
                "triton_poi_fused_constant_pad_nd_0",
                "triton_poi_fused_constant_pad_nd_0",
                arguments,
                Around::default(),
            )
        };
        assert_eq!(pointwise(&pad), Some(32 * (2880 + 3072) * 2));
        let lookup: [(&[u64], &str); 4] =
            [(&[32], "int"), (&[201_088, 2880], BF16), (&[32, 2880], BF16), (&[], "92160")];
        assert_eq!(pointwise(&lookup), None);
        assert_eq!(pointwise(&pad[..2]), None);
    }

    #[test]
    fn attention_reads_the_keys_and_values_of_all_tokens_before_if_labels_tell_them() {
        let arguments: [(&[u64], &str); 4] =
            [(&[32, 64, 64], BF16), (&[32, 8, 64], BF16), (&[32, 8, 64], BF16), (&[32, 64, 64], BF16)];
        let of =
            |around| bytes("vllm::unified_attention_with_output", "kernel_unified_attention_3d", &arguments, around);
        assert_eq!(of(Around::default()), None);
        let context = Some(55_086.0);
        let expected = 55_086 * 8 * 128 * 2 + 2 * 32 * 64 * 64 * 2;
        assert_eq!(of(Around { context, cache: None }), Some(expected));
    }
}
