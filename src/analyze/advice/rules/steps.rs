//! What steps tell one by one: padding, steps for nothing, prefill in between, uneven pace.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::advice::evidence::{Evidence, Pace};
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::rules::{Find, Rule, percent, took};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
use crate::analyze::time::stats::percentile;
use crate::classify::Category;
use crate::output::steps::BatchRow;
use crate::output::time::Cause;
use crate::steps::{Batch, Phase};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "bucket-just-missed",
        title: "Batches just above a graph's size run the next larger graph: {it}",
        find: Find::Ask(just_missed),
        threshold: 0.02,
        bound: "these steps took as long as those of the smaller graph",
        ways: &[
            everywhere(
                "Capture a graph for these batches too, or admit no more requests than the smaller graph has places.",
            ),
            vllm("cudagraph_capture_sizes in --compilation-config; --max-num-seqs."),
            sglang("--cuda-graph-bs-decode; --max-running-requests."),
            atom("--cudagraph-capture-sizes; --max-num-seqs."),
        ],
        verify: "In the table by batch, these batches run a graph of about their size.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "batch-above-graphs",
        title: "Steps with batches above the largest graph are launched kernel by kernel: {it}",
        find: Find::Ask(above_graphs),
        threshold: 0.02,
        bound: "these steps took as long as those from graphs",
        ways: &[
            everywhere("Capture graphs up to the largest batch that runs, or admit fewer requests."),
            vllm("cudagraph_capture_sizes or max_cudagraph_capture_size in --compilation-config; --max-num-seqs."),
            sglang("--cuda-graph-max-bs-decode; --max-running-requests."),
            atom("--cudagraph-capture-sizes; --max-num-seqs."),
        ],
        verify: "All decode steps come from graph launches.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "bucket-padding",
        title: "{it} of the requests that graphs compute are padding",
        find: Find::Ask(padding),
        threshold: 0.15,
        bound: "steps took time in proportion to the requests in them (they take less)",
        ways: &[
            everywhere("Capture graphs for the batch sizes that occur."),
            vllm(
                "cudagraph_capture_sizes in --compilation-config (in tokens: with speculation a request takes \
                 several).",
            ),
            sglang("--cuda-graph-bs-decode."),
            atom("--cudagraph-capture-sizes; the default jumps from 64 to 128, 256 and 512."),
        ],
        verify: "In the table by batch, graph sizes come near to the requests.",
        yields_to: &["bucket-just-missed"],
        about_trust: false,
    },
    Rule {
        id: "dummy-steps",
        title: "{it} of the steps are empty, run to keep data-parallel ranks in step",
        find: Find::Ask(dummy),
        threshold: 0.05,
        bound: "no step was run for nothing (which is throughput, not latency)",
        ways: &[
            everywhere(
                "Requests are spread unevenly over the data-parallel ranks, or there are too few for that many \
                 ranks: balance by requests or tokens, or take fewer ranks.",
            ),
            vllm(
                "the internal load balancer for all ranks rather than one port a rank; a smaller \
                 --data-parallel-size.",
            ),
            sglang("--load-balance-method total_tokens; a smaller --dp-size."),
            atom("--dp-load-balance least_tokens; a smaller --data-parallel-size."),
        ],
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
        ways: &[
            everywhere(
                "Speculation pays if the tokens accepted outweigh the draft: compare the acceptance length of the engine's \
                  log with this share, try fewer draft tokens, and see that the draft runs in a graph too.",
            ),
            vllm("num_speculative_tokens in --speculative-config."),
            sglang("--speculative-num-steps and --speculative-num-draft-tokens."),
            atom("--num-speculative-tokens."),
        ],
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
        ways: &[
            everywhere(
                "Smaller chunks stall decode for less at a time; separate prefill servers do not stall it at all.",
            ),
            vllm("a smaller --max-num-batched-tokens; disaggregated prefill by --kv-transfer-config."),
            sglang(
                "--prefill-decode-interval lets that many decode rounds run between two prefill batches; a \
                 smaller --chunked-prefill-size; --disaggregation-mode.",
            ),
            atom("--scheduler-delay-factor, a smaller --max-num-batched-tokens, --long-prefill-token-threshold."),
        ],
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
        ways: &[everywhere(
            "Clocks follow power and temperature: watch them (`amd-smi monitor -p -t -u`), look at the power cap \
             (`amd-smi static --limit`) and at the cooling. For measurements limit the clock (`amd-smi set \
             --perf-determinism <MHz>`), and do not compare this run with others.",
        )],
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
        ways: &[everywhere(
            "Something comes and goes: a second graph or kernel variant (compare the kernels of a fast and a slow step), \
             another process on the GPU, a host thread that is in the way, clocks that switch.",
        )],
        verify: "p90 of the step comes near to p50.",
        yields_to: &["clocks-fall"],
        about_trust: false,
    },
];

