//! What the tracer counts about itself: losses and costs.
//!
//! Callbacks add to these from many threads, so every counter has a cache line of its own and an atomic add.

use std::sync::atomic::{AtomicU32, Ordering};

use super::counter::Counter;
use super::window::Position;
use crate::model::Overhead;

/// One dispatch in this many has its callback timed.
pub(super) const SAMPLE_EVERY: u64 = 256;

/// Decode steps after the window that are preferred to those before it as a measure of the server without us.
const ENOUGH_STEPS: u64 = 5;

/// Buckets to an octave; a value is known to an eighth of itself.
const EIGHTHS: u64 = 8;
/// Enough for 2^40 ns, which is 18 minutes.
const BUCKETS: usize = 38 * EIGHTHS as usize;

/// How often values of each size were seen.
#[derive(Debug)]
struct Histogram([AtomicU32; BUCKETS]);

impl Histogram {
    const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }

    /// Values below 8 have a bucket each; above, the three bits after the highest tell.
    fn add(&self, value: u64) {
        let bucket = match value.checked_ilog2() {
            Some(octave) if octave >= 3 => u64::from(octave - 2) * EIGHTHS + (value >> (octave - 3)) % EIGHTHS,
            _ => value,
        };
        self.0[(bucket as usize).min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// The largest value of a bucket.
    fn edge(bucket: u64) -> u64 {
        let (octave, eighth) = (bucket / EIGHTHS, bucket % EIGHTHS);
        if octave == 0 { eighth } else { ((EIGHTHS + eighth + 1) << (octave - 1)) - 1 }
    }

    /// How many values were seen.
    fn count(&self) -> u64 {
        self.0.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).sum()
    }

    /// The value that `share` of those seen do not exceed, to an eighth; `None` if none was seen.
    fn percentile(&self, share: f64) -> Option<u64> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed).into()).collect();
        let total: u64 = counts.iter().sum();
        let wanted = (total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Self::edge(bucket as u64))
    }
}

/// All counters of a tracer.
#[derive(Debug)]
pub(super) struct Meter {
    /// Records dropped because the channel was full.
    pub(super) channel_full: Counter,
    /// The same of launch calls and copies.
    pub(super) calls_full: Counter,
    callback: Histogram,
    /// Graph launch calls, outside the window and inside.
    graph_launch: [Histogram; 2],
    /// Decode steps, by their [`Position`].
    step: [Histogram; 3],
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            channel_full: Counter::default(),
            calls_full: Counter::default(),
            callback: Histogram::new(),
            graph_launch: [const { Histogram::new() }; 2],
            step: [const { Histogram::new() }; 3],
        }
    }

    /// Notes how long a dispatch callback took.
    pub(super) fn callback(&self, ns: u64) {
        self.callback.add(ns);
    }

    /// Notes how long a graph launch call took, outside the window or `inside`.
    pub(super) fn graph_launch(&self, inside: bool, ns: u64) {
        self.graph_launch[usize::from(inside)].add(ns);
    }

    /// Notes how long it was from a decode step's begin, which lay there, to the next one's.
    pub(super) fn step(&self, position: Position, ns: u64) {
        self.step[position as usize].add(ns);
    }

    /// Decode steps after a window whose time was taken.
    pub(super) fn steps_after(&self) -> u64 {
        self.step[Position::After as usize].count()
    }

    /// What is known of the costs so far; the aggregator adds its own.
    pub(super) fn overhead(&self) -> Overhead {
        let [launch_outside, launch_inside] = [0, 1].map(|at| self.graph_launch[at].percentile(0.5));
        // Warm-up steps tell less of an undisturbed server than those that come after the window.
        let outside = if self.steps_after() >= ENOUGH_STEPS { Position::After } else { Position::Before };
        let [step_outside, step_inside] =
            [outside, Position::Inside].map(|position| self.step[position as usize].percentile(0.5));
        Overhead {
            callback_p50_ns: self.callback.percentile(0.50),
            callback_p99_ns: self.callback.percentile(0.99),
            aggregator_cpu_ns: None,
            graph_launch_outside_p50_ns: launch_outside,
            graph_launch_inside_p50_ns: launch_inside,
            step_outside_p50_ns: step_outside,
            step_inside_p50_ns: step_inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_after_the_window_are_the_better_measure_once_there_are_some() {
        let meter = Meter::new();
        (0..10).for_each(|_| meter.step(Position::Before, 7));
        (0..10).for_each(|_| meter.step(Position::Inside, 6));
        (0..4).for_each(|_| meter.step(Position::After, 5));
        assert_eq!(meter.overhead().step_outside_p50_ns, Some(7));
        meter.step(Position::After, 5);
        assert_eq!((meter.overhead().step_outside_p50_ns, meter.overhead().step_inside_p50_ns), (Some(5), Some(6)));
    }

    #[test]
    fn a_percentile_is_right_to_an_eighth_and_never_too_small() {
        assert_eq!(Histogram::new().percentile(0.5), None);
        for value in (0..100).chain([255, 256, 257, 1000, 123_456, 98_765_432_100]) {
            let histogram = Histogram::new();
            histogram.add(value);
            let found = histogram.percentile(0.5).unwrap();
            assert!(found >= value && found <= value + value / 8, "{value} became {found}");
        }
        let histogram = Histogram::new();
        (0..98).for_each(|_| histogram.add(20));
        (0..2).for_each(|_| histogram.add(1_000_000));
        assert_eq!(histogram.percentile(0.50), Some(21));
        assert!(histogram.percentile(0.99) >= Some(1_000_000));
    }
}
