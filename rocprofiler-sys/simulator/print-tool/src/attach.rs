//! The tool's part in being attached to a running process: it prints when each of its functions is called.

use std::ffi::{c_char, c_int, c_void};

use rocprofiler_sys::bindings as c;

use crate::{say, text};

/// The SDK finds the tool by this name where it is attached.
///
/// # Safety
/// To be called by rocprofiler-sdk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_configure_attach(
    version: u32,
    runtime: *const c_char,
    priority: u32,
    _client: *mut c_void,
) -> *mut c::rocprofiler_tool_configure_attach_result_t {
    say!("rocprofiler_configure_attach version {version} runtime '{}' priority {priority}", text(runtime));
    Box::into_raw(Box::new(c::rocprofiler_tool_configure_attach_result_t {
        size: size_of::<c::rocprofiler_tool_configure_attach_result_t>(),
        tool_attach: Some(tool_attach),
        tool_detach: Some(tool_detach),
        tool_data: std::ptr::null_mut(),
    }))
}

unsafe extern "C" fn tool_attach(
    detach: c::rocprofiler_client_detach_t,
    contexts: *mut c::rocprofiler_context_id_t,
    count: u64,
    _data: *mut c_void,
) -> c_int {
    let is_given = detach.is_some() && !contexts.is_null();
    say!("tool_attach contexts {count} given {}", c_int::from(is_given));
    0
}

unsafe extern "C" fn tool_detach(_data: *mut c_void) {
    say!("tool_detach");
}