/// A batch is just above a graph's size by no more than this part of it.
const JUST_ABOVE: f64 = 0.15;
/// And runs a graph that is larger than that one by at least this.
const NEXT_GRAPH: f64 = 1.25;

fn just_missed(evidence: &Evidence<'_>) -> Option<Finding> {
    let rows = || {
        let known = |row: &'_ BatchRow| Some((row.size?, row.graph_size?, row.steps, row.gpu_span_ns.p50));
        evidence.report.steps.batch.iter().filter_map(known)
    };
    let ranks = evidence.pace.len() as u64 / evidence.report.steps.count.max(1);
    let (mut lost_ns, mut seen) = (0, Vec::new());
    for (size, graph, steps, span_ns) in rows() {
        let Some((_, smaller, _, smaller_ns)) = rows().filter(|row| row.1 < size).max_by_key(|row| row.1) else {
            continue;
        };
        let missed = f64::from(size) <= f64::from(smaller) * (1.0 + JUST_ABOVE)
            && f64::from(graph) >= f64::from(smaller) * NEXT_GRAPH
            && span_ns > smaller_ns;
        if missed {
            lost_ns += (span_ns - smaller_ns) * steps * ranks;
            seen.push((steps, size, graph, span_ns, smaller, smaller_ns));
        }
    }
    seen.sort_unstable_by_key(|&row| Reverse(row));
    let &(_, size, graph, ..) = seen.first()?;
    let told = |&(steps, size, graph, ns, smaller, smaller_ns): &(u64, u32, u32, u64, u32, u64)| {
        format!(
            "steps by batch: {steps} of {size} requests run the graph for {graph} and take {}; those of the graph for \
             {smaller} take {}",
            took(ns),
            took(smaller_ns)
        )
    };
    let mut finding = Finding::of(Claim::All, lost_ns, seen.iter().take(3).map(told).collect());
    finding.it = format!("{size} requests run the graph for {graph}");
    Some(finding)
}

fn above_graphs(evidence: &Evidence<'_>) -> Option<Finding> {
    let of = |graph: bool| evidence.pace.iter().filter(move |pace| pace.by_graph == Some(graph));
    let batch = |pace: &Pace| pace.batch.size.or(pace.batch.graph_size);
    let largest = of(true).filter_map(batch).max()?;
    let above: Vec<&Pace> = of(false).filter(|pace| batch(pace).is_some_and(|size| size > largest)).collect();
    let graph_ns = median(of(true).filter(|pace| batch(pace) == Some(largest)).map(|pace| pace.span_ns).collect());
    let spans: Vec<u64> = above.iter().map(|pace| pace.span_ns).collect();
    let lost_ns: u64 = spans.iter().map(|ns| ns.saturating_sub(graph_ns)).sum();
    let seen = vec![format!(
        "steps one by one: {} of {} have more than {largest} requests and no graph, and take {}; steps of {largest} from a \
         graph take {}",
        above.len(),
        evidence.pace.len(),
        took(median(spans)),
        took(graph_ns)
    )];
    // What they lose they lose to the host.
    let mut finding = Finding::of(Claim::Idle(Cause::Host), lost_ns.min(evidence.idle_ns(Cause::Host)), seen);
    finding.it = format!("{} of {} steps", above.len(), evidence.pace.len());
    (!above.is_empty() && finding.ns() > 0).then_some(finding)
}

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
        "GPU time by step: from the first third of the steps to the last, GEMM and all other compute grew by at \
         least {}",
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
