//! What is known of a kernel beside its name, and how it decides.

use super::*;
use crate::classify::{Category, Classifier, Verdict};
use crate::model::TraceBuilder;

fn verdict(name: &str, context: &Context<'_>) -> Verdict {
    Classifier::builtin().classify(name, context)
}

#[test]
fn a_launch_call_tells_truncated_hip_from_triton() {
    let plain = verdict("fused_moe_kernel", &Context::default());
    assert_eq!(plain.backend, "triton");
    let host = Context { launch: Some(LaunchCall::Kernel), ..Context::default() };
    let hip = verdict("fused_moe_kernel", &host);
    assert_eq!((&*hip.backend, hip.category), ("hip", Category::Moe));
    assert!(hip.rule.contains("launch call"), "{}", hip.rule);
}

#[test]
fn no_context_overrules_an_unmistakable_name() {
    let misleading = Context {
        launch: Some(LaunchCall::Kernel),
        op: Some("aten::copy_"),
        code_object: Some("memory://1#offset=0"),
        ..Context::default()
    };
    for name in
        ["ncclDevKernel_Generic_4(ncclDevKernelArgsStorage<4096ul>)", "_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1"]
    {
        let (with, without) = (verdict(name, &misleading), verdict(name, &Context::default()));
        assert_eq!((with.category, with.sub, with.backend), (without.category, without.sub, without.backend));
    }
}

#[test]
fn a_code_object_gives_a_nameless_kernel_its_purpose() {
    let uri = "file:///opt/aiter/hsa/gfx942/fmoe/silu/fmoe_bf16_pertokenFp8_g1u1_vs_silu_1tg_32x128.co#offset=64";
    let context = Context { code_object: Some(uri), ..Context::default() };
    assert!(verdict("kernel_func", &Context::default()).is_unknown());
    let known = verdict("kernel_func", &context);
    assert_eq!((known.category, &*known.backend), (Category::Moe, "asm"), "{}", known.rule);
    assert!(known.rule.contains("code object"), "{}", known.rule);
}

#[test]
fn a_module_of_aiter_gives_an_unknown_kernel_its_purpose() {
    for (module, category) in [
        ("moe_sorting_opus", Category::Moe),
        ("custom_all_reduce", Category::Allreduce),
        ("mla_metadata", Category::Attention),
        ("gemm_a8w8_blockscale_bpreshuffle", Category::Gemm),
        ("rmsnorm_quant", Category::Quantization),
    ] {
        let uri = format!("file:///opt/aiter/aiter/jit/module_{module}.so#offset=8192&size=36864");
        let context = Context { code_object: Some(&uri), ..Context::default() };
        let known = verdict("void aiter::blorp_p7<float, 8>(float*, int)", &context);
        assert_eq!((known.category, &*known.backend), (category, "hip"), "{module}: {}", known.rule);
        assert!(known.confidence < Confidence::High && known.rule.contains("code object"), "{}", known.rule);
    }
    // A name that says something is not overruled, and a core module says nothing.
    let core = Context { code_object: Some("file:///opt/aiter/aiter/jit/module_aiter_core.so"), ..Context::default() };
    assert!(verdict("void aiter::blorp_p7<float, 8>(float*, int)", &core).is_unknown());
    let norm = Context { code_object: Some("file:///jit/module_moe_sorting.so#offset=1"), ..Context::default() };
    assert_eq!(verdict("void aiter::rmsnorm_2d<float>(float*)", &norm).category, Category::Other);
}

#[test]
fn the_context_refines_new_families_as_it_does_the_old() {
    // A split's reduction behind sparse attention merges attention, behind a product it is the product's.
    let behind = |previous| Context { previous: Some(previous), ..Context::default() };
    let merge = verdict("splitk_reduce_kernel_fallback", &behind("_sparse_mla_decode_gluon_kernel"));
    assert_eq!(merge.category, Category::Attention, "{}", merge.rule);
    let product = verdict("splitk_reduce_kernel_fallback", &behind("void aiter::gemm_a4w4_skinny<8>(void*)"));
    assert_eq!(product.category, Category::Gemm, "{}", product.rule);
    // The gate of MiniMax and GLM is named like Triton's; a host function launches it where it is HIP.
    let host = Context { launch: Some(LaunchCall::Kernel), ..Context::default() };
    let gate = verdict("moe_fused_gate_kernel", &host);
    assert_eq!((gate.category, &*gate.backend), (Category::Moe, "hip"), "{}", gate.rule);
    // A Triton kernel of the indexer stays Triton's by its code object.
    let cache =
        Context { code_object: Some("file:///root/.triton/cache/Q7/_topk_index_kernel.hsaco"), ..Context::default() };
    let indexer = verdict("_topk_index_kernel", &cache);
    assert_eq!((indexer.category, &*indexer.backend), (Category::Attention, "triton"), "{}", indexer.rule);
}

