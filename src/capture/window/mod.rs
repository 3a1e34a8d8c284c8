//! The window: which decode steps are recorded.
//!
//! Steps are counted where they begin, on the thread that launches them, because recording must start before the first
//! kernel of the first step is enqueued: a thread of our own would always be late. Counting happens once a step and
//! takes a lock; dispatches never come here.
//!
//! With several ranks in one process each rank's thread marks its own steps, and they drift apart by up to a step. So
//! every thread counts for itself: the window opens when the first thread begins its step `warmup + 1`, and is full
//! when every thread has ended its step `warmup + steps` and begins something else: until then it launches that step's
//! tail. A server that falls silent after its last step is not waited for ([`Window::is_spent`]). Steps that a fast
//! thread begins beyond its last are not recorded.
//!
//! ```text
//!   thread A  | warm-up | 1 |~| 2 |~| 3 |~ ·            ~ what is launched between two steps, with the one before
//!   thread B    | warm-up | 1 |~| 2 |~| 3 |~ ·          · begun after its last, not recorded
//!                       ^open               ^full
//! ```
//!
//! A thread that stops making steps must not keep the window open: once another is [`LEAD`] steps past its own end,
//! the window is full.
//!
//! Where steps come from: the strongest source seen so far, which is an engine's own marker, else a profiler's or a
//! scope's, else graph launches. When a stronger one turns up before the window opens, counting starts over. A step of
//! graph launches begins when a graph is launched that the current step already launched, or that a step is known to begin
//! with (see [`Passes`]), which is right for one graph a step as well as for many pieces a step; it ends when the next
//! begins. What the host prepares before a step's first graph was launched before the step was seen to begin, so the window
//! opens one step early and the report leaves that out. These counts only steer the window. Which dispatch belongs to which
//! step in the report is decided by [`steps`](crate::steps) from what was recorded.
//!
//! Until any source has shown itself the window is *blind*: everything is recorded, since a server without markers and
//! graphs can only be understood from its kernels afterwards. The first step that a source tells of ends that, what was
//! recorded is thrown away, and the warm-up begins.

mod passes;

use std::collections::HashMap;

use self::passes::Passes;
use crate::steps::labels::Strength;

/// Steps that a thread may be ahead of a silent one.
const LEAD: u64 = 2;

/// What the caller must do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Nothing changes.
    None,
    /// Start recording before anything else is launched.
    Open,
    /// Stop recording.
    Close,
}

/// Where a moment lies as seen from the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Position {
    /// It is awaited.
    Before,
    /// It is open.
    Inside,
    /// It is over.
    After,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    Blind,
    Waiting,
    Open,
    #[default]
    Full,
}

/// Where step boundaries come from, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum StepSource {
    /// Graph launches.
    Graph,
    /// Marker ranges with labels of this strength.
    Marker(Strength),
}

#[derive(Default, Debug)]
struct Thread {
    begun: u64,
    ended: u64,
    /// It began something after its last step of the window.
    is_past: bool,
    passes: Passes,
}

/// Counts steps and says when to record.
#[derive(Debug, Default)]
pub(super) struct Window {
    warmup: u64,
    steps: u64,
    state: State,
    source: Option<StepSource>,
    threads: HashMap<u64, Thread>,
    left_blind: bool,
}

impl Window {
    /// A window that is not awaited.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Whether everything is recorded, for want of a source of steps.
    pub(super) fn is_blind(&self) -> bool {
        self.state == State::Blind
    }

    /// Whether it stopped to be blind since the last time that this was asked.
    pub(super) fn take_left_blind(&mut self) -> bool {
        std::mem::take(&mut self.left_blind)
    }

    /// Whether steps are being recorded.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the step after the one at hand may open it.
    pub(super) fn is_near(&self) -> bool {
        self.state == State::Waiting && self.threads.values().any(|thread| thread.begun >= self.warmup)
    }

    /// Where this moment lies.
    pub(super) fn position(&self) -> Position {
        match self.state {
            State::Blind | State::Waiting => Position::Before,
            State::Open => Position::Inside,
            State::Full => Position::After,
        }
    }

