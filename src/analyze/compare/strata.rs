//! Steps of the same batch, so that like is compared with like.
//!
//! Two runs seldom serve the same mix of batches. Steps are compared within a batch (requests, graph size), and batches
//! are added up in one proportion for both sides, the mean of theirs. What the plain medians differ by beyond that is a
//! shift of the mix, not a change of speed.
//!
//! Attention takes longer with every token of context. Where the labels of both sides tell contexts, only steps of the
//! stretch of contexts that both sides ran are alike; where they do not overlap at all, attention has no counterpart.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::analyze::compare::judge::STEPS_AT_LEAST;
use crate::analyze::compare::side::{Side, StepRow};
use crate::analyze::compare::trend::Axis;
use crate::analyze::critical::breakdown::Breakdown;
use crate::output::comparison::Measure;

/// The steps that are compared.
#[derive(Clone, Debug)]
pub(super) struct Strata {
    pub(super) measure: Measure,
    /// Batches that both sides ran often enough.
    pub(super) common: Vec<Stratum>,
    /// All steps of each side that the measure applies to.
    pub(super) base: Vec<u32>,
    pub(super) new: Vec<u32>,
    /// Steps of batches or contexts that are not in `common`.
    pub(super) left_out: usize,
    /// Whether one side does not tell its batches.
    pub(super) unlabelled: bool,
    /// The contexts of both sides, where labels tell them.
    pub(super) contexts: Option<Contexts>,
    /// Where each step stands: its context where both sides tell it, else its place in its run.
    pub(super) axis: Axis,
}

/// The shortest and the longest context of each side, in tokens a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Contexts {
    pub(super) base: (u64, u64),
    pub(super) new: (u64, u64),
}

impl Contexts {
    fn of(base: &Side, new: &Side) -> Option<Self> {
        let ends = |side: &Side| {
            let contexts: Option<Vec<u64>> = side.steps.iter().map(|step| step.context).collect();
            let contexts = contexts?;
            contexts.iter().copied().min().zip(contexts.iter().copied().max())
        };
        Some(Self { base: ends(base)?, new: ends(new)? })
    }

    /// The stretch that both sides ran.
    fn common(&self) -> Option<RangeInclusive<u64>> {
        let (from, to) = (self.base.0.max(self.new.0), self.base.1.min(self.new.1));
        (from <= to).then_some(from..=to)
    }

    /// Whether no context was run by both sides.
    pub(super) fn are_apart(&self) -> bool {
        self.common().is_none()
    }

    /// By how many tokens the beginnings of the sides lie apart, if that is more than a little of what they grow by.
    pub(super) fn offset(&self) -> Option<u64> {
        let grows = (self.base.1 - self.base.0).max(self.new.1 - self.new.0);
        let offset = self.base.0.abs_diff(self.new.0);
        (offset as f64 > OFFSET_AT_LEAST * grows as f64 && offset > 0).then_some(offset)
    }
}

/// Part of what contexts grow by over a run, by which their beginnings must differ to be worth a word.
const OFFSET_AT_LEAST: f64 = 0.05;

/// What makes steps alike: requests and graph size.
type Batch = (Option<u32>, Option<u32>);

/// Steps of one batch.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    pub(super) size: Option<u32>,
    pub(super) graph_size: Option<u32>,
    pub(super) base: Vec<u32>,
    pub(super) new: Vec<u32>,
    /// Its part in the comparison.
    pub(super) share: f64,
}

