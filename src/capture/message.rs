//! What callbacks tell the aggregator.
//!
//! Two channels. Dispatches, which are many, go as plain records through a bounded channel that drops and counts when
//! it is full. Everything else is rare and must not get lost, so it goes through an unbounded one. Both are lock-free
//! for the sender; the aggregator polls, so that a callback never has to wake anybody.
//!
//! A kernel's symbol is sent before its first dispatch can be enqueued, so an aggregator that takes a batch of
//! dispatches first and all events after it has every name before it needs it.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use crate::ingest::capture_file::{DispatchRecord, LaunchRecord};

/// A rare message.
#[derive(Debug)]
pub(super) enum Event {
    /// A code object was loaded.
    CodeObject {
        /// The SDK's id.
        id: u64,
        /// Where it came from.
        uri: Box<str>,
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
    /// A graph was launched inside the window.
    Launch(LaunchRecord),
    /// Something for the report: a code and a sentence.
    Remark(&'static str, String),
}

/// The callbacks' end.
#[derive(Debug)]
pub(super) struct Outbox {
    dispatches: Sender<DispatchRecord>,
    events: Sender<Event>,
}

/// The aggregator's end.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Completed dispatches.
    pub(super) dispatches: Receiver<DispatchRecord>,
    /// Everything else.
    pub(super) events: Receiver<Event>,
}

/// Both ends, with room for `capacity` dispatches.
pub(super) fn channel(capacity: usize) -> (Outbox, Inbox) {
    let (dispatches_in, dispatches) = bounded(capacity);
    let (events_in, events) = unbounded();
    (Outbox { dispatches: dispatches_in, events: events_in }, Inbox { dispatches, events })
}

impl Outbox {
    /// Sends a dispatch; false if there was no room.
    #[inline(always)]
    pub(super) fn dispatch(&self, record: DispatchRecord) -> bool {
        !matches!(self.dispatches.try_send(record), Err(TrySendError::Full(_)))
    }

    /// Sends anything else.
    pub(super) fn event(&self, event: Event) {
        // The receiver lives as long as the aggregator; once that is gone there is nobody to tell.
        let _ = self.events.send(event);
    }
}
