//! The simulated SDK for tests: where its library is, and its functions.

use std::ffi::{CString, c_char};
use std::path::PathBuf;

/// The shared library of a package of this workspace, which cargo has built for this test because the package is a
/// dev-dependency.
pub(crate) fn library(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows where it is");
    let deps = exe.parent().expect("a test lies in a directory");
    let file = format!("lib{name}.so");
    [deps.join(&file), deps.join("..").join(&file)]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{file} is neither in {} nor above", deps.display()))
}

/// The simulator's library.
pub(crate) fn simulator() -> PathBuf {
    library("rocprofiler_sdk_simulator")
}

/// The loaded simulator, through which a test plays the host.
pub(crate) struct Host(libloading::Library);

macro_rules! play {
    ($($name:ident: $symbol:literal ($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(#[allow(dead_code, reason = "not every test plays every part")]
        pub(crate) fn $name(&self $(, $argument: $type)*) -> $result {
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            // SAFETY: the simulator exports this function with this type, and only uses its arguments during the call.
            unsafe { self.0.get::<Function>($symbol).expect("the simulator has it")($($argument),*) }
        })*
    };
}

impl Host {
    /// Loads the simulator into this process.
    pub(crate) fn load() -> Self {
        // SAFETY: the simulator may be loaded anywhere.
        Self(unsafe { libloading::Library::new(simulator()) }.expect("the simulator can be loaded"))
    }

    /// See `sim_init`.
    pub(crate) fn init(&self, devices: i32, arch: &str) {
        let arch = CString::new(arch).expect("no NUL");
        assert_eq!(self.init_raw(devices, arch.as_ptr()), 0);
    }

    /// See `sim_module_load`.
    pub(crate) fn module_load(&self, names: &[&str]) -> i64 {
        let names = CString::new(names.join("\n")).expect("no NUL");
        self.module_load_raw(names.as_ptr())
    }

    /// See `sim_module_get_function`.
    pub(crate) fn function(&self, module: i64, name: &str) -> i64 {
        let name = CString::new(name).expect("no NUL");
        self.function_raw(module, name.as_ptr())
    }

    /// `roctxRangePushA`.
    pub(crate) fn push(&self, message: &str) {
        let message = CString::new(message).expect("no NUL");
        self.push_raw(message.as_ptr());
    }

    play! {
        init_raw: b"sim_init"(devices: i32, arch: *const c_char) -> i32;
        module_load_raw: b"sim_module_load"(names: *const c_char) -> i64;
        function_raw: b"sim_module_get_function"(module: i64, name: *const c_char) -> i64;
        push_raw: b"roctxRangePushA"(message: *const c_char) -> i32;
        pop: b"roctxRangePop"() -> i32;
        device_count: b"sim_get_device_count"() -> i32;
        device_properties: b"sim_get_device_properties"(device: i32) -> i32;
        set_device: b"sim_set_device"(device: i32) -> i32;
        module_unload: b"sim_module_unload"(module: i64) -> i32;
        stream_create: b"sim_stream_create"() -> i64;
        stream_destroy: b"sim_stream_destroy"(stream: i64) -> i32;
        launch: b"sim_launch"(kernel: i64, stream: i64, duration_ns: u64) -> i32;
        capture_begin: b"sim_capture_begin"(stream: i64) -> i32;
        capture_end: b"sim_capture_end"(stream: i64) -> i64;
        graph_instantiate: b"sim_graph_instantiate"(graph: i64) -> i64;
        graph_destroy: b"sim_graph_destroy"(graph: i64) -> i32;
        graph_exec_destroy: b"sim_graph_exec_destroy"(exec: i64) -> i32;
        graph_launch: b"sim_graph_launch"(exec: i64, stream: i64, durations_ns: *const u64, count: i32) -> i32;
        memcpy: b"sim_memcpy"(stream: i64, operation: i32, bytes: u64, duration_ns: u64) -> i32;
        synchronize: b"sim_device_synchronize"() -> i32;
        now: b"sim_now"() -> u64;
        finish: b"sim_finish"() -> ();
    }
}
