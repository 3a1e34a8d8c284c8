//! Talking to a tracer in a running server: its status, and the order to open another window.
//!
//! The aggregator listens on a Unix socket with an abstract name ([`client`]), which leaves no file behind and is gone with
//! the process. `profile-decode status` and `profile-decode trigger` connect, send one [`Request`] as a line of JSON and get
//! one [`Reply`]. Only the user who owns the server, and root, are answered. Signals are not used:
//! servers own theirs (see [`options`](crate::capture::options) for the opt-in).
//!
//! Abstract names belong to a network namespace. Where the server's cannot be reached, a file named `trigger` in the run
//! directory does the same: its content, `steps=N warmup=W` or nothing, is looked at whenever it changes.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

mod client;

pub(in crate::capture) use client::is_listening;
pub use client::{Listener, ask, listener, listeners};

use serde::{Deserialize, Serialize};

use super::rundir::TRIGGER;
use crate::door;

/// Longest wait for who asks: the aggregator has other things to do.
const LITTLE_PATIENCE: Duration = Duration::from_millis(100);
/// Longest request that is read.
const LONGEST: usize = 4096;

/// What can be asked of a tracer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Request {
    /// Where it stands.
    Status,
    /// Open a window over the next steps.
    Trigger(Order),
}

/// A window that somebody wants; what is not said is as the server was started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Decode steps to record.
    pub steps: Option<u32>,
    /// Decode steps to let pass before.
    pub warmup: Option<u32>,
}

impl Order {
    /// Reads `steps=N warmup=W` in any order and number; what is not understood is an error that names it.
    ///
    /// # Errors
    /// The word that is not understood.
    pub fn parse(text: &str) -> Result<Self, NotUnderstood> {
        let mut order = Self::default();
        for word in text.split_whitespace() {
            let number = |value: &str| value.parse().map_err(|_| NotUnderstood(word.to_owned()));
            match word.split_once('=') {
                Some(("steps", value)) => order.steps = Some(number(value)?),
                Some(("warmup", value)) => order.warmup = Some(number(value)?),
                _ => return Err(NotUnderstood(word.to_owned())),
            }
        }
        Ok(order)
    }
}

/// A word of an order that means nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not understood")]
pub struct NotUnderstood(pub String);

/// Why a window that was ordered is not awaited.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is one already.
    #[error("a window is {0} already")]
    Busy(String),
    /// The tracer was detached from the process.
    #[error("the tracer was detached; attach it again")]
    Detached,
    /// The SDK could not start what it takes.
    #[error(transparent)]
    Sdk(#[from] rocprofiler_sys::CallError),
    /// The trigger file cannot be read, or is none.
    #[error("{}: {why}", file.display())]
    File {
        /// The trigger file.
        file: PathBuf,
        /// What the file system says, or why it is not believed.
        why: io::Error,
    },
    /// The trigger file makes no sense.
    #[error("{}: {why}", file.display())]
    Order {
        /// The trigger file.
        file: PathBuf,
        /// What is wrong with it.
        why: NotUnderstood,
    },
}

/// What a tracer answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Why it did not do what it was asked.
    pub error: Option<String>,
    /// Where it stands now.
    pub status: Status,
}

/// Where a tracer stands.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// `idle`, `waiting` for the warm-up to pass, `recording`, `draining` the last completions, `reporting`
    /// while the report is made, or `disarmed`.
    pub state: String,
    /// Number of the current or last window, from 1; 0: there was none.
    pub window: u32,
    /// Decode steps let pass before the window.
    pub warmup_steps: u64,
    /// Decode steps recorded.
    pub steps: u64,
    /// Decode steps asked for.
    pub steps_wanted: u32,
    /// Whether the SDK's context for dispatches is `switched` for each window, or `kept` on all the time.
    pub context: String,
    /// Dispatches recorded.
    pub records: u64,
    /// Dispatches dropped because the channel was full.
    pub dropped: u64,
    /// What the tracer had to say last.
    pub said: Option<String>,
    /// Where the captures and reports are, once there are any.
    pub directory: Option<PathBuf>,
}

/// The line that comes within `patience`, of at most `longest` bytes.
fn line_of(mut stream: &UnixStream, patience: Duration, longest: usize) -> io::Result<String> {
    let until = Instant::now() + patience;
    let (mut line, mut chunk) = (Vec::new(), [0; 512]);
    while !line.ends_with(b"\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no whole answer came in time"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            count => line.extend_from_slice(&chunk[..count]),
        }
        if line.len() > longest {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is too long"));
        }
    }
    String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The descriptor of the socket that is listened on; -1: there is none.
static LISTENING: AtomicI32 = AtomicI32::new(-1);

/// Closes a forked child's copy of the socket, through which the parent would seem to live on when it has ended.
pub(in crate::capture) fn forget() {
    let listening = LISTENING.swap(-1, Ordering::Relaxed);
    if listening >= 0 {
        // SAFETY: nothing of ours runs in a forked child, so nobody uses the descriptor after this.
        unsafe { libc::close(listening) };
    }
}

/// The tracer's side.
#[derive(Debug)]
pub(super) struct Control {
    listener: Option<UnixListener>,
    trigger_file: PathBuf,
    /// The trigger file as it was last looked at: its inode and change time.
    seen: Option<(u64, i64, i64)>,
}

