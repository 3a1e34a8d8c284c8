//! Our own capture file: what the tracer in a server writes while it runs.
//!
//! The server may be killed at any moment, so the file is append-only and useful up to its last whole frame: nothing is
//! ever rewritten, no index or footer is needed to read it, and a kernel's name always stands before its first
//! dispatch. After the 8 bytes of [`MAGIC`] come frames:
//!
//! ```text
//!   offset  size  field
//!        0     4  kind, little-endian (see `Kind`)
//!        4     4  n = length of the payload in bytes, little-endian
//!        8     n  payload: JSON for what is rare, packed little-endian integers for what is frequent
//! ```
//!
//! A reader skips kinds that it does not know, so kinds can be added without a new version. Dispatches are written in
//! blocks of 64-byte records in order of completion, not of start. Times are nanoseconds of `CLOCK_BOOTTIME`, as
//! rocprofiler-sdk gives them.
//!
//! One file holds one window of one process. The report of a live capture is made from these files too, which is why
//! it cannot differ from a report made later. Rejected: SQLite (a library of its own inside the server, and writes that
//! are not append-only) and JSON lines (ten times the size, and slow where it matters, in the server).

mod read;
mod write;

pub(super) use read::read;
pub use write::Encoder;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{LaunchCall, Loss, Overhead};

/// The first bytes of a capture file. The line ending shows up when a transfer mangled it.
pub const MAGIC: [u8; 8] = *b"PDCAPT\r\n";

/// Version of the frames' meaning; raised when an old reader would misread a new file.
pub const VERSION: u32 = 1;

/// The window that a capture file is of, by its name (`windowN-PID.pdc`).
pub(super) fn window(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".pdc")?;
    name.strip_prefix("window")?.split('-').next()?.parse().ok()
}

/// Kinds of frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum Kind {
    /// [`Meta`] as JSON; always first.
    Meta = 1,
    /// [`Agent`] as JSON.
    Agent = 2,
    /// A code object: id `u64`, URI.
    CodeObject = 3,
    /// A kernel symbol: kernel id `u64`, code object id `u64`, name.
    Symbol = 4,
    /// Any number of [`DispatchRecord`]s.
    Dispatches = 5,
    /// A marker range opened: id, thread, start (`u64` each), message.
    RangeOpen = 6,
    /// A marker range closed: id, end (`u64` each).
    RangeClose = 7,
    /// A [`LaunchRecord`].
    Launch = 8,
    /// [`Status`] as JSON: written at least once a second while recording; the last one counts.
    Status = 9,
    /// [`Status`] as JSON: the window is closed and the file complete.
    End = 10,
}

impl Kind {
    fn from_u32(kind: u32) -> Option<Self> {
        use Kind::{Agent, CodeObject, Dispatches, End, Launch, Meta, RangeClose, RangeOpen, Status, Symbol};
        [Meta, Agent, CodeObject, Symbol, Dispatches, RangeOpen, RangeClose, Launch, Status, End]
            .into_iter()
            .find(|known| *known as u32 == kind)
    }
}

/// Whose capture it is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Version of this crate that wrote it.
    pub tool: String,
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: Option<String>,
    /// Command line of the process, cut to a sane length.
    pub command: Vec<String>,
    /// Version of the rocprofiler-sdk found in the process.
    pub sdk_version: Option<String>,
    /// `start` or `trigger`.
    pub armed_by: String,
    /// Rank in the world, from the launcher's environment.
    pub rank: Option<u32>,
    /// Number of ranks, from the launcher's environment.
    pub world_size: Option<u32>,
    /// Serving framework, where recognised.
    pub framework: Option<String>,
    /// Number of this window in the process, from 1.
    pub window: u32,
    /// Whether everything is recorded, for want of a source of steps.
    pub blind: bool,
    /// Decode steps asked for.
    pub steps: u32,
    /// Decode steps of warm-up asked for.
    pub warmup: u32,
    /// Marker pattern asked for, if not the built-in ones.
    pub marker: Option<String>,
    /// `CLOCK_REALTIME` less `CLOCK_BOOTTIME` when the window was armed.
    pub realtime_offset_ns: i64,
}

/// A GPU of the host.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// The SDK's handle, which dispatches carry; different in every process.
    pub handle: u64,
    /// HSA node.
    pub node_id: u32,
    /// Position among the host's GPUs, before `*_VISIBLE_DEVICES`.
    pub gpu_index: u32,
    /// `gfx942`, `gfx950`.
    pub arch: String,
    /// Marketing name.
    pub product: String,
    /// Compute units.
    pub compute_units: u32,
}

/// One completed dispatch, as it goes through the channel and into the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct DispatchRecord {
    /// When the GPU started it.
    pub start_ns: u64,
    /// When the GPU ended it.
    pub end_ns: u64,
    /// The SDK's process-wide dispatch counter: the order of enqueueing.
    pub dispatch_id: u64,
    /// Which kernel, see the symbol frames.
    pub kernel_id: u64,
    /// [`Agent::handle`].
    pub agent: u64,
    /// Hardware queue.
    pub queue: u64,
    /// Id of the marker range that was open on the launching thread; 0: none.
    pub range: u64,
    /// Correlation id shared with the launch call where there is one.
    pub correlation: u64,
}

/// Bytes of a [`DispatchRecord`] in the file.
const DISPATCH_BYTES: usize = 64;

/// One graph launch call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaunchRecord {
    /// When the call was entered.
    pub start_ns: u64,
    /// When it returned.
    pub end_ns: u64,
    /// Correlation id shared with its dispatches.
    pub correlation: u64,
    /// OS thread id.
    pub thread: u64,
    /// The graph executable: same value, same graph.
    pub graph: u64,
    /// Which call.
    pub call: LaunchCall,
}

/// Where the capture stands.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Records written so far.
    pub records: u64,
    /// Decode steps finished inside the window.
    pub steps: u64,
    /// Decode steps let pass before it.
    pub warmup_steps: u64,
    /// What was lost so far.
    pub losses: Vec<Loss>,
    /// What the tracer cost so far.
    pub overhead: Overhead,
    /// In an end frame: `window_full`, `exit`, `timeout`, `disarmed`.
    pub closed_by: String,
    /// Sentences for the report, each with its code.
    pub remarks: Vec<(String, String)>,
}
