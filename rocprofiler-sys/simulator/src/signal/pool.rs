//! Path B: several threads, each of which reports one batch after another (abi-1.3 §5, "What a tool sees in B").
//!
//! As many threads as `ROCPROFILER_ASYNC_SIGNAL_HANDLER_THREADS` says, else as `GPU_MAX_HW_QUEUES`, else four. A thread
//! that has taken a batch stays with it until its last packet has completed:
//!
//! ```text
//!   batches    1 [k k k]     2 [k]     3 [k . .]     4 [k]       k: completed, .: still running
//!   thread     a              c         b, waits      d
//! ```
//!
//! Across batches there is no order: of those whose first packet has completed the oldest and the youngest are taken in turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};

use super::{BACKLOG, Done, LATE, now_ns, pause, until};
use crate::{clock, fatal, internal_threads, lock};

#[derive(Debug, Default)]
struct Batch {
    /// Packets that are not yet reported.
    left: usize,
    done: VecDeque<Done>,
    is_taken: bool,
}

#[derive(Debug)]
struct Pool {
    batches: BTreeMap<u64, Batch>,
    /// Batches that no thread has taken and whose first packet has completed, in the order in which that happened.
    ready: VecDeque<u64>,
    /// Completions that are held back, and how many were so far.
    late: VecDeque<Done>,
    held_back: u64,
    /// Completions that are being reported at this moment.
    reporting: usize,
    draining: bool,
    /// How often a batch was taken.
    taken: u64,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    batches: BTreeMap::new(),
    ready: VecDeque::new(),
    late: VecDeque::new(),
    held_back: 0,
    reporting: 0,
    draining: false,
    taken: 0,
});
static CAME: Condvar = Condvar::new();
static WENT: Condvar = Condvar::new();

fn wait<'a>(condition: &Condvar, pool: MutexGuard<'a, Pool>) -> MutexGuard<'a, Pool> {
    condition.wait(pool).unwrap_or_else(PoisonError::into_inner)
}

fn threads() -> usize {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|count| *count > 0);
    number("ROCPROFILER_ASYNC_SIGNAL_HANDLER_THREADS").or_else(|| number("GPU_MAX_HW_QUEUES")).unwrap_or(4)
}

fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        for _ in 0..threads() {
            internal_threads::around_creation(|| {
                if std::thread::Builder::new().name("sim-signals".to_owned()).spawn(run).is_err() {
                    fatal("cannot start a signal thread");
                }
            });
        }
    });
}

pub(super) fn expect(batch: u64, count: usize) {
    if count > 0 {
        lock(&POOL).batches.insert(batch, Batch { left: count, ..Batch::default() });
    }
}

pub(super) fn deliver(all: Vec<Done>) {
    start();
    let mut pool = lock(&POOL);
    for done in all {
        if done.is_late() && !pool.draining {
            pool.hold_back(done);
        } else {
            pool.add(done);
        }
    }
    CAME.notify_all();
}

pub(super) fn throttle() {
    let mut pool = lock(&POOL);
    while pool.ready.len() > BACKLOG && !clock::is_realtime() {
        pool = wait(&WENT, pool);
    }
}

pub(super) fn drain() {
    let mut pool = lock(&POOL);
    pool.draining = true;
    while let Some(done) = pool.late.pop_front() {
        pool.batches.insert(done.batch, Batch { left: 1, ..Batch::default() });
        pool.add(done);
    }
    CAME.notify_all();
    while !pool.batches.is_empty() || pool.reporting > 0 {
        pool = wait(&WENT, pool);
    }
    pool.draining = false;
}

