//! What the callbacks and the aggregator share.
//!
//! One of these is made when a runtime comes up, and it is never freed: callbacks and `finalize` may come after our own
//! destructors have run. Callbacks get it as their data pointer and only ever read it; what changes is atomic or behind
//! a lock that the dispatch callback never takes.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocprofiler_sys::{CallError, ContextId, Layout, Sdk, Version};

use super::evidence::Evidence;
use super::gate::{Gate, Manner};
use super::graphs::{Bounds, Captures};
use super::host;
use super::message::{Event, Outbox};
use super::meter::Meter;
use super::open_steps::ThreadSteps;
use super::operations::Operations;
use super::options::Options;
use super::rank::Placement;
use super::switch::Switch;
use super::window::Window;
use crate::steps::labels::Labels;
use crate::wire::Agent;

/// The contexts that the tracer registers. Each is started and stopped on its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contexts {
    /// Code objects: always on, because a kernel's name is told only once, to those who listen at that moment.
    pub(super) control: ContextId,
    /// Markers and graph launches: on while a window is awaited or open.
    pub(super) steps: ContextId,
    /// All other calls that put work on a GPU: on while a window is open.
    pub(super) calls: ContextId,
    /// Dispatches and copies: on while a window is open, so that the server runs undisturbed otherwise; or always, see
    /// [`gate`](super::gate).
    pub(super) tracing: ContextId,
    /// The calls that capture graphs: always on, for a graph is captured once, long before any window.
    pub(super) graphs: ContextId,
    /// The calls that are captured: on while a graph is being captured.
    pub(super) captures: ContextId,
}

/// Name under which the SDK knows us.
pub(super) const CLIENT_NAME: &std::ffi::CStr = c"profile-decode";

/// The tracer of this process.
pub(super) struct Tracer {
    pub(super) sdk: Sdk,
    pub(super) contexts: Contexts,
    pub(super) operations: Operations,
    pub(super) options: Options,
    pub(super) rank: Placement,
    pub(super) agents: Vec<Agent>,
    pub(super) labels: Labels,
    pub(super) outbox: Outbox,
    /// Whether `_exit` comes by here: not where the library was loaded by `ROCP_TOOL_LIBRARIES` alone.
    pub(super) sees_ends: bool,
    pub(super) meter: Meter,
    /// What may still be copied of code objects.
    pub(super) evidence: Evidence,
    pub(super) gate: Gate,
    pub(super) captures: Captures,
    switch: Switch,
    pub(super) window: Mutex<Window>,
    /// The steps of each thread that marks any.
    pub(super) threads: Mutex<HashMap<u64, ThreadSteps>>,
    /// Whether the SDK refused to bind the dispatches of some thread to their steps.
    pub(super) has_unbound: AtomicBool,
    /// Counts the times that the steps context was started: what a thread remembers of its ranges from an earlier time
    /// has gaps.
    generation: AtomicU32,
    /// Whether the steps context is on.
    listens: AtomicBool,
    remarked: AtomicBool,
    next_range: AtomicU64,
    finish: AtomicBool,
    done: AtomicBool,
    /// Whether the aggregator has done what being attached or detached takes.
    is_settled: AtomicBool,
    /// Whether a signal ordered a window since the last time that this was asked.
    ordered: AtomicBool,
    /// Exit status of an `exit` that has begun; [`NOT_EXITING`] before.
    exiting: AtomicI32,
}

/// No exit status is so small.
const NOT_EXITING: c_int = c_int::MIN;

/// See [`Tracer::current`].
static CURRENT: AtomicPtr<Tracer> = AtomicPtr::new(std::ptr::null_mut());

impl Tracer {
    #[expect(clippy::too_many_arguments, reason = "called once, with what initialize has gathered")]
    pub(super) fn new(
        sdk: Sdk,
        contexts: Contexts,
        operations: Operations,
        options: Options,
        rank: Placement,
        agents: Vec<Agent>,
        labels: Labels,
        outbox: Outbox,
    ) -> Self {
        let window = Mutex::new(Window::new());
        let Version { major, minor, patch } = sdk.version();
        let safe = || Manner::safe((major, minor, patch), |name| std::env::var_os(name));
        let manner = options.context.unwrap_or_else(safe);
        let gate = Gate::new(manner, sdk.layout() == Layout::V1);
        let captures = Captures::new(Bounds { nodes: options.graph_nodes, graphs: options.graphs });
        let sees_ends = !options.without.exit && host::is_ours(c"_exit");
        let evidence = Evidence::new(options.code_objects);
        Self {
            sdk,
            contexts,
            operations,
            options,
            rank,
            agents,
            labels,
            outbox,
            sees_ends,
            meter: Meter::new(),
            evidence,
            gate,
            captures,
            switch: Switch::default(),
            window,
            threads: Mutex::default(),
            has_unbound: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            listens: AtomicBool::new(false),
            remarked: AtomicBool::new(false),
            next_range: AtomicU64::new(1),
            finish: AtomicBool::new(false),
            done: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            ordered: AtomicBool::new(false),
            exiting: AtomicI32::new(NOT_EXITING),
        }
    }

