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
//! unless their collectives lie further apart than they last, and their ends agree better than their starts do: ranks
//! that run at one pace without meeting are not shifted onto each other. Starts give no offset: they differ by what ranks
//! are late.

use crate::model::{RankIdx, Span, Trace};
use crate::steps::meeting::{end_together, meet, typical_length_ns};

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
    /// its rank's clock, by what they compute.
    pub(crate) fn of(trace: &Trace, pairs: impl Fn(RankIdx, RankIdx) -> Vec<Vec<(Span, Span)>>) -> Self {
        let host = |rank: usize| trace.processes[trace.ranks[rank].process.index()].host.as_deref();
        let mut ranks: Vec<Clock> = Vec::new();
        for at in 0..trace.ranks.len() {
            // Of ranks before this one whose clocks are known: one of its host shares its clock.
            let known = |other: &usize| ranks[*other] != Clock::Unknown;
            let neighbour = (0..at).filter(known).find(|&other| host(other).is_some() && host(other) == host(at));
            let clock = match (at, neighbour) {
                (0, _) => Clock::Shared,
                (_, Some(neighbour)) => ranks[neighbour],
                // Hosts that share no collective with the first may share one with another.
                _ if host(0).is_some() && host(at).is_some() => {
                    let over = |other: usize| {
                        let pairs = pairs(RankIdx::new(other), RankIdx::new(at));
                        aligned(&pairs).map(|clock| clock.after(ranks[other]))
                    };
                    (0..at).filter(known).find_map(over).unwrap_or(Clock::Unknown)
                }
                _ => {
                    let over = |other: usize| {
                        let pairs = pairs(RankIdx::new(other), RankIdx::new(at));
                        let apart = || aligned(&pairs).filter(|_| pairs.iter().any(|pairs| meet(pairs)));
                        let clock = if are_one_clock(&pairs) { Some(Clock::Shared) } else { apart() };
                        clock.map(|clock| clock.after(ranks[other]))
                    };
                    (0..at).filter(known).find_map(over).unwrap_or(Clock::Shared)
                }
            };
            ranks.push(clock);
        }
        Self { ranks }
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

impl Clock {
    /// A clock that is so relative to one that is itself `first` relative to the common one.
    fn after(self, first: Self) -> Self {
        match (self, first) {
            (
                Self::Aligned { offset_ns, uncertainty_ns },
                Self::Aligned { offset_ns: first_ns, uncertainty_ns: first_uncertainty_ns },
            ) => Self::Aligned {
                offset_ns: offset_ns.saturating_add(first_ns),
                uncertainty_ns: uncertainty_ns.saturating_add(first_uncertainty_ns),
            },
            (Self::Shared, first) => first,
            (clock, _) => clock,
        }
    }
}

/// The offset by those collectives that agree best on it, if most of their ends do to within their length.
fn aligned(pairs: &[Vec<(Span, Span)>]) -> Option<Clock> {
    let offset = |pairs: &Vec<(Span, Span)>| {
        if pairs.len() < FEWEST_PAIRS {
            return None;
        }
        let mut differences: Vec<i64> = pairs.iter().map(|(a, b)| b.end_ns.saturating_sub(a.end_ns)).collect();
        differences.sort_unstable();
        let at = |percent: usize| differences[(differences.len() - 1) * percent / 100];
        let agree = at(75).abs_diff(at(25)) / 2 <= typical_length_ns(pairs);
        agree.then(|| (at(90).abs_diff(at(10)) / 2, at(50)))
    };
    let best =
        pairs.iter().filter_map(offset).min_by_key(|&(uncertainty_ns, offset_ns)| (uncertainty_ns, offset_ns.abs()));
    best.map(|(uncertainty_ns, offset_ns)| Clock::Aligned { offset_ns, uncertainty_ns })
}

/// Whether ends are as near to each other as they are on one clock, nearer than a collective is long, in collectives of
/// any kind.
fn are_one_clock(pairs: &[Vec<(Span, Span)>]) -> bool {
    pairs.iter().filter(|pairs| pairs.len() >= FEWEST_PAIRS).any(|pairs| end_together(pairs))
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
        Clocks::of(&trace, |_, _| vec![pairs.clone()]).rank(RankIdx::new(1))
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