impl Strata {
    pub(super) fn new(base: &Side, new: &Side) -> Self {
        let measure = measure(base, new);
        let select = |side: &Side| -> Vec<u32> {
            let measured = |step: &StepRow| measure != Measure::Itl || step.rest.is_some();
            (0..side.steps.len() as u32).filter(|&at| measured(&side.steps[at as usize])).collect()
        };
        let (base_steps, new_steps) = (select(base), select(new));
        let labelled = |side: &Side| side.steps.iter().any(|step| step.size.is_some() || step.graph_size.is_some());
        let sized = |side: &Side| side.steps.iter().any(|step| step.size.is_some());
        let both = labelled(base) && labelled(new) && sized(base) == sized(new);
        let unlabelled = !both && (labelled(base) || labelled(new));
        let contexts = Contexts::of(base, new);
        let within = contexts.and_then(|contexts| contexts.common()).unwrap_or(0..=u64::MAX);
        let mut groups: BTreeMap<Batch, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for (side, steps, is_new) in [(base, &base_steps, false), (new, &new_steps, true)] {
            for &at in steps {
                let step = &side.steps[at as usize];
                if !within.contains(&step.context.unwrap_or(0)) {
                    continue;
                }
                let key = if both { (step.size, step.graph_size) } else { (None, None) };
                let group = groups.entry(key).or_default();
                if is_new { group.1.push(at) } else { group.0.push(at) }
            }
        }
        let mut common: Vec<Stratum> = groups
            .into_iter()
            .filter(|(_, (base, new))| !base.is_empty() && !new.is_empty())
            .map(|((size, graph_size), (base, new))| {
                let share = base.len() as f64 / base_steps.len() as f64 + new.len() as f64 / new_steps.len() as f64;
                Stratum { size, graph_size, base, new, share }
            })
            .collect();
        let enough = |stratum: &Stratum| stratum.base.len().min(stratum.new.len()) >= STEPS_AT_LEAST;
        if common.iter().any(enough) {
            common.retain(enough);
        }
        let whole: f64 = common.iter().map(|stratum| stratum.share).sum();
        common.iter_mut().for_each(|stratum| stratum.share /= whole);
        let taken: usize = common.iter().map(|stratum| stratum.base.len() + stratum.new.len()).sum();
        let left_out = base_steps.len() + new_steps.len() - taken;
        let axis = Axis { base: places(base, contexts.is_some()), new: places(new, contexts.is_some()) };
        Self { measure, common, base: base_steps, new: new_steps, left_out, unlabelled, contexts, axis }
    }

    /// Part of the steps that ran another batch than they would have, had the mix stayed the same.
    pub(super) fn shift(&self) -> f64 {
        let part = |steps: &[u32], all: &[u32]| steps.len() as f64 / all.len().max(1) as f64;
        let moved: f64 = self
            .common
            .iter()
            .map(|stratum| (part(&stratum.base, &self.base) - part(&stratum.new, &self.new)).abs())
            .sum();
        moved / 2.0
    }

    /// Whether both sides ran one and the same batch, so that there is no mix.
    pub(super) fn is_plain(&self) -> bool {
        self.common.len() == 1 && self.left_out == 0
    }

    /// The time of each step of a side, 0 for those that are not measured.
    pub(super) fn walls(&self, side: &Side) -> Vec<u64> {
        side.steps.iter().map(|step| parts(self.part(step)).iter().sum()).collect()
    }

    /// What held a step up.
    pub(super) fn part(&self, step: &StepRow) -> Breakdown {
        match (self.measure, step.rest) {
            (Measure::Itl, Some(rest)) => Breakdown::sum(&[step.span, rest]),
            _ => step.span,
        }
    }
}

/// Where each step of a side stands.
fn places(side: &Side, by_context: bool) -> Vec<u64> {
    let mut in_run: BTreeMap<u32, u64> = BTreeMap::new();
    let place = |step: &StepRow| {
        let nth = in_run.entry(step.run).or_default();
        *nth += 1;
        step.context.filter(|_| by_context).unwrap_or(*nth)
    };
    side.steps.iter().map(place).collect()
}

/// A part as the rows of the waterfall: the categories, then idle.
pub(super) fn parts(part: Breakdown) -> Vec<u64> {
    part.categories.into_iter().chain([part.idle.iter().sum()]).collect()
}

/// The time from step to step, if both sides have it for most of their steps.
fn measure(base: &Side, new: &Side) -> Measure {
    let has_periods = |side: &Side| {
        let periods = side.steps.iter().filter(|step| step.rest.is_some()).count();
        periods >= STEPS_AT_LEAST && periods * 2 >= side.steps.len()
    };
    match (base.facts.has_steps && new.facts.has_steps, has_periods(base) && has_periods(new)) {
        (false, _) => Measure::Trace,
        (true, true) => Measure::Itl,
        (true, false) => Measure::GpuSpan,
    }
}
