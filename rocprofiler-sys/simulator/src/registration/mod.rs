//! How tools are found, initialised and finalised: rocprofiler-register and the SDK's registration in one.
//!
//! ```text
//!   constructor        hide what the version lacks, remember the loading thread
//!   first runtime use  find tools -> rocprofiler_configure of each -> initialize of each -> configuration locked
//!   exit               (atexit, or early by the finalizer) wait for all work -> UNLOADs -> finalize of each -> ledger
//! ```

mod find;
mod threads;

use std::ffi::{c_char, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use rocprofiler_sys::bindings as c;

use find::{find_clients, library_of, make_global, own_path, symbol};
pub use threads::{ThreadCallback, add_thread_callbacks, around_thread_creation};

use crate::version::{Status, Version, static_c_str};
use crate::{code_object, complain, context, fatal, fault, lock, signal, thread};

/// `rocprofiler_configure_func_t`.
pub type Configure =
    unsafe extern "C" fn(u32, *const c_char, u32, *mut c_void) -> *const c::rocprofiler_tool_configure_result_t;

#[derive(Debug)]
struct Client {
    result: c::rocprofiler_tool_configure_result_t,
    handle: u32,
    finalized: bool,
}

// SAFETY: the pointers are the tool's, to be handed back to it from whichever thread initialises or exits.
unsafe impl Send for Client {}

/// The interval between initialisation states, as the SDK reports it: 0 not yet, -1 in progress, 1 done.
static INITIALIZED: AtomicI32 = AtomicI32::new(0);
static FINALIZED: AtomicI32 = AtomicI32::new(0);
static CLIENTS: Mutex<Vec<Client>> = Mutex::new(Vec::new());
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

/// Whether calls of the host are still traced.
pub fn is_tracing() -> bool {
    finalized() <= 0
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
    context::set_default_thread(thread::gettid());
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
    unsafe { libc::atexit(at_exit) };
    initialize();
    context::freeze();
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
        initialize();
    }
    0
}

/// Initialises now, with this tool first.
pub fn force(configure: Option<Configure>) -> Result<(), Status> {
    if initialized() != 0 || REGISTERED.load(Ordering::Acquire) {
        return Err(Status::ConfigurationLocked);
    }
    *lock(&FORCED) = configure;
    // SAFETY: the real SDK sets it, so that children load the SDK as well; tests that call this have one thread.
    unsafe { std::env::set_var("ROCPROFILER_REGISTER_FORCE_LOAD", "1") };
    make_global();
    once(initialize);
    Ok(())
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

fn initialize() {
    INITIALIZED.store(-1, Ordering::Release);
    let version = Version::current();
    let text = static_c_str(&version.text());
    for (priority, configure) in find_clients().into_iter().enumerate() {
        let handle = priority as u32 + 1;
        let mut id0 = c::rocprofiler_client_id_v0_t { name: std::ptr::null(), handle };
        let mut id1 = c::rocprofiler_client_id_v1_t {
            size: size_of::<c::rocprofiler_client_id_v1_t>(),
            name: std::ptr::null(),
            handle,
        };
        let id: *mut c_void = if version.has_ancestor() { (&raw mut id1).cast() } else { (&raw mut id0).cast() };
        // SAFETY: the tool exports this function with this signature; the id outlives the call and has the version's layout.
        let result = unsafe { configure(version.number(), text.as_ptr(), priority as u32, id) };
        // SAFETY: the tool answers with null or with a result that is valid at least until it is called again.
        let Some(result) = (unsafe { result.as_ref() }) else { continue };
        if id1.size != size_of::<c::rocprofiler_client_id_v1_t>() || id0.handle != handle || id1.handle != handle {
            fatal("rocprofiler_configure wrote the client's name at the offset of another version");
        }
        lock(&CLIENTS).push(Client { result: *result, handle, finalized: false });
    }
    let count = lock(&CLIENTS).len();
    for client in 0..count {
        CURRENT_CLIENT.store(client, Ordering::Relaxed);
        let result = lock(&CLIENTS)[client].result;
        if let Some(initialize) = result.initialize {
            let finalizer: *const () =
                if version.has_ancestor() { finalizer1 as *const () } else { finalizer0 as *const () };
            // SAFETY: the header leaves the type of the argument, which differs between versions, to the caller.
            let finalizer = unsafe { std::mem::transmute::<*const (), c::rocprofiler_client_finalize_t>(finalizer) };
            // SAFETY: the tool gave us this function; the finalizer has the type that belongs to the version.
            unsafe { initialize(finalizer, result.tool_data) };
        }
    }
    context::freeze();
    if count > 0 {
        // The SDK's second handler, when its threading starts: it runs before the first, and before the tools' own.
        // SAFETY: the handler is a plain function of this library, which is never unloaded.
        unsafe { libc::atexit(at_exit) };
    }
    INITIALIZED.store(1, Ordering::Release);
}

/// Whether an environment variable says yes.
pub fn env_is_true(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| {
        !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "off" | "no" | "n" | "f")
    })
}

unsafe extern "C" fn finalizer0(id: c::rocprofiler_client_id_v0_t) {
    finalize_client(id.handle);
}

unsafe extern "C" fn finalizer1(id: c::rocprofiler_client_id_v1_t) {
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
            signal::drain();
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

extern "C" fn at_exit() {
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

/// The end of all clients, once.
///
/// Transcripts of the real SDK show UNLOADs of what is still loaded when the tool asks for the end early (youngest first),
/// or when the host has unloaded its own modules and only the runtime's are left (oldest first); a host that exits with
/// modules loaded gets none.
fn finalize(early: bool) {
    if initialized() != 1 || FINALIZED.compare_exchange(0, -1, Ordering::AcqRel, Ordering::Acquire).is_err() {
        return;
    }
    signal::drain();
    let mut left = code_object::loaded();
    if early {
        left.reverse();
    } else if left.iter().any(|id| !crate::host::is_runtimes_own(*id)) {
        left.clear();
    }
    for id in left {
        code_object::unload(id);
    }
    let count = lock(&CLIENTS).len();
    for client in 0..count {
        context::stop_all(Some(client));
        signal::drain();
        finish_client(client);
    }
    FINALIZED.store(1, Ordering::Release);
}
