//! Work for the GPU, and what the tool is told of it.
//!
//! A kernel is announced on the launching thread (ENQUEUE, ENTER and EXIT) and reported when it is done (COMPLETE, phase
//! NONE) on a signal thread. Who is told is decided at enqueue: contexts that were active then are told of the COMPLETE
//! even if they were stopped since, others never. A copy is announced by ENTER and reported by EXIT.
//!
//! A kernel may come in one of AMD's extended dispatch packets, which HIP 7.13 and later may submit: a version that does not
//! know them announces nothing and reports nothing (abi-1.3 §5, last paragraph; the loss is inferred).

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use rocprofiler_sys::bindings as c;

use crate::context::{self, Context, Event, buffer_kind, kind, phase};
use crate::kernel::{Kernel, Place};
use crate::ledger::{self, Ledger};
use crate::payload::{DispatchData, DispatchRecord};
use crate::thread::ThreadState;
use crate::version::Version;
use crate::{buffer, clock, fault, interposition};

/// Request kinds of external correlation ids.
pub const REQUEST_MEMORY_COPY: u32 = 10;
/// See [`REQUEST_MEMORY_COPY`].
pub const REQUEST_KERNEL_DISPATCH: u32 = 11;

const ENQUEUE: i32 = c::ROCPROFILER_KERNEL_DISPATCH_ENQUEUE as i32;
const COMPLETE: i32 = c::ROCPROFILER_KERNEL_DISPATCH_COMPLETE as i32;

/// Copies to the host, and copies from it.
const HOST_IS_DESTINATION: [u32; 2] =
    [c::ROCPROFILER_MEMORY_COPY_HOST_TO_HOST, c::ROCPROFILER_MEMORY_COPY_DEVICE_TO_HOST];
const HOST_IS_SOURCE: [u32; 2] = [c::ROCPROFILER_MEMORY_COPY_HOST_TO_HOST, c::ROCPROFILER_MEMORY_COPY_HOST_TO_DEVICE];

static DISPATCH: AtomicU64 = AtomicU64::new(0);

/// A context that traces a piece of work.
#[derive(Clone, Copy, Debug)]
struct Told {
    context: &'static Context,
    user_data: u64,
    external: u64,
}

/// Contexts that trace a piece of work. One is the rule, and costs no allocation.
#[derive(Debug, Default)]
struct Audience {
    first: Option<Told>,
    more: Vec<Told>,
}

