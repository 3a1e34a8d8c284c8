//! What a kernel's place in the layer is called.
//!
//! A matrix product's name says nothing of its purpose; what stands around it does. A layer is an attention block and
//! then a feed-forward block, and each begins where a norm or an all-reduce hands over:
//!
//! ```text
//!    norm  qkv_proj  rope  attention  o_proj  all-reduce │ norm  gate_up_proj  activation  down_proj  all-reduce
//!          └─ before ──┘      ┆      └─── after ───────┘        └──────────── feed-forward ──────────────────┘
//!                            core
//! ```
//!
//! The layer is taken as a ring, because where a fold begins is arbitrary. A layer of which the core is unknown has no
//! blocks; then a kernel is called by what it does alone.

use std::collections::HashMap;

use crate::classify::{Category, Verdict};
use crate::output::layers::Section;

/// What is known of a kernel that is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) category: Category,
    pub(crate) sub: &'a str,
    /// For fused kernels, the second thing it does.
    pub(crate) secondary: Option<&'a str>,
    /// What a communication kernel does, where its name tells.
    pub(crate) collective: Option<&'a str>,
    /// Its name, for what nothing else tells.
    pub(crate) text: &'a str,
}

impl<'a> Named<'a> {
    /// A kernel of this class and name.
    pub(crate) fn new(verdict: &'a Verdict, text: &'a str) -> Self {
        Self {
            category: verdict.category,
            sub: verdict.sub.as_deref().unwrap_or("unknown"),
            secondary: verdict.secondary.as_deref(),
            collective: verdict.traits.collective,
            text,
        }
    }

    fn is(&self, category: Category) -> bool {
        self.category == category
    }

    /// Whether this mixes tokens: the layer's attention, or what stands for it.
    fn is_core(&self) -> bool {
        let attention = self.is(Category::Attention) && (self.sub.contains("decode") || self.sub.contains("prefill"));
        attention || self.sub.contains("linear-attention")
    }

    fn is_mla(&self) -> bool {
        self.sub.starts_with("mla")
    }

    /// A product, not the sum over its parts that follows when K is split.
    fn is_gemm(&self) -> bool {
        self.is(Category::Gemm) && !self.is_split_k_sum()
    }

    fn is_split_k_sum(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        self.is(Category::Gemm)
            && (text.contains("postgsu") || (text.contains("reduce") && !text.contains("reduce_scatter")))
    }

    fn is_norm(&self) -> bool {
        !self.is(Category::Allreduce) && (self.sub.contains("norm") || self.secondary == Some("norm"))
    }

    fn is_activation(&self) -> bool {
        self.sub.contains("activation") || self.sub.contains("_act")
    }

    /// Whether a kernel that writes the KV cache rotates too: its name says so, or is not known.
    fn rotates(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        text.is_empty() || ["rope", "rotary", "rotate"].iter().any(|word| text.contains(word))
    }

    /// What it does, wherever it stands.
    pub(crate) fn plain(&self) -> String {
        let sub = self.sub;
        let title = match (self.category, sub) {
            (Category::Gemm, _) if self.is_split_k_sum() => "split-K sum",
            (Category::Gemm, _) => "GEMM",
            (Category::Attention, "mha_decode/paged") => "attention decode",
            (Category::Attention, "mla_decode") => "MLA decode",
            (Category::Attention, "mla_prefill") => "MLA prefill",
            (Category::Attention, "fa_prefill") => "attention prefill",
            (Category::Attention, "reduce/merge") => "attention reduce",
            (Category::Attention, "kv_cache_write/rope") if self.rotates() => "rope, KV cache",
            (Category::Attention, "kv_cache_write/rope") => "KV cache write",
            (Category::Attention, "metadata") => "attention metadata",
            (Category::Attention, "unknown") => "attention",
            (Category::Moe, "gate/topk") => "MoE gate",
            (Category::Moe, "sort") => "MoE sort",
            (Category::Moe, "expert_gemm") => "MoE experts",
            (Category::Moe, "expert_act") => "MoE activation",
            (Category::Moe, "moe_reduce") => "MoE reduce",
            (Category::Moe, "scatter/gather/permute") => "MoE permute",
            (Category::Moe, _) => "MoE",
            (Category::Allreduce, _) => match self.collective {
                Some("all_gather") => "all-gather",
                Some("reduce_scatter") => "reduce-scatter",
                Some("all_to_all") => "all-to-all",
                Some("broadcast") => "broadcast",
                Some("send_recv") => "send, receive",
                _ if sub.starts_with("mori") => "communication",
                _ => "all-reduce",
            },
            (Category::Quantization, _) if self.is_norm() => "norm, quantization",
            (Category::Quantization, _) if self.is_activation() => "activation, quantization",
            (Category::Quantization, "dequant") => "dequantization",
            (Category::Quantization, _) => "quantization",
            (Category::Other, "norm") if self.secondary == Some("quantization") => "norm, quantization",
            (Category::Other, "unknown") => "unknown",
            (_, sub) => sub,
        };
        let fused = match (self.category, self.secondary) {
            (Category::Allreduce, Some("norm")) => ", norm",
            (Category::Gemm, Some("allreduce")) => ", all-reduce",
            _ => "",
        };
        format!("{title}{fused}")
    }
}

