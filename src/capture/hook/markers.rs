//! From roctx calls to steps.
//!
//! A step is a range whose label is known (or matches the user's pattern) and is not inside a step of equal strength:
//! vLLM, for one, puts `step[…]` inside `execute_…`. A stronger label inside a weaker one is the step, and the weaker
//! one none. Push and pop are paired per thread, start and stop by their id.
//!
//! ```text
//!   push "forward"            no step
//!     push "decode[bs=4]"     step begins: its id is pushed as external correlation id, so every dispatch of this
//!       push "attn" · pop     thread carries it, graph-launched ones too, whenever the GPU gets to them
//!     pop                     step ends
//!   pop
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
use std::sync::atomic::Ordering;

use crate::capture::message::Event;
use crate::capture::tracer::{OpenStep, Tracer};
use crate::capture::window::{Action, Position, Window};
use crate::steps::Phase;
use crate::steps::labels::{StepLabel, Strength};

/// Where a thread stands among its pushed ranges. Plain data in a thread-local without a destructor: callbacks may come
/// when the thread's other locals are gone.
#[derive(Clone, Copy)]
struct Stack {
    /// Open pushes.
    depth: u32,
    /// `depth` at which the open step was pushed; 0: none is open.
    step_depth: u32,
    /// The open step.
    step: OpenStep,
    /// Whether the bottom of the external id stack was laid.
    based: bool,
    /// When and where the step before began, if it was a decode step.
    last_decode: Option<(u64, Position)>,
    /// [`Tracer::generation`] that all this is of.
    generation: u32,
}

impl Stack {
    /// What is known of a thread's ranges when `tracer` has only begun to listen to it (again).
    const fn new(generation: u32, based: bool) -> Self {
        let step =
            OpenStep { id: 0, thread: 0, strength: Strength::Scope, counts: false, recorded: false, bound: true };
        Self { depth: 0, step_depth: 0, step, based, last_decode: None, generation }
    }
}

thread_local! {
    static STACK: Cell<Stack> = const { Cell::new(Stack::new(0, false)) };
    /// The recorded step that is open on this thread, if the SDK does not keep it; else 0.
    static UNBOUND: Cell<u64> = const { Cell::new(0) };
}

/// The recorded step, if one is open, that the SDK does not give to the dispatches of the calling thread.
pub(super) fn unbound_step() -> Option<u64> {
    UNBOUND.try_with(Cell::get).ok().filter(|&step| step != 0)
}

/// Lets `change` change what is known of the calling thread's ranges. Nothing happens on a thread whose locals are gone.
fn with_stack(tracer: &Tracer, change: impl FnOnce(&mut Stack)) {
    let _ = STACK.try_with(|cell| {
        let mut stack = cell.get();
        let generation = tracer.generation();
        if stack.generation != generation {
            stack = Stack::new(generation, stack.based);
        }
        change(&mut stack);
        cell.set(stack);
    });
}

/// roctxRangePushA was entered.
pub(super) fn push(tracer: &Tracer, thread: u64, message: &str) {
    with_stack(tracer, |stack| {
        stack.depth += 1;
        if let Some(step) = begin(tracer, thread, message, stack) {
            stack.step = step;
            stack.step_depth = stack.depth;
        }
    });
}

/// roctxRangePop was entered.
pub(super) fn pop(tracer: &Tracer) {
    with_stack(tracer, |stack| {
        if stack.step_depth != 0 && stack.depth == stack.step_depth {
            end(tracer, stack.step);
            stack.step_depth = 0;
        }
        // A pop too many pops nothing; and ranges pushed before we listened are popped now.
        stack.depth = stack.depth.saturating_sub(1);
    });
}

/// roctxRangeStartA returned `id`.
pub(super) fn start(tracer: &Tracer, thread: u64, id: u64, message: &str) {
    with_stack(tracer, |stack| {
        if let Some(step) = begin(tracer, thread, message, stack) {
            tracer.open_steps.lock().insert(id, step);
        }
    });
}

