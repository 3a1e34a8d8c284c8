//! What could be done about it: rules over the finished report.
//!
//! A rule sees what a reader sees, cites the rows that it rests on, and says what would be saved if the thing it names
//! cost nothing at all. Its threshold is a share of the step's wall time: below it the rule is silent, because advice
//! that is wrong once is not read twice. Without decode steps there is nothing to save a part of, and no rule is asked.

use super::report::{Advice, Cause, Report, ScopeOf};
use super::stats::share;
use crate::classify::Category;

/// What the report gives reason to advise, the largest possible saving first.
pub(super) fn advice(report: &Report) -> Vec<Advice> {
    let steps = report.steps.gpu_span_ns.map_or(0, |span| span.count);
    if report.scope.of != ScopeOf::DecodeSteps || steps < FEWEST_STEPS {
        return Vec::new();
    }
    let mut advice: Vec<Advice> = RULES.iter().filter_map(|rule| rule.ask(report, steps)).collect();
    advice.sort_by(|a, b| b.saves_at_most_ns_per_step.cmp(&a.saves_at_most_ns_per_step).then(a.id.cmp(b.id)));
    advice
}

/// Fewer steps are an anecdote.
const FEWEST_STEPS: u64 = 5;

/// What a rule found.
struct Finding {
    /// Wall time in question, over the steps of all ranks.
    ns: u64,
    title: String,
    evidence: Vec<String>,
}

/// One rule. All of it is data but for the question that it asks.
struct Rule {
    id: &'static str,
    /// Part of the steps' wall time from which on the rule speaks.
    threshold: f64,
    find: fn(&Report) -> Option<Finding>,
    action: &'static str,
    verify: &'static str,
}

impl Rule {
    fn ask(&self, report: &Report, steps: u64) -> Option<Advice> {
        let found = (self.find)(report)?;
        if share(found.ns, report.scope.wall_ns) < self.threshold {
            return None;
        }
        Some(Advice {
            id: self.id,
            title: found.title,
            saves_at_most_ns_per_step: found.ns / steps,
            share_of_itl: share(found.ns, report.scope.wall_ns),
            bound: "if it cost nothing at all".to_owned(),
            overlaps: Vec::new(),
            evidence: found.evidence,
            action: self.action.to_owned(),
            verify: self.verify.to_owned(),
        })
    }
}

const RULES: &[Rule] = &[
    Rule {
        id: "host-bound",
        threshold: 0.05,
        find: host_bound,
        action: "Let decode run as one full graph. vLLM: drop --enforce-eager, set cudagraph_mode to FULL_DECODE_ONLY or \
                 FULL_AND_PIECEWISE in --compilation-config, and cover the running batch with \
                 cudagraph_capture_sizes. SGLang: drop --disable-cuda-graph and raise --cuda-graph-max-bs above the \
                 running batch.",
        verify: "The idle time of cause `host` falls, and the kernels of a step come from one graph launch.",
    },
    Rule {
        id: "straggler-rank",
        threshold: 0.02,
        find: straggler,
        action: "Look at that GPU before any kernel: clocks, power cap and temperature (rocm-smi), other processes on it, \
                 the NUMA node that its process is bound to; then at work that only this rank does (sampling, \
                 detokenizing, uneven experts).",
        verify: "Ranks arrive last about equally often, and waiting is gone from the ranks table.",
    },
    Rule {
        id: "exposed-communication",
        threshold: 0.10,
        find: exposed_communication,
        action: "Use the all-reduce kernels made for small messages: vLLM and SGLang without \
                 --disable-custom-all-reduce. From about a megabyte a message, quick all-reduce \
                 (VLLM_ROCM_QUICK_REDUCE_QUANTIZATION=FP, or INT8 to INT4 if accuracy allows). Fewer GPUs a replica \
                 have less to reduce, if the model fits.",
        verify: "The critical share of AllReduce falls by more than GEMM's rises.",
    },
];

fn host_bound(report: &Report) -> Option<Finding> {
    let idle = report.idle.as_ref()?;
    let ns = idle.causes.iter().find(|cause| cause.name == Cause::Host)?.ns;
    let part = percent(ns, report.scope.wall_ns);
    Some(Finding {
        ns,
        title: format!("The GPU waits for the host during {part} of the decode wall time"),
        evidence: vec![format!(
            "idle time of cause host: {part} of the wall time; all idle time: {:.1} %",
            idle.critical_share * 100.0
        )],
    })
}

