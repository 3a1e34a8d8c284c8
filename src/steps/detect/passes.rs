//! From the dispatches of a rank to a sequence, and from the cuts in it back to steps.
//!
//! What the detectors without markers share: the [`Lane`] is a rank's work in one order, and [`Lane::cut`] finds the
//! steps in it.

use super::NoSteps;
use super::assemble::Found;
use super::sequence::{Bag, Hint, LEAST_WAIT_NS, Segment, Sequence, Template, follow, learn};
use crate::classify::vocabulary::{self, Place};
use crate::model::{Dispatch, Trace};
use crate::steps::{Batch, Phase};

/// Least share of a trace's dispatches that steps must explain.
pub(super) const LEAST_CONFIDENCE: f32 = 0.7;
/// How much more another rank's steps must explain to be preferred.
const BETTER: f32 = 0.1;

/// Tokens and what is known of each: kernel names first, graphs after them.
#[derive(Debug, Default)]
pub(super) struct Alphabet {
    weights: Vec<u32>,
    hints: Vec<Hint>,
}

impl Alphabet {
    pub(super) fn new(trace: &Trace) -> Self {
        let places = vocabulary::places(trace);
        let hint = |place: &Place| match place {
            Place { embeds: true, .. } => Hint::Head,
            Place { samples: true, .. } => Hint::Tail,
            Place { multiplies: true, .. } => Hint::Model,
            place if place.attention.is_any() => Hint::Model,
            _ => Hint::None,
        };
        Self { weights: vec![1; places.len()], hints: places.iter().map(hint).collect() }
    }

    /// A new token for graphs of about `kernels` kernels.
    pub(super) fn graph(&mut self, kernels: u32) -> u32 {
        self.add(kernels, Hint::None)
    }

    /// A new token for graphs of about `kernels` kernels that are one piece of a pass.
    pub(super) fn piece(&mut self, kernels: u32) -> u32 {
        self.add(kernels, Hint::Piece)
    }

    fn add(&mut self, kernels: u32, hint: Hint) -> u32 {
        self.weights.push(kernels);
        self.hints.push(hint);
        self.weights.len() as u32 - 1
    }
}

/// A rank's work in one order. Each token has the dispatches `items[from..to]`.
#[derive(Debug, Default)]
pub(super) struct Lane {
    tokens: Vec<u32>,
    gaps_ns: Vec<i64>,
    /// Where the dispatches of each token begin in `items`.
    from: Vec<u32>,
    /// Positions in [`Trace::dispatches`].
    items: Vec<u32>,
    /// When the call that launched the last token returned, where it is known.
    launched_ns: Option<i64>,
}

impl Lane {
    /// Adds a token that stands for `dispatches`, in order of start. `busy_until_ns` is when the GPU had done all that
    /// was added to this and its other lanes so far.
    ///
    /// A server that schedules ahead keeps the GPU busy from step to step: then the host's pause between two launches tells
    /// what the GPU's does not.
    pub(super) fn push(&mut self, trace: &Trace, token: u32, dispatches: &[u32], busy_until_ns: &mut Option<i64>) {
        let Some(&first) = dispatches.first() else { return };
        let Dispatch { span, launch, .. } = trace.dispatches[first as usize];
        let call = launch.map(|launch| trace.launches[launch.index()].span);
        let pause = |until: Option<i64>, from: i64| until.map_or(0, |until| from.saturating_sub(until).max(0));
        let host = call.map_or(0, |call| pause(self.launched_ns, call.start_ns));
        self.gaps_ns.push(pause(*busy_until_ns, span.start_ns).max(host));
        self.launched_ns = call.map(|call| call.end_ns);
        self.tokens.push(token);
        self.from.push(self.items.len() as u32);
        for &at in dispatches {
            let span = trace.dispatches[at as usize].span;
            *busy_until_ns = Some(busy_until_ns.map_or(span.end_ns, |until| until.max(span.end_ns)));
        }
        self.items.extend_from_slice(dispatches);
    }

    /// How many dispatches it has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The dispatches of a range of tokens.
    pub(super) fn dispatches(&self, start: usize, end: usize) -> &[u32] {
        let (start, end) = self.range(start, end);
        &self.items[start..end]
    }

    /// Where the dispatches of a range of tokens are among all.
    pub(super) fn range(&self, start: usize, end: usize) -> (usize, usize) {
        let at = |token: usize| self.from.get(token).map_or(self.items.len(), |&from| from as usize);
        (at(start), at(end))
    }

    /// Where the last kernel of the model in a range of tokens ends.
    pub(super) fn end_of_model(&self, alphabet: &Alphabet, start: usize, end: usize) -> usize {
        let is_of_model = |&at: &usize| {
            let token = self.tokens[at] as usize;
            alphabet.hints[token] == Hint::Model || alphabet.weights[token] > 1
        };
        (start..end).rev().find(is_of_model).map_or(end, |last| last + 1)
    }

