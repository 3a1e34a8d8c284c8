//! The ways a process ends, and what is still written then.
//!
//! | end | what happens |
//! |---|---|
//! | return from main, `exit` | the SDK's `finalize`, after every outstanding kernel has completed |
//! | `_exit`, `_Exit`, Python's `os._exit` | interposed here: the aggregator drains and writes, for a bounded time |
//! | `quick_exit` | a handler registered here does the same |
//! | SIGTERM, SIGINT, SIGHUP without a handler of the host's | a handler of ours does the same, then the default action |
//! | the same with a handler of the host's | the host decides; it mostly ends in one of the above |
//! | the same, sent to itself where it has put the default back | `kill` and `raise` are interposed here: as `_exit` |
//! | SIGKILL, and SIGQUIT without a handler, sent to itself or to its own group | the same |
//! | SIGTERM and the like without a handler in process 1 | nothing: the kernel keeps them from the first of a container |
//! | abort, SIGSEGV, SIGKILL, exec | nothing runs: what was on disk, half a second old at most, is what there is |
//! | `exit` while a kernel never ends | written after a while, and the process ends all the same |
//! | any of them in a forked child | nothing of ours is written |
//!
//! The SDK's own finaliser is never called from here: it crashes while GPU work goes on (rocprofiler-sdk 1.0, observed).
//!
//! Two ends would go well without a tool, and do not with one, so a handler of ours sees to them. It must run before the
//! SDK's exit handlers, and handlers run in reverse order, but the SDK installs one before `initialize` and one after;
//! so ours is installed once more when the first code object is loaded.
//!
//! * A child forked after the process used its GPU crashes in the SDK's handler if it calls `exit`, because the queues
//!   that it waits for were not inherited (rocprofiler-sdk 1.0, observed). Ours ends such a child in the SDK's stead, under
//!   that version alone: elsewhere the child's own handlers and destructors run.
//! * A kernel that never ends, say a collective whose peer died, makes the SDK's handler wait for ever (the same). Ours
//!   tells the aggregator that the exit has begun, which ends the process if the SDK's handler does not come to an end. While
//!   handlers of the host's run nothing is ended, however long they take.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::capture::fence::{self, State};
use crate::capture::host;
use crate::capture::tracer::Tracer;

/// Longest wait for the aggregator where nobody expects an exit to take long.
const HURRY: Duration = Duration::from_secs(3);

/// Signals that mean "end, please".
const POLITE: [c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];
/// Signals that a process ends itself with and that are left alone when they come from outside.
const HARSH: [c_int; 2] = [libc::SIGKILL, libc::SIGQUIT];

/// Major and minor version of the SDK whose exit handler crashes in a forked child.
const CRASHES_IN_CHILDREN: (u32, u32) = (1, 0);

/// Process id of the process that [`watch`] was called in: a forked child has another.
static WATCHED: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_order(_signal: c_int) {
    if is_ours()
        && let Some(tracer) = Tracer::current()
    {
        tracer.order();
    }
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
    for signal in POLITE.into_iter().filter(|_| !is_first()) {
        take_if_default(signal, on_signal);
    }
}

/// Installs the exit handler once more, after the SDK's last. Called when a code object is loaded, which comes after the
/// SDK's initialization and before any GPU work.
pub(super) fn watch_again() {
    static AGAIN: AtomicBool = AtomicBool::new(false);
    if !AGAIN.swap(true, Ordering::Relaxed) {
        // SAFETY: as in `watch`.
        unsafe { on_exit(on_exit_handler, std::ptr::null_mut()) };
    }
}

unsafe extern "C" {
    /// glibc's `atexit` with the exit status.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    fn at_quick_exit(function: extern "C" fn()) -> c_int;
}

/// Whether a tracer runs in this very process.
pub(super) fn is_ours() -> bool {
    matches!(fence::state(), State::Running | State::Faulty | State::Disarmed)
        && WATCHED.load(Ordering::Relaxed) == std::process::id()
}

/// Whether this is a child of the traced process, forked by whatever means.
fn is_child() -> bool {
    ![0, std::process::id()].contains(&WATCHED.load(Ordering::Relaxed))
}