    /// Decode steps let pass and recorded so far, by the thread that made most.
    pub(super) fn progress(&self) -> (u64, u64) {
        let begun = self.threads.values().map(|thread| thread.begun).max().unwrap_or(0);
        let ended = self.threads.values().map(|thread| thread.ended).max().unwrap_or(0);
        (begun.min(self.warmup), ended.saturating_sub(self.warmup).min(self.steps))
    }

    /// Awaits the next `steps` decode steps after `warmup` of them; blindly, until it has been learnt where steps come
    /// from.
    pub(super) fn arm(&mut self, warmup: u32, steps: u32) {
        self.warmup = warmup.into();
        self.steps = steps.into();
        self.state = if self.source.is_none() { State::Blind } else { State::Waiting };
        self.threads.clear();
    }

    /// Closes it, whatever its state.
    pub(super) fn close(&mut self) {
        self.state = State::Full;
    }

    /// A step's marker range begins on `thread`; `counts` is false for prefill and other steps that are not decode.
    /// Returns what to do, and whether this step is to be recorded; `None` if a stronger source tells the steps.
    pub(super) fn begin(&mut self, thread: u64, strength: Strength, counts: bool) -> Option<(Action, bool)> {
        let source = Some(StepSource::Marker(strength));
        if source < self.source {
            return None;
        }
        if source > self.source {
            match self.state {
                State::Open => return Some((Action::None, true)),
                State::Full => return Some((Action::None, false)),
                State::Blind | State::Waiting => self.learn(source),
            }
        }
        Some(self.begin_step(thread, counts))
    }

    /// A step's marker range ends on `thread`.
    pub(super) fn end(&mut self, thread: u64, strength: Strength, counts: bool) -> Action {
        if self.source != Some(StepSource::Marker(strength)) || !counts {
            return Action::None;
        }
        self.end_step(thread)
    }

    /// `thread` launches `graph`. Returns what to do before the launch goes on, and whether a step begins with it.
    pub(super) fn launch(&mut self, thread: u64, graph: u64) -> (Action, bool) {
        match self.source {
            None => self.learn(Some(StepSource::Graph)),
            Some(StepSource::Graph) => {}
            Some(StepSource::Marker(_)) => return (Action::None, false),
        }
        let entry = self.threads.entry(thread).or_default();
        if !entry.passes.begin(graph) {
            return (Action::None, false);
        }
        if entry.begun > entry.ended && self.end_step(thread) == Action::Close {
            return (Action::Close, true);
        }
        (self.begin_step(thread, true).0, true)
    }

    fn learn(&mut self, source: Option<StepSource>) {
        self.source = source;
        self.threads.clear();
        if self.state == State::Blind {
            self.state = State::Waiting;
            self.left_blind = true;
        }
    }

    fn begin_step(&mut self, thread: u64, counts: bool) -> (Action, bool) {
        let (warmup, last) = (self.warmup, self.warmup + self.steps);
        let early = u64::from(self.source == Some(StepSource::Graph));
        let entry = self.threads.entry(thread).or_default();
        let before = entry.begun;
        entry.begun += u64::from(counts);
        match self.state {
            State::Full | State::Blind => (Action::None, false),
            State::Waiting if counts && before + early >= warmup => {
                self.state = State::Open;
                (Action::Open, true)
            }
            State::Waiting => (Action::None, false),
            State::Open if before >= last => {
                entry.is_past = true;
                let full = self.threads.values().all(|thread| thread.is_past);
                (if full { self.fill() } else { Action::None }, false)
            }
            State::Open => (Action::None, before >= warmup),
        }
    }

    /// Whether every thread has ended its last step, so that only the tails of these are awaited.
    pub(super) fn is_spent(&self) -> bool {
        let last = self.warmup + self.steps;
        self.is_open() && self.threads.values().all(|thread| thread.ended >= last)
    }

    fn fill(&mut self) -> Action {
        self.state = State::Full;
        Action::Close
    }

    fn end_step(&mut self, thread: u64) -> Action {
        let last = self.warmup + self.steps;
        let Some(entry) = self.threads.get_mut(&thread) else { return Action::None };
        entry.ended = entry.begun;
        let far_ahead = entry.ended >= last + LEAD;
        if self.is_open() && far_ahead { self.fill() } else { Action::None }
    }
}

#[cfg(test)]
mod tests;
