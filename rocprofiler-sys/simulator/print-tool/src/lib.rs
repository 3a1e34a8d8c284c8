//! A rocprofiler-sdk tool that does nothing but print each callback on stderr, one line each:
//!
//! ```text
//! [tool PID/TID PROGRAM] dispatch complete/none corr 2 ext 0 thread 7 dispatch_id 1 queue 1 agent 9 kernel 5 NAME start … end … dur …
//! ```
//!
//! Preloaded into the same program it shows what an SDK does, the real one or the simulator, in a form that can be
//! compared. `PRINT_TOOL` is a list of what to trace beside dispatches, code objects and MARKER_CORE_API: `range`
//! (MARKER_CORE_RANGE_API), `hip` (HIP_RUNTIME_API), `copy` (MEMORY_COPY); of what else to do: `buffered` (dispatches through
//! a buffer instead of callbacks), `external` (push an external correlation id at the EXIT of `roctxRangePushA`, pop it at
//! the ENTER of `roctxRangePop`), `quick` (interpose `_exit` and call the finalizer there), `count` (dispatches, markers and
//! HIP calls are counted and not printed: the least that a tool can do).

pub mod attach;
mod buffered;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Arguments;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rocprofiler_sys::bindings as c;
use rocprofiler_sys::{
    CodeObjectLoad, ContextId, KernelDispatch, KernelSymbol, Layout, MarkerApi, MemoryCopy, Record, RecordV0, RecordV1,
    Sdk, TracingCallback, UserData, Version,
};

static SDK: OnceLock<Sdk> = OnceLock::new();
static CONTEXT: OnceLock<ContextId> = OnceLock::new();
static NAMES: Mutex<Option<HashMap<u64, String>>> = Mutex::new(None);
static EXTERNAL: AtomicU64 = AtomicU64::new(0);
static COUNTS: [AtomicU64; 6] = [const { AtomicU64::new(0) }; 6];
const BUFFERED: usize = 3;
const MARKERS: usize = 4;
const HIP: usize = 5;
const COUNTED: [&str; 6] = ["dispatch enqueue-enter", "enqueue-exit", "complete", "buffered", "markers", "hip"];

fn print(line: Arguments<'_>) {
    let program = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    // SAFETY: gettid has no preconditions.
    let tid = unsafe { libc::gettid() };
    let text = format!("[tool {}/{tid} {}] {line}\n", std::process::id(), program.trim());
    // SAFETY: the buffer is valid for its length. One write a line, so that threads do not mix theirs.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

macro_rules! say {
    ($($argument:tt)*) => {
        $crate::print(format_args!($($argument)*))
    };
}
use say;

/// Whether what happens often is only counted.
fn only_counts() -> bool {
    static COUNTS_ONLY: OnceLock<bool> = OnceLock::new();
    *COUNTS_ONLY.get_or_init(|| wants("count"))
}

fn wants(option: &str) -> bool {
    std::env::var("PRINT_TOOL").is_ok_and(|options| options.split(',').any(|known| known == option))
}

#[ctor::ctor(unsafe)]
fn constructor() {
    say!("constructor");
}

/// Run by the loader when the library's time is over.
extern "C" fn destructor() {
    say!("destructor");
}

#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTOR: extern "C" fn() = destructor;

/// The SDK finds the tool by this name.
///
/// # Safety
/// To be called by rocprofiler-sdk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rocprofiler_configure(
    version: u32,
    runtime: *const c_char,
    priority: u32,
    client: *mut c_void,
) -> *mut c::rocprofiler_tool_configure_result_t {
    let layout = Version::from_number(version).layout();
    say!("rocprofiler_configure version {version} runtime '{}' priority {priority}", text(runtime));
    let Some(layout) = layout else { return std::ptr::null_mut() };
    // SAFETY: the SDK passes its client id, and the version says how that is laid out.
    unsafe { rocprofiler_sys::set_client_name(client, layout, c"print-tool") };
    let result = c::rocprofiler_tool_configure_result_t {
        size: size_of::<c::rocprofiler_tool_configure_result_t>(),
        initialize: Some(initialize),
        finalize: Some(finalize),
        tool_data: std::ptr::null_mut(),
    };
    CLIENT.get_or_init(|| {
        // SAFETY: the client's handle lies behind its name, at this offset of the version's client id.
        let handle = unsafe { client.cast::<u8>().add(if layout == Layout::V1 { 16 } else { 8 }).cast::<u32>().read() };
        Client { layout, handle, process: std::process::id() }
    });
    Box::into_raw(Box::new(result))
}

