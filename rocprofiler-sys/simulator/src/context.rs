//! Contexts: what tools have configured, and the calls into them.
//!
//! Contexts are made while tools initialise and never go away (they are leaked). Host threads read the list without a lock:
//! when tools have initialised, a new one is published, which never changes again. A tool that configures later publishes
//! a longer one.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};

use rocprofiler_sys::bindings as c;
use rocprofiler_sys::{RecordV0, RecordV1};

use crate::external::ExternalStack;
use crate::lock;
use crate::thread::ThreadState;
use crate::version::{Status, Version};

/// Callback tracing kinds that the simulator plays or reacts to. Those up to 22 have had these numbers ever since they came;
/// those of the last two are not established (abi-1.3, "Not established").
#[allow(missing_docs, reason = "the names are the SDK's")]
pub mod kind {
    pub const HIP_RUNTIME_API: usize = 5;
    pub const MARKER_CORE_API: usize = 7;
    pub const MARKER_CONTROL_API: usize = 8;
    pub const MARKER_NAME_API: usize = 9;
    pub const CODE_OBJECT: usize = 10;
    pub const KERNEL_DISPATCH: usize = 12;
    pub const MEMORY_COPY: usize = 13;
    pub const MARKER_CORE_RANGE_API: usize = 21;
    pub const HIP_GRAPH: usize = 22;
    pub const HIP_EVENT: usize = 25;
    pub const KERNEL_REPLAY: usize = 26;
    pub const COUNT: usize = 27;
}

/// Buffer tracing kinds that the simulator plays or reacts to.
#[allow(missing_docs, reason = "the names are the SDK's")]
pub mod buffer_kind {
    pub const KERNEL_DISPATCH: usize = 11;
    pub const HIP_GRAPH: usize = 33;
    pub const HIP_EVENT: usize = 38;
}

/// Phases of a callback. LOAD and UNLOAD of code objects are ENTER and EXIT.
#[allow(missing_docs, reason = "the names are the SDK's")]
pub mod phase {
    pub const NONE: u32 = 0;
    pub const ENTER: u32 = 1;
    pub const EXIT: u32 = 2;
}

type Callback1 = unsafe extern "C" fn(RecordV1, *mut u64, *mut c_void);
type Callback0 = unsafe extern "C" fn(RecordV0, *mut u64, *mut c_void);
/// `rocprofiler_external_correlation_id_request_cb_t`.
pub type RequestCallback = unsafe extern "C" fn(u64, u64, u32, i32, u64, *mut u64, *mut c_void) -> i32;

/// A callback service of a context.
#[derive(Debug)]
pub struct Service {
    /// The tool's function, of the type that belongs to the version's record layout.
    pub callback: *const c_void,
    /// Handed back to the tool.
    pub data: *mut c_void,
    /// The operations asked for, all when `None`.
    pub operations: Option<Vec<i32>>,
}

// SAFETY: the pointers are the tool's; it promised by registering them that they may be used from any thread.
unsafe impl Send for Service {}
// SAFETY: as above.
unsafe impl Sync for Service {}

/// A service that answers with external correlation ids.
#[derive(Debug)]
pub struct Request {
    /// The tool's function.
    pub callback: RequestCallback,
    /// Handed back to the tool.
    pub data: *mut c_void,
    /// Kinds asked for, as a set of bits.
    pub kinds: u64,
}

// SAFETY: as for `Service`.
unsafe impl Send for Request {}
// SAFETY: as for `Service`.
unsafe impl Sync for Request {}

/// One context of one client.
#[derive(Debug)]
pub struct Context {
    /// `rocprofiler_context_id_t::handle`.
    pub handle: u64,
    /// Position among all contexts.
    pub index: usize,
    /// The client that made it.
    pub client: usize,
    active: AtomicBool,
    services: [OnceLock<Service>; kind::COUNT],
    /// The buffers of the buffered services, by kind.
    pub buffers: [OnceLock<u64>; 64],
    /// The external correlation id request service.
    pub request: OnceLock<Request>,
    external: Mutex<HashMap<u64, &'static ExternalStack>>,
}

