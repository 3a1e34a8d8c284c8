//! The flags, variables, files and values of other projects that advice names, and where each was looked up.
//!
//! One row a name and project. A test holds that each name in a text has its row and each row its text; docs/advice.md
//! lists them, and `tools/check-advice` looks them up again in a newer checkout.

use crate::analyze::advice::evidence::Framework;

/// Whose switch it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Project {
    Vllm,
    Sglang,
    Atom,
    Aiter,
    PyTorch,
    HipBlasLt,
    Rocm,
}

impl Project {
    /// What was read: the project and its version or day.
    pub(super) const fn checked(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM 0.33.0",
            Self::Sglang => "SGLang 0.5.23",
            Self::Atom => "ATOM of 2026-08-22 (ffdf3bb5)",
            Self::Aiter => "aiter of 2026-08-22 (e4048607)",
            Self::PyTorch => "PyTorch's documentation",
            Self::HipBlasLt => "hipBLASLt's documentation for ROCm 10.2",
            Self::Rocm => "ROCm's documentation and sources",
        }
    }

    /// Whether a way of `engine` may name it: an engine names its own and what it is built on.
    fn is_of(self, engine: Option<Framework>) -> bool {
        match self {
            Self::Vllm => engine == Some(Framework::Vllm),
            Self::Sglang => engine == Some(Framework::Sglang),
            Self::Atom => engine == Some(Framework::Atom),
            Self::Aiter | Self::PyTorch | Self::HipBlasLt | Self::Rocm => true,
        }
    }
}

/// A name that advice uses.
pub(super) struct Switch {
    pub(super) project: Project,
    pub(super) name: &'static str,
    /// What holds where nobody sets it; empty where that has no meaning.
    pub(super) default: &'static str,
    /// The file (within the project) or page that reads, defines or documents it.
    pub(super) file: &'static str,
}

const fn switch(project: Project, name: &'static str, default: &'static str, file: &'static str) -> Switch {
    Switch { project, name, default, file }
}

/// The names in a text that must be known: flags, variables, scripts and tables, and words with underscores.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let words = text.split(move |c| !is_part(c)).map(|word| word.trim_end_matches(['.', '/', '-']));
    words.filter(|word| {
        let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_flag = word.strip_prefix("--").is_some_and(|flag| !flag.is_empty());
        is_flag
            || word.ends_with(".py")
            || word.ends_with(".csv")
            || is_word && word.trim_end_matches('_').contains('_')
    })
}

/// What is known of a name in a way of `engine`.
pub(super) fn find(name: &str, engine: Option<Framework>) -> Option<&'static Switch> {
    SWITCHES.iter().find(|switch| switch.name == name && switch.project.is_of(engine))
}

use Project::{Aiter, Atom, HipBlasLt, PyTorch, Rocm, Sglang, Vllm};

