//! The GPUs' timelines: when each piece of work starts and ends.
//!
//! A queue runs its work in order. Work starts when the queue is free (plus a gap) and its packet has had time to arrive:
//!
//! ```text
//!   host    enqueue A   enqueue B              enqueue C
//!              |latency     |                      |latency
//!   queue      ....[ A          ]gap[ B    ]       ....[ C ]
//! ```
//!
//! A collective ends at the same time on all its ranks: the ranks that come early wait in the kernel, as RCCL's and custom
//! all-reduce kernels do, so that their kernels are long and the last arriver's is short:
//!
//! ```text
//!   rank 0  [gemm][allreduce.........]
//!   rank 1  [gemm..............][allr]     <- the straggler has the short one
//! ```
//!
//! Until the last rank has launched its kernel, the queues of the others stand still.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use crate::work::Work;
use crate::{clock, ledger, lock, signal};

/// The duration of a kernel that never ends.
pub const FOREVER: u64 = u64::MAX;

/// A member's part in a collective: which group, and how many ranks it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Collective {
    /// The group of ranks, by a number of the host's choice.
    pub group: u64,
    /// How many ranks take part.
    pub ranks: u32,
}

#[derive(Debug)]
struct Op {
    work: Work,
    batch: u64,
    duration_ns: u64,
    collective: Option<Collective>,
    /// Set once this member has come to its collective.
    arrived: bool,
}

#[derive(Debug, Default)]
struct Queue {
    gap_ns: u64,
    free_ns: u64,
    ops: VecDeque<Op>,
    /// How many collectives of each group were launched here.
    collectives: HashMap<u64, u64>,
}

#[derive(Debug, Default)]
struct Timelines {
    queues: Vec<Queue>,
    /// Members of unfinished collectives: (group, number) to (queue, start).
    waiting: HashMap<(u64, u64), Vec<(usize, u64)>>,
}

static TIMELINES: Mutex<Option<Timelines>> = Mutex::new(None);
static MOVED: Condvar = Condvar::new();

/// Adds a queue, with a gap between its kernels; answers with its index.
pub fn add_queue(gap_ns: u64) -> usize {
    let mut timelines = lock(&TIMELINES);
    let timelines = timelines.get_or_insert_default();
    timelines.queues.push(Queue { gap_ns, ..Queue::default() });
    timelines.queues.len() - 1
}

/// What the host puts into a queue.
#[derive(Debug)]
pub struct Item {
    /// The announced work.
    pub work: Work,
    /// How long it takes, [`FOREVER`] for a kernel that hangs. Of a collective: from the last arrival on.
    pub duration_ns: u64,
    /// The collective that it is part of.
    pub collective: Option<Collective>,
}

/// Puts work into a queue and lets time pass as far as it is known.
pub fn submit(queue: usize, items: Vec<Item>) {
    static BATCH: AtomicU64 = AtomicU64::new(0);
    let mut done = Vec::new();
    let batch = BATCH.fetch_add(1, Ordering::Relaxed) + 1;
    signal::expect(batch, items.iter().filter(|item| item.work.is_traced()).count());
    let mut timelines = lock(&TIMELINES);
    let timelines = timelines.get_or_insert_default();
    timelines.queues[queue].ops.extend(items.into_iter().map(|Item { work, duration_ns, collective }| Op {
        duration_ns: if work.fault() == Some("hang") { FOREVER } else { duration_ns },
        work,
        batch,
        collective,
        arrived: false,
    }));
    timelines.run(queue, &mut done);
    ledger::with(|ledger| {
        for signal::Done { work, start_ns, end_ns, .. } in &done {
            work.note(ledger, *start_ns, *end_ns);
        }
    });
    signal::deliver(done);
    MOVED.notify_all();
}

/// Waits until all work of these queues has a known end, and answers with the latest.
pub fn wait(queues: &[usize]) -> u64 {
    let mut timelines = lock(&TIMELINES);
    loop {
        let known = timelines.get_or_insert_default();
        let queues = queues.iter().map(|queue| &known.queues[*queue]);
        if queues.clone().all(|queue| queue.ops.is_empty()) {
            return queues.map(|queue| queue.free_ns).max().unwrap_or(0);
        }
        timelines = MOVED.wait(timelines).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
}

impl Timelines {
    /// Runs a queue until it is empty or stands still, and the queues that this sets free.
    fn run(&mut self, queue: usize, done: &mut Vec<signal::Done>) {
        let mut runnable = vec![queue];
        while let Some(index) = runnable.pop() {
            while let Some(op) = self.queues[index].ops.front_mut() {
                if op.arrived || op.duration_ns == FOREVER {
                    break;
                }
                let queue = &mut self.queues[index];
                let Some(op) = queue.ops.front_mut() else { break };
                let start_ns = (queue.free_ns + queue.gap_ns).max(op.work.enqueue_ns + clock::LAUNCH_LATENCY_NS);
                let Some(collective) = op.collective else {
                    let end_ns = start_ns + op.duration_ns;
                    self.retire(index, start_ns, end_ns, done);
                    continue;
                };
                op.arrived = true;
                let duration_ns = op.duration_ns;
                let number = queue.collectives.entry(collective.group).or_insert(0);
                let key = (collective.group, *number);
                *number += 1;
                let arrivals = self.waiting.entry(key).or_default();
                arrivals.push((index, start_ns));
                if arrivals.len() < collective.ranks as usize {
                    break;
                }
                let members = self.waiting.remove(&key).unwrap_or_default();
                let last_ns = members.iter().map(|(_, start_ns)| *start_ns).max().unwrap_or(start_ns);
                for (member, start_ns) in members {
                    self.retire(member, start_ns, last_ns + duration_ns, done);
                    if member != index {
                        runnable.push(member);
                    }
                }
            }
        }
    }

    /// The first op of a queue is over.
    fn retire(&mut self, queue: usize, start_ns: u64, end_ns: u64, done: &mut Vec<signal::Done>) {
        let queue = &mut self.queues[queue];
        if let Some(op) = queue.ops.pop_front() {
            queue.free_ns = end_ns;
            // Timestamps of 0/0 come out of the SDK as a kernel without length near the time of its callback.
            let start_ns = if op.work.fault() == Some("zero") { end_ns } else { start_ns };
            done.push(signal::Done { work: op.work, batch: op.batch, start_ns, end_ns });
        }
    }
}
