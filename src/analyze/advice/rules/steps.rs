//! What steps tell one by one: padding, steps for nothing, prefill in between, uneven pace.

use std::collections::BTreeMap;

use crate::analyze::advice::evidence::{Evidence, Pace};
use crate::analyze::advice::rules::{Action, Claim, Find, Finding, Rule, percent, took};
use crate::analyze::time::stats::percentile;
use crate::classify::Category;
use crate::steps::{Batch, Phase};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "bucket-padding",
        title: "{it} of the requests that graphs compute are padding",
        find: Find::Ask(padding),
        threshold: 0.15,
        bound: "steps took time in proportion to the requests in them (they take less)",
        action: Action {
            any: "Capture graphs for the batch sizes that occur.",
            vllm: "cudagraph_capture_sizes in --compilation-config.",
            sglang: "--cuda-graph-bs-decode (before: --cuda-graph-bs).",
            atom: "--cudagraph-capture-sizes.",
        },
        verify: "In the table by batch, graph sizes come near to the requests.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "dummy-steps",
        title: "{it} of the steps are empty, run to keep data-parallel ranks in step",
        find: Find::Ask(dummy),
        threshold: 0.05,
        bound: "no step was run for nothing (which is throughput, not latency)",
        action: Action {
            any: "Requests are spread unevenly over the data-parallel ranks, or there are too few for that many ranks: \
                  balance by requests or tokens, or take fewer ranks.",
            vllm: "one internal load balancer for all ranks rather than one port a rank; a smaller \
                   --data-parallel-size.",
            sglang: "--load-balance-method; a smaller --dp-size.",
            atom: "dp_load_balance least_tokens; a smaller --data-parallel-size.",
        },
        verify: "The phases table has fewer dummy steps.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "draft-share",
        title: "The draft model takes time worth {share} of the decode wall time",
        find: Find::Ask(draft),
        threshold: 0.25,
        bound: "drafting was free",
        action: Action {
            any: "Speculation pays if the tokens accepted outweigh the draft: compare the acceptance length of the engine's \
                  log with this share, try fewer draft tokens, and see that the draft runs in a graph too.",
            vllm: "num_speculative_tokens in --speculative-config.",
            sglang: "--speculative-num-steps and --speculative-num-draft-tokens.",
            atom: "--num-speculative-tokens.",
        },
        verify: "Tokens a second go up; the draft's share goes down.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "prefill-interrupts",
        title: "{it} of the steps are prefill or mixed and stall the requests that decode",
        find: Find::Ask(prefill),
        threshold: 0.15,
        bound: "prefill ran elsewhere",
        action: Action {
            any: "Smaller chunks stall decode for less at a time; separate prefill servers do not stall it at all.",
            vllm: "a smaller --max-num-batched-tokens; disaggregated prefill by --kv-transfer-config.",
            sglang: "a smaller --chunked-prefill-size; --enable-mixed-chunk; --disaggregation-mode.",
            atom: "ATOM_ENABLE_PREFILL_DELAYER with ATOM_PREFILL_DECODE_INTERVAL, --scheduler-delay-factor, a smaller \
                   --max-num-batched-tokens.",
        },
        verify: "The tail of token to token (p99) comes down in the server's own metrics.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "clocks-fall",
        title: "Kernels of all kinds get slower together, by {it} over the window",
        find: Find::Ask(clocks),
        threshold: 0.02,
        bound: "all steps ran as fast as the first third of them",
        action: Action::any(
            "Clocks follow power and temperature: watch them (amd-smi monitor, or rocm-smi --showclocks --showpower), \
             look at the power cap and at the cooling. For measurements fix the clock (rocm-smi \
             --setperfdeterminism <MHz>), and do not compare this run with others.",
        ),
        verify: "GEMM's time a step is the same at the beginning and at the end of the window.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "bimodal-steps",
        title: "Steps of the same batch are of two kinds: {it}",
        find: Find::Ask(bimodal),
        threshold: 0.03,
        bound: "all steps were of the fast kind",
        action: Action::any(
            "Something comes and goes: a second graph or kernel variant (compare the kernels of a fast and a slow step), \
             another process on the GPU, a host thread that is in the way, clocks that switch.",
        ),
        verify: "p90 of the step comes near to p50.",
        yields_to: &["clocks-fall"],
        about_trust: false,
    },
];

fn padding(evidence: &Evidence<'_>) -> Option<Finding> {
    let known = evidence.report.steps.batch.iter().filter_map(|row| Some((row.size?, row.graph_size?, row.steps)));
    let (mut padded, mut steps) = (0.0, 0);
    for (size, graph, count) in known {
        padded += f64::from(graph.saturating_sub(size)) / f64::from(graph.max(1)) * count as f64;
        steps += count;
    }
    let part = padded / evidence.report.steps.count.max(1) as f64;
    let seen = vec![format!("steps by batch: over {steps} steps, {} of the graphs' places are empty", percent(part))];
    let mut finding = Finding::of(Claim::All, (part * evidence.wall_ns as f64) as u64, seen);
    finding.it = percent(part);
    (steps > 0 && padded > 0.0).then_some(finding)
}

/// Steps of these phases: how many, and their time, over all ranks.
fn other_steps(evidence: &Evidence<'_>, phases: &[Phase]) -> (u64, u64) {
    let rows = evidence.report.steps.by_phase.iter().filter(|row| phases.contains(&row.phase));
    rows.fold((0, 0), |(steps, ns), row| (steps + row.steps, ns + row.gpu_span_ns.mean * row.gpu_span_ns.count))
}

