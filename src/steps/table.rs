//! The steps found in a trace, and which dispatch belongs to which.

use std::num::NonZeroU32;
use std::sync::OnceLock;

use serde::Serialize;

use super::Unmet;
use crate::model::{NameId, RankIdx, Span, Trace};

/// How steps were found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// By marker ranges on the CPU.
    Marker,
    /// By graph launches.
    Graph,
    /// By the period in the sequence of kernel names.
    Period,
    /// Not at all.
    None,
}

impl Detector {
    /// Its name in prose.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Graph => "graph",
            Self::Period => "period",
            Self::None => "none",
        }
    }
}

/// A detector that was tried and found nothing that it would vouch for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    /// Which.
    pub detector: Detector,
    /// Why: one clause, lower case, for a sentence that begins "steps by ... were not found:".
    pub why: String,
}

/// Why a step is left out of the figures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Among the first steps, which the user said to skip.
    Asked,
    /// Before the step times had settled: compilation, graph capture, clocks that ramp up.
    Unsettled,
    /// The trace begins or ends within it.
    Cut,
    /// Beyond the number of steps that the user asked for.
    BeyondLimit,
}

/// What a step of the serving engine did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// One token (or one speculated group) for each running request.
    Decode,
    /// Prompts only.
    Prefill,
    /// Both in one step.
    Mixed,
    /// The draft model of speculative decoding.
    Draft,
    /// A step without requests, run to keep data-parallel ranks in step.
    Dummy,
    /// No step of inference, as far as its kernels tell: training, or the loop of a benchmark.
    Other,
    /// A step whose label tells no phase, or that has none, and whose kernels leave it open. It is in no figure of decode.
    Unknown,
}

impl Phase {
    /// Its name in JSON and in prose.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Prefill => "prefill",
            Self::Mixed => "mixed",
            Self::Draft => "draft",
            Self::Dummy => "dummy",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// How much work a step held, as far as its label or graph tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize)]
pub struct Batch {
    /// Requests in the step.
    pub size: Option<u32>,
    /// The bucket that the graph was captured for; at least `size`, the rest is padding.
    pub graph_size: Option<u32>,
    /// Tokens in the step, where they differ from requests.
    pub tokens: Option<u32>,
}

impl Batch {
    /// Rows of the step's matrix products: its tokens, with what the graph pads them to. Graphs are sized in requests or in
    /// tokens; where a request has several tokens, a size too small for these is taken to be of requests.
    #[must_use]
    pub fn rows(self) -> Option<u32> {
        let Some(tokens) = self.tokens else { return self.graph_size.or(self.size) };
        match (self.graph_size, self.size) {
            (Some(graph), _) if graph >= tokens => Some(graph),
            (Some(graph), Some(size @ 1..)) => Some(graph.max(size).saturating_mul(tokens.div_ceil(size))),
            _ => Some(tokens),
        }
    }
}

/// A position in [`StepTable::steps`], stored off by one so that an `Option` of it is 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StepIdx(NonZeroU32);

impl StepIdx {
    /// The index of the step at `position`.
    ///
    /// # Panics
    /// If `position` does not fit in 32 bits less one.
    #[must_use]
    pub fn new(position: usize) -> Self {
        let stored = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
        Self(stored.expect("fewer than 2^32 steps"))
    }

    /// Position in the table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What was launched for a step after its marker's range: engines mostly mark the forward pass and sample, check drafts
/// and make new ones after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tail {
    /// Its dispatches.
    pub dispatches: u32,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
}

/// One step on one rank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its number on its rank, counted over all phases from the start of the trace: the same step has the same number
    /// on every rank. Numbers may be missing: a step that put nothing on this rank's GPU is not in the table.
    pub number: u32,
    /// The GPU.
    pub rank: RankIdx,
    /// What it did.
    pub phase: Phase,
    /// How much it held.
    pub batch: Batch,
    /// The marker's text, where there was one.
    pub label: Option<NameId>,
    /// The marker's range on the CPU, where there was one. It says when the step was launched, not how long it took.
    pub cpu: Option<Span>,
    /// From its first dispatch's start to its last dispatch's end.
    pub gpu: Span,
    /// Its dispatches.
    pub dispatches: u32,
    /// Sum of their durations.
    pub gpu_time_ns: u64,
    /// What of that was launched after the marker's range had closed.
    pub tail: Tail,
    /// Left out of all figures: before the window, or cut off by its edges. [`StepTable::left_out`] says why.
    pub warmup: bool,
}