impl Control {
    /// Begins to listen, and takes `directory/trigger` as seen as it is now unless it is `fresh`.
    pub(super) fn new(directory: &Path, fresh: bool) -> Self {
        let listener = Listener::own().address().and_then(|address| UnixListener::bind_addr(&address));
        // Without it the trigger file is left, and the report works all the same.
        let listener = listener.ok().filter(|listener| listener.set_nonblocking(true).is_ok());
        LISTENING.store(listener.as_ref().map_or(-1, AsRawFd::as_raw_fd), Ordering::Relaxed);
        let trigger_file = directory.join(TRIGGER);
        let seen = if fresh { None } else { version(&trigger_file) };
        Self { listener, trigger_file, seen }
    }

    /// One that nobody can reach.
    pub(super) fn none() -> Self {
        Self { listener: None, trigger_file: PathBuf::new(), seen: None }
    }

    /// Looks for the trigger file in `directory` from now on, which may be another than was expected.
    pub(super) fn watch(&mut self, directory: &Path) {
        let trigger_file = directory.join(TRIGGER);
        if trigger_file != self.trigger_file {
            self.seen = version(&trigger_file);
            self.trigger_file = trigger_file;
        }
    }

    /// Answers whoever asked since the last time, by `handle`. The trigger file's order is handled as well; what comes
    /// of it is returned for the aggregator to say.
    pub(super) fn serve(&mut self, mut handle: impl FnMut(Request) -> Reply) -> Option<Result<Reply, Refused>> {
        while let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) {
            // Whoever asks and does not wait for the answer misses it.
            let _ = answer(&stream, &mut handle);
        }
        let now = version(&self.trigger_file)?;
        if self.seen == Some(now) {
            return None;
        }
        self.seen = Some(now);
        let file = || self.trigger_file.clone();
        let order = door::read_control(&self.trigger_file)
            .map_err(|why| Refused::File { file: file(), why })
            .and_then(|text| Order::parse(&text).map_err(|why| Refused::Order { file: file(), why }));
        Some(order.map(|order| handle(Request::Trigger(order))))
    }
}

fn version(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

fn answer(stream: &UnixStream, handle: &mut impl FnMut(Request) -> Reply) -> io::Result<()> {
    if !peer(stream).is_some_and(is_us_or_root) {
        return Ok(());
    }
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(LITTLE_PATIENCE))?;
    let request: Request = serde_json::from_str(&line_of(stream, LITTLE_PATIENCE, LONGEST)?)?;
    let reply = serde_json::to_string(&handle(request))?;
    let mut writer = stream;
    writeln!(writer, "{reply}")
}

/// Who is at the other side, as the kernel knows.
fn peer(stream: &UnixStream) -> Option<libc::ucred> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` has room for `size` bytes, and the descriptor is open as long as `stream` is borrowed.
    let failed = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut size)
    } != 0;
    (!failed).then_some(peer)
}

/// Whether it is the owner of this process, or root.
fn is_us_or_root(peer: libc::ucred) -> bool {
    peer.uid == 0 || peer.uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_words() {
        assert_eq!(Order::parse(""), Ok(Order::default()));
        assert_eq!(Order::parse("warmup=0\nsteps=7"), Ok(Order { steps: Some(7), warmup: Some(0) }));
        assert_eq!(Order::parse("step=7"), Err(NotUnderstood("step=7".to_owned())));
        assert_eq!(Order::parse("steps=x"), Err(NotUnderstood("steps=x".to_owned())));
    }

    #[test]
    fn a_request_goes_through_the_socket_and_a_changed_file_is_an_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut control = Control::new(directory.path(), false);
        let reply = |error: Option<&str>| Reply { error: error.map(str::to_owned), status: Status::default() };
        let client = std::thread::spawn(|| ask(Listener::own(), Request::Status).unwrap());
        let mut asked = Vec::new();
        while asked.is_empty() {
            control.serve(|request| {
                asked.push(request);
                reply(Some("no"))
            });
        }
        assert_eq!(asked, [Request::Status]);
        assert_eq!(client.join().unwrap().error.as_deref(), Some("no"));

        assert!(control.serve(|_| reply(None)).is_none());
        fs::write(directory.path().join("trigger"), "steps=3").unwrap();
        let mut order = None;
        let served = control.serve(|request| {
            order = Some(request);
            reply(None)
        });
        assert_eq!(served.unwrap().unwrap(), reply(None));
        assert_eq!(order, Some(Request::Trigger(Order { steps: Some(3), warmup: None })));
        assert!(control.serve(|_| reply(None)).is_none(), "once for each change");

        fs::write(directory.path().join("trigger"), "steps=3 ".repeat(10_000)).unwrap();
        assert!(control.serve(|_| reply(None)).is_some_and(|served| served.is_err()), "too long to be an order");

        let another = tempfile::tempdir().unwrap();
        fs::write(another.path().join("trigger"), "steps=4").unwrap();
        control.watch(another.path());
        assert!(control.serve(|_| reply(None)).is_none(), "it was there before");
        fs::write(directory.path().join("trigger"), "steps=50").unwrap();
        assert!(control.serve(|_| reply(None)).is_none(), "another run's");
        fs::remove_file(another.path().join("trigger")).unwrap();
        fs::write(another.path().join("trigger"), "steps=60").unwrap();
        assert_eq!(control.serve(|_| reply(None)).unwrap().unwrap(), reply(None));
    }
}