impl Audience {
    fn push(&mut self, told: Told) {
        match self.first {
            None => self.first = Some(told),
            Some(_) => self.more.push(told),
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Told> {
        self.first.iter_mut().chain(self.more.iter_mut())
    }

    fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Kernel { kernel: &'static Kernel, dispatch: u64, fault: Option<&'static str> },
    Copy { operation: i32, bytes: u64 },
}

/// A piece of work on its way.
#[derive(Debug)]
pub struct Work {
    what: What,
    place: Place,
    thread: u64,
    internal: u64,
    ancestor: u64,
    audience: Audience,
    /// When it was put into the queue.
    pub enqueue_ns: u64,
    range: Option<u32>,
    launch: Option<u32>,
    node: Option<u32>,
}

impl Work {
    /// Announces a kernel on the launching thread.
    pub fn kernel(kernel: &'static Kernel, place: Place, enqueue_ns: u64) -> Self {
        let state = ThreadState::current();
        let mut work = Self::new(What::Kernel { kernel, dispatch: 0, fault: None }, place, enqueue_ns, state);
        if fault::is_extended_packet() && !Version::current().knows_extended_packets() {
            work.what = What::Kernel { kernel, dispatch: 0, fault: Some("extended") };
            return work;
        }
        for context in context::all().iter().filter(|context| context.is_active() && context.wants_dispatches()) {
            if work.internal == 0 {
                work.correlate(state);
                let dispatch = DISPATCH.fetch_add(1, Ordering::Relaxed) + 1;
                work.what = What::Kernel { kernel, dispatch, fault: fault::of_dispatch(dispatch) };
            }
            let external = context.external(state, REQUEST_KERNEL_DISPATCH, ENQUEUE, work.internal);
            work.audience.push(Told { context, user_data: 0, external });
        }
        if work.audience.is_empty() {
            interposition::note_untraced();
        }
        work.announce(ENQUEUE, phase::ENTER);
        for told in work.audience.iter_mut() {
            told.external = told.context.external_after(state, REQUEST_KERNEL_DISPATCH, told.external);
        }
        work
    }

    /// ENQUEUE EXIT: what the tool writes to its user data here does not reach the COMPLETE.
    pub fn enqueued(&mut self) {
        if let What::Kernel { .. } = self.what {
            let before: Vec<u64> = self.audience.more.iter().map(|told| told.user_data).collect();
            let first = self.audience.first.map(|told| told.user_data);
            self.announce(ENQUEUE, phase::EXIT);
            if let (Some(told), Some(user_data)) = (&mut self.audience.first, first) {
                told.user_data = user_data;
            }
            for (told, user_data) in self.audience.more.iter_mut().zip(before) {
                told.user_data = user_data;
            }
        }
    }

    /// Announces a copy on the asking thread. Host to device 2, device to host 3, device to device 4.
    pub fn copy(operation: i32, bytes: u64, place: Place, enqueue_ns: u64) -> Self {
        let state = ThreadState::current();
        let mut work = Self::new(What::Copy { operation, bytes }, place, enqueue_ns, state);
        for (context, _) in context::tracing(kind::MEMORY_COPY, operation) {
            if work.internal == 0 {
                work.correlate(state);
            }
            let external = context.external(state, REQUEST_MEMORY_COPY, operation, work.internal);
            work.audience.push(Told { context, user_data: 0, external });
        }
        work.report(operation, phase::ENTER, 0, 0);
        work
    }

    fn new(what: What, place: Place, enqueue_ns: u64, state: &ThreadState) -> Self {
        Self {
            what,
            place,
            thread: state.tid,
            internal: 0,
            ancestor: 0,
            audience: Audience::default(),
            enqueue_ns,
            range: state.range(),
            launch: state.launch.get(),
            node: state.node.get(),
        }
    }

    /// The internal id is that of the innermost operation that is open on the thread, else a new one.
    fn correlate(&mut self, state: &ThreadState) {
        let open = state.correlations.borrow();
        self.internal = open.last().copied().unwrap_or_else(context::next_correlation);
        self.ancestor = if open.len() > 1 { open[open.len() - 2] } else { 0 };
    }

    /// Whether any context will be told of its end.
    pub fn is_traced(&self) -> bool {
        !self.audience.is_empty()
    }

    /// The SDK's dispatch id, 0 for none.
    pub fn dispatch(&self) -> u64 {
        match self.what {
            What::Kernel { dispatch, .. } => dispatch,
            What::Copy { .. } => 0,
        }
    }

    /// Whether its COMPLETE is to be held back, or to be dropped.
    pub fn fault(&self) -> Option<&'static str> {
        match self.what {
            What::Kernel { fault, .. } => fault,
            What::Copy { .. } => None,
        }
    }

    /// Reports the end, on the signal thread.
    pub fn complete(mut self, start_ns: u64, end_ns: u64) {
        clock::reached(end_ns);
        match self.what {
            What::Kernel { .. } => {
                if self.fault() == Some("swap") {
                    crate::complain(&format!(
                        "dispatch times where the start time is after end time ({end_ns} > {start_ns}). Swapping the values."
                    ));
                }
                self.report(COMPLETE, phase::NONE, start_ns, end_ns);
                self.emplace(start_ns, end_ns);
            }
            What::Copy { operation, .. } => self.report(operation, phase::EXIT, start_ns, end_ns),
        }
    }

    fn announce(&mut self, operation: i32, phase: u32) {
        self.report(operation, phase, 0, 0);
    }

    fn report(&mut self, operation: i32, phase: u32, start_ns: u64, end_ns: u64) {
        let (kind, what) = match self.what {
            What::Kernel { .. } => (kind::KERNEL_DISPATCH, operation),
            What::Copy { .. } => (kind::MEMORY_COPY, operation),
        };
        let mut dispatch = DispatchData::new(self.info(), start_ns, end_ns);
        let mut copy = self.copy_data(start_ns, end_ns);
        let event = Event {
            what: (kind, what, phase),
            thread: self.thread,
            internal: self.internal,
            ancestor: self.ancestor,
            external: 0,
        };
        for told in self.audience.iter_mut() {
            let Some(service) = told.context.service(kind) else { continue };
            if service.operations.as_ref().is_some_and(|operations| !operations.contains(&operation)) {
                continue;
            }
            let payload: *mut c_void = match kind {
                kind::KERNEL_DISPATCH => (&raw mut dispatch).cast(),
                _ => (&raw mut copy).cast(),
            };
            told.context.call(service, &Event { external: told.external, ..event }, payload, &mut told.user_data);
        }
        // A tool that kept the pointer must not find the values there.
        crate::scribble(&mut dispatch);
        crate::scribble(&mut copy);
    }

    fn emplace(&mut self, start_ns: u64, end_ns: u64) {
        let dispatch_info = self.info();
        for told in self.audience.iter_mut() {
            let Some(handle) = told.context.buffers[buffer_kind::KERNEL_DISPATCH].get() else { continue };
            let record =
                DispatchRecord::new(dispatch_info, self.thread, (start_ns, end_ns), (self.internal, told.external));
            buffer::emplace(*handle, buffer_kind::KERNEL_DISPATCH, record.known.size, &record);
        }
    }

    fn info(&self) -> c::rocprofiler_kernel_dispatch_info_t {
        let (kernel, dispatch) = match self.what {
            What::Kernel { kernel, dispatch, .. } => (Some(kernel), dispatch),
            What::Copy { .. } => (None, 0),
        };
        let extent = |of: [u32; 3]| c::rocprofiler_dim3_t { x: of[0], y: of[1], z: of[2] };
        c::rocprofiler_kernel_dispatch_info_t {
            // The offset of the padding, not the size of the struct: so does the real SDK.
            size: 72,
            agent_id: c::rocprofiler_agent_id_t { handle: self.place.agent },
            queue_id: c::rocprofiler_queue_id_t { handle: self.place.queue },
            kernel_id: kernel.map_or(0, |kernel| kernel.id),
            dispatch_id: dispatch,
            private_segment_size: 0,
            group_segment_size: 0,
            workgroup_size: extent(kernel.map_or([0; 3], |kernel| kernel.workgroup)),
            grid_size: extent(kernel.map_or([0; 3], |kernel| kernel.grid)),
            reserved_padding: [0; 56],
        }
    }

    fn copy_data(&self, start_ns: u64, end_ns: u64) -> c::rocprofiler_callback_tracing_memory_copy_data_v1_t {
        let (operation, bytes) = match self.what {
            What::Copy { operation, bytes } => (operation as u32, bytes),
            What::Kernel { .. } => (0, 0),
        };
        let end = |is_host| c::rocprofiler_agent_id_t {
            handle: if is_host { self.place.host_agent } else { self.place.agent },
        };
        c::rocprofiler_callback_tracing_memory_copy_data_v1_t {
            // 0.x ends before the addresses.
            size: Version::current().copy_size(),
            start_timestamp: start_ns,
            end_timestamp: end_ns,
            dst_agent_id: end(HOST_IS_DESTINATION.contains(&operation)),
            src_agent_id: end(HOST_IS_SOURCE.contains(&operation)),
            bytes,
            dst_address: c::rocprofiler_address_t { handle: 0x7f00_0000_0000 },
            src_address: c::rocprofiler_address_t { handle: 0x7e00_0000_0000 },
        }
    }

    /// Notes in the ledger what the SDK will report.
    pub fn note(&self, ledger: &mut Ledger, start_ns: u64, end_ns: u64) {
        match self.what {
            What::Kernel { kernel, dispatch, fault } => {
                let row = ledger.kernel(&kernel.name);
                ledger.add_dispatch(ledger::Dispatch {
                    id: (dispatch != 0).then_some(dispatch),
                    kernel: row,
                    kernel_id: kernel.id,
                    device: self.place.device,
                    queue: self.place.queue,
                    stream: self.place.stream,
                    thread: self.thread,
                    enqueue_ns: self.enqueue_ns,
                    start_ns,
                    end_ns,
                    correlation: self.internal,
                    external: self.audience.first.map_or(0, |told| told.external),
                    range: self.range,
                    launch: self.launch,
                    node: self.node,
                    fault,
                });
            }
            What::Copy { operation, bytes } => ledger.add_copy(ledger::Copy {
                operation,
                device: self.place.device,
                stream: self.place.stream,
                thread: self.thread,
                bytes,
                start_ns,
                end_ns,
                range: self.range,
            }),
        }
    }
}
