//! How tools are found, initialised and finalised: rocprofiler-register and the SDK's registration in one.
//!
//! ```text
//!   constructor        hide what the version lacks, remember the loading thread
//!   first runtime use  find tools -> rocprofiler_configure of each -> initialize of each -> configuration locked
//!   exit               (atexit, or early by the finalizer) wait for all work -> UNLOADs -> finalize of each -> ledger
//! ```

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use rocprofiler_sys::bindings as c;

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
    if is_wanted() {
        hand_over();
    }
    context::freeze();
    REGISTERED.store(true, Ordering::Release);
}

/// rocprofiler-register hands the runtime's tables to the SDK: to a `rocprofiler_set_api_table` that is visible already,
/// else to that of librocprofiler-sdk, which it loads. It ends the process if there is neither.
fn hand_over() {
    if !env_is_true("ROCPROFILER_SIM_MISSING") {
        make_global();
    }
    // SAFETY: the name is a C string; what it finds has the signature that rocprofiler-register demands of this name.
    let sdk = unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"rocprofiler_set_api_table".as_ptr());
        std::mem::transmute::<*mut c_void, Option<SetApiTable>>(found)
    };
    match sdk {
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
    register();
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
    INITIALIZED.store(1, Ordering::Release);
}

/// The clients in the SDK's order, unique by address.
fn find_clients() -> Vec<Configure> {
    let mut found: Vec<Configure> = Vec::new();
    let mut add = |configure: Option<Configure>| {
        if let Some(configure) = configure
            && !found.iter().any(|known| std::ptr::fn_addr_eq(*known, configure))
        {
            found.push(configure);
        }
    };
    add(*lock(&FORCED));
    for library in tool_libraries() {
        let name = CString::new(library.as_str()).unwrap_or_default();
        // SAFETY: loading a tool runs its constructors, which is what the variable asks for.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LOCAL | libc::RTLD_LAZY) };
        if handle.is_null() {
            fatal(&format!("ROCP_TOOL_LIBRARIES: cannot load {library}"));
        }
        match symbol(handle) {
            None if Version::current().has_ancestor() => complain(&format!("{library} has no rocprofiler_configure")),
            None => fatal(&format!("{library} has no rocprofiler_configure")),
            tool => add(tool),
        }
    }
    let default = symbol(libc::RTLD_DEFAULT);
    add(default);
    add(symbol(libc::RTLD_NEXT));
    if default.is_some() {
        for library in loaded_libraries() {
            // SAFETY: with RTLD_NOLOAD nothing is loaded; the handle is of a library that is there anyway.
            let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY) };
            if !handle.is_null() {
                add(symbol(handle));
            }
        }
    }
    found
}

/// The entries of ROCP_TOOL_LIBRARIES as the SDK's parser sees them: of `a.so:b.so` only those followed by a colon.
fn tool_libraries() -> Vec<String> {
    let list = std::env::var("ROCP_TOOL_LIBRARIES").unwrap_or_default();
    let mut entries: Vec<String> = list.split(':').map(str::to_owned).collect();
    if entries.len() > 1 {
        entries.pop();
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

fn symbol(handle: *mut c_void) -> Option<Configure> {
    // SAFETY: the name is a C string; what it finds has the signature that the SDK demands of this name.
    unsafe {
        let found = libc::dlsym(handle, c"rocprofiler_configure".as_ptr());
        std::mem::transmute::<*mut c_void, Option<Configure>>(found)
    }
}

fn loaded_libraries() -> Vec<CString> {
    unsafe extern "C" fn collect(info: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> c_int {
        // SAFETY: the loader gives a valid info, and `names` is the vector that `loaded_libraries` passed.
        let (info, names) = unsafe { (&*info, &mut *names.cast::<Vec<CString>>()) };
        if !info.dlpi_name.is_null() {
            // SAFETY: the loader's name is a C string that lives as long as the library.
            names.push(unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned());
        }
        0
    }
    let mut names: Vec<CString> = Vec::new();
    // SAFETY: `collect` has the signature that the call wants and only uses what it is given.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut names).cast()) };
    names.retain(|name| !name.is_empty());
    names
}

/// Makes our own symbols visible to `dlsym(RTLD_DEFAULT, ...)`, however the host loaded us.
fn make_global() {
    if let Some(path) = own_path() {
        // SAFETY: the library is loaded; RTLD_NOLOAD only changes its scope.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_GLOBAL | libc::RTLD_LAZY) };
    }
}

fn own_path() -> Option<&'static CStr> {
    // SAFETY: an all-zero Dl_info is valid for the call to fill in.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; the name found lives as long as the library.
    unsafe {
        let found = libc::dladdr(own_path as *const c_void, &mut info);
        (found != 0 && !info.dli_fname.is_null()).then(|| CStr::from_ptr(info.dli_fname))
    }
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
    let count = lock(&CLIENTS).len();
    if count == 1 {
        finalize(true);
    } else if let Some(client) = lock(&CLIENTS).iter().position(|client| client.handle == handle) {
        context::stop_all(Some(client));
        signal::drain();
        finish_client(client);
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
pub fn add_thread_callbacks(before: Option<ThreadCallback>, after: Option<ThreadCallback>, data: *mut c_void) {
    lock(&THREAD_CALLBACKS).push(ThreadCallbacks { before, after, data });
}

/// Makes a thread of the SDK's, with the tools' callbacks around it.
pub fn around_thread_creation(create: impl FnOnce()) {
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
