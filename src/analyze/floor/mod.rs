//! How fast a decode step could be: the bytes that it must read, over the bandwidth of the HBM.
//!
//! A decode step computes little and reads much: every weight that its tokens touch once, and the KV cache of every
//! request once. No kernel makes that shorter, so the time it takes at full bandwidth is a floor, and the distance to it
//! is what tuning can win at most.
//!
//! ```text
//!   weights of attention, dense MLPs, output head ─┐
//!   weights of the experts that the batch touches ─┼─ a rank's bytes ─ ÷ HBM bandwidth ─ floor by category
//!   KV cache: batch × context × layers ────────────┘
//! ```
//!
//! The floor is of one rank. What tensor parallelism splits is divided by it, what it copies is not: the projections
//! into MLA's latent space, the router, the latent KV cache, KV heads beyond one a rank. Caches between HBM and the compute
//! units help little, since the weights of all other layers pass between two reads of the same one. Activations, norms,
//! communication and computing are left out: they make a step longer, never shorter.
//!
//! Which experts a batch touches is not in the trace: with even routing, `E × (1 - (1 - k/E)^batch)` of `E` are
//! expected. Real routing may touch fewer, so with experts the floor is an estimate, and where steps undercut it
//! something assumed does not hold: both are said. Everything assumed is listed with the result.

mod config;
mod gpus;
mod other_model;
mod served;

use thiserror::Error;

use crate::classify::Category;
use crate::output::Report;
use crate::output::floor::{Floor, FloorPart, FloorRow};
use crate::output::report::ScopeOf;

pub use config::{ConfigError, Model};
pub(crate) use gpus::MatrixType;
pub use gpus::{GPUS, Gpu, find as find_gpu};
pub use other_model::contradictions;
pub(super) use served::{Served, compute_units, partition};

use config::{Attention, Reach};
use served::{Sharing, sharing};

/// What the user told of the model and how it was served.
#[derive(Clone, PartialEq, Debug)]
pub struct Given {
    /// The model's configuration.
    pub model: Model,
    /// Ranks that share the weights; `None`: as the collectives tell, of as many ranks as there are.
    pub tensor_parallel: Option<u32>,
    /// Requests in a step; `None`: the median of the steps that tell.
    pub batch: Option<u32>,
    /// Tokens in the KV cache of a request; `None`: as labels tell, else the KV cache is left out.
    pub context: Option<u32>,
    /// Bytes of an element of the KV cache; `None`: as kernels or the configuration tell, else two.
    pub kv_bytes: Option<f64>,
    /// The GPU; `None`: as the trace says.
    pub gpu: Option<&'static Gpu>,
}

/// Why there is no floor.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(super) enum NoFloor {
    /// Nothing was measured that a floor could be held against.
    #[error("there are no decode steps to compare with")]
    NoSteps,
    /// Without the GPU there is no bandwidth.
    #[error("the trace does not tell the GPU: name it with --gpu")]
    UnknownGpu,
    /// The trace is of a GPU whose bandwidth is not known here.
    #[error("the bandwidth of the trace's GPU is not known here, only that of AMD Instinct GPUs is")]
    OtherGpu,
    /// The GPU shows as many compute units as no partition of it has.
    #[error("the GPU has other compute units than {0}, or than a partition of one: name it with --gpu")]
    OtherUnits(&'static str),
    /// The configuration is not that of the model in the trace.
    #[error("the configuration is of another model ({0})")]
    OtherModel(String),
}

