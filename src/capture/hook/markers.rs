//! From roctx calls to steps.
//!
//! Which ranges are steps is [`Nesting`](crate::steps::labels::Nesting)'s decision, as it is for traces of others: a label that is known (or matches the
//! user's pattern) and is not inside a step of equal strength. Push and pop are paired per thread, start and stop by their
//! id, from whatever thread.
//!
//! ```text
//!   push "forward"            no step
//!     push "decode[bs=4]"     step begins: its id is pushed as external correlation id, so every dispatch of this
//!       push "attn" · pop     thread carries it, graph-launched ones too, whenever the GPU gets to them
//!     pop                     step ends, its tail begins: what the thread launches from here on, sampling and drafting
//!   pop                       mostly, carries the id of a range of its own, [`TAIL`]
//!   push "decode[bs=4]"       the tail ends where the next step begins
//! ```
//!
//! The SDK gives an empty stack of external ids the value last pushed on the thread that loaded it, so every thread that
//! marks steps has a 0 at the bottom of its own, and steps outside the window push a 0 too: their dispatches belong to
//! no step rather than to another thread's.
//!
//! The SDK takes no ids for a thread whose number is below that of the process, as it is once the system has used all
//! numbers and begins anew. The step of such a thread is kept here, and each of its dispatches is given it when it is
//! enqueued.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::capture::graphs::{pop_text, push_text};
use crate::capture::message::Event;
use crate::capture::open_steps::{How, OpenStep, ThreadSteps};
use crate::capture::tracer::Tracer;
use crate::capture::window::{Action, Position, Window};
use crate::steps::Phase;
use crate::steps::labels::{Opened, StepLabel, TAIL};

/// Where a thread stands among its pushed ranges. Plain data in a thread-local without a destructor: callbacks may come
/// when the thread's other locals are gone.
#[derive(Clone, Copy)]
struct Pushes {
    /// Open pushes.
    depth: u32,
    /// A bit for each depth at which a step was pushed; those beyond [`DEEPEST`] are none.
    steps: u64,
    /// [`Tracer::generation`] that all this is of.
    generation: u32,
}

/// The deepest push that may be a step.
const DEEPEST: u32 = u64::BITS - 1;

thread_local! {
    static PUSHES: Cell<Pushes> = const { Cell::new(Pushes { depth: 0, steps: 0, generation: 0 }) };
    /// Where the id for this thread's dispatches is, if the SDK does not keep it.
    static UNBOUND: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
}

/// The range, if a recorded one is open, that the SDK does not give to the dispatches of the calling thread.
pub(super) fn unbound_step() -> Option<u64> {
    let id = UNBOUND.try_with(Cell::get).ok()??.load(Ordering::Acquire);
    Some(id).filter(|&id| id != 0)
}

/// Lets `change` change what is known of the calling thread's pushes. Nothing happens on a thread whose locals are gone.
fn with_pushes(tracer: &Tracer, change: impl FnOnce(&mut Pushes)) {
    let _ = PUSHES.try_with(|cell| {
        let mut pushes = cell.get();
        let generation = tracer.generation();
        if pushes.generation != generation {
            // The tracer has only begun to listen (again).
            pushes = Pushes { depth: 0, steps: 0, generation };
        }
        change(&mut pushes);
        cell.set(pushes);
    });
}

/// roctxRangePushA was entered.
pub(super) fn push(tracer: &Tracer, thread: u64, message: &[u8]) {
    with_pushes(tracer, |pushes| {
        push_text(message, pushes.depth == 0);
        pushes.depth += 1;
        if pushes.depth <= DEEPEST && begin(tracer, thread, message, How::Pushed(pushes.depth)) {
            pushes.steps |= 1 << pushes.depth;
        }
    });
}

/// roctxRangePop was entered.
pub(super) fn pop(tracer: &Tracer, thread: u64) {
    with_pushes(tracer, |pushes| {
        let depth = pushes.depth;
        if depth <= DEEPEST && pushes.steps & (1 << depth) != 0 {
            pushes.steps &= !(1 << depth);
            let mut threads = tracer.threads.lock();
            let action = threads.get_mut(&thread).map(|steps| end(tracer, thread, steps, How::Pushed(depth)));
            drop(threads);
            close_if_due(tracer, action.flatten().unwrap_or(Action::None));
        }
        pop_text();
        // A pop too many pops nothing; and ranges pushed before we listened are popped now.
        pushes.depth = depth.saturating_sub(1);
    });
}

/// roctxRangeStartA returned `id`.
pub(super) fn start(tracer: &Tracer, thread: u64, id: u64, message: &[u8]) {
    begin(tracer, thread, message, How::Started(id));
}

/// roctxRangeStop(`id`) was entered, on any thread.
pub(super) fn stop(tracer: &Tracer, id: u64) {
    let mut threads = tracer.threads.lock();
    let action = threads.iter_mut().find_map(|(&thread, steps)| end(tracer, thread, steps, How::Started(id)));
    drop(threads);
    close_if_due(tracer, action.unwrap_or(Action::None));
}

