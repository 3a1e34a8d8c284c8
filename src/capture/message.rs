//! What callbacks tell the aggregator.
//!
//! Three channels. Dispatches, which are many, go as plain records through a bounded channel that drops and counts when
//! it is full; so do launch calls and copies, of which a server without graphs has as many. Everything else is rare and must
//! not get lost, so it goes through an unbounded one. All are lock-free for the sender; the aggregator polls, so that a
//! callback never has to wake anybody.
//!
//! A kernel's symbol is sent before its first dispatch can be enqueued, so an aggregator that takes a batch of
//! dispatches first and all events after it has every name before it needs it.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::graphs::Graph;
use super::marks::NewMark;
use crate::code_object::Image;
use crate::wire::{CopyRecord, DispatchRecord, GraphChange, LaunchRecord};

/// A rare message.
#[derive(Debug)]
pub(super) enum Event {
    /// A code object was loaded.
    CodeObject {
        /// The SDK's id.
        id: u64,
        /// Where it came from.
        uri: Box<str>,
        /// What was copied of it.
        image: Option<Image>,
    },
    /// A kernel was registered.
    Symbol {
        /// The SDK's id, never used again.
        kernel_id: u64,
        /// Its code object.
        code_object_id: u64,
        /// Its name, as the SDK gave it.
        name: Box<str>,
    },
    /// A source of steps has shown itself: what was recorded blindly is of no use.
    BlindLeft,
    /// A module or operator was entered that nobody was in before, during a capture of a graph.
    Mark(NewMark),
    /// A text that nodes of graphs name by this number.
    GraphText(u32, Arc<str>),
    /// A graph was captured.
    Graph(Arc<Graph>),
    /// Something became of an executable graph.
    GraphChange(GraphChange),
    /// The window opened.
    WindowOpened {
        /// `CLOCK_BOOTTIME`.
        at_ns: u64,
    },
    /// The window is full: its last step has been launched.
    WindowFull,
    /// A step to be recorded began on a CPU thread.
    RangeOpen {
        /// Our id, which its dispatches carry.
        id: u64,
        /// OS thread.
        thread: u64,
        /// `CLOCK_BOOTTIME`.
        start_ns: u64,
        /// The marker's text.
        message: Box<str>,
    },
    /// It ended.
    RangeClose {
        /// Our id.
        id: u64,
        /// `CLOCK_BOOTTIME`.
        end_ns: u64,
    },
    /// The process was attached to, for the first time or again.
    Attached,
    /// It shall be left alone until it is attached to again.
    Detached,
    /// Something for the report: a code and a sentence.
    Remark(&'static str, String),
}

/// What happens about as often as dispatches in a server without graphs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// A call that put work on a GPU has returned.
    Launch(LaunchRecord),
    /// A copy has ended.
    Copy(CopyRecord),
}

impl Call {
    /// Whether it may be of a window that opened then. The launch of a graph that opens one begins a moment before it.
    pub(super) fn may_be_of(&self, opened_ns: u64) -> bool {
        match self {
            Self::Launch(launch) => launch.end_ns >= opened_ns,
            Self::Copy(copy) => copy.start_ns >= opened_ns,
        }
    }
}

/// For how many dispatches in the channel there is room for a call or copy.
const DISPATCHES_TO_A_CALL: usize = 2;

/// The callbacks' end.
#[derive(Debug)]
pub(super) struct Outbox {
    dispatches: Sender<DispatchRecord>,
    calls: Sender<Call>,
    events: Sender<Event>,
}

/// The aggregator's end.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Completed dispatches.
    pub(super) dispatches: Receiver<DispatchRecord>,
    /// Launch calls and copies.
    pub(super) calls: Receiver<Call>,
    /// Everything else.
    pub(super) events: Receiver<Event>,
}

/// Both ends, with room for `capacity` dispatches.
pub(super) fn channel(capacity: usize) -> (Outbox, Inbox) {
    let (dispatches_in, dispatches) = bounded(capacity);
    let (calls_in, calls) = bounded((capacity / DISPATCHES_TO_A_CALL).max(1));
    let (events_in, events) = unbounded();
    let outbox = Outbox { dispatches: dispatches_in, calls: calls_in, events: events_in };
    (outbox, Inbox { dispatches, calls, events })
}

impl Outbox {
    /// Sends a dispatch; false if there was no room.
    #[inline(always)]
    pub(super) fn dispatch(&self, record: DispatchRecord) -> bool {
        !matches!(self.dispatches.try_send(record), Err(TrySendError::Full(_)))
    }

    /// Sends a launch call or a copy; false if there was no room.
    #[inline(always)]
    pub(super) fn call(&self, call: Call) -> bool {
        !matches!(self.calls.try_send(call), Err(TrySendError::Full(_)))
    }

    /// Sends anything else.
    pub(super) fn event(&self, event: Event) {
        // The receiver lives as long as the aggregator; once that is gone there is nobody to tell.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::capture::gate::{Gate, Manner};
    use crate::capture::meter::Meter;

    /// Threads that send at once, each its own kernels, and what each sends.
    const THREADS: u64 = 4;
    const EACH: u64 = if cfg!(miri) { 200 } else { 100_000 };
    /// A new kernel is registered after so many dispatches.
    const NEW_KERNEL_EVERY: u64 = 16;

    #[test]
    fn every_dispatch_arrives_once_or_is_counted_and_its_name_is_there_before_it_is_needed() {
        let (outbox, inbox) = channel(64);
        let (meter, gate) = (Meter::new(), Gate::new(Manner::Keep, true));
        gate.open();
        let (mut names, mut arrived) = (HashSet::new(), HashSet::new());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (outbox, meter, gate) = (&outbox, &meter, &gate);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let kernel_id = (thread * EACH + number) / NEW_KERNEL_EVERY;
                        if number.is_multiple_of(NEW_KERNEL_EVERY) {
                            outbox.event(Event::Symbol { kernel_id, code_object_id: thread, name: "kernel".into() });
                        }
                        let ticket = gate.enqueue(|| 0).unwrap();
                        let record =
                            DispatchRecord { dispatch_id: thread * EACH + number, kernel_id, ..Default::default() };
                        if !outbox.dispatch(record) {
                            meter.channel_full.add_one();
                        }
                        gate.sent(ticket);
                    }
                });
            }
            loop {
                // As the aggregator does it.
                let all_are_in = gate.completed() == THREADS * EACH;
                let batch: Vec<DispatchRecord> = inbox.dispatches.try_iter().take(32).collect();
                while let Ok(event) = inbox.events.try_recv() {
                    if let Event::Symbol { kernel_id, .. } = event {
                        names.insert(kernel_id);
                    }
                }
                for record in &batch {
                    assert!(names.contains(&record.kernel_id), "the name of {} came too late", record.kernel_id);
                    assert!(arrived.insert(record.dispatch_id), "{} came twice", record.dispatch_id);
                }
                if batch.is_empty() && all_are_in {
                    break;
                }
            }
        });
        assert_eq!(arrived.len() as u64 + meter.channel_full.get(), THREADS * EACH);
        assert_eq!(gate.outstanding(), 0);
    }
}
