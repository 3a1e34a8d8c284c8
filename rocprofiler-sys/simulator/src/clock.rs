//! Simulated time.
//!
//! Everything that the simulator stamps is nanoseconds that look like `CLOCK_BOOTTIME`, as the real SDK's are. There are
//! two ways for them to pass:
//!
//! * *Fast* (the default): nothing sleeps. Each host thread has a clock of its own, which starts at the real time of the
//!   first use and moves only by what the thread does: an API call costs a fixed time, waiting for the GPU jumps to the
//!   end of the work. Runs with the same seed therefore have the same timeline to the nanosecond, whatever the machine is
//!   busy with. One clock a thread, not one for all: a shared clock would jump for a rank that has not launched yet when
//!   another rank's wait ends, and make a straggler of it.
//! * *Real time* (`ROCPROFILER_SIM_REALTIME=1` or `sim_realtime(1)`): the clock is `CLOCK_BOOTTIME`, waiting sleeps, and
//!   completions come when their kernels end.
//!
//! A thread that never played the host (the tool's own, the signal thread) sees the latest time that any thread has seen.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::thread::ThreadState;

static REALTIME: AtomicBool = AtomicBool::new(false);
static LATEST_NS: AtomicU64 = AtomicU64::new(0);

/// What a host thread pays for an API call in fast time, ns.
pub const CALL_NS: u64 = 1_500;
/// What a host thread pays for each kernel node of a graph that it launches in fast time, ns.
pub const GRAPH_NODE_NS: u64 = 40;
/// From the packet's arrival in the queue to the kernel's start on an idle queue, ns.
pub const LAUNCH_LATENCY_NS: u64 = 4_000;

/// The kernel's `CLOCK_BOOTTIME`, ns.
pub fn boottime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call fills in.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Chooses real time (true) or fast time. To be chosen before the first use of the clock.
pub fn set_realtime(realtime: bool) {
    REALTIME.store(realtime, Ordering::Relaxed);
}

/// Whether time passes by itself.
pub fn is_realtime() -> bool {
    REALTIME.load(Ordering::Relaxed)
}

/// The time of the calling thread, ns.
pub fn now_ns() -> u64 {
    if is_realtime() {
        return boottime_ns();
    }
    match ThreadState::existing().map(ThreadState::clock_ns) {
        Some(own) if own != 0 => own,
        _ => latest_ns(),
    }
}

/// The latest time that any thread has seen, ns.
pub fn latest_ns() -> u64 {
    if is_realtime() {
        return boottime_ns();
    }
    match LATEST_NS.load(Ordering::Relaxed) {
        0 => {
            let start = boottime_ns();
            LATEST_NS.fetch_max(start, Ordering::Relaxed).max(start)
        }
        latest => latest,
    }
}

/// Notes that simulated time has reached `time_ns` somewhere.
pub fn reached(time_ns: u64) {
    LATEST_NS.fetch_max(time_ns, Ordering::Relaxed);
}

/// Moves the calling host thread to `time_ns`, by sleeping in real time, by jumping in fast time. Never backwards.
pub fn advance_to(time_ns: u64) {
    if is_realtime() {
        sleep_until(time_ns);
        return;
    }
    let state = ThreadState::current();
    let own = host_clock_ns(state);
    state.set_clock_ns(own.max(time_ns));
    reached(own.max(time_ns));
}

/// The calling host thread works for `work_ns` and answers with the time at the end.
pub fn spend(work_ns: u64) -> u64 {
    if is_realtime() {
        return boottime_ns();
    }
    let state = ThreadState::current();
    let after = host_clock_ns(state) + work_ns;
    state.set_clock_ns(after);
    reached(after);
    after
}

/// Sleeps until `CLOCK_BOOTTIME` is `time_ns`.
pub fn sleep_until(time_ns: u64) {
    let now = boottime_ns();
    if time_ns > now {
        std::thread::sleep(Duration::from_nanos(time_ns - now));
    }
}

fn host_clock_ns(state: &ThreadState) -> u64 {
    match state.clock_ns() {
        0 => latest_ns(),
        own => own,
    }
}
