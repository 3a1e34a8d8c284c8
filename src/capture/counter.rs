//! Counters that many threads add to.

use super::sync::{AtomicU64, Ordering};

/// A counter on a cache line of its own.
#[derive(Default, Debug)]
#[repr(align(128))]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Whoever sees it counted sees what was done before.
    #[inline(always)]
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Release);
    }
}
