//! One side of a comparison: a run, or several of the same thing, as series over decode steps.
//!
//! Everything that is compared is a number for each step: how long it took, what each category, rank and kernel took of
//! it. A side holds these series and what decides whether it may be compared, and no dispatches: it can be written to a
//! file and compared against much later.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::layers::identity::Identity;
use crate::analyze::layers::names::Named;
use crate::analyze::time::sums::ByCategory;
use crate::classify::{Category, Classes};
use crate::model::{Around, Condition, Trace};
use crate::output::layers::Section;
use crate::steps::StepTable;

/// One run to compare: a trace, what its kernels are, and its steps.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// All ranks of the run.
    pub trace: &'a Trace,
    /// Classes of its kernels.
    pub classes: &'a Classes,
    /// Its steps.
    pub steps: &'a StepTable,
}

/// One side of a comparison.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Side {
    pub(super) facts: Facts,
    /// Decode steps that ran on every rank, run by run, in order; one for the whole trace if it has none.
    pub(super) steps: Vec<StepRow>,
    /// Distinct kernels.
    pub(super) kernels: Vec<Kernel>,
    pub(super) layout: Option<Layout>,
    /// Kernels by their place in the step, else by name.
    pub(super) slots: Vec<Slot>,
    /// GPU spans of steps that are not decode, by phase, in order of time.
    #[serde(default)]
    pub(super) others: BTreeMap<String, Vec<u64>>,
}

/// What decides whether two sides may be compared. Of several runs, lists are joined and the worst counts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) inputs: Vec<String>,
    pub(super) formats: Vec<String>,
    pub(super) gpus: Vec<String>,
    pub(super) archs: Vec<String>,
    pub(super) frameworks: Vec<String>,
    pub(super) sdk_versions: Vec<String>,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
    /// What stood around the runs.
    #[serde(default)]
    pub(super) around: Around,
    pub(super) runs: u32,
    /// Ranks of each run; more than one value if the runs differ.
    pub(super) ranks: Vec<u32>,
    /// Whether every run has decode steps.
    pub(super) has_steps: bool,
    pub(super) detectors: Vec<String>,
    /// Steps short of kernels, and records known to be lost.
    pub(super) incomplete: u64,
    /// Decode steps that did not run on every rank.
    pub(super) partial: u64,
    pub(super) phases: [u64; 5],
    /// Part of the counted dispatches that graphs launched; `None` where launches are not known.
    pub(super) graph_share: Option<f64>,
    pub(super) dispatches_per_step: f64,
    pub(super) unknown_share: f64,
    /// Whether kernels carry the times of others.
    #[serde(default)]
    pub(super) displaced: bool,
    /// Whether step times run over the ranks that arrive last, or are averages over ranks.
    pub(super) across: bool,
}

/// A decode step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StepRow {
    pub(super) run: u32,
    /// Its number in its run, as the report has it.
    #[serde(default)]
    pub(super) number: u32,
    pub(super) size: Option<u32>,
    pub(super) graph_size: Option<u32>,
    /// Tokens that its requests had behind them, the mean of the requests, where its label tells.
    #[serde(default)]
    pub(super) context: Option<u64>,
    /// From its first kernel to its last.
    pub(super) span: Breakdown,
    /// From there to the next decode step, where one follows.
    pub(super) rest: Option<Breakdown>,
    /// GPU time by category, summed over ranks, waiting for peers taken off.
    pub(super) gpu: ByCategory,
    /// Time that ranks waited for one another in collectives, summed.
    pub(super) wait_ns: u64,
    /// The same, rank by rank; empty where it is not known.
    #[serde(default)]
    pub(super) waits: Vec<u64>,
    /// GPU time of each rank, waiting taken off.
    pub(super) ranks: Vec<u64>,
}

/// A kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) normal: String,
    pub(super) demangled: Option<String>,
    pub(super) category: Category,
    pub(super) sub: String,
    pub(super) backend: String,
    #[serde(default)]
    pub(super) dtype: Option<String>,
    /// For fused kernels, the second thing it does.
    #[serde(default)]
    pub(super) secondary: Option<String>,
    /// What a communication kernel does, where its name tells.
    #[serde(default)]
    pub(super) collective: Option<String>,
    /// File of its code object, where that is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// What it worked on, where a capture of its graph tells: kernels of one name and other shapes are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<String>,
    /// The place in the model that launched it, where its module is told; see [`told::place`](crate::analyze::layers::told).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) module: Option<String>,
}

impl Kernel {
    pub(super) fn identity(&self) -> Identity<'_> {
        let normal = Cow::Borrowed(&*self.normal);
        Identity { normal, category: self.category, sub: &self.sub, backend: &self.backend }
    }

    pub(super) fn named(&self) -> Named<'_> {
        Named {
            category: self.category,
            sub: &self.sub,
            secondary: self.secondary.as_deref(),
            collective: self.collective.as_deref(),
            text: &self.name,
        }
    }
}

/// The kernels of a typical step by place.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) head: Vec<u32>,
    pub(super) cycle: Vec<u32>,
    pub(super) tail: Vec<u32>,
    pub(super) layers: u32,
}

impl Layout {
    /// The sections in the order of the step.
    pub(super) fn sections(&self) -> [(Section, &[u32]); 3] {
        [(Section::Head, &self.head), (Section::Layer, &self.cycle), (Section::Tail, &self.tail)]
    }
}

/// A section and a position in it.
pub(super) type Spot = (Section, u32);

/// A kernel at one place, or without a place, over all steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Section and position in it; `None`: by name.
    pub(super) place: Option<Spot>,
    /// The kernel with its time in all steps; sides that were stored before may have several, the largest first.
    pub(super) kernels: Vec<(u32, u64)>,
    pub(super) dispatches: u64,
    /// Time in each step, summed over ranks.
    pub(super) ns: Vec<u64>,
}

impl Slot {
    /// The kernel that takes most of its time.
    pub(super) fn main(&self) -> u32 {
        self.kernels.first().map_or(0, |(kernel, _)| *kernel)
    }
}

impl Side {
    /// What sums over ranks are divided by for one rank.
    pub(super) fn ranks(&self) -> u64 {
        self.facts.ranks.iter().copied().max().map_or(1, u64::from).max(1)
    }
}
