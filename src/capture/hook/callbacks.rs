//! The callbacks that the SDK calls: the tracer's hot path.
//!
//! Each is written once and compiled for both layouts of the by-value record, so none of them asks for a version.
//!
//! The callbacks for a dispatch and for a copy look at the tracer's state, copy eight integers and hand them to a channel;
//! that for a launch call, which is on in the window alone, reads the clock twice and does the same. They never
//! allocate, format, lock or call the system (one dispatch in [`SAMPLE_EVERY`] reads the clock twice). Completions come on one
//! thread that serves every queue of the process, and from SDK 1.3.2 on on a few at once: whatever we did there would
//! delay them all. The other callbacks are rare (once a step, once a kernel symbol) and may allocate; a range that is no
//! step costs neither an allocation nor a lock.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use rocprofiler_sys::bindings::{
    ROCPROFILER_CALLBACK_PHASE_ENTER as ENTER, ROCPROFILER_CALLBACK_PHASE_EXIT as EXIT,
    ROCPROFILER_CALLBACK_PHASE_LOAD as LOAD, ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER as SYMBOL_REGISTER,
    ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER as HOST_SYMBOL,
    ROCPROFILER_CODE_OBJECT_LOAD as CODE_OBJECT_LOAD, ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_MEMORY as IN_MEMORY,
    ROCPROFILER_KERNEL_DISPATCH_COMPLETE as COMPLETE, ROCPROFILER_KERNEL_DISPATCH_ENQUEUE as ENQUEUE,
};
use rocprofiler_sys::{
    CodeObjectLoad, HipApi, HipGraph, HostKernelSymbol, KernelDispatch, KernelSymbol, MarkerApi, MemoryCopy, Record,
    RecordV0, RecordV1, TracingCallback, UserData,
};

use super::{exits, markers};
use crate::capture::gate::{Gate, Ticket};
use crate::capture::message::{Call, Event, Outbox};
use crate::capture::meter::{Meter, SAMPLE_EVERY};
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::capture::{fence, host};
use crate::code_object::Image;
use crate::model::LaunchCall;
use crate::wire::{CopyRecord, DispatchRecord, LaunchRecord};

/// For kind `KERNEL_DISPATCH`.
pub(super) const DISPATCH: TracingCallback = TracingCallback { v0: dispatch::<RecordV0>, v1: dispatch::<RecordV1> };
/// For kind `CODE_OBJECT`.
pub(super) const CODE_OBJECT: TracingCallback =
    TracingCallback { v0: code_object::<RecordV0>, v1: code_object::<RecordV1> };
/// For kind `MARKER_CORE_API`.
pub(super) const MARKER: TracingCallback = TracingCallback { v0: marker::<RecordV0>, v1: marker::<RecordV1> };
/// For the graph launches of kind `HIP_RUNTIME_API`.
pub(super) const GRAPH_LAUNCH: TracingCallback =
    TracingCallback { v0: graph_launch::<RecordV0>, v1: graph_launch::<RecordV1> };
/// For the launches of kind `HIP_GRAPH`.
pub(super) const GRAPH: TracingCallback = TracingCallback { v0: graph::<RecordV0>, v1: graph::<RecordV1> };
/// For its other calls that put work on a GPU.
pub(super) const CALL: TracingCallback = TracingCallback { v0: call::<RecordV0>, v1: call::<RecordV1> };
/// For kind `MEMORY_COPY`.
pub(super) const COPY: TracingCallback = TracingCallback { v0: copy::<RecordV0>, v1: copy::<RecordV1> };

/// Runs a callback's body behind the fence, if the tracer is running.
///
/// # Safety
/// `data` must be the data that [`entry`](super::entry) registered with the callback: the address of a leaked Tracer.
#[inline(always)]
pub(super) unsafe fn enter(place: &'static str, fault: Fault, data: *mut c_void, body: impl FnOnce(&'static Tracer)) {
    fence::guard(place, (), || {
        if fence::enter(fault) {
            // SAFETY: the caller holds whose address it is; that Tracer is never freed.
            body(unsafe { &*data.cast::<Tracer>() });
        }
    });
}

/// The range that what this thread launches now belongs to, where the SDK does not tell it; 0: none.
#[inline(always)]
fn unbound(tracer: &Tracer) -> u64 {
    markers::unbound_step().filter(|_| tracer.has_unbound.load(Ordering::Acquire)).unwrap_or(0)
}