/// hipGraphLaunch was entered.
pub(super) fn launch(tracer: &Tracer, thread: u64, graph: u64) {
    let ((action, begins), position, near) = {
        let mut window = tracer.window.lock();
        let launched = window.launch(thread, graph);
        open_if_due(tracer, &mut window, launched.0);
        (launched, window.position(), window.is_near())
    };
    close_if_due(tracer, action);
    get_ready(tracer, position == Position::Inside, near);
    if begins {
        let now = tracer.now_ns();
        tracer.threads.lock().entry(thread).or_default().take_time(&tracer.meter, position, true, now);
    }
}

/// A range was opened on the calling thread. Returns whether it is a step.
fn begin(tracer: &Tracer, thread: u64, message: &[u8], how: How) -> bool {
    let Some(label) = tracer.labels.parse_bytes(message) else { return false };
    let mut threads = tracer.threads.lock();
    let steps = threads.entry(thread).or_default();
    // Started ranges are used where steps overlap; pushed ones cannot.
    let is_within = |open: &OpenStep| !matches!((how, open.how), (How::Started(_), How::Started(_)));
    let opened = { steps.open }.open(label, OpenStep { id: 0, how, recorded: false }, is_within);
    let inside = steps.open.iter().filter(|(_, open)| is_within(open)).last().copied();
    let mut near = false;
    let (action, recorded) = match (opened, inside) {
        (Opened::SameAs(_), _) => return false,
        // A draft within a step is recorded with it and counts for nothing.
        (Opened::Step, Some((_, outer))) => (Action::None, outer.recorded),
        (Opened::Step | Opened::InsteadOf(_), _) => {
            let counts = may_be_decode(label.phase);
            let mut window = tracer.window.lock();
            let Some((action, recorded)) = window.begin(thread, label.strength, counts) else { return false };
            open_if_due(tracer, &mut window, action);
            let (position, now) = (window.position(), tracer.now_ns());
            near = window.is_near();
            drop(window);
            steps.take_time(&tracer.meter, position, counts, now);
            (action, recorded)
        }
    };
    let range = OpenStep { id: tracer.new_range(), how, recorded };
    let now = tracer.now_ns();
    if let Opened::InsteadOf(weaker) = steps.open.open(label, range, is_within)
        && weaker.recorded
    {
        // The weaker one around it was no step after all.
        tracer.outbox.event(Event::RangeClose { id: weaker.id, end_ns: now });
    }
    end_tail(tracer, steps, now);
    bind(tracer, thread, steps);
    let _ = UNBOUND.try_with(|unbound| unbound.set(steps.unbound));
    drop(threads);
    if recorded {
        tracer.outbox.event(Event::RangeOpen {
            id: range.id,
            thread,
            start_ns: now,
            message: String::from_utf8_lossy(message).into(),
        });
    }
    close_if_due(tracer, action);
    get_ready(tracer, recorded, near);
    true
}

/// Turns on what records, if the step that begins is recorded or the next one may be. No lock is held: this takes as long
/// as the SDK does.
fn get_ready(tracer: &Tracer, recorded: bool, near: bool) {
    if recorded {
        tracer.be_ready();
    } else if near {
        tracer.prepare();
    }
}

/// The range that was opened so on `thread` is closed. `None`: it was no step.
fn end(tracer: &Tracer, thread: u64, steps: &mut ThreadSteps, how: How) -> Option<Action> {
    let (label, range) = steps.open.close(|range| range.how == how)?;
    let StepLabel { strength, phase, .. } = label;
    let now = tracer.now_ns();
    if range.recorded {
        tracer.outbox.event(Event::RangeClose { id: range.id, end_ns: now });
        if steps.open.current().is_none() {
            steps.tail = tracer.new_range();
            tracer.outbox.event(Event::RangeOpen { id: steps.tail, thread, start_ns: now, message: TAIL.into() });
        }
    }
    bind(tracer, thread, steps);
    Some(tracer.window.lock().end(thread, strength, may_be_decode(phase)))
}

/// Whether the window counts a step: what a label does not tell, only the report's kernels do.
fn may_be_decode(phase: Phase) -> bool {
    matches!(phase, Phase::Decode | Phase::Unknown)
}

/// Lets the dispatches of `thread` carry the id of what is open now.
fn bind(tracer: &Tracer, thread: u64, steps: &mut ThreadSteps) {
    if let Err(error) = steps.bind(&tracer.sdk, tracer.contexts.tracing, thread) {
        tracer.has_unbound.store(true, Ordering::Release);
        tracer.remark_once("sdk-function-failed", || format!("kernels are bound to their steps without it: {error}"));
    }
}

fn end_tail(tracer: &Tracer, steps: &mut ThreadSteps, now_ns: u64) {
    let tail = std::mem::take(&mut steps.tail);
    if tail != 0 {
        tracer.outbox.event(Event::RangeClose { id: tail, end_ns: now_ns });
    }
}

/// Opens the window while it is locked: another thread that finds it open must tell nothing before the aggregator knows of
/// the window.
fn open_if_due(tracer: &Tracer, window: &mut Window, action: Action) {
    if window.take_left_blind() {
        tracer.leave_blind();
    }
    if action == Action::Open {
        tracer.open_window();
    }
}

fn close_if_due(tracer: &Tracer, action: Action) {
    if action == Action::Close {
        tracer.close_window();
    }
}