    /// Whether it samples tokens and runs no model.
    pub(super) fn samples(&self, alphabet: &Alphabet) -> bool {
        let has = |hint: Hint| self.tokens.iter().any(|&token| alphabet.hints[token as usize] == hint);
        has(Hint::Tail) && !has(Hint::Model) && !has(Hint::Head)
    }

    /// The steps in it, or why there are none.
    pub(super) fn cut(&self, alphabet: &Alphabet) -> Result<Cutting, NoSteps> {
        let template = learn(&self.sequence(alphabet))?;
        Ok(self.cut_by(alphabet, template))
    }

    /// A step for each `token`, which are too few to show what recurs. Between two, and before the first, a step begins where
    /// the GPU or the host waited longest after what surely is of the step before.
    pub(super) fn cut_at_each(&self, alphabet: &Alphabet, token: u32) -> Cutting {
        let places: Vec<usize> = (0..self.tokens.len()).filter(|&at| self.tokens[at] == token).collect();
        let mut starts = Vec::with_capacity(places.len() + 1);
        let mut before = 0;
        for &place in &places {
            let is_of_before =
                |&at: &usize| matches!(alphabet.hints[self.tokens[at] as usize], Hint::Model | Hint::Tail);
            let known = (before..place).rev().find(is_of_before).map(|at| at + 1);
            // Of what precedes the first nothing need be of another step.
            let from = known.or((before > 0).then_some(before)).unwrap_or(0);
            let embeds = |&at: &usize| alphabet.hints[self.tokens[at] as usize] == Hint::Head;
            let to = (from..place).find(embeds).unwrap_or(place);
            let longest = (from..=to).max_by_key(|&at| (self.gaps_ns[at], at)).unwrap_or(place);
            let waits = before > 0 || self.gaps_ns[longest] >= LEAST_WAIT_NS;
            starts.push(if waits { longest } else { from });
            before = place + 1;
        }
        let ends = starts.iter().skip(1).copied().chain([self.tokens.len()]);
        let segments: Vec<Segment> = starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| Segment::pass(start, end, Bag::of(&self.tokens[start..end], &alphabet.weights)))
            .collect();
        self.cutting(segments, None)
    }

    fn cutting(&self, segments: Vec<Segment>, template: Option<Template>) -> Cutting {
        let explained: usize =
            segments.iter().filter(|s| s.is_pass).map(|s| self.dispatches(s.start, s.end).len()).sum();
        Cutting { segments, confidence: explained as f32 / self.len().max(1) as f32, template }
    }

    fn sequence<'a>(&'a self, alphabet: &'a Alphabet) -> Sequence<'a> {
        let Alphabet { weights, hints, .. } = alphabet;
        Sequence { tokens: &self.tokens, gaps_ns: &self.gaps_ns, weights, hints }
    }

    fn cut_by(&self, alphabet: &Alphabet, template: Template) -> Cutting {
        let segments = follow(&self.sequence(alphabet), &template);
        self.cutting(segments, Some(template))
    }
}

/// The steps of a lane.
#[derive(Debug)]
pub(super) struct Cutting {
    pub(super) segments: Vec<Segment>,
    /// Share of the lane's dispatches in steps that are passes of the model.
    pub(super) confidence: f32,
    /// What it was cut by, if by what recurs.
    template: Option<Template>,
}

/// Cuts the lanes of several ranks. Ranks mostly run the same, so where one cannot be cut, or not well, by what it shows
/// itself, what another one shows is tried: it may have lost less, or by accident be less regular than it should.
pub(super) fn cut_ranks(lanes: &[&Lane], alphabet: &Alphabet) -> Vec<Result<Cutting, NoSteps>> {
    let mut cuttings: Vec<Result<Cutting, NoSteps>> = lanes.iter().map(|lane| lane.cut(alphabet)).collect();
    let confidence = |cutting: &Result<Cutting, NoSteps>| cutting.as_ref().map_or(0.0, |cutting| cutting.confidence);
    let best = cuttings.iter().max_by(|a, b| confidence(a).total_cmp(&confidence(b)));
    let Some(Ok(Cutting { template: Some(template), confidence: best, .. })) = best else { return cuttings };
    let (template, best) = (template.clone(), *best);
    for (lane, cutting) in lanes.iter().zip(&mut cuttings) {
        if confidence(cutting) < best - BETTER {
            let again = lane.cut_by(alphabet, template.clone());
            if again.confidence > confidence(cutting) + BETTER && again.confidence >= LEAST_CONFIDENCE {
                *cutting = Ok(again);
            }
        }
    }
    cuttings
}

impl Cutting {
    /// The steps, numbered from 0. What they did, their kernels tell.
    pub(super) fn found(&self) -> impl Iterator<Item = Found> {
        let found = |number| Found { number, phase: Phase::Unknown, batch: Batch::default(), label: None, cpu: None };
        (0..self.segments.len() as u32).map(found)
    }
}