/// The floor of the steps in `report`, and what stands against one.
///
/// # Errors
/// Why there is no floor.
pub(super) fn floor(report: &Report, given: &Given, served: &Served) -> Result<Floor, NoFloor> {
    let steps = report.steps.gpu_span_ns.map_or(0, |span| span.count);
    if report.scope.of != ScopeOf::DecodeSteps || steps == 0 {
        return Err(NoFloor::NoSteps);
    }
    let differing = contradictions(report, &given.model);
    if !differing.is_empty() {
        return Err(NoFloor::OtherModel(differing.join("; ")));
    }
    let mut assumptions = given.model.assumptions.clone();
    let gpu = given.gpu.or_else(|| trace_gpu(report, &mut assumptions));
    let told = report.source.iter().any(|row| row.gpu.is_some() || row.arch.is_some());
    let gpu = gpu.ok_or(if told { NoFloor::OtherGpu } else { NoFloor::UnknownGpu })?;
    let (part, said) = partition(gpu, &served.compute_units).ok_or(NoFloor::OtherUnits(gpu.name))?;
    assumptions.extend(said);
    let bandwidth = gpu.hbm_bytes_per_ns * part;
    let (sharing, batch, context, kv_bytes) = assumed(report, given, served, &mut assumptions);
    let shape = Shape { sharing, batch: f64::from(batch.max(1)), kv_bytes };
    let parts = parts(&given.model, shape, context, &mut assumptions);
    let ns = |bytes: u64| (bytes as f64 / bandwidth).round() as u64;
    let row = |name: Category| {
        let bytes: u64 = parts.iter().filter(|part| part.category == name).map(|part| part.bytes_per_step).sum();
        let measured = report.category(name)?;
        let gpu_ns_per_step = measured.gpu_time_ns / steps;
        (bytes > 0).then(|| FloorRow {
            name,
            bytes_per_step: bytes,
            floor_ns_per_step: ns(bytes),
            critical_ns_per_step: measured.critical_ns.map(|ns| ns / steps),
            gpu_ns_per_step,
            times_floor: gpu_ns_per_step as f64 / ns(bytes).max(1) as f64,
        })
    };
    let bytes: u64 = parts.iter().map(|part| part.bytes_per_step).sum();
    let measured_ns_per_step = report.scope.wall_ns / steps;
    if measured_ns_per_step < ns(bytes) {
        assumptions.push(
            "the steps took less than this floor, so something assumed here does not hold: it is an estimate, and no floor"
                .to_owned(),
        );
    }
    Ok(Floor {
        gpu: gpu.name,
        hbm_bytes_per_ns: bandwidth,
        source: gpu.source,
        model: given.model.kind.clone(),
        tensor_parallel: sharing.tensor,
        batch,
        context,
        bytes_per_step: bytes,
        floor_ns_per_step: ns(bytes),
        measured_ns_per_step,
        times_floor: measured_ns_per_step as f64 / ns(bytes).max(1) as f64,
        categories: Category::ALL.into_iter().filter_map(row).collect(),
        parts,
        assumptions,
    })
}

/// Who shares the weights, batch, context and bytes of an element of the KV cache: as given, else as the trace tells, else
/// assumed.
fn assumed(
    report: &Report,
    given: &Given,
    served: &Served,
    assumptions: &mut Vec<String>,
) -> (Sharing, u32, Option<u32>, f64) {
    let ranks = report.source.iter().filter_map(|row| row.world_size).max().unwrap_or(report.ranks as u32).max(1);
    let sharing = match given.tensor_parallel {
        Some(tensor) => Sharing { tensor: tensor.max(1), experts: tensor.max(1), data: 1 },
        None => {
            let (sharing, why) = sharing(report, ranks);
            assumptions.extend(why);
            sharing
        }
    };
    let batch = given.batch.or_else(|| usual_batch(report)).unwrap_or_else(|| {
        assumptions.push("the steps do not tell their batch: 1 is taken, which makes the floor lower".to_owned());
        1
    });
    let context = given.context.or(served.context);
    match context {
        None => assumptions.push("the KV cache is left out, since no context length was given".to_owned()),
        Some(tokens) if given.context.is_none() => {
            assumptions
                .push(format!("{tokens} tokens of context a request are the median that the steps' labels tell"));
        }
        Some(_) => {}
    }
    let told = given.kv_bytes.or(served.kv_bytes).or(given.model.kv_bytes);
    let kv_bytes = told.unwrap_or_else(|| {
        if context.is_some() {
            assumptions.push("the KV cache is taken for 16 bits an element".to_owned());
        }
        2.0
    });
    if let (Some(bytes), None, Some(_)) = (served.kv_bytes, given.kv_bytes, context) {
        assumptions.push(format!("the KV cache has {:.0} bits an element, as the attention kernels tell", bytes * 8.0));
    }
    (sharing, batch, context, kv_bytes)
}

fn trace_gpu(report: &Report, assumptions: &mut Vec<String>) -> Option<&'static Gpu> {
    let row = report.source.iter().find(|row| row.gpu.is_some()).or_else(|| report.source.first())?;
    let gpu = find_gpu(row.gpu.as_deref(), row.arch.as_deref())?;
    if find_gpu(row.gpu.as_deref(), None).is_none() {
        assumptions.push(format!("the trace tells only {}, which is taken for {}", gpu.arch, gpu.name));
    }
    Some(gpu)
}

