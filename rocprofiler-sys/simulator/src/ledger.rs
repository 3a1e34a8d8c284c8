//! The ledger: what really happened, for tests to compare a tool's report with.
//!
//! Rows refer to each other by position: a dispatch names the range and the graph launch that were open on its thread. The
//! ledger is kept when `ROCPROFILER_SIM_LEDGER` names a file (then it is written there at exit) or after `sim_ledger(1)`;
//! without it nothing is remembered, so that a benchmark can run for ever.

use std::collections::{HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::lock;

static KEEPING: AtomicBool = AtomicBool::new(false);
static LEDGER: Mutex<Option<Ledger>> = Mutex::new(None);

/// All rows.
#[derive(Debug, Default, Serialize)]
pub struct Ledger {
    process: u64,
    version: String,
    devices: Vec<Device>,
    kernels: Vec<String>,
    code_objects: Vec<CodeObject>,
    ranges: Vec<Range>,
    marks: Vec<Mark>,
    launches: Vec<Launch>,
    dispatches: Vec<Dispatch>,
    copies: Vec<Copy>,
    /// How often the start of a context stood, see [`crate::interposition`].
    pub stalls: u32,
    #[serde(skip)]
    kernel_rows: HashMap<String, u32>,
}

/// A HIP device of the process.
#[derive(Debug, Serialize)]
pub struct Device {
    /// HIP's number.
    pub device: usize,
    /// `rocprofiler_agent_id_t::handle`.
    pub agent: u64,
    /// The node in the machine's topology.
    pub node: u32,
    /// The architecture.
    pub arch: String,
}

/// A code object.
#[derive(Debug, Serialize)]
pub struct CodeObject {
    /// Its id in the SDK.
    pub id: u64,
    /// The device that it was loaded to.
    pub device: usize,
    /// Ids of its kernels, by name without `.kd`.
    pub kernels: Vec<(u64, String)>,
}

/// A range of roctx.
#[derive(Debug, Serialize)]
pub struct Range {
    /// The message.
    pub message: String,
    /// The thread that opened it.
    pub thread: u64,
    /// The range around it on its thread.
    pub parent: Option<u32>,
    /// The times of the calls that opened and closed it.
    pub start_ns: u64,
    /// See `start_ns`; absent while it is open.
    pub end_ns: Option<u64>,
    /// Whether it was opened by `roctxRangeStartA`.
    pub process: bool,
}

/// A mark of roctx.
#[derive(Debug, Serialize)]
pub struct Mark {
    /// The message.
    pub message: String,
    /// The thread.
    pub thread: u64,
    /// When.
    pub time_ns: u64,
}

/// A call of hipGraphLaunch.
#[derive(Debug, Serialize)]
pub struct Launch {
    /// The executable graph.
    pub graph: u64,
    /// The stream, by the control API's number.
    pub stream: u64,
    /// The thread.
    pub thread: u64,
    /// The range that was open on the thread.
    pub range: Option<u32>,
    /// The correlation id of the call, when it was traced.
    pub correlation: Option<u64>,
    /// The SDK's id of the executable graph, where it gives one (from 1.3.0 on).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_exec_id: Option<u64>,
    /// When the call began and ended.
    pub start_ns: u64,
    /// See `start_ns`.
    pub end_ns: u64,
}

/// A kernel that the GPU ran.
#[derive(Debug, Serialize)]
pub struct Dispatch {
    /// The SDK's dispatch id; absent when no context traced the dispatch.
    pub id: Option<u64>,
    /// The row of the kernel's name.
    pub kernel: u32,
    /// The SDK's id of the kernel.
    pub kernel_id: u64,
    /// HIP's number of the device.
    pub device: usize,
    /// The SDK's id of the queue.
    pub queue: u64,
    /// The stream, by the control API's number.
    pub stream: u64,
    /// The thread that launched it.
    pub thread: u64,
    /// When the packet was written.
    pub enqueue_ns: u64,
    /// As the SDK reports it.
    pub start_ns: u64,
    /// As the SDK reports it.
    pub end_ns: u64,
    /// The internal correlation id, 0 when no context traced the dispatch.
    pub correlation: u64,
    /// The external correlation id at enqueue, of the first context that traced it.
    pub external: u64,
    /// The innermost range that was open on the launching thread.
    pub range: Option<u32>,
    /// The graph launch that it belongs to.
    pub launch: Option<u32>,
    /// The node of its graph, in the order of capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// What was done to it: see [`crate::fault`]; `abandoned` at the end or `dropped` by a stop on path B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}

/// A memory copy.
#[derive(Debug, Serialize)]
pub struct Copy {
    /// Host to device 2, device to host 3, device to device 4.
    pub operation: i32,
    /// HIP's number of the device.
    pub device: usize,
    /// The stream, by the control API's number.
    pub stream: u64,
    /// The thread that asked for it.
    pub thread: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// When it ran.
    pub start_ns: u64,
    /// See `start_ns`.
    pub end_ns: u64,
    /// The innermost range that was open on the thread.
    pub range: Option<u32>,
}

/// Starts or stops keeping the ledger.
pub fn keep(keeping: bool) {
    KEEPING.store(keeping, Ordering::Relaxed);
}

/// Whether it is kept.
pub fn is_kept() -> bool {
    KEEPING.load(Ordering::Relaxed)
}

/// Changes the ledger if it is kept.
pub fn with<T>(change: impl FnOnce(&mut Ledger) -> T) -> Option<T> {
    is_kept().then(|| change(lock(&LEDGER).get_or_insert_default()))
}

impl Ledger {
    /// Notes a code object.
    pub fn add_code_object(&mut self, code_object: CodeObject) {
        self.code_objects.push(code_object);
    }

    /// Notes a range and answers with its row.
    pub fn open_range(&mut self, range: Range) -> u32 {
        self.ranges.push(range);
        self.ranges.len() as u32 - 1
    }

    /// Notes the end of a range.
    pub fn close_range(&mut self, row: u32, end_ns: u64) {
        if let Some(range) = self.ranges.get_mut(row as usize) {
            range.end_ns = Some(end_ns);
        }
    }

    /// Notes a mark.
    pub fn add_mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// Notes a graph launch and answers with its row.
    pub fn open_launch(&mut self, launch: Launch) -> u32 {
        self.launches.push(launch);
        self.launches.len() as u32 - 1
    }

    /// Notes the return of a graph launch.
    pub fn close_launch(&mut self, row: u32, end_ns: u64) {
        if let Some(launch) = self.launches.get_mut(row as usize) {
            launch.end_ns = end_ns;
        }
    }

    /// The row of a kernel's name.
    pub fn kernel(&mut self, name: &str) -> u32 {
        if let Some(row) = self.kernel_rows.get(name) {
            return *row;
        }
        let row = self.kernels.len() as u32;
        self.kernels.push(name.to_owned());
        self.kernel_rows.insert(name.to_owned(), row);
        row
    }

    /// Notes a kernel that ran.
    pub fn add_dispatch(&mut self, dispatch: Dispatch) {
        self.dispatches.push(dispatch);
    }

    /// Notes what became of the completions of these dispatches.
    pub fn note_fault(&mut self, dispatches: &[u64], fault: &'static str) {
        let lost: HashSet<u64> = dispatches.iter().copied().collect();
        for dispatch in self.dispatches.iter_mut().filter(|dispatch| dispatch.id.is_some_and(|id| lost.contains(&id))) {
            dispatch.fault = Some(fault);
        }
    }

    /// Notes a copy.
    pub fn add_copy(&mut self, copy: Copy) {
        self.copies.push(copy);
    }
}

/// Writes the ledger as JSON: first to a file beside `path`, then by rename, so that a reader never sees half of it.
pub fn write(path: &Path) -> std::io::Result<()> {
    let mut ledger = lock(&LEDGER);
    let ledger = ledger.get_or_insert_default();
    ledger.process = crate::thread::getpid();
    let machine = crate::agent::machine();
    ledger.devices = (0..machine.devices())
        .map(|device| Device {
            device,
            agent: machine.agent_of(device),
            node: machine.node_of(device),
            arch: machine.arch.clone(),
        })
        .collect();
    ledger.version = crate::version::Version::current().text();
    ledger.dispatches.sort_by_key(|dispatch| (dispatch.id, dispatch.start_ns));
    let partial = path.with_extension("partial");
    let mut file = BufWriter::new(std::fs::File::create(&partial)?);
    serde_json::to_writer(&mut file, ledger)?;
    file.flush()?;
    std::fs::rename(&partial, path)
}
