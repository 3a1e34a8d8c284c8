//! The tracer inside the server: from the SDK's callbacks to a capture file and a report.
//!
//! # The contract for living in a host
//!
//! The process belongs to somebody who wants to serve models; its life is worth more than any measurement.
//!
//! * A process that never brings up a GPU runtime must not notice us: no thread, no file, no output. Everything starts
//!   in `hook::entry`, when the SDK calls.
//! * Nothing of ours panics or waits where the host's threads pass on their way to the GPU, and nothing allocates there
//!   for each dispatch. An internal error disarms the tracer ([`fence`]).
//! * Nothing of ours is freed: callbacks and the end of the process come after our own destructors.
//! * A forked child is not traced and writes nothing; one that brings up a runtime of its own is a process like any
//!   other.
//! * Nothing is lost silently: what is dropped is counted by cause ([`meter`]) and printed.
//!
//! # The way of a dispatch
//!
//! ```text
//!  application thread                 runtime's signal thread          aggregator thread
//!  ───────────────────                ───────────────────────          ─────────────────
//!  roctxRangePush ─> markers          completion ─> callbacks          aggregator
//!     window: is this step ours?         8 integers                      batch, names, ranges
//!     push its id                          │                             capture file, at most 0.5 s behind
//!  hipLaunchKernel ─> enqueue              └──> bounded channel ───────> window full, drained: report
//!     its begin and end ──────────────────────> another
//!  hipMemcpyAsync ─> copy begins      copy ends ──> the same
//!
//!  hipStreamBeginCapture ─> graphs: nodes, names, which executable graph ────────> with the names, in every file
//! ```
//!
//! # Rooms
//!
//! | room | what runs there |
//! |---|---|
//! | [`hook`] | the host's threads, in the SDK's callbacks and the functions that we interpose |
//! | [`graphs`] | nothing: it keeps what is captured, as `hook` tells it |
//! | [`window`] | nothing: it counts steps and says when to record, for `hook` to act upon |
//! | [`around`] | a thread of its own, which looks at what stands around the process |
//! | [`mod@write`] | our own thread, which owns the files and talks to the outside |
//!
//! Both stand on [`tracer`], what they share, and tell each other through [`message`] and [`meter`].

mod around;
mod counter;
mod evidence;
mod fence;
mod gate;
mod graphs;
mod hook;
mod host;
mod marks;
mod message;
mod meter;
mod open_steps;
mod operations;
pub mod options;
mod rank;
pub mod report;
mod switch;
mod sync;
mod tracer;
mod window;
mod write;

pub use write::{control, rundir};

/// Why there is no rocprofiler-sdk to use here.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NoSdk(#[from] rocprofiler_sys::LoadError);

/// Version and file of the rocprofiler-sdk that the tracer would use here, loaded into this process to ask it.
///
/// # Errors
/// Where it was looked for.
pub fn find_sdk() -> Result<(String, std::path::PathBuf), NoSdk> {
    let sdk = rocprofiler_sys::Sdk::find()?;
    Ok((sdk.version().to_string(), sdk.path().to_owned()))
}
