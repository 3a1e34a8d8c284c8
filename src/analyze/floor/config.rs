//! A model's `config.json`: what of it tells how many bytes a decode step must read.
//!
//! Configurations of Hugging Face transformers name the same thing in several ways (`num_experts`, `n_routed_experts`,
//! `num_local_experts`). Each is read under all of its names; what is absent takes the default of the model code, and
//! what is guessed is said in [`Model::assumptions`].

use serde_json::Value;

/// The sizes of a model that decode depends on.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// `model_type`.
    pub kind: String,
    pub(super) hidden: u64,
    pub(super) vocabulary: u64,
    pub(super) layers: Vec<Layer>,
    pub(super) attention: Attention,
    /// Columns of a dense layer's MLP.
    pub(super) intermediate: u64,
    /// Matrices of an MLP: three with a gate, else two.
    pub(super) mlp_matrices: u64,
    pub(super) experts: Option<Experts>,
    /// Layers of a drafter that the model has beside its own.
    pub(super) drafts: u64,
    pub(super) weights: Weights,
    /// Bytes of an element of the KV cache, where the configuration tells.
    pub(super) kv_bytes: Option<f64>,
    /// What is guessed or left out.
    pub assumptions: Vec<String>,
}

/// One layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layer {
    /// Whether it has experts.
    pub(super) sparse: bool,
    pub(super) reach: Reach,
}

/// How far back a layer's attention looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    All,
    Window(u64),
    /// A state of fixed size, which is left out.
    Linear,
}

/// Attention's sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attention {
    /// Multi-head and grouped-query attention.
    Heads { heads: u64, kv_heads: u64, dim: u64 },
    /// Multi-head latent attention (DeepSeek).
    Latent { heads: u64, q_lora: Option<u64>, kv_lora: u64, nope: u64, rope: u64, value: u64 },
}

/// Experts of a sparse layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Experts {
    pub(super) count: u64,
    pub(super) a_token: u64,
    pub(super) intermediate: u64,
    /// Columns of all shared experts together.
    pub(super) shared: u64,
}

/// Bytes of a weight by where it is.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Weights {
    pub(super) plain: f64,
    pub(super) attention: f64,
    pub(super) mlp: f64,
    pub(super) experts: f64,
    /// What quantized weights are called.
    pub(super) format: String,
}

/// Why a configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON.
    #[error("is no JSON: {0}")]
    Json(String),
    /// A size that every model has is missing.
    #[error("has no `{0}`: is it the config.json of a language model?")]
    Missing(&'static str),
    /// A size that makes no sense.
    #[error("has an impossible `{0}`")]
    Impossible(&'static str),
}

/// More layers than any model has: a guard against sizes that are not sizes.
const MOST_LAYERS: u64 = 4096;
/// The same for all other sizes.
const LARGEST: u64 = 1 << 32;

impl Model {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// If it is no JSON object, or lacks what every model has.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let whole: Value = serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        // Multimodal models keep the language model's sizes one level down.
        let nested = ["text_config", "llm_config", "language_config"].iter().find_map(|key| whole.get(key));
        let config = Config(nested.filter(|nested| nested.get("hidden_size").is_some()).unwrap_or(&whole));
        let mut assumptions = Vec::new();
        let hidden = config.need(&["hidden_size", "n_embd", "d_model"], "hidden_size")?;
        let count = config.need(&["num_hidden_layers", "n_layer", "num_layers"], "num_hidden_layers")?;
        if count > MOST_LAYERS {
            return Err(ConfigError::Impossible("num_hidden_layers"));
        }
        let intermediate = config.size(&["intermediate_size", "n_inner", "ffn_dim"])?.unwrap_or(4 * hidden);
        let experts = config.experts(intermediate)?;
        let quantization = config.0.get("quantization_config").or_else(|| whole.get("quantization_config"));
        let kind = config.text("model_type").unwrap_or("unknown").to_owned();
        let ungated =
            ["gpt2", "opt", "gpt_neox", "falcon", "phi", "starcoder2", "bloom", "mpt"].contains(&kind.as_str());
        let weights = Weights::of(&config, quantization, &mut assumptions);
        let layers = config.layers(count, experts.is_some())?;
        let linear = layers.iter().filter(|layer| layer.reach == Reach::Linear).count();
        if linear > 0 {
            assumptions.push(format!("the weights and state of {linear} linear-attention layers are left out"));
        }
        Ok(Self {
            hidden,
            vocabulary: config.need(&["vocab_size"], "vocab_size")?,
            layers,
            attention: config.attention(hidden)?,
            intermediate,
            mlp_matrices: if ungated { 2 } else { 3 },
            experts,
            drafts: config.size(&["num_nextn_predict_layers", "mtp_num_hidden_layers"])?.unwrap_or(0).min(MOST_LAYERS),
            weights,
            kv_bytes: kv_bytes(quantization),
            kind,
            assumptions,
        })
    }
}

