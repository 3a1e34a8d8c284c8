//! What the frames hold.

use serde::{Deserialize, Serialize};

use crate::model::{Around, CopyKind, GpuState, LaunchCall, Loss, Overhead};

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

/// What stands around the process, or a part of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Command line of the process that started this one as one of several, where this one's tells no arguments; masked as
    /// [`Meta::command`] is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What was found.
    #[serde(flatten)]
    pub around: Around,
    /// What GPUs were doing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// What a GPU was doing at a moment.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// [`Agent::node_id`].
    pub node: u32,
    /// When.
    pub at_ns: u64,
    /// What was read.
    #[serde(flatten)]
    pub read: GpuState,
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

/// One completed memory copy, as it goes through the channel and into the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct CopyRecord {
    /// When it started.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// How much was copied.
    pub bytes: u64,
    /// The SDK's number of the direction, see [`copy_kind`].
    pub direction: u64,
    /// The agent that it went to: [`Agent::handle`], or a CPU's.
    pub destination: u64,
    /// The agent that it came from.
    pub source: u64,
    /// Id of the marker range that was open on the thread that asked for it; 0: none.
    pub range: u64,
    /// Correlation id shared with the call that asked for it.
    pub correlation: u64,
}

/// What a copy moves, by the SDK's number of the operation.
#[must_use]
pub(super) fn copy_kind(direction: u64) -> CopyKind {
    match direction {
        2 => CopyKind::HostToDevice,
        3 => CopyKind::DeviceToHost,
        4 => CopyKind::DeviceToDevice,
        _ => CopyKind::Unknown,
    }
}

/// One call that put work on a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaunchRecord {
    /// When the call was entered.
    pub start_ns: u64,
    /// When it returned.
    pub end_ns: u64,
    /// Correlation id shared with its dispatches and copies.
    pub correlation: u64,
    /// OS thread id.
    pub thread: u64,
    /// The graph executable: same value, same graph; 0 for a call that launches none. The SDK's id of it from 1.3.0 on, HIP's
    /// pointer before, which is given again once a graph is gone.
    pub graph: u64,
    /// Which call.
    pub call: LaunchCall,
}

/// Calls and their numbers in files. Version 1 wrote 1 for the launch of a graph, and 0 for nothing.
const CALLS: [(LaunchCall, u64); 7] = [
    (LaunchCall::Other, 0),
    (LaunchCall::Graph, 1),
    (LaunchCall::Kernel, 2),
    (LaunchCall::Module, 3),
    (LaunchCall::ExtModule, 4),
    (LaunchCall::Ext, 5),
    (LaunchCall::Memory, 6),
];

/// The number of a call in files.
pub(super) fn number_of(call: LaunchCall) -> u64 {
    CALLS.iter().find(|(known, _)| *known == call).map_or(0, |&(_, number)| number)
}

/// The call of this number.
pub(super) fn call_of(number: u64) -> LaunchCall {
    CALLS.iter().find(|(_, known)| *known == number).map_or(LaunchCall::Other, |&(call, _)| call)
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