#[test]
fn a_file_tells_the_domain_and_overrules_words_of_another() {
    for (name, source, category, sub) in [
        // What no name tells, the file does; by itself or by its own name.
        ("_kv_kernel", "vllm/v1/attention/ops/mla_decode.py", Category::Attention, "mla_decode"),
        ("_remap_kernel", "vllm/model_executor/layers/fused_moe/router/x.py", Category::Moe, "gate/topk"),
        ("_update_cache_kernel", "vllm/v1/worker/gpu/sample/thinking.py", Category::Other, "sampling"),
        // The same word of another trade.
        ("_topk_kernel", "vllm/v1/sample/ops/x.py", Category::Other, "sampling"),
        ("_topk_kernel", "python/sglang/srt/layers/moe/x.py", Category::Moe, "gate/topk"),
        ("_topk_kernel", "x/layers/attention/dsa/y.py", Category::Attention, "sparse_indexer"),
        // A norm beside attention stays one, and a library's kernel is its own wherever it was built.
        ("_rmsnorm_kernel", "vllm/v1/attention/ops/x.py", Category::Other, "norm"),
        ("Cijk_Alik_Bljk_BBS_BH_MT64x64x64_MI16x16x1_UserArgs", "csrc/moe/x.cu", Category::Gemm, "hipblaslt"),
    ] {
        let told = verdict(name, &Context { source: Some(source), ..Context::default() });
        assert_eq!((told.category, told.sub.as_deref()), (category, Some(sub)), "{name} in {source}: {}", told.rule);
    }
}

#[test]
fn a_file_and_a_language_tell_who_wrote_a_bare_name() {
    let by = |context: Context<'_>| verdict("kda_decode_kernel", &context).backend.into_owned();
    let source = |source| by(Context { source: Some(source), ..Context::default() });
    assert_eq!(source("csrc/attention/kda_decode.cu"), "hip");
    assert_eq!(source("aiter/ops/triton/gluon/kda.py"), "gluon");
    assert_eq!(source("kernels/flydsl/kda.py"), "flydsl");
    assert_eq!(by(Context { language: Some("Gluon"), ..Context::default() }), "gluon");
    // A template is no Triton, whatever the file.
    let template = Context { source: Some("aiter/ops/triton/x.py"), ..Context::default() };
    assert_eq!(verdict("void aiter::kda_kernel<4>(int)", &template).backend, "hip");
}

#[test]
fn nothing_is_hip_on_a_gpu_of_nvidia() {
    let on = |arch| Context { arch: Some(arch), ..Context::default() };
    assert_eq!(verdict("grouped_topk_kernel", &on("sm_90")).backend, "cuda");
    assert_eq!(verdict("grouped_topk_kernel", &on("gfx950")).backend, "hip");
    assert_eq!(verdict("_gemma_rmsnorm_kernel", &on("sm_90")).backend, "triton");
}

#[test]
fn an_operator_gives_an_unknown_kernel_its_purpose() {
    let context = Context { op: Some("aten::addmm"), ..Context::default() };
    let known = verdict("void vendor::blorp<float>(float*)", &context);
    assert_eq!(known.category, Category::Gemm, "{}", known.rule);
    assert!(known.confidence < Confidence::High);
}

