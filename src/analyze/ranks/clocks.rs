//! Whether ranks share a clock, and what to do if they do not.
//!
//! GPUs of one host share its clock. Across hosts clocks differ by what their synchronisation leaves, often by more than
//! a decode step. But the kernels of an all-reduce end together on all ranks, a few microseconds apart:
//!
//! ```text
//!   host A, rank 0   ▕▔▔▔▔▔▔▔▔▔▏                       all ends of B lie later by the same 3 ms:
//!   host B, rank 8        ┊        ▕▔▔▔▔▔▔▔▔▏          that is the offset between the clocks
//!                         ├─ offset ┤
//! ```
//!
//! So hosts are aligned on the ends of their collectives: the offset is the median difference, and its uncertainty is
//! half the range from the 10th to the 90th percentile, which holds what ends really differ by, drift over the trace,
//! and collectives that do not end together (broadcasts). Ranks whose host is unknown are taken to be on one host,
//! unless their collectives lie further apart than they last. Starts are no use: they differ by what ranks are late.

use crate::analyze::time::stats::percentile;
use crate::model::{RankIdx, Span, Trace};

/// Fewest pairs of kernels that clocks are aligned on.
const FEWEST_PAIRS: usize = 3;

/// The ranks' clocks relative to that of the first rank.
#[derive(Debug)]
pub(crate) struct Clocks {
    ranks: Vec<Clock>,
}

/// How a rank's clock relates to the common one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clock {
    /// They are the same.
    Shared,
    /// It is ahead by so much, give or take the uncertainty.
    Aligned { offset_ns: i64, uncertainty_ns: u64 },
    /// Nothing is known of it.
    Unknown,
}

impl Clocks {
    /// Compares the clocks of all ranks; `pairs` gives the spans of kernels of two ranks that are one collective, each on
    /// its rank's clock.
    pub(crate) fn of(trace: &Trace, pairs: impl Fn(RankIdx, RankIdx) -> Vec<(Span, Span)>) -> Self {
        let host = |rank: RankIdx| trace.processes[trace.ranks[rank.index()].process.index()].host.as_deref();
        let reference = RankIdx::new(0);
        // Clocks of hosts that were looked at: their ranks share one.
        let mut known: Vec<(&str, Clock)> = Vec::new();
        let clock = |at: usize| {
            let rank = RankIdx::new(at);
            if rank == reference {
                return Clock::Shared;
            }
            let (here, there) = (host(reference), host(rank));
            if here.is_some() && here == there {
                return Clock::Shared;
            }
            if let Some((_, clock)) = known.iter().find(|(host, _)| Some(*host) == there) {
                return *clock;
            }
            let pairs = pairs(reference, rank);
            let clock = match (here, there) {
                (Some(_), Some(_)) => aligned(&pairs).unwrap_or(Clock::Unknown),
                _ if is_one_clock(&pairs) => Clock::Shared,
                // Ends that agree on nothing are those of ranks that do not meet.
                _ => aligned(&pairs).unwrap_or(Clock::Shared),
            };
            if let Some(host) = there.filter(|_| clock != Clock::Unknown) {
                known.push((host, clock));
            }
            clock
        };
        Self { ranks: (0..trace.ranks.len()).map(clock).collect() }
    }

    /// The clock of `rank`.
    pub(crate) fn rank(&self, rank: RankIdx) -> Clock {
        self.ranks[rank.index()]
    }

    /// Whether all ranks share one.
    pub(crate) fn are_one(&self) -> bool {
        self.ranks.iter().all(|clock| *clock == Clock::Shared)
    }

    /// A time of `rank` on the common clock; `None` if nothing is known of its clock.
    pub(crate) fn common(&self, rank: RankIdx, span: Span) -> Option<Span> {
        let offset_ns = self.offset_ns(rank)?;
        Some(Span::new(span.start_ns.saturating_sub(offset_ns), span.end_ns.saturating_sub(offset_ns)))
    }

    /// A common time on the clock of `rank`.
    pub(crate) fn own(&self, rank: RankIdx, span: Span) -> Span {
        let offset_ns = self.offset_ns(rank).unwrap_or(0);
        Span::new(span.start_ns.saturating_add(offset_ns), span.end_ns.saturating_add(offset_ns))
    }

    fn offset_ns(&self, rank: RankIdx) -> Option<i64> {
        match self.rank(rank) {
            Clock::Shared => Some(0),
            Clock::Aligned { offset_ns, .. } => Some(offset_ns),
            Clock::Unknown => None,
        }
    }
}

