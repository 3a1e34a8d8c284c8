//! What ranks wait for: each other, and the wire.

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Action, Claim, Find, Finding, Rule, percent};
use crate::classify::Category;
use crate::output::time::Cause;

const COLLECTIVES: Pick = any(Category::Allreduce);

/// A collective of RCCL that takes no longer than this moves a small message: at some 300 GB/s of the links between two
/// GPUs, a megabyte takes a few microseconds, and the rest is latency.
const SMALL_NS: u64 = 80_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "straggler-rank",
        title: "The other ranks wait for rank {it}: {share} of the decode wall time",
        find: Find::Ask(straggler),
        threshold: 0.02,
        bound: "it arrived with the last but one",
        action: Action::any(
            "Look at that GPU before any kernel: clocks, power cap and temperature (amd-smi monitor, or rocm-smi), other \
             processes on it, the NUMA node that its process is bound to; then at work that only this rank does \
             (sampling, detokenizing, uneven experts).",
        ),
        verify: "Ranks arrive last about equally often, and waiting is gone from the ranks table.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "start-skew",
        title: "Ranks begin their steps at different times: the last waits cost {share} of the decode wall time",
        find: Find::Ask(start_skew),
        threshold: 0.03,
        bound: "all ranks began each step at the same time",
        action: Action {
            any: "Each rank's host launches its own step. Bind every worker to cores of its GPU's NUMA node (numactl \
                  --cpunodebind), keep other work off them, and switch automatic NUMA balancing off (sysctl \
                  kernel.numa_balancing=0).",
            vllm: "--async-scheduling.",
            sglang: "no --disable-overlap-schedule.",
            atom: "",
        },
        verify: "The first collective of a step waits no longer than the others.",
        yields_to: &["straggler-rank"],
        about_trust: false,
    },
    Rule {
        id: "rccl-small-messages",
        title: "RCCL reduces small messages for {share} of the decode wall time",
        find: Find::Kernels(&[COLLECTIVES
            .by(&["rccl"])
            .at_least_a_step(2.0)
            .only(|_, kernel| kernel.row.p50_ns <= SMALL_NS)]),
        threshold: 0.03,
        bound: "these collectives cost nothing",
        action: Action {
            any: "Custom all-reduce writes small messages straight into the peers' memory and takes a few microseconds; it \
                  needs all GPUs on one node and an even number of them.",
            vllm: "no --disable-custom-all-reduce; VLLM_ROCM_QUICK_REDUCE_QUANTIZATION=FP for messages from about a \
                   megabyte on.",
            sglang: "no --disable-custom-all-reduce.",
            atom: "AITER_QUICK_REDUCE_QUANTIZATION=INT4 for large messages, if accuracy allows.",
        },
        verify: "The collectives are cross_device_reduce or quickreduce kernels, and AllReduce's critical time has fallen.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "exposed-communication",
        title: "Communication that nothing hides holds decode up for {share} of its wall time",
        find: Find::Ask(exposed),
        threshold: 0.15,
        bound: "communication was hidden or free",
        action: Action {
            any: "Fuse the all-reduce with the norm after it; from about a megabyte a message use quick all-reduce. Fewer \
                  GPUs a replica have less to reduce, if the model fits; data-parallel attention reduces none in \
                  attention.",
            vllm: "no --disable-custom-all-reduce; VLLM_ROCM_QUICK_REDUCE_QUANTIZATION=FP, or INT8, INT6, INT4 if accuracy \
                   allows.",
            sglang: "--enable-aiter-allreduce-fusion with SGLANG_USE_AITER=1; no --disable-custom-all-reduce; \
                     --enable-dp-attention.",
            atom: "ATOM_ENABLE_ALLREDUCE_RMSNORM_FUSION=1 (the default); AITER_QUICK_REDUCE_QUANTIZATION=INT4 if \
                   accuracy allows; --enable-dp-attention.",
        },
        verify: "The critical share of AllReduce falls by more than GEMM's rises.",
        yields_to: &[],
        about_trust: false,
    },
];

fn straggler(evidence: &Evidence<'_>) -> Option<Finding> {
    let skew = evidence.report.rank_skew.as_ref()?;
    let (slowest, collectives) = (skew.slowest_rank?, skew.collectives.as_ref()?);
    let last = collectives.last_arriver.iter().find(|row| row.rank == slowest)?;
    // Were it chance, each rank would come last equally often.
    if last.times * 2 < collectives.count {
        return None;
    }
    let waiting =
        crate::analyze::time::stats::share(collectives.wait_ns, collectives.wait_ns + collectives.transfer_ns);
    let seen = vec![
        format!("rank {slowest} came last to {} of {} collectives", last.times, collectives.count),
        format!("{} of the time in collectives is waiting for the last rank", percent(waiting)),
    ];
    let mut finding = waiting_saved(evidence, last.late_ns, seen)?;
    finding.it = slowest.to_string();
    Some(finding)
}

/// A finding about waiting: `late_ns` is by how much collectives, summed over the steps, could have begun earlier. A step
/// gets shorter by no more than what the rank that waits longest waits in it.
fn waiting_saved(evidence: &Evidence<'_>, late_ns: u64, seen: Vec<String>) -> Option<Finding> {
    let skew = evidence.report.rank_skew.as_ref()?;
    let longest_ns = skew.per_rank.iter().filter_map(|row| row.wait_ns).max()?;
    // All ranks get shorter by it.
    let ranks = skew.per_rank.len() as u64;
    Some(Finding::of(Claim::Idle(Cause::WaitPeer), late_ns.min(longest_ns) * ranks, seen))
}

fn start_skew(evidence: &Evidence<'_>) -> Option<Finding> {
    let collectives = evidence.report.rank_skew.as_ref()?.collectives.as_ref()?;
    let first = collectives.start_skew.first_in_step?;
    let later = collectives.start_skew.later.map_or(0, |later| later.p50);
    let seen = vec![format!(
        "ranks table: at a step's first collective the last rank arrives {} ns after the first (median), at later ones {later} ns",
        first.p50
    )];
    waiting_saved(evidence, first.mean * first.count, seen)
}

fn exposed(evidence: &Evidence<'_>) -> Option<Finding> {
    let report = evidence.report;
    let critical_ns = report.category(Category::Allreduce)?.critical_ns?;
    // Waiting for the last rank is idle time and another rule's: no kernel would make it shorter.
    let is_collective = |at: &usize| evidence.kernels[*at].row.category == Category::Allreduce;
    let collectives = (0..evidence.kernels.len()).filter(is_collective);
    let claims = collectives.map(|at| (Claim::Kernel(at), evidence.kernels[at].critical_ns)).collect();
    let backends: Vec<String> = report
        .category(Category::Allreduce)?
        .backends
        .iter()
        .map(|part| format!("{} {}", part.name, percent(part.share)))
        .collect();
    let seen = vec![
        format!(
            "critical time of AllReduce without waiting: {} of the wall time",
            percent(evidence.share(critical_ns))
        ),
        format!("its backends: {}", backends.join(", ")),
    ];
    Some(Finding { claims, seen, ..Finding::default() })
}
