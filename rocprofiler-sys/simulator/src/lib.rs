//! A stand-in for librocprofiler-sdk.

pub mod agent;
pub mod api;
pub mod buffer;
pub mod clock;
pub mod code_object;
pub mod context;
pub mod fault;
pub mod hide;
pub mod host;
pub mod ledger;
pub mod registration;
pub mod roctx;
pub mod signal;
pub mod thread;
pub mod timeline;
pub mod version;
pub mod work;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks, whatever happened to the previous holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Says something on stderr, if there is one.
pub(crate) fn complain(message: &str) {
    // One write a line, so that threads do not mix theirs.
    let _ = std::io::stderr().write_all(format!("rocprofiler-sdk simulator: {message}\n").as_bytes());
}

/// Ends the process as the real libraries do where they cannot go on.
pub(crate) fn fatal(message: &str) -> ! {
    complain(&format!("FATAL: {message}"));
    std::process::abort()
}

/// Overwrites a payload after its callback has returned.
pub(crate) fn scribble<T: Copy>(payload: &mut T) {
    // SAFETY: the payload is plain data that nobody reads as a `T` again; black_box keeps the writes.
    unsafe { std::ptr::write_bytes(std::ptr::from_mut(payload).cast::<u8>(), 0xdb, size_of::<T>()) };
    std::hint::black_box(payload);
}