#[test]
fn a_reduction_belongs_to_the_kernel_before_it() {
    let mut draw = TraceBuilder::new().drawing();
    for step in 0..3 {
        let at = step * 100;
        draw.kernel("kernel_paged_attention_2d", at, at + 10, 1).kernel("_reduce", at + 10, at + 20, 1);
    }
    let trace = draw.finish();
    let classes = Classifier::builtin().classify_trace(&trace);
    let reduce = classes.get(trace.names.find("_reduce").unwrap());
    assert_eq!((reduce.category, reduce.sub.as_deref()), (Category::Attention, Some("reduce/merge")));
    assert!(reduce.rule.contains("the kernel before"), "{}", reduce.rule);
    assert_eq!(verdict("_reduce", &Context::default()).category, Category::Moe);
}

#[test]
fn a_product_with_no_name_of_its_own_is_the_experts_behind_a_routing_kernel() {
    let previous = Context { previous: Some("_combined_routing_compute"), ..Context::default() };
    let expert = verdict("matmul_kernel", &previous);
    assert_eq!((expert.category, expert.sub.as_deref()), (Category::Moe, Some("expert_gemm")));
    assert!(expert.rule.contains("the kernel before"), "{}", expert.rule);
    // A gate is no routing kernel: the products behind it may be anybody's.
    let gate = Context { previous: Some("_topk_forward"), ..Context::default() };
    assert_eq!(verdict("matmul_kernel", &gate).category, Category::Gemm);
}

#[test]
fn a_declared_architecture_fills_in_for_a_name_that_tells_none() {
    let declared = Context { arch: Some("gfx942"), ..Context::default() };
    assert_eq!(verdict("fused_moe_kernel", &declared).arch.as_deref(), Some("gfx942"));
    assert_eq!(verdict("aiter::fmha_fwd_hd128_fp8_gfx950", &declared).arch.as_deref(), Some("gfx950"));
}

#[test]
fn a_compiler_tells_the_language_but_for_gluon_which_tritons_compiles() {
    let by = |name: &str, compiler| {
        let context = Context { compiler: Some(compiler), ..Context::default() };
        verdict(name, &context).backend.into_owned()
    };
    assert_eq!(by("fused_kernel", "triton"), "triton");
    assert_eq!(by("fused_kernel", "clang version 20"), verdict("fused_kernel", &Context::default()).backend);
    assert_eq!(by("fused_kernel", "FlyDSL 0.3"), "flydsl");
    let gluon = Context { compiler: Some("triton"), source: Some("a/gluon/x.py"), ..Context::default() };
    assert_eq!(verdict("fused_kernel", &gluon).backend, "gluon");
    assert_eq!(by("ncclDevKernel_Generic_4(ncclDevKernelArgsStorage<4096ul>)", "triton"), "rccl");
}

/// A trace in which kernel `k` ran, and these files are what its code objects tell.
fn written_in(sources: &[&str]) -> Trace {
    let mut builder = TraceBuilder::new();
    let name = builder.names().intern("k");
    for source in sources {
        builder.origin(name, &Origin { source: Some((*source).to_owned()), ..Origin::default() });
    }
    builder.finish()
}

#[test]
fn kernels_of_one_name_in_several_files_are_what_all_files_make_of_it_or_unknown() {
    let told = |sources: &[&str]| {
        let trace = written_in(sources);
        let name = trace.names.find("k").unwrap();
        Classifier::builtin().with_catalogue().classify_trace(&trace).get(name).clone()
    };
    let (router, sampler) = ("vllm/layers/fused_moe/router/x.py", "vllm/v1/sample/y.py");
    assert_eq!(told(&[router]).category, Category::Moe);
    assert_eq!(told(&[router, "sglang/layers/moe/router.py"]).category, Category::Moe);
    let contested = told(&[router, sampler]);
    assert!(contested.is_unknown(), "{}", contested.rule);
    assert_eq!(contested.purpose_from, Evidence::Name);
}

#[test]
fn what_inductor_generates_is_known_by_its_name_wherever_it_lies() {
    let source = "/root/.cache/vllm/torch_compile_cache/ab12/rank_0_0/inductor_cache/xy/cxyz.py";
    for name in ["triton_red_fused_add_rms_norm_0", "triton_poi_fused_silu_mul_1", "triton_poi_fused_0"] {
        let (alone, told) = (
            verdict(name, &Context::default()),
            verdict(name, &Context { source: Some(source), ..Context::default() }),
        );
        assert_eq!((told.category, told.sub, told.backend), (alone.category, alone.sub, alone.backend), "{name}");
    }
}
