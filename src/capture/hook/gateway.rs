//! Standing before the SDK, so that a process without one lives.
//!
//! Our exported `rocprofiler_configure` makes rocprofiler-register look for the SDK, and it aborts the program when there
//! is none. It takes a visible `rocprofiler_set_api_table` before it looks, so the library exports that too: the call
//! goes on to the SDK, and where there is none, it is said once and the program goes on without being traced.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use rocprofiler_sys::gateway::{SetApiTable, set_api_table};

use crate::capture::{fence, host};

static SDK: OnceLock<Option<SetApiTable>> = OnceLock::new();

/// What runtimes' registration calls, in place of the SDK's function of the same name.
///
/// # Safety
/// As for the SDK's function: `tables` must hold `num_tables` pointers to API tables of the runtime `name`.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn rocprofiler_set_api_table(
    name: *const c_char,
    version: u64,
    instance: u64,
    tables: *mut *mut c_void,
    num_tables: u64,
) -> c_int {
    let sdk = fence::guard("the search for the SDK", None, || *SDK.get_or_init(find));
    match sdk {
        // SAFETY: the caller's arguments are passed on as they are to the function they were meant for.
        Some(sdk) => unsafe { sdk(name, version, instance, tables, num_tables) },
        None => 0,
    }
}

fn find() -> Option<SetApiTable> {
    match set_api_table(rocprofiler_set_api_table) {
        Ok(function) => Some(function),
        Err(error) => {
            host::say_aside(&format!("this process uses a GPU but is not traced: {error}"));
            None
        }
    }
}
