//! Buffers and buffered services.

use std::ffi::c_void;

use super::{answer, demand_kind, found, give, while_initializing};
use crate::version::{Status, Version};
use crate::{buffer, registration};

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
