//! What shows that the steps counted are decode steps.
//!
//! Steps that recur are found in whatever recurs: an encoder, images, a forward pass over prompts. They are called decode
//! only where something shows it:
//!
//! | evidence | holds |
//! |---|---|
//! | an engine's label, the user's marker | by itself |
//! | attention over a cache | by itself |
//! | replays of graphs; matrix products of few rows | unless all attention is over prompts |

use std::collections::HashSet;

use rustc_hash::FxHashSet;

use crate::analyze::scope::Scope;
use crate::classify::vocabulary::{self, Attention};
use crate::model::{LaunchCall, NameId};
use crate::output::steps::DecodeEvidence;
use crate::steps::labels::{KNOWN, Labels, Strength};
use crate::steps::{Detector, Phase};

/// Rows of a matrix product that are too many for the requests of a decode step.
const MANY_ROWS: u32 = 1024;

/// All that shows it; nothing where the whole trace counts.
pub(crate) fn decode_by(scope: &Scope<'_>) -> Vec<DecodeEvidence> {
    let seen = Seen::of(scope);
    let only_prompts = seen.attends_prompts && !seen.attends_cache;
    let shows = [
        (DecodeEvidence::Label, is_labelled(scope)),
        (DecodeEvidence::Asked, is_asked_for(scope)),
        (DecodeEvidence::DecodeAttention, seen.attends_cache),
        (DecodeEvidence::GraphReplays, seen.by_graph > 0 && seen.by_graph >= seen.single && !only_prompts),
        (DecodeEvidence::FewRows, seen.few_rows_ns > seen.many_rows_ns && !only_prompts),
    ];
    shows.into_iter().filter(|(_, shown)| *shown).map(|(evidence, _)| evidence).collect()
}

fn is_labelled(scope: &Scope<'_>) -> bool {
    let labels: HashSet<NameId> = scope.steps().filter_map(|(_, step)| step.label).collect();
    let known = Labels::known();
    labels.into_iter().filter_map(|label| known.parse(scope.trace.names.get(label))).any(|label| {
        scope.table.detector == Detector::Marker && label.strength == Strength::Engine && label.phase == Phase::Decode
    })
}

/// Whether the steps are by a pattern of the user's own, rather than by known labels.
fn is_asked_for(scope: &Scope<'_>) -> bool {
    let is_known = |id: &str| KNOWN.iter().any(|known| known.id == id);
    let asked = |marker: &String| !marker.split(", ").all(is_known);
    scope.steps().next().is_some() && scope.table.marker.as_ref().is_some_and(asked)
}

/// What the kernels of the counted steps are.
#[derive(Default)]
struct Seen {
    attends_cache: bool,
    attends_prompts: bool,
    by_graph: u64,
    single: u64,
    few_rows_ns: u64,
    many_rows_ns: u64,
}

impl Seen {
    fn of(scope: &Scope<'_>) -> Self {
        let mut seen = Self::default();
        let mut names = FxHashSet::default();
        for (step, _) in scope.steps() {
            for &position in scope.table.dispatches(step) {
                let dispatch = &scope.trace.dispatches[position as usize];
                names.insert(dispatch.name);
                let Some(launch) = dispatch.launch.map(|launch| &scope.trace.launches[launch.index()]) else {
                    continue;
                };
                match launch.call {
                    LaunchCall::Graph => seen.by_graph += 1,
                    _ => seen.single += 1,
                }
                let rows = launch.product.map(|product| scope.trace.products[product.index()].m);
                let ns = dispatch.span.duration_ns();
                match rows {
                    Some(rows) if rows > MANY_ROWS => seen.many_rows_ns += ns,
                    Some(_) => seen.few_rows_ns += ns,
                    None => {}
                }
            }
        }
        for name in names {
            let Attention { decode, prefill } = Attention::of(scope.verdict(name));
            // A kernel that does both shows neither.
            let both = prefill && vocabulary::place(scope.trace.names.get(name)).attention.decode;
            seen.attends_cache |= decode;
            seen.attends_prompts |= prefill && !both;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Classifier;
    use crate::model::{Drawing, Product, Trace, TraceBuilder};
    use crate::pipeline::Prepared;
    use crate::steps::StepOptions;

    const LAYER: [&str; 4] = ["fused_add_rms_norm_kernel", "Cijk_Alik_Bljk_BBS_BH_MT64x64x64", "silu_and_mul", "add"];

    /// Twelve steps of three layers, under a marker, launched one by one or as a graph; `attention` is in each layer.
    fn steps(marker: &str, call: LaunchCall, attention: Option<&str>) -> Trace {
        let mut draw: Drawing = TraceBuilder::new().drawing();
        let mut key = 0;
        for step in 0..12_i64 {
            let mut at = step * 1_000;
            draw.range(&marker.replace('N', &step.to_string()), at, at + 900);
            for name in (0..3).flat_map(|_| LAYER.into_iter().chain(attention)) {
                let new = key == 0 || call != LaunchCall::Graph || at == step * 1_000;
                key += u64::from(new);
                if new {
                    draw.launch(call, at + 1, at + 2, key);
                }
                draw.kernel(name, at + 10, at + 20, key);
                at += 30;
            }
        }
        draw.finish()
    }

    fn shown(trace: Trace, options: &StepOptions) -> Vec<DecodeEvidence> {
        let run = Prepared::new(trace, &Classifier::builtin(), options);
        decode_by(&Scope::new(&run.trace, &run.classes, &run.steps, false))
    }

    #[test]
    fn a_label_attention_over_a_cache_and_replays_each_show_it() {
        use DecodeEvidence::{Asked, DecodeAttention, GraphReplays, Label};
        let (known, single) = (StepOptions::default(), LaunchCall::Kernel);
        assert_eq!(shown(steps("step[DECODE bs=8]", single, None), &known), [Label]);
        let paged = Some("paged_attention_ll4mi_QKV_mfma16_kernel");
        assert_eq!(shown(steps("ProfilerStep#N", single, paged), &known), [DecodeAttention]);
        assert_eq!(shown(steps("ProfilerStep#N", LaunchCall::Graph, None), &known), [GraphReplays]);
        let own = StepOptions { marker: Some("mine".to_owned()), ..StepOptions::default() };
        assert_eq!(shown(steps("mine N", single, None), &own), [Asked]);
    }

    #[test]
    fn steps_that_recur_and_attend_to_prompts_alone_are_not_shown_to_be_decode() {
        let known = StepOptions::default();
        for attention in [Some("aiter::fmha_fwd_hd128_bf16_rtz"), None] {
            assert_eq!(shown(steps("ProfilerStep#N", LaunchCall::Kernel, attention), &known), []);
        }
        assert_eq!(
            shown(steps("ProfilerStep#N", LaunchCall::Graph, Some("aiter::fmha_fwd_hd128_bf16_rtz")), &known),
            []
        );
    }

    #[test]
    fn products_of_few_rows_show_it_and_those_of_many_do_not() {
        use crate::analyze::testing::{Row, trace_with_steps};
        let with_rows = |m: u32| {
            let mut row = Row::decode(&[("gemm", 0, 10), ("norm", 10, 12)]);
            row.kernels[0].launched_ns = Some(-5);
            row.kernels[0].product = Some(Product { batch: 1, m, n: 4096, k: 4096 });
            decode_by(&trace_with_steps(&[row]).scope())
        };
        assert_eq!(with_rows(64), [DecodeEvidence::FewRows]);
        assert_eq!(with_rows(8944), []);
    }
}
