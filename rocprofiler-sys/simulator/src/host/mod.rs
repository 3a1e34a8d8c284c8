//! The control API: with these functions a host program plays HIP.
//!
//! Plain C functions on integers and strings, so that Rust (`libloading`) and Python (`ctypes`) use them alike. Functions
//! that play a HIP call are named after it, bring the runtime up at the first use, are traced as `HIP_RUNTIME_API` and
//! answer as HIP does: 0 or an error code; those that make something answer with a handle above 0, or with the error code
//! below 0. A minimal host:
//!
//! ```text
//!   sim_init(1, "gfx942")                                  # a machine with one GPU
//!   module = sim_module_load("gemm\nattention")           # names, one a line; .kd is appended as in real symbols
//!   gemm   = sim_module_get_function(module, "gemm")
//!   stream = sim_stream_create()
//!   roctxRangePushA("decode[bs=32]")
//!   sim_launch(gemm, stream, 12_000)                       # runs 12 us on the simulated GPU
//!   sim_device_synchronize()
//!   roctxRangePop()
//!   exit(0)                                                # tools are finalised by atexit, the ledger is written
//! ```
//!
//! What is no HIP call is in [`control`].
#![allow(clippy::missing_safety_doc, reason = "the callers are C: pointers must be valid, texts must be C strings")]

pub mod attach;
pub mod capture;
pub mod control;
pub mod graph;
pub mod module;
pub mod stream;

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Arc, Mutex, RwLock};

use capture::{Capture, Graph};
use rocprofiler_sys::HipApi;
use rocprofiler_sys::bindings as c;

use crate::bracket::Bracket;
use crate::context::kind;
use crate::kernel::Place;
use crate::registration::{is_orphan, is_tracing, register};
use crate::{clock, read, write};

/// HIP's error codes, as far as they are used.
mod error {
    pub(super) const INVALID_VALUE: i32 = 1;
    pub(super) const NOT_INITIALIZED: i32 = 3;
    pub(super) const INVALID_DEVICE: i32 = 101;
    pub(super) const NO_BINARY: i32 = 209;
    pub(super) const INVALID_HANDLE: i32 = 400;
    pub(super) const NOT_FOUND: i32 = 500;
    pub(super) const NOT_SUPPORTED: i32 = 801;
    pub(super) const UNSUPPORTED: i32 = 900;
    pub(super) const INVALIDATED: i32 = 901;
    pub(super) const UNMATCHED: i32 = 903;
    pub(super) const CAPTURING: i32 = 900;
}

/// The HIP calls that can be played, and three more that launch, with the SDK's operation ids (the same from 0.4 to 1.3).
const HIP: [(i32, &str); 30] = [
    (66, "hipDeviceSynchronize"),
    (77, "hipEventCreateWithFlags"),
    (81, "hipEventRecord"),
    (84, "hipExtLaunchKernel"),
    (103, "hipGetDeviceCount"),
    (105, "hipGetDevicePropertiesR0600"),
    (136, "hipGraphDestroy"),
    (143, "hipGraphExecDestroy"),
    (153, "hipGraphExecUpdate"),
    (159, "hipGraphInstantiate"),
    (166, "hipGraphLaunch"),
    (181, "hipGraphNodeSetEnabled"),
    (214, "hipLaunchKernel"),
    (215, "hipMalloc"),
    (268, "hipMemcpyAsync"),
    (293, "hipMemsetAsync"),
    (303, "hipModuleGetFunction"),
    (308, "hipModuleLaunchKernel"),
    (309, "hipModuleLoad"),
    (316, "hipModuleUnload"),
    (327, "hipSetDevice"),
    (333, "hipStreamBeginCapture"),
    (335, "hipStreamCreateWithFlags"),
    (337, "hipStreamDestroy"),
    (338, "hipStreamEndCapture"),
    (346, "hipStreamSynchronize"),
    (348, "hipStreamWaitEvent"),
    (388, "hipExtModuleLaunchKernel"),
    (389, "hipHccModuleLaunchKernel"),
    (420, "hipGraphLaunch_spt"),
];

