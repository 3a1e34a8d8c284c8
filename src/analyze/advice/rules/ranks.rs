//! What ranks wait for: each other, and the wire.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::pick::{Pick, any};
use crate::analyze::advice::rules::{Find, Rule, percent, took};
use crate::analyze::advice::way::{atom, everywhere, sglang, vllm};
use crate::classify::Category;
use crate::output::ranks::{LastArriver, RankRow, RankSkew, StepSkew};
use crate::output::time::Cause;

const COLLECTIVES: Pick = any(Category::Allreduce);

/// A collective of RCCL that takes no longer than this moves a small message: at some 300 GB/s of the links between two
/// GPUs, a megabyte takes a few microseconds, and the rest is latency.
const SMALL_NS: u64 = 80_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "straggler-host",
        title: "The other ranks wait for the host of rank {it}: {share} of the decode wall time",
        find: Find::Ask(|evidence| straggler(evidence).filter(|(_, by_host)| *by_host).map(|(finding, _)| finding)),
        threshold: 0.02,
        bound: "it arrived with the last but one",
        ways: &[
            everywhere(
                "The GPU of that rank is as fast as the others and has nothing to do: look at its process. See \
                 that it runs on cores of its GPU's NUMA node, look for other work on these cores, and for work \
                 that only this rank's process does (scheduling, detokenizing, logging).",
            ),
            vllm("--numa-bind."),
            sglang("--numa-node where it is not found by itself."),
            atom("ATOM_NUMA_BIND=1."),
        ],
        verify: "The rank's own idle time in the ranks table is that of the others.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "straggler-rank",
        title: "The other ranks wait for rank {it}: {share} of the decode wall time",
        find: Find::Ask(|evidence| straggler(evidence).filter(|(_, by_host)| !by_host).map(|(finding, _)| finding)),
        threshold: 0.02,
        bound: "it arrived with the last but one",
        ways: &[everywhere(
            "Look at that GPU before any kernel: clocks, power cap and temperature (amd-smi monitor, or rocm-smi), other \
             processes on it, the NUMA node that its process is bound to; then at work that only this rank does \
             (sampling, detokenizing, uneven experts).",
        )],
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
        ways: &[
            everywhere(
                "Each rank's host launches its own step. Bind every worker to cores of its GPU's NUMA node, keep \
                 other work off them, and switch automatic NUMA balancing off (sysctl kernel.numa_balancing=0).",
            ),
            vllm(
                "--numa-bind; a log line `Async scheduling is disabled` tells what turned asynchronous scheduling \
                 off, which is on by default.",
            ),
            sglang("no --disable-overlap-schedule; --numa-node where it is not found by itself."),
            atom("ATOM_NUMA_BIND=1."),
        ],
        verify: "The first collective of a step waits no longer than the others.",
        yields_to: &["straggler-host", "straggler-rank", "expert-imbalance"],
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
        ways: &[
            everywhere(
                "Custom all-reduce writes small messages straight into the peers' memory and takes a few \
                 microseconds; it needs all GPUs on one node and 2, 4, 6 or 8 of them.",
            ),
            vllm(
                "no --disable-custom-all-reduce; the log's line `all-reduce backends` must name CUSTOM or \
                 AITER_CUSTOM.",
            ),
            sglang("no --disable-custom-all-reduce."),
            atom("AITER_CUSTOM_AR_MAX_SIZE must not be 0."),
        ],
        verify: "The collectives are cross_device_reduce or quickreduce kernels, and AllReduce's critical time has \
             fallen.",
        yields_to: &[],
        about_trust: false,
    },
    Rule {
        id: "exposed-communication",
        title: "Communication that nothing hides holds decode up for {share} of its wall time",
        find: Find::Ask(exposed),
        threshold: 0.15,
        bound: "communication was hidden or free",
        ways: &[
            everywhere(
                "Fuse the all-reduce with the norm after it. Fewer GPUs a replica have less to reduce, if the \
                 model fits; data-parallel attention reduces none in attention.",
            ),
            vllm(
                "no --disable-custom-all-reduce; with VLLM_ROCM_USE_AITER=1 fuse_allreduce_rms is on. \
                 VLLM_ROCM_QUICK_REDUCE_QUANTIZATION=INT4 serves messages from 2 MB on (FP at 8 GPUs from 16 MB), \
                 if accuracy allows.",
            ),
            sglang(
                "--enable-aiter-allreduce-fusion with SGLANG_USE_AITER=1; no --disable-custom-all-reduce; \
                 --attn-dp-size (before: --enable-dp-attention).",
            ),
            atom(
                "ATOM_ENABLE_ALLREDUCE_RMSNORM_FUSION is on by default: see that it is not 0; \
                     --enable-dp-attention.",
            ),
        ],
        verify: "The critical share of AllReduce falls by more than GEMM's rises.",
        yields_to: &["rccl-small-messages"],
        about_trust: false,
    },
];

/// How much oftener than by chance a rank must come last.
const OFTENER: f64 = 1.5;

