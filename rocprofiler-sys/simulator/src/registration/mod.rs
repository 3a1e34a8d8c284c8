//! How tools are found, initialised and finalised: rocprofiler-register and the SDK's registration in one.
//!
//! ```text
//!   constructor        hide what the version lacks, remember the loading thread
//!   first runtime use  find tools -> rocprofiler_configure of each -> initialize of each -> configuration locked
//!   later              a tool forces its configuration (late), or is attached (attach), where the version allows it
//!   exit               (atexit, or early by the finalizer) wait for all work -> UNLOADs -> finalize of each -> ledger
//! ```

pub mod attach;
mod begin;
mod clients;
mod end;
mod find;
mod late;

use std::ffi::{c_char, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use rocprofiler_sys::bindings as c;

pub use end::finish;
use find::{library_of, make_global, own_path, symbol};
pub use late::force;

use crate::{env_is_true, external, fatal, fault, thread};

/// `rocprofiler_configure_func_t`.
pub type Configure =
    unsafe extern "C" fn(u32, *const c_char, u32, *mut c_void) -> *const c::rocprofiler_tool_configure_result_t;

/// The state of initialisation, as the SDK reports it: 0 not yet, -1 in progress, 1 done.
static INITIALIZED: AtomicI32 = AtomicI32::new(0);
static FINALIZED: AtomicI32 = AtomicI32::new(0);
/// The client whose `initialize` runs.
static CURRENT_CLIENT: AtomicUsize = AtomicUsize::new(0);
/// The process that registered, 0 before.
static PROCESS: AtomicU64 = AtomicU64::new(0);
static GPU_USED: AtomicBool = AtomicBool::new(false);
static REGISTERING: AtomicU64 = AtomicU64::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);
static FORCED: Mutex<Option<Configure>> = Mutex::new(None);

/// -1 while tools initialise, 1 after that, 0 before.
pub fn initialized() -> i32 {
    INITIALIZED.load(Ordering::Acquire)
}

/// -1 while tools are finalised, 1 after that, 0 before.
pub fn finalized() -> i32 {
    FINALIZED.load(Ordering::Acquire)
}

/// The client that may configure at this moment.
pub fn current_client() -> usize {
    CURRENT_CLIENT.load(Ordering::Relaxed)
}

/// Whether calls of the calling thread are traced, if a context wants them: not after the end, and not while another thread
/// configures a second tool (see [`late`]).
pub fn is_tracing() -> bool {
    finalized() <= 0 && !late::is_rewrapping()
}

/// As [`is_tracing`], of calls that the SDK follows even where no context asks for them.
pub fn is_wrapped() -> bool {
    initialized() != 0 && is_tracing()
}

/// The host uses the GPU: a child forked from now on cannot.
pub fn note_gpu_use() {
    GPU_USED.store(true, Ordering::Relaxed);
}

/// Whether this process is a child forked after its parent used the GPU: HIP fails there.
pub fn is_orphan() -> bool {
    GPU_USED.load(Ordering::Relaxed) && PROCESS.load(Ordering::Relaxed) != thread::getpid()
}

#[ctor::ctor(unsafe)]
fn constructor() {
    external::set_default_thread(thread::gettid());
    crate::hide::hide_absent_functions();
    fault::init();
    if std::env::var_os("ROCPROFILER_SIM_LEDGER").is_some() {
        crate::ledger::keep(true);
    }
    crate::clock::set_realtime(env_is_true("ROCPROFILER_SIM_REALTIME"));
    if env_is_true("ROCPROFILER_LIBRARY_CTOR") {
        register();
    }
}

/// A runtime comes up in this process. The first call finds and initialises the tools; others wait for it, but for a nested
/// one on the same thread.
pub fn register() {
    once(|| {
        if is_wanted() {
            hand_over();
        }
    });
}

fn once(initialize: impl FnOnce()) {
    if REGISTERED.load(Ordering::Acquire) {
        return;
    }
    let own = thread::gettid();
    loop {
        match REGISTERING.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => break,
            Err(other) if other == own => return,
            Err(_) if REGISTERED.load(Ordering::Acquire) => return,
            Err(_) => std::thread::yield_now(),
        }
    }
    PROCESS.store(thread::getpid(), Ordering::Relaxed);
    // SAFETY: the handler is a plain function of this library, which is never unloaded.
    unsafe { libc::atexit(end::at_exit) };
    initialize();
    REGISTERED.store(true, Ordering::Release);
}

/// rocprofiler-register hands the runtime's tables to the SDK: to a `rocprofiler_set_api_table` that is visible already,
/// else to that of librocprofiler-sdk, which it loads. It ends the process if there is neither.
fn hand_over() {
    let is_missing = env_is_true("ROCPROFILER_SIM_MISSING");
    if !is_missing {
        make_global();
    }
    // SAFETY: the name is a C string; what it finds has the signature that rocprofiler-register demands of this name.
    let sdk = unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"rocprofiler_set_api_table".as_ptr());
        std::mem::transmute::<*mut c_void, Option<SetApiTable>>(found)
    };
    // The look-up from here finds our own even where nobody else would. Addresses would not tell: where a tool exports the
    // function too, our own name for it means the tool's.
    match sdk.filter(|sdk| !is_missing || library_of(*sdk as *const c_void) != own_path()) {
        // SAFETY: a name and no tables are arguments like any other.
        Some(sdk) => unsafe {
            sdk(c"hip".as_ptr(), 0, 0, std::ptr::null_mut(), 0);
        },
        None => fatal("rocprofiler_configure was found, but librocprofiler-sdk.so cannot be loaded"),
    }
}

type SetApiTable = unsafe extern "C" fn(*const c_char, u64, u64, *mut *mut c_void, u64) -> c_int;

/// The SDK's entry for runtimes: the first call initialises the tools.
///
/// # Safety
/// As in the SDK; nothing is read here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_set_api_table(
    _name: *const c_char,
    _version: u64,
    _instance: u64,
    _tables: *mut *mut c_void,
    _num_tables: u64,
) -> c_int {
    if INITIALIZED.load(Ordering::Acquire) == 0 {
        begin::initialize();
    }
    0
}

/// Whether rocprofiler-register would load the SDK at all.
fn is_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if std::env::var_os("ROCPROFILER_REGISTER_ENABLED").is_some() && !env_is_true("ROCPROFILER_REGISTER_ENABLED") {
        return false;
    }
    symbol(libc::RTLD_DEFAULT).is_some()
        || is_set("ROCP_TOOL_LIBRARIES")
        || is_set("ROCPROFILER_REGISTER_LIBRARY")
        || env_is_true("ROCPROFILER_REGISTER_FORCE_LOAD")
}
