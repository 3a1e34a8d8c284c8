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
//! What is no HIP call: [`sim_init`], [`sim_realtime`], [`sim_ledger`], [`sim_write_ledger`], [`sim_gpu_faults`],
//! [`sim_now`], [`sim_thread_start`], [`sim_work`] and [`sim_finish`].
#![allow(clippy::missing_safety_doc, reason = "the callers are C: pointers must be valid, texts must be C strings")]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, RwLock};

use rocprofiler_sys::HipApi;
use rocprofiler_sys::bindings as c;

use crate::agent::machine;
use crate::context::{Bracket, kind};
use crate::registration::{is_orphan, is_tracing, note_gpu_use, register};
use crate::thread::ThreadState;
use crate::timeline::{Collective, Item};
use crate::work::{Kernel, Place, Work};
use crate::{agent, clock, code_object, fault, ledger, lock, read, signal, timeline, write};

/// HIP's error codes, as far as they are used.
mod error {
    pub(super) const INVALID_VALUE: i32 = 1;
    pub(super) const NOT_INITIALIZED: i32 = 3;
    pub(super) const INVALID_DEVICE: i32 = 101;
    pub(super) const NO_BINARY: i32 = 209;
    pub(super) const INVALID_HANDLE: i32 = 400;
    pub(super) const NOT_FOUND: i32 = 500;
    pub(super) const CAPTURING: i32 = 900;
}

/// The HIP calls that can be played, with the SDK's operation ids (the same from 0.4 to 1.3).
const HIP: [(i32, &str); 19] = [
    (66, "hipDeviceSynchronize"),
    (103, "hipGetDeviceCount"),
    (105, "hipGetDevicePropertiesR0600"),
    (136, "hipGraphDestroy"),
    (143, "hipGraphExecDestroy"),
    (159, "hipGraphInstantiate"),
    (166, "hipGraphLaunch"),
    (268, "hipMemcpyAsync"),
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
    (420, "hipGraphLaunch_spt"),
];

const REQUEST_HIP: u32 = 5;

/// The name of a HIP operation. Only those that can be played have their real names.
pub fn hip_name(operation: i32) -> String {
    let known = HIP.iter().find(|(id, _)| *id == operation);
    known.map_or_else(|| format!("hipNotPlayed{operation}"), |(_, name)| (*name).to_owned())
}

/// Kernels that HIP's runtime brings along for copies and fills, in a code object of its own.
const RUNTIME_KERNELS: [&str; 10] = [
    "__amd_rocclr_initHeap",
    "__amd_rocclr_batchMemOp",
    "__amd_rocclr_copyBufferRectAligned",
    "__amd_rocclr_copyBufferRect",
    "__amd_rocclr_streamOpsWrite",
    "__amd_rocclr_copyBuffer",
    "__amd_rocclr_streamOpsWait",
    "__amd_rocclr_copyBufferAligned",
    "__amd_rocclr_fillBufferAligned2D",
    "__amd_rocclr_fillBufferAligned",
];

#[derive(Debug)]
struct Stream {
    id: u64,
    device: usize,
    place: Place,
    timeline: usize,
    /// The nodes of a capture in progress.
    capture: Mutex<Option<Vec<Node>>>,
}

/// A kernel in a graph.
#[derive(Clone, Copy, Debug)]
struct Node {
    kernel: &'static Kernel,
    duration_ns: u64,
    collective: Option<Collective>,
}

#[derive(Debug, Default)]
struct Hip {
    streams: Vec<&'static Stream>,
    graphs: HashMap<u64, &'static [Node]>,
    next_graph: u64,
    next_queue: u64,
    /// The runtime's own code objects, by device.
    runtime_objects: HashMap<usize, u64>,
    /// What code objects were loaded to which device.
    modules: HashMap<u64, usize>,
}

static HIP_STATE: RwLock<Option<Hip>> = RwLock::new(None);

fn change<T>(what: impl FnOnce(&mut Hip) -> T) -> T {
    what(write(&HIP_STATE).get_or_insert_default())
}

fn stream(id: i64) -> Option<&'static Stream> {
    read(&HIP_STATE).as_ref()?.streams.iter().copied().find(|stream| stream.id == id as u64)
}

