//! The window: which decode steps are recorded.
//!
//! Steps are counted where they begin, on the thread that launches them, because recording must start before the first
//! kernel of the first step is enqueued: a thread of our own would always be late. Counting happens once a step and
//! takes a lock; dispatches never come here.
//!
//! With several ranks in one process each rank's thread marks its own steps, and they drift apart by up to a step. So
//! every thread counts for itself: the window opens when the first thread begins its step `warmup + 1`, and is full
//! when every thread has ended its step `warmup + steps`. Steps that a fast thread begins beyond that are not recorded.
//!
//! ```text
//!   thread A  | warm-up | 1 | 2 | 3 | ·          · begun after its last, not recorded
//!   thread B    | warm-up | 1 | 2 | 3 |
//!                       ^open         ^full
//! ```
//!
//! A thread that stops making steps must not keep the window open: once another is [`LEAD`] steps past its own end,
//! the window is full.
//!
//! Where steps come from: the strongest source seen so far, which is an engine's own marker, else a profiler's or a
//! scope's, else graph launches. When a stronger one turns up before the window opens, counting starts over. A step of
//! graph launches begins when a graph is launched that the current step already launched, which is right for one graph a
//! step as well as for many pieces a step; it ends when the next begins. These counts only steer the window. Which
//! dispatch belongs to which step in the report is decided by [`steps`](crate::steps) from what was recorded.
//!
//! Until any source has shown itself the window is *blind*: everything is recorded, since a server without markers and
//! graphs can only be understood from its kernels afterwards. The first step that a source tells of ends that, what was
//! recorded is thrown away, and the warm-up begins.

use std::collections::HashMap;

use crate::steps::labels::Strength;

/// Steps that a thread may be ahead of a silent one.
const LEAD: u64 = 2;

/// What the caller must do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing changes.
    None,
    /// Start recording before anything else is launched.
    Open,
    /// Stop recording.
    Close,
}

/// Where a moment lies as seen from the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
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
pub enum StepSource {
    /// Graph launches.
    Graph,
    /// Marker ranges with labels of this strength.
    Marker(Strength),
}

#[derive(Default, Debug)]
struct Thread {
    begun: u64,
    ended: u64,
    /// Graphs launched in its current step.
    graphs: Vec<u64>,
}

/// Counts steps and says when to record.
#[derive(Debug, Default)]
pub struct Window {
    warmup: u64,
    steps: u64,
    state: State,
    source: Option<StepSource>,
    threads: HashMap<u64, Thread>,
    left_blind: bool,
}

