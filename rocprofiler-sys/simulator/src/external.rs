//! External correlation ids: what a tool pushes for a thread in a context.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::lock;

/// External correlation ids pushed for one thread in one context.
#[derive(Debug, Default)]
pub struct ExternalStack {
    depth: AtomicUsize,
    top: AtomicU64,
    values: Mutex<Vec<u64>>,
}

/// The thread that loaded the library: other threads inherit what is pushed for it.
static DEFAULT_THREAD: AtomicU64 = AtomicU64::new(0);
static DEFAULT_EXTERNAL: AtomicU64 = AtomicU64::new(0);

/// Remembers this thread as the one that loaded the library.
pub fn set_default_thread(tid: u64) {
    DEFAULT_THREAD.store(tid, Ordering::Relaxed);
}

impl ExternalStack {
    /// Pushes a value for the thread whose stack this is.
    pub fn push(&self, tid: u64, value: u64) {
        let mut values = lock(&self.values);
        values.push(value);
        self.publish(tid, &values);
    }

    /// Pops it again; 0 from an empty stack.
    pub fn pop(&self, tid: u64) -> u64 {
        let mut values = lock(&self.values);
        let Some(value) = values.pop() else { return 0 };
        self.publish(tid, &values);
        value
    }

    /// What operations of the thread carry: the top, else what the loading thread has.
    pub fn top(&self) -> u64 {
        match self.depth.load(Ordering::Acquire) {
            0 => DEFAULT_EXTERNAL.load(Ordering::Relaxed),
            _ => self.top.load(Ordering::Relaxed),
        }
    }

    fn publish(&self, tid: u64, values: &[u64]) {
        let top = values.last().copied().unwrap_or(0);
        self.top.store(top, Ordering::Relaxed);
        self.depth.store(values.len(), Ordering::Release);
        if tid == DEFAULT_THREAD.load(Ordering::Relaxed) {
            DEFAULT_EXTERNAL.store(top, Ordering::Relaxed);
        }
    }
}
