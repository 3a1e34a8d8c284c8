//! Whether a configuration is that of the model in the trace.
//!
//! A floor of another model is worse than none. What a trace shows of a model is little and certain: how many layers its
//! steps fold into, whether experts run, and where operators tell their inputs' shapes, which sizes its products have.

use super::config::{Attention, Model};
use crate::classify::Category;
use crate::output::Report;
use crate::output::report::ScopeOf;

/// Part of the GPU time from which on experts are surely there.
const EXPERTS_SHOW: f64 = 0.02;
/// Part of the time of matrix products whose shapes must be known for a size to be missing.
const SHAPES_SHOW: f64 = 0.8;

/// The figures of `model` that the report's trace contradicts, each in words.
#[must_use]
pub fn contradictions(report: &Report, model: &Model) -> Vec<String> {
    if report.scope.of != ScopeOf::DecodeSteps {
        return Vec::new();
    }
    [layers(report, model), experts(report, model)].into_iter().flatten().chain(sizes(report, model)).collect()
}

fn layers(report: &Report, model: &Model) -> Option<String> {
    let folded = report.layers.as_ref().filter(|layers| layers.steps >= 9 * layers.other_steps)?;
    let (shown, told) = (folded.count, model.layers.len() as u64);
    let world = report.source.iter().filter_map(|row| row.world_size).max().map_or(1, u64::from);
    // With pipeline parallelism a rank has a part of them. Two layers that take turns may fold into one.
    let parts = (1..=world.max(2)).map(|parts| told / parts);
    let fits = parts.into_iter().any(|part| shown.abs_diff(part) <= 1);
    // A drafter in the step adds layers of its own.
    let drafts = shown > told && shown <= told + model.drafts;
    (!fits && !drafts).then(|| format!("layers: {told} in the configuration, {shown} in the trace"))
}

fn experts(report: &Report, model: &Model) -> Option<String> {
    let moe = report.category(Category::Moe);
    let shows = moe.is_some_and(|row| row.gpu_share >= EXPERTS_SHOW);
    let engine = report.source.iter().any(|row| row.framework.is_some());
    let ran = report.category(Category::Gemm).is_some_and(|row| row.gpu_time_ns > 0);
    match model.experts {
        None if shows => Some("experts: none in the configuration, and the trace runs some".to_owned()),
        // Engines run experts in kernels made for them; a plain loop over experts cannot be told from dense layers.
        Some(experts) if engine && ran && moe.is_none_or(|row| row.gpu_time_ns == 0) => {
            Some(format!("experts: {} in the configuration, and the trace runs none", experts.count))
        }
        _ => None,
    }
}

/// Sizes that no product of the trace has.
fn sizes(report: &Report, model: &Model) -> Vec<String> {
    let Some(products) = report.products.as_ref().filter(|products| products.share_of_gemm >= SHAPES_SHOW) else {
        return Vec::new();
    };
    let shapes = || products.shapes.iter().map(|row| row.shape);
    let mut found = Vec::new();
    if !shapes().any(|shape| u64::from(shape.k) == model.hidden) {
        let text = format!(
            "hidden size: {} in the configuration, and no product of the trace sums over as many",
            model.hidden
        );
        found.push(text);
    } else if let Attention::Heads { heads, kv_heads, dim } = model.attention {
        // The projection into queries, keys and values, in one or in three.
        let fits = |n: u64| {
            (1..=heads).filter(|ranks| heads.is_multiple_of(*ranks)).any(|ranks| {
                let (queries, keys) = (heads / ranks, (kv_heads / ranks).max(1));
                [queries, 2 * queries, queries + 2 * keys, 2 * queries + 2 * keys].iter().any(|of| of * dim == n)
            })
        };
        let of_hidden = || shapes().filter(|shape| u64::from(shape.k) == model.hidden);
        if !of_hidden().any(|shape| fits(shape.n.into())) {
            found.push(format!(
                "heads: {heads} of {dim} ({kv_heads} for keys and values) in the configuration, and no product of the trace \
                 projects into as many"
            ));
        }
    }
    found
}
