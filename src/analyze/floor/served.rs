//! How the model was served, as far as the trace tells: what the user did not say.
//!
//! | figure | told by |
//! |---|---|
//! | context of a request | labels that count the tokens behind it (`sq32sk55086`) |
//! | bytes of a KV element | template arguments of attention and cache kernels: vLLM's `Fp8KVCacheDataType`, 0 of which is the model's own type ([`vllm/csrc/quantization/w8a8/fp8`]); FP8 in the name of attention over a cache |
//! | who shares which weights | collectives: all-reduces follow what is split by columns and rows, an all-to-all brings tokens to experts that ranks keep whole |
//! | partition of the GPU | compute units that the runtime shows |
//!
//! [`vllm/csrc/quantization/w8a8/fp8`]: https://github.com/vllm-project/vllm/tree/main/csrc/quantization/w8a8/fp8

use std::collections::BTreeSet;

use super::gpus::Gpu;
use crate::analyze::scope::Scope;
use crate::classify::Category;
use crate::classify::vocabulary::Attention;
use crate::model::{ConditionKind, Trace};
use crate::output::Report;
use crate::steps::labels;

/// vLLM's template argument: mangled, and as demanglers write it.
const KV_DTYPE: [&str; 2] = ["Fp8KVCacheDataTypeE", "Fp8KVCacheDataType)"];

/// What a trace tells of how its model was served.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::analyze) struct Served {
    /// Tokens behind a request, the median over the steps that tell.
    pub(super) context: Option<u32>,
    /// Bytes of an element of the KV cache.
    pub(super) kv_bytes: Option<f64>,
    /// Compute units that the runtime shows of a GPU; several where they differ.
    pub(super) compute_units: BTreeSet<u32>,
}

impl Served {
    pub(in crate::analyze) fn of(scope: &Scope<'_>) -> Self {
        let labels = scope.steps().filter_map(|(_, step)| step.label);
        let mut contexts: Vec<u64> =
            labels.filter_map(|label| labels::context_of_requests(scope.trace.names.get(label))).collect();
        contexts.sort_unstable();
        let context = contexts.get(contexts.len() / 2).and_then(|&tokens| u32::try_from(tokens).ok());
        let mut ran = vec![false; scope.trace.names.len()];
        for (dispatch, step) in scope.trace.dispatches.iter().zip(&scope.table.of_dispatch) {
            ran[dispatch.name.index()] |= step.is_some();
        }
        let names = scope.trace.names.iter().filter(|(name, _)| ran[name.index()]);
        let told = names.filter_map(|(name, text)| {
            let verdict = scope.verdict(name);
            let is_fp8 = Attention::of(verdict).decode && verdict.dtype.as_ref().is_some_and(|of| of.contains("fp8"));
            kv_argument(text).or(is_fp8.then_some(1.0))
        });
        let bytes: BTreeSet<u64> = told.map(f64::to_bits).collect();
        Self {
            context,
            // Two caches of one model may have two types; then nothing is told of their mean.
            kv_bytes: bytes.first().filter(|_| bytes.len() == 1).map(|&bits| f64::from_bits(bits)),
            compute_units: compute_units(scope.trace),
        }
    }
}

/// Compute units that the runtime shows of a GPU; several where they differ.
pub(in crate::analyze) fn compute_units(trace: &Trace) -> BTreeSet<u32> {
    let shown = trace.conditions.iter().filter(|condition| condition.kind == ConditionKind::ComputeUnits);
    shown.filter_map(|condition| condition.value.parse().ok()).collect()
}

/// Bytes of a KV element by vLLM's template argument: FP8 has one, and what is not quantized is no news.
fn kv_argument(name: &str) -> Option<f64> {
    let digit = KV_DTYPE.iter().find_map(|word| name.split_once(word)?.1.chars().next())?;
    matches!(digit, '1' | '2').then_some(1.0)
}

/// Ranks that share what a rank reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sharing {
    /// Ranks among which attention, dense MLPs and the output head are split.
    pub(super) tensor: u32,
    /// Ranks among which the experts are, by columns or whole.
    pub(super) experts: u32,
    /// Ranks with requests of their own, whose tokens meet at the experts.
    pub(super) data: u32,
}