/// Puts what was admitted into the SDK's word for it, if its end is to be told by that.
#[inline(always)]
fn mark(tracer: &Tracer, ticket: Option<Ticket>, word: Option<&mut UserData>) {
    if let Some(ticket) = ticket
        && tracer.gate.marks(ticket)
        && let Some(word) = word
    {
        word.value = ticket.word();
    }
}

unsafe extern "C" fn dispatch<R: Record>(record: R, user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered, for dispatches alone; `user_data` is the SDK's word for this dispatch: what
    // is put into it as it is enqueued is there again when it completes.
    unsafe {
        enter("the dispatch callback", Fault::Dispatch, data, |tracer| match record.operation() as u32 {
            ENQUEUE if record.phase() == ENTER => {
                mark(tracer, tracer.gate.enqueue(|| unbound(tracer)), user_data.as_mut());
            }
            COMPLETE => {
                let word = user_data.as_ref().map_or(0, |word| word.value);
                if let Some(ticket) = tracer.gate.complete(word)
                    && let Some(dispatch) = record.payload::<KernelDispatch>()
                {
                    let to = To { outbox: &tracer.outbox, meter: &tracer.meter, gate: &tracer.gate };
                    complete(&to, &record, dispatch, ticket);
                }
            }
            _ => {}
        });
    }
}

/// Where a completion goes.
struct To<'a> {
    outbox: &'a Outbox,
    meter: &'a Meter,
    gate: &'a Gate,
}

#[inline(always)]
fn complete<R: Record>(to: &To<'_>, record: &R, dispatch: &KernelDispatch, ticket: Ticket) {
    let info = &dispatch.dispatch_info;
    let range = if ticket.range == 0 { record.external_correlation() } else { ticket.range };
    let completed = DispatchRecord {
        start_ns: dispatch.start_timestamp,
        end_ns: dispatch.end_timestamp,
        dispatch_id: info.dispatch_id,
        kernel_id: info.kernel_id,
        agent: info.agent_id.handle,
        queue: info.queue_id.handle,
        range,
        correlation: record.internal_correlation(),
    };
    if info.dispatch_id.is_multiple_of(SAMPLE_EVERY) {
        let begun = host::clock_ns(libc::CLOCK_MONOTONIC);
        send(to, completed, ticket);
        to.meter.callback(host::clock_ns(libc::CLOCK_MONOTONIC).saturating_sub(begun));
    } else {
        send(to, completed, ticket);
    }
}

#[inline(always)]
fn send(to: &To<'_>, completed: DispatchRecord, ticket: Ticket) {
    if !to.outbox.dispatch(completed) {
        to.meter.channel_full.add_one();
    }
    // Counted after it was sent: once all completions are counted, all records are in the channel.
    to.gate.sent(ticket);
}

unsafe extern "C" fn code_object<R: Record>(record: R, _user_data: *mut UserData, data: *mut c_void) {
    // Names are kept when their code object goes: dispatches of it may still be on their way, and ids are not reused.
    if record.phase() != LOAD {
        return;
    }
    // SAFETY: `data` is what was registered; payloads and strings are those of the operation, alive in the callback.
    unsafe {
        enter("the code object callback", Fault::Symbol, data, |tracer| match record.operation() as u32 {
            CODE_OBJECT_LOAD => {
                exits::watch_again();
                let Some(load) = record.payload::<CodeObjectLoad>() else { return };
                let (id, uri) = (load.code_object_id, host::text(load.uri));
                let image = image(tracer, &uri, load);
                tracer.outbox.event(Event::CodeObject { id, uri: uri.into(), image });
            }
            SYMBOL_REGISTER => {
                let Some(symbol) = record.payload::<KernelSymbol>() else { return };
                let KernelSymbol { kernel_id, code_object_id, kernel_name, .. } = *symbol;
                tracer.outbox.event(Event::Symbol { kernel_id, code_object_id, name: host::text(kernel_name).into() });
            }
            HOST_SYMBOL => {
                let Some(symbol) = record.payload::<HostKernelSymbol>() else { return };
                tracer.captures.stub(symbol.host_function.handle, symbol.kernel_id);
            }
            _ => {}
        });
    }
}

/// What is worth a copy of an object in memory, which may go as soon as this returns. One that is in a file as well is read
/// there, by our own thread.
fn image(tracer: &Tracer, uri: &str, load: &CodeObjectLoad) -> Option<Image> {
    let (base, size) = (load.memory_base, load.memory_size);
    let is_there = load.storage_type == IN_MEMORY && base != 0 && !uri.starts_with("file:");
    let mut read = |offset: u64, buffer: &mut [u8]| {
        base.checked_add(offset).is_some_and(|address| host::read_memory(address, buffer))
    };
    is_there.then(|| tracer.evidence.take(size, &mut read))?
}

