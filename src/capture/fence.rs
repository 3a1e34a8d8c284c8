//! The fence between the host and us.
//!
//! Whatever happens on our side, the host goes on. Every `extern "C"` entry runs its body through [`guard`]: a panic
//! stops there, disarms the tracer for good and is told in the report. The state of the tracer is one byte that every
//! callback looks at first; anything but running means that the callback does nothing.
//!
//! ```text
//!   absent ──configure──> starting ──initialize──> running ──finalize──> finished
//!                                                     │ ╲
//!                                         panic ──> disarmed   fork ──> forked (in the child)
//! ```

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::options::Fault;

/// Where the tracer of this process stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// No runtime came up: nothing of us exists but this byte.
    Absent = 0,
    /// Between `rocprofiler_configure` and the end of `initialize`.
    Starting = 1,
    /// Callbacks do their work.
    Running = 2,
    /// As running, with a fault to be injected: tests only.
    Faulty = 3,
    /// An internal error; callbacks do nothing.
    Disarmed = 4,
    /// A forked child of a traced process; callbacks do nothing and files are not ours.
    Forked = 5,
    /// The report is written; callbacks do nothing.
    Finished = 6,
}

static STATE: AtomicU8 = AtomicU8::new(State::Absent as u8);
static FAULT: Mutex<Option<Fault>> = Mutex::new(None);
static WHY: Mutex<Option<String>> = Mutex::new(None);

pub(super) fn state() -> State {
    use State::{Absent, Disarmed, Faulty, Finished, Forked, Running, Starting};
    let byte = STATE.load(Ordering::Acquire);
    [Absent, Starting, Running, Faulty, Disarmed, Forked, Finished]
        .into_iter()
        .find(|state| *state as u8 == byte)
        .unwrap_or(Disarmed)
}

/// Goes from `from` to `to`; false if the state was another.
pub(super) fn change(from: State, to: State) -> bool {
    STATE.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Starts to run, with a fault to inject if a test asked for one.
pub(super) fn run(fault: Option<Fault>) {
    *FAULT.lock() = fault;
    change(State::Starting, if fault.is_some() { State::Faulty } else { State::Running });
}

/// Ends for good. Afterwards no callback does anything.
pub(super) fn finish() {
    STATE.store(State::Finished as u8, Ordering::Release);
}

/// Notes that this is a forked child; false if its parent had no tracer. Async-signal-safe.
pub(super) fn fork() -> bool {
    let traced = STATE.load(Ordering::Relaxed) != State::Absent as u8;
    if traced {
        STATE.store(State::Forked as u8, Ordering::Relaxed);
    }
    traced
}

/// Whether a callback may do its work. Panics where a test asked for it.
#[inline(always)]
pub(super) fn enter(point: Fault) -> bool {
    let state = STATE.load(Ordering::Relaxed);
    state == State::Running as u8 || (state == State::Faulty as u8 && inject(point))
}

/// Dispatch callbacks that are let pass before the fault: then a window is open in every test.
const DISPATCHES_BEFORE_FAULT: u32 = 20_000;
static DISPATCHES: AtomicU32 = AtomicU32::new(0);

#[cold]
fn inject(point: Fault) -> bool {
    let early = point == Fault::Dispatch && DISPATCHES.fetch_add(1, Ordering::Relaxed) < DISPATCHES_BEFORE_FAULT;
    assert!(early || *FAULT.lock() != Some(point), "a fault was injected at {point:?}");
    true
}

/// Runs `body`; a panic in it disarms the tracer and gives `otherwise`.
#[inline(always)]
pub(super) fn guard<R>(place: &'static str, otherwise: R, body: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => {
            disarm(place, &*payload);
            // Dropping a foreign payload may panic again; it is small and happens once.
            std::mem::forget(payload);
            otherwise
        }
    }
}

#[cold]
fn disarm(place: &'static str, payload: &(dyn Any + Send)) {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("an unknown panic");
    WHY.lock().get_or_insert_with(|| format!("internal error in {place}: {text}"));
    if state() != State::Finished {
        STATE.store(State::Disarmed as u8, Ordering::Release);
    }
}

/// Why the tracer disarmed itself, if it did.
pub(super) fn why_disarmed() -> Option<String> {
    WHY.lock().clone()
}
