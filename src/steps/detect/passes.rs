//! From the dispatches of a rank to a sequence, and from the cuts in it back to steps.
//!
//! What the detectors without markers share: the [`Lane`] is a rank's work in one order, and [`Lane::cut`] finds the
//! steps in it.

use super::NoSteps;
use super::assemble::Found;
use super::sequence::{Bag, Hint, Segment, Sequence, Template, follow, learn};
use crate::classify::vocabulary::{self, Attention, Place};
use crate::model::Trace;
use crate::steps::{Batch, Phase};

/// Least share of a trace's dispatches that steps must explain.
pub(super) const LEAST_CONFIDENCE: f32 = 0.7;
/// How much more another rank's steps must explain to be preferred.
const BETTER: f32 = 0.1;

/// Tokens and what is known of each: kernel names first, graphs after them.
#[derive(Debug)]
pub(super) struct Alphabet {
    weights: Vec<u32>,
    hints: Vec<Hint>,
    attention: Vec<Attention>,
    names: usize,
}

impl Alphabet {
    pub(super) fn new(trace: &Trace) -> Self {
        let places = vocabulary::places(trace);
        let hint = |place: &Place| match place {
            Place { embeds: true, .. } => Hint::Head,
            Place { samples: true, .. } => Hint::Tail,
            _ => Hint::None,
        };
        Self {
            weights: vec![1; places.len()],
            hints: places.iter().map(hint).collect(),
            attention: places.iter().map(|place| place.attention).collect(),
            names: places.len(),
        }
    }

    /// A new token for graphs of about `kernels` kernels.
    pub(super) fn graph(&mut self, kernels: u32) -> u32 {
        self.weights.push(kernels);
        self.hints.push(Hint::None);
        self.attention.push(Attention::default());
        self.weights.len() as u32 - 1
    }

    fn is_graph(&self, token: u32) -> bool {
        token as usize >= self.names
    }
}

/// A rank's work in one order. Each token has the dispatches `items[from..to]`.
#[derive(Debug, Default)]
pub(super) struct Lane {
    tokens: Vec<u32>,
    gaps_ns: Vec<i64>,
    time_ns: Vec<u64>,
    /// Where the dispatches of each token begin in `items`.
    from: Vec<u32>,
    /// Positions in [`Trace::dispatches`].
    items: Vec<u32>,
}

impl Lane {
    /// Adds a token that stands for `dispatches`, in order of start. `busy_until_ns` is when the GPU had done all that
    /// was added to this and its other lanes so far.
    pub(super) fn push(&mut self, trace: &Trace, token: u32, dispatches: &[u32], busy_until_ns: &mut Option<i64>) {
        let Some(&first) = dispatches.first() else { return };
        let start = trace.dispatches[first as usize].span.start_ns;
        self.gaps_ns.push(busy_until_ns.map_or(0, |until| start.saturating_sub(until).max(0)));
        self.tokens.push(token);
        self.from.push(self.items.len() as u32);
        let mut time_ns = 0;
        for &at in dispatches {
            let span = trace.dispatches[at as usize].span;
            time_ns += span.duration_ns();
            *busy_until_ns = Some(busy_until_ns.map_or(span.end_ns, |until| until.max(span.end_ns)));
        }
        self.time_ns.push(time_ns);
        self.items.extend_from_slice(dispatches);
    }

    /// How many dispatches it has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The dispatches of a range of tokens.
    pub(super) fn dispatches(&self, start: usize, end: usize) -> &[u32] {
        let at = |token: usize| self.from.get(token).map_or(self.items.len(), |&from| from as usize);
        &self.items[at(start)..at(end)]
    }

    /// The steps in it, or why there are none.
    pub(super) fn cut(&self, alphabet: &Alphabet) -> Result<Cutting, NoSteps> {
        let template = learn(&self.sequence(alphabet))?;
        Ok(self.cut_by(alphabet, template))
    }

    fn sequence<'a>(&'a self, alphabet: &'a Alphabet) -> Sequence<'a> {
        let Alphabet { weights, hints, .. } = alphabet;
        Sequence { tokens: &self.tokens, gaps_ns: &self.gaps_ns, weights, hints }
    }

