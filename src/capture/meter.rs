//! What the tracer counts about itself: losses and costs.
//!
//! Callbacks add to these from many threads, so every counter has a cache line of its own and a relaxed atomic add.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::model::Overhead;

/// One dispatch in this many has its callback timed.
pub(super) const SAMPLE_EVERY: u64 = 256;

/// Width of a histogram bucket in nanoseconds.
const BUCKET_NS: u64 = 8;
const BUCKETS: usize = 512;

/// A counter on a cache line of its own.
#[derive(Default, Debug)]
#[repr(align(128))]
pub(super) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of a tracer.
#[derive(Debug)]
pub(super) struct Meter {
    /// Dispatches that were enqueued while a window was open.
    pub(super) enqueued: Counter,
    /// Completions that came for them.
    pub(super) completed: Counter,
    /// Records dropped because the channel was full.
    pub(super) channel_full: Counter,
    callback_ns: [AtomicU32; BUCKETS],
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            enqueued: Counter::default(),
            completed: Counter::default(),
            channel_full: Counter::default(),
            callback_ns: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }

    /// Dispatches enqueued whose completion has not come.
    pub(super) fn outstanding(&self) -> u64 {
        self.enqueued.get().saturating_sub(self.completed.get())
    }

    /// Notes one timed callback.
    pub(super) fn sample(&self, ns: u64) {
        let bucket = (ns / BUCKET_NS).min(BUCKETS as u64 - 1) as usize;
        self.callback_ns[bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// What is known of the costs so far; the aggregator adds its own.
    pub(super) fn overhead(&self) -> Overhead {
        Overhead {
            callback_p50_ns: self.percentile(0.50),
            callback_p99_ns: self.percentile(0.99),
            aggregator_cpu_ns: None,
        }
    }

    /// Upper edge of the bucket that holds the percentile; `None` without samples.
    fn percentile(&self, share: f64) -> Option<u64> {
        let counts: Vec<u64> = self.callback_ns.iter().map(|count| count.load(Ordering::Relaxed).into()).collect();
        let total: u64 = counts.iter().sum();
        let wanted = (total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some((bucket as u64 + 1) * BUCKET_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_samples() {
        let meter = Meter::new();
        assert_eq!(meter.overhead(), Overhead::default());
        (0..98).for_each(|_| meter.sample(20));
        (0..2).for_each(|_| meter.sample(1_000_000));
        let overhead = meter.overhead();
        assert_eq!(overhead.callback_p50_ns, Some(24));
        assert_eq!(overhead.callback_p99_ns, Some(BUCKETS as u64 * BUCKET_NS));
    }
}