/// Sorted differences of the ends.
fn differences(pairs: &[(Span, Span)]) -> Vec<i64> {
    let mut differences: Vec<i64> = pairs.iter().map(|(a, b)| b.end_ns.saturating_sub(a.end_ns)).collect();
    differences.sort_unstable();
    differences
}

/// The offset, if most ends agree on it to within the length of a collective.
fn aligned(pairs: &[(Span, Span)]) -> Option<Clock> {
    if pairs.len() < FEWEST_PAIRS {
        return None;
    }
    let differences = differences(pairs);
    let at = |percent: usize| differences[(differences.len() - 1) * percent / 100];
    let agree = at(75).abs_diff(at(25)) / 2 <= typical_length_ns(pairs);
    agree.then(|| Clock::Aligned { offset_ns: at(50), uncertainty_ns: at(90).abs_diff(at(10)) / 2 })
}

/// Median length of the shorter kernel of a pair: of the one that waits less.
fn typical_length_ns(pairs: &[(Span, Span)]) -> u64 {
    let mut lengths: Vec<u64> = pairs.iter().map(|(a, b)| a.duration_ns().min(b.duration_ns())).collect();
    lengths.sort_unstable();
    percentile(&lengths, 50)
}

/// Whether ends are as near to each other as they are on one clock: nearer than a collective is long.
fn is_one_clock(pairs: &[(Span, Span)]) -> bool {
    if pairs.len() < FEWEST_PAIRS {
        return true;
    }
    let mut apart: Vec<u64> = pairs.iter().map(|(a, b)| a.end_ns.abs_diff(b.end_ns)).collect();
    apart.sort_unstable();
    percentile(&apart, 50) <= typical_length_ns(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceBuilder;

    /// Two ranks on these hosts whose collectives end as far apart as `ends` say.
    fn clock(hosts: [Option<&str>; 2], ends: &[i64]) -> Clock {
        let mut draw = TraceBuilder::new().drawing();
        draw.on_new_process(1);
        let mut trace = draw.finish();
        for (process, host) in trace.processes.iter_mut().zip(hosts) {
            process.host = host.map(str::to_owned);
        }
        let pair = |(at, apart): (usize, &i64)| {
            let end = at as i64 * 1_000;
            (Span::new(end - 100, end), Span::new(end - 50 + apart, end + apart))
        };
        let pairs: Vec<(Span, Span)> = ends.iter().enumerate().map(pair).collect();
        Clocks::of(&trace, |_, _| pairs.clone()).rank(RankIdx::new(1))
    }

    #[test]
    fn one_host_has_one_clock_whatever_the_collectives_say() {
        assert_eq!(clock([Some("a"), Some("a")], &[9_000, 9_000, 9_000]), Clock::Shared);
    }

    #[test]
    fn hosts_are_aligned_on_the_ends_of_their_collectives() {
        let found = clock([Some("a"), Some("b")], &[7_000, 7_004, 7_002, 7_010, 7_001]);
        assert_eq!(found, Clock::Aligned { offset_ns: 7_002, uncertainty_ns: 2 });
    }

    #[test]
    fn without_collectives_nothing_is_known_of_another_hosts_clock() {
        assert_eq!(clock([Some("a"), Some("b")], &[]), Clock::Unknown);
    }

    #[test]
    fn ranks_of_unknown_host_share_a_clock_unless_their_collectives_say_otherwise() {
        assert_eq!(clock([None, None], &[3, -2, 10]), Clock::Shared);
        assert_eq!(clock([None, None], &[]), Clock::Shared);
        assert_eq!(clock([None, None], &[500, 501, 502]), Clock::Aligned { offset_ns: 501, uncertainty_ns: 0 });
        assert_eq!(clock([None, None], &[500, 9_000, -4_000, 77_000]), Clock::Shared, "they do not meet");
    }

    #[test]
    fn own_and_common_time_are_inverse() {
        let clocks = Clocks { ranks: vec![Clock::Shared, Clock::Aligned { offset_ns: 70, uncertainty_ns: 1 }] };
        let rank = RankIdx::new(1);
        let span = Span::new(100, 200);
        assert_eq!(clocks.common(rank, span), Some(Span::new(30, 130)));
        assert_eq!(clocks.own(rank, Span::new(30, 130)), span);
        assert!(!clocks.are_one());
    }
}