    fn cut_by(&self, alphabet: &Alphabet, template: Template) -> Cutting {
        let segments = follow(&self.sequence(alphabet), &template);
        let explained: usize =
            segments.iter().filter(|s| s.is_pass).map(|s| self.dispatches(s.start, s.end).len()).sum();
        let confidence = explained as f32 / self.len().max(1) as f32;
        let phases = self.phases(alphabet, &template, &segments);
        Cutting { segments, phases, confidence, template }
    }

    /// The phase of each segment. The main kind is decode: it is what a server does most.
    fn phases(&self, alphabet: &Alphabet, template: &Template, segments: &[Segment]) -> Vec<Phase> {
        let time = |segment: &Segment| self.time_ns[segment.start..segment.end].iter().sum::<u64>();
        let mut main: Vec<u64> = segments.iter().filter(|s| s.kind == Some(0)).map(time).collect();
        let middle = main.len() / 2;
        let usual = if main.is_empty() { u64::MAX } else { *main.select_nth_unstable(middle).1 };
        let Some(decode) = template.kinds.first() else { return vec![Phase::Decode; segments.len()] };
        let replayed = decode.tokens().any(|token| alphabet.is_graph(token));
        segments
            .iter()
            .map(|segment| match segment.kind {
                Some(0) => Phase::Decode,
                _ => phase(alphabet, decode, &segment.bag, replayed, time(segment) > usual.saturating_mul(2)),
            })
            .collect()
    }
}

fn phase(alphabet: &Alphabet, decode: &Bag, bag: &Bag, replayed: bool, is_long: bool) -> Phase {
    let attention =
        |which: fn(&Attention) -> bool| bag.tokens().any(|token| which(&alphabet.attention[token as usize]));
    let usual = |which: fn(&Attention) -> bool| decode.tokens().any(|token| which(&alphabet.attention[token as usize]));
    // A kernel that decode steps have too does not tell prefill from decode.
    let prefill = attention(|a| a.prefill) && !usual(|a| a.prefill);
    let decodes = attention(|a| a.decode);
    if replayed && bag.tokens().any(|token| alphabet.is_graph(token)) {
        return if prefill { Phase::Mixed } else { Phase::Decode };
    }
    match (prefill, decodes) {
        (true, true) => Phase::Mixed,
        (true, false) => Phase::Prefill,
        // Prompts are not replayed from graphs; an eager pass among replays is one of prompts.
        (false, _) if replayed => Phase::Prefill,
        (false, true) => Phase::Decode,
        (false, false) if is_long => Phase::Prefill,
        (false, false) => Phase::Decode,
    }
}

/// The steps of a lane.
#[derive(Debug)]
pub(super) struct Cutting {
    pub(super) segments: Vec<Segment>,
    phases: Vec<Phase>,
    /// Share of the lane's dispatches in steps that are passes of the model.
    pub(super) confidence: f32,
    template: Template,
}

/// Cuts the lanes of several ranks. Ranks mostly run the same, so where one cannot be cut, or not well, by what it shows
/// itself, what another one shows is tried: it may have lost less, or by accident be less regular than it should.
pub(super) fn cut_ranks(lanes: &[&Lane], alphabet: &Alphabet) -> Vec<Result<Cutting, NoSteps>> {
    let mut cuttings: Vec<Result<Cutting, NoSteps>> = lanes.iter().map(|lane| lane.cut(alphabet)).collect();
    let confidence = |cutting: &Result<Cutting, NoSteps>| cutting.as_ref().map_or(0.0, |cutting| cutting.confidence);
    let best = cuttings.iter().max_by(|a, b| confidence(a).total_cmp(&confidence(b)));
    let Some(Ok(Cutting { template, confidence: best, .. })) = best else { return cuttings };
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
    /// The steps, numbered from 0.
    pub(super) fn found(&self) -> impl Iterator<Item = Found> {
        self.phases.iter().enumerate().map(|(number, &phase)| Found {
            number: number as u32,
            phase,
            batch: Batch::default(),
            label: None,
            cpu: None,
        })
    }
}