#[rustfmt::skip]
pub(super) const SWITCHES: &[Switch] = &[
    switch(Vllm, "--attention-backend", "auto", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--compilation-config", "", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--data-parallel-size", "1", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--disable-custom-all-reduce", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--enable-eplb", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--enable-expert-parallel", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--enforce-eager", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--eplb-config", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--kv-cache-dtype", "auto", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--kv-transfer-config", "none", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--max-num-batched-tokens", "by usage context", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--max-num-seqs", "by usage context", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--no-async-scheduling", "asynchronous scheduling is on", "vllm/config/vllm.py"),
    switch(Vllm, "--numa-bind", "off", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--speculative-config", "none", "vllm/engine/arg_utils.py"),
    switch(Vllm, "--tune", "", "benchmarks/kernels/benchmark_moe.py"),
    switch(Vllm, "AITER_CUSTOM", "", "vllm/distributed/device_communicators/cuda_communicator.py"),
    switch(Vllm, "FULL_AND_PIECEWISE", "the default", "vllm/config/compilation.py"),
    switch(Vllm, "FULL_DECODE_ONLY", "", "vllm/config/compilation.py"),
    switch(Vllm, "ROCM_AITER_FA", "a candidate with VLLM_ROCM_USE_AITER=1", "vllm/v1/attention/backends/registry.py"),
    switch(Vllm, "ROCM_AITER_MLA", "first with VLLM_ROCM_USE_AITER=1", "vllm/v1/attention/backends/registry.py"),
    switch(Vllm, "VLLM_MXFP4_EMULATION_DEQUANT_AT_LOAD", "0", "vllm/envs.py"),
    switch(Vllm, "VLLM_MXFP8_EMULATION_DEQUANT_AT_LOAD", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_AITER_MOE_DISPATCH_POLICY", "0", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_QUICK_REDUCE_QUANTIZATION", "NONE", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER", "0", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER_CUSTOM_AR", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS", "0", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER_LINEAR", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER_MOE", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_AITER_RMSNORM", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_ROCM_USE_SKINNY_GEMM", "1", "vllm/envs.py"),
    switch(Vllm, "VLLM_TUNED_CONFIG_FOLDER", "unset", "vllm/envs.py"),
    switch(Vllm, "benchmarks/kernels/benchmark_moe.py", "", "benchmarks/kernels/benchmark_moe.py"),
    switch(Vllm, "cudagraph_capture_sizes", "1, 2, 4, by 8 to 256, by 16 to 512", "vllm/engine/arg_utils.py"),
    switch(Vllm, "cudagraph_mode", "FULL_AND_PIECEWISE", "vllm/config/compilation.py"),
    switch(Vllm, "fuse_act_quant", "on with VLLM_ROCM_USE_AITER=1", "vllm/config/vllm.py"),
    switch(Vllm, "fuse_allreduce_rms", "on with VLLM_ROCM_USE_AITER=1 and TP > 1", "vllm/config/vllm.py"),
    switch(Vllm, "fuse_norm_quant", "on with VLLM_ROCM_USE_AITER=1", "vllm/config/vllm.py"),
    switch(Vllm, "fuse_qk_norm_rope_kvcache", "off unless asked for", "vllm/config/compilation.py"),
    switch(Vllm, "fuse_rope_kvcache", "off unless asked for", "vllm/config/compilation.py"),
    switch(Vllm, "log_balancedness", "false", "vllm/config/parallel.py"),
    switch(Vllm, "max_cudagraph_capture_size", "twice max_num_seqs, 512 at most", "vllm/engine/arg_utils.py"),
    switch(Vllm, "num_speculative_tokens", "of the draft's configuration", "vllm/config/speculative.py"),
    switch(Vllm, "pass_config", "", "vllm/config/compilation.py"),
    switch(Vllm, "rope_kvcache_fusion_max_token_num", "256", "vllm/config/compilation.py"),
    switch(Sglang, "--attention-backend", "aiter for MHA, GQA, and MLA with 16 or 128 heads a rank", "srt/arg_groups/model_override_base.py"),
    switch(Sglang, "--attn-dp-size", "1", "srt/arg_groups/fields/parallel.py"),
    switch(Sglang, "--chunked-prefill-size", "16384 on these GPUs", "srt/arg_groups/fields/schedule.py"),
    switch(Sglang, "--cuda-graph-backend-decode", "full", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--cuda-graph-bs-decode", "1, 2, 4, by 4 and 8 to 256, by 16 to 512", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--cuda-graph-max-bs-decode", "512 on these GPUs", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--decode-attention-backend", "as --attention-backend", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--disable-cuda-graph", "off", "srt/server_args.py"),
    switch(Sglang, "--disable-custom-all-reduce", "off", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--disable-overlap-schedule", "off", "srt/arg_groups/fields/schedule.py"),
    switch(Sglang, "--disaggregation-mode", "null", "srt/arg_groups/fields/disagg.py"),
    switch(Sglang, "--dp-size", "1", "srt/arg_groups/fields/parallel.py"),
    switch(Sglang, "--enable-aiter-allreduce-fusion", "off", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--enable-dp-attention", "off", "srt/server_args.py"),
    switch(Sglang, "--enable-eplb", "off", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--enable-fused-qk-norm-rope", "off", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--enable-torch-compile", "off", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--ep-num-redundant-experts", "0", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "--ep-size", "1", "srt/arg_groups/fields/parallel.py"),
    switch(Sglang, "--kv-cache-dtype", "auto", "srt/arg_groups/fields/model.py"),
    switch(Sglang, "--load-balance-method", "auto", "srt/arg_groups/fields/parallel.py"),
    switch(Sglang, "--max-running-requests", "", "srt/arg_groups/fields/schedule.py"),
    switch(Sglang, "--moe-runner-backend", "auto", "srt/arg_groups/choices.py"),
    switch(Sglang, "--numa-node", "found by itself", "srt/arg_groups/fields/device.py"),
    switch(Sglang, "--prefill-decode-interval", "off", "srt/arg_groups/fields/schedule.py"),
    switch(Sglang, "--speculative-num-draft-tokens", "", "srt/arg_groups/fields/spec.py"),
    switch(Sglang, "--speculative-num-steps", "", "srt/arg_groups/fields/spec.py"),
    switch(Sglang, "--torch-compile-max-bs", "32", "srt/arg_groups/fields/exec_.py"),
    switch(Sglang, "SGLANG_AITER_MLA_AUTO_KV_SPLITS", "0", "srt/environ.py"),
    switch(Sglang, "SGLANG_AITER_MLA_PERSIST", "1", "srt/layers/attention/aiter_backend.py"),
    switch(Sglang, "SGLANG_AITER_MOE_SORTING_DISPATCH_POLICY", "2", "srt/environ.py"),
    switch(Sglang, "SGLANG_ROCM_USE_AITER_FP4_ASM_GEMM", "0", "srt/environ.py"),
    switch(Sglang, "SGLANG_USE_AITER", "0; 1 in its ROCm images", "srt/environ.py"),
    switch(Sglang, "fp8_e4m3", "", "srt/arg_groups/fields/model.py"),
    switch(Sglang, "total_tokens", "", "srt/arg_groups/fields/parallel.py"),
    switch(Atom, "--cudagraph-capture-sizes", "[1,2,4,8,16,32,48,64,128,256,512]", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--cudagraph-mode", "FULL", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--data-parallel-size", "1", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--dp-load-balance", "least_requests", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--enable-dp-attention", "off", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--enable-eplb", "off", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--enable-expert-parallel", "off", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--enforce-eager", "off", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--kv_cache_dtype", "bf16", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--level", "3", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--long-prefill-token-threshold", "0", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--max-num-batched-tokens", "16384", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--max-num-seqs", "512", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--num-speculative-tokens", "1", "atom/model_engine/arg_utils.py"),
    switch(Atom, "--scheduler-delay-factor", "0.0", "atom/model_engine/arg_utils.py"),
    switch(Atom, "ATOM_ENABLE_ALLREDUCE_RMSNORM_FUSION", "1", "atom/utils/envs.py"),
    switch(Atom, "ATOM_ENABLE_DS_INPUT_RMSNORM_QUANT_FUSION", "1", "atom/utils/envs.py"),
    switch(Atom, "ATOM_ENABLE_DS_QKNORM_QUANT_FUSION", "1", "atom/utils/envs.py"),
    switch(Atom, "ATOM_ENABLE_QK_NORM_ROPE_CACHE_QUANT_FUSION", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_H2D_BACKEND", "absent on the day; direct in later versions", "atom/utils/envs.py"),
    switch(Atom, "ATOM_LLAMA_ENABLE_AITER_TRITON_FUSED_RMSNORM_QUANT", "1", "atom/utils/envs.py"),
    switch(Atom, "ATOM_LLAMA_ENABLE_AITER_TRITON_FUSED_SILU_MUL_QUANT", "1", "atom/utils/envs.py"),
    switch(Atom, "ATOM_NUMA_BIND", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_USE_FP4_NON_SHUFFLE_TRITON_GEMM", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_USE_TRITON_GEMM", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_USE_TRITON_MLA", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_USE_TRITON_MOE", "0", "atom/utils/envs.py"),
    switch(Atom, "ATOM_USE_UNIFIED_ATTN", "0", "atom/utils/envs.py"),
    switch(Atom, "FULL_AND_PIECEWISE", "", "atom/model_engine/arg_utils.py"),
    switch(Atom, "least_tokens", "", "atom/model_engine/engine_core_mgr.py"),
    switch(Aiter, "--input_file", "", "csrc/gemm_a16w16/README.md"),
    switch(Aiter, "--with-hipblaslt", "off", "csrc/gemm_a16w16/README.md"),
    switch(Aiter, "AITER_CONFIG_FMOE", "aiter/configs/tuned_fmoe.csv", "aiter/jit/core.py"),
    switch(Aiter, "AITER_CONFIG_GEMM_A4W4", "aiter/configs/a4w4_blockscale_tuned_gemm.csv", "aiter/jit/core.py"),
    switch(Aiter, "AITER_CONFIG_GEMM_A8W8_BLOCKSCALE", "aiter/configs/a8w8_blockscale_tuned_gemm.csv", "aiter/jit/core.py"),
    switch(Aiter, "AITER_CONFIG_GEMM_A8W8_BPRESHUFFLE", "aiter/configs/a8w8_bpreshuffle_tuned_gemm.csv", "aiter/jit/core.py"),
    switch(Aiter, "AITER_CONFIG_GEMM_BF16", "aiter/configs/bf16_tuned_gemm.csv", "aiter/jit/core.py"),
    switch(Aiter, "AITER_CUSTOM_AR_MAX_SIZE", "67108864", "aiter/dist/device_communicators/custom_all_reduce.py"),
    switch(Aiter, "AITER_LOG_TUNED_CONFIG", "0", "aiter/jit/core.py"),
    switch(Aiter, "AITER_TUNE_GEMM", "0", "aiter/tuned_gemm.py"),
    switch(Aiter, "aiter/configs/a4w4_blockscale_tuned_gemm.csv", "", "aiter/configs/a4w4_blockscale_tuned_gemm.csv"),
    switch(Aiter, "aiter/configs/a4w4_blockscale_untuned_gemm.csv", "", "aiter/configs/a4w4_blockscale_untuned_gemm.csv"),
    switch(Aiter, "aiter/configs/a8w8_blockscale_tuned_gemm.csv", "", "aiter/configs/a8w8_blockscale_tuned_gemm.csv"),
    switch(Aiter, "aiter/configs/a8w8_blockscale_untuned_gemm.csv", "", "aiter/configs/a8w8_blockscale_untuned_gemm.csv"),
    switch(Aiter, "aiter/configs/a8w8_bpreshuffle_tuned_gemm.csv", "", "aiter/configs/a8w8_bpreshuffle_tuned_gemm.csv"),
    switch(Aiter, "aiter/configs/a8w8_bpreshuffle_untuned_gemm.csv", "", "aiter/configs/a8w8_bpreshuffle_untuned_gemm.csv"),
    switch(Aiter, "aiter/configs/bf16_untuned_gemm.csv", "", "aiter/configs/bf16_untuned_gemm.csv"),
    switch(Aiter, "aiter/configs/tuned_fmoe.csv", "", "aiter/configs/tuned_fmoe.csv"),
    switch(Aiter, "aiter/configs/untuned_fmoe.csv", "", "aiter/configs/untuned_fmoe.csv"),
    switch(Aiter, "biased_grouped_topk", "", "aiter/ops/topk.py"),
    switch(Aiter, "csrc/ck_gemm_a4w4_blockscale/gemm_a4w4_blockscale_tune.py", "", "csrc/ck_gemm_a4w4_blockscale/README.md"),
    switch(Aiter, "csrc/ck_gemm_a8w8_blockscale/gemm_a8w8_blockscale_tune.py", "", "csrc/ck_gemm_a8w8_blockscale/gemm_a8w8_blockscale_tune.py"),
    switch(Aiter, "csrc/ck_gemm_a8w8_bpreshuffle/gemm_a8w8_bpreshuffle_tune.py", "", "csrc/ck_gemm_a8w8_bpreshuffle/gemm_a8w8_bpreshuffle_tune.py"),
    switch(Aiter, "csrc/ck_gemm_moe_2stages_codegen/gemm_moe_tune.py", "", "csrc/ck_gemm_moe_2stages_codegen/gemm_moe_tune.py"),
    switch(Aiter, "csrc/gemm_a16w16/gemm_tuner.py", "", "csrc/gemm_a16w16/README.md"),
    switch(Aiter, "grouped_topk", "", "aiter/ops/topk.py"),
    switch(Aiter, "topk_softmax", "", "aiter/ops/moe_op.py"),
    switch(PyTorch, "PYTORCH_TUNABLEOP_ENABLED", "0", "https://docs.pytorch.org/docs/stable/cuda.tunable.html"),
    switch(PyTorch, "PYTORCH_TUNABLEOP_TUNING", "1 where enabled", "https://docs.pytorch.org/docs/stable/cuda.tunable.html"),
    switch(PyTorch, "TORCH_BLAS_PREFER_HIPBLASLT", "hipBLASLt is preferred on gfx942 and gfx950", "aten/src/ATen/Context.cpp"),
    switch(HipBlasLt, "HIPBLASLT_LOG_MASK", "0", "https://rocm.docs.amd.com/projects/hipBLASLt/en/docs-10.2.0/reference/env-variables.html"),
    switch(HipBlasLt, "HIPBLASLT_TUNING_FILE", "unset", "https://rocm.docs.amd.com/projects/hipBLASLt/en/docs-10.2.0/reference/env-variables.html"),
    switch(HipBlasLt, "HIPBLASLT_TUNING_OVERRIDE_FILE", "unset", "https://rocm.docs.amd.com/projects/hipBLASLt/en/docs-10.2.0/reference/env-variables.html"),
    switch(Rocm, "--limit", "", "https://rocm.docs.amd.com/projects/amdsmi/en/latest/how-to/amdsmi-cli-tool.html"),
    switch(Rocm, "--perf-determinism", "", "https://rocm.docs.amd.com/projects/amdsmi/en/develop/conceptual/perf-determinism.html"),
    switch(Rocm, "HIP_FORCE_DEV_KERNARG", "as if set, on gfx94x and gfx950, in newer runtimes", "rocclr/utils/flags.hpp"),
];