/// What the finalizer must be given, and in which process.
#[derive(Debug)]
struct Client {
    layout: Layout,
    handle: u32,
    process: u32,
}

static CLIENT: OnceLock<Client> = OnceLock::new();
static FINALIZER: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn initialize(finalizer: c::rocprofiler_client_finalize_t, _data: *mut c_void) -> c_int {
    say!("tool_init");
    FINALIZER.store(finalizer.map_or(0, |finalizer| finalizer as usize as u64), Ordering::Relaxed);
    if let Err(why) = configure() {
        say!("cannot initialize: {why}");
    }
    0
}

fn configure() -> Result<(), Box<dyn std::error::Error>> {
    let sdk = SDK.get_or_init(|| Sdk::in_process().unwrap_or_else(|why| panic!("{why}")));
    for agent in sdk.agents()? {
        let kind = if agent.agent_type == rocprofiler_sys::AgentType::Gpu { 2 } else { 1 };
        say!(
            "agent id {} type {kind} node {} logical {}/{} name {} product '{}' model '{}'",
            agent.id,
            agent.node_id,
            agent.logical_node_id,
            agent.logical_node_type_id,
            agent.name,
            agent.product_name,
            agent.model_name
        );
    }
    let context = sdk.create_context()?;
    CONTEXT.get_or_init(|| context);
    let kinds = [("CODE_OBJECT", ""), ("KERNEL_DISPATCH", ""), ("MARKER_CORE_API", "")].into_iter();
    let more = [("MARKER_CORE_RANGE_API", "range"), ("HIP_RUNTIME_API", "hip"), ("MEMORY_COPY", "copy")];
    let kinds = kinds.filter(|(name, _)| *name != "KERNEL_DISPATCH" || !wants("buffered"));
    if wants("buffered") {
        buffered::configure(context.handle())?;
    }
    for (name, _) in kinds.chain(more.into_iter().filter(|(_, option)| wants(option))) {
        let callback = match name {
            "CODE_OBJECT" => TracingCallback { v0: on_code_object::<RecordV0>, v1: on_code_object::<RecordV1> },
            "KERNEL_DISPATCH" => TracingCallback { v0: on_dispatch::<RecordV0>, v1: on_dispatch::<RecordV1> },
            "HIP_RUNTIME_API" => TracingCallback { v0: on_hip::<RecordV0>, v1: on_hip::<RecordV1> },
            "MEMORY_COPY" => TracingCallback { v0: on_copy::<RecordV0>, v1: on_copy::<RecordV1> },
            "MARKER_CORE_API" => TracingCallback { v0: on_marker::<RecordV0>, v1: on_marker::<RecordV1> },
            _ => TracingCallback { v0: on_range::<RecordV0>, v1: on_range::<RecordV1> },
        };
        let Some(kind) = sdk.callback_kind(name) else {
            say!("no kind {name}");
            continue;
        };
        // SAFETY: the callbacks live as long as the process, use statics only, and end the process if they panic.
        unsafe { sdk.configure_callback_tracing(context, kind, &[], callback, std::ptr::null_mut()) }?;
    }
    say!("context valid {}", i32::from(sdk.context_is_valid(context)?));
    sdk.start_context(context)?;
    Ok(())
}

