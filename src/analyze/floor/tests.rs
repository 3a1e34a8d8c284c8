//! Sizes of real models, worked out by hand.

use proptest::prelude::*;

use super::*;
use crate::analyze::testing::{Row, trace_with_steps};
use crate::output::layers::Layers;
use crate::output::time::CategoryPart;

const LLAMA_70B: &str = r#"{"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80,
    "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128256,
    "torch_dtype": "bfloat16"}"#;

const DEEPSEEK: &str = r#"{"model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61,
    "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256,
    "num_experts_per_tok": 8, "n_shared_experts": 1, "first_k_dense_replace": 3, "moe_layer_freq": 1,
    "vocab_size": 129280, "torch_dtype": "bfloat16",
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}}"#;

const GPT_OSS: &str = r#"{"model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 24, "head_dim": 64,
    "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 2880, "num_local_experts": 32,
    "num_experts_per_tok": 4, "vocab_size": 201088, "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert":
        ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}}"#;

fn bytes(config: &str, ranks: f64, batch: f64, context: u32) -> Vec<(&'static str, u64)> {
    let model = Model::parse(config).unwrap();
    let sharing = Sharing { tensor: ranks as u32, experts: ranks as u32, data: 1 };
    let shape = Shape { sharing, batch, kv_bytes: 2.0 };
    parts(&model, shape, Some(context), &mut Vec::new()).iter().map(|part| (part.name, part.bytes_per_step)).collect()
}

