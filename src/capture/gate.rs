//! Which dispatches, copies and launch calls are recorded.
//!
//! A *recording* is what a window takes, or a blind look for steps. The launching thread asks [`Gate::enqueue`], and what
//! it is told travels in the SDK's word for the dispatch to its completion, however late that comes:
//!
//! ```text
//!   recording    1 ──────────── begins 2 ───────── ends ─────────── begins 3
//!   enqueued         a(1)  b(1)       c(2)  d(2)        e(none)          f(3)
//!   completed                a: 1, stale    c: 2   e: not ours    d: 2, still drained
//! ```
//!
//! So each recording counts its own: a completion that an earlier one lost keeps none from draining, and one that comes too
//! late is none of the next one's. SDK 0.x shares the word among tools, so nothing is put into it there unless a thread
//! needs it ([`markers`](super::hook)), and an unmarked completion counts as one of the recording at hand.
//!
//! # Why the SDK's context may stay on
//!
//! From SDK 1.3.2 on dispatches are intercepted inline, and the start of a stopped context may hang the server, the stop may
//! leave an empty trace (rocm-systems #11623, #10994, #11363, #11550). There the context for dispatches is started once and
//! stays on, and the gate alone opens and closes ([`Manner::Keep`]). That costs the SDK's interception of every dispatch as
//! long as the process lives; where the older way of intercepting is in use, the context is switched, and a server that is
//! not being recorded pays nothing.

use std::ffi::OsString;

use super::counter::Counter;
use super::sync::{AtomicU64, Ordering};

/// How recording begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// The SDK's context is started and stopped.
    Switch,
    /// The SDK's context is always on.
    Keep,
}

/// The first version that intercepts dispatches inline.
const INLINE: (u32, u32, u32) = (1, 3, 2);
/// Variables that choose how the SDK intercepts dispatches: `0` asks for the older way.
pub const INTERPOSITION: &str = "ROCPROFILER_QUEUE_INTERPOSITION";
const ATTACH: &str = "ROCP_TOOL_ATTACH";

impl Manner {
    /// What is safe with this version of the SDK, and the variables as `get` gives them.
    #[must_use]
    pub fn safe(sdk: (u32, u32, u32), get: impl Fn(&str) -> Option<OsString>) -> Self {
        let says = |name: &str, words: &[&str]| {
            let value = get(name).map(|value| value.to_string_lossy().trim().to_ascii_lowercase());
            value.is_some_and(|value| words.contains(&value.as_str()))
        };
        let off = says(INTERPOSITION, &["0", "false", "off", "no"]) || says(ATTACH, &["1", "true", "on", "yes"]);
        if sdk >= INLINE && !off { Self::Keep } else { Self::Switch }
    }

    /// What `status` and reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Switch => "switched",
            Self::Keep => "kept",
        }
    }
}

/// Marks a word as ours: SDK 0.x lets other tools write where we do.
const OURS: u64 = 0x7064 << 48;
const OURS_MASK: u64 = 0xffff << 48;
/// Where the number of the recording stands in a word, and how much of it: enough to tell neighbours apart.
const NUMBER_AT: u32 = 40;
const NUMBER_MASK: u64 = 0xff;
/// Ids of ranges take the rest: 1,000 steps a second fill it in 17 years.
const RANGE_MASK: u64 = (1 << NUMBER_AT) - 1;

/// What a dispatch was told when it was enqueued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    /// The recording, as far as it is kept.
    number: u64,
    /// The step's range, where the SDK does not keep it; 0: it does.
    pub(super) range: u64,
}

impl Ticket {
    /// As it stands in the SDK's word.
    pub(super) fn word(self) -> u64 {
        OURS | (self.number & NUMBER_MASK) << NUMBER_AT | (self.range & RANGE_MASK)
    }

    fn of_word(word: u64) -> Option<Self> {
        let number = word >> NUMBER_AT & NUMBER_MASK;
        (word & OURS_MASK == OURS).then_some(Self { number, range: word & RANGE_MASK })
    }
}

/// What a recording has seen.
#[derive(Default, Debug)]
struct Counts {
    enqueued: Counter,
    completed: Counter,
}