/// Who shares which weights, of `ranks` in all, and why so.
pub(super) fn sharing(report: &Report, ranks: u32) -> (Sharing, Option<String>) {
    let all = Sharing { tensor: ranks, experts: ranks, data: 1 };
    let collectives = report.category(Category::Allreduce).map(|row| row.collectives.as_slice()).unwrap_or_default();
    let has = |kinds: &[&str]| collectives.iter().any(|part| kinds.contains(&part.name.as_str()));
    let (splits, moves) = (has(&["all_reduce"]), has(&["all_to_all", "dispatch", "combine"]));
    match () {
        () if ranks <= 1 => (all, None),
        () if moves && !splits => {
            let why = format!(
                "tokens go to the experts by all-to-all and nothing is all-reduced: each rank is taken to have all of \
                 attention and requests of its own, and an equal part of the experts, among {ranks}"
            );
            (Sharing { tensor: 1, experts: ranks, data: ranks }, Some(why))
        }
        () if collectives.is_empty() => {
            let why = "the ranks do not communicate: each is taken to have all weights".to_owned();
            (Sharing { tensor: 1, experts: 1, data: 1 }, Some(why))
        }
        () if moves => {
            let why = format!(
                "there are all-reduces and all-to-alls: attention and experts are both taken to be shared among {ranks} \
                 ranks; name the tensor parallelism with --tp if it is less"
            );
            (all, Some(why))
        }
        () => (all, Some(format!("tensor parallelism is taken for {ranks}, the number of ranks"))),
    }
}

/// The part of `gpu` that the trace's runtime shows, and what is to be said of it; `None`: as many compute units are those of
/// no partition of it.
pub(in crate::analyze) fn partition(gpu: &Gpu, compute_units: &BTreeSet<u32>) -> Option<(f64, Option<String>)> {
    let shown = match compute_units.iter().collect::<Vec<_>>()[..] {
        [&units] => units,
        _ => return Some((1.0, None)),
    };
    if shown >= gpu.compute_units || shown == 0 {
        return Some((1.0, None));
    }
    if !gpu.compute_units.is_multiple_of(shown) {
        return None;
    }
    let parts = gpu.compute_units / shown;
    let said = format!(
        "the runtime shows {shown} of the {} compute units of {}: a partition, which is taken to have 1/{parts} of the \
         bandwidth; where the others are idle and memory is not partitioned it may have more",
        gpu.compute_units, gpu.name
    );
    Some((1.0 / f64::from(parts), Some(said)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::floor::find_gpu;

    #[test]
    fn the_type_of_the_cache_is_read_mangled_and_demangled() {
        let mangled = |digit| {
            format!(
                "_Z38paged_attention_ll4mi_QKV_mfma16_kernelI14__hip_bfloat16hLN4vllm18Fp8KVCacheDataTypeE{digit}EE"
            )
        };
        assert_eq!([0, 1, 2].map(|digit| kv_argument(&mangled(digit))), [None, Some(1.0), Some(1.0)]);
        assert_eq!(kv_argument("void vllm::reshape_and_cache<bf16, char, (vllm::Fp8KVCacheDataType)1>(…)"), Some(1.0));
        assert_eq!(kv_argument("paged_attention_ll4mi_reduce_kernel"), None);
    }

    #[test]
    fn a_partition_has_its_part_of_the_bandwidth_and_other_numbers_of_units_are_no_partition() {
        let gpu = find_gpu(Some("MI300X"), None).unwrap();
        let of =
            |units: &[u32]| partition(gpu, &units.iter().copied().collect()).map(|(part, said)| (part, said.is_some()));
        assert_eq!(of(&[304]), Some((1.0, false)));
        assert_eq!(of(&[38]), Some((0.125, true)));
        assert_eq!(of(&[152]), Some((0.5, true)));
        assert_eq!(of(&[100]), None);
        assert_eq!(of(&[]), Some((1.0, false)));
    }
}
