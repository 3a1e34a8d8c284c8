//! An exit that hangs in the SDK's handler, because a kernel never ends.
//!
//! Exit handlers of the host may take as long as they like, whatever has not completed: nothing is ended while they run. Only
//! where the SDK itself says that it is in its end of the process, and no completion comes for a while, does the exit hang
//! that would have come about without a tool. Handlers that the host installed before the SDK's would run after it, and so
//! never.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use crate::capture::host;
use crate::capture::tracer::Tracer;

/// How long the SDK's exit handler may wait for kernels of which none completes.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// Longest wait for the host's own output to be flushed when the process is ended in the SDK's stead.
const FLUSH_AT_MOST: Duration = Duration::from_secs(1);

/// Watches whether an exit that has begun comes to an end: the aggregator asks it from time to time.
#[derive(Debug, Default)]
pub(super) struct ExitWatch {
    /// When completions were last seen to come, and how many there were then.
    seen: Option<(Instant, u64)>,
}

impl ExitWatch {
    /// The exit status of a process that hangs in the SDK's exit handler because dispatches do not complete.
    pub(super) fn stuck(&mut self, tracer: &Tracer) -> Option<c_int> {
        let status = tracer.exit_status()?;
        if tracer.gate.outstanding() == 0 || tracer.sdk.is_finalizing() != Ok(true) {
            self.seen = None;
            return None;
        }
        let completed = tracer.gate.completed();
        match self.seen {
            Some((since, before)) if before == completed => (since.elapsed() >= STUCK_AFTER).then_some(status),
            _ => {
                self.seen = Some((Instant::now(), completed));
                None
            }
        }
    }
}

/// Ends the process while its exiting thread hangs. The host's streams are flushed, if no other thread holds them.
pub(super) fn end_stuck(status: c_int) -> ! {
    let flusher = std::thread::Builder::new().spawn(host::flush_streams);
    let begun = Instant::now();
    while flusher.as_ref().is_ok_and(|flusher| !flusher.is_finished()) && begun.elapsed() < FLUSH_AT_MOST {
        std::thread::sleep(Duration::from_millis(1));
    }
    host::end_now(status)
}
