//! What the tracer asks the operating system about the process it lives in.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::rundir::Identity;

/// Longest command line that goes into a capture file, in arguments and bytes of each.
const COMMAND_LIMIT: (usize, usize) = (32, 200);

/// Nanoseconds of `clock`, 0 if the kernel does not have it.
pub(super) fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec that the call fills in.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}

/// Nanoseconds of the clock that rocprofiler-sdk's timestamps are of (rocprofiler-sdk 0.4 to 1.0).
pub(super) fn boottime_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// Host name, or `localhost`.
pub(super) fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.replace('/', "_") }
}

/// The process's command line, cut to a sane length.
pub(super) fn command() -> Vec<String> {
    let bytes = fs::read("/proc/self/cmdline").unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .take(COMMAND_LIMIT.0)
        .map(|argument| String::from_utf8_lossy(&argument[..argument.len().min(COMMAND_LIMIT.1)]).into_owned())
        .collect()
}

/// What the run directory's name and owner are made from.
pub(super) fn identity(rank: Option<u32>) -> Identity {
    // SAFETY: getpgrp takes nothing and cannot fail.
    let group = unsafe { libc::getpgrp() } as u32;
    let pid = std::process::id();
    let (own_start, group_start) = (started(pid), started(group));
    Identity {
        pid,
        group,
        host: hostname(),
        rank,
        // Of the leader, so that it is the same in all processes of a group.
        time: group_start.or(own_start).and_then(unix_time).unwrap_or(0),
        started: own_start.and_then(at_the_latest),
        group_started: group_start.unwrap_or(0),
    }
}

/// Unix time in seconds of a time in clock ticks since boot.
fn unix_time(ticks: u64) -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / rustix::param::clock_ticks_per_second())
}

/// The end of a clock tick, counted since boot.
fn at_the_latest(ticks: u64) -> Option<SystemTime> {
    let since_boot = Duration::from_nanos((ticks + 1) * 1_000_000_000 / rustix::param::clock_ticks_per_second());
    let age = Duration::from_nanos(boottime_ns()).checked_sub(since_boot).unwrap_or_default();
    SystemTime::now().checked_sub(age)
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, counted after the command name,
/// which may hold anything.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Keeps the host's signals away from the calling thread, `SIGPIPE` of our own writes among them.
pub(super) fn block_signals() {
    // SAFETY: an all-zero sigset is valid storage for sigfillset, which fills it before it is used; the mask changes
    // for this thread alone.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

/// Longest wait for room in stderr, which may be a pipe that nobody reads.
const STDERR_PATIENCE_MS: libc::c_int = 200;

/// Writes a line to stderr and does not care whether anybody reads it. Only for the aggregator's thread, where
/// `SIGPIPE` is blocked.
pub(super) fn say(text: &str) {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one live pollfd, as is said.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, STDERR_PATIENCE_MS) };
    if ready > 0 && stderr.revents & libc::POLLOUT != 0 {
        // A pipe that can be written to has room for `PIPE_BUF` bytes: no more of them, so that this never blocks.
        let line: String = format!("profile-decode: {text}").chars().take(libc::PIPE_BUF / 4 - 1).collect();
        let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
    }
}

/// [`say`], from a thread of the host's: `SIGPIPE` is blocked while the line is written, and one that came of it is taken
/// back.
pub(super) fn say_aside(text: &str) {
    // SAFETY: zeroed signal sets are valid storage, filled before they are used; the mask is put back as it was.
    unsafe {
        let mut pipe: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before);
        say(text);
        if libc::sigismember(&raw const before, libc::SIGPIPE) == 0 {
            let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const none);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
}

/// CPU time of the calling thread.
pub(super) fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The calling thread, as the SDK names threads.
pub(super) fn thread_id() -> u64 {
    // SAFETY: gettid takes nothing and cannot fail.
    unsafe { libc::gettid() as u64 }
}

/// Asks to be told of forks; see [`fence::on_fork_child`](super::fence::on_fork_child).
pub(super) fn at_fork(child: extern "C" fn()) {
    // SAFETY: `child` is a function of this library, which is never unloaded once it is a tool, and does one atomic
    // store.
    unsafe {
        libc::pthread_atfork(None, None, Some(std::mem::transmute::<extern "C" fn(), unsafe extern "C" fn()>(child)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_itself() {
        let me = identity(None);
        assert_eq!(me.pid, std::process::id());
        assert!(started(me.pid).unwrap() > 0);
        assert!(!command().is_empty());
        assert!(boottime_ns() > 0);
    }
}
