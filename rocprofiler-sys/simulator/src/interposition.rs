//! How dispatches are intercepted: the two paths of abi-1.3 §5.
//!
//! *Path A*, the intercept queue, is the only one up to 1.3.0. One thread reports all completions, and the end of the
//! process waits for every one of them.
//!
//! *Path B*, inline interposition, is the default from 1.3.2 on (whether 1.3.0 has it is not established; here it has not).
//! It is chosen unless a context has a service that needs path A, `ROCPROFILER_QUEUE_INTERPOSITION=0` or
//! `ROCP_TOOL_ATTACH=1` says otherwise. Several threads report completions at once, and the end abandons what has not
//! completed ([`crate::signal`]).
//!
//! On path B the interposition idles while no started context wants dispatches: launches pass straight through and leave no
//! record. The start that ends the idling has to find its place in the queues again; that is where the real one may hang:
//!
//! ```text
//!   context   started     stopped                       started
//!   launches  traced ...  passed through, no records    |<-- stands, and so do the launches: ROCPROFILER_SIM_BYPASS -->| traced
//! ```
//!
//! Which releases hang in which way is not established (abi-1.3 §8, "and possibly earlier idle-bypass builds"): here every
//! version with path B does, as a tool must be ready for it, and for a bounded time, so that a test can see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, RwLock};
use std::time::Duration;

use crate::context::{self, Context, buffer_kind, kind};
use crate::version::Version;
use crate::{complain, env_is_true, fault, ledger};

/// How dispatches are intercepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Path A, the intercept queue.
    Queue,
    /// Path B.
    Inline,
}

static PATH: OnceLock<Path> = OnceLock::new();
/// Kernels were launched while no context wanted dispatches.
static IDLED: AtomicBool = AtomicBool::new(false);
/// Held by a start that stands.
static RESYNCHRONISING: RwLock<()> = RwLock::new(());

/// Chooses the path, once the first tools have configured. What a later tool asks for does not change it (inferred).
pub fn choose() {
    PATH.get_or_init(|| {
        let wish = std::env::var("ROCPROFILER_QUEUE_INTERPOSITION").ok();
        let asked = wish.is_some() && env_is_true("ROCPROFILER_QUEUE_INTERPOSITION");
        if !Version::current().has_inline_interposition()
            || (wish.is_some() && !asked)
            || env_is_true("ROCP_TOOL_ATTACH")
        {
            return Path::Queue;
        }
        if !context::any(needs_queue) {
            return Path::Inline;
        }
        if asked {
            complain("ROCPROFILER_QUEUE_INTERPOSITION=1: a context has a service that needs the intercept queue");
        }
        Path::Queue
    });
}

/// The path of this process; path A until it is chosen.
pub fn path() -> Path {
    PATH.get().copied().unwrap_or(Path::Queue)
}

/// Of the services that need path A those that can be configured here: buffered HIP_GRAPH, HIP_EVENT, kernel replay.
fn needs_queue(context: &Context) -> bool {
    let has_buffer = |kind: usize| context.buffers[kind].get().is_some();
    let has_callback = |kind: usize| context.service(kind).is_some();
    let has_hip_event = Version::current().callback_kinds > kind::HIP_EVENT;
    has_buffer(buffer_kind::HIP_GRAPH)
        || has_buffer(buffer_kind::HIP_EVENT)
        || has_hip_event && (has_callback(kind::HIP_EVENT) || has_callback(kind::KERNEL_REPLAY))
}

/// A kernel was launched that no context traces.
pub fn note_untraced() {
    if path() == Path::Inline {
        IDLED.store(true, Ordering::Relaxed);
    }
}

/// A thread is about to launch: it stands while a start does.
pub fn pass() {
    if path() == Path::Inline {
        drop(crate::read(&RESYNCHRONISING));
    }
}

/// Starts a context.
pub fn start(context: &Context) {
    let is_idle = || !context::all().iter().any(|context| context.is_active() && context.wants_dispatches());
    let stall_ms = fault::bypass().stall_ms;
    let ends_idling =
        path() == Path::Inline && context.wants_dispatches() && is_idle() && IDLED.load(Ordering::Relaxed);
    if ends_idling && stall_ms > 0 {
        let _queues = crate::write(&RESYNCHRONISING);
        complain(&format!(
            "rocprofiler_start_context stands for {stall_ms} ms: interposition had idled; the real one may stand for ever"
        ));
        ledger::with(|ledger| ledger.stalls += 1);
        std::thread::sleep(Duration::from_millis(stall_ms));
    }
    if context.wants_dispatches() && fault::bypass().start_ms > 0 {
        std::thread::sleep(Duration::from_millis(fault::bypass().start_ms));
    }
    if context.wants_dispatches() {
        IDLED.store(false, Ordering::Relaxed);
    }
    context.set_active(true);
}

/// Stops a context; answers whether it was active, and whether completions on their way are lost.
pub fn stop(context: &Context) -> (bool, bool) {
    let was_active = context.set_active(false);
    let troubled = was_active && path() == Path::Inline && context.wants_dispatches();
    let bypass = fault::bypass();
    if troubled && bypass.slow_ms > 0 {
        std::thread::sleep(Duration::from_millis(bypass.slow_ms));
    }
    (was_active, troubled && bypass.drop)
}
