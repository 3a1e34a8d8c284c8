//! Standing before the SDK, so that a process without one lives.
//!
//! Our exported `rocprofiler_configure` makes rocprofiler-register look for the SDK, and it aborts the program when there
//! is none. It takes a visible `rocprofiler_set_api_table` before it looks, so the library exports that too: the call
//! goes on to the SDK, and where there is none, it is said once and the program goes on without being traced.
//!
//! Looking for the SDK loads it, and the constructors that run then may register a runtime, on this thread or, with the
//! loader's lock in hand, on another. So nobody waits for whoever looks: each that comes before the answer is known looks
//! for itself, and finds the copy that the first has loaded.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rocprofiler_sys::gateway::{SetApiTable, set_api_table};

use crate::capture::{fence, host};

/// What the search for the SDK came to.
static FOUND: OnceLock<Option<SetApiTable>> = OnceLock::new();

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
    let sdk = FOUND.get().copied().unwrap_or_else(|| fence::guard("the search for the SDK", None, find));
    match sdk {
        // SAFETY: the caller's arguments are passed on as they are to the function they were meant for.
        Some(sdk) => unsafe { sdk(name, version, instance, tables, num_tables) },
        None => 0,
    }
}

fn find() -> Option<SetApiTable> {
    static SAID: AtomicBool = AtomicBool::new(false);
    let found = set_api_table(rocprofiler_set_api_table);
    if let Err(error) = &found
        && !SAID.swap(true, Ordering::Relaxed)
    {
        host::say_aside(&format!("this process uses a GPU but is not traced: {error}"));
    }
    let found = found.ok();
    // Whoever was first has the same answer.
    let _ = FOUND.set(found);
    found
}
