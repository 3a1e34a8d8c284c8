//! A tool that remembers what it was told, and a host to tell it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rocprofiler_sdk_simulator::api::context::{
    rocprofiler_configure_callback_tracing_service, rocprofiler_create_context,
    rocprofiler_push_external_correlation_id, rocprofiler_start_context,
};
use rocprofiler_sdk_simulator::api::{rocprofiler_force_configure, rocprofiler_get_status_name};
use rocprofiler_sdk_simulator::host::control::sim_init;
use rocprofiler_sdk_simulator::host::module::{sim_module_get_function, sim_module_load};
use rocprofiler_sdk_simulator::host::stream::{sim_device_synchronize, sim_stream_create};
use rocprofiler_sys::bindings as c;
use rocprofiler_sys::{KernelDispatch, KernelSymbol, Record, RecordV0, RecordV1, UserData};

const CODE_OBJECT: u32 = c::ROCPROFILER_CALLBACK_TRACING_CODE_OBJECT;
pub(crate) const KERNEL_DISPATCH: u32 = c::ROCPROFILER_CALLBACK_TRACING_KERNEL_DISPATCH;

/// What the tool was told, in words: `enter 1 ext 0`, `complete 1 ext 7 user 5`, `symbol gemm.kd`.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
static CONTEXTS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
/// Pushed as external correlation id within the ENTER callback, unless 0.
pub(crate) static PUSH_IN_ENTER: AtomicU64 = AtomicU64::new(0);

/// The threads on which completions came, with the dispatches, in the order of their coming.
pub(crate) static COMPLETIONS: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

pub(crate) fn tell(line: String) {
    TOLD.lock().expect("no panic in a callback").push(line);
}

/// The version that is played.
pub(crate) fn version() -> String {
    std::env::var("ROCPROFILER_SIM_VERSION").unwrap_or_default()
}

pub(crate) fn told() -> Vec<String> {
    let mut told = std::mem::take(&mut *TOLD.lock().expect("no panic in a callback"));
    told.retain(|line| !line.starts_with("symbol __amd"));
    told
}

pub(crate) fn context(which: usize) -> u64 {
    CONTEXTS[which].load(Ordering::Relaxed)
}

pub(crate) fn status_name(status: u32) -> String {
    let name = rocprofiler_get_status_name(status);
    // SAFETY: the name is a static C string.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned());
    name.unwrap_or_default().trim_start_matches("ROCPROFILER_STATUS_ERROR_").to_owned()
}

unsafe extern "C" fn on_dispatch<R: Record>(record: R, user_data: *mut UserData, _: *mut c_void) {
    // SAFETY: the callback is configured for dispatches, and the user data is the SDK's word for this one.
    let (dispatch, user) = unsafe { (record.payload::<KernelDispatch>().expect("a payload"), &mut (*user_data).value) };
    let (id, external) = (dispatch.dispatch_info.dispatch_id, record.external_correlation());
    match (record.operation(), record.phase()) {
        (1, 1) => {
            *user = 5;
            tell(format!("enter {id}"));
            let push = PUSH_IN_ENTER.load(Ordering::Relaxed);
            if push != 0 {
                rocprofiler_push_external_correlation_id(record.context(), record.thread_id(), push);
            }
        }
        (1, _) => {
            *user = 6;
            tell(format!("exit {id} ext {external}"));
        }
        _ => {
            let thread = rocprofiler_sdk_simulator::thread::gettid();
            COMPLETIONS.lock().expect("no panic in a callback").push((thread, id));
            tell(format!("complete {id} ext {external} user {user}"));
        }
    }
}

unsafe extern "C" fn on_symbol<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
    if record.operation() == 2 && record.phase() == 1 {
        // SAFETY: this is the operation of kernel symbols, and names are C strings.
        let name = unsafe { CStr::from_ptr(record.payload::<KernelSymbol>().expect("a payload").kernel_name) };
        tell(format!("symbol {}", name.to_string_lossy()));
    }
}