/// The steps of a trace.
#[derive(Clone, Debug)]
pub struct StepTable {
    /// How they were found.
    pub detector: Detector,
    /// The marker pattern that matched.
    pub marker: Option<String>,
    /// All steps, by rank, then by number.
    pub steps: Vec<Step>,
    /// The step of each dispatch of the trace, in the order of [`Trace::dispatches`]; `None`: outside steps.
    pub of_dispatch: Vec<Option<StepIdx>>,
    /// Which dispatches are of their step's [`Tail`]: positions in [`Trace::dispatches`], ascending.
    pub in_tails: Vec<u32>,
    /// Why there are none, or what is doubtful about them: one sentence each, for the report.
    pub remarks: Vec<String>,
    /// What was asked and is not so.
    pub unmet: Vec<Unmet>,
    /// The detectors that were tried before `detector`, and why each was refused.
    pub refused: Vec<Refusal>,
    /// Why each step with [`Step::warmup`] is left out, by step.
    pub left_out: Vec<(StepIdx, LeftOut)>,
    /// Share of the dispatches of steps of common kinds in all that the detector looked at, from 0 to 1: how well the
    /// steps explain the trace. 1 for markers, which are taken at their word.
    pub confidence: f32,
    /// `of_dispatch`, turned round at the first use of [`Self::dispatches`].
    by_step: OnceLock<ByStep>,
}

/// Positions of dispatches by the step they belong to.
#[derive(Clone, Debug)]
struct ByStep {
    /// Those of the first step, then those of the second, and so on; those outside steps at the end.
    positions: Vec<u32>,
    /// Where each step's begin in `positions`; one more entry for those outside.
    begins: Vec<u32>,
}

impl ByStep {
    /// A counting sort: two passes over the dispatches, and those of a step stay in their order.
    fn new(steps: usize, of_dispatch: &[Option<StepIdx>]) -> Self {
        let place = |step: &Option<StepIdx>| step.map_or(steps, StepIdx::index);
        let mut begins = vec![0_u32; steps + 1];
        of_dispatch.iter().for_each(|step| begins[place(step)] += 1);
        let mut begin = 0;
        for entry in &mut begins {
            begin += std::mem::replace(entry, begin);
        }
        let (mut next, mut positions) = (begins.clone(), vec![0; of_dispatch.len()]);
        for (position, step) in of_dispatch.iter().enumerate() {
            let next = &mut next[place(step)];
            positions[*next as usize] = position as u32;
            *next += 1;
        }
        Self { positions, begins }
    }

    fn group(&self, place: usize) -> &[u32] {
        let end = self.begins.get(place + 1).map_or(self.positions.len(), |&end| end as usize);
        &self.positions[self.begins[place] as usize..end]
    }
}

impl StepTable {
    /// A table that found nothing.
    #[must_use]
    pub fn none(trace: &Trace) -> Self {
        Self::new(Detector::None, Vec::new(), vec![None; trace.dispatches.len()])
    }

    /// The table of these steps, sorted by rank, then by number; `of_dispatch` says to which each dispatch belongs.
    #[must_use]
    pub fn new(detector: Detector, steps: Vec<Step>, of_dispatch: Vec<Option<StepIdx>>) -> Self {
        Self {
            detector,
            marker: None,
            steps,
            of_dispatch,
            in_tails: Vec::new(),
            remarks: Vec::new(),
            unmet: Vec::new(),
            refused: Vec::new(),
            left_out: Vec::new(),
            confidence: 0.0,
            by_step: OnceLock::new(),
        }
    }

    /// The dispatches of a step: positions in [`Trace::dispatches`], by start. Grouped once, at the first call; from then on
    /// `of_dispatch` and the number of steps must stay as they are.
    #[must_use]
    pub fn dispatches(&self, step: StepIdx) -> &[u32] {
        self.by_step().group(step.index())
    }

    /// The dispatches outside steps: positions in [`Trace::dispatches`], by start.
    #[must_use]
    pub fn dispatches_outside(&self) -> &[u32] {
        self.by_step().group(self.steps.len())
    }

    fn by_step(&self) -> &ByStep {
        self.by_step.get_or_init(|| ByStep::new(self.steps.len(), &self.of_dispatch))
    }

    /// The step of the dispatch at `position` in [`Trace::dispatches`], unless it is outside steps.
    #[must_use]
    pub fn step_of(&self, position: usize) -> Option<&Step> {
        self.of_dispatch[position].map(|step| &self.steps[step.index()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_tokens_with_their_padding() {
        let rows = |size, graph_size, tokens| Batch { size, graph_size, tokens }.rows();
        assert_eq!(rows(None, None, None), None);
        assert_eq!(rows(Some(13), None, None), Some(13));
        assert_eq!(rows(Some(13), Some(16), None), Some(16));
        assert_eq!(rows(Some(16), None, Some(64)), Some(64));
        assert_eq!(rows(Some(15), Some(64), Some(60)), Some(64), "a graph for 64 tokens");
        assert_eq!(rows(Some(15), Some(16), Some(60)), Some(64), "a graph for 16 requests of 4 tokens");
    }

    #[test]
    fn the_dispatches_of_a_step_are_those_that_say_so_in_their_order() {
        let of_dispatch = [2, 0, 0, 3, 2, 1, 2].map(|step: usize| step.checked_sub(1).map(StepIdx::new));
        let grouped = ByStep::new(4, &of_dispatch);
        let groups: Vec<&[u32]> = (0..5).map(|place| grouped.group(place)).collect();
        assert_eq!(groups, [&[5][..], &[0, 4, 6], &[3], &[], &[1, 2]]);
        assert_eq!(ByStep::new(0, &[None, None]).group(0), [0, 1]);
    }
}
