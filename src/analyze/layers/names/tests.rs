//! What places in a layer are called.

use super::*;
use crate::classify::Traits;

fn verdict(of: &str) -> Verdict {
    let (category, sub, secondary) = match of {
        "gemm" => (Category::Gemm, "hipblaslt", None),
        "rope" => (Category::Attention, "kv_cache_write/rope", None),
        "attn" => (Category::Attention, "mha_decode/paged", None),
        "mla" => (Category::Attention, "mla_decode", None),
        "merge" => (Category::Attention, "reduce/merge", None),
        "linear" => (Category::Other, "ssm/linear-attention", None),
        "ar" => (Category::Allreduce, "custom/one-two-stage", None),
        "ar_norm" => (Category::Allreduce, "fused_allreduce_rmsnorm", Some("norm")),
        "mori" => (Category::Allreduce, "mori", Some("moe")),
        "norm" => (Category::Other, "norm", None),
        "act" => (Category::Other, "activation", None),
        "gate" => (Category::Moe, "gate/topk", None),
        "sort" => (Category::Moe, "sort", None),
        "expert" => (Category::Moe, "expert_gemm", None),
        "quant" => (Category::Quantization, "fp8_per_token", None),
        "embed" => (Category::Other, "embedding", None),
        _ => panic!("{of}"),
    };
    Verdict {
        category,
        sub: Some(sub.into()),
        secondary: secondary.map(Into::into),
        traits: Traits::default(),
        ..Verdict::unknown()
    }
}

fn names(layer: &str) -> Vec<String> {
    let verdicts: Vec<Verdict> = layer.split(' ').map(verdict).collect();
    let named: Vec<Named<'_>> = verdicts.iter().map(|verdict| Named::new(verdict, "")).collect();
    let (mut names, begins) = of_layer(&named);
    names.rotate_left(begins);
    names
}

#[test]
fn a_dense_layer_is_named_wherever_the_ring_is_cut() {
    let expected = [
        "input norm",
        "qkv_proj GEMM",
        "rope, KV cache",
        "attention decode",
        "attention reduce",
        "quantization",
        "o_proj GEMM",
        "all-reduce after attention",
        "post-attention norm",
        "gate_up_proj GEMM",
        "activation",
        "down_proj GEMM",
        "all-reduce after MLP",
    ];
    let mut layer: Vec<&str> = "norm gemm rope attn merge quant gemm ar norm gemm act gemm ar".split(' ').collect();
    for _ in 0..layer.len() {
        assert_eq!(names(&layer.join(" ")), expected, "{layer:?}");
        layer.rotate_left(1);
    }
}

#[test]
fn one_gpu_has_no_all_reduce_to_tell_blocks_apart() {
    assert_eq!(
        names("norm gemm rope attn gemm norm gemm act gemm"),
        [
            "input norm",
            "qkv_proj GEMM",
            "rope, KV cache",
            "attention decode",
            "o_proj GEMM",
            "post-attention norm",
            "gate_up_proj GEMM",
            "activation",
            "down_proj GEMM"
        ]
    );
}

#[test]
fn latent_attention_has_products_on_both_sides() {
    assert_eq!(
        names("gemm norm gemm gemm rope mla merge gemm gemm ar_norm gemm gate sort expert expert ar_norm"),
        [
            "qkv_a_proj GEMM",
            "query/key norm",
            "q_b_proj GEMM",
            "k_b_proj GEMM",
            "rope, KV cache",
            "MLA decode",
            "attention reduce",
            "v_b_proj GEMM",
            "o_proj GEMM",
            "all-reduce, norm after attention",
            "router GEMM",
            "MoE gate",
            "MoE sort",
            "MoE stage 1",
            "MoE stage 2",
            "all-reduce, norm after MoE"
        ]
    );
}

#[test]
fn norms_of_queries_and_keys_do_not_end_the_block() {
    let found = names("norm gemm norm norm rope attn gemm norm gemm gate mori sort expert mori");
    assert_eq!(found[..5], ["input norm", "qkv_proj GEMM", "query/key norm 1", "query/key norm 2", "rope, KV cache"]);
    assert_eq!(found[8..], ["router GEMM", "MoE gate", "MoE dispatch", "MoE sort", "MoE experts", "MoE combine"]);
}

#[test]
fn without_attention_kernels_go_by_what_they_do() {
    assert_eq!(names("norm gemm gemm act"), ["norm", "GEMM 1", "GEMM 2", "activation"]);
}

#[test]
fn the_last_product_makes_the_logits() {
    let verdicts: Vec<Verdict> = "norm gemm".split(' ').map(verdict).collect();
    let named: Vec<Named<'_>> = verdicts.iter().map(|verdict| Named::new(verdict, "")).collect();
    assert_eq!(of_tail(&named), ["final norm", "LM head GEMM"]);
    let embed = verdict("embed");
    assert_eq!(of_head(&[Named::new(&embed, "")]), ["embedding"]);
}