fn straggler(report: &Report) -> Option<Finding> {
    let skew = report.rank_skew.as_ref()?;
    let (slowest, collectives) = (skew.slowest_rank?, skew.collectives.as_ref()?);
    let last = collectives.last_arriver.iter().find(|row| row.rank == slowest)?;
    // Were it chance, each rank would come last equally often.
    if last.times * 2 < collectives.count {
        return None;
    }
    let part = percent(collectives.wait_ns, collectives.wait_ns + collectives.transfer_ns);
    // A step gets shorter by what the rank that waits longest waits, at most.
    let longest_ns = skew.per_rank.iter().filter_map(|row| row.wait_ns).max()?;
    Some(Finding {
        ns: longest_ns * skew.per_rank.len() as u64,
        title: format!("The other ranks wait for rank {slowest}"),
        evidence: vec![
            format!("rank {slowest} came last to {} of {} collectives", last.times, collectives.count),
            format!("{part} of the time in collectives is waiting for the last rank"),
        ],
    })
}

fn exposed_communication(report: &Report) -> Option<Finding> {
    let row = report.category(Category::Allreduce)?;
    // Waiting for a straggler is idle time and another rule's: no kernel would make it shorter.
    let ns = row.critical_ns?;
    let part = percent(ns, report.scope.wall_ns);
    let backends: Vec<String> =
        row.backends.iter().map(|part| format!("{} {:.1} %", part.name, part.share * 100.0)).collect();
    Some(Finding {
        ns,
        title: format!("Communication that nothing hides holds decode up for {part} of its wall time"),
        evidence: vec![
            format!("critical time of AllReduce without waiting: {part} of the wall time"),
            format!("its backends: {}", backends.join(", ")),
        ],
    })
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", share(part, whole) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Row, trace_with_steps};

    /// Ten steps of 100 ns on two ranks: GEMM, then a collective to which rank 1 comes `late`; the next step's kernels
    /// are launched `host` ns after the last kernel ended.
    fn ids(reduce: i64, late: i64, host: i64) -> Vec<&'static str> {
        let mut rows = Vec::new();
        for rank in 0..2 {
            for step in 0..10 {
                let at = step * (1_000 + reduce + late + host);
                let arrives = at + 1_000 + if rank == 1 { late } else { 0 };
                let mut row = Row::decode(&[("gemm", at, arrives), ("reduce", arrives, at + 1_000 + late + reduce)])
                    .on_rank(rank);
                for kernel in &mut row.kernels {
                    kernel.launched_ns = Some(at - 1);
                }
                rows.push(row);
            }
        }
        trace_with_steps(&rows).report().advice.iter().map(|advice| advice.id).collect()
    }

    #[test]
    fn a_healthy_server_is_left_in_peace() {
        assert_eq!(ids(50, 0, 10), [""; 0]);
    }

    #[test]
    fn each_rule_speaks_up_for_its_own_sickness() {
        assert_eq!(ids(50, 0, 400), ["host-bound"]);
        assert_eq!(ids(50, 200, 10), ["straggler-rank"]);
        assert_eq!(ids(400, 0, 10), ["exposed-communication"]);
    }

    #[test]
    fn no_saving_exceeds_the_step_and_the_largest_comes_first() {
        let rows: Vec<Row> = (0..10)
            .map(|step| {
                let at = step * 1_000;
                let mut row = Row::decode(&[("gemm", at, at + 200), ("reduce", at + 200, at + 500)]);
                row.kernels.iter_mut().for_each(|kernel| kernel.launched_ns = Some(at - 1));
                row
            })
            .collect();
        let report = trace_with_steps(&rows).report();
        let found: Vec<_> = report.advice.iter().map(|advice| (advice.id, advice.saves_at_most_ns_per_step)).collect();
        // The last step has no next one to wait for: its wall ends with its last kernel.
        assert_eq!(found, [("host-bound", 499 * 9 / 10), ("exposed-communication", 300)]);
    }

    #[test]
    fn a_stragglers_bound_is_what_the_longest_waiting_rank_waits() {
        let step = |rank: u32, at: i64, arrives: i64| {
            Row::decode(&[("gemm", at, at + arrives), ("reduce", at + arrives, at + 1_100)]).on_rank(rank)
        };
        let rows: Vec<Row> =
            (0..30).map(|i| step(i / 10, i64::from(i % 10) * 1_200, [700, 800, 1_000][i as usize / 10])).collect();
        let advice = trace_with_steps(&rows).report().advice;
        let found: Vec<_> = advice.iter().map(|advice| (advice.id, advice.saves_at_most_ns_per_step)).collect();
        assert!(found.contains(&("straggler-rank", 300)), "{found:?}");
    }

    #[test]
    fn a_few_steps_are_no_evidence() {
        let rows: Vec<Row> = (0..3).map(|step| Row::decode(&[("reduce", step * 100, step * 100 + 90)])).collect();
        assert!(trace_with_steps(&rows).report().advice.is_empty());
    }
}
