//! The C API of rocprofiler-sdk, as far as tracing tools use it.
//!
//! Every function may be made to fail with `ROCPROFILER_SIM_FAIL` (see [`crate::fault`]).
#![allow(missing_docs, reason = "the names and meanings are the SDK's")]
#![allow(clippy::missing_safety_doc, reason = "the callers are C; what they owe is in the SDK's documentation")]

pub mod buffer;
pub mod context;
pub mod query;

use std::ffi::{c_char, c_int, c_void};

use crate::context::Context;
use crate::internal_threads::{self, ThreadCallback};
use crate::registration::{self, Configure};
use crate::version::{Status, Version, static_c_str};
use crate::{clock, fault, thread};

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
    crate::context::find(handle).ok_or(Status::ContextNotFound)
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
pub unsafe extern "C" fn rocprofiler_at_internal_thread_create(
    before: Option<ThreadCallback>,
    after: Option<ThreadCallback>,
    _libraries: c_int,
    data: *mut c_void,
) -> u32 {
    answer("rocprofiler_at_internal_thread_create", || {
        internal_threads::add_callbacks(before, after, data);
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