unsafe extern "C" fn finalize(_data: *mut c_void) {
    say!("tool_fini: totals before flush: {}", totals());
    buffered::flush();
    say!("tool_fini: totals: {}", totals());
}

fn totals() -> String {
    let count = |(name, count): (&&str, &AtomicU64)| format!("{name} {}", count.load(Ordering::Relaxed));
    COUNTED.iter().zip(&COUNTS).map(count).collect::<Vec<_>>().join(" ")
}

/// The name of a kernel, as far as it is printed.
fn kernel_name(id: u64) -> String {
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let name = names.as_ref().and_then(|names| names.get(&id)).map_or("?", String::as_str);
    name.get(..40).unwrap_or(name).to_owned()
}

fn count(which: usize) {
    COUNTS[which].fetch_add(1, Ordering::Relaxed);
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the SDK passes C strings.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn phase<R: Record>(record: &R) -> &'static str {
    ["none", "enter", "exit"].get(record.phase() as usize).copied().unwrap_or("?")
}

unsafe extern "C" fn on_code_object<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    let load = record.phase() == 1;
    if record.operation() == 1 {
        // SAFETY: the callback is configured for code objects only, and this is the operation LOAD.
        let Some(object) = (unsafe { record.payload::<CodeObjectLoad>() }) else { return };
        let verb = if load { "load" } else { "unload" };
        say!("code object {verb} id {} uri {}", object.code_object_id, text(object.uri));
    } else if record.operation() == 2 {
        // SAFETY: as above; this is the operation of kernel symbols.
        let Some(symbol) = (unsafe { record.payload::<KernelSymbol>() }) else { return };
        if load {
            let name = text(symbol.kernel_name);
            say!("symbol id {} {name}", symbol.kernel_id);
            let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
            names.get_or_insert_default().insert(symbol.kernel_id, name);
        } else {
            say!("symbol unload id {}", symbol.kernel_id);
        }
    }
}

unsafe extern "C" fn on_dispatch<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    // SAFETY: the callback is configured for dispatches only.
    let Some(dispatch) = (unsafe { record.payload::<KernelDispatch>() }) else { return };
    let info = &dispatch.dispatch_info;
    let operation = if record.operation() == 1 { "enqueue" } else { "complete" };
    count(if operation == "complete" { 2 } else { record.phase() as usize - 1 });
    if only_counts() {
        return;
    }
    say!(
        "dispatch {operation}/{} corr {} ext {} thread {} dispatch_id {} queue {} agent {} kernel {} {} start {} end {} dur {}",
        phase(&record),
        record.internal_correlation(),
        record.external_correlation(),
        record.thread_id(),
        info.dispatch_id,
        info.queue_id.handle,
        info.agent_id.handle,
        info.kernel_id,
        kernel_name(info.kernel_id),
        dispatch.start_timestamp,
        dispatch.end_timestamp,
        dispatch.end_timestamp.wrapping_sub(dispatch.start_timestamp)
    );
}

fn operation_name(kind: &str, operation: i32) -> String {
    let named = || {
        let sdk = SDK.get()?;
        let operations = sdk.operations(sdk.callback_kind(kind)?).ok()?;
        operations.into_iter().find(|(known, _)| *known == operation).map(|(_, name)| name.to_owned())
    };
    named().unwrap_or_else(|| operation.to_string())
}

