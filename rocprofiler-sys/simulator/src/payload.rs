//! What callbacks and buffers are given of a dispatch, as large as the version makes it.
//!
//! Versions after 1.3.5 append the hardware pipe, which is only real where the kernel driver logs dispatches without signals
//! (abi-1.3 §3 and §5; in which release it first ships is not established). That mode is not played.

use rocprofiler_sys::KernelDispatch;
use rocprofiler_sys::bindings as c;

use crate::context::buffer_kind;
use crate::version::Version;

/// What stands for "no pipe"; the SDK has a constant for that, whose value is inferred.
const NO_PIPE: i32 = -1;

/// The payload of a dispatch callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DispatchData {
    known: KernelDispatch,
    pipe_id: i32,
    padding: i32,
}

/// The buffered record of a dispatch.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DispatchRecord {
    /// What every version has.
    pub(crate) known: c::rocprofiler_buffer_tracing_kernel_dispatch_record_t,
    pipe_id: i32,
    padding: i32,
}

const _: () = assert!(size_of::<DispatchData>() == 160 && size_of::<DispatchRecord>() == 192);

/// How many bytes of them a version up to 1.3.5 leaves out.
fn tail() -> u64 {
    if Version::current().has_pipe() { 0 } else { 8 }
}

impl DispatchData {
    /// Of a dispatch with these times.
    pub(crate) fn new(dispatch_info: c::rocprofiler_kernel_dispatch_info_t, start_ns: u64, end_ns: u64) -> Self {
        let known = KernelDispatch {
            size: size_of::<Self>() as u64 - tail(),
            start_timestamp: start_ns,
            end_timestamp: end_ns,
            dispatch_info,
        };
        Self { known, pipe_id: NO_PIPE, padding: 0 }
    }
}

impl DispatchRecord {
    /// Of a dispatch by this thread, with these times and correlation ids.
    pub(crate) fn new(
        dispatch_info: c::rocprofiler_kernel_dispatch_info_t,
        thread_id: u64,
        (start_ns, end_ns): (u64, u64),
        (internal, external): (u64, u64),
    ) -> Self {
        let external = c::rocprofiler_user_data_t { value: external };
        let known = c::rocprofiler_buffer_tracing_kernel_dispatch_record_t {
            size: size_of::<Self>() as u64 - tail(),
            kind: buffer_kind::KERNEL_DISPATCH as u32,
            operation: c::ROCPROFILER_KERNEL_DISPATCH_COMPLETE,
            correlation_id: c::rocprofiler_correlation_id_v0_t { internal, external },
            thread_id,
            start_timestamp: start_ns,
            end_timestamp: end_ns,
            dispatch_info,
        };
        Self { known, pipe_id: NO_PIPE, padding: 0 }
    }
}
