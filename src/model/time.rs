//! Intervals of time, in integer nanoseconds of the producer's clock.

/// A half-open interval `[start_ns, end_ns)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// Nanoseconds since the clock's origin (see [`Trace`](crate::model::Trace): origins differ between producers).
    pub start_ns: i64,
    /// Same clock; never before `start_ns`.
    pub end_ns: i64,
}

impl Span {
    /// An interval from its two ends.
    #[must_use]
    pub fn new(start_ns: i64, end_ns: i64) -> Self {
        debug_assert!(start_ns <= end_ns, "{start_ns} > {end_ns}");
        Self { start_ns, end_ns }
    }

    /// How long it is.
    #[must_use]
    pub fn duration_ns(self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns).max(0) as u64
    }

    /// Whether `at_ns` falls inside; the end does not.
    #[must_use]
    pub fn contains(self, at_ns: i64) -> bool {
        self.start_ns <= at_ns && at_ns < self.end_ns
    }

    /// The smallest interval that covers both.
    #[must_use]
    pub fn hull(self, other: Span) -> Span {
        Span { start_ns: self.start_ns.min(other.start_ns), end_ns: self.end_ns.max(other.end_ns) }
    }
}

/// The time covered by at least one of `spans`, which must be sorted by start.
///
/// ```text
///   ├──A──┤     ├─C─┤
///      ├──B──┤            A ∪ B ∪ C, the gap before C left out
/// ```
pub fn union_ns(spans: impl IntoIterator<Item = Span>) -> u64 {
    let mut total = 0;
    let mut open: Option<Span> = None;
    for span in spans {
        match &mut open {
            Some(run) if span.start_ns <= run.end_ns => run.end_ns = run.end_ns.max(span.end_ns),
            _ => {
                total += open.map_or(0, Span::duration_ns);
                open = Some(span);
            }
        }
    }
    total + open.map_or(0, Span::duration_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_touching_and_nested_spans_count_once() {
        let spans = [Span::new(0, 10), Span::new(2, 4), Span::new(5, 15), Span::new(15, 16), Span::new(20, 21)];
        assert_eq!(union_ns(spans), 17);
        assert_eq!(union_ns([]), 0);
    }
}
