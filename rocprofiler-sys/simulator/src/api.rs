//! The C API of rocprofiler-sdk, as far as tracing tools use it.
//!
//! Every function may be made to fail with `ROCPROFILER_SIM_FAIL` (see [`crate::fault`]).
#![allow(missing_docs, reason = "the names and meanings are the SDK's")]
#![allow(clippy::missing_safety_doc, reason = "the callers are C; what they owe is in the SDK's documentation")]

use std::ffi::{c_char, c_int, c_void};

use crate::context::{self, Context, Request, RequestCallback, Service, kind};
use crate::registration::{self, Configure, ThreadCallback};
use crate::version::{Status, Version, static_c_str};
use crate::{agent, buffer, clock, fault, host, roctx, thread};

/// Does what is asked, unless it shall fail; the status in the version's numbers.
fn answer(function: &str, body: impl FnOnce() -> Result<(), Status>) -> u32 {
    if let Some(status) = fault::of_call(function) {
        return status;
    }
    body().map_or_else(|status| Version::current().status(status), |()| 0)
}

/// Writes a result through a pointer of the caller's, if it gave one.
fn give<T>(place: *mut T, value: T) {
    // SAFETY: the caller of the C API passes null or a pointer to writable memory of this type.
    if let Some(place) = unsafe { place.as_mut() } {
        *place = value;
    }
}

fn found(handle: u64) -> Result<&'static Context, Status> {
    context::find(handle).ok_or(Status::ContextNotFound)
}

/// Configuration is possible while tools initialise, and never again.
fn while_initializing() -> Result<(), Status> {
    if registration::initialized() == -1 { Ok(()) } else { Err(Status::ConfigurationLocked) }
}

