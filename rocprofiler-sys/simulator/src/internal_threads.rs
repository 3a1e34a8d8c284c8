//! Tools that want to know of threads that the SDK makes.

use std::ffi::c_void;
use std::sync::Mutex;

use crate::lock;

/// `rocprofiler_internal_thread_library_cb_t`.
pub type ThreadCallback = unsafe extern "C" fn(u32, *mut c_void);

#[derive(Clone, Copy)]
struct ThreadCallbacks {
    before: Option<ThreadCallback>,
    after: Option<ThreadCallback>,
    data: *mut c_void,
}

// SAFETY: the data is the tool's, which promised by registering it that any thread may hand it back.
unsafe impl Send for ThreadCallbacks {}

static THREAD_CALLBACKS: Mutex<Vec<ThreadCallbacks>> = Mutex::new(Vec::new());
const LIBRARY: u32 = 1;

/// A tool wants to know of threads that the SDK makes.
pub fn add_callbacks(before: Option<ThreadCallback>, after: Option<ThreadCallback>, data: *mut c_void) {
    lock(&THREAD_CALLBACKS).push(ThreadCallbacks { before, after, data });
}

/// Makes a thread of the SDK's, with the tools' callbacks around it.
pub fn around_creation(create: impl FnOnce()) {
    let callbacks: Vec<ThreadCallbacks> = lock(&THREAD_CALLBACKS).clone();
    let tell = |which: fn(&ThreadCallbacks) -> Option<ThreadCallback>| {
        for callbacks in &callbacks {
            if let Some(callback) = which(callbacks) {
                // SAFETY: the tool registered this function and its data.
                unsafe { callback(LIBRARY, callbacks.data) };
            }
        }
    };
    tell(|callbacks| callbacks.before);
    create();
    tell(|callbacks| callbacks.after);
}