impl Window {
    /// A window that is not awaited.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is neither awaited nor open.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state == State::Full
    }

    /// Whether everything is recorded, for want of a source of steps.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.state == State::Blind
    }

    /// Whether it stopped to be blind since the last time that this was asked.
    pub fn take_left_blind(&mut self) -> bool {
        std::mem::take(&mut self.left_blind)
    }

    /// Whether steps are being recorded.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Where this moment lies.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.state {
            State::Blind | State::Waiting => Position::Before,
            State::Open => Position::Inside,
            State::Full => Position::After,
        }
    }

    /// Decode steps let pass and recorded so far, by the thread that made most.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let begun = self.threads.values().map(|thread| thread.begun).max().unwrap_or(0);
        let ended = self.threads.values().map(|thread| thread.ended).max().unwrap_or(0);
        (begun.min(self.warmup), ended.saturating_sub(self.warmup).min(self.steps))
    }

    /// Awaits the next `steps` decode steps after `warmup` of them; blindly, until it has been learnt where steps come
    /// from.
    pub fn arm(&mut self, warmup: u32, steps: u32) {
        self.warmup = warmup.into();
        self.steps = steps.into();
        self.state = if self.source.is_none() { State::Blind } else { State::Waiting };
        self.threads.clear();
    }

    /// Closes it, whatever its state.
    pub fn close(&mut self) {
        self.state = State::Full;
    }

    /// A step's marker range begins on `thread`; `counts` is false for prefill and other steps that are not decode.
    /// Returns what to do, and whether this step is to be recorded; `None` if a stronger source tells the steps.
    pub fn begin(&mut self, thread: u64, strength: Strength, counts: bool) -> Option<(Action, bool)> {
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
    pub fn end(&mut self, thread: u64, strength: Strength, counts: bool) -> Action {
        if self.source != Some(StepSource::Marker(strength)) || !counts {
            return Action::None;
        }
        self.end_step(thread)
    }

    /// `thread` launches `graph`. Returns what to do before the launch goes on, and whether a step begins with it.
    pub fn launch(&mut self, thread: u64, graph: u64) -> (Action, bool) {
        match self.source {
            None => self.learn(Some(StepSource::Graph)),
            Some(StepSource::Graph) => {}
            Some(StepSource::Marker(_)) => return (Action::None, false),
        }
        let entry = self.threads.entry(thread).or_default();
        let goes_on = entry.begun > 0 && !entry.graphs.contains(&graph);
        if goes_on {
            entry.graphs.push(graph);
            return (Action::None, false);
        }
        entry.graphs.clear();
        entry.graphs.push(graph);
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
        let entry = self.threads.entry(thread).or_default();
        let before = entry.begun;
        entry.begun += u64::from(counts);
        match self.state {
            State::Full | State::Blind => (Action::None, false),
            State::Waiting if counts && before >= warmup => {
                self.state = State::Open;
                (Action::Open, true)
            }
            State::Waiting => (Action::None, false),
            State::Open => (Action::None, before >= warmup && before < last),
        }
    }

    fn end_step(&mut self, thread: u64) -> Action {
        let last = self.warmup + self.steps;
        let Some(entry) = self.threads.get_mut(&thread) else { return Action::None };
        entry.ended = entry.begun;
        let ended = entry.ended;
        let full = ended >= last + LEAD || self.threads.values().all(|thread| thread.ended >= last);
        if self.state != State::Open || !full {
            return Action::None;
        }
        self.state = State::Full;
        Action::Close
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use Strength::{Engine, Profiler};

    fn armed(warmup: u32, steps: u32) -> Window {
        let mut window = Window::new();
        window.arm(warmup, steps);
        window
    }

    /// Runs `steps` decode steps on one thread; returns at which step it opened and after which it closed.
    fn run(window: &mut Window, steps: u32) -> (Option<u32>, Option<u32>) {
        let (mut opened, mut closed) = (None, None);
        for step in 1..=steps {
            if window.begin(1, Engine, true).unwrap().0 == Action::Open {
                opened = Some(step);
            }
            if window.end(1, Engine, true) == Action::Close {
                closed = Some(step);
            }
        }
        (opened, closed)
    }

    #[test]
    fn it_opens_after_the_warmup_and_closes_after_its_last_step() {
        assert_eq!(run(&mut armed(3, 5), 20), (Some(4), Some(8)));
        assert_eq!(run(&mut armed(0, 1), 20), (Some(1), Some(1)));
        assert_eq!(run(&mut armed(30, 1), 20), (None, None));
    }

    #[test]
    fn prefill_steps_do_not_count_but_are_recorded_inside_the_window() {
        let mut window = armed(1, 2);
        assert_eq!(window.begin(1, Engine, false), Some((Action::None, false)));
        window.end(1, Engine, false);
        run(&mut window, 1);
        assert_eq!(window.begin(1, Engine, true), Some((Action::Open, true)));
        assert_eq!(window.end(1, Engine, true), Action::None);
        assert_eq!(window.begin(1, Engine, false), Some((Action::None, true)));
        assert_eq!(window.end(1, Engine, false), Action::None);
        assert_eq!(window.progress(), (1, 1));
    }

    #[test]
    fn it_waits_for_the_slower_thread_and_leaves_out_what_the_faster_does_beyond() {
        let mut window = armed(1, 1);
        for thread in [1, 2] {
            window.begin(thread, Engine, true);
            window.end(thread, Engine, true);
        }
        assert_eq!(window.begin(1, Engine, true), Some((Action::Open, true)));
        assert_eq!(window.end(1, Engine, true), Action::None);
        assert_eq!(window.begin(1, Engine, true), Some((Action::None, false)), "beyond its last step");
        assert_eq!(window.begin(2, Engine, true), Some((Action::None, true)));
        assert_eq!(window.end(2, Engine, true), Action::Close);
    }

    #[test]
    fn a_thread_that_fell_silent_does_not_keep_it_open() {
        let mut window = armed(0, 3);
        window.begin(2, Engine, true);
        assert_eq!(run(&mut window, 10).1, Some(3 + LEAD as u32));
    }

    #[test]
    fn a_step_of_graph_launches_begins_with_a_graph_seen_in_it_before() {
        let mut whole = armed(1, 2);
        let actions: Vec<_> = (0..5).map(|_| whole.launch(1, 7).0).collect();
        assert_eq!(actions, [Action::None, Action::Open, Action::None, Action::Close, Action::None]);

        let mut pieces = armed(1, 2);
        let actions: Vec<_> = (0..12).map(|i| pieces.launch(1, i % 3).0).collect();
        assert_eq!(actions.iter().position(|a| *a == Action::Open), Some(3));
        assert_eq!(actions.iter().position(|a| *a == Action::Close), Some(9));
    }

    #[test]
    fn markers_take_over_from_graph_launches_before_the_window_opens() {
        let mut window = armed(3, 2);
        window.launch(1, 7);
        window.launch(1, 7);
        assert_eq!(run(&mut window, 10), (Some(4), Some(5)));
        assert_eq!(window.launch(1, 7), (Action::None, false));
    }

    #[test]
    fn a_stronger_label_takes_over_and_weaker_ones_count_no_more() {
        let mut window = armed(1, 1);
        assert_eq!(window.begin(1, Profiler, true), Some((Action::None, false)));
        assert_eq!(run(&mut window, 3), (Some(2), Some(2)));
        assert_eq!(window.begin(1, Profiler, true), None);
    }

    #[test]
    fn threads_that_race_open_it_once_and_close_it_once() {
        let (warmup, steps, threads) = (3, 10, 4);
        let window = parking_lot::Mutex::new(armed(warmup, steps));
        let (opened, closed, recorded) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let act = |action: Action| match action {
            Action::None => {}
            Action::Open => drop(opened.fetch_add(1, Ordering::Relaxed)),
            Action::Close => drop(closed.fetch_add(1, Ordering::Relaxed)),
        };
        let start = std::sync::Barrier::new(threads);
        std::thread::scope(|scope| {
            for thread in 0..threads as u64 {
                let (window, act, start, recorded) = (&window, &act, &start, &recorded);
                scope.spawn(move || {
                    // All are known before the first can be done, as ranks that come up together are.
                    let begin = || window.lock().begin(thread, Engine, true).expect("the only source");
                    act(begin().0);
                    start.wait();
                    act(window.lock().end(thread, Engine, true));
                    for _ in 1..warmup + steps {
                        let (action, is_recorded) = begin();
                        act(action);
                        recorded.fetch_add(is_recorded.into(), Ordering::Relaxed);
                        act(window.lock().end(thread, Engine, true));
                    }
                });
            }
        });
        assert_eq!((opened.into_inner(), closed.into_inner()), (1, 1));
        // It waits for the slowest, unless a thread gets so far ahead that the others count as silent: none can here, for
        // want of steps beyond the window.
        assert_eq!(recorded.into_inner(), steps * threads as u32);
        assert!(window.lock().is_full());
    }

    #[test]
    fn what_comes_after_it_changes_nothing_of_what_was_counted() {
        let mut window = armed(1, 2);
        assert_eq!(window.position(), Position::Before);
        window.begin(1, Profiler, true);
        window.end(1, Profiler, true);
        window.begin(1, Profiler, true);
        assert_eq!(window.position(), Position::Inside);
        window.end(1, Profiler, true);
        window.begin(1, Profiler, true);
        assert_eq!(window.end(1, Profiler, true), Action::Close);
        assert_eq!(window.begin(1, Engine, true), Some((Action::None, false)));
        assert_eq!((window.position(), window.progress()), (Position::After, (1, 2)));
    }

    #[test]
    fn it_is_blind_until_a_source_of_steps_shows_itself() {
        let mut window = armed(1, 1);
        assert!(window.is_blind());
        assert!(!window.take_left_blind());
        assert_eq!(run(&mut window, 3), (Some(2), Some(2)));
        assert!(window.take_left_blind());
        assert!(!window.take_left_blind(), "once");
        window.arm(0, 1);
        assert!(!window.is_blind(), "what was learnt is kept");
    }
}
