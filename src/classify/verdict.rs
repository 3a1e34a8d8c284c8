//! The answer of the classifier.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{LaunchCall, NameId};

/// What a kernel does for the model, on the axis that the report shares time out on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Dense matrix products.
    Gemm,
    /// Attention and its KV cache.
    Attention,
    /// Mixture of experts: gate, sort, expert products.
    Moe,
    /// Communication between ranks.
    Allreduce,
    /// Conversion to and from FP8, FP4, INT8.
    Quantization,
    /// Everything else, the unknown included.
    Other,
}

impl Category {
    /// All categories, in the order of reports.
    pub const ALL: [Category; 6] =
        [Self::Gemm, Self::Attention, Self::Moe, Self::Allreduce, Self::Quantization, Self::Other];

    /// Its name in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::Attention => "attention",
            Self::Moe => "moe",
            Self::Allreduce => "allreduce",
            Self::Quantization => "quantization",
            Self::Other => "other",
        }
    }

    /// Its name in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Gemm => "GEMM",
            Self::Attention => "Attention",
            Self::Moe => "MoE",
            Self::Allreduce => "AllReduce",
            Self::Quantization => "Quantization",
            Self::Other => "Other",
        }
    }
}

/// How sure a verdict is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess, or nothing matched.
    Low,
    /// The name fits a family's habits.
    Medium,
    /// The name is unmistakable.
    High,
}

/// What is known of a kernel besides its name. Every field is optional: names alone must do.
#[derive(Clone, Copy, Default, Debug)]
pub struct Context<'a> {
    /// Architecture it ran on, e.g. `gfx942`.
    pub arch: Option<&'a str>,
    /// The call that launched it outside a graph.
    pub launch: Option<LaunchCall>,
    /// The CPU operator that launched it, e.g. `aten::mm`.
    pub op: Option<&'a str>,
    /// URI of the code object that registered it.
    pub code_object: Option<&'a str>,
    /// File that its source stands in, as in an installation or a repository: `vllm/v1/sample/rejection_sampler.py`.
    pub source: Option<&'a str>,
    /// Whether kernels of this name were written in several files that do not agree on what they are.
    pub is_contested: bool,
    /// Who compiled it, as its code object tells: `triton`, `clang version 20`.
    pub compiler: Option<&'a str>,
    /// What it was written in, where that is known: `triton`, `gluon`, `hip`, `asm`, …
    pub language: Option<&'a str>,
    /// Name of the kernel that usually runs just before it on its stream.
    pub previous: Option<&'a str>,
}

/// What a part of a verdict rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The kernel's name, or that nothing else spoke.
    Name,
    /// The code object that registered it.
    CodeObject,
    /// The file of its source.
    Source,
    /// The file that an index of the installation says its name stands in.
    Index,
    /// The file that the catalogue of known packages says its name stands in.
    Catalogue,
    /// The language that it was written in.
    Language,
    /// The call that launched it.
    LaunchCall,
    /// The operator that launched it.
    Operator,
    /// The kernel that runs just before it.
    KernelBefore,
    /// The GPU that it ran on.
    Architecture,
}

impl Evidence {
    /// Its name in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::CodeObject => "code object",
            Self::Source => "source",
            Self::Index => "index",
            Self::Catalogue => "catalogue",
            Self::Language => "language",
            Self::LaunchCall => "launch call",
            Self::Operator => "operator",
            Self::KernelBefore => "the kernel before",
            Self::Architecture => "architecture",
        }
    }
}

/// What a name tells of how its kernel was built. Every field is `None` or `false` where the name does not tell.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Traits {
    /// Shape of the matrix instruction, `[M, N, K]`. K is 0 where the name leaves it out: rocBLAS writes
    /// `MI16x16x16x1` (M, N, K, blocks), hipBLASLt `MI16x16x1` (M, N, blocks).
    pub mfma: Option<[u32; 3]>,
    /// Macro tile of a matrix product, `[M, N, K]`; 0 where the name gives only two.
    pub tile: Option<[u32; 3]>,
    /// Whether the K dimension is split among workgroups.
    pub split_k: bool,
    /// Whether work is dealt out by Stream-K.
    pub stream_k: bool,
    /// For communication: `all_reduce`, `all_gather`, `reduce_scatter`, `all_to_all`, `broadcast`, …
    pub collective: Option<&'static str>,
}

/// What a kernel is, and why we think so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What it does.
    pub category: Category,
    /// Finer kind within the category, e.g. `mla_decode`.
    pub sub: Option<Cow<'static, str>>,
    /// Who wrote or generated it: `asm`, `ck`, `triton`, `hipblaslt`, … `unknown`.
    pub backend: Cow<'static, str>,
    /// Data types as far as the name tells: `bf16`, `fp8 x fp4`.
    pub dtype: Option<String>,
    /// Architecture that the name itself tells, or else the one that it ran on, where that is known.
    pub arch: Option<Cow<'static, str>>,
    /// For fused kernels, the second thing it does: a category, or a kind such as `norm`.
    pub secondary: Option<Cow<'static, str>>,
    /// How it was built, as far as the name tells.
    pub traits: Traits,
    /// What told what it does.
    pub purpose_from: Evidence,
    /// What told who wrote it.
    pub backend_from: Evidence,
    /// Id of the rule that decided, with the context that refined it where that happened.
    pub rule: Cow<'static, str>,
    /// How sure it is.
    pub confidence: Confidence,
    /// How sure the backend alone is.
    pub backend_confidence: Confidence,
}

impl Verdict {
    /// What a name is that no rule knows.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            category: Category::Other,
            sub: Some(Cow::Borrowed("unknown")),
            backend: Cow::Borrowed("unknown"),
            dtype: None,
            arch: None,
            secondary: None,
            traits: Traits::default(),
            purpose_from: Evidence::Name,
            backend_from: Evidence::Name,
            rule: Cow::Borrowed("none"),
            confidence: Confidence::Low,
            backend_confidence: Confidence::Low,
        }
    }

    /// Whether no rule knew the kernel's purpose (its backend may be known all the same).
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.category == Category::Other && self.sub.as_deref() == Some("unknown")
    }
}

/// The verdict on each name of a trace.
#[derive(Clone, Debug)]
pub struct Classes {
    verdicts: Vec<Verdict>,
}

impl Classes {
    /// One verdict a name, in the order of the name table.
    #[must_use]
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        Self { verdicts }
    }

    /// Says otherwise of a name: what ran tells more than what it is called.
    pub fn set(&mut self, name: NameId, verdict: Verdict) {
        self.verdicts[name.index()] = verdict;
    }

    /// The verdict on a name.
    #[must_use]
    pub fn get(&self, name: NameId) -> &Verdict {
        &self.verdicts[name.index()]
    }
}
