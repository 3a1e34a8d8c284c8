//! The tools that have answered.

use std::ffi::c_void;
use std::sync::Mutex;

use rocprofiler_sys::bindings as c;

use super::Configure;
use crate::version::{Version, static_c_str};
use crate::{fatal, lock};

#[derive(Debug)]
pub(super) struct Client {
    configure: Configure,
    pub(super) result: c::rocprofiler_tool_configure_result_t,
    pub(super) handle: u32,
    pub(super) finalized: bool,
}

// SAFETY: the pointers are the tool's, to be handed back to it from whichever thread initialises or exits.
unsafe impl Send for Client {}

pub(super) static CLIENTS: Mutex<Vec<Client>> = Mutex::new(Vec::new());

/// How many tools have answered.
pub(super) fn count() -> usize {
    lock(&CLIENTS).len()
}

/// Whether a tool was asked before, and answered.
pub(super) fn is_known(configure: Configure) -> bool {
    lock(&CLIENTS).iter().any(|client| std::ptr::fn_addr_eq(client.configure, configure))
}

/// Calls a tool's `rocprofiler_configure`; answers with the client that it becomes, or `None` if it has opted out.
pub(super) fn ask(configure: Configure, priority: u32) -> Option<usize> {
    let version = Version::current();
    let handle = priority + 1;
    let result = with_client_id(handle, |id| {
        // SAFETY: the tool exports this function with this signature; the id outlives the call and has the version's layout.
        let result = unsafe { configure(version.number(), static_c_str(&version.text()).as_ptr(), priority, id) };
        // SAFETY: the tool answers with null or with a result that is valid at least until it is called again.
        unsafe { result.as_ref() }.copied()
    })?;
    let mut clients = lock(&CLIENTS);
    clients.push(Client { configure, result, handle, finalized: false });
    Some(clients.len() - 1)
}

/// Lets a tool fill in its client id, in the version's layout, and checks that it wrote nothing but the name.
pub(super) fn with_client_id<T>(handle: u32, ask: impl FnOnce(*mut c_void) -> T) -> T {
    let size = size_of::<c::rocprofiler_client_id_v1_t>();
    let mut id0 = c::rocprofiler_client_id_v0_t { name: std::ptr::null(), handle };
    let mut id1 = c::rocprofiler_client_id_v1_t { size, name: std::ptr::null(), handle };
    let is_v1 = Version::current().has_ancestor();
    let answer = ask(if is_v1 { (&raw mut id1).cast() } else { (&raw mut id0).cast() });
    if id1.size != size || id0.handle != handle || id1.handle != handle {
        fatal("rocprofiler_configure wrote the client's name at the offset of another version");
    }
    answer
}
