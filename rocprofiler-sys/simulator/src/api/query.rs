//! What there is to trace: kinds, operations, agents.

use std::ffi::{c_char, c_int, c_void};

use super::{answer, give};
use crate::context::kind;
use crate::version::{Status, Version, static_c_str};
use crate::{agent, hip_graph, host, roctx};

/// The operations of a callback kind: the first, and one past the last. Kinds that are not played have none.
pub(super) fn operations(kind: usize) -> std::ops::Range<i32> {
    match kind {
        kind::HIP_RUNTIME_API => 0..Version::current().hip_operations,
        kind::MARKER_CORE_API => 0..roctx::CORE.len() as i32,
        kind::MARKER_CONTROL_API => 0..roctx::CONTROL.len() as i32,
        kind::MARKER_NAME_API => 0..roctx::NAME.len() as i32,
        kind::MARKER_CORE_RANGE_API => 0..roctx::CORE_RANGE.len() as i32,
        kind::CODE_OBJECT => 0..if Version::current().number() >= 600 { 4 } else { 3 },
        kind::KERNEL_DISPATCH => 0..3,
        kind::MEMORY_COPY => 0..5,
        kind::HIP_GRAPH => 0..hip_graph::OPERATIONS.len() as i32,
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
        kind::HIP_GRAPH => of(&hip_graph::OPERATIONS),
        kind::KERNEL_DISPATCH => of(&["NONE", "ENQUEUE", "COMPLETE"]),
        _ => of(&["NONE", "HOST_TO_HOST", "HOST_TO_DEVICE", "DEVICE_TO_HOST", "DEVICE_TO_DEVICE"]),
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