/// What the places of a layout are called.
#[derive(Debug)]
pub(crate) struct Roles {
    head: Vec<String>,
    layer: Vec<String>,
    tail: Vec<String>,
    /// Which of `layer` the layer begins with.
    begins: usize,
}

impl Roles {
    /// Of the kernels in these places, in the order of the fold.
    pub(crate) fn new(head: &[Named<'_>], layer: &[Named<'_>], tail: &[Named<'_>]) -> Self {
        let (layer, begins) = of_layer(layer);
        Self { head: of_head(head), layer, tail: of_tail(tail), begins }
    }

    /// What the place `at` of `section` is called.
    pub(crate) fn role(&self, section: Section, at: u32) -> Option<&str> {
        let roles = match section {
            Section::Head => &self.head,
            Section::Layer => &self.layer,
            Section::Tail => &self.tail,
        };
        roles.get(at as usize).map(String::as_str)
    }

    /// Where the place `at` of `section` comes in the order in which it runs.
    pub(crate) fn position(&self, section: Section, at: u32) -> u32 {
        let (length, begins) = (self.layer.len() as u32, self.begins as u32);
        if section == Section::Layer { (at + length - begins) % length } else { at }
    }
}

/// Names of the kernels of a layer, and which of them the layer begins with.
fn of_layer(layer: &[Named<'_>]) -> (Vec<String>, usize) {
    let Some(core) = layer.iter().position(Named::is_core) else {
        return (numbered(layer.iter().map(Named::plain).collect(), 0), 0);
    };
    let length = layer.len();
    let blocks = Blocks::of(layer, core);
    let mut names = vec![String::new(); length];
    for step in 0..length {
        let at = (core + length - blocks.before + step) % length;
        let kernel = layer[at];
        names[at] = match step {
            _ if step < blocks.before => before_core(layer, core, &blocks, step, kernel),
            _ if step < blocks.before + 1 + blocks.after => {
                after_core(layer, core, &blocks, step - blocks.before, kernel)
            }
            _ => feed_forward(layer, core, &blocks, step - blocks.before - blocks.after - 1, kernel),
        };
    }
    let begins = (core + length - blocks.before) % length;
    (numbered(names, begins), begins)
}

/// How many kernels of the ring belong to the attention block before and after the core.
struct Blocks {
    before: usize,
    after: usize,
}

impl Blocks {
    fn of(layer: &[Named<'_>], core: usize) -> Self {
        let length = layer.len();
        let ahead = |by: usize| layer[(core + by) % length];
        let mut after = 0;
        while after + 1 < length {
            let next = ahead(after + 1);
            let ends = next.is_norm() || next.is(Category::Moe) || next.is_activation() || next.is_core();
            if ends && !next.sub.contains("attention") {
                break;
            }
            after += 1;
            if next.is(Category::Allreduce) {
                break;
            }
        }
        let back = |by: usize| layer[(core + length - by) % length];
        let (mut before, mut gemms) = (0, 0);
        while before + after + 1 < length {
            let next = back(before + 1);
            if next.is(Category::Allreduce) || next.is(Category::Moe) || next.is_activation() {
                break;
            }
            before += 1;
            gemms += usize::from(next.is_gemm());
            // A norm ends the block, unless it is one of queries or keys: before these, products are still to come.
            if next.is_norm() && gemms > 0 && !(layer[core].is_mla() && is_latent_norm(layer, core, before)) {
                break;
            }
        }
        Self { before, after }
    }
}

/// Whether the norm `by` kernels before an MLA core is that of the latent query: a product and another norm come before.
fn is_latent_norm(layer: &[Named<'_>], core: usize, by: usize) -> bool {
    let length = layer.len();
    let further = (by + 1..length).map(|by| layer[(core + length - by) % length]);
    let mut product = false;
    for kernel in further {
        if kernel.is(Category::Allreduce) || kernel.is(Category::Moe) || kernel.is_activation() || kernel.is_core() {
            // The all-reduce may have the input norm in it.
            return product && kernel.secondary == Some("norm");
        }
        if kernel.is_norm() {
            return product;
        }
        product |= kernel.is_gemm();
    }
    false
}

fn before_core(layer: &[Named<'_>], core: usize, blocks: &Blocks, step: usize, kernel: Named<'_>) -> String {
    let length = layer.len();
    let of_block = |step: usize| layer[(core + length - blocks.before + step) % length];
    if kernel.is_gemm() {
        if !layer[core].is_mla() {
            return "qkv_proj GEMM".to_owned();
        }
        let earlier = (0..step).filter(|&step| of_block(step).is_gemm()).count();
        return ["qkv_a_proj GEMM", "q_b_proj GEMM", "k_b_proj GEMM"][earlier.min(2)].to_owned();
    }
    if kernel.is_norm() {
        let first = (0..step).all(|step| !of_block(step).is_norm() && !of_block(step).is_gemm());
        let plain = kernel.plain();
        return if first { format!("input {plain}") } else { format!("query/key {plain}") };
    }
    kernel.plain()
}

fn after_core(layer: &[Named<'_>], core: usize, blocks: &Blocks, by: usize, kernel: Named<'_>) -> String {
    if kernel.is_gemm() {
        let later = (by + 1..=blocks.after).filter(|&by| layer[(core + by) % layer.len()].is_gemm()).count();
        return if later == 0 { "o_proj GEMM" } else { "v_b_proj GEMM" }.to_owned();
    }
    match kernel.category {
        Category::Allreduce => format!("{} after attention", kernel.plain()),
        _ => kernel.plain(),
    }
}

fn feed_forward(layer: &[Named<'_>], core: usize, blocks: &Blocks, step: usize, kernel: Named<'_>) -> String {
    let length = layer.len();
    let block: Vec<Named<'_>> =
        (core + blocks.after + 1..core + length - blocks.before).map(|at| layer[at % length]).collect();
    let moe = block.iter().position(|kernel| kernel.is(Category::Moe));
    let products = |range: std::ops::Range<usize>| block[range].iter().filter(|kernel| kernel.is_gemm()).count();
    if kernel.is_gemm() {
        let activation = block.iter().position(Named::is_activation);
        return match (moe, activation) {
            (Some(moe), _) if step < moe => "router GEMM",
            (Some(_), _) => "shared expert GEMM",
            (None, Some(at)) if step < at => "gate_up_proj GEMM",
            (None, Some(_)) => "down_proj GEMM",
            (None, None) if products(0..block.len()) == 1 => "MLP GEMM",
            (None, None) if products(step + 1..block.len()) == 0 => "down_proj GEMM",
            (None, None) => "gate_up_proj GEMM",
        }
        .to_owned();
    }
    if kernel.is(Category::Moe) && kernel.sub == "expert_gemm" {
        let stages = block.iter().filter(|kernel| kernel.is(Category::Moe) && kernel.sub == "expert_gemm").count();
        let stage =
            block[..step].iter().filter(|kernel| kernel.is(Category::Moe) && kernel.sub == "expert_gemm").count();
        return if stages == 1 { "MoE experts".to_owned() } else { format!("MoE stage {}", stage + 1) };
    }
    if kernel.is(Category::Allreduce) {
        let experts = block.iter().position(|kernel| kernel.sub == "expert_gemm");
        return match (kernel.secondary, experts) {
            (Some("moe"), Some(at)) if step < at => "MoE dispatch".to_owned(),
            (Some("moe"), Some(_)) => "MoE combine".to_owned(),
            _ => format!("{} after {}", kernel.plain(), if moe.is_some() { "MoE" } else { "MLP" }),
        };
    }
    if kernel.is_norm() && products(0..step) == 0 && moe.is_none_or(|moe| step < moe) {
        return format!("post-attention {}", kernel.plain());
    }
    kernel.plain()
}

/// Names of the kernels before the first layer.
fn of_head(head: &[Named<'_>]) -> Vec<String> {
    numbered(head.iter().map(Named::plain).collect(), 0)
}

/// Names of the kernels after the last layer.
fn of_tail(tail: &[Named<'_>]) -> Vec<String> {
    let products = tail.iter().filter(|kernel| kernel.is_gemm()).count();
    let mut product = 0;
    let name = |kernel: &Named<'_>| {
        if kernel.is_gemm() {
            product += 1;
            return if product == products { "LM head GEMM".to_owned() } else { kernel.plain() };
        }
        if kernel.is_norm() && product == 0 { format!("final {}", kernel.plain()) } else { kernel.plain() }
    };
    numbered(tail.iter().map(name).collect(), 0)
}

/// Tells names apart that occur more than once, counting from the place at which the layer begins.
fn numbered(mut names: Vec<String>, begins: usize) -> Vec<String> {
    let mut times: HashMap<String, usize> = HashMap::new();
    names.iter().for_each(|name| *times.entry(name.clone()).or_default() += 1);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for step in 0..names.len() {
        let at = (begins + step) % names.len();
        if times[&names[at]] > 1 {
            let nth = seen.entry(names[at].clone()).or_default();
            *nth += 1;
            names[at] = format!("{} {nth}", names[at]);
        }
    }
    names
}

#[cfg(test)]
mod tests;
