//! What a tracing callback is given, read without asking for the version at each call.
//!
//! The record comes by value, in one of two layouts. A callback is written once, generic over [`Record`], and the
//! compiler makes one function for each layout; [`TracingCallback`] holds the pair and the library is given the one
//! that fits. Nothing in the callback depends on the version then, and no branch is left to take wrongly.
//!
//! ```
//! use rocprofiler_sys::{KernelDispatch, Record, RecordV0, RecordV1, TracingCallback, UserData};
//! use std::ffi::c_void;
//!
//! unsafe extern "C" fn on_dispatch<R: Record>(record: R, _user_data: *mut UserData, _data: *mut c_void) {
//!     // SAFETY: the callback is configured for the kind KERNEL_DISPATCH alone.
//!     if let Some(dispatch) = unsafe { record.payload::<KernelDispatch>() } {
//!         let _duration_ns = dispatch.end_timestamp - dispatch.start_timestamp;
//!     }
//! }
//!
//! let callback = TracingCallback { v0: on_dispatch::<RecordV0>, v1: on_dispatch::<RecordV1> };
//! # let _ = callback;
//! ```
//!
//! Rejected: one callback that reads through an offset table (a load and an add for each field, on every dispatch of
//! the process), and a union of both layouts (the size of the by-value argument decides where the caller puts it).

use crate::bindings as c;
use crate::version::Layout;
use std::ffi::c_void;

/// The record of SDK 0.x.
pub type RecordV0 = c::rocprofiler_callback_tracing_record_v0_t;
/// The record of SDK 1.x.
pub type RecordV1 = c::rocprofiler_callback_tracing_record_v1_t;
/// The word that the SDK keeps for the tool from an operation's beginning to its end.
pub type UserData = c::rocprofiler_user_data_t;

/// Payload of kind `KERNEL_DISPATCH`.
pub type KernelDispatch = c::rocprofiler_callback_tracing_kernel_dispatch_data_t;
/// Payload of kind `CODE_OBJECT`, operation LOAD.
pub type CodeObjectLoad = c::rocprofiler_callback_tracing_code_object_load_data_t;
/// Payload of kind `CODE_OBJECT`, operation DEVICE_KERNEL_SYMBOL_REGISTER.
pub type KernelSymbol = c::rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t;
/// Payload of kind `CODE_OBJECT`, operation HOST_KERNEL_SYMBOL_REGISTER (SDK 0.6 and later).
pub type HostKernelSymbol = c::rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t;
/// Payload of kind `MEMORY_COPY`: what both layouts have. The addresses that SDK 1.x appends are not read.
pub type MemoryCopy = c::rocprofiler_callback_tracing_memory_copy_data_v0_t;
/// Payload of the kinds `MARKER_CORE_API`, `MARKER_CONTROL_API` and `MARKER_CORE_RANGE_API`.
pub type MarkerApi = c::rocprofiler_callback_tracing_marker_api_data_t;
/// Payload of kind `HIP_RUNTIME_API`.
pub type HipApi = c::rocprofiler_callback_tracing_hip_api_data_t;
/// Payload of kind `HIP_STREAM` (SDK 1.0 and later).
pub type HipStream = c::rocprofiler_callback_tracing_hip_stream_data_t;
/// Payload of kind `HIP_GRAPH` (SDK 1.3.0 and later).
pub type HipGraph = c::rocprofiler_callback_tracing_hip_graph_data_t;

/// A tracing callback for one layout.
pub type CallbackFor<R> = unsafe extern "C" fn(record: R, user_data: *mut UserData, data: *mut c_void);

/// A tracing callback for both layouts: the same function, instantiated twice.
#[derive(Debug, Clone, Copy)]
pub struct TracingCallback {
    /// Called by SDK 0.x.
    pub v0: CallbackFor<RecordV0>,
    /// Called by SDK 1.x.
    pub v1: CallbackFor<RecordV1>,
}

impl TracingCallback {
    /// The one for the layout, with its type forgotten as the library takes it.
    pub(crate) fn erase(self, layout: Layout) -> unsafe extern "C" fn() {
        match layout {
            // SAFETY: only the type changes. The library calls it with the arguments of its layout, which is this one.
            Layout::V0 => unsafe { std::mem::transmute::<CallbackFor<RecordV0>, unsafe extern "C" fn()>(self.v0) },
            // SAFETY: as above.
            Layout::V1 => unsafe { std::mem::transmute::<CallbackFor<RecordV1>, unsafe extern "C" fn()>(self.v1) },
        }
    }
}

/// A payload, of a size that the library states in its first word.
///
/// # Safety
/// The type must be `repr(C)`, begin with a `u64` that the library sets to the number of bytes it wrote, and be valid
/// for every bit pattern of that many bytes.
pub unsafe trait Payload {
    /// Whether what lies within the payload is as large as it must be.
    #[inline]
    fn is_whole(&self) -> bool {
        true
    }
}

/// What is used of `rocprofiler_kernel_dispatch_info_t`, and what the library states as its size; padding follows.
const DISPATCH_INFO_USED: u64 = std::mem::offset_of!(c::rocprofiler_kernel_dispatch_info_t, reserved_padding) as u64;

// SAFETY: generated from the header with `size` as first member; made of integers.
unsafe impl Payload for KernelDispatch {
    #[inline]
    fn is_whole(&self) -> bool {
        self.dispatch_info.size >= DISPATCH_INFO_USED
    }
}
// SAFETY: generated from the header with `size` as first member; made of integers and raw pointers.
unsafe impl Payload for CodeObjectLoad {}
// SAFETY: as above.
unsafe impl Payload for KernelSymbol {}
// SAFETY: as above.
unsafe impl Payload for HostKernelSymbol {}
// SAFETY: as above.
unsafe impl Payload for MemoryCopy {}
// SAFETY: as above, and unions of them.
unsafe impl Payload for MarkerApi {}
// SAFETY: as above, and unions of them.
unsafe impl Payload for HipApi {}
// SAFETY: as above, and unions of them.
unsafe impl Payload for HipStream {}
// SAFETY: as above.
unsafe impl Payload for HipGraph {}

