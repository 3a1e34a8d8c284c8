//! May the two sides be compared at all?
//!
//! A table: each rule looks at the facts of both sides and gives a reason, or none. A gate must never pass on a capture
//! that is empty or incomplete, so those are reasons for *no*; what may explain a change without being its cause is a
//! reason for *with care*.

use crate::analyze::compare::judge::STEPS_AT_LEAST;
use crate::analyze::compare::side::{Facts, Side};
use crate::analyze::compare::strata::Strata;
use crate::classify::Category;
use crate::model::ConditionKind;
use crate::output::comparison::{Comparability, Comparable, Reason};

use Comparability::{No, WithCare};

/// Steps a side below which small changes go unseen.
const STEPS_FOR_PRECISION: usize = 30;
/// Relative difference in kernels a step that is worth saying.
const KERNELS_DIFFER: f64 = 0.2;
/// Differences of shares that are worth saying.
const SHARES_DIFFER: f64 = 0.1;
/// The same of clocks, which never are quite the same.
const CLOCKS_DIFFER: f64 = 0.03;
/// Part of the time that makes a data type the main one.
const MAINLY: f64 = 0.6;

/// Judges by the facts.
pub(super) fn comparable(base: &Side, new: &Side, strata: &Strata) -> Comparable {
    let mut reasons = Vec::new();
    for (name, side) in [("base", &base.facts), ("new", &new.facts)] {
        of_one(name, side, &mut reasons);
    }
    surroundings(&base.facts, &new.facts, &mut reasons);
    work(&base.facts, &new.facts, &mut reasons);
    precision(base, new, &mut reasons);
    if base.facts.has_steps && new.facts.has_steps {
        of_steps(strata, &mut reasons);
    }
    let layers = |side: &Side| side.layout.as_ref().map(|layout| layout.layers);
    if let (Some(was), Some(is)) = (layers(base), layers(new))
        && was != is
    {
        push(
            &mut reasons,
            "other-layers",
            WithCare,
            format!("the steps have {was} layers in the base and {is} in the new: is it the same model?"),
        );
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
    let verdict = reasons.first().map_or(Comparability::Yes, |reason| reason.verdict);
    Comparable { verdict, reasons }
}

fn push(reasons: &mut Vec<Reason>, code: &'static str, verdict: Comparability, text: String) {
    reasons.push(Reason { code, verdict, text });
}

fn of_one(name: &str, facts: &Facts, reasons: &mut Vec<Reason>) {
    if !facts.has_steps {
        push(
            reasons,
            "no-decode-steps",
            No,
            format!("the {name} has no decode steps: whole traces are set side by side, which proves nothing"),
        );
    }
    if facts.incomplete > 0 {
        push(
            reasons,
            "incomplete",
            No,
            format!("the {name} is incomplete: steps lack kernels, or records are known to be lost"),
        );
    }
    if facts.displaced {
        push(
            reasons,
            "names-on-other-times",
            WithCare,
            format!(
                "graph kernels of the {name} carry the times of other kernels (ROCm/rocm-systems#10579): categories, \
                 backends and kernels are not judged, steps are"
            ),
        );
    }
    if facts.partial > 0 {
        push(
            reasons,
            "partial-steps",
            WithCare,
            format!("{} steps of the {name} did not run on every rank and are left out", facts.partial),
        );
    }
    if facts.ranks.len() > 1 {
        push(
            reasons,
            "runs-differ",
            No,
            format!("the runs of the {name} have different numbers of ranks ({:?})", facts.ranks),
        );
    }
}

/// Where the sides ran.
fn surroundings(base: &Facts, new: &Facts, reasons: &mut Vec<Reason>) {
    if base.ranks.len() == 1 && new.ranks.len() == 1 && base.ranks != new.ranks {
        let text = format!(
            "the base ran on {} ranks and the new on {}: a rank's work is not the same",
            base.ranks[0], new.ranks[0]
        );
        push(reasons, "other-ranks", No, text);
    }
    let lists: [(&'static str, &str, &[String], &[String]); 6] = [
        ("other-arch", "architecture", &base.archs, &new.archs),
        ("other-gpu", "GPU", &base.gpus, &new.gpus),
        ("other-framework", "framework", &base.frameworks, &new.frameworks),
        ("other-sdk", "rocprofiler-sdk", &base.sdk_versions, &new.sdk_versions),
        ("other-format", "trace format", &base.formats, &new.formats),
        ("other-detector", "way in which steps were found", &base.detectors, &new.detectors),
    ];
    for (code, what, was, is) in lists {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort();
            list.join(", ")
        };
        let (was, is) = (sorted(was), sorted(is));
        if !was.is_empty() && !is.is_empty() && was != is {
            push(reasons, code, WithCare, format!("the {what} differs: {was} in the base, {is} in the new"));
        }
    }
    conditions(base, new, reasons);
}

/// What the sides did.
fn work(base: &Facts, new: &Facts, reasons: &mut Vec<Reason>) {
    if let (Some(was), Some(is)) = (base.graph_share, new.graph_share)
        && (was - is).abs() > SHARES_DIFFER
    {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        push(
            reasons,
            "other-graph-mode",
            WithCare,
            format!("graphs launch {} of the kernels in the base and {} in the new", percent(was), percent(is)),
        );
    }
    let (was, is) = (base.dispatches_per_step, new.dispatches_per_step);
    if base.has_steps && new.has_steps && (was - is).abs() > KERNELS_DIFFER * was.max(is) {
        push(
            reasons,
            "other-kernels",
            WithCare,
            format!("a step has {was:.0} kernels in the base and {is:.0} in the new"),
        );
    }
    let others = |facts: &Facts| {
        let [decode, others @ ..] = facts.phases;
        let others: u64 = others.iter().sum();
        others as f64 / (decode + others).max(1) as f64
    };
    if (others(base) - others(new)).abs() > SHARES_DIFFER {
        let text = format!(
            "{:.0} % of the steps are not pure decode in the base, {:.0} % in the new; these are left out, but they \
             compete for the GPU and its caches",
            others(base) * 100.0,
            others(new) * 100.0
        );
        push(reasons, "other-phases", WithCare, text);
    }
    if base.across != new.across {
        push(
            reasons,
            "other-path",
            WithCare,
            "collectives can be matched across ranks on one side only, so step times are not measured alike".to_owned(),
        );
    }
    if base.unknown_share.max(new.unknown_share) > SHARES_DIFFER {
        let text = format!(
            "up to {:.0} % of the time is in kernels of unknown purpose",
            base.unknown_share.max(new.unknown_share) * 100.0
        );
        push(reasons, "unknown-kernels", WithCare, text);
    }
}

/// The conditions that both sides tell.
fn conditions(base: &Facts, new: &Facts, reasons: &mut Vec<Reason>) {
    let kinds: [(&'static str, ConditionKind); 9] = [
        ("other-partition", ConditionKind::ComputeUnits),
        ("other-partition", ConditionKind::ComputeDies),
        ("other-clock", ConditionKind::ShaderClock),
        ("other-rocm", ConditionKind::Rocm),
        ("other-hip", ConditionKind::Hip),
        ("other-cuda", ConditionKind::Cuda),
        ("other-torch", ConditionKind::Torch),
        ("other-rccl", ConditionKind::Nccl),
        ("other-kernel", ConditionKind::Kernel),
    ];
    for (code, kind) in kinds {
        let of = |facts: &Facts| -> Vec<String> {
            let of_kind = facts.conditions.iter().filter(|condition| condition.kind == kind);
            of_kind.map(|condition| condition.value.clone()).collect()
        };
        let (was, is) = (of(base), of(new));
        let same = was == is || (kind == ConditionKind::ShaderClock && near(&was, &is));
        // Another GPU has other compute units: that is said already.
        let known = code == "other-partition" && base.archs != new.archs;
        // One reason is enough for one cause.
        let said = reasons.iter().any(|reason| reason.code == code);
        if !was.is_empty() && !is.is_empty() && !same && !known && !said {
            let why = match kind {
                ConditionKind::ComputeUnits | ConditionKind::ComputeDies => {
                    ": another partition mode (SPX, DPX, CPX), or another product"
                }
                ConditionKind::ShaderClock => ": throttled, capped or set otherwise",
                _ => "",
            };
            let text =
                format!("{} differ: {} in the base, {} in the new{why}", plural(kind), was.join(", "), is.join(", "));
            push(reasons, code, WithCare, text);
        }
    }
}

fn plural(kind: ConditionKind) -> String {
    match kind {
        ConditionKind::ComputeUnits | ConditionKind::ComputeDies => format!("the {}", kind.title()),
        _ => format!("the {}s", kind.title()),
    }
}

/// Whether clocks are the same as far as clocks ever are.
fn near(was: &[String], is: &[String]) -> bool {
    let highest = |list: &[String]| list.iter().filter_map(|clock| clock.parse::<f64>().ok()).fold(0.0, f64::max);
    let (was, is) = (highest(was), highest(is));
    (was - is).abs() <= CLOCKS_DIFFER * was.max(is)
}

/// Categories whose data types are most of a model's precision.
const PRECISE: [Category; 3] = [Category::Gemm, Category::Moe, Category::Attention];

/// Whether the sides compute in different precision.
fn precision(base: &Side, new: &Side, reasons: &mut Vec<Reason>) {
    for category in PRECISE {
        if let (Some(was), Some(is)) = (main_dtype(base, category), main_dtype(new, category))
            && was != is
        {
            let text = format!(
                "{} runs mostly in {was} in the base and in {is} in the new: that is other work",
                category.title()
            );
            push(reasons, "other-precision", WithCare, text);
        }
    }
}

/// The data type in which a category spends most of its time.
fn main_dtype(side: &Side, category: Category) -> Option<&str> {
    let mut times: Vec<(Option<&str>, u64)> = Vec::new();
    for &(kernel, ns) in side.slots.iter().flat_map(|slot| &slot.kernels) {
        let kernel = &side.kernels[kernel as usize];
        if kernel.category == category {
            let dtype = kernel.dtype.as_deref();
            match times.iter_mut().find(|(known, _)| *known == dtype) {
                Some((_, sum)) => *sum += ns,
                None => times.push((dtype, ns)),
            }
        }
    }
    let whole: u64 = times.iter().map(|(_, ns)| ns).sum();
    times.into_iter().find(|(_, ns)| *ns as f64 > MAINLY * whole as f64).and_then(|(dtype, _)| dtype)
}

fn of_steps(strata: &Strata, reasons: &mut Vec<Reason>) {
    if strata.common.is_empty() {
        push(reasons, "other-batches", No, "no batch size was run by both sides".to_owned());
        return;
    }
    let fewest = strata.common.iter().map(|stratum| stratum.base.len().min(stratum.new.len())).max().unwrap_or(0);
    if fewest < STEPS_AT_LEAST {
        push(
            reasons,
            "too-few-steps",
            No,
            format!(
                "no batch was run in more than {fewest} steps by both sides, which proves nothing: at least {STEPS_AT_LEAST} are needed"
            ),
        );
    } else if fewest < STEPS_FOR_PRECISION {
        push(
            reasons,
            "few-steps",
            WithCare,
            format!(
                "no batch was run in more than {fewest} steps by both sides: only large changes can be told from noise"
            ),
        );
    }
    if strata.unlabelled {
        push(
            reasons,
            "unknown-batches",
            WithCare,
            "the batch size is not known on both sides, so it was not looked at".to_owned(),
        );
    }
    contexts(strata, reasons);
    if strata.left_out > 0 {
        push(
            reasons,
            "batches-differ",
            WithCare,
            format!("{} steps ran a batch or a context that the other side did not, or hardly, run", strata.left_out),
        );
    }
    if strata.shift() > SHARES_DIFFER {
        push(
            reasons,
            "mix-shift",
            WithCare,
            format!("{:.0} % of the steps moved to other batches", strata.shift() * 100.0),
        );
    }
}

/// Windows that begin at other contexts.
fn contexts(strata: &Strata, reasons: &mut Vec<Reason>) {
    let Some(contexts) = strata.contexts else { return };
    let Some(offset) = contexts.offset() else { return };
    let (was, is) = (contexts.base, contexts.new);
    let then = match contexts.are_apart() {
        true => "they have no context in common, so attention is not judged, and the step's time has its growth in it",
        false => "steps are compared where both sides were",
    };
    let text = format!(
        "the windows begin {offset} tokens of context apart: a request has {} to {} in the base, {} to {} in the new; {then}",
        was.0, was.1, is.0, is.1
    );
    push(reasons, "other-contexts", WithCare, text);
}