/// Takes away what is not reported; answers with the dispatch ids. If `patient`, what has completed is reported first.
pub(super) fn abandon(patient: bool) -> Vec<u64> {
    let mut pool = lock(&POOL);
    CAME.notify_all();
    while patient && pool.has_due() {
        pool = wait(&WENT, pool);
    }
    let batches = std::mem::take(&mut pool.batches);
    let running = batches.iter().flat_map(|(batch, left)| std::iter::repeat_n(*batch, left.left - left.done.len()));
    let running = running.count();
    let mut lost: Vec<u64> = batches.values().flat_map(|batch| &batch.done).map(|done| done.work.dispatch()).collect();
    lost.extend(std::mem::take(&mut pool.late).iter().map(|done| done.work.dispatch()));
    pool.ready.clear();
    lost.extend(std::iter::repeat_n(0, running));
    // Who waits for a packet of a batch that is gone must see that; and what is being reported now comes to its end.
    CAME.notify_all();
    while pool.reporting > 0 {
        pool = wait(&WENT, pool);
    }
    lost
}

impl Pool {
    fn add(&mut self, done: Done) {
        let id = done.batch;
        // A batch that was abandoned has no place any more.
        let Some(batch) = self.batches.get_mut(&id) else { return };
        batch.done.push_back(done);
        if batch.done.len() == 1 && !batch.is_taken {
            self.ready.push_back(id);
        }
    }

    /// Keeps a completion until enough others are late; it then is a batch of its own.
    fn hold_back(&mut self, mut done: Done) {
        let id = done.batch;
        if let Some(batch) = self.batches.get_mut(&id) {
            batch.left -= 1;
            if batch.left == 0 {
                self.batches.remove(&id);
            }
        }
        self.held_back += 1;
        done.batch = self.held_back | OF_ITS_OWN;
        self.late.push_back(done);
        if self.late.len() > LATE
            && let Some(done) = self.late.pop_front()
        {
            self.batches.insert(done.batch, Batch { left: 1, ..Batch::default() });
            self.add(done);
        }
    }

    fn is_due(&self, id: u64) -> bool {
        let first = self.batches.get(&id).and_then(|batch| batch.done.front());
        first.is_some_and(|done| done.end_ns <= now_ns())
    }

    fn has_due(&self) -> bool {
        self.reporting > 0 || self.batches.keys().any(|id| self.is_due(*id))
    }

    /// The next batch for a thread: the oldest or, every other time, the youngest that is due.
    fn take(&mut self) -> Option<u64> {
        let ready = &self.ready;
        let position = match self.taken % 2 {
            0 => ready.iter().position(|id| self.is_due(*id)),
            _ => ready.iter().rposition(|id| self.is_due(*id)),
        };
        let id = self.ready.remove(position?)?;
        self.taken += 1;
        self.batches.get_mut(&id)?.is_taken = true;
        Some(id)
    }

    /// When the next kernel ends for which somebody may wait.
    fn next_ns(&self) -> Option<u64> {
        self.batches.values().filter_map(|batch| batch.done.front()).map(|done| done.end_ns).min()
    }
}

/// Marks the batch that a completion is which was held back; other batches are counted from 1 and never get there.
const OF_ITS_OWN: u64 = 1 << 63;

fn run() {
    let mut pool = lock(&POOL);
    loop {
        let Some(id) = pool.take() else {
            pool = wait_for_more(pool);
            continue;
        };
        drop(pool);
        pause();
        pool = lock(&POOL);
        pool = report(id, pool);
        WENT.notify_all();
    }
}

/// Reports a batch packet by packet, and waits for those that are not over.
fn report(id: u64, mut pool: MutexGuard<'_, Pool>) -> MutexGuard<'_, Pool> {
    loop {
        let is_due = pool.is_due(id);
        let Some(batch) = pool.batches.get_mut(&id) else { return pool };
        let Some(done) = is_due.then(|| batch.done.pop_front()).flatten() else {
            pool = wait_for_more(pool);
            continue;
        };
        batch.left -= 1;
        if batch.left == 0 {
            pool.batches.remove(&id);
        }
        pool.reporting += 1;
        drop(pool);
        done.report();
        pool = lock(&POOL);
        pool.reporting -= 1;
        WENT.notify_all();
    }
}

fn wait_for_more(pool: MutexGuard<'_, Pool>) -> MutexGuard<'_, Pool> {
    match pool.next_ns().filter(|_| clock::is_realtime()) {
        Some(next_ns) => CAME.wait_timeout(pool, until(next_ns)).unwrap_or_else(PoisonError::into_inner).0,
        None => wait(&CAME, pool),
    }
}
