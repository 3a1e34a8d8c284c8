//! What the frames hold.

use serde::{Deserialize, Serialize};

use crate::model::{LaunchCall, Loss, Overhead};

/// Whose capture it is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// [`VERSION`](super::VERSION) of the writer.
    pub version: u32,
    /// Version of this crate that wrote it.
    pub tool: String,
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: Option<String>,
    /// Command line of the process, cut to a sane length, without what is not known to be harmless: see [`command`](super).
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
    /// Whether the SDK's context for dispatches was `switched` for the window, or `kept` on all the time.
    pub context: Option<String>,
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
