//! The part of the report that sets ranks side by side.

use serde::Serialize;

use crate::classify::Category;
use crate::output::time::{Distribution, Idle};

/// The ranks side by side.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RankSkew {
    /// The rank that waits least in collectives, since the others wait for it; of ranks that do not depend on each other,
    /// those count among which waiting differs most. Where none were matched, the one whose median step is longest. `None`
    /// where all are within 1 % of a step, or closer than their clocks tell.
    pub slowest_rank: Option<u32>,
    /// One row a rank.
    pub per_rank: Vec<RankRow>,
    /// Ranks that meet in collectives: tensor-parallel ranks, expert-parallel ones, …; a rank may be in several. Empty
    /// where nothing could be matched.
    pub groups: Vec<Vec<u32>>,
    /// How each of these is known.
    pub group_evidence: Vec<Evidence>,
    /// Collectives matched across ranks; `None` where they cannot be.
    pub collectives: Option<Collectives>,
    /// Ranks that take longer from collective to collective than the median of the ranks that they depend on, the slowest
    /// first.
    pub stragglers: Vec<Straggler>,
    /// Whether the ranks' times may be compared.
    pub clock: Clock,
    /// The critical path of decode steps across ranks; `None` where no collective was matched in a decode step.
    pub critical_path: Option<Across>,
}

/// How it is known which ranks meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The process told of its groups.
    Told,
    /// From the times at which ranks enter and leave collectives.
    Guessed,
}

/// One rank.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RankRow {
    /// Its number.
    pub rank: u32,
    /// Decode steps counted.
    pub steps: u64,
    /// Median GPU span of a step.
    pub step_p50_ns: Option<u64>,
    /// Sum of kernel durations in scope.
    pub gpu_time_ns: u64,
    /// Wall time that kernels held up, waiting for other ranks left out.
    pub critical_ns: Option<u64>,
    /// Time in collectives before the last rank arrived. With `transfer_ns` it is the time of the matched collectives.
    pub wait_ns: Option<u64>,
    /// Time in collectives after that.
    pub transfer_ns: Option<u64>,
    /// By how much it arrived before the last rank, summed; more than `wait_ns` where it left a collective before the
    /// last rank came, as the root of a broadcast does.
    pub early_ns: Option<u64>,
    /// Time from leaving one collective to arriving at the next, and from the step's first kernel to the first
    /// collective.
    pub own_ns: Option<u64>,
    /// The part of `own_ns` in which the GPU ran kernels.
    pub own_gpu_ns: Option<u64>,
    /// The rest of `own_ns`: the GPU was idle, and its host late.
    pub own_idle_ns: Option<u64>,
    /// Steps with matched collectives: those that `wait_ns`, `transfer_ns`, `early_ns` and `own_ns` are summed over.
    pub met_steps: u64,
}

/// Collectives matched across ranks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Collectives {
    /// How many were matched.
    pub count: u64,
    /// Communication kernels without counterpart on every other rank of the group.
    pub unmatched: u64,
    /// Collectives of which no rank is called the last: the two last arrived closer together than clocks tell.
    pub undecided: u64,
    /// Waiting, summed over ranks.
    pub wait_ns: u64,
    /// Transfer, summed over ranks.
    pub transfer_ns: u64,
    /// How often each rank arrived last, the most frequent first.
    pub last_arriver: Vec<LastArriver>,
    /// The same sums by kind of collective, the longest transfer first.
    pub by_kind: Vec<CollectiveKind>,
    /// From the first rank's arrival to the last one's.
    pub start_skew: StartSkew,
    /// Skew of each step; empty where the whole trace is in scope.
    pub steps: Vec<StepSkew>,
}

/// How often a rank arrived last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LastArriver {
    /// The rank.
    pub rank: u32,
    /// How many collectives waited for it.
    pub times: u64,
    /// In how many it took part.
    pub of: u64,
    /// By how much it came after the last but one, summed: what would be gained if it alone came earlier.
    pub late_ns: u64,
}

/// Collectives of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CollectiveKind {
    /// Who does it: `rccl`, `custom/one-two-stage`, `quickreduce`, `mori`, …
    pub sub: String,
    /// What it does, as far as the process or the kernel's name tells: `all_reduce`, `all_to_all`, …
    pub collective: Option<&'static str>,
    /// How many.
    pub count: u64,
    /// Waiting, summed over ranks.
    pub wait_ns: u64,
    /// Transfer, summed over ranks.
    pub transfer_ns: u64,
    /// Transfer of one collective on one rank.
    pub transfer: Distribution,
}

/// Skew of arrivals. A step's first collective has what the hosts launch apart; later ones have what the GPUs do
/// unequally. They are kept apart, so that neither hides the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct StartSkew {
    /// Of the first collective of each step.
    pub first_in_step: Option<Distribution>,
    /// Of all others.
    pub later: Option<Distribution>,
}

/// Skew of one step in one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct StepSkew {
    /// Its number.
    pub step: u32,
    /// Position in [`RankSkew::groups`].
    pub group: usize,
    /// At its first collective.
    pub first_ns: u64,
    /// The largest at any later one.
    pub later_ns: u64,
    /// Waiting in all its collectives, summed over ranks.
    pub wait_ns: u64,
    /// The rank that was last most often, if any was.
    pub last: Option<u32>,
}

/// A rank that the others wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Straggler {
    /// The rank.
    pub rank: u32,
    /// Its own work in a step, on average (see [`RankRow::own_ns`]).
    pub own_ns_per_step: u64,
    /// That of the median of the ranks that it depends on, over groups that have ranks in common.
    pub median_ns_per_step: u64,
}

/// Whether the ranks' times may be compared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Clock {
    /// Whether all ranks are taken to share one clock: they are on one host, or nothing speaks against it.
    pub shared: bool,
    /// How far apart the ranks left the collectives that held them all, on the common clock. On one clock a few
    /// microseconds.
    pub end_skew_ns: Option<Distribution>,
    /// Each rank's clock.
    pub per_rank: Vec<ClockRow>,
}

/// One rank's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ClockRow {
    /// The rank.
    pub rank: u32,
    /// By how much it is ahead of the first rank's; 0 where they share one, `None` where nothing is known: then the rank
    /// takes part in nothing that compares ranks.
    pub offset_ns: Option<i64>,
    /// How far off comparing its arrivals with others' may be: as far apart as ranks left the collectives that held them
    /// all, nine times out of ten.
    pub uncertainty_ns: Option<u64>,
}

/// The critical path of decode steps across ranks: a partition of their wall time that goes from collective to
/// collective over the rank that arrives last. Waiting for peers is not on it, unless a collective could not be matched.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Across {
    /// Steps followed, each once a group.
    pub steps: u64,
    /// Their wall time, from the first rank's first kernel on; with groups that do not meet, summed over these. The
    /// categories and `idle` add up to it.
    pub wall_ns: u64,
    /// By category, the largest first.
    pub categories: Vec<AcrossCategory>,
    /// Time in which none of the step's kernels ran on the rank that the path was on.
    pub idle: Idle,
    /// How long the path was on each rank, the longest first. Adds up to `wall_ns`.
    pub on_path: Vec<OnPath>,
    /// How often it went from one rank to another.
    pub hops: u64,
}

/// A category's part of the path.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct AcrossCategory {
    /// Which.
    pub name: Category,
    /// Wall time that it held up.
    pub ns: u64,
    /// Of the path.
    pub share: f64,
}

/// A rank's part of the path.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct OnPath {
    /// The rank.
    pub rank: u32,
    /// How long the path was on it.
    pub ns: u64,
    /// Of the path.
    pub share: f64,
}
