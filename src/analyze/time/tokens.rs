//! Whether the time of a step is the time of a token.
//!
//! | a step | is shown by | a request gets |
//! |---|---|---|
//! | counts as many tokens as requests, or is a plain decode by its label | the label | one token |
//! | verifies drafts | the label, or steps of a draft model | one token and as many as are accepted, which no trace tells |
//! | runs the model several times | its kernels, which recur as a whole | as many tokens |
//! | hands activations on to another rank | sends and receives, once or twice a step | a token after as many steps as there are micro-batches |
//!
//! Where none of it shows, the report says that it does not know.

use crate::analyze::scope::Scope;
use crate::classify::vocabulary;
use crate::model::NameId;
use crate::output::steps::{NoToken, Phases, Tokens, TokensKnownBy};
use crate::steps::labels::{Labels, Strength};
use crate::steps::{Detector, StepIdx};

/// Steps that are looked at for passes.
const SAMPLE: usize = 8;
/// The most passes that are looked for in a step.
const MOST_PASSES: usize = 64;
/// Sends and receives in a step beyond which they are no hand-over from stage to stage: experts exchange tokens in each layer.
const HAND_OVERS: u64 = 4;

/// What the steps' labels and kernels tell.
pub(crate) fn tokens(scope: &Scope<'_>, phases: &Phases, draft_in_tail: bool) -> Tokens {
    let (labelled, verifies) = labelled(scope);
    let computed_per_request = computed(scope);
    let passes = passes(scope);
    let speculates =
        verifies || draft_in_tail || phases.draft > 0 || computed_per_request.is_some_and(|many| many > 1.0);
    let because: Vec<NoToken> = [
        (NoToken::Speculation, speculates),
        (NoToken::SeveralPasses, passes.is_some()),
        (NoToken::Pipeline, is_pipeline(scope)),
    ]
    .into_iter()
    .filter_map(|(why, holds)| holds.then_some(why))
    .collect();
    let (a_step_is_a_token, known_by) = match (&because[..], labelled) {
        ([], true) => (Some(true), TokensKnownBy::Label),
        ([], false) => (None, TokensKnownBy::Nothing),
        ([NoToken::Speculation], _) if verifies || phases.draft > 0 || computed_per_request.is_some() => {
            (Some(false), TokensKnownBy::Label)
        }
        _ => (Some(false), TokensKnownBy::Kernels),
    };
    Tokens { a_step_is_a_token, known_by, because, computed_per_request, passes }
}

/// Whether the labels of all counted steps tell that each request gets one token, and whether one tells that drafts are
/// verified. A label that counts requests and no tokens tells so only if its engine has another for speculation.
fn labelled(scope: &Scope<'_>) -> (bool, bool) {
    if scope.table.detector != Detector::Marker {
        return (false, false);
    }
    let known = Labels::known();
    let (mut all, mut verifies, mut any) = (true, false, false);
    for (_, step) in scope.steps() {
        let label = step.label.and_then(|label| known.parse(scope.trace.names.get(label)));
        let label = label.filter(|label| label.strength == Strength::Engine);
        let counts_no_tokens = label.is_none_or(|label| label.id == "vllm-new-cached");
        verifies |= label.is_some_and(|label| label.id == "sglang-verify");
        all &= !counts_no_tokens && step.batch.size.is_some() && step.batch.tokens.is_none();
        any = true;
    }
    (any && all && !verifies, verifies)
}

/// Tokens that a step computes for a request, where labels count both.
fn computed(scope: &Scope<'_>) -> Option<f64> {
    let counted = scope.steps().filter_map(|(_, step)| Some((step.batch.tokens?, step.batch.size?)));
    let (tokens, requests) =
        counted.fold((0, 0), |(all, of), (tokens, size)| (all + u64::from(tokens), of + u64::from(size)));
    (tokens > requests && requests > 0).then(|| tokens as f64 / requests as f64)
}

/// How often every step of a sample runs the same kernels over, an embedding or a sampling among them: several layers recur
/// too, but a model begins and ends once.
fn passes(scope: &Scope<'_>) -> Option<u32> {
    let steps: Vec<StepIdx> = scope.steps().map(|(at, _)| at).collect();
    let sample: Vec<StepIdx> = steps.iter().copied().step_by(steps.len().div_ceil(SAMPLE).max(1)).collect();
    let mut found = sample.iter().map(|&step| passes_of(scope, step));
    let first = found.next()?;
    found.all(|passes| passes == first).then_some(first)?
}

fn passes_of(scope: &Scope<'_>, step: StepIdx) -> Option<u32> {
    let names: Vec<NameId> =
        scope.table.dispatches(step).iter().map(|&position| scope.trace.dispatches[position as usize].name).collect();
    let recurs = |&passes: &usize| {
        let pass = names.len() / passes;
        names.len().is_multiple_of(passes)
            && names.iter().skip(pass).zip(&names).all(|(later, earlier)| later == earlier)
    };
    let is_end = |name: &NameId| {
        let place = vocabulary::place(scope.trace.names.get(*name));
        place.embeds || place.samples
    };
    let mut many = (2..=MOST_PASSES.min(names.len())).rev().filter(recurs);
    let passes = many.find(|passes| names[..names.len() / passes].iter().any(is_end))?;
    u32::try_from(passes).ok()
}

/// Whether ranks hand activations on: every counted step has a few sends and receives.
fn is_pipeline(scope: &Scope<'_>) -> bool {
    let hands_on = |name: NameId| scope.verdict(name).traits.collective == Some("send_recv");
    if !scope.trace.names.iter().any(|(name, _)| hands_on(name)) {
        return false;
    }
    let count = |step: StepIdx| {
        let of = scope.table.dispatches(step).iter().filter(|&&at| hands_on(scope.trace.dispatches[at as usize].name));
        of.count() as u64
    };
    let mut steps = scope.steps().map(|(at, _)| count(at)).peekable();
    steps.peek().is_some() && steps.all(|count| (1..=HAND_OVERS).contains(&count))
}
