//! Contexts, callback services and external correlation ids.

use std::ffi::{c_int, c_void};

use super::{answer, demand_kind, found, give, query, while_initializing};
use crate::context::{self, Request, RequestCallback, Service};
use crate::version::{Status, Version};
use crate::{interposition, registration, signal, thread};

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
        interposition::start(found(context)?);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rocprofiler_stop_context(context: u64) -> u32 {
    answer("rocprofiler_stop_context", || {
        if registration::finalized() == 1 {
            return Ok(());
        }
        let (was_active, loses) = interposition::stop(found(context)?);
        if loses {
            signal::lose();
        }
        if was_active { Ok(()) } else { Err(Status::ContextNotFound) }
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
        if asked.iter().flatten().any(|operation| !query::operations(kind).contains(operation)) {
            return Err(Status::OperationNotFound);
        }
        context.add_service(kind, Service { callback, data, operations: asked })
    })
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
