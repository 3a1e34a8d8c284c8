//! The callbacks for what captures graphs; see [`graphs`](crate::capture::graphs).
//!
//! Those for launches are on while a graph is being captured; what they find on streams that are not captured is none of
//! theirs. All are rare and may allocate. None is called for a replay.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use rocprofiler_sys::bindings::{ROCPROFILER_CALLBACK_PHASE_ENTER as ENTER, ROCPROFILER_CALLBACK_PHASE_EXIT as EXIT};
use rocprofiler_sys::{HipApi, HipGraph, Record, RecordV0, RecordV1, TracingCallback, UserData, Version};

use super::callbacks::enter;
use crate::capture::graphs::calls::{GraphCall, Known, Shape, Words, launch};
use crate::capture::graphs::{Caller, Stream, open_texts};
use crate::capture::host;
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::wire::Became;

/// For the calls that capture graphs, and those that are captured.
pub(super) const GRAPH_CALL: TracingCallback =
    TracingCallback { v0: graph_call::<RecordV0>, v1: graph_call::<RecordV1> };
/// For the making of executable graphs, of kind `HIP_GRAPH`.
pub(super) const MADE: TracingCallback = TracingCallback { v0: made::<RecordV0>, v1: made::<RecordV1> };

unsafe extern "C" fn graph_call<R: Record>(record: R, _user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered; payloads are those of HIP's calls, alive in the callback. What their arguments
    // point to is read as `exited` says.
    unsafe {
        enter("the callback for captures of graphs", Fault::Graph, data, |tracer| {
            let Some(known) = tracer.operations.graph_call(record.operation()) else { return };
            // A launch that is captured by nobody: the context is about to be stopped.
            if !known.lasts && !tracer.captures.any() {
                return;
            }
            let Some(api) = record.payload::<HipApi>() else { return };
            let words: Words = api.args.words;
            match record.phase() {
                ENTER => entered(tracer, known, &words),
                EXIT => {
                    let caller = Caller { thread: record.thread_id(), at_ns: tracer.now_ns() };
                    exited(tracer, known, &words, api.retval.int_retval == 0, caller);
                }
                _ => {}
            }
        });
    }
}

/// A call begins: what is gone afterwards is forgotten before HIP can give its address again.
fn entered(tracer: &Tracer, known: Known, words: &Words) {
    let captures = &tracer.captures;
    match known.call {
        GraphCall::Begin => {
            captures.about_to_begin();
            tracer.listen_to_captures();
        }
        GraphCall::Destroy => captures.became(words[0], Became::Gone, tracer.now_ns(), &tracer.outbox),
        GraphCall::DestroyGraph => captures.destroyed(words[0]),
        _ => {}
    }
}

/// A call has returned, with success or not.
///
/// # Safety
/// `words` must be the arguments of a call of this kind whose EXIT is being told: what they point to is the caller's and
/// lives through the call, and where it succeeded the results are there.
unsafe fn exited(tracer: &Tracer, known: Known, words: &Words, success: bool, caller: Caller) {
    let (captures, outbox) = (&tracer.captures, &tracer.outbox);
    let stream = |word: usize| Stream::of(words[word], caller.thread, known.per_thread);
    // SAFETY: the caller holds that results are there; a null pointer is none.
    let result = |word: usize| unsafe { (words[word] as *const u64).as_ref() }.copied().filter(|_| success);
    match known.call {
        GraphCall::Begin => captures.begun(success, stream(0), caller, &open_texts(), outbox),
        GraphCall::End => captures.ended(stream(0), result(1), caller.at_ns, outbox),
        GraphCall::Instantiate => {
            if let Some(exec) = result(0) {
                captures.runs(exec, words[1], caller.at_ns, outbox);
            }
        }
        GraphCall::Update if success => captures.runs(words[0], words[1], caller.at_ns, outbox),
        GraphCall::Alter if success => captures.became(words[0], Became::Altered, caller.at_ns, outbox),
        GraphCall::Clone => {
            if let Some(clone) = result(0) {
                captures.cloned(clone, words[1]);
            }
        }
        GraphCall::Function => {
            if let Some(handle) = result(0) {
                // SAFETY: the name is the caller's, and a C string.
                captures.function(handle, &unsafe { host::text(words[2] as *const c_char) }, outbox);
            }
        }
        GraphCall::FunctionOfSymbol => {
            if let Some(handle) = result(0) {
                captures.function_of_stub(handle, words[1]);
            }
        }
        GraphCall::Launch(shape) if success => {
            // SAFETY: a configuration is the caller's and longer than this.
            let config =
                matches!(shape, Shape::Config { .. }).then(|| unsafe { (words[0] as *const [u64; 5]).as_ref() });
            if let Some(launch) = launch(shape, words, config.flatten()) {
                let stream = Stream::of(launch.stream, caller.thread, known.per_thread);
                captures.launched(&launch, stream, caller, outbox, name_of_stub);
            }
        }
        GraphCall::Memory(word) if success => captures.moved(stream(word), caller, outbox),
        GraphCall::Record if success => captures.recorded(words[0], stream(1)),
        GraphCall::Wait if success => captures.waits(stream(0), words[1]),
        _ => {}
    }
}

unsafe extern "C" fn made<R: Record>(record: R, _user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: `data` is what was registered, for the making of kind HIP_GRAPH alone.
    unsafe {
        enter("the graph callback", Fault::Graph, data, |tracer| {
            if let Some(graph) = record.payload::<HipGraph>() {
                let became = Became::Named(graph.graph_exec_id);
                tracer.captures.became(graph.graph_exec_value.handle, became, tracer.now_ns(), &tracer.outbox);
            }
        });
    }
}

/// hipKernelNameRefByPtr.
type NameByPtr = unsafe extern "C" fn(stub: *const c_void, stream: *mut c_void) -> *const c_char;

static NAME_BY_PTR: OnceLock<NameByPtr> = OnceLock::new();

/// Looks for HIP's function that names kernels by their host stubs, where the SDK does not tell them: before 0.6.
pub(super) fn find_names(version: Version) {
    if (version.major, version.minor) >= (0, 6) {
        return;
    }
    // SAFETY: the name is a C string; what has it in a process that uses HIP is HIP's function, of this type.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"hipKernelNameRefByPtr".as_ptr());
        if !found.is_null() {
            let _ = NAME_BY_PTR.set(std::mem::transmute::<*mut c_void, NameByPtr>(found));
        }
    }
}

/// The name of the kernel that was launched, with success, by this host stub: one that HIP does not know fails to launch.
fn name_of_stub(stub: u64) -> Option<String> {
    let name_by_ptr = NAME_BY_PTR.get()?;
    // SAFETY: HIP has just launched by this address, so it knows it; the name is HIP's own and lives as long as the module.
    unsafe {
        let name = name_by_ptr(stub as *const c_void, std::ptr::null_mut());
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