/// Bytes of a KV element that the quantization names.
fn kv_bytes(quantization: Option<&Value>) -> Option<f64> {
    let bits = quantization?.get("kv_cache_scheme")?.get("num_bits")?.as_u64()?;
    Some(bits.clamp(4, 32) as f64 / 8.0)
}

/// One level of a configuration.
struct Config<'a>(&'a Value);

impl Config<'_> {
    /// A size under any of its names; `null` is none.
    fn size(&self, names: &[&'static str]) -> Result<Option<u64>, ConfigError> {
        for name in names {
            match self.0.get(name) {
                None | Some(Value::Null) => {}
                Some(value) => match value.as_u64().filter(|&size| size < LARGEST) {
                    Some(size) => return Ok(Some(size)),
                    None => return Err(ConfigError::Impossible(name)),
                },
            }
        }
        Ok(None)
    }

    fn need(&self, names: &[&'static str], name: &'static str) -> Result<u64, ConfigError> {
        self.size(names)?.filter(|&size| size > 0).ok_or(ConfigError::Missing(name))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn attention(&self, hidden: u64) -> Result<Attention, ConfigError> {
        let heads = self.need(&["num_attention_heads", "n_head"], "num_attention_heads")?;
        if let Some(kv_lora) = self.size(&["kv_lora_rank"])? {
            return Ok(Attention::Latent {
                heads,
                q_lora: self.size(&["q_lora_rank"])?,
                kv_lora,
                nope: self.need(&["qk_nope_head_dim"], "qk_nope_head_dim")?,
                rope: self.need(&["qk_rope_head_dim"], "qk_rope_head_dim")?,
                value: self.need(&["v_head_dim"], "v_head_dim")?,
            });
        }
        let kv_heads = self.size(&["num_key_value_heads", "num_kv_heads"])?.filter(|&n| n > 0).unwrap_or(heads);
        Ok(Attention::Heads { heads, kv_heads, dim: self.size(&["head_dim"])?.unwrap_or(hidden / heads) })
    }

    fn experts(&self, intermediate: u64) -> Result<Option<Experts>, ConfigError> {
        let count = self.size(&["n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"])?;
        let Some(count) = count.filter(|&count| count > 1) else { return Ok(None) };
        let a_token = self.size(&["num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k"])?;
        let columns = self.size(&["moe_intermediate_size", "expert_intermediate_size"])?.unwrap_or(intermediate);
        let shared = match self.size(&["shared_expert_intermediate_size"])? {
            Some(columns) => columns,
            None => self.size(&["n_shared_experts", "num_shared_experts"])?.unwrap_or(0).min(64) * columns,
        };
        Ok(Some(Experts { count, a_token: a_token.unwrap_or(1).clamp(1, count), intermediate: columns, shared }))
    }

    fn layers(&self, count: u64, has_experts: bool) -> Result<Vec<Layer>, ConfigError> {
        let dense_first = self.size(&["first_k_dense_replace"])?.unwrap_or(0);
        let every = self.size(&["decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step"]).unwrap_or(None);
        let every = every.unwrap_or(1).max(1);
        let listed = |name: &str, at: u64| {
            let list = self.0.get(name).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|item| item.as_u64() == Some(at)))
        };
        let window = self.size(&["sliding_window"]).unwrap_or(None).filter(|&window| window > 0);
        let slides = self.0.get("use_sliding_window").and_then(Value::as_bool).unwrap_or(true);
        let kinds = self.0.get("layer_types").and_then(Value::as_array);
        let layer = |at: u64| {
            let kind = kinds.and_then(|kinds| kinds.get(at as usize)).and_then(Value::as_str);
            let reach = match (kind, window) {
                (Some("linear_attention" | "mamba" | "recurrent"), _) => Reach::Linear,
                (Some("sliding_attention" | "chunked_attention"), Some(window)) => Reach::Window(window),
                (None, Some(window)) if slides => Reach::Window(window),
                _ => Reach::All,
            };
            let sparse =
                has_experts && at >= dense_first && (at + 1).is_multiple_of(every) && !listed("mlp_only_layers", at);
            Layer { sparse, reach }
        };
        Ok((0..count).map(layer).collect())
    }
}