    /// The tracer of this process, once it was started.
    pub(super) fn current() -> Option<&'static Self> {
        // SAFETY: set once, by `make_current`, to a Tracer that is never freed.
        unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
    }

    /// Makes this the tracer of the process.
    pub(super) fn make_current(&'static self) {
        CURRENT.store(std::ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// Now, on the clock of the SDK's records.
    pub(super) fn now_ns(&self) -> u64 {
        self.sdk.timestamp().unwrap_or_else(|error| {
            self.remark_once("sdk-function-failed", || format!("the time is taken from the system: {error}"));
            host::boottime_ns()
        })
    }

    /// An id for a marker range; never 0, which means none.
    pub(super) fn new_range(&self) -> u64 {
        self.next_range.fetch_add(1, Ordering::Relaxed)
    }

    /// Awaits a window: listens to steps, and to everything as long as nothing tells of steps.
    pub(super) fn arm(&self, warmup: u32, steps: u32) -> Result<(), CallError> {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.listens.store(true, Ordering::Release);
        self.threads.lock().values_mut().for_each(ThreadSteps::forget);
        {
            let mut window = self.window.lock();
            window.arm(warmup, steps);
            if window.is_blind() {
                self.gate.open();
                self.switch.want(true);
            }
        }
        // Before steps are listened to, which may end the blindness at once.
        self.settle()?;
        self.sdk.start_context(self.contexts.steps)
    }

    /// Makes what is on for a recording as it is wanted. Takes as long as the SDK does.
    fn settle(&self) -> Result<(), CallError> {
        self.switch.settle(|on| self.turn(on))
    }

    /// Turns on or off what is on for a recording alone.
    fn turn(&self, on: bool) -> Result<(), CallError> {
        let tracing = (self.gate.manner() == Manner::Switch).then_some(self.contexts.tracing);
        if on {
            // Kernels are worth more than the calls that launch them.
            if let Err(error) = self.sdk.start_context(self.contexts.calls) {
                self.remark_once("sdk-function-failed", || format!("launch calls are not recorded: {error}"));
            }
            tracing.map_or(Ok(()), |context| self.sdk.start_context(context))
        } else {
            tracing.into_iter().chain([self.contexts.calls]).for_each(|context| self.stop_context(context));
            Ok(())
        }
    }

    /// Starts what is always on.
    pub(super) fn start(&self) -> Result<(), CallError> {
        self.sdk.start_context(self.contexts.control)?;
        if !self.options.without.graphs
            && let Err(error) = self.sdk.start_context(self.contexts.graphs)
        {
            self.remark_once("sdk-function-failed", || format!("captures of graphs are not seen: {error}"));
        }
        match self.gate.manner() {
            Manner::Keep => self.sdk.start_context(self.contexts.tracing),
            Manner::Switch => Ok(()),
        }
    }

    /// Returns when calls are listened to that a capture may capture, if one is about to begin.
    pub(super) fn listen_to_captures(&self) {
        let captures = self.contexts.captures;
        let turn = |on: bool| {
            if on {
                return self.sdk.start_context(captures);
            }
            self.stop_context(captures);
            Ok(())
        };
        if !self.captures.switch.is_settled()
            && let Err(error) = self.captures.switch.settle(turn)
        {
            self.remark_once("sdk-function-failed", || format!("captures of graphs are not seen: {error}"));
        }
    }

    /// Stops to record everything: a source of steps has shown itself. The window is locked; the aggregator does the rest.
    pub(super) fn leave_blind(&self) {
        self.gate.discard();
        self.switch.want(false);
        self.outbox.event(Event::BlindLeft);
    }

    /// Whether steps are of interest now: a window is awaited or open, or was closed a moment ago.
    pub(super) fn listens(&self) -> bool {
        self.listens.load(Ordering::Acquire)
    }

    /// See [`arm`](Self::arm).
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Opens the window. It is locked, so this waits for nothing; the caller calls [`be_ready`](Self::be_ready) before its
    /// thread launches anything.
    pub(super) fn open_window(&self) {
        self.outbox.event(Event::WindowOpened { at_ns: self.now_ns() });
        self.gate.open();
        self.switch.want(true);
    }

    /// The next step may open the window. Where dispatches before it can be told apart, all is made ready for it now.
    pub(super) fn prepare(&self) {
        if self.gate.has_tickets() {
            self.switch.want(true);
            self.told_of(self.switch.settle_if_free(|on| self.turn(on)));
        }
    }

    /// Returns when dispatches are recorded, if they are to be: to be called by a thread whose step is recorded, without a
    /// lock in hand.
    #[inline]
    pub(super) fn be_ready(&self) {
        if !self.switch.is_settled() {
            self.told_of(self.settle());
        }
    }

    fn told_of(&self, started: Result<(), CallError>) {
        if let Err(error) = started {
            self.outbox.event(Event::Remark("sdk-function-failed", format!("recording could not start: {error}")));
        }
    }

    /// Stops to record; what is enqueued still completes and is recorded. The aggregator turns off what can be off.
    pub(super) fn close_window(&self) {
        if self.gate.has_tickets() {
            self.gate.close();
            self.switch.want(false);
        } else {
            self.stop_recording();
        }
        self.outbox.event(Event::WindowFull);
    }

    /// Stops dispatches, but still listens to steps: those after the window tell how long one takes without us.
    pub(super) fn stop_recording(&self) {
        self.window.lock().close();
        self.gate.close();
        self.switch.want(false);
        self.turn_off();
    }

    /// Turns off what is not wanted any more, if a recording has ended.
    pub(super) fn turn_off(&self) {
        // Stops report their own errors; a window that opened meanwhile has its own.
        let _ = self.settle();
    }

    /// Stops dispatches and steps.
    pub(super) fn stop(&self) {
        self.stop_recording();
        self.listens.store(false, Ordering::Release);
        self.stop_context(self.contexts.steps);
    }

    /// That a context is stopped already is no error worth telling.
    fn stop_context(&self, context: ContextId) {
        if let Err(error) = self.sdk.stop_context(context)
            && self.sdk.context_is_active(context) == Ok(true)
        {
            let text = format!("tracing could not be stopped, the server stays slower: {error}");
            self.outbox.event(Event::Remark("sdk-function-failed", text));
        }
    }

    /// Tells the report something that would otherwise be told at every step.
    pub(super) fn remark_once(&self, code: &'static str, text: impl FnOnce() -> String) {
        if !self.remarked.swap(true, Ordering::Relaxed) {
            self.outbox.event(Event::Remark(code, text()));
        }
    }

    /// Whether `finalize` asked for the end.
    pub(super) fn finishing(&self) -> bool {
        self.finish.load(Ordering::Acquire)
    }

    /// The aggregator says that all is written.
    pub(super) fn set_done(&self) {
        self.done.store(true, Ordering::Release);
    }

    /// A signal orders a window.
    pub(super) fn order(&self) {
        self.ordered.store(true, Ordering::Release);
    }

    /// Whether a signal ordered a window since the last time that this was asked.
    pub(super) fn take_order(&self) -> bool {
        self.ordered.swap(false, Ordering::AcqRel)
    }

    /// Tells the aggregator that the process was attached to or detached from, and waits until it has done what that takes,
    /// at most as long as `bound`.
    pub(super) fn session(&self, change: Event, bound: Duration) {
        self.is_settled.store(false, Ordering::Release);
        self.outbox.event(change);
        wait(bound, || self.is_settled.load(Ordering::Acquire) || self.done.load(Ordering::Acquire));
    }

    /// The aggregator has done so.
    pub(super) fn set_settled(&self) {
        self.is_settled.store(true, Ordering::Release);
    }

    /// Turns off what is always on but the names of kernels.
    pub(super) fn stop_all(&self) {
        self.stop();
        if !self.options.without.graphs {
            self.stop_context(self.contexts.graphs);
            self.captures.forget(self.now_ns(), &self.outbox);
            self.listen_to_captures();
        }
        if self.gate.manner() == Manner::Keep {
            self.stop_context(self.contexts.tracing);
        }
    }

    /// The process has begun to `exit` with this status.
    pub(super) fn exits(&self, status: c_int) {
        self.exiting.store(status, Ordering::Release);
    }

    /// The status of an `exit` that has begun.
    pub(super) fn exit_status(&self) -> Option<c_int> {
        Some(self.exiting.load(Ordering::Acquire)).filter(|&status| status != NOT_EXITING)
    }

    /// Asks the aggregator to write everything and waits for it, at most as long as `bound`. Thread-locals may be gone
    /// already when this runs, or a signal may have interrupted anything, so it only sleeps and looks.
    pub(super) fn finish(&self, bound: Duration) {
        self.finish.store(true, Ordering::Release);
        wait(bound, || self.done.load(Ordering::Acquire));
    }
}

/// Waits until `done`, at most as long as `bound`.
fn wait(bound: Duration, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() && begun.elapsed() < bound {
        std::thread::sleep(Duration::from_micros(500));
    }
}