/// Calls that came after SDK 1.0, from operation 477 on. Their numbers are the simulator's: the real ones are not
/// established, so that a tool has to ask for them by name.
const LATER: [&str; 3] = ["hipLibraryGetKernel", "hipKernelGetName", "hipKernelGetFunction"];
const FIRST_LATER: i32 = 477;

const REQUEST_HIP: u32 = 5;

/// The name of a HIP operation. Only those that can be played have their real names.
pub fn hip_name(operation: i32) -> String {
    let known = HIP.iter().find(|(id, _)| *id == operation).map(|(_, name)| *name);
    let later = || LATER.get(usize::try_from(operation - FIRST_LATER).ok()?).copied();
    known.or_else(later).map_or_else(|| format!("hipNotPlayed{operation}"), str::to_owned)
}

#[derive(Debug)]
struct Stream {
    id: u64,
    device: usize,
    place: Place,
    timeline: usize,
    /// The capture that it is part of.
    capture: Mutex<Option<Arc<Mutex<Capture>>>>,
}

#[derive(Debug, Default)]
struct Hip {
    streams: Vec<&'static Stream>,
    /// Graphs and executable graphs, by handle.
    graphs: HashMap<u64, Arc<Graph>>,
    /// Nodes of executable graphs that are turned off.
    disabled: HashMap<u64, HashSet<usize>>,
    next_graph: u64,
    /// Handles of executable graphs that were destroyed: they are given out again, as HIP's pointers are.
    free_execs: Vec<u64>,
    next_queue: u64,
    /// Queues of the runtime's own for graphs that fork, by device.
    own_queues: HashMap<usize, Vec<(u64, usize)>>,
    /// The runtime's own code objects, by device.
    runtime_objects: HashMap<usize, u64>,
    /// What code objects were loaded to which device.
    modules: HashMap<u64, usize>,
}

static HIP_STATE: RwLock<Option<Hip>> = RwLock::new(None);

fn change<T>(what: impl FnOnce(&mut Hip) -> T) -> T {
    what(write(&HIP_STATE).get_or_insert_default())
}

fn stream_of(id: i64) -> Option<&'static Stream> {
    read(&HIP_STATE).as_ref()?.streams.iter().copied().find(|stream| stream.id == id as u64)
}

/// A HIP call of the host: ENTER, what it does, EXIT. The body is told the correlation id if the call is traced.
fn call(name: &str, args: &[u64], body: impl FnOnce(Option<u64>) -> Result<i64, i32>) -> i64 {
    register();
    if is_orphan() {
        return -i64::from(if name == "hipModuleLoad" { error::NO_BINARY } else { error::NOT_INITIALIZED });
    }
    clock::spend(clock::CALL_NS);
    let operation = HIP.iter().find(|(_, known)| *known == name).map_or(0, |(id, _)| *id);
    let mut words = [0; 11];
    words[..args.len()].copy_from_slice(args);
    let mut data = HipApi { size: size_of::<HipApi>() as u64, ..HipApi::default() };
    data.args = c::rocprofiler_hip_api_args_t { words };
    let payload: *mut c_void = (&raw mut data).cast();
    let bracket =
        if is_tracing() { Bracket::enter(kind::HIP_RUNTIME_API, operation, REQUEST_HIP, payload) } else { None };
    let result = body(bracket.as_ref().map(Bracket::correlation)).unwrap_or_else(|code| -i64::from(code));
    data.retval.int_retval = code(result);
    if let Some(bracket) = bracket {
        bracket.exit((&raw mut data).cast());
    }
    result
}

/// The error code of a call that makes nothing.
fn code(result: i64) -> i32 {
    result.min(0).unsigned_abs() as i32
}

fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the host passes a C string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