/// Whether a code object is the HIP runtime's own.
pub fn is_runtimes_own(id: u64) -> bool {
    read(&HIP_STATE).as_ref().is_some_and(|hip| hip.runtime_objects.values().any(|own| *own == id))
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

/// Sets the machine up: it has `gpus` GPUs of architecture `arch` ("gfx942", "gfx950"). Which of them this process sees can
/// be said as for real HIP, see [`crate::agent`]. Brings no runtime up; without it there is one gfx942.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_init(gpus: i32, arch: *const c_char) -> i32 {
    let arch = text(arch);
    if gpus < 1 || arch.is_empty() {
        return error::INVALID_VALUE;
    }
    let machine = agent::init(gpus as usize, &arch);
    if machine.gpus() != gpus as usize || machine.arch != arch {
        crate::complain(&format!("the machine is set up already, with {} x {}", machine.gpus(), machine.arch));
        return error::INVALID_VALUE;
    }
    0
}

/// Chooses real time (not 0) or fast time (0), see [`crate::clock`]. Before any other use.
#[unsafe(no_mangle)]
pub extern "C" fn sim_realtime(realtime: i32) {
    clock::set_realtime(realtime != 0);
}

/// Keeps the ledger from now on (not 0), or no longer.
#[unsafe(no_mangle)]
pub extern "C" fn sim_ledger(keep: i32) {
    ledger::keep(keep != 0);
}

/// Writes the ledger as it is now; at exit it is written again if `ROCPROFILER_SIM_LEDGER` says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_write_ledger(path: *const c_char) -> i32 {
    match ledger::write(std::path::Path::new(&text(path))) {
        Ok(()) => 0,
        Err(why) => {
            crate::complain(&format!("cannot write the ledger: {why}"));
            error::INVALID_VALUE
        }
    }
}

/// Sets what is done to dispatches from now on, in the words of `ROCPROFILER_SIM_GPU` (see [`crate::fault`]).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_gpu_faults(spec: *const c_char) -> i32 {
    match fault::set_gpu(&text(spec)) {
        Ok(()) => 0,
        Err(why) => {
            crate::complain(&why);
            error::INVALID_VALUE
        }
    }
}

/// The calling thread's time, ns.
#[unsafe(no_mangle)]
pub extern "C" fn sim_now() -> u64 {
    clock::now_ns()
}

/// A new host thread starts at this time of its parent's; without it, at the latest time that any thread has seen. Only
/// matters in fast time.
#[unsafe(no_mangle)]
pub extern "C" fn sim_thread_start(time_ns: u64) {
    ThreadState::current().set_clock_ns(time_ns);
}

/// The calling thread works for so long on the CPU.
#[unsafe(no_mangle)]
pub extern "C" fn sim_work(work_ns: u64) {
    clock::advance_to(clock::now_ns() + work_ns);
}

/// Finalises tools now, as exit would.
#[unsafe(no_mangle)]
pub extern "C" fn sim_finish() {
    crate::registration::finish();
}

/// hipGetDeviceCount.
#[unsafe(no_mangle)]
pub extern "C" fn sim_get_device_count() -> i32 {
    call("hipGetDeviceCount", &[], |_| Ok(machine().devices() as i64)) as i32
}

/// hipGetDeviceProperties.
#[unsafe(no_mangle)]
pub extern "C" fn sim_get_device_properties(device: i32) -> i32 {
    code(call("hipGetDevicePropertiesR0600", &[0, device as u64], |_| {
        if (device as usize) < machine().devices() { Ok(0) } else { Err(error::INVALID_DEVICE) }
    }))
}

/// hipSetDevice.
#[unsafe(no_mangle)]
pub extern "C" fn sim_set_device(device: i32) -> i32 {
    code(call("hipSetDevice", &[device as u64], |_| {
        if device < 0 || device as usize >= machine().devices() {
            return Err(error::INVALID_DEVICE);
        }
        ThreadState::current().device.set(device as usize);
        Ok(0)
    }))
}

/// hipModuleLoad of a code object with these kernels, one a line, to the current device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_module_load(names: *const c_char) -> i64 {
    let names = text(names);
    call("hipModuleLoad", &[], |_| {
        let names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
        let device = ThreadState::current().device.get();
        let id = code_object::load(device, machine().agent_of(device), &names);
        change(|hip| hip.modules.insert(id, device));
        Ok(id as i64)
    })
}

/// hipModuleGetFunction: a kernel's handle by its name (without `.kd`). Handles are the SDK's kernel ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_module_get_function(module: i64, name: *const c_char) -> i64 {
    let name = text(name);
    call("hipModuleGetFunction", &[0, module as u64], |_| {
        code_object::kernel_in(module as u64, &name).map(|id| id as i64).ok_or(error::NOT_FOUND)
    })
}