impl Counts {
    fn outstanding(&self) -> u64 {
        // In this order: what completes in between was enqueued before.
        let completed = self.completed.get();
        self.enqueued.get().saturating_sub(completed)
    }
}

/// Opens and closes for dispatches and copies.
#[derive(Debug)]
pub(super) struct Gate {
    manner: Manner,
    /// Whether every dispatch gets a ticket.
    tickets: bool,
    /// Number of the last recording, doubled, and one more while it goes on.
    state: AtomicU64,
    /// Of the last recording and the one before, by the number's parity.
    counts: [Counts; 2],
    /// The same of copies.
    copies: [Counts; 2],
    /// Number of the last recording of which nothing was kept.
    discarded: AtomicU64,
    /// Completions of earlier recordings that were kept.
    stale: Counter,
}

impl Gate {
    /// A closed one. `tickets`: whether the SDK's word for a dispatch is ours alone.
    pub(super) fn new(manner: Manner, tickets: bool) -> Self {
        Self {
            manner,
            tickets,
            state: AtomicU64::new(0),
            counts: Default::default(),
            copies: Default::default(),
            discarded: AtomicU64::new(0),
            stale: Counter::default(),
        }
    }

    /// Whether dispatches outside recordings are told apart from those within.
    pub(super) fn has_tickets(&self) -> bool {
        self.tickets
    }

    /// How it works.
    pub(super) fn manner(&self) -> Manner {
        self.manner
    }

    /// Begins a recording: what is enqueued from here on is its own.
    pub(super) fn open(&self) {
        let number = (self.state.load(Ordering::Acquire) >> 1) + 1;
        for counts in [&self.counts, &self.copies].map(|of| &of[number as usize % 2]) {
            counts.enqueued.reset();
            counts.completed.reset();
        }
        self.state.store(number << 1 | 1, Ordering::Release);
    }

    /// Ends the recording that goes on, if one does. What was enqueued is still drained.
    pub(super) fn close(&self) {
        self.state.fetch_and(!1, Ordering::AcqRel);
    }

    /// Ends the recording that goes on; nothing of it is kept.
    pub(super) fn discard(&self) {
        let state = self.state.fetch_and(!1, Ordering::AcqRel);
        self.discarded.store(state >> 1 & NUMBER_MASK, Ordering::Release);
    }