/// Lets the aggregator write what there is, unless nothing of us runs here.
fn write_what_there_is() {
    fence::guard("the end of the process", (), || {
        if is_ours()
            && let Some(tracer) = Tracer::current()
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
    let crashes = |tracer: &Tracer| {
        let version = tracer.sdk.version();
        (version.major, version.minor) == CRASHES_IN_CHILDREN
    };
    if is_child() && Tracer::current().is_some_and(crashes) {
        host::flush_streams();
        host::end_now(status);
    }
    if is_ours()
        && let Some(tracer) = Tracer::current()
    {
        tracer.exits(status);
    }
}

/// `_exit(2)`, interposed: Python's `os._exit` and every C program's call of it come here first.
///
/// # Safety
/// None needed; the symbol replaces libc's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn _exit(status: c_int) -> ! {
    if Tracer::current().is_some_and(|tracer| !tracer.options.without.exit) {
        write_what_there_is();
    }
    host::end_now(status)
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

/// `kill(2)`, interposed for what Python does at the end of a `KeyboardInterrupt` and uvicorn at that of a shutdown: put
/// the default action back and send the signal to oneself once more; and for engines that end themselves by SIGKILL.
///
/// # Safety
/// None needed; the symbol replaces libc's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn kill(pid: libc::pid_t, signal: c_int) -> c_int {
    // SAFETY: getpgrp takes nothing and cannot fail.
    let group = unsafe { libc::getpgrp() };
    if [std::process::id() as libc::pid_t, 0, -group].contains(&pid) {
        prepare_to_die_of(signal);
    }
    // SAFETY: kill takes integers.
    unsafe { libc::syscall(libc::SYS_kill, pid, signal) as c_int }
}

/// `raise(3)`, interposed for the same reason.
///
/// # Safety
/// None needed; the symbol replaces libc's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn raise(signal: c_int) -> c_int {
    prepare_to_die_of(signal);
    send_to_this_thread(signal)
}

fn send_to_this_thread(signal: c_int) -> c_int {
    // SAFETY: the calls take integers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), host::thread_id() as libc::pid_t, signal) as c_int }
}

/// Writes what there is if this signal, sent to this process, will end it. Host code may call `kill` in a signal handler,
/// so only async-signal-safe work here as well.
fn prepare_to_die_of(signal: c_int) {
    if (POLITE.contains(&signal) || HARSH.contains(&signal))
        && is_ours()
        && !is_first()
        && is_default(signal)
        && let Some(tracer) = Tracer::current()
        && !tracer.options.without.kill
    {
        tracer.finish(HURRY);
    }
}

/// Whether this is process 1 of its namespace, which the kernel protects from signals whose action is the default.
fn is_first() -> bool {
    std::process::id() == 1
}

/// Whether nobody handles `signal`.
fn is_default(signal: c_int) -> bool {
    // SAFETY: a zeroed sigaction is valid storage, which the call fills in.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_DFL
    }
}

/// Handles `signal` by `handler` if nobody does. A handler that the host installs later replaces ours.
fn take_if_default(signal: c_int, handler: extern "C" fn(c_int)) {
    if !is_default(signal) {
        return;
    }
    // SAFETY: a zeroed sigaction is valid storage; the handler is a function of this library, which is never unloaded.
    unsafe {
        let mut ours: libc::sigaction = std::mem::zeroed();
        ours.sa_sigaction = handler as *const () as usize;
        ours.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut ours.sa_mask);
        libc::sigaction(signal, &raw const ours, std::ptr::null_mut());
    }
}

/// Waits for the aggregator, then does what would have happened without us. Only async-signal-safe work: atomics, sleep,
/// sigaction and kill. The aggregator's thread has all signals blocked, so it is never the one interrupted; should the
/// interrupted thread hold a lock that the aggregator needs, the wait is bounded.
extern "C" fn on_signal(signal: c_int) {
    if is_ours()
        && let Some(tracer) = Tracer::current()
    {
        tracer.finish(HURRY);
    }
    // The signal comes again when this handler returns and unblocks it.
    // SAFETY: a zeroed sigaction with SIG_DFL is the default action.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, std::ptr::null_mut());
    }
    send_to_this_thread(signal);
}