/// hipModuleUnload.
#[unsafe(no_mangle)]
pub extern "C" fn sim_module_unload(module: i64) -> i32 {
    code(call("hipModuleUnload", &[module as u64], |_| {
        change(|hip| hip.modules.remove(&(module as u64))).ok_or(error::INVALID_HANDLE)?;
        if code_object::unload(module as u64) { Ok(0) } else { Err(error::INVALID_HANDLE) }
    }))
}

/// hipStreamCreateWithFlags on the current device. The first one of a device makes the runtime load its own code object.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_create() -> i64 {
    call("hipStreamCreateWithFlags", &[], |_| {
        let machine = machine();
        let device = ThreadState::current().device.get();
        let agent = machine.agent_of(device);
        if !change(|hip| hip.runtime_objects.contains_key(&device)) {
            let own = code_object::load(device, agent, &RUNTIME_KERNELS);
            change(|hip| hip.runtime_objects.insert(device, own));
        }
        Ok(change(|hip| {
            // Between the queues of two devices the runtime takes one for itself.
            let first_of_device = !hip.streams.iter().any(|stream| stream.device == device);
            hip.next_queue += if first_of_device && !hip.streams.is_empty() { 2 } else { 1 };
            let id = hip.streams.len() as u64 + 1;
            let queue = hip.next_queue;
            hip.streams.push(Box::leak(Box::new(Stream {
                id,
                device,
                place: Place { device, agent, host_agent: machine.host_agent(), queue, stream: id },
                timeline: timeline::add_queue(GAP_NS),
                capture: Mutex::new(None),
            })));
            id as i64
        }))
    })
}

/// Between two kernels of a queue, ns.
const GAP_NS: u64 = 1_200;

/// hipStreamDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_destroy(id: i64) -> i32 {
    code(call("hipStreamDestroy", &[id as u64], |_| stream(id).map(|_| 0).ok_or(error::INVALID_HANDLE)))
}

/// hipModuleLaunchKernel of a kernel that runs `duration_ns` (all ones: for ever) once it is its turn in the stream.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch(kernel: i64, stream: i64, duration_ns: u64) -> i32 {
    launch(kernel, stream, duration_ns, None)
}

/// As [`sim_launch`], for a kernel that is one rank's part of a collective: it starts when it is its turn, waits for the
/// other `ranks - 1` parts of the group's collective of the same number, and ends `duration_ns` after the last one came.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_collective(kernel: i64, stream: i64, duration_ns: u64, group: i64, ranks: i32) -> i32 {
    launch(kernel, stream, duration_ns, Some(Collective { group: group as u64, ranks: ranks.max(1) as u32 }))
}

fn launch(kernel: i64, id: i64, duration_ns: u64, collective: Option<Collective>) -> i32 {
    code(call("hipModuleLaunchKernel", &[kernel as u64, 0, 0, 0, 0, 0, 0, 0, id as u64], |_| {
        let kernel = code_object::kernel(kernel as u64).ok_or(error::INVALID_HANDLE)?;
        let stream = stream(id).ok_or(error::INVALID_HANDLE)?;
        if kernel.device != stream.device {
            return Err(error::INVALID_HANDLE);
        }
        let node = Node { kernel, duration_ns, collective };
        if let Some(nodes) = lock(&stream.capture).as_mut() {
            nodes.push(node);
            return Ok(0);
        }
        run(stream, &[node], &[]);
        Ok(0)
    }))
}

/// Puts kernels into a stream's queue, one after another.
fn run(stream: &Stream, nodes: &[Node], durations: &[u64]) {
    note_gpu_use();
    signal::throttle();
    let mut items = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let mut work = Work::kernel(node.kernel, stream.place, clock::spend(clock::GRAPH_NODE_NS));
        work.enqueued();
        let duration_ns = durations.get(index).copied().unwrap_or(node.duration_ns);
        items.push(Item { work, duration_ns, collective: node.collective });
    }
    timeline::submit(stream.timeline, items);
}

/// hipStreamBeginCapture: launches to the stream go into a graph from now on.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_begin(id: i64) -> i32 {
    code(call("hipStreamBeginCapture", &[id as u64], |_| {
        let stream = stream(id).ok_or(error::INVALID_HANDLE)?;
        let mut capture = lock(&stream.capture);
        if capture.is_some() {
            return Err(error::CAPTURING);
        }
        *capture = Some(Vec::new());
        Ok(0)
    }))
}

/// hipStreamEndCapture: the graph.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_end(id: i64) -> i64 {
    call("hipStreamEndCapture", &[id as u64], |_| {
        let stream = stream(id).ok_or(error::INVALID_HANDLE)?;
        let nodes = lock(&stream.capture).take().ok_or(error::INVALID_VALUE)?;
        Ok(add_graph(Vec::leak(nodes)))
    })
}