/// Bytes of a weight with its share of the scales: 32 weights share a byte in MX formats, 128 two bytes in groups.
const MXFP4: f64 = 0.5 + 1.0 / 32.0;
const INT4: f64 = 0.5 + 2.0 / 128.0;

impl Weights {
    fn of(config: &Config<'_>, quantization: Option<&Value>, assumptions: &mut Vec<String>) -> Self {
        let dtype = config.text("torch_dtype").or_else(|| config.text("dtype")).unwrap_or("bfloat16");
        let plain = if dtype.contains("32") { 4.0 } else { 2.0 };
        let Some(quantization) = quantization.filter(|value| value.is_object()) else {
            return Self { plain, attention: plain, mlp: plain, experts: plain, format: dtype.to_owned() };
        };
        let (bytes, format) = weight_format(quantization).unwrap_or_else(|| {
            assumptions.push(format!("the quantization is of no known kind: weights are taken for {dtype}"));
            (plain, dtype.to_owned())
        });
        // Names of modules that stay as they were; patterns among them are taken for what they contain.
        let spared: Vec<&str> = ["modules_to_not_convert", "ignore", "ignored_layers", "exclude"]
            .iter()
            .filter_map(|key| quantization.get(key)?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let is_spared = |words: &[&str]| spared.iter().any(|name| words.iter().any(|word| name.contains(word)));
        let of = |is_spared: bool| if is_spared { plain } else { bytes };
        assumptions.push(format!("quantized weights are {format}; output head, router and norms are {dtype}"));
        Self {
            plain,
            attention: of(is_spared(&["attn", "attention"])),
            mlp: of(is_spared(&[".mlp.gate_proj", ".mlp.up_proj", ".mlp.down_proj", "mlp.gate_up_proj"])),
            experts: of(is_spared(&["experts."])),
            format,
        }
    }
}

/// Bytes of a quantized weight, and its name.
fn weight_format(quantization: &Value) -> Option<(f64, String)> {
    let method = quantization.get("quant_method").and_then(Value::as_str).unwrap_or("");
    let group = quantization.get("config_groups").and_then(Value::as_object).and_then(|groups| groups.values().next());
    let weights = group.and_then(|group| group.get("weights"));
    let global = quantization.get("global_quant_config").and_then(|global| global.get("weight"));
    let global = global.map(|weight| weight.get(0).unwrap_or(weight));
    let by_bits = |bits: u64, floats: bool| match bits {
        8 => Some((1.0, if floats { "fp8" } else { "int8" }.to_owned())),
        4 if floats => Some((MXFP4, "fp4".to_owned())),
        4 => Some((INT4, "int4".to_owned())),
        _ => None,
    };
    if let Some(dtype) = global.and_then(|weight| weight.get("dtype")).and_then(Value::as_str) {
        return by_bits(if dtype.contains('4') && !dtype.contains("e4m3") { 4 } else { 8 }, dtype.starts_with("fp"));
    }
    if let Some(bits) = weights.and_then(|weights| weights.get("num_bits")).and_then(Value::as_u64) {
        let floats = weights.and_then(|weights| weights.get("type")).and_then(Value::as_str) == Some("float");
        return by_bits(bits, floats);
    }
    match method {
        "fp8" | "fbgemm_fp8" | "ptpc_fp8" => by_bits(8, true),
        "mxfp4" => by_bits(4, true),
        _ => by_bits(quantization.get("bits").and_then(Value::as_u64)?, false),
    }
}