/// Keeps [`Record`] to the two layouts that there are.
mod sealed {
    /// Implemented by the two layouts.
    pub trait Sealed {}
    impl Sealed for super::RecordV0 {}
    impl Sealed for super::RecordV1 {}
}

/// What both layouts of a record say.
pub trait Record: sealed::Sealed + Copy + 'static {
    /// Which one this is.
    const LAYOUT: Layout;

    /// Handle of the context that the callback belongs to.
    fn context(&self) -> u64;
    /// The thread that caused it (for a dispatch: that enqueued it), whichever thread the callback runs on.
    fn thread_id(&self) -> u64;
    /// The innermost traced operation that caused it. All dispatches of a graph launch share it if HIP is traced.
    fn internal_correlation(&self) -> u64;
    /// What the tool pushed for the thread; 0 if nothing.
    fn external_correlation(&self) -> u64;
    /// The operation around the innermost one; 0 if there is none, and always in SDK 0.x.
    fn ancestor_correlation(&self) -> u64;
    /// Number of the kind.
    fn kind(&self) -> u32;
    /// Number of the operation within its kind.
    fn operation(&self) -> i32;
    /// ENTER (or LOAD), EXIT (or UNLOAD), or NONE.
    fn phase(&self) -> u32;
    /// Where the payload is.
    fn payload_pointer(&self) -> *const c_void;

    /// The payload. `None` if there is none, or if the library wrote less of it than SDK 0.4 did.
    ///
    /// # Safety
    /// The record must be the one that the running callback was given, of a kind and operation whose payload is `P`,
    /// and the reference must not outlive the callback (a copy of the record kept elsewhere would allow that).
    #[inline]
    unsafe fn payload<P: Payload>(&self) -> Option<&P> {
        let pointer = self.payload_pointer();
        if pointer.is_null() {
            return None;
        }
        // SAFETY: a payload begins with its size, a `u64` (`Payload`), and is valid during the callback.
        let size = unsafe { pointer.cast::<u64>().read() };
        if size < size_of::<P>() as u64 {
            return None;
        }
        // SAFETY: it is a `P` (the caller), and the library wrote as much of it as a `P` has.
        let payload = unsafe { &*pointer.cast::<P>() };
        payload.is_whole().then_some(payload)
    }
}

macro_rules! record {
    ($record:ty, $layout:expr, |$self:ident| $ancestor:expr) => {
        impl Record for $record {
            const LAYOUT: Layout = $layout;

            #[inline]
            fn context(&self) -> u64 {
                self.context_id.handle
            }
            #[inline]
            fn thread_id(&self) -> u64 {
                self.thread_id
            }
            #[inline]
            fn internal_correlation(&self) -> u64 {
                self.correlation_id.internal
            }
            #[inline]
            fn external_correlation(&self) -> u64 {
                // SAFETY: every bit pattern is an integer.
                unsafe { self.correlation_id.external.value }
            }
            #[inline]
            fn ancestor_correlation(&$self) -> u64 {
                $ancestor
            }
            #[inline]
            fn kind(&self) -> u32 {
                self.kind
            }
            #[inline]
            fn operation(&self) -> i32 {
                self.operation
            }
            #[inline]
            fn phase(&self) -> u32 {
                self.phase
            }
            #[inline]
            fn payload_pointer(&self) -> *const c_void {
                self.payload
            }
        }
    };
}

record!(RecordV0, Layout::V0, |self| 0);
record!(RecordV1, Layout::V1, |self| self.correlation_id.ancestor);

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this payload.
    fn record<P>(payload: &P) -> RecordV1 {
        RecordV1 { payload: std::ptr::from_ref(payload).cast_mut().cast(), ..RecordV1::default() }
    }

    fn dispatch(size: usize, info_size: u64) -> KernelDispatch {
        let dispatch_info = c::rocprofiler_kernel_dispatch_info_t { size: info_size, ..Default::default() };
        KernelDispatch { size: size as u64, dispatch_info, ..Default::default() }
    }

    #[test]
    fn a_payload_that_the_library_wrote_less_of_is_not_read() {
        for (size, info_size, readable) in
            [(152, 72, true), (160, 72, true), (152, 128, true), (151, 72, false), (152, 64, false)]
        {
            let payload = dispatch(size, info_size);
            let record = record(&payload);
            // SAFETY: the record's payload is a dispatch that lives until the end of the loop's body.
            let read = unsafe { record.payload::<KernelDispatch>() }.is_some();
            assert_eq!(read, readable, "size {size}, dispatch_info.size {info_size}");
        }
    }

    #[test]
    fn a_record_without_payload_has_none() {
        let record = RecordV0::default();
        // SAFETY: there is nothing to be read.
        assert!(unsafe { record.payload::<MarkerApi>() }.is_none());
    }

    #[test]
    fn a_memory_copy_of_either_layout_is_read_as_what_both_have() {
        let payload = c::rocprofiler_callback_tracing_memory_copy_data_v1_t {
            size: 64,
            start_timestamp: 1,
            end_timestamp: 3,
            bytes: 4096,
            ..Default::default()
        };
        let record = record(&payload);
        // SAFETY: the record's payload is a memory copy that lives until the end of the test.
        let copy = unsafe { record.payload::<MemoryCopy>() }.expect("64 bytes are enough");
        assert_eq!((copy.start_timestamp, copy.end_timestamp, copy.bytes), (1, 3, 4096));
    }
}