static CONTEXTS: RwLock<Vec<&'static Context>> = RwLock::new(Vec::new());
/// The published list; null before.
static FINAL: AtomicPtr<Vec<&'static Context>> = AtomicPtr::new(std::ptr::null_mut());
static CORRELATION: AtomicU64 = AtomicU64::new(0);

/// A fresh internal correlation id: 1, 2, 3, ... in the process.
pub fn next_correlation() -> u64 {
    CORRELATION.fetch_add(1, Ordering::Relaxed) + 1
}

/// All contexts of tools that have initialised.
pub fn all() -> &'static [&'static Context] {
    // SAFETY: the pointer is null or a list that `publish` leaked and nobody changes.
    unsafe { FINAL.load(Ordering::Acquire).as_ref() }.map_or(&[], Vec::as_slice)
}

/// Publishes the contexts made so far: their tools have initialised.
pub fn publish() {
    let list = Box::new(crate::read(&CONTEXTS).clone());
    FINAL.store(Box::into_raw(list), Ordering::Release);
}

/// Makes a context for a client.
pub fn create(client: usize) -> u64 {
    let mut contexts = crate::write(&CONTEXTS);
    let index = contexts.len();
    // Handles start somewhere: a tool must not take them for indices.
    let handle = 64 + crate::thread::getpid() % 512 + index as u64;
    contexts.push(Box::leak(Box::new(Context {
        handle,
        index,
        client,
        active: AtomicBool::new(false),
        services: [const { OnceLock::new() }; kind::COUNT],
        buffers: [const { OnceLock::new() }; 64],
        request: OnceLock::new(),
        external: Mutex::new(HashMap::new()),
    })));
    handle
}

/// The context of a handle.
pub fn find(handle: u64) -> Option<&'static Context> {
    let published = all().iter().copied().find(|context| context.handle == handle);
    published.or_else(|| crate::read(&CONTEXTS).iter().copied().find(|context| context.handle == handle))
}

/// Whether a context of any tool, active or not, has asked for a service; it need not be published yet.
pub fn any(has: impl Fn(&Context) -> bool) -> bool {
    crate::read(&CONTEXTS).iter().any(|context| has(context))
}

/// The handles of a client's contexts.
pub fn of_client(client: usize) -> Vec<u64> {
    crate::read(&CONTEXTS).iter().filter(|context| context.client == client).map(|context| context.handle).collect()
}

/// Stops all contexts of a client, or of all clients.
pub fn stop_all(client: Option<usize>) {
    for context in crate::read(&CONTEXTS).iter() {
        if client.is_none_or(|client| client == context.client) {
            context.active.store(false, Ordering::Release);
        }
    }
}

/// Contexts that are active and trace this operation.
pub fn tracing(kind: usize, operation: i32) -> impl Iterator<Item = (&'static Context, &'static Service)> {
    all().iter().filter(|context| context.is_active()).filter_map(move |context| {
        let service = context.services[kind].get()?;
        service.wants(operation).then_some((*context, service))
    })
}

impl Service {
    fn wants(&self, operation: i32) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(&operation))
    }
}

/// What a callback is told, but for the context.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The kind, operation and phase.
    pub what: (usize, i32, u32),
    /// The thread to which the operation belongs.
    pub thread: u64,
    /// The internal correlation id.
    pub internal: u64,
    /// The internal id of the operation around it, 0 for none.
    pub ancestor: u64,
    /// The external correlation id.
    pub external: u64,
}

impl Context {
    /// Whether it has been started.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Starts or stops it; answers whether that changed anything.
    pub fn set_active(&self, active: bool) -> bool {
        self.active.swap(active, Ordering::AcqRel) != active
    }

