//! Path A: one signal thread reports completions, one after another, out of order.
//!
//! The real runtime reports completions on one thread that walks its signals in an order of its own; transcripts show the
//! oldest first and then the youngest to the second. So does this one, batch by batch. In real time a completion is not
//! reported before its kernel ends.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, Once};

use super::{BACKLOG, Done, LATE, now_ns, pause, until};
use crate::{clock, lock};

/// How many completions make one batch at most.
const BATCH: usize = 256;
#[derive(Debug)]
struct Signals {
    done: VecDeque<Done>,
    late: VecDeque<Done>,
    /// Work submitted and not yet reported.
    outstanding: usize,
    /// Nothing is held back any more.
    draining: bool,
}

static SIGNALS: Mutex<Signals> =
    Mutex::new(Signals { done: VecDeque::new(), late: VecDeque::new(), outstanding: 0, draining: false });
static CAME: Condvar = Condvar::new();
static WENT: Condvar = Condvar::new();

pub(super) fn expect(count: usize) {
    lock(&SIGNALS).outstanding += count;
}

pub(super) fn deliver(done: Vec<Done>) {
    static START: Once = Once::new();
    START.call_once(|| {
        let thread = std::thread::Builder::new().name("sim-signals".to_owned());
        if thread.spawn(run).is_err() {
            crate::fatal("cannot start the signal thread");
        }
    });
    let mut signals = lock(&SIGNALS);
    signals.done.extend(done);
    CAME.notify_one();
}

pub(super) fn throttle() {
    let mut signals = lock(&SIGNALS);
    while signals.done.len() > BACKLOG && !clock::is_realtime() {
        signals = WENT.wait(signals).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
}

pub(super) fn drain() {
    let mut signals = lock(&SIGNALS);
    signals.draining = true;
    CAME.notify_one();
    while signals.outstanding > 0 {
        signals = WENT.wait(signals).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    signals.draining = false;
}

fn run() {
    let mut batch: Vec<Done> = Vec::with_capacity(BATCH);
    loop {
        next_batch(&mut batch);
        pause();
        if batch.len() > 1 {
            batch[1..].reverse();
        }
        let reported = batch.len();
        batch.drain(..).for_each(Done::report);
        lock(&SIGNALS).outstanding -= reported;
        WENT.notify_all();
    }
}

/// Waits for the next batch of completions that are due.
fn next_batch(batch: &mut Vec<Done>) {
    let mut guard = lock(&SIGNALS);
    loop {
        let signals = &mut *guard;
        let now_ns = now_ns();
        let draining = signals.draining;
        let mut index = 0;
        while index < signals.done.len() && batch.len() < BATCH {
            let done = &signals.done[index];
            if done.end_ns > now_ns {
                index += 1;
                continue;
            }
            // Queues are kept in order of submission, so that in fast time this takes from the front.
            let Some(done) = signals.done.remove(index) else { break };
            if done.is_late() && !draining {
                signals.late.push_back(done);
                if signals.late.len() > LATE {
                    batch.extend(signals.late.pop_front());
                }
            } else {
                batch.push(done);
            }
        }
        if !batch.is_empty() {
            return;
        }
        if draining && signals.done.is_empty() && !signals.late.is_empty() {
            batch.extend(signals.late.drain(..));
            return;
        }
        let next_ns = signals.done.iter().map(|done| done.end_ns).min();
        guard = match next_ns {
            Some(next_ns) => {
                let waited = CAME.wait_timeout(guard, until(next_ns));
                waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
            }
            None => CAME.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner),
        };
    }
}
