//! Being attached to a running process, detached, and attached again (SDK 1.1 and later, experimental).
//!
//! ```text
//!   attach   rocprofiler_configure, rocprofiler_configure_attach, initialize, tool_attach
//!   detach   tool_detach: the window at hand is ended and written, all contexts but that of names are off
//!   again    tool_attach: as at the start
//!   exit     finalize
//! ```
//!
//! The context of code objects stays on: a kernel's name is told once. The order of the calls is that of the SDK's notes on
//! attaching; it was held against the simulator, and not tried with a real SDK.

use std::ffi::{c_char, c_int, c_void};
use std::time::Duration;

use rocprofiler_sys::bindings::{
    rocprofiler_client_detach_t as ClientDetach, rocprofiler_context_id_t as Context,
    rocprofiler_tool_configure_attach_result_t as AttachResult,
};
use rocprofiler_sys::{Version, set_client_name};

use super::exits;
use crate::capture::fence::{self, State};
use crate::capture::message::Event;
use crate::capture::tracer::{CLIENT_NAME, Tracer};

/// Longest wait for the aggregator: to await a window, or to write what there is.
const AT_MOST: Duration = Duration::from_secs(5);

/// What we answer to `rocprofiler_configure_attach`.
struct Answer(AttachResult);

// SAFETY: the pointers in it are functions and null; nobody writes to it.
unsafe impl Sync for Answer {}

static ANSWER: Answer = Answer(AttachResult {
    size: size_of::<AttachResult>(),
    tool_attach: Some(tool_attach),
    tool_detach: Some(tool_detach),
    tool_data: std::ptr::null_mut(),
});

/// The symbol by which the SDK finds tools that can be attached, called right after `rocprofiler_configure`.
///
/// # Safety
/// To be called by the SDK only: `client_id` must point to a client id in the layout of `version`.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn rocprofiler_configure_attach(
    version: u32,
    _runtime_version: *const c_char,
    _priority: u32,
    client_id: *mut c_void,
) -> *mut AttachResult {
    fence::guard("rocprofiler_configure_attach", std::ptr::null_mut(), || {
        let layout = Version::from_number(version).layout();
        // Who declined to trace has nothing to attach.
        let (Some(layout), State::Starting) = (layout, fence::state()) else { return std::ptr::null_mut() };
        if !client_id.is_null() {
            // SAFETY: the SDK passes a client id of its own version's layout.
            unsafe { set_client_name(client_id, layout, CLIENT_NAME) };
        }
        std::ptr::from_ref(&ANSWER.0).cast_mut()
    })
}

unsafe extern "C" fn tool_attach(
    _detach: ClientDetach,
    _contexts: *mut Context,
    _count: u64,
    _data: *mut c_void,
) -> c_int {
    fence::guard("tool_attach", (), || {
        if exits::is_ours()
            && let Some(tracer) = Tracer::current()
        {
            tracer.session(Event::Attached, AT_MOST);
        }
    });
    0
}

unsafe extern "C" fn tool_detach(_data: *mut c_void) {
    fence::guard("tool_detach", (), || {
        if exits::is_ours()
            && let Some(tracer) = Tracer::current()
        {
            tracer.session(Event::Detached, AT_MOST);
        }
    });
}