/// A finding about so many steps that are not counted and their time, if they are at least `least` of all steps.
fn about_others(evidence: &Evidence<'_>, (steps, ns): (u64, u64), least: f64) -> Option<Finding> {
    let part = steps as f64 / (steps + evidence.report.steps.count).max(1) as f64;
    let seen = vec![format!(
        "phases table: {steps} such steps beside {} of decode; their time is {} of decode's",
        evidence.report.steps.count,
        percent(evidence.share(ns))
    )];
    let mut finding = Finding::of(Claim::OtherSteps, ns, seen);
    finding.it = percent(part);
    (steps > 0 && part >= least).then_some(finding)
}

fn dummy(evidence: &Evidence<'_>) -> Option<Finding> {
    about_others(evidence, other_steps(evidence, &[Phase::Dummy]), 0.10)
}

fn draft(evidence: &Evidence<'_>) -> Option<Finding> {
    about_others(evidence, other_steps(evidence, &[Phase::Draft]), 0.0)
}

fn prefill(evidence: &Evidence<'_>) -> Option<Finding> {
    about_others(evidence, evidence.between, 0.10)
}

/// Fewer steps of one batch on one rank show no pace.
const STEPS_FOR_PACE: usize = 20;

/// Steps of one batch on one rank, in order.
fn alike<'a>(evidence: &'a Evidence<'_>) -> Vec<Vec<&'a Pace>> {
    let mut groups: BTreeMap<(usize, Batch), Vec<&Pace>> = BTreeMap::new();
    for pace in &evidence.pace {
        groups.entry((pace.rank.index(), pace.batch)).or_default().push(pace);
    }
    groups.into_values().filter(|group| group.len() >= STEPS_FOR_PACE).collect()
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    percentile(&values, 50)
}

/// Categories whose time at a given batch depends on the clock alone: attention grows with the context, and collectives
/// wait.
const STEADY: [Category; 4] = [Category::Gemm, Category::Moe, Category::Quantization, Category::Other];
/// How much slower every kind must have become. Attention grows by itself, GEMMs never do.
const SLOWER: f64 = 1.04;

fn clocks(evidence: &Evidence<'_>) -> Option<Finding> {
    let (mut lost_ns, mut slower, mut groups) = (0, f64::INFINITY, 0);
    for group in alike(evidence) {
        let third = group.len() / 3;
        let (first, last) = (&group[..third], &group[group.len() - third..]);
        let of =
            |part: &[&Pace], category: Category| median(part.iter().map(|pace| pace.gpu[category as usize]).collect());
        let steady = |pace: &Pace| STEADY.iter().map(|category| pace.gpu[*category as usize]).sum::<u64>();
        let usual = median(first.iter().map(|pace| steady(pace)).collect());
        let counts = |category: &&Category| of(first, **category) * 20 >= usual;
        let ratios: Vec<f64> = STEADY
            .iter()
            .filter(counts)
            .map(|category| of(last, *category) as f64 / of(first, *category).max(1) as f64)
            .collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        if least < SLOWER || !least.is_finite() {
            return None;
        }
        slower = slower.min(least);
        groups += 1;
        lost_ns += group.iter().map(|pace| steady(pace).saturating_sub(usual)).sum::<u64>();
    }
    let seen = vec![format!(
        "GPU time by step: from the first third of the steps to the last, GEMM and all other compute grew by at least {}",
        percent(slower - 1.0)
    )];
    let mut finding = Finding::of(Claim::Pace, lost_ns, seen);
    finding.it = percent(slower - 1.0);
    (groups > 0).then_some(finding)
}

/// How much longer the slow kind must take.
const APART: f64 = 1.10;
/// Of the steps, each kind must have so many.
const OF_EACH_KIND: f64 = 0.15;

fn bimodal(evidence: &Evidence<'_>) -> Option<Finding> {
    let (mut lost_ns, mut slow, mut all) = (0, 0, 0);
    let mut kinds = None;
    for group in alike(evidence) {
        all += group.len();
        let spans: Vec<u64> = group.iter().map(|pace| pace.span_ns).collect();
        let Some((fast_ns, slow_ns, limit)) = two_kinds(&spans) else { continue };
        // One change from fast to slow is no coming and going.
        let changes = spans.windows(2).filter(|pair| (pair[0] >= limit) != (pair[1] >= limit)).count();
        if changes <= 2 {
            continue;
        }
        kinds = kinds.or(Some((fast_ns, slow_ns)));
        slow += spans.iter().filter(|&&ns| ns >= limit).count();
        lost_ns += spans.iter().filter(|&&ns| ns >= limit).map(|ns| ns - fast_ns).sum::<u64>();
    }
    let (fast_ns, slow_ns) = kinds?;
    let seen = vec![format!(
        "steps one by one: {slow} of {all} are of the slow kind, {} against {}",
        took(slow_ns),
        took(fast_ns)
    )];
    let mut finding = Finding::of(Claim::Pace, lost_ns, seen);
    finding.it = format!("{:.3} ms and {:.3} ms", fast_ns as f64 / 1e6, slow_ns as f64 / 1e6);
    Some(finding)
}

/// The medians of two kinds of values with nothing between, and where the slow begin; `None` if there is one kind.
fn two_kinds(values: &[u64]) -> Option<(u64, u64, u64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let least = (sorted.len() as f64 * OF_EACH_KIND).ceil() as usize;
    let cuts = least.max(1)..=sorted.len().saturating_sub(least);
    let cut = cuts.max_by_key(|&at| sorted.get(at).map_or(0, |next| next - sorted[at - 1]))?;
    let (fast, slow) = (percentile(&sorted[..cut], 50), percentile(&sorted[cut..], 50));
    let gap = sorted.get(cut)? - sorted[cut - 1];
    (slow as f64 >= fast as f64 * APART && gap * 2 >= slow - fast).then_some((fast, slow, sorted[cut]))
}
