//! The beginning of tools: who is found is asked, who has answered configures.

use std::sync::atomic::Ordering;

use rocprofiler_sys::bindings as c;

use super::clients::{CLIENTS, ask, count};
use super::find::find_clients;
use super::{CURRENT_CLIENT, INITIALIZED, end};
use crate::version::Version;
use crate::{context, interposition, lock};

/// Finds the tools and initialises them.
pub(super) fn initialize() {
    INITIALIZED.store(-1, Ordering::Release);
    for (priority, configure) in find_clients().into_iter().enumerate() {
        ask(configure, priority as u32);
    }
    for client in 0..count() {
        initialize_client(client);
    }
    context::publish();
    interposition::choose();
    if count() > 0 {
        // The SDK's second handler, when its threading starts: it runs before the first, and before the tools' own.
        // SAFETY: the handler is a plain function of this library, which is never unloaded.
        unsafe { libc::atexit(end::at_exit) };
    }
    INITIALIZED.store(1, Ordering::Release);
}

/// Calls a client's `initialize`, the time when it may configure.
pub(super) fn initialize_client(client: usize) {
    CURRENT_CLIENT.store(client, Ordering::Relaxed);
    let result = lock(&CLIENTS)[client].result;
    if let Some(initialize) = result.initialize {
        let finalizer: *const () =
            if Version::current().has_ancestor() { end::finalizer1 as *const () } else { end::finalizer0 as *const () };
        // SAFETY: the header leaves the type of the argument, which differs between versions, to the caller.
        let finalizer = unsafe { std::mem::transmute::<*const (), c::rocprofiler_client_finalize_t>(finalizer) };
        // SAFETY: the tool gave us this function; the finalizer has the type that belongs to the version.
        unsafe { initialize(finalizer, result.tool_data) };
    }
}
