//! The ways a process ends, and what is still written then.
//!
//! | end | what happens |
//! |---|---|
//! | return from main, `exit` | the SDK's `finalize`, after every outstanding kernel has completed |
//! | `_exit`, `_Exit`, Python's `os._exit` | interposed here: the aggregator drains and writes, for a bounded time |
//! | `quick_exit` | a handler registered here does the same |
//! | SIGTERM, SIGINT, SIGHUP without a handler of the host's | a handler of ours does the same, then the default action |
//! | the same with a handler of the host's | the host decides; it mostly ends in one of the above |
//! | abort, SIGSEGV, SIGKILL, exec | nothing runs: what was on disk, half a second old at most, is what there is |
//! | any of them in a forked child | nothing of ours is written |
//!
//! The SDK's own finaliser is never called from here: it crashes while GPU work goes on (rocprofiler-sdk 1.0, observed).
//!
//! A child forked after the process used its GPU crashes in the SDK's exit handler if it calls `exit`, because the
//! queues that the handler waits for were not inherited (observed). It would not have, had no tool been loaded, so our
//! own handler, which runs before the SDK's, ends such a child in its stead.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::entry;
use super::fence::{self, State};

/// Longest wait for the aggregator where nobody expects an exit to take long.
const HURRY: Duration = Duration::from_secs(3);

/// Signals that mean "end, please".
const POLITE: [c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Process id of the process that [`watch`] was called in: a forked child has another.
static WATCHED: AtomicU32 = AtomicU32::new(0);

/// Whether a signal ordered a window since the last time.
static ORDERED: AtomicBool = AtomicBool::new(false);

/// See [`ORDERED`].
pub(super) fn take_order() -> bool {
    ORDERED.swap(false, Ordering::AcqRel)
}

extern "C" fn on_order(_signal: c_int) {
    ORDERED.store(true, Ordering::Release);
}

/// Asks to be called at the ends that can be seen coming, and at the signal that orders a window if there shall be one.
/// Called once, from `initialize`.
pub(super) fn watch(order: Option<c_int>) {
    WATCHED.store(std::process::id(), Ordering::Relaxed);
    if let Some(signal) = order {
        take_if_default(signal, on_order);
    }
    // SAFETY: both handlers are functions of this library, which is never unloaded (`-z nodelete`).
    unsafe {
        on_exit(on_exit_handler, std::ptr::null_mut());
        at_quick_exit(on_quick_exit);
    }
    for signal in POLITE {
        take_if_default(signal, on_signal);
    }
}

unsafe extern "C" {
    /// glibc's `atexit` with the exit status.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    fn at_quick_exit(function: extern "C" fn()) -> c_int;
    fn fflush(stream: *mut c_void) -> c_int;
}

/// Whether a tracer runs in this very process.
fn is_ours() -> bool {
    matches!(fence::state(), State::Running | State::Faulty | State::Disarmed)
        && WATCHED.load(Ordering::Relaxed) == std::process::id()
}

/// Lets the aggregator write what there is, unless nothing of us runs here.
fn write_what_there_is() {
    fence::guard("the end of the process", (), || {
        if is_ours()
            && let Some(tracer) = entry::tracer()
        {
            tracer.finish(HURRY);
            fence::finish();
        }
    });
}

extern "C" fn on_quick_exit() {
    write_what_there_is();
}

extern "C" fn on_exit_handler(status: c_int, _argument: *mut c_void) {
    if fence::state() == State::Forked {
        // SAFETY: a null stream flushes all of them, as exit itself would have done next.
        unsafe { fflush(std::ptr::null_mut()) };
        end_now(status);
    }
}

/// Ends the process without running anything more of it.
fn end_now(status: c_int) -> ! {
    loop {
        // SAFETY: exit_group takes an integer and does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, status) };
    }
}

/// `_exit(2)`, interposed: Python's `os._exit` and every C program's call of it come here first.
///
/// # Safety
/// None needed; the symbol replaces libc's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn _exit(status: c_int) -> ! {
    write_what_there_is();
    end_now(status)
}

/// `_Exit(3)`, the same under C's name.
///
/// # Safety
/// None needed; the symbol replaces libc's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn _Exit(status: c_int) -> ! {
    _exit(status)
}

/// Handles `signal` by `handler` if nobody does. A handler that the host installs later replaces ours.
fn take_if_default(signal: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: zeroed sigactions are valid storage; the handler is a function of this library, which is never unloaded.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut now) != 0 || now.sa_sigaction != libc::SIG_DFL {
            return;
        }
        let mut ours: libc::sigaction = std::mem::zeroed();
        ours.sa_sigaction = handler as *const () as usize;
        ours.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut ours.sa_mask);
        libc::sigaction(signal, &raw const ours, std::ptr::null_mut());
    }
}

/// Waits for the aggregator, then does what would have happened without us. Only async-signal-safe work: atomics, sleep,
/// sigaction and raise. The aggregator's thread has all signals blocked, so it is never the one interrupted; should the
/// interrupted thread hold a lock that the aggregator needs, the wait is bounded.
extern "C" fn on_signal(signal: c_int) {
    if is_ours()
        && let Some(tracer) = entry::tracer()
    {
        tracer.finish(HURRY);
    }
    // SAFETY: a zeroed sigaction with SIG_DFL is the default action; raise sends the signal to this thread, which gets
    // it when the handler returns and unblocks it.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        libc::raise(signal);
    }
}