pub(crate) fn configure(context: u64, kind: u32) -> u32 {
    let is_v1 = version().starts_with('1');
    let callback = match (kind == CODE_OBJECT, is_v1) {
        (true, true) => on_symbol::<RecordV1> as *const c_void,
        (true, false) => on_symbol::<RecordV0> as *const c_void,
        (false, true) => on_dispatch::<RecordV1> as *const c_void,
        (false, false) => on_dispatch::<RecordV0> as *const c_void,
    };
    configure_with(context, kind, callback)
}

/// Configures a service for all operations of a kind, with a callback that must have the type of the kind and version.
pub(crate) fn configure_with(context: u64, kind: u32, callback: *const c_void) -> u32 {
    let (null, data) = (std::ptr::null(), std::ptr::null_mut());
    // SAFETY: the callback has the type that belongs to the kind and the version, and uses no data.
    unsafe { rocprofiler_configure_callback_tracing_service(context, kind, null, 0, callback, data) }
}

pub(crate) fn create() -> (u32, u64) {
    let mut handle = 0;
    // SAFETY: the handle outlives the call.
    (unsafe { rocprofiler_create_context(&mut handle) }, handle)
}

/// Two contexts with code objects and dispatches; only the first is started.
pub(crate) fn two_contexts() {
    for place in &CONTEXTS {
        let (status, handle) = create();
        assert_eq!(status, 0);
        place.store(handle, Ordering::Relaxed);
        assert_eq!(configure(handle, CODE_OBJECT), 0);
        assert_eq!(configure(handle, KERNEL_DISPATCH), 0);
    }
    assert_eq!(rocprofiler_start_context(context(0)), 0);
}

pub(crate) type Initialize = fn();
static INITIALIZE: Mutex<[Initialize; 2]> = Mutex::new([two_contexts; 2]);

/// The tool's, or the second tool's, `rocprofiler_configure`.
unsafe extern "C" fn on_configure<const TOOL: usize>(
    _: u32,
    _: *const c_char,
    _: u32,
    _: *mut c_void,
) -> *const c::rocprofiler_tool_configure_result_t {
    unsafe extern "C" fn on_initialize<const TOOL: usize>(
        _: c::rocprofiler_client_finalize_t,
        _: *mut c_void,
    ) -> c_int {
        let initialize = INITIALIZE.lock().expect("no panic")[TOOL];
        initialize();
        0
    }
    // Named, so that the functions of the two tools cannot be folded into one.
    tell(format!("configure {TOOL}"));
    Box::into_raw(Box::new(c::rocprofiler_tool_configure_result_t {
        size: size_of::<c::rocprofiler_tool_configure_result_t>(),
        initialize: Some(on_initialize::<TOOL>),
        finalize: None,
        tool_data: std::ptr::null_mut(),
    }))
}

/// Asks for the configuration of a tool that initialises in this way; answers with the status.
pub(crate) fn force<const TOOL: usize>(initialize: Initialize) -> u32 {
    INITIALIZE.lock().expect("no panic")[TOOL] = initialize;
    // SAFETY: the functions have the SDK's types.
    unsafe { rocprofiler_force_configure(Some(on_configure::<TOOL>)) }
}

/// Registers a tool that initialises in this way.
pub(crate) fn register(initialize: Initialize) {
    assert_eq!(force::<0>(initialize), 0);
    told();
}

/// A host with one module of these kernels and one stream; answers with the stream and the kernels.
pub(crate) fn host(names: &[&str]) -> (i64, Vec<i64>) {
    let c_string = |text: &str| CString::new(text).expect("no NUL");
    // SAFETY: the strings outlive the calls.
    unsafe {
        assert_eq!(sim_init(1, c_string("gfx942").as_ptr()), 0);
        let module = sim_module_load(c_string(&names.join("\n")).as_ptr());
        let kernels = names.iter().map(|name| sim_module_get_function(module, c_string(name).as_ptr())).collect();
        (sim_stream_create(), kernels)
    }
}

/// Waits until all that was traced has been reported.
pub(crate) fn settle() {
    sim_device_synchronize();
    rocprofiler_sdk_simulator::signal::drain();
}