unsafe extern "C" fn marker<R: Record>(record: R, _user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered; the payload is a marker's; of its unions the variant of the operation is
    // read, the result only at EXIT; strings belong to the host and live through the call.
    unsafe {
        enter("the marker callback", Fault::Marker, data, |tracer| {
            let Some(api) = record.payload::<MarkerApi>() else { return };
            let (thread, operation, of) = (record.thread_id(), Some(record.operation()), &tracer.operations);
            match record.phase() {
                ENTER if operation == of.push => {
                    markers::push(tracer, thread, host::bytes(api.args.roctxRangePushA.message))
                }
                ENTER if operation == of.pop => markers::pop(tracer, thread),
                ENTER if operation == of.stop => markers::stop(tracer, api.args.roctxRangeStop.id),
                EXIT if operation == of.start => {
                    let message = host::bytes(api.args.roctxRangeStartA.message);
                    markers::start(tracer, thread, api.retval.roctx_range_id_t_retval, message);
                }
                _ => {}
            }
        });
    }
}

unsafe extern "C" fn graph_launch<R: Record>(record: R, user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered, for hipGraphLaunch and its per-thread-stream twin alone, which have the
    // same arguments; `user_data` is the SDK's word for this call, ours from ENTER to EXIT.
    unsafe {
        enter("the HIP callback", Fault::Marker, data, |tracer| {
            let (Some(api), Some(begun)) = (record.payload::<HipApi>(), user_data.as_mut()) else { return };
            let graph = api.args.hipGraphLaunch.graphExec as u64;
            match record.phase() {
                ENTER => {
                    let start_ns = tracer.now_ns();
                    // The launch may open the window.
                    markers::launch(tracer, record.thread_id(), graph);
                    begun.value = start_ns << 1 | u64::from(tracer.gate.is_open());
                }
                EXIT if begun.value != 0 => {
                    let (start_ns, inside, end_ns) = (begun.value >> 1, begun.value & 1 == 1, tracer.now_ns());
                    tracer.meter.graph_launch(inside, end_ns.saturating_sub(start_ns));
                    let id = LAUNCHED.try_with(Cell::take).unwrap_or(0);
                    let graph = if id == 0 { graph } else { id };
                    if inside {
                        launched(tracer, &record, (start_ns, end_ns), graph, LaunchCall::Graph);
                    }
                }
                _ => {}
            }
        });
    }
}

thread_local! {
    /// The SDK's id of the graph that is being launched on this thread; 0: it tells none.
    static LAUNCHED: Cell<u64> = const { Cell::new(0) };
}

unsafe extern "C" fn graph<R: Record>(record: R, _user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered, for launches of kind HIP_GRAPH alone.
    unsafe {
        enter("the graph callback", Fault::Marker, data, |_| {
            if record.phase() == ENTER
                && let Some(graph) = record.payload::<HipGraph>()
            {
                let _ = LAUNCHED.try_with(|launched| launched.set(graph.graph_exec_id));
            }
        });
    }
}

unsafe extern "C" fn call<R: Record>(record: R, user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered; `user_data` is the SDK's word for this call, ours from ENTER to EXIT.
    unsafe {
        enter("the HIP callback", Fault::Marker, data, |tracer| {
            let Some(begun) = user_data.as_mut() else { return };
            match record.phase() {
                ENTER => begun.value = if tracer.gate.is_open() { tracer.now_ns() } else { 0 },
                EXIT if begun.value != 0 => {
                    let times = (begun.value, tracer.now_ns());
                    let call = tracer.operations.call(record.operation()).unwrap_or(LaunchCall::Other);
                    launched(tracer, &record, times, 0, call);
                }
                _ => {}
            }
        });
    }
}

/// A call that put work on a GPU has returned.
fn launched<R: Record>(tracer: &Tracer, record: &R, (start_ns, end_ns): (u64, u64), graph: u64, call: LaunchCall) {
    let (correlation, thread) = (record.internal_correlation(), record.thread_id());
    let launch = LaunchRecord { start_ns, end_ns, correlation, thread, graph, call };
    if !tracer.outbox.call(Call::Launch(launch)) {
        tracer.meter.calls_full.add_one();
    }
}

