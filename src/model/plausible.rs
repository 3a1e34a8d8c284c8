//! Times that cannot be, kept out of every sum.
//!
//! A trace is untrusted: a kernel that ran for 292 years, or started that long before the others, would overflow sums and
//! differences behind it. So GPU work is kept only within a window around the middle of its process, and everything
//! else is moved to the window's edge:
//!
//! ```text
//!              ├────────── 13 days ──────────┤
//!   ×          │          k k k k            │    a kernel far from the others of its process is left out and counted
//!   ├─ range ──┼──────────────────┤               a range or call is cut at the edge
//! ```
//!
//! What is left cannot overflow 64 bits: the time of all GPU work together is held below 36 years, and with it every sum
//! over parts of it.

use super::{Dispatch, ProcessIdx, Span};

/// The longest that a process is looked at: 13 days.
const WINDOW_NS: i64 = 1 << 50;
/// The most GPU time of a trace: 36 years.
const TOTAL_NS: u128 = 1 << 60;

/// Records of GPU work whose times cannot be right.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Doubtful {
    /// They ended before they started.
    pub(super) swapped: u64,
    /// Kernels that took no time.
    pub(super) empty: u64,
}

impl Doubtful {
    /// Code and text of what is to be said of them, with `kernels` in all.
    pub(super) fn warnings(self, kernels: usize) -> impl Iterator<Item = (&'static str, String)> {
        let Self { swapped, empty } = self;
        let ends = format!("{swapped} GPU records ended before they started; their ends were swapped");
        let lengths = format!(
            "{empty} of {kernels} kernels have no length: the profiler did not get their times, or rounded them away; they \
             are counted, and their time is missing from every sum"
        );
        let said = [(swapped, "swapped-timestamps", ends), (empty, "kernels-without-length", lengths)];
        said.into_iter().filter(|(count, ..)| *count > 0).map(|(_, code, text)| (code, text))
    }
}

/// What is to be said of `count` GPU records that were left out.
pub(super) fn impossible_times(count: usize) -> String {
    format!(
        "{count} GPU records have times that cannot be (longer than 13 days, or that far from the others of their process) \
         and are left out"
    )
}

/// Where the times of each process must lie.
pub(super) struct Windows {
    of_process: Vec<Span>,
    /// GPU time that may still come.
    left_ns: u128,
    all_fit: bool,
}

impl Windows {
    /// The windows of so many processes around their `dispatches`.
    pub(super) fn new(processes: usize, dispatches: &[Dispatch], process_of: impl Fn(&Dispatch) -> ProcessIdx) -> Self {
        let mut extents: Vec<Option<Span>> = vec![None; processes];
        let mut total_ns = 0;
        for dispatch in dispatches {
            let extent = &mut extents[process_of(dispatch).index()];
            *extent = Some(extent.map_or(dispatch.span, |extent| extent.hull(dispatch.span)));
            total_ns += u128::from(dispatch.span.duration_ns());
        }
        let fits = |extent: Option<Span>| extent.is_none_or(|extent| extent.duration_ns() < WINDOW_NS as u64 / 2);
        let mut starts: Vec<Vec<i64>> = vec![Vec::new(); processes];
        let all_fit = total_ns < TOTAL_NS && extents.iter().all(|&extent| fits(extent));
        for dispatch in dispatches.iter().filter(|_| !all_fit) {
            starts[process_of(dispatch).index()].push(dispatch.span.start_ns);
        }
        let window = |(extent, mut starts): (Option<Span>, Vec<i64>)| match extent {
            None => around(0, i64::MAX / 4),
            Some(extent) if fits(Some(extent)) => around(extent.start_ns, WINDOW_NS / 2),
            Some(_) => {
                let middle = starts.len() / 2;
                around(*starts.select_nth_unstable(middle).1, WINDOW_NS / 2)
            }
        };
        let of_process = extents.into_iter().zip(starts).map(window).collect();
        Self { of_process, left_ns: TOTAL_NS, all_fit }
    }

    /// Whether GPU work of any process lies outside.
    pub(super) fn all_fit(&self) -> bool {
        self.all_fit
    }

    /// Whether GPU work of `process` can have been; must be asked once for each.
    pub(super) fn takes(&mut self, process: ProcessIdx, span: Span) -> bool {
        let window = self.of_process[process.index()];
        let left = self.left_ns.checked_sub(u128::from(span.duration_ns()));
        let takes = window.start_ns <= span.start_ns && span.end_ns <= window.end_ns;
        match left {
            Some(left) if takes => {
                self.left_ns = left;
                true
            }
            _ => false,
        }
    }

    /// The part of `span` within the window of `process`.
    pub(super) fn cut(&self, process: ProcessIdx, span: Span) -> Span {
        let Span { start_ns, end_ns } = self.of_process[process.index()];
        Span { start_ns: span.start_ns.clamp(start_ns, end_ns), end_ns: span.end_ns.clamp(start_ns, end_ns) }
    }
}

fn around(middle_ns: i64, half_ns: i64) -> Span {
    // Differences of two processes must fit too.
    let fits = |ns: i64| ns.clamp(i64::MIN / 4, i64::MAX / 4);
    Span { start_ns: fits(middle_ns.saturating_sub(half_ns)), end_ns: fits(middle_ns.saturating_add(half_ns)) }
}

#[cfg(test)]
mod tests {
    use crate::model::{LossCause, Range, TraceBuilder};

    #[test]
    fn a_kernel_far_from_the_others_is_left_out_and_counted_and_a_range_is_cut() {
        let mut draw = TraceBuilder::new().drawing();
        for at in 0..10 {
            draw.kernel("k", at * 100, at * 100 + 50, 1);
        }
        draw.kernel("far", i64::MAX - 1, i64::MAX, 2).kernel("long", 3, i64::MAX, 3);
        draw.range("all", i64::MIN, i64::MAX);
        let trace = draw.finish();
        assert_eq!(trace.dispatches.len(), 10);
        assert_eq!(
            trace.losses.iter().map(|loss| (loss.cause, loss.count)).collect::<Vec<_>>(),
            [(LossCause::Unreadable, 2)]
        );
        assert_eq!(trace.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["impossible-times"]);
        let Range { span, .. } = trace.ranges[0];
        assert_eq!(span.duration_ns(), 1 << 50);
    }

    #[test]
    fn kernels_that_would_overflow_the_sum_are_left_out() {
        let mut draw = TraceBuilder::new().drawing();
        for _ in 0..5_000 {
            draw.kernel("k", 0, 1 << 49, 1);
        }
        let trace = draw.finish();
        let sum: u128 = trace.dispatches.iter().map(|dispatch| u128::from(dispatch.span.duration_ns())).sum();
        assert!(sum <= 1 << 60 && trace.dispatches.len() == 1 << 11, "{}", trace.dispatches.len());
        assert_eq!(trace.losses[0].count, 5_000 - (1 << 11));
    }
}
