//! The side that asks: which tracers there are, and what each says.
//!
//! Abstract sockets belong to a network namespace, which containers of a pod share though their process numbers are their
//! own. So a tracer's name holds its process number and when that process started, and a number that leads to two tracers,
//! or to one of another container, leads to none.

use std::fs;
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use super::{Reply, Request, is_us_or_root, line_of, peer};
use crate::capture::write::process;

/// Longest wait for the tracer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest reply that is read.
const LONGEST_REPLY: usize = 64 << 10;
/// What the names of tracers begin with.
const PREFIX: &str = "profile-decode-";

/// A tracer that listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Listener {
    /// Its process, by the number that it has in its own namespace.
    pub pid: u32,
    /// When that process started, in clock ticks since boot.
    started: u64,
}

impl Listener {
    /// This process's.
    pub(super) fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: process::started(pid).unwrap_or(0) }
    }

    /// Where it listens.
    pub(super) fn address(self) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(format!("{PREFIX}{}-{}", self.pid, self.started))
    }

    /// From the last column of a line of `/proc/net/unix`.
    fn of_name(name: &str) -> Option<Self> {
        let (pid, started) = name.strip_prefix('@')?.strip_prefix(PREFIX)?.split_once('-')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }
}

/// The tracers of this network namespace, by process number.
///
/// # Errors
/// If the system does not list its sockets.
pub fn listeners() -> io::Result<Vec<Listener>> {
    let sockets = fs::read_to_string("/proc/net/unix")?;
    let names = sockets.lines().filter_map(|line| line.split_ascii_whitespace().nth(7));
    let mut listeners: Vec<Listener> = names.filter_map(Listener::of_name).collect();
    listeners.sort_unstable();
    // A connection has its listener's name.
    listeners.dedup();
    Ok(listeners)
}

/// The tracer of process `pid`.
///
/// # Errors
/// `NotFound` if there is none, or none that is surely meant.
pub fn listener(pid: u32) -> io::Result<Listener> {
    choose(&listeners()?, pid, process::started(pid))
}

/// The one that is meant by `pid`, which started then as seen from here; `None`: there is no such process here.
fn choose(listeners: &[Listener], pid: u32, started: Option<u64>) -> io::Result<Listener> {
    let of_pid: Vec<Listener> = listeners.iter().filter(|listener| listener.pid == pid).copied().collect();
    let none = |why: &str| Err(io::Error::new(io::ErrorKind::NotFound, why));
    match (started, &of_pid[..]) {
        (_, []) => none("no tracer listens there"),
        (Some(started), _) => match of_pid.iter().find(|listener| listener.started == started) {
            Some(&listener) => Ok(listener),
            None => none("the process of this number that is traced is one of another container"),
        },
        (None, &[listener]) => Ok(listener),
        (None, _) => {
            none("processes of this number are traced in several containers: ask within the one that is meant")
        }
    }
}

/// Whether somebody in this very process listens under its name already.
pub(in crate::capture) fn is_listening() -> bool {
    let stream = Listener::own().address().and_then(|address| UnixStream::connect_addr(&address));
    stream.is_ok_and(|stream| peer(&stream).is_some_and(|peer| peer.pid.cast_unsigned() == std::process::id()))
}

/// Asks a tracer.
///
/// # Errors
/// `ConnectionRefused` if it is gone; what the system says otherwise.
pub fn ask(listener: Listener, request: Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect_addr(&listener.address()?)?;
    // Anybody may have bound the name: only the process itself, root and this user are believed.
    if !peer(&stream).is_some_and(|peer| peer.pid.cast_unsigned() == listener.pid || is_us_or_root(peer)) {
        let message = "the socket of that name belongs to another process";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    writeln!(stream, "{}", serde_json::to_string(&request)?)?;
    Ok(serde_json::from_str(&line_of(&stream, PATIENCE, LONGEST_REPLY)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_may_mean_two_processes_means_none() {
        let of = |pid, started| Listener { pid, started };
        let listeners = [of(7, 100), of(7, 200), of(8, 300)];
        let chosen = |pid, started| choose(&listeners, pid, started).map_err(|error| error.to_string());
        assert_eq!(chosen(7, Some(200)), Ok(of(7, 200)));
        assert_eq!(chosen(8, None), Ok(of(8, 300)), "a process of another namespace, and the only one");
        assert!(chosen(7, None).unwrap_err().contains("several containers"));
        assert!(chosen(8, Some(1)).unwrap_err().contains("another container"));
        assert!(chosen(9, Some(1)).is_err());
    }

    #[test]
    fn names_are_read_and_those_of_others_left_alone() {
        assert_eq!(Listener::of_name("@profile-decode-12-345"), Some(Listener { pid: 12, started: 345 }));
        for name in ["profile-decode-12-345", "@profile-decode-12", "@profile-decode--1-2", "@/tmp/x"] {
            assert_eq!(Listener::of_name(name), None, "{name}");
        }
    }
}
