//! The kind HIP_GRAPH: executable graphs and their launches, as SDK 1.3.0 and later report them (abi-1.3 §4).
//!
//! An executable graph gets an id, 1, 2, 3, ... in the process, which is forgotten when the graph is destroyed: HIP may give
//! the same pointer again, and then it is another graph. An update in place keeps the id and is not reported.
//!
//! ```text
//!   hipGraphInstantiate  -> EXEC_CREATE   (NONE)
//!   hipGraphLaunch       -> EXEC_LAUNCH   (ENTER, EXIT), within the HIP call, with the HIP call's correlation id
//!   hipGraphExecDestroy  -> EXEC_DESTROY  (NONE)
//! ```
//!
//! The EXEC_CREATE of a graph that was there before the tool is made up at its first launch, with an EXEC_DESTROY if that
//! launch fails. No dispatch carries the id of its graph. What the correlation id is where HIP's calls are not traced was not
//! read: here the launch then has one of its own, as other operations do.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Mutex;

use crate::bracket::Bracket;
use crate::context::{self, buffer_kind, kind};
use crate::thread::ThreadState;
use crate::version::Version;
use crate::{buffer, clock, lock, scribble};

/// Operations of the kind.
pub const OPERATIONS: [&str; 4] = [
    "HIP_GRAPH_OPERATION_NONE",
    "HIP_GRAPH_OPERATION_EXEC_CREATE",
    "HIP_GRAPH_OPERATION_EXEC_DESTROY",
    "HIP_GRAPH_OPERATION_EXEC_LAUNCH",
];
const CREATE: i32 = 1;
const DESTROY: i32 = 2;
const LAUNCH: i32 = 3;

/// External correlation ids of launches are asked for as those of HIP calls.
const REQUEST_HIP: u32 = 5;

/// `rocprofiler_callback_tracing_hip_graph_data_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Data {
    size: u64,
    graph_exec_id: u64,
    exec: u64,
}

/// The buffered record of a launch, in the order of its words: the header's text has a correlation id of three words, what
/// fills it one of two (abi-1.3 §3). `ROCPROFILER_SIM_GRAPH_RECORD=88` chooses the latter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Record([u64; 12]);

/// Ids by the pointers of executable graphs, and the last one given.
static IDS: Mutex<Option<(HashMap<u64, u64>, u64)>> = Mutex::new(None);

/// An executable graph was made.
pub fn created(exec: u64) {
    if Version::current().has_hip_graph() {
        tell(CREATE, give_id(exec), exec);
    }
}

/// It is gone.
pub fn destroyed(exec: u64) {
    let id = lock(&IDS).as_mut().and_then(|(ids, _)| ids.remove(&exec));
    if let Some(id) = id {
        tell(DESTROY, id, exec);
    }
}

fn give_id(exec: u64) -> u64 {
    let mut ids = lock(&IDS);
    let (ids, last) = ids.get_or_insert_default();
    *last += 1;
    ids.insert(exec, *last);
    *last
}

fn tell(operation: i32, graph_exec_id: u64, exec: u64) {
    let mut data = Data { size: size_of::<Data>() as u64, graph_exec_id, exec };
    Bracket::once(kind::HIP_GRAPH, operation, REQUEST_HIP, (&raw mut data).cast::<c_void>());
    scribble(&mut data);
}

/// A launch in progress.
#[derive(Debug)]
pub struct Launch {
    /// The SDK's id of the graph.
    pub id: u64,
    exec: u64,
    made_up: bool,
    bracket: Option<Bracket>,
    start_ns: u64,
}

impl Launch {
    /// EXEC_LAUNCH, ENTER. `None` where the version has no such kind.
    pub fn enter(exec: u64) -> Option<Self> {
        if !Version::current().has_hip_graph() {
            return None;
        }
        let known = lock(&IDS).as_ref().and_then(|(ids, _)| ids.get(&exec).copied());
        let id = known.unwrap_or_else(|| {
            let id = give_id(exec);
            tell(CREATE, id, exec);
            id
        });
        let mut data = Data { size: size_of::<Data>() as u64, graph_exec_id: id, exec };
        let bracket = Bracket::within(kind::HIP_GRAPH, LAUNCH, REQUEST_HIP, (&raw mut data).cast());
        scribble(&mut data);
        Some(Self { id, exec, made_up: known.is_none(), bracket, start_ns: clock::now_ns() })
    }

    /// EXEC_LAUNCH, EXIT; and the buffered record if the launch succeeded with so many dispatches on this agent.
    pub fn exit(self, outcome: Option<(u64, usize)>) {
        let Self { id, exec, made_up, bracket, start_ns } = self;
        if let Some(bracket) = bracket {
            let mut data = Data { size: size_of::<Data>() as u64, graph_exec_id: id, exec };
            bracket.exit((&raw mut data).cast());
            scribble(&mut data);
        }
        match outcome {
            Some((agent, dispatches)) => emplace(id, start_ns, agent, dispatches),
            None if made_up => destroyed(exec),
            None => {}
        }
    }
}

fn emplace(id: u64, start_ns: u64, agent: u64, dispatches: usize) {
    let state = ThreadState::current();
    let internal = state.correlation().unwrap_or(0);
    for context in context::all().iter().filter(|context| context.is_active()) {
        let Some(handle) = context.buffers[buffer_kind::HIP_GRAPH].get() else { continue };
        let external = context.external(state, REQUEST_HIP, LAUNCH, internal);
        let is_short = std::env::var("ROCPROFILER_SIM_GRAPH_RECORD").is_ok_and(|size| size == "88");
        let size = if is_short { 88 } else { 96 };
        let kind_and_operation = buffer_kind::HIP_GRAPH as u64 | (LAUNCH as u64) << 32;
        let tail = [state.tid, start_ns, clock::now_ns(), agent, 0, id, dispatches as u64];
        let mut words = [0; 12];
        words[..4].copy_from_slice(&[size, kind_and_operation, internal, external]);
        let tail_at = if is_short { 4 } else { 5 };
        words[tail_at..tail_at + tail.len()].copy_from_slice(&tail);
        buffer::emplace(*handle, buffer_kind::HIP_GRAPH, size, &Record(words));
    }
}

const _: () = assert!(size_of::<Record>() == 96 && size_of::<Data>() == 24);
