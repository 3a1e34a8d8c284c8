//! The end of tools: by `atexit`, or early by the function that their `initialize` was given.

use std::sync::atomic::Ordering;

use rocprofiler_sys::bindings as c;

use super::clients::CLIENTS;
use super::{FINALIZED, PROCESS, initialized, is_orphan};
use crate::{code_object, complain, context, env_is_true, lock, signal, thread};

pub(super) unsafe extern "C" fn finalizer0(id: c::rocprofiler_client_id_v0_t) {
    finalize_client(id.handle);
}

pub(super) unsafe extern "C" fn finalizer1(id: c::rocprofiler_client_id_v1_t) {
    finalize_client(id.handle);
}

/// The tool asks for its end: of everything when it is the only one, else of itself.
fn finalize_client(handle: u32) {
    // The lock is not held any more when the client's own functions run.
    let (count, client) = {
        let clients = lock(&CLIENTS);
        (clients.len(), clients.iter().position(|client| client.handle == handle))
    };
    match client {
        Some(_) if count == 1 => finalize(true),
        Some(client) => {
            context::stop_all(Some(client));
            signal::finish();
            finish_client(client);
        }
        None => {}
    }
}

fn finish_client(index: usize) {
    let result = {
        let mut clients = lock(&CLIENTS);
        let client = &mut clients[index];
        if std::mem::replace(&mut client.finalized, true) {
            return;
        }
        client.result
    };
    if let Some(finalize) = result.finalize {
        // SAFETY: the tool gave us this function and its data.
        unsafe { finalize(result.tool_data) };
    }
}

/// Touches memory that is not there. (A raised SIGSEGV would not do: handlers that expect a fault return from it.)
fn crash() {
    // SAFETY: the page is new, and the process does not outlive the write to it.
    unsafe {
        let page =
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        page.cast::<u8>().write_volatile(0);
    }
}

/// The end as exit would bring it, now.
pub fn finish() {
    finalize(false);
}

pub(super) extern "C" fn at_exit() {
    if is_orphan() {
        // The child of a fork after GPU work crashes in the real SDK, on queues that it did not inherit.
        if !lock(&CLIENTS).is_empty() && !env_is_true("ROCPROFILER_SIM_FORK_IS_HARMLESS") {
            crash();
        }
        return;
    }
    finalize(false);
    if PROCESS.load(Ordering::Relaxed) == thread::getpid()
        && let Some(path) = std::env::var_os("ROCPROFILER_SIM_LEDGER")
        && let Err(why) = crate::ledger::write(std::path::Path::new(&path))
    {
        complain(&format!("cannot write the ledger {}: {why}", path.display()));
    }
}

/// The end of all clients, once. Whether it waits for work or abandons it is the path's affair, see [`crate::signal`].
///
/// Transcripts of the real SDK show UNLOADs of what is still loaded when the tool asks for the end early (youngest first),
/// or when the host has unloaded its own modules and only the runtime's are left (oldest first); a host that exits with
/// modules loaded gets none.
fn finalize(early: bool) {
    if initialized() != 1 || FINALIZED.compare_exchange(0, -1, Ordering::AcqRel, Ordering::Acquire).is_err() {
        return;
    }
    signal::finish();
    let mut left = code_object::loaded();
    if early {
        left.reverse();
    } else if left.iter().any(|(_, is_runtimes)| !is_runtimes) {
        left.clear();
    }
    for (id, _) in left {
        code_object::unload(id);
    }
    let count = lock(&CLIENTS).len();
    for client in 0..count {
        context::stop_all(Some(client));
        signal::finish();
        finish_client(client);
    }
    FINALIZED.store(1, Ordering::Release);
}