/// The real one indexes an array with the kind, and the exception ends the process.
fn demand_kind(kind: u32, count: usize) -> usize {
    if kind as usize >= count {
        crate::complain("terminate called after throwing an instance of 'std::out_of_range'");
        std::process::abort();
    }
    kind as usize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_get_version(major: *mut u32, minor: *mut u32, patch: *mut u32) -> u32 {
    answer("rocprofiler_get_version", || {
        let version = Version::current();
        give(major, version.triplet.0);
        give(minor, version.triplet.1);
        give(patch, version.triplet.2);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_get_version_triplet(triplet: *mut [u32; 3]) -> u32 {
    answer("rocprofiler_get_version_triplet", || {
        let (major, minor, patch) = Version::current().triplet;
        give(triplet, [major, minor, patch]);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_get_timestamp(time_ns: *mut u64) -> u32 {
    answer("rocprofiler_get_timestamp", || {
        give(time_ns, clock::now_ns());
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_get_thread_id(tid: *mut u64) -> u32 {
    answer("rocprofiler_get_thread_id", || {
        give(tid, thread::gettid());
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_get_status_name(status: u32) -> *const c_char {
    Version::current().status_name(status).map_or(std::ptr::null(), |name| static_c_str(name).as_ptr())
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_get_status_string(status: u32) -> *const c_char {
    Version::current().status_name(status).map_or(std::ptr::null(), |name| {
        let words = name.trim_start_matches("ROCPROFILER_STATUS_").replace('_', " ").to_lowercase();
        static_c_str(&words).as_ptr()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_is_initialized(status: *mut c_int) -> u32 {
    give(status, registration::initialized());
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_is_finalized(status: *mut c_int) -> u32 {
    give(status, registration::finalized());
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_force_configure(configure: Option<Configure>) -> u32 {
    answer("rocprofiler_force_configure", || registration::force(configure))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_create_context(context: *mut u64) -> u32 {
    let none = Version::current().no_context;
    let status = answer("rocprofiler_create_context", || {
        while_initializing()?;
        // SAFETY: the caller passes a pointer to its handle.
        let given = unsafe { context.as_ref() }.ok_or(Status::InvalidArgument)?;
        if *given != 0 && Version::current().number() >= 500 {
            return Err(Status::ContextIdNotZero);
        }
        give(context, context::create(registration::current_client()));
        Ok(())
    });
    if status != 0 {
        give(context, none);
    }
    status
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_start_context(context: u64) -> u32 {
    answer("rocprofiler_start_context", || {
        if registration::finalized() != 0 {
            return Err(Status::ConfigurationLocked);
        }
        found(context)?.set_active(true);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_stop_context(context: u64) -> u32 {
    answer("rocprofiler_stop_context", || {
        if registration::finalized() == 1 || found(context)?.set_active(false) {
            Ok(())
        } else {
            Err(Status::ContextNotFound)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_context_is_active(context: u64, status: *mut c_int) -> u32 {
    answer("rocprofiler_context_is_active", || {
        give(status, 0);
        give(status, c_int::from(found(context)?.is_active()));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_context_is_valid(context: u64, status: *mut c_int) -> u32 {
    answer("rocprofiler_context_is_valid", || {
        give(status, 0);
        found(context)?;
        give(status, 1);
        Ok(())
    })
}

/// The operations of a callback kind: the first, and one past the last. Kinds that are not played have none.
fn operations(kind: usize) -> std::ops::Range<i32> {
    match kind {
        kind::HIP_RUNTIME_API => 0..Version::current().hip_operations,
        kind::MARKER_CORE_API => 0..roctx::CORE.len() as i32,
        kind::MARKER_CONTROL_API => 0..roctx::CONTROL.len() as i32,
        kind::MARKER_NAME_API => 0..roctx::NAME.len() as i32,
        kind::MARKER_CORE_RANGE_API => 0..roctx::CORE_RANGE.len() as i32,
        kind::CODE_OBJECT => 0..if Version::current().number() >= 600 { 4 } else { 3 },
        kind::KERNEL_DISPATCH => 0..3,
        kind::MEMORY_COPY => 0..5,
        _ => 0..0,
    }
}

fn operation_name(kind: usize, operation: i32) -> Option<String> {
    if !operations(kind).contains(&operation) {
        return None;
    }
    let of = |names: &[&str]| names[operation as usize].to_owned();
    Some(match kind {
        kind::HIP_RUNTIME_API => host::hip_name(operation),
        kind::MARKER_CORE_API => of(&roctx::CORE),
        kind::MARKER_CONTROL_API => of(&roctx::CONTROL),
        kind::MARKER_NAME_API => of(&roctx::NAME),
        kind::MARKER_CORE_RANGE_API => of(&roctx::CORE_RANGE),
        kind::CODE_OBJECT => of(&["NONE", "LOAD", "DEVICE_KERNEL_SYMBOL_REGISTER", "HOST_KERNEL_SYMBOL_REGISTER"]),
        kind::KERNEL_DISPATCH => of(&["NONE", "ENQUEUE", "COMPLETE"]),
        _ => of(&["NONE", "HOST_TO_HOST", "HOST_TO_DEVICE", "DEVICE_TO_HOST", "DEVICE_TO_DEVICE"]),
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_configure_callback_tracing_service(
    context: u64,
    kind: u32,
    operations: *const i32,
    count: usize,
    callback: *const c_void,
    data: *mut c_void,
) -> u32 {
    answer("rocprofiler_configure_callback_tracing_service", || {
        while_initializing()?;
        let context = found(context)?;
        let kind = demand_kind(kind, Version::current().callback_kinds);
        if kind == 0 {
            return Err(Status::KindNotFound);
        }
        // SAFETY: the caller passes null, or as many operations as it says.
        let asked = (!operations.is_null()).then(|| unsafe { std::slice::from_raw_parts(operations, count) }.to_vec());
        if asked.iter().flatten().any(|operation| !self::operations(kind).contains(operation)) {
            return Err(Status::OperationNotFound);
        }
        context.add_service(kind, Service { callback, data, operations: asked })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_configure_buffer_tracing_service(
    context: u64,
    kind: u32,
    _operations: *const i32,
    _count: usize,
    buffer: u64,
) -> u32 {
    answer("rocprofiler_configure_buffer_tracing_service", || {
        while_initializing()?;
        let context = found(context)?;
        let kind = demand_kind(kind, Version::current().buffer_kinds);
        if kind == 0 {
            return Err(Status::KindNotFound);
        }
        if !buffer::exists(buffer) {
            return Err(Status::BufferNotFound);
        }
        context.buffers[kind].set(buffer).map_err(|_| Status::ServiceAlreadyConfigured)
    })
}

fn give_name(name: Option<&str>, missing: Status, text: *mut *const c_char, length: *mut u64) -> Result<(), Status> {
    let name = name.ok_or(missing)?;
    give(text, static_c_str(name).as_ptr());
    give(length, name.len() as u64);
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_query_callback_tracing_kind_name(
    kind: u32,
    name: *mut *const c_char,
    length: *mut u64,
) -> u32 {
    answer("rocprofiler_query_callback_tracing_kind_name", || {
        give_name(Version::current().callback_kind_name(kind as usize), Status::KindNotFound, name, length)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_query_buffer_tracing_kind_name(
    kind: u32,
    name: *mut *const c_char,
    length: *mut u64,
) -> u32 {
    answer("rocprofiler_query_buffer_tracing_kind_name", || {
        give_name(Version::current().buffer_kind_name(kind as usize), Status::KindNotFound, name, length)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_query_callback_tracing_kind_operation_name(
    kind: u32,
    operation: i32,
    name: *mut *const c_char,
    length: *mut u64,
) -> u32 {
    answer("rocprofiler_query_callback_tracing_kind_operation_name", || {
        match kind as usize {
            0 => return Err(Status::InvalidArgument),
            kind if kind >= Version::current().callback_kinds => return Err(Status::KindNotFound),
            _ => {}
        }
        give_name(operation_name(kind as usize, operation).as_deref(), Status::OperationNotFound, name, length)
    })
}

type KindCallback = unsafe extern "C" fn(u32, *mut c_void) -> c_int;
type OperationCallback = unsafe extern "C" fn(u32, i32, *mut c_void) -> c_int;

fn iterate_kinds(count: usize, callback: KindCallback, data: *mut c_void) {
    for kind in 0..count as u32 {
        // SAFETY: the caller gave a function of this type and its data.
        if unsafe { callback(kind, data) } != 0 {
            break;
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_iterate_callback_tracing_kinds(callback: KindCallback, data: *mut c_void) -> u32 {
    answer("rocprofiler_iterate_callback_tracing_kinds", || {
        iterate_kinds(Version::current().callback_kinds, callback, data);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_iterate_buffer_tracing_kinds(callback: KindCallback, data: *mut c_void) -> u32 {
    answer("rocprofiler_iterate_buffer_tracing_kinds", || {
        iterate_kinds(Version::current().buffer_kinds, callback, data);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_iterate_callback_tracing_kind_operations(
    kind: u32,
    callback: OperationCallback,
    data: *mut c_void,
) -> u32 {
    answer("rocprofiler_iterate_callback_tracing_kind_operations", || {
        if kind == 0 || kind as usize >= Version::current().callback_kinds {
            return Err(Status::InvalidArgument);
        }
        for operation in operations(kind as usize) {
            // SAFETY: the caller gave a function of this type and its data.
            if unsafe { callback(kind, operation, data) } != 0 {
                break;
            }
        }
        Ok(())
    })
}

type AgentsCallback = unsafe extern "C" fn(u32, *const *const c_void, usize, *mut c_void) -> u32;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_query_available_agents(
    version: u32,
    callback: AgentsCallback,
    agent_size: usize,
    data: *mut c_void,
) -> u32 {
    let mut result = 0;
    let status = answer("rocprofiler_query_available_agents", || {
        if version != 1 {
            return Err(Status::InvalidArgument);
        }
        if agent_size > Version::current().agent_size {
            return Err(Status::IncompatibleAbi);
        }
        let agents = agent::machine().records();
        // SAFETY: the caller gave a function of this type and its data; the records live as long as the process.
        result = unsafe { callback(version, agents.as_ptr(), agents.len(), data) };
        Ok(())
    });
    if status == 0 { result } else { status }
}

/// Thread ids below the process id are refused, with the id of the process that asked first: stale after a fork.
fn demand_thread(tid: u64) -> Result<(), Status> {
    static PROCESS: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    if tid < *PROCESS.get_or_init(thread::getpid) { Err(Status::InvalidArgument) } else { Ok(()) }
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_push_external_correlation_id(context: u64, tid: u64, value: u64) -> u32 {
    answer("rocprofiler_push_external_correlation_id", || {
        demand_thread(tid)?;
        found(context)?.push_external(tid, value);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_pop_external_correlation_id(context: u64, tid: u64, value: *mut u64) -> u32 {
    answer("rocprofiler_pop_external_correlation_id", || {
        demand_thread(tid)?;
        give(value, found(context)?.pop_external(tid));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_configure_external_correlation_id_request_service(
    context: u64,
    kinds: *const u32,
    count: usize,
    callback: Option<RequestCallback>,
    data: *mut c_void,
) -> u32 {
    answer("rocprofiler_configure_external_correlation_id_request_service", || {
        let context = found(context)?;
        let mut bits = u64::MAX;
        if !kinds.is_null() {
            bits = 0;
            // SAFETY: the caller passes as many kinds as it says.
            for kind in unsafe { std::slice::from_raw_parts(kinds, count) } {
                if *kind == 0 || *kind as usize >= Version::current().request_kinds {
                    return Err(Status::KindNotFound);
                }
                bits |= 1 << kind;
            }
            if bits == 0 {
                return Err(Status::InvalidArgument);
            }
        }
        let callback = callback.ok_or(Status::InvalidArgument)?;
        let request = Request { callback, data, kinds: bits };
        context.request.set(request).map_err(|_| Status::ServiceAlreadyConfigured)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_at_internal_thread_create(
    before: Option<ThreadCallback>,
    after: Option<ThreadCallback>,
    _libraries: c_int,
    data: *mut c_void,
) -> u32 {
    answer("rocprofiler_at_internal_thread_create", || {
        registration::add_thread_callbacks(before, after, data);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_at_intercept_table_registration(
    _callback: *const c_void,
    _libraries: c_int,
    _data: *mut c_void,
) -> u32 {
    answer("rocprofiler_at_intercept_table_registration", || {
        if registration::initialized() > 0 { Err(Status::ConfigurationLocked) } else { Ok(()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_create_buffer(
    context: u64,
    _bytes: usize,
    watermark: usize,
    _policy: u32,
    callback: Option<buffer::Callback>,
    data: *mut c_void,
    buffer: *mut u64,
) -> u32 {
    answer("rocprofiler_create_buffer", || {
        while_initializing()?;
        found(context)?;
        let callback = callback.ok_or(Status::InvalidArgument)?;
        // SAFETY: the caller passes a pointer to its handle.
        if unsafe { buffer.as_ref() }.is_none_or(|handle| buffer::exists(*handle)) {
            return Err(Status::ServiceAlreadyConfigured);
        }
        give(buffer, buffer::create(context, watermark, callback, data));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_flush_buffer(buffer: u64) -> u32 {
    answer("rocprofiler_flush_buffer", || {
        if registration::finalized() == 1 { Err(Status::Finalized) } else { buffer::flush(buffer) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_destroy_buffer(buffer: u64) -> u32 {
    answer("rocprofiler_destroy_buffer", || buffer::destroy(buffer))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_create_callback_thread(thread: *mut u64) -> u32 {
    answer("rocprofiler_create_callback_thread", || {
        if registration::initialized() > 0 {
            return Err(Status::ConfigurationLocked);
        }
        buffer::start_thread();
        give(thread, 1);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_assign_callback_thread(buffer: u64, thread: u64) -> u32 {
    answer("rocprofiler_assign_callback_thread", || match (buffer::exists(buffer), thread) {
        (false, _) => Err(Status::BufferNotFound),
        (true, 0 | 1) => Ok(()),
        (true, _) => Err(Status::ThreadNotFound),
    })
}