/// The rank that most is lost to, of those that come last oftener than chance would have it; and whether it is its host
/// that is late rather than its GPU.
fn straggler(evidence: &Evidence<'_>) -> Option<(Finding, bool)> {
    let skew = evidence.report.rank_skew.as_ref()?;
    let collectives = skew.collectives.as_ref()?;
    let often = |row: &&LastArriver| {
        // Were it chance, each rank of a group would come last equally often.
        let fewest = skew.groups.iter().filter(|group| group.contains(&row.rank)).map(Vec::len).min().unwrap_or(1);
        let by_chance = row.of as f64 / fewest as f64;
        row.times > 0 && row.times as f64 >= (by_chance * OFTENER).max(row.of as f64 / 2.0)
    };
    let last = collectives.last_arriver.iter().filter(often).max_by_key(|row| (row.late_ns, Reverse(row.rank)))?;
    let waiting =
        crate::analyze::time::stats::share(collectives.wait_ns, collectives.wait_ns + collectives.transfer_ns);
    let seen = vec![
        format!("rank {} came last to {} of its {} collectives", last.rank, last.times, last.of),
        format!("{} of the time in collectives is waiting for the last rank, over all ranks", percent(waiting)),
    ];
    let saved_ns = waiting_saved(&world(skew, last.rank), last.late_ns, skew);
    let finding = Finding { it: last.rank.to_string(), ..Finding::of(Claim::Idle(Cause::WaitPeer), saved_ns, seen) };
    let (gpu_ns, idle_ns) =
        (excess(skew, last.rank, |row| row.own_gpu_ns), excess(skew, last.rank, |row| row.own_idle_ns));
    Some((finding, idle_ns > gpu_ns))
}

/// How much more of its own time a step a rank has than the median of the others; 0 where that is not known.
fn excess(skew: &RankSkew, rank: u32, own_ns: fn(&RankRow) -> Option<u64>) -> u64 {
    let a_step = |row: &RankRow| Some(own_ns(row)? / row.met_steps.max(1));
    let of_rank = skew.per_rank.iter().find(|row| row.rank == rank).and_then(a_step);
    let mut others: Vec<u64> = skew.per_rank.iter().filter(|row| row.rank != rank).filter_map(a_step).collect();
    others.sort_unstable();
    let usual = others.get(others.len() / 2).copied();
    of_rank.zip(usual).map_or(0, |(of_rank, usual)| of_rank.saturating_sub(usual))
}

/// The ranks that depend on `rank`, directly or over others.
fn world(skew: &RankSkew, rank: u32) -> BTreeSet<u32> {
    let mut world = BTreeSet::from([rank]);
    loop {
        let before = world.len();
        for group in &skew.groups {
            if group.iter().any(|rank| world.contains(rank)) {
                world.extend(group);
            }
        }
        if world.len() == before {
            return world;
        }
    }
}

/// Wall time of these ranks that is saved if collectives, summed over the steps, begin earlier by `late_ns`. A step gets
/// shorter by no more than what the rank that waits longest waits in it.
fn waiting_saved(world: &BTreeSet<u32>, late_ns: u64, skew: &RankSkew) -> u64 {
    let rows = skew.per_rank.iter().filter(|row| world.contains(&row.rank));
    let longest_ns = rows.filter_map(|row| row.wait_ns).max().unwrap_or(0);
    // All ranks get shorter by it.
    late_ns.min(longest_ns) * world.len() as u64
}

fn start_skew(evidence: &Evidence<'_>) -> Option<Finding> {
    let skew = evidence.report.rank_skew.as_ref()?;
    let collectives = skew.collectives.as_ref()?;
    let first = collectives.start_skew.first_in_step?;
    let later = collectives.start_skew.later.map_or(0, |later| later.p50);
    let seen = vec![format!(
        "ranks table: at a step's first collective the last rank arrives {} after the first (median), at later \
         ones {}",
        took(first.p50),
        took(later)
    )];
    // Ranks that do not depend on each other lose each what it costs them.
    let mut saved_ns = 0;
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    for rank in skew.groups.iter().flatten() {
        if taken.contains(rank) {
            continue;
        }
        let world = world(skew, *rank);
        let of_world = |step: &&StepSkew| skew.groups[step.group].iter().all(|rank| world.contains(rank));
        let mut by_step: BTreeMap<u32, u64> = BTreeMap::new();
        for step in collectives.steps.iter().filter(of_world) {
            let most = by_step.entry(step.step).or_default();
            *most = step.first_ns.max(*most);
        }
        saved_ns += waiting_saved(&world, by_step.values().sum(), skew);
        taken.extend(world);
    }
    Some(Finding::of(Claim::Idle(Cause::WaitPeer), saved_ns, seen))
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
            "critical time of {} without waiting: {} of the wall time",
            report.title(Category::Allreduce),
            percent(evidence.share(critical_ns))
        ),
        format!("its backends: {}", backends.join(", ")),
    ];
    Some(Finding { claims, seen, ..Finding::default() })
}
