//! Dispatches through a buffer. The wrapper that tools share has no buffers, so the functions are looked up here.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use rocprofiler_sys::bindings as c;

use crate::{BUFFERED, count, kernel_name, print};

/// The buffer tracing kind of kernel dispatches, in all versions.
const KERNEL_DISPATCH: u32 = 11;
const LOSSLESS: u32 = 2;
const BYTES: usize = 1 << 20;

static BUFFER: AtomicU64 = AtomicU64::new(0);

/// A function of the SDK, by its type in the bindings (an `Option`).
///
/// # Safety
/// `F` must be the type of the function of this name.
unsafe fn function<F>(name: &CStr) -> F {
    // SAFETY: the name is a C string; the caller holds that a function of this name has the type `F`, whose null is `None`.
    unsafe { std::mem::transmute_copy(&libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr())) }
}

/// Has all dispatches of a context go to a buffer.
pub(crate) fn configure(context: u64) -> Result<(), String> {
    let context = c::rocprofiler_context_id_t { handle: context };
    let mut buffer = c::rocprofiler_buffer_id_t { handle: 0 };
    // SAFETY: the names are those of the types, and the arguments outlive the calls.
    unsafe {
        let create: c::rocprofiler_create_buffer_fn = function(c"rocprofiler_create_buffer");
        let service: c::rocprofiler_configure_buffer_tracing_service_fn =
            function(c"rocprofiler_configure_buffer_tracing_service");
        let (create, service) = create.zip(service).ok_or("the SDK has no buffers")?;
        let none = std::ptr::null_mut();
        let created = create(context, BYTES, BYTES, LOSSLESS, Some(on_records), none, &mut buffer);
        let configured = service(context, KERNEL_DISPATCH, std::ptr::null(), 0, buffer);
        if (created, configured) != (0, 0) {
            return Err(format!("buffered tracing: status {created}, {configured}"));
        }
    }
    BUFFER.store(buffer.handle, Ordering::Relaxed);
    Ok(())
}

/// Has the buffer handed over, if there is one.
pub(crate) fn flush() {
    let buffer = c::rocprofiler_buffer_id_t { handle: BUFFER.load(Ordering::Relaxed) };
    // SAFETY: the name is that of the type, and the buffer was made by the SDK.
    unsafe {
        let flush: c::rocprofiler_flush_buffer_fn = function(c"rocprofiler_flush_buffer");
        if let (Some(flush), true) = (flush, buffer.handle != 0) {
            flush(buffer);
        }
    }
}

unsafe extern "C" fn on_records(
    _context: c::rocprofiler_context_id_t,
    _buffer: c::rocprofiler_buffer_id_t,
    headers: *mut *mut c::rocprofiler_record_header_t,
    records: usize,
    _data: *mut c_void,
    dropped: u64,
) {
    print(format_args!("buffer flush: {records} records, dropped {dropped}"));
    // SAFETY: the SDK passes as many headers as it says.
    for header in unsafe { std::slice::from_raw_parts(headers, records) } {
        // SAFETY: the buffer is configured for dispatches only, and the record is valid during the callback.
        let record = unsafe { &*(**header).payload.cast::<c::rocprofiler_buffer_tracing_kernel_dispatch_record_t>() };
        count(BUFFERED);
        print(format_args!(
            "  record op {} corr {} thread {} kernel {} start {} dur {}",
            record.operation,
            record.correlation_id.internal,
            record.thread_id,
            kernel_name(record.dispatch_info.kernel_id),
            record.start_timestamp,
            record.end_timestamp - record.start_timestamp
        ));
    }
}
