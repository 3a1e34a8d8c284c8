//! Completions, on their way from the GPUs' timelines to the tools.
//!
//! How they are reported depends on how dispatches are intercepted (abi-1.3 §5, [`crate::interposition`]):
//!
//! | | path A ([`ordered`]) | path B ([`pool`]) |
//! |---|---|---|
//! | threads | one | several at once |
//! | order | none, but for each thread's own | within a batch that of its packets, across batches none |
//! | the end | waits for all, for ever if need be | abandons what has not completed |
//!
//! A batch is what one ring of a queue's doorbell submits: a kernel, or all kernels of a graph launch.

mod ordered;
mod pool;

use std::time::Duration;

use crate::interposition::{Path, path};
use crate::work::Work;
use crate::{clock, fault, ledger};

/// Work that is over.
#[derive(Debug)]
pub struct Done {
    /// The work.
    pub work: Work,
    /// The batch with which it was submitted.
    pub batch: u64,
    /// When it started.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

/// How many completions may wait before launching threads wait for the signal threads.
const BACKLOG: usize = 32_768;
/// In real time: how long after a kernel's end a thread looks again. The real one does not wake up for each kernel either.
const LATENCY_NS: u64 = 30_000;
/// How many completions the fault `late` holds back.
const LATE: usize = 64;

impl Done {
    /// Reports it to those who trace it, unless that is to be lost.
    fn report(self) {
        if self.work.fault() != Some("lost") {
            self.work.complete(self.start_ns, self.end_ns);
        }
    }

    fn is_late(&self) -> bool {
        self.work.fault() == Some("late")
    }
}

/// A batch with so much traced work is submitted.
pub fn expect(batch: u64, count: usize) {
    match path() {
        Path::Queue => ordered::expect(count),
        Path::Inline => pool::expect(batch, count),
    }
}

/// Work is over: to be reported.
pub fn deliver(mut done: Vec<Done>) {
    done.retain(|done| done.work.is_traced());
    match path() {
        Path::Queue => ordered::deliver(done),
        Path::Inline => pool::deliver(done),
    }
}

/// Makes a launching thread wait while too much is unreported; a GPU queue is no deeper.
pub fn throttle() {
    match path() {
        Path::Queue => ordered::throttle(),
        Path::Inline => pool::throttle(),
    }
}

/// Waits, without a limit, until all work has been reported.
pub fn drain() {
    match path() {
        Path::Queue => ordered::drain(),
        Path::Inline => pool::drain(),
    }
}

/// The end comes: path A waits for all work, path B reports what has completed and abandons the rest.
pub fn finish() {
    match path() {
        Path::Queue => ordered::drain(),
        Path::Inline => {
            let abandoned = pool::abandon(true);
            if !abandoned.is_empty() {
                crate::complain(&format!(
                    "Async signal handler still waiting on {} signals: their dispatches are abandoned",
                    abandoned.len()
                ));
            }
            note(&abandoned, "abandoned");
        }
    }
}

/// Loses all completions that have not been reported; only on path B.
pub fn lose() {
    if path() == Path::Inline {
        note(&pool::abandon(false), "dropped");
    }
}

fn note(dispatches: &[u64], fault: &'static str) {
    ledger::with(|ledger| ledger.note_fault(dispatches, fault));
}

/// The time up to which kernels have ended.
fn now_ns() -> u64 {
    if clock::is_realtime() { clock::boottime_ns() } else { u64::MAX }
}

/// How long to wait for the end of a kernel.
fn until(end_ns: u64) -> Duration {
    Duration::from_nanos((end_ns + LATENCY_NS).saturating_sub(clock::boottime_ns()))
}

/// The pause before a batch, if there is to be one.
fn pause() {
    let delay_us = fault::signal_delay_us();
    if delay_us > 0 {
        std::thread::sleep(Duration::from_micros(delay_us));
    }
}