/// roctxRangeStop(`id`) was entered, on any thread.
pub(super) fn stop(tracer: &Tracer, id: u64) {
    let step = tracer.open_steps.lock().remove(&id);
    if let Some(step) = step {
        end(tracer, step);
    }
}

/// hipGraphLaunch was entered.
pub(super) fn launch(tracer: &Tracer, thread: u64, graph: u64) {
    let ((action, begins), position) = {
        let mut window = tracer.window.lock();
        let launched = window.launch(thread, graph);
        open_if_due(tracer, &mut window, launched.0);
        (launched, window.position())
    };
    close_if_due(tracer, action);
    if begins {
        with_stack(tracer, |stack| take_time(tracer, stack, position, true, tracer.now_ns()));
    }
}

fn begin(tracer: &Tracer, thread: u64, message: &str, stack: &mut Stack) -> Option<OpenStep> {
    let StepLabel { phase, strength, .. } = tracer.labels.parse(message)?;
    let inside = stack.step_depth != 0;
    if inside && strength <= stack.step.strength {
        return None;
    }
    let counts = phase == Phase::Decode;
    let (recorded, position) = {
        let mut window = tracer.window.lock();
        let (action, recorded) = window.begin(thread, strength, counts)?;
        open_if_due(tracer, &mut window, action);
        (recorded, window.position())
    };
    if inside {
        // The weaker one around it was no step after all.
        end(tracer, OpenStep { counts: false, ..stack.step });
    }
    let id = tracer.new_range();
    let context = tracer.contexts.tracing;
    let mut pushed = Ok(());
    if !stack.based {
        pushed = tracer.sdk.push_external_correlation_id(context, thread, 0);
        stack.based = true;
    }
    let value = if recorded { id } else { 0 };
    pushed = pushed.and_then(|()| tracer.sdk.push_external_correlation_id(context, thread, value));
    let step = OpenStep { id, thread, strength, counts, recorded, bound: pushed.is_ok() };
    let _ = UNBOUND.try_with(|unbound| unbound.set(if step.bound { 0 } else { value }));
    if let Err(error) = pushed {
        tracer.has_unbound.store(true, Ordering::Release);
        tracer.remark_once("sdk-function-failed", || format!("kernels are bound to their steps without it: {error}"));
    }
    let now = tracer.now_ns();
    take_time(tracer, stack, position, counts, now);
    if recorded {
        let message = message.into();
        tracer.outbox.event(Event::RangeOpen { id: step.id, thread, start_ns: now, message });
    }
    Some(step)
}

/// A step begins now, at this position; if the one before was a decode step too, its time is known.
fn take_time(tracer: &Tracer, stack: &mut Stack, position: Position, counts: bool, now_ns: u64) {
    if let (true, Some((begun_ns, position))) = (counts, stack.last_decode) {
        tracer.meter.step(position, now_ns.saturating_sub(begun_ns));
    }
    stack.last_decode = counts.then_some((now_ns, position));
}

fn end(tracer: &Tracer, step: OpenStep) {
    if step.recorded {
        tracer.outbox.event(Event::RangeClose { id: step.id, end_ns: tracer.now_ns() });
    }
    if !step.bound {
        let _ = UNBOUND.try_with(|unbound| unbound.set(0));
    } else if let Err(error) = tracer.sdk.pop_external_correlation_id(tracer.contexts.tracing, step.thread) {
        tracer.remark_once("sdk-function-failed", || format!("kernels may be bound to the wrong step: {error}"));
    }
    let action = tracer.window.lock().end(step.thread, step.strength, step.counts);
    close_if_due(tracer, action);
}

/// Opens the window while it is locked: another thread whose step it finds open must launch nothing before dispatches are
/// recorded, and tell nothing before the aggregator knows of the window.
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
