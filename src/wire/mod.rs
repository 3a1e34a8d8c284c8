//! Our own capture file: what the tracer in a server writes while it runs.
//!
//! The server may be killed at any moment, so the file is append-only and useful up to its last whole frame: nothing is
//! ever rewritten, no index or footer is needed to read it, and a kernel's name always stands before its first
//! dispatch. After the 8 bytes of [`MAGIC`] come frames:
//!
//! ```text
//!   offset  size  field
//!        0     4  kind, little-endian (see `frames::FrameKind`)
//!        4     4  n = length of the payload in bytes, little-endian
//!        8     n  payload: JSON for what is rare, packed little-endian integers for what is frequent
//! ```
//!
//! A reader skips kinds that it does not know by their length and says how many it skipped, so kinds can be added without a
//! new version: captured graphs, their nodes in blocks of 44 bytes, stand before and between the blocks of their replays. Dispatches
//! and copies are written in blocks of 64-byte records, launch calls in blocks of 48, in order of completion, not of start. Which of its launch call's kernels a dispatch is follows from
//! its correlation and dispatch ids. Times are nanoseconds of `CLOCK_BOOTTIME`, as rocprofiler-sdk gives them.
//!
//! | version | what is new |
//! |---|---|
//! | 1 | of the calls only launches of graphs, a frame each; no copies |
//! | 2 | copies, and all calls that put work on a GPU |
//!
//! One file holds one window of one process. The report of a live capture is made from these files too, which is why
//! it cannot differ from a report made later. Rejected: SQLite (a library of its own inside the server, and writes that
//! are not append-only) and JSON lines (ten times the size, and slow where it matters, in the server).

mod command;
mod copies;
mod environment;
mod error;
mod frames;
mod graphs;
mod home;
mod read;
mod records;
mod write;

use std::path::Path;

pub use error::Error;
pub use graphs::{Became, GraphChange, GraphNode, GraphRecord, NodeKernel};
pub use read::read;
pub use records::{Agent, CopyRecord, DispatchRecord, Environment, LaunchRecord, Meta, Sample, Status};
pub use write::Encoder;

/// The first bytes of a capture file. The line ending shows up when a transfer mangled it.
pub const MAGIC: [u8; 8] = *b"PDCAPT\r\n";

/// Version of the frames' meaning; raised when an old reader would misread a new file.
pub const VERSION: u32 = 2;

/// The window that a capture file is of, by its name (`windowN-PID.pdc`).
#[must_use]
pub fn window(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".pdc")?;
    name.strip_prefix("window")?.split('-').next()?.parse().ok()
}