    /// Whether it has asked for kernel dispatches, by callback or buffer.
    pub fn wants_dispatches(&self) -> bool {
        self.services[kind::KERNEL_DISPATCH].get().is_some()
            || self.buffers[buffer_kind::KERNEL_DISPATCH].get().is_some()
    }

    /// Adds a callback service.
    pub fn add_service(&self, kind: usize, service: Service) -> Result<(), Status> {
        self.services[kind].set(service).map_err(|_| Status::ServiceAlreadyConfigured)
    }

    /// The callback service for a kind.
    pub fn service(&self, kind: usize) -> Option<&Service> {
        self.services[kind].get()
    }

    /// Calls the tool, in the record layout of the version.
    pub fn call(&self, service: &Service, event: &Event, payload: *mut c_void, user_data: &mut u64) {
        let Event { what: (kind, operation, phase), thread, internal, ancestor, external } = *event;
        if Version::current().has_ancestor() {
            let external = c::rocprofiler_user_data_t { value: external };
            let record = RecordV1 {
                context_id: c::rocprofiler_context_id_t { handle: self.handle },
                thread_id: thread,
                correlation_id: c::rocprofiler_correlation_id_v1_t { internal, external, ancestor },
                kind: kind as u32,
                operation,
                phase,
                payload,
            };
            // SAFETY: the tool registered this function for records of this version, which it knows from the number given
            // to its `rocprofiler_configure`; the payload outlives the call.
            unsafe {
                let callback: Callback1 = std::mem::transmute(service.callback);
                callback(record, user_data, service.data);
            }
        } else {
            let external = c::rocprofiler_user_data_t { value: external };
            let record = RecordV0 {
                context_id: c::rocprofiler_context_id_t { handle: self.handle },
                thread_id: thread,
                correlation_id: c::rocprofiler_correlation_id_v0_t { internal, external },
                kind: kind as u32,
                operation,
                phase,
                payload,
            };
            // SAFETY: as above.
            unsafe {
                let callback: Callback0 = std::mem::transmute(service.callback);
                callback(record, user_data, service.data);
            }
        }
    }

    fn external_stack(&self, tid: u64) -> &'static ExternalStack {
        lock(&self.external).entry(tid).or_insert_with(|| Box::leak(Box::default()))
    }

    /// Pushes an external correlation id for a thread.
    pub fn push_external(&self, tid: u64, value: u64) {
        self.external_stack(tid).push(tid, value);
    }

    /// Pops it again; 0 from an empty stack.
    pub fn pop_external(&self, tid: u64) -> u64 {
        self.external_stack(tid).pop(tid)
    }

    /// The external id of an operation of the calling thread: what the request service says, else the top of its stack.
    pub fn external(&self, state: &ThreadState, request_kind: u32, operation: i32, internal: u64) -> u64 {
        self.requested(state, request_kind, operation, internal).unwrap_or_else(|| self.top_external(state))
    }

    /// The external id as it is after the ENTER callback: a push there counts, an answer to a request stays.
    pub fn external_after(&self, state: &ThreadState, request_kind: u32, before: u64) -> u64 {
        let requested = self.request.get().is_some_and(|request| request.kinds & (1 << request_kind) != 0);
        if requested { before } else { self.top_external(state) }
    }

    fn requested(&self, state: &ThreadState, request_kind: u32, operation: i32, internal: u64) -> Option<u64> {
        let request = self.request.get().filter(|request| request.kinds & (1 << request_kind) != 0)?;
        let mut value = 0;
        // SAFETY: the tool registered this function with this signature, and `value` outlives the call.
        let answer = unsafe {
            (request.callback)(state.tid, self.handle, request_kind, operation, internal, &mut value, request.data)
        };
        (answer == 0).then_some(value)
    }

    fn top_external(&self, state: &ThreadState) -> u64 {
        let mut known = state.external_stacks.borrow_mut();
        if known.len() <= self.index {
            known.resize(self.index + 1, None);
        }
        known[self.index].get_or_insert_with(|| self.external_stack(state.tid)).top()
    }
}