fn add_graph(nodes: &'static [Node]) -> i64 {
    change(|hip| {
        hip.next_graph += 1;
        hip.graphs.insert(hip.next_graph, nodes);
        hip.next_graph as i64
    })
}

fn graph(id: i64) -> Result<&'static [Node], i32> {
    read(&HIP_STATE).as_ref().and_then(|hip| hip.graphs.get(&(id as u64)).copied()).ok_or(error::INVALID_HANDLE)
}

/// hipGraphInstantiate: an executable graph.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_instantiate(id: i64) -> i64 {
    let mut made: u64 = 0;
    let place = &raw mut made;
    call("hipGraphInstantiate", &[place as u64, id as u64], |_| {
        let exec = add_graph(graph(id)?);
        // SAFETY: `made` outlives the call; tools read it through the traced argument.
        unsafe { place.write(exec as u64) };
        Ok(exec)
    })
}

/// hipGraphDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_destroy(id: i64) -> i32 {
    destroy_graph("hipGraphDestroy", id)
}

/// hipGraphExecDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_exec_destroy(id: i64) -> i32 {
    destroy_graph("hipGraphExecDestroy", id)
}

fn destroy_graph(name: &str, id: i64) -> i32 {
    code(call(name, &[id as u64], |_| {
        change(|hip| hip.graphs.remove(&(id as u64))).map(|_| 0).ok_or(error::INVALID_HANDLE)
    }))
}

/// hipGraphLaunch. This time the kernels run for these durations (`count` of them, in the order of capture); those that are
/// missing run as captured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_graph_launch(id: i64, stream_id: i64, durations_ns: *const u64, count: i32) -> i32 {
    let durations = if durations_ns.is_null() || count <= 0 {
        &[]
    } else {
        // SAFETY: the host passes as many durations as it says.
        unsafe { std::slice::from_raw_parts(durations_ns, count as usize) }
    };
    code(call("hipGraphLaunch", &[id as u64, stream_id as u64], |correlation| {
        let nodes = graph(id)?;
        let stream = stream(stream_id).ok_or(error::INVALID_HANDLE)?;
        let state = ThreadState::current();
        let start_ns = clock::now_ns();
        let row = ledger::with(|ledger| {
            ledger.open_launch(ledger::Launch {
                graph: id as u64,
                stream: stream.id,
                thread: state.tid,
                range: state.range(),
                correlation,
                start_ns,
                end_ns: start_ns,
            })
        });
        state.launch.set(row);
        run(stream, nodes, durations);
        state.launch.set(None);
        if let Some(row) = row {
            ledger::with(|ledger| ledger.close_launch(row, clock::now_ns()));
        }
        Ok(0)
    }))
}

/// hipMemcpyAsync: host to device 2, device to host 3, device to device 4. Runs in the stream's order.
#[unsafe(no_mangle)]
pub extern "C" fn sim_memcpy(stream_id: i64, operation: i32, bytes: u64, duration_ns: u64) -> i32 {
    code(call("hipMemcpyAsync", &[0, 0, bytes, operation as u64, stream_id as u64], |_| {
        let stream = stream(stream_id).ok_or(error::INVALID_HANDLE)?;
        if !(1..=4).contains(&operation) {
            return Err(error::INVALID_VALUE);
        }
        note_gpu_use();
        let work = Work::copy(operation, bytes, stream.place, clock::now_ns());
        timeline::submit(stream.timeline, vec![Item { work, duration_ns, collective: None }]);
        Ok(0)
    }))
}

/// hipStreamSynchronize: waits until the stream's work is done.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_synchronize(id: i64) -> i32 {
    code(call("hipStreamSynchronize", &[id as u64], |_| {
        let stream = stream(id).ok_or(error::INVALID_HANDLE)?;
        clock::advance_to(timeline::wait(&[stream.timeline]));
        Ok(0)
    }))
}

/// hipDeviceSynchronize: waits until the work of all streams of the current device is done.
#[unsafe(no_mangle)]
pub extern "C" fn sim_device_synchronize() -> i32 {
    code(call("hipDeviceSynchronize", &[], |_| {
        let device = ThreadState::current().device.get();
        let all = read(&HIP_STATE).as_ref().map(|hip| hip.streams.clone()).unwrap_or_default();
        let queues: Vec<usize> =
            all.iter().filter(|stream| stream.device == device).map(|stream| stream.timeline).collect();
        clock::advance_to(timeline::wait(&queues));
        Ok(0)
    }))
}
