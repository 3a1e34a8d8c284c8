//! What a kernel's name tells of its place in serving: the words that steps and layers ask for.
//!
//! Order and time tell most of what a step is. What they leave open, names do: does this kernel stand at a step's
//! beginning or end, is its attention over prompts or over a cache, do all ranks meet in it, is it of training. Most of
//! that follows from what a kernel is *for*, which the rules decide; what they have no purpose for, a few lists of words
//! add. As everywhere in [`classify`](super), words are asked for, never parts of them: `topp` is none of `stopping`.
//!
//! | question | the rules' answer | words |
//! |---|---|---|
//! | looks up embeddings | `other/embedding` | those of index selections, which PyTorch's embedding is |
//! | samples | `other/sampling`, `other/rng` | argmax, softmax outside attention and MoE |
//! | attends | `attention/mha_decode…`, `mla_decode`; `fa_prefill`, `mla_prefill` | kernels that do both |
//! | all ranks meet | `allreduce`, an all-reduce | |
//! | trains | `attention/fa_bwd`, `other/optimizer` | backward, wgrad, … |

use std::sync::LazyLock;

use super::{Category, Classifier, Context, Verdict, identifiers, words};
use crate::model::Trace;

/// Words of kernels that select rows of a table, as an embedding is looked up.
const EMBEDS: &[&str] = &["indexselect", "indexselectlarge", "indexselectsmall", "vectorizedgather", "getrows"];
/// Words of kernels that turn logits into tokens.
const SAMPLES: &[&str] = &["argmax", "argmaxops", "multinomial", "cunnsoftmax", "softmaxforward", "toptop", "topktopp"];
/// Words of kernels that attend to prompts and to a cache in one.
const ATTENDS_BOTH: &[&str] = &["unifiedattention", "unified"];
/// Words of kernels and operators that only training runs: gradients and what applies them.
const TRAINS: &[&str] = &[
    "backward",
    "bwd",
    "wgrad",
    "dgrad",
    "wrw",
    "gradinput",
    "gradweight",
    "gradgammabeta",
    "optimizer",
    "fusedadam",
    "adam",
    "adamw",
    "backward0",
    "backward1",
];

/// Which attention a kernel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attention {
    /// Of generated tokens over a cache.
    pub decode: bool,
    /// Of prompts.
    pub prefill: bool,
}

impl Attention {
    /// Which attention a kernel of this verdict is: neither if it does something else, or something beside it.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let sub = match verdict.category {
            Category::Attention => verdict.sub.as_deref().unwrap_or_default(),
            _ => "",
        };
        Self {
            decode: sub.starts_with("mha_decode") || sub == "mla_decode",
            prefill: sub == "fa_prefill" || sub == "mla_prefill",
        }
    }

    /// Whether it is attention at all.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.decode || self.prefill
    }
}

/// What a name tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// It looks up embeddings: the model starts here.
    pub embeds: bool,
    /// It samples a token: the step ends about here.
    pub samples: bool,
    /// Which attention it is.
    pub attention: Attention,
    /// All tensor-parallel ranks meet in it.
    pub all_reduces: bool,
    /// It multiplies matrices, of experts too.
    pub multiplies: bool,
    /// Only training runs it.
    pub trains: bool,
}

/// What `name`, of a kernel or an operator, tells.
#[must_use]
pub fn place(name: &str) -> Place {
    static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::builtin);
    let verdict = CLASSIFIER.classify(name, &Context::default());
    let sub = verdict.sub.as_deref().unwrap_or_default();
    let is_other = verdict.category == Category::Other;
    let [mut embeds, mut samples, mut both, mut trains] = [false; 4];
    for identifier in identifiers(name) {
        words::each(&identifier, |word| {
            let is_of = |list: &[&str]| list.iter().any(|of| of.as_bytes() == word);
            embeds |= is_of(EMBEDS);
            samples |= is_of(SAMPLES);
            both |= is_of(ATTENDS_BOTH);
            trains |= is_of(TRAINS);
        });
    }
    let attention = Attention::of(&verdict);
    Place {
        embeds: is_other && (sub == "embedding" || embeds),
        samples: is_other && (sub == "sampling" || sub == "rng" || samples),
        attention: Attention { decode: attention.decode || (attention.prefill && both), ..attention },
        all_reduces: verdict.category == Category::Allreduce
            && verdict.traits.collective.is_none_or(|collective| collective == "all_reduce"),
        multiplies: matches!(verdict.category, Category::Gemm | Category::Moe),
        trains: trains || sub == "fa_bwd" || sub.starts_with("optimizer"),
    }
}

/// What the name of each kernel of `trace` tells, by name; names that no kernel has tell nothing.
#[must_use]
pub fn places(trace: &Trace) -> Vec<Place> {
    let mut places: Vec<Option<Place>> = vec![None; trace.names.len()];
    for dispatch in &trace.dispatches {
        places[dispatch.name.index()].get_or_insert_with(|| place(trace.kernel(dispatch)));
    }
    places.into_iter().map(Option::unwrap_or_default).collect()
}
