//! The simulated SDK's library and its functions, for hosts in Rust. Tests that play a host include this file.

use std::ffi::{CString, c_char};
use std::path::PathBuf;

/// The shared library of a package of this workspace. Cargo has built it for tests and examples because the package is a
/// dev-dependency of theirs; the file lies among the dependencies.
pub(crate) fn library(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a program knows where it is");
    let directory = exe.parent().expect("a program lies in a directory");
    let file = format!("lib{name}.so");
    let places = [directory.to_owned(), directory.join("../deps"), directory.join("deps"), directory.join("..")];
    let found = places.iter().map(|place| place.join(&file)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{file} is in none of {places:?}: build the workspace"))
}

/// The simulator's library: what `PROFILE_DECODE_SIMULATOR` says, else the one built with this program.
pub(crate) fn simulator() -> PathBuf {
    let said = std::env::var_os("PROFILE_DECODE_SIMULATOR");
    said.map_or_else(|| library("rocprofiler_sdk_simulator"), PathBuf::from)
}

/// The loaded simulator, through which a program plays the host.
#[allow(dead_code, reason = "some tests only need to know where the library is")]
pub(crate) struct Host(libloading::Library);

macro_rules! play {
    ($($name:ident: $symbol:literal ($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(pub(crate) fn $name(&self $(, $argument: $type)*) -> $result {
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            // SAFETY: the simulator exports this function with this type, and only uses its arguments during the call.
            unsafe { self.0.get::<Function>($symbol).expect("the simulator has it")($($argument),*) }
        })*
    };
}

#[allow(dead_code, reason = "no program plays every part")]
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

    /// See `sim_write_ledger`.
    pub(crate) fn write_ledger(&self, path: &str) {
        let path = CString::new(path).expect("no NUL");
        assert_eq!(self.write_ledger_raw(path.as_ptr()), 0);
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
        graph_exec_update: b"sim_graph_exec_update"(exec: i64, graph: i64) -> i32;
        event_create: b"sim_event_create"(event: u64) -> i32;
        event_record: b"sim_event_record"(event: u64, stream: i64) -> i32;
        stream_wait_event: b"sim_stream_wait_event"(stream: i64, event: u64) -> i32;
        malloc: b"sim_malloc"(bytes: u64) -> i32;
        memset: b"sim_memset"(stream: i64, bytes: u64) -> i32;
        graph_exec_destroy: b"sim_graph_exec_destroy"(exec: i64) -> i32;
        graph_launch: b"sim_graph_launch"(exec: i64, stream: i64, durations_ns: *const u64, count: i32) -> i32;
        memcpy: b"sim_memcpy"(stream: i64, operation: i32, bytes: u64, duration_ns: u64) -> i32;
        synchronize: b"sim_device_synchronize"() -> i32;
        launch_collective: b"sim_launch_collective"(kernel: i64, stream: i64, duration_ns: u64, group: i64, ranks: i32) -> i32;
        stream_synchronize: b"sim_stream_synchronize"(stream: i64) -> i32;
        now: b"sim_now"() -> u64;
        thread_start: b"sim_thread_start"(time_ns: u64) -> ();
        work: b"sim_work"(work_ns: u64) -> ();
        realtime: b"sim_realtime"(realtime: i32) -> ();
        keep_ledger: b"sim_ledger"(keep: i32) -> ();
        finish: b"sim_finish"() -> ();
        write_ledger_raw: b"sim_write_ledger"(path: *const c_char) -> i32;
        gpu_faults_raw: b"sim_gpu_faults"(spec: *const c_char) -> i32;
    }
}