    /// Whether a recording goes on.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) & 1 != 0
    }

    fn counts(&self, number: u64) -> &Counts {
        &self.counts[number as usize % 2]
    }

    /// A dispatch is enqueued on this thread. `None`: it is not recorded. `range` is asked for the step that the SDK does not
    /// keep for the thread.
    #[inline(always)]
    pub(super) fn enqueue(&self, range: impl FnOnce() -> u64) -> Option<Ticket> {
        let number = self.admit()?;
        self.counts(number).enqueued.add_one();
        Some(Ticket { number, range: range() })
    }

    /// The same of a copy.
    #[inline(always)]
    pub(super) fn enqueue_copy(&self, range: impl FnOnce() -> u64) -> Option<Ticket> {
        let number = self.admit()?;
        self.copies[number as usize % 2].enqueued.add_one();
        Some(Ticket { number, range: range() })
    }

    /// The number of the recording that takes what is enqueued now.
    #[inline(always)]
    fn admit(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        // A context that is being stopped may still call; without tickets the completion will count.
        (state & 1 != 0 || !self.tickets).then_some(state >> 1)
    }

    /// Whether the ticket has to be put into the SDK's word.
    #[inline(always)]
    pub(super) fn marks(&self, ticket: Ticket) -> bool {
        self.tickets || ticket.range != 0
    }

    /// A dispatch with this word completed. `None`: it is not recorded.
    #[inline(always)]
    pub(super) fn complete(&self, word: u64) -> Option<Ticket> {
        let number = self.state.load(Ordering::Acquire) >> 1;
        match Ticket::of_word(word) {
            Some(ticket) if !self.tickets || ticket.number == number & NUMBER_MASK => {
                Some(Ticket { number, range: ticket.range })
            }
            Some(ticket) => {
                if ticket.number != self.discarded.load(Ordering::Acquire) {
                    self.stale.add_one();
                }
                None
            }
            None if self.tickets => None,
            None => Some(Ticket { number, range: 0 }),
        }
    }

    /// The record of a completion was sent, or dropped and counted. Whoever sees it counted finds the record.
    #[inline(always)]
    pub(super) fn sent(&self, ticket: Ticket) {
        self.counts(ticket.number).completed.add_one();
    }

    /// The same of a copy.
    #[inline(always)]
    pub(super) fn sent_copy(&self, ticket: Ticket) {
        self.copies[ticket.number as usize % 2].completed.add_one();
    }

    /// Dispatches of the last recording whose completion has not come.
    pub(super) fn outstanding(&self) -> u64 {
        self.counts(self.state.load(Ordering::Acquire) >> 1).outstanding()
    }

    /// Copies of the last recording whose end has not come.
    pub(super) fn outstanding_copies(&self) -> u64 {
        self.copies[(self.state.load(Ordering::Acquire) >> 1) as usize % 2].outstanding()
    }

    /// Completions that the last recording has seen.
    pub(super) fn completed(&self) -> u64 {
        self.counts(self.state.load(Ordering::Acquire) >> 1).completed.get()
    }

    /// Completions that came after the recording that they belong to was followed by another.
    pub(super) fn stale(&self) -> u64 {
        self.stale.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enqueue(gate: &Gate) -> u64 {
        gate.enqueue(|| 0).filter(|&ticket| gate.marks(ticket)).map_or(0, Ticket::word)
    }

    fn complete(gate: &Gate, word: u64) -> bool {
        let ticket = gate.complete(word);
        ticket.into_iter().for_each(|ticket| gate.sent(ticket));
        ticket.is_some()
    }

    #[test]
    fn each_recording_counts_its_own() {
        let gate = Gate::new(Manner::Keep, true);
        assert_eq!(enqueue(&gate), 0, "nothing is recorded yet");
        gate.open();
        let (lost, slow, quick) = (enqueue(&gate), enqueue(&gate), enqueue(&gate));
        assert!(complete(&gate, quick));
        gate.close();
        let between = enqueue(&gate);
        assert!(!complete(&gate, between));
        assert_eq!(gate.outstanding(), 2);
        assert!(complete(&gate, slow), "a window that is over is drained");
        assert_eq!(gate.outstanding(), 1);

        gate.open();
        assert_eq!(gate.outstanding(), 0, "what the first lost is not missed in the second");
        let own = enqueue(&gate);
        assert!(!complete(&gate, lost));
        assert_eq!((gate.outstanding(), gate.stale()), (1, 1));
        assert!(complete(&gate, own));
        assert_eq!((gate.outstanding(), gate.completed()), (0, 1));
    }

    #[test]
    fn a_word_that_is_shared_with_other_tools_is_used_for_ranges_alone() {
        let gate = Gate::new(Manner::Switch, false);
        gate.open();
        assert_eq!(enqueue(&gate), 0);
        let ticket = gate.enqueue(|| 77).unwrap();
        assert!(gate.marks(ticket));
        assert_eq!(gate.complete(ticket.word()).map(|ticket| ticket.range), Some(77));
        assert_eq!(gate.complete(0xdead_beef).map(|ticket| ticket.range), Some(0), "another tool's word");
    }

    #[test]
    fn the_context_is_kept_where_a_start_may_hang() {
        let manner = |version: (u32, u32, u32), variables: &[(&str, &str)]| {
            Manner::safe(version, |name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(manner((1, 3, 0), &[]), Manner::Switch);
        assert_eq!(manner((1, 3, 2), &[]), Manner::Keep);
        assert_eq!(manner((1, 4, 1), &[]), Manner::Keep);
        assert_eq!(manner((1, 4, 1), &[(INTERPOSITION, "0")]), Manner::Switch);
        assert_eq!(manner((1, 4, 1), &[(INTERPOSITION, "1")]), Manner::Keep);
        assert_eq!(manner((1, 4, 1), &[(ATTACH, "1")]), Manner::Switch);
    }
}