unsafe extern "C" fn copy<R: Record>(record: R, user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered, for copies alone; `user_data` is the SDK's word for this copy: what is put into
    // it on the thread that asks for it is there again when it has ended.
    unsafe {
        enter("the copy callback", Fault::Dispatch, data, |tracer| match record.phase() {
            ENTER => {
                mark(tracer, tracer.gate.enqueue_copy(|| unbound(tracer)), user_data.as_mut());
            }
            EXIT => {
                let word = user_data.as_ref().map_or(0, |word| word.value);
                if let Some(ticket) = tracer.gate.complete(word)
                    && let Some(copy) = record.payload::<MemoryCopy>()
                {
                    let to = To { outbox: &tracer.outbox, meter: &tracer.meter, gate: &tracer.gate };
                    copied(&to, &record, copy, ticket);
                }
            }
            _ => {}
        });
    }
}

#[inline(always)]
fn copied<R: Record>(to: &To<'_>, record: &R, copy: &MemoryCopy, ticket: Ticket) {
    let ended = CopyRecord {
        start_ns: copy.start_timestamp,
        end_ns: copy.end_timestamp,
        bytes: copy.bytes,
        direction: record.operation() as u64,
        destination: copy.dst_agent_id.handle,
        source: copy.src_agent_id.handle,
        range: if ticket.range == 0 { record.external_correlation() } else { ticket.range },
        correlation: record.internal_correlation(),
    };
    if !to.outbox.call(Call::Copy(ended)) {
        to.meter.calls_full.add_one();
    }
    // As of dispatches: counted after it was sent.
    to.gate.sent_copy(ticket);
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};

    use super::*;
    use crate::capture::gate::Manner;
    use crate::capture::message::channel;

    /// The system's allocator, counting what each thread asks of it.
    struct Counting;

    thread_local! {
        static CALLS: Cell<u64> = const { Cell::new(0) };
    }

    // SAFETY: everything is passed on to the system's allocator as it came.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            CALLS.set(CALLS.get() + 1);
            // SAFETY: passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            CALLS.set(CALLS.get() + 1);
            // SAFETY: passed on.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    fn dispatch(id: u64) -> KernelDispatch {
        let mut dispatch = KernelDispatch { size: size_of::<KernelDispatch>() as u64, ..KernelDispatch::default() };
        dispatch.dispatch_info.size = 72;
        dispatch.dispatch_info.dispatch_id = id;
        (dispatch.start_timestamp, dispatch.end_timestamp) = (id * 10, id * 10 + 5);
        dispatch
    }

    #[test]
    fn a_completion_allocates_nothing_whether_the_channel_is_empty_or_full() {
        let (outbox, inbox) = channel(1_000);
        let (meter, gate) = (Meter::new(), Gate::new(Manner::Keep, true));
        gate.open();
        let to = To { outbox: &outbox, meter: &meter, gate: &gate };
        let before = CALLS.get();
        for id in 0..2_000 {
            let word = gate.enqueue(|| 0).map_or(0, Ticket::word);
            complete(&to, &RecordV1::default(), &dispatch(id), gate.complete(word).unwrap());
        }
        assert_eq!(CALLS.get(), before);
        assert_eq!((gate.completed(), gate.outstanding(), meter.channel_full.get()), (2_000, 0, 1_000));
        let arrived: Vec<u64> = inbox.dispatches.try_iter().map(|record| record.dispatch_id).collect();
        assert_eq!(arrived, (0..1_000).collect::<Vec<_>>());
        assert!(CALLS.get() > before, "the counter counts");
    }

    #[test]
    fn a_copy_allocates_nothing_either_and_is_counted_by_itself() {
        let (outbox, inbox) = channel(200);
        let (meter, gate) = (Meter::new(), Gate::new(Manner::Keep, true));
        gate.open();
        let to = To { outbox: &outbox, meter: &meter, gate: &gate };
        let copy = MemoryCopy { size: 64, start_timestamp: 5, end_timestamp: 9, bytes: 77, ..MemoryCopy::default() };
        let words: Vec<u64> = (0..300).map(|_| gate.enqueue_copy(|| 3).map_or(0, Ticket::word)).collect();
        assert_eq!((gate.outstanding(), gate.outstanding_copies()), (0, 300));
        let before = CALLS.get();
        for word in words.iter().copied() {
            copied(&to, &RecordV1 { operation: 2, ..RecordV1::default() }, &copy, gate.complete(word).unwrap());
        }
        assert_eq!(CALLS.get(), before);
        assert_eq!((gate.outstanding_copies(), gate.completed(), meter.calls_full.get()), (0, 0, 200));
        let Some(Call::Copy(first)) = inbox.calls.try_iter().next() else { panic!("a copy was sent") };
        let of_first = (first.start_ns, first.end_ns, first.bytes, first.direction, first.range);
        assert_eq!(of_first, (5, 9, 77, 2, 3));
    }
}
