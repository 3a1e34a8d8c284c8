//! What this process is called: its host, group and command line, from which the run directory and the capture's
//! description are made.

use std::fs;
use std::time::{Duration, SystemTime};

use super::rundir::Identity;
use crate::capture::host::boottime_ns;

/// Longest command line that goes into a capture file, in arguments and bytes of each.
const COMMAND_LIMIT: (usize, usize) = (32, 200);

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
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
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
    }
}