/// The median over the steps of the requests in them.
fn usual_batch(report: &Report) -> Option<u32> {
    let mut sizes: Vec<(u32, u64)> =
        report.steps.batch.iter().filter_map(|row| Some((row.size.or(row.graph_size)?, row.steps))).collect();
    sizes.sort_unstable();
    let all: u64 = sizes.iter().map(|(_, steps)| steps).sum();
    let mut before = 0;
    sizes.into_iter().find_map(|(size, steps)| {
        before += steps;
        (before * 2 >= all).then_some(size)
    })
}

/// How the model is served.
#[derive(Clone, Copy)]
struct Shape {
    sharing: Sharing,
    batch: f64,
    kv_bytes: f64,
}

fn parts(model: &Model, shape: Shape, context: Option<u32>, assumptions: &mut Vec<String>) -> Vec<FloorPart> {
    let Shape { sharing, batch, .. } = shape;
    let [ranks, among, data] = [sharing.tensor, sharing.experts, sharing.data].map(f64::from);
    let (hidden, weights) = (model.hidden as f64, &model.weights);
    let attending = model.layers.iter().filter(|layer| layer.reach != Reach::Linear).count() as f64;
    let sparse = model.layers.iter().filter(|layer| layer.sparse).count() as f64;
    let dense = model.layers.len() as f64 - sparse;
    let mut found = Vec::new();
    let mut add = |name, category, bytes: f64| {
        if bytes >= 1.0 {
            found.push(FloorPart { name, category, bytes_per_step: bytes.round() as u64 });
        }
    };
    let projections = attention_weights(model.attention, hidden, ranks);
    add("attention projections", Category::Gemm, attending * projections * weights.attention);
    let mlp = model.mlp_matrices as f64 * hidden * model.intermediate as f64 / ranks;
    add("dense MLPs", Category::Gemm, dense * mlp * weights.mlp);
    if let Some(experts) = model.experts {
        let count = experts.count as f64;
        // Requests of all ranks meet at the experts.
        let requests = batch * data;
        let touched = count * (1.0 - (1.0 - experts.a_token as f64 / count).powf(requests));
        let one = model.mlp_matrices as f64 * hidden * experts.intermediate as f64 / among;
        let shared = model.mlp_matrices as f64 * hidden * experts.shared as f64 / ranks;
        add("router", Category::Gemm, sparse * hidden * count * weights.plain);
        add("shared experts", Category::Gemm, sparse * shared * weights.experts);
        add("routed experts", Category::Moe, sparse * touched * one * weights.experts);
        assumptions.push(format!(
            "with even routing {touched:.1} of {} experts are touched by {requests:.0} requests of {} each; this is an \
             estimate, since uneven routing touches fewer, down to {}",
            experts.count, experts.a_token, experts.a_token
        ));
    }
    add("output head", Category::Gemm, hidden * model.vocabulary as f64 / ranks * weights.plain);
    let elements = context.map_or(0.0, |context| kv_elements(model, context, ranks));
    add("KV cache", Category::Attention, batch * elements * shape.kv_bytes);
    found
}

/// Elements of one layer's attention weights on one rank.
fn attention_weights(attention: Attention, hidden: f64, ranks: f64) -> f64 {
    match attention {
        Attention::Heads { heads, kv_heads, dim } => {
            let (q, kv) = (heads as f64 / ranks, (kv_heads as f64 / ranks).max(1.0));
            hidden * dim as f64 * (2.0 * q + 2.0 * kv)
        }
        Attention::Latent { heads, q_lora, kv_lora, nope, rope, value } => {
            let [heads, kv_lora, nope, rope, value] = [heads, kv_lora, nope, rope, value].map(|size| size as f64);
            let query = heads * (nope + rope) / ranks;
            let queries = q_lora.map_or(hidden * query, |lora| lora as f64 * (hidden + query));
            let latent = hidden * (kv_lora + rope) + kv_lora * heads * (nope + value) / ranks;
            queries + latent + heads * value * hidden / ranks
        }
    }
}

/// Elements of one request's KV cache that a step reads on one rank.
fn kv_elements(model: &Model, context: u32, ranks: f64) -> f64 {
    let a_token = match model.attention {
        Attention::Heads { kv_heads, dim, .. } => 2.0 * (kv_heads as f64 / ranks).max(1.0) * dim as f64,
        // Keys and values are one latent vector, and every rank has all of it.
        Attention::Latent { kv_lora, rope, .. } => (kv_lora + rope) as f64,
    };
    let tokens = |reach: Reach| match reach {
        Reach::All => f64::from(context),
        Reach::Window(window) => f64::from(context).min(window as f64),
        Reach::Linear => 0.0,
    };
    a_token * model.layers.iter().map(|layer| tokens(layer.reach)).sum::<f64>()
}

#[cfg(test)]
mod tests;