unsafe extern "C" fn on_marker<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    count(MARKERS);
    if only_counts() {
        return;
    }
    let operation = operation_name("MARKER_CORE_API", record.operation());
    // SAFETY: the callback is configured for markers only.
    let Some(marker) = (unsafe { record.payload::<MarkerApi>() }) else { return };
    let message = match operation.as_str() {
        // SAFETY: these calls have a message, which is the application's during the call.
        "roctxRangePushA" | "roctxMarkA" | "roctxRangeStartA" => text(unsafe { marker.args.roctxMarkA.message }),
        _ => String::new(),
    };
    let id = match operation.as_str() {
        // SAFETY: these calls have an id.
        "roctxRangeStop" => unsafe { marker.args.roctxRangeStop.id },
        _ => 0,
    };
    let (phase, correlation) = (record.phase(), record.internal_correlation());
    say!("marker MARKER_CORE_API {operation} phase {phase} corr {correlation} '{message}' id {id}");
    if let (true, Some(sdk), Some(context)) = (wants("external"), SDK.get(), CONTEXT.get()) {
        let outcome = match (operation.as_str(), phase) {
            ("roctxRangePushA", 2) => {
                let value = 1_002 + 4 * EXTERNAL.fetch_add(1, Ordering::Relaxed);
                sdk.push_external_correlation_id(*context, record.thread_id(), value)
            }
            ("roctxRangePop", 1) => sdk.pop_external_correlation_id(*context, record.thread_id()).map(|_| ()),
            _ => Ok(()),
        };
        if let Err(why) = outcome {
            say!("external correlation: {why}");
        }
    }
}

unsafe extern "C" fn on_range<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    count(MARKERS);
    let operation = operation_name("MARKER_CORE_RANGE_API", record.operation());
    let (phase, correlation) = (record.phase(), record.internal_correlation());
    say!("marker MARKER_CORE_RANGE_API {operation} phase {phase} corr {correlation} '' id 0");
}

unsafe extern "C" fn on_hip<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    count(HIP);
    if only_counts() {
        return;
    }
    let operation = operation_name("HIP_RUNTIME_API", record.operation());
    say!("hip {operation} phase {} corr {}", record.phase(), record.internal_correlation());
}

unsafe extern "C" fn on_copy<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    // SAFETY: the callback is configured for copies only.
    let Some(copy) = (unsafe { record.payload::<MemoryCopy>() }) else { return };
    say!(
        "copy {} phase {} corr {} ext {} thread {} bytes {} start {} end {}",
        record.operation(),
        record.phase(),
        record.internal_correlation(),
        record.external_correlation(),
        record.thread_id(),
        copy.bytes,
        copy.start_timestamp,
        copy.end_timestamp
    );
}

/// Interposed, so that a process that ends without exit handlers can be finalised too.
///
/// # Safety
/// As for `_exit`: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _exit(code: c_int) -> ! {
    let finalizer = FINALIZER.load(Ordering::Relaxed) as usize;
    if let (true, Some(client)) = (wants("quick") && finalizer != 0, CLIENT.get())
        && client.process == std::process::id()
    {
        say!("_exit({code}) interposed, finalizing");
        // SAFETY: the SDK gave this function, which takes a client id of the SDK's version.
        unsafe { call_finalizer(finalizer, client) };
        say!("finalized");
    }
    // SAFETY: the system call takes an exit code.
    unsafe { libc::syscall(libc::SYS_exit_group, code) };
    std::process::abort()
}

/// Calls the SDK's finalizer with the client id by value.
///
/// # Safety
/// `finalizer` must be the function that the SDK gave to `initialize`.
unsafe fn call_finalizer(finalizer: usize, client: &Client) {
    let (name, handle) = (c"print-tool".as_ptr(), client.handle);
    match client.layout {
        Layout::V0 => {
            // SAFETY: SDK 0.x takes a client id of 0.x.
            let call: unsafe extern "C" fn(c::rocprofiler_client_id_v0_t) = unsafe { std::mem::transmute(finalizer) };
            // SAFETY: as above.
            unsafe { call(c::rocprofiler_client_id_v0_t { name, handle }) }
        }
        Layout::V1 => {
            // SAFETY: SDK 1.x takes a client id of 1.x.
            let call: unsafe extern "C" fn(c::rocprofiler_client_id_v1_t) = unsafe { std::mem::transmute(finalizer) };
            let size = size_of::<c::rocprofiler_client_id_v1_t>();
            // SAFETY: as above.
            unsafe { call(c::rocprofiler_client_id_v1_t { size, name, handle }) }
        }
    }
}