fn of(parts: &[(&'static str, u64)], name: &str) -> u64 {
    parts.iter().find(|part| part.0 == name).map_or(0, |part| part.1)
}

#[test]
fn a_dense_model_reads_all_its_weights_and_the_cache_of_grouped_queries() {
    let parts = bytes(LLAMA_70B, 1.0, 4.0, 1000);
    assert_eq!(of(&parts, "attention projections"), 80 * 2 * 8192 * 128 * (64 + 64 + 8 + 8));
    assert_eq!(of(&parts, "dense MLPs"), 80 * 2 * 3 * 8192 * 28672);
    assert_eq!(of(&parts, "output head"), 2 * 8192 * 128_256);
    assert_eq!(of(&parts, "KV cache"), 4 * 1000 * 80 * 2 * 8 * 128 * 2);
    // 70 billion parameters less the input embedding, at two bytes.
    let weights: u64 = parts.iter().filter(|part| part.0 != "KV cache").map(|part| part.1).sum();
    assert!((138.0e9..140.0e9).contains(&(weights as f64)), "{weights}");
}

#[test]
fn eight_ranks_read_an_eighth_each_and_sixteen_cannot_split_eight_kv_heads_further() {
    let (one, eight) = (bytes(LLAMA_70B, 1.0, 4.0, 1000), bytes(LLAMA_70B, 8.0, 4.0, 1000));
    assert!(one.iter().zip(&eight).all(|(one, eight)| one.1 == eight.1 * 8));
    let sixteen = bytes(LLAMA_70B, 16.0, 4.0, 1000);
    assert_eq!(of(&sixteen, "KV cache"), of(&eight, "KV cache"));
}

#[test]
fn latent_attention_reads_its_cache_once_on_every_rank() {
    let (one, eight) = (bytes(DEEPSEEK, 1.0, 1.0, 1000), bytes(DEEPSEEK, 8.0, 1.0, 1000));
    assert_eq!(of(&one, "KV cache"), 1000 * 61 * 576 * 2);
    assert_eq!(of(&eight, "KV cache"), of(&one, "KV cache"));
    // 671 billion parameters, of which 37 billion are active for one token: FP8 makes that many bytes, and the output
    // head has two a weight. The input embedding (0.9 billion) is not read.
    let active: u64 = one.iter().filter(|part| part.0 != "KV cache").map(|part| part.1).sum();
    assert!((36.0e9..39.5e9).contains(&(active as f64)), "{active}");
}

#[test]
fn a_batch_touches_more_experts_but_never_more_than_there_are() {
    let routed = |batch| of(&bytes(DEEPSEEK, 1.0, batch, 0), "routed experts");
    let expert = 58 * 3 * 7168 * 2048;
    assert_eq!(routed(1.0), 8 * expert);
    let two = 256.0 * (1.0 - (248.0_f64 / 256.0).powi(2)) * expert as f64;
    assert!((routed(2.0) as f64 - two).abs() < 2.0);
    assert!(routed(4096.0) <= 256 * expert && routed(4096.0) > 255 * expert);
}

#[test]
fn sliding_windows_end_and_what_is_not_converted_keeps_its_bytes() {
    let short = of(&bytes(GPT_OSS, 1.0, 1.0, 100), "KV cache");
    let long = of(&bytes(GPT_OSS, 1.0, 1.0, 10_000), "KV cache");
    let a_token = 2 * 8 * 64 * 2;
    assert_eq!(short, 24 * 100 * a_token);
    // Two of the four listed layers slide; layers that the list does not reach look as far as the window.
    assert_eq!(long, (2 * 10_000 + 22 * 128) * a_token);
    let parts = bytes(GPT_OSS, 1.0, 1.0, 0);
    assert_eq!(of(&parts, "attention projections"), 24 * 2 * 2880 * 64 * (64 + 64 + 8 + 8));
    let expert = 3.0 * 2880.0 * 2880.0 * (0.5 + 1.0 / 32.0);
    assert_eq!(of(&parts, "routed experts"), (24.0_f64 * 4.0 * expert).round() as u64);
}

#[test]
fn formats_of_weights_are_read_as_each_tool_writes_them() {
    let bytes = |quantization: &str| {
        let mut config: serde_json::Value = serde_json::from_str(LLAMA_70B).unwrap();
        config["quantization_config"] = serde_json::from_str(quantization).unwrap();
        let weights = Model::parse(&config.to_string()).unwrap().weights;
        (weights.mlp, weights.attention)
    };
    let quark =
        r#"{"quant_method": "quark", "exclude": ["lm_head"], "global_quant_config": {"weight": {"dtype": "fp4"}}}"#;
    assert_eq!(bytes(quark), (17.0 / 32.0, 17.0 / 32.0));
    let compressed = r#"{"quant_method": "compressed-tensors", "ignore": ["re:.*self_attn.*"],
        "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}}}"#;
    assert_eq!(bytes(compressed), (1.0, 2.0));
    assert_eq!(bytes(r#"{"quant_method": "gptq", "bits": 4}"#), (0.515625, 0.515625));
    assert_eq!(bytes(r#"{"quant_method": "of tomorrow"}"#), (2.0, 2.0));
}

#[test]
fn what_is_no_config_is_refused_with_what_is_missing() {
    assert!(matches!(Model::parse("{"), Err(ConfigError::Json(_))));
    assert_eq!(Model::parse("{}"), Err(ConfigError::Missing("hidden_size")));
    let many = LLAMA_70B.replace("\"num_hidden_layers\": 80", "\"num_hidden_layers\": 99999");
    assert_eq!(Model::parse(&many), Err(ConfigError::Impossible("num_hidden_layers")));
}

fn given(context: Option<u32>) -> Given {
    let model = Model::parse(LLAMA_70B).unwrap();
    let gpu = find_gpu(Some("MI300X"), None);
    Given { model, tensor_parallel: Some(8), batch: Some(16), context, kv_bytes: None, gpu }
}

fn floor_of(report: &Report, given: &Given) -> Result<Floor, NoFloor> {
    floor(report, given, &Served::default())
}

fn report() -> Report {
    let rows: Vec<Row> = (0..10_i64)
        .map(|step| {
            let at = step * 10_000_000;
            Row::decode(&[("gemm", at, at + 6_000_000), ("attn", at + 6_000_000, at + 8_000_000)])
        })
        .collect();
    trace_with_steps(&rows).report()
}

#[test]
fn each_category_is_compared_with_what_it_reads() {
    let floor = floor_of(&report(), &given(Some(2000))).unwrap();
    let bytes = (80 * 2 * 8192 * (128 * 144 + 3 * 28672) + 2 * 8192 * 128_256) / 8;
    let gemm = &floor.categories[0];
    assert_eq!((gemm.name, gemm.bytes_per_step), (Category::Gemm, bytes));
    assert_eq!(gemm.floor_ns_per_step, (bytes as f64 / 5300.0).round() as u64);
    assert_eq!(gemm.gpu_ns_per_step, 6_000_000);
    let sum: u64 = floor.categories.iter().map(|row| row.bytes_per_step).sum();
    assert_eq!(floor.bytes_per_step, sum);
    // Nine steps of 10 ms, and the last of 8, which nothing follows.
    assert_eq!(floor.measured_ns_per_step, 9_800_000);
}

#[test]
fn what_is_not_known_is_said_and_makes_the_floor_lower_not_higher() {
    let mut report = report();
    let (with, without) = (floor_of(&report, &given(Some(2000))).unwrap(), floor_of(&report, &given(None)).unwrap());
    assert!(without.floor_ns_per_step < with.floor_ns_per_step);
    assert!(without.assumptions.iter().any(|said| said.contains("KV cache is left out")));
    report.source.iter_mut().for_each(|row| (row.gpu, row.arch) = (None, None));
    let unnamed = Given { gpu: None, ..given(None) };
    assert_eq!(floor_of(&report, &unnamed), Err(NoFloor::UnknownGpu));
    report.source[0].gpu = Some("NVIDIA H100 80GB HBM3".to_owned());
    assert_eq!(floor_of(&report, &unnamed), Err(NoFloor::OtherGpu));
}

#[test]
fn a_floor_that_steps_undercut_says_that_it_is_none() {
    let undercut = |batch| {
        let given = Given { tensor_parallel: Some(1), batch: Some(batch), ..given(None) };
        let model = Model::parse(DEEPSEEK).unwrap();
        let floor = floor_of(&report(), &Given { model, ..given }).unwrap();
        let said = floor.assumptions.iter().any(|said| said.contains("took less than this floor"));
        assert!(floor.assumptions.iter().any(|said| said.contains("estimate")));
        (floor.measured_ns_per_step < floor.floor_ns_per_step, said)
    };
    // All of 671 GB take 126 ms, and the steps take 10; eight of 256 experts leave less than 9.
    assert_eq!(undercut(4096), (true, true));
    assert_eq!(undercut(1), (false, false));
}

#[test]
fn what_the_trace_tells_of_how_it_was_served_is_taken_where_the_user_says_nothing() {
    let served = Served { context: Some(2000), kv_bytes: Some(1.0), compute_units: [38].into() };
    let told = floor(&report(), &given(None), &served).unwrap();
    assert_eq!((told.context, told.hbm_bytes_per_ns), (Some(2000), 5300.0 / 8.0));
    let cache = |floor: &Floor| floor.parts.iter().find(|part| part.name == "KV cache").unwrap().bytes_per_step;
    assert_eq!(2 * cache(&told), cache(&floor_of(&report(), &given(Some(2000))).unwrap()));
    for word in ["partition", "labels tell", "8 bits an element"] {
        assert!(told.assumptions.iter().any(|said| said.contains(word)), "{word}: {:?}", told.assumptions);
    }
    let odd = Served { compute_units: [100].into(), ..served };
    assert_eq!(floor(&report(), &given(None), &odd), Err(NoFloor::OtherUnits("MI300X")));
}

#[test]
fn ranks_with_requests_of_their_own_have_all_of_attention_and_a_part_of_the_experts() {
    let of = |collective: &str| {
        let mut report = report();
        report.ranks = 8;
        let row = report.categories.iter_mut().find(|row| row.name == Category::Allreduce).unwrap();
        let part = |name: &&str| CategoryPart {
            name: (*name).to_owned(),
            dispatches: 1,
            gpu_time_ns: 1,
            share: 1.0,
            guessed_share: 0.0,
        };
        row.collectives = Some(&collective).filter(|name| !name.is_empty()).iter().map(|name| part(name)).collect();
        let given =
            Given { model: Model::parse(DEEPSEEK).unwrap(), tensor_parallel: None, batch: Some(4), ..given(None) };
        floor_of(&report, &given).unwrap()
    };
    let part = |floor: &Floor, name| floor.parts.iter().find(|part| part.name == name).unwrap().bytes_per_step;
    let (split, moved, alone) = (of("all_reduce"), of("all_to_all"), of(""));
    assert_eq!((split.tensor_parallel, moved.tensor_parallel, alone.tensor_parallel), (8, 1, 1));
    assert_eq!(part(&moved, "attention projections"), part(&alone, "attention projections"));
    assert!(part(&split, "attention projections") < part(&moved, "attention projections"));
    // 32 requests touch more of the experts than 4, of which a rank has an eighth either way; alone it has all.
    let expected = |requests: i32| 1.0 - (248.0_f64 / 256.0).powi(requests);
    let ratio = part(&moved, "routed experts") as f64 / part(&split, "routed experts") as f64;
    assert!((ratio - expected(32) / expected(4)).abs() < 1e-6, "{ratio}");
    assert_eq!(part(&alone, "routed experts"), 8 * part(&split, "routed experts"));
}

#[test]
fn a_configuration_of_another_model_is_refused_with_the_figures_that_differ() {
    let mut shown = report();
    shown.layers = Some(Layers {
        count: 32,
        steps: 10,
        other_steps: 0,
        told: None,
        kinds: vec![],
        per_layer: vec![],
        slots: vec![],
    });
    let llama = Model::parse(LLAMA_70B).unwrap();
    assert_eq!(contradictions(&shown, &llama), ["layers: 80 in the configuration, 32 in the trace"]);
    shown.layers.as_mut().unwrap().count = 80;
    assert_eq!(contradictions(&shown, &llama), [""; 0]);
    shown.source[0].framework = Some("vllm".to_owned());
    let deepseek = contradictions(&shown, &Model::parse(DEEPSEEK).unwrap());
    assert_eq!(deepseek.len(), 2, "{deepseek:?}");
    assert!(deepseek[1].starts_with("experts: 256"));
    let moe = shown.categories.iter_mut().find(|row| row.name == Category::Moe).unwrap();
    (moe.gpu_share, moe.gpu_time_ns) = (0.3, 1_000);
    assert!(matches!(floor_of(&shown, &given(None)), Err(NoFloor::OtherModel(why)) if why.contains("experts: none")));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = Model::parse(&text);
    }

    #[test]
    fn more_requests_or_a_longer_context_never_lower_the_floor(batch in 1_u32..512, context in 0_u32..100_000) {
        let total = |batch: f64, context| bytes(DEEPSEEK, 8.0, batch, context).iter().map(|part| part.1).sum::<u64>();
        let least = total(f64::from(batch), context);
        prop_assert!(total(f64::from(batch) + 1.0, context) >= least);
        prop_assert!(total(f64::from(batch), context + 1) >= least);
    }
}
