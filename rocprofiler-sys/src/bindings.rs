// Generated from include/rocprofiler_sdk_min.h by bindgen; see tests/bindings.rs for how.

pub const ROCPROFILER_STATUS_SUCCESS: rocprofiler_status_t = 0;
pub const ROCPROFILER_STATUS_ERROR: rocprofiler_status_t = 1;
pub const ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND: rocprofiler_status_t = 2;
pub const ROCPROFILER_STATUS_ERROR_BUFFER_NOT_FOUND: rocprofiler_status_t = 3;
pub const ROCPROFILER_STATUS_ERROR_KIND_NOT_FOUND: rocprofiler_status_t = 4;
pub const ROCPROFILER_STATUS_ERROR_OPERATION_NOT_FOUND: rocprofiler_status_t = 5;
pub const ROCPROFILER_STATUS_ERROR_THREAD_NOT_FOUND: rocprofiler_status_t = 6;
pub const ROCPROFILER_STATUS_ERROR_AGENT_NOT_FOUND: rocprofiler_status_t = 7;
pub const ROCPROFILER_STATUS_ERROR_COUNTER_NOT_FOUND: rocprofiler_status_t = 8;
pub const ROCPROFILER_STATUS_ERROR_CONTEXT_ERROR: rocprofiler_status_t = 9;
pub const ROCPROFILER_STATUS_ERROR_CONTEXT_INVALID: rocprofiler_status_t = 10;
pub const ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_STARTED: rocprofiler_status_t = 11;
pub const ROCPROFILER_STATUS_ERROR_CONTEXT_CONFLICT: rocprofiler_status_t = 12;
/** Result of nearly every call. Only zero is compared; `rocprofiler_get_status_name` puts the others into words.
 The values 0 to 12 mean the same in every version, those above moved by one between 0.4 and 0.5.*/
pub type rocprofiler_status_t = ::core::ffi::c_uint;
/// Nanoseconds of CLOCK_BOOTTIME.
pub type rocprofiler_timestamp_t = u64;
/// An operating system thread id, as of gettid.
pub type rocprofiler_thread_id_t = u64;
/// Index of an operation within its tracing kind.
pub type rocprofiler_tracing_operation_t = i32;
/// A device kernel symbol; 0 is a kernel object loaded before the SDK could see it. Never reused in a process.
pub type rocprofiler_kernel_id_t = u64;
/// Counts dispatches of the process from 1, in the order of enqueueing.
pub type rocprofiler_dispatch_id_t = u64;
/// A context: a set of services that starts and stops together. Must be 0 before `rocprofiler_create_context`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_context_id_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_context_id_t",
    ][::core::mem::size_of::<rocprofiler_context_id_t>() - 8usize];
    [
        "Alignment of rocprofiler_context_id_t",
    ][::core::mem::align_of::<rocprofiler_context_id_t>() - 8usize];
    [
        "Offset of field: rocprofiler_context_id_t::handle",
    ][::core::mem::offset_of!(rocprofiler_context_id_t, handle) - 0usize];
};
/// An agent (a CPU or GPU). The base differs from process to process.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_agent_id_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_agent_id_t",
    ][::core::mem::size_of::<rocprofiler_agent_id_t>() - 8usize];
    [
        "Alignment of rocprofiler_agent_id_t",
    ][::core::mem::align_of::<rocprofiler_agent_id_t>() - 8usize];
    [
        "Offset of field: rocprofiler_agent_id_t::handle",
    ][::core::mem::offset_of!(rocprofiler_agent_id_t, handle) - 0usize];
};
/// An HSA queue. HIP's internal queues take numbers as well.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_queue_id_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_queue_id_t",
    ][::core::mem::size_of::<rocprofiler_queue_id_t>() - 8usize];
    [
        "Alignment of rocprofiler_queue_id_t",
    ][::core::mem::align_of::<rocprofiler_queue_id_t>() - 8usize];
    [
        "Offset of field: rocprofiler_queue_id_t::handle",
    ][::core::mem::offset_of!(rocprofiler_queue_id_t, handle) - 0usize];
};
/// A value of the tool that the SDK carries along.
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_user_data_t {
    pub value: u64,
    pub ptr: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_user_data_t",
    ][::core::mem::size_of::<rocprofiler_user_data_t>() - 8usize];
    [
        "Alignment of rocprofiler_user_data_t",
    ][::core::mem::align_of::<rocprofiler_user_data_t>() - 8usize];
    [
        "Offset of field: rocprofiler_user_data_t::value",
    ][::core::mem::offset_of!(rocprofiler_user_data_t, value) - 0usize];
    [
        "Offset of field: rocprofiler_user_data_t::ptr",
    ][::core::mem::offset_of!(rocprofiler_user_data_t, ptr) - 0usize];
};
impl Default for rocprofiler_user_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// A device or host address (0.6+).
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_address_t {
    pub handle: u64,
    pub ptr: *const ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_address_t",
    ][::core::mem::size_of::<rocprofiler_address_t>() - 8usize];
    [
        "Alignment of rocprofiler_address_t",
    ][::core::mem::align_of::<rocprofiler_address_t>() - 8usize];
    [
        "Offset of field: rocprofiler_address_t::handle",
    ][::core::mem::offset_of!(rocprofiler_address_t, handle) - 0usize];
    [
        "Offset of field: rocprofiler_address_t::ptr",
    ][::core::mem::offset_of!(rocprofiler_address_t, ptr) - 0usize];
};
impl Default for rocprofiler_address_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Extent in three dimensions.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_dim3_t {
    pub x: u32,
    pub y: u32,
    pub z: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_dim3_t",
    ][::core::mem::size_of::<rocprofiler_dim3_t>() - 12usize];
    [
        "Alignment of rocprofiler_dim3_t",
    ][::core::mem::align_of::<rocprofiler_dim3_t>() - 4usize];
    [
        "Offset of field: rocprofiler_dim3_t::x",
    ][::core::mem::offset_of!(rocprofiler_dim3_t, x) - 0usize];
    [
        "Offset of field: rocprofiler_dim3_t::y",
    ][::core::mem::offset_of!(rocprofiler_dim3_t, y) - 4usize];
    [
        "Offset of field: rocprofiler_dim3_t::z",
    ][::core::mem::offset_of!(rocprofiler_dim3_t, z) - 8usize];
};
/// Correlation of a record with its cause, SDK 0.x.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_correlation_id_v0_t {
    /// Of the innermost traced operation on the thread, else a fresh one.
    pub internal: u64,
    /// What the tool pushed for the thread and context.
    pub external: rocprofiler_user_data_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_correlation_id_v0_t",
    ][::core::mem::size_of::<rocprofiler_correlation_id_v0_t>() - 16usize];
    [
        "Alignment of rocprofiler_correlation_id_v0_t",
    ][::core::mem::align_of::<rocprofiler_correlation_id_v0_t>() - 8usize];
    [
        "Offset of field: rocprofiler_correlation_id_v0_t::internal",
    ][::core::mem::offset_of!(rocprofiler_correlation_id_v0_t, internal) - 0usize];
    [
        "Offset of field: rocprofiler_correlation_id_v0_t::external",
    ][::core::mem::offset_of!(rocprofiler_correlation_id_v0_t, external) - 8usize];
};
impl Default for rocprofiler_correlation_id_v0_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Correlation of a record with its cause, SDK 1.x.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_correlation_id_v1_t {
    /// Of the innermost traced operation on the thread, else a fresh one.
    pub internal: u64,
    /// What the tool pushed for the thread and context.
    pub external: rocprofiler_user_data_t,
    /// `internal` of the enclosing operation, or 0.
    pub ancestor: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_correlation_id_v1_t",
    ][::core::mem::size_of::<rocprofiler_correlation_id_v1_t>() - 24usize];
    [
        "Alignment of rocprofiler_correlation_id_v1_t",
    ][::core::mem::align_of::<rocprofiler_correlation_id_v1_t>() - 8usize];
    [
        "Offset of field: rocprofiler_correlation_id_v1_t::internal",
    ][::core::mem::offset_of!(rocprofiler_correlation_id_v1_t, internal) - 0usize];
    [
        "Offset of field: rocprofiler_correlation_id_v1_t::external",
    ][::core::mem::offset_of!(rocprofiler_correlation_id_v1_t, external) - 8usize];
    [
        "Offset of field: rocprofiler_correlation_id_v1_t::ancestor",
    ][::core::mem::offset_of!(rocprofiler_correlation_id_v1_t, ancestor) - 16usize];
};
impl Default for rocprofiler_correlation_id_v1_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Each pointer may be NULL. Callable at any time.
pub type rocprofiler_get_version_fn = ::core::option::Option<
    unsafe extern "C" fn(
        major: *mut u32,
        minor: *mut u32,
        patch: *mut u32,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_get_timestamp_fn = ::core::option::Option<
    unsafe extern "C" fn(timestamp: *mut rocprofiler_timestamp_t) -> rocprofiler_status_t,
>;
pub type rocprofiler_get_thread_id_fn = ::core::option::Option<
    unsafe extern "C" fn(thread_id: *mut rocprofiler_thread_id_t) -> rocprofiler_status_t,
>;
/// A static string, or NULL for a value unknown to the library.
pub type rocprofiler_get_status_name_fn = ::core::option::Option<
    unsafe extern "C" fn(status: rocprofiler_status_t) -> *const ::core::ffi::c_char,
>;
/// A static sentence, or NULL for a value unknown to the library.
pub type rocprofiler_get_status_string_fn = ::core::option::Option<
    unsafe extern "C" fn(status: rocprofiler_status_t) -> *const ::core::ffi::c_char,
>;
/// 0 not yet, -1 while the tools' `initialize` run, 1 done.
pub type rocprofiler_is_initialized_fn = ::core::option::Option<
    unsafe extern "C" fn(state: *mut ::core::ffi::c_int) -> rocprofiler_status_t,
>;
/// 0 no, -1 finalizing, 1 done.
pub type rocprofiler_is_finalized_fn = ::core::option::Option<
    unsafe extern "C" fn(state: *mut ::core::ffi::c_int) -> rocprofiler_status_t,
>;
/// Names a tool to the SDK, 0.x: the tool writes `name`. Passed by value in two registers.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_client_id_v0_t {
    pub name: *const ::core::ffi::c_char,
    pub handle: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_client_id_v0_t",
    ][::core::mem::size_of::<rocprofiler_client_id_v0_t>() - 16usize];
    [
        "Alignment of rocprofiler_client_id_v0_t",
    ][::core::mem::align_of::<rocprofiler_client_id_v0_t>() - 8usize];
    [
        "Offset of field: rocprofiler_client_id_v0_t::name",
    ][::core::mem::offset_of!(rocprofiler_client_id_v0_t, name) - 0usize];
    [
        "Offset of field: rocprofiler_client_id_v0_t::handle",
    ][::core::mem::offset_of!(rocprofiler_client_id_v0_t, handle) - 8usize];
};
impl Default for rocprofiler_client_id_v0_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Names a tool to the SDK, 1.x: the tool writes `name`. Passed by value on the stack.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_client_id_v1_t {
    pub size: usize,
    pub name: *const ::core::ffi::c_char,
    pub handle: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_client_id_v1_t",
    ][::core::mem::size_of::<rocprofiler_client_id_v1_t>() - 24usize];
    [
        "Alignment of rocprofiler_client_id_v1_t",
    ][::core::mem::align_of::<rocprofiler_client_id_v1_t>() - 8usize];
    [
        "Offset of field: rocprofiler_client_id_v1_t::size",
    ][::core::mem::offset_of!(rocprofiler_client_id_v1_t, size) - 0usize];
    [
        "Offset of field: rocprofiler_client_id_v1_t::name",
    ][::core::mem::offset_of!(rocprofiler_client_id_v1_t, name) - 8usize];
    [
        "Offset of field: rocprofiler_client_id_v1_t::handle",
    ][::core::mem::offset_of!(rocprofiler_client_id_v1_t, handle) - 16usize];
};
impl Default for rocprofiler_client_id_v1_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Finalizes this client now; with a single client, the whole SDK.
pub type rocprofiler_client_finalize_v0_t = ::core::option::Option<
    unsafe extern "C" fn(client: rocprofiler_client_id_v0_t),
>;
/// Finalizes this client now; with a single client, the whole SDK.
pub type rocprofiler_client_finalize_v1_t = ::core::option::Option<
    unsafe extern "C" fn(client: rocprofiler_client_id_v1_t),
>;
/// Either of the two above: cast it to the one of the layout before calling it.
pub type rocprofiler_client_finalize_t = ::core::option::Option<unsafe extern "C" fn()>;
/// The only time at which contexts and services can be configured. The SDK ignores the value returned.
pub type rocprofiler_tool_initialize_t = ::core::option::Option<
    unsafe extern "C" fn(
        finalize: rocprofiler_client_finalize_t,
        tool_data: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int,
>;
/// Runs once, from the SDK's atexit handler; not at all if the process ends by _exit or a signal.
pub type rocprofiler_tool_finalize_t = ::core::option::Option<
    unsafe extern "C" fn(tool_data: *mut ::core::ffi::c_void),
>;
/// What a tool answers to `rocprofiler_configure`; the SDK copies it at once.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_tool_configure_result_t {
    /// sizeof this, 32.
    pub size: usize,
    pub initialize: rocprofiler_tool_initialize_t,
    pub finalize: rocprofiler_tool_finalize_t,
    pub tool_data: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_tool_configure_result_t",
    ][::core::mem::size_of::<rocprofiler_tool_configure_result_t>() - 32usize];
    [
        "Alignment of rocprofiler_tool_configure_result_t",
    ][::core::mem::align_of::<rocprofiler_tool_configure_result_t>() - 8usize];
    [
        "Offset of field: rocprofiler_tool_configure_result_t::size",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_result_t, size) - 0usize];
    [
        "Offset of field: rocprofiler_tool_configure_result_t::initialize",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_result_t, initialize) - 8usize];
    [
        "Offset of field: rocprofiler_tool_configure_result_t::finalize",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_result_t, finalize) - 16usize];
    [
        "Offset of field: rocprofiler_tool_configure_result_t::tool_data",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_result_t, tool_data) - 24usize];
};
impl Default for rocprofiler_tool_configure_result_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/** Exported by a tool under the name `rocprofiler_configure`. NULL declines. `client_id` points to a
 rocprofiler_client_id_v0_t or _v1_t, as `version` says.*/
pub type rocprofiler_configure_fn = ::core::option::Option<
    unsafe extern "C" fn(
        version: u32,
        runtime_version: *const ::core::ffi::c_char,
        priority: u32,
        client_id: *mut ::core::ffi::c_void,
    ) -> *mut rocprofiler_tool_configure_result_t,
>;
/// Asks to be detached; given to `tool_attach`. Only SDK 1.1 and later attach, so the client id has their layout.
pub type rocprofiler_client_detach_t = ::core::option::Option<
    unsafe extern "C" fn(client: rocprofiler_client_id_v1_t),
>;
/** A session begins: after `initialize` the first time, alone each time that the tool is attached again. `context_ids` are
 the tool's contexts.*/
pub type rocprofiler_tool_attach_t = ::core::option::Option<
    unsafe extern "C" fn(
        detach: rocprofiler_client_detach_t,
        context_ids: *mut rocprofiler_context_id_t,
        context_ids_length: u64,
        tool_data: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int,
>;
/// A session ends; the tool stays loaded and may be attached again.
pub type rocprofiler_tool_detach_t = ::core::option::Option<
    unsafe extern "C" fn(tool_data: *mut ::core::ffi::c_void),
>;
/// What a tool answers to `rocprofiler_configure_attach` (SDK 1.1 and later, experimental).
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_tool_configure_attach_result_t {
    /// sizeof this, 32.
    pub size: usize,
    pub tool_attach: rocprofiler_tool_attach_t,
    pub tool_detach: rocprofiler_tool_detach_t,
    pub tool_data: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_tool_configure_attach_result_t",
    ][::core::mem::size_of::<rocprofiler_tool_configure_attach_result_t>() - 32usize];
    [
        "Alignment of rocprofiler_tool_configure_attach_result_t",
    ][::core::mem::align_of::<rocprofiler_tool_configure_attach_result_t>() - 8usize];
    [
        "Offset of field: rocprofiler_tool_configure_attach_result_t::size",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_attach_result_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_tool_configure_attach_result_t::tool_attach",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_attach_result_t, tool_attach)
        - 8usize];
    [
        "Offset of field: rocprofiler_tool_configure_attach_result_t::tool_detach",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_attach_result_t, tool_detach)
        - 16usize];
    [
        "Offset of field: rocprofiler_tool_configure_attach_result_t::tool_data",
    ][::core::mem::offset_of!(rocprofiler_tool_configure_attach_result_t, tool_data)
        - 24usize];
};
impl Default for rocprofiler_tool_configure_attach_result_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/** Exported by a tool under the name `rocprofiler_configure_attach`, and called after `rocprofiler_configure` and before
 `initialize` where the tool is attached to a running process. The arguments are those of `rocprofiler_configure`.*/
pub type rocprofiler_configure_attach_fn = ::core::option::Option<
    unsafe extern "C" fn(
        version: u32,
        runtime_version: *const ::core::ffi::c_char,
        priority: u32,
        client_id: *mut ::core::ffi::c_void,
    ) -> *mut rocprofiler_tool_configure_attach_result_t,
>;
/** Exported by the SDK under the name `rocprofiler_set_api_table`, called by rocprofiler-register when a runtime
 initializes; the first call starts the SDK. `name` is hsa, hip, hip_compiler or roctx, among others.*/
pub type rocprofiler_set_api_table_fn = ::core::option::Option<
    unsafe extern "C" fn(
        name: *const ::core::ffi::c_char,
        version: u64,
        instance: u64,
        tables: *mut *mut ::core::ffi::c_void,
        num_tables: u64,
    ) -> ::core::ffi::c_int,
>;
/// Runs the whole initialization now, on this thread, if it has not begun.
pub type rocprofiler_force_configure_fn = ::core::option::Option<
    unsafe extern "C" fn(configure: rocprofiler_configure_fn) -> rocprofiler_status_t,
>;
pub const ROCPROFILER_LIBRARY: rocprofiler_runtime_library_t = 1;
pub const ROCPROFILER_HSA_LIBRARY: rocprofiler_runtime_library_t = 2;
pub const ROCPROFILER_HIP_LIBRARY: rocprofiler_runtime_library_t = 4;
pub const ROCPROFILER_MARKER_LIBRARY: rocprofiler_runtime_library_t = 8;
/// Bits that say on whose behalf a thread is created.
pub type rocprofiler_runtime_library_t = ::core::ffi::c_uint;
pub type rocprofiler_internal_thread_library_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        library: rocprofiler_runtime_library_t,
        data: *mut ::core::ffi::c_void,
    ),
>;
/// Both callbacks run on the thread that creates another one for the SDK. `libraries` 0 means all.
pub type rocprofiler_at_internal_thread_create_fn = ::core::option::Option<
    unsafe extern "C" fn(
        before: rocprofiler_internal_thread_library_cb_t,
        after: rocprofiler_internal_thread_library_cb_t,
        libraries: ::core::ffi::c_int,
        data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_create_context_fn = ::core::option::Option<
    unsafe extern "C" fn(context: *mut rocprofiler_context_id_t) -> rocprofiler_status_t,
>;
pub type rocprofiler_start_context_fn = ::core::option::Option<
    unsafe extern "C" fn(context: rocprofiler_context_id_t) -> rocprofiler_status_t,
>;
/// Also an error if the context is not active.
pub type rocprofiler_stop_context_fn = ::core::option::Option<
    unsafe extern "C" fn(context: rocprofiler_context_id_t) -> rocprofiler_status_t,
>;
pub type rocprofiler_context_is_active_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        active: *mut ::core::ffi::c_int,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_context_is_valid_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        valid: *mut ::core::ffi::c_int,
    ) -> rocprofiler_status_t,
>;
pub const ROCPROFILER_AGENT_TYPE_NONE: rocprofiler_agent_type_t = 0;
pub const ROCPROFILER_AGENT_TYPE_CPU: rocprofiler_agent_type_t = 1;
pub const ROCPROFILER_AGENT_TYPE_GPU: rocprofiler_agent_type_t = 2;
pub type rocprofiler_agent_type_t = ::core::ffi::c_uint;
pub const ROCPROFILER_AGENT_INFO_VERSION_0: rocprofiler_agent_version_t = 1;
pub type rocprofiler_agent_version_t = ::core::ffi::c_uint;
/** A CPU or GPU as the kernel driver's topology describes it: the 296 bytes that every version has. SDK 0.6 put
 `runtime_visibility` into the padding and appended a uuid, of 8 bytes (size 304) or later 16 (size 312 and more).*/
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_agent_v0_t {
    pub size: u64,
    pub id: rocprofiler_agent_id_t,
    pub type_: rocprofiler_agent_type_t,
    pub cpu_cores_count: u32,
    pub simd_count: u32,
    pub mem_banks_count: u32,
    pub caches_count: u32,
    pub io_links_count: u32,
    pub cpu_core_id_base: u32,
    pub simd_id_base: u32,
    pub max_waves_per_simd: u32,
    pub lds_size_in_kb: u32,
    pub gds_size_in_kb: u32,
    pub num_gws: u32,
    pub wave_front_size: u32,
    pub num_xcc: u32,
    pub cu_count: u32,
    pub array_count: u32,
    pub num_shader_banks: u32,
    pub simd_arrays_per_engine: u32,
    pub cu_per_simd_array: u32,
    pub simd_per_cu: u32,
    pub max_slots_scratch_cu: u32,
    /// Decimal: 90402 is gfx942, 90500 is gfx950.
    pub gfx_target_version: u32,
    pub vendor_id: u16,
    pub device_id: u16,
    pub location_id: u32,
    pub domain: u32,
    pub drm_render_minor: u32,
    pub num_sdma_engines: u32,
    pub num_sdma_xgmi_engines: u32,
    pub num_sdma_queues_per_engine: u32,
    pub num_cp_queues: u32,
    pub max_engine_clk_ccompute: u32,
    pub max_engine_clk_fcompute: u32,
    /// Bit fields of the driver, not taken apart here.
    pub sdma_fw_version: u32,
    pub fw_version: u32,
    pub capability: u32,
    pub cu_per_engine: u32,
    pub max_waves_per_cu: u32,
    pub family_id: u32,
    pub workgroup_max_size: u32,
    pub grid_max_size: u32,
    pub local_mem_size: u64,
    pub hive_id: u64,
    pub gpu_id: u64,
    pub workgroup_max_dim: rocprofiler_dim3_t,
    pub grid_max_dim: rocprofiler_dim3_t,
    pub mem_banks: *const ::core::ffi::c_void,
    pub caches: *const ::core::ffi::c_void,
    pub io_links: *const ::core::ffi::c_void,
    /// The instruction set for a GPU, such as gfx942.
    pub name: *const ::core::ffi::c_char,
    pub vendor_name: *const ::core::ffi::c_char,
    pub product_name: *const ::core::ffi::c_char,
    pub model_name: *const ::core::ffi::c_char,
    /// Of the kernel driver's topology, CPUs included.
    pub node_id: u32,
    /// Counts agents of all types from 0.
    pub logical_node_id: i32,
    /// Counts agents of its own type from 0.
    pub logical_node_type_id: i32,
    /// Padding up to SDK 0.5.
    pub runtime_visibility: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_agent_v0_t",
    ][::core::mem::size_of::<rocprofiler_agent_v0_t>() - 296usize];
    [
        "Alignment of rocprofiler_agent_v0_t",
    ][::core::mem::align_of::<rocprofiler_agent_v0_t>() - 8usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::size",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, size) - 0usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, id) - 8usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::type_",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, type_) - 16usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::cpu_cores_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, cpu_cores_count) - 20usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::simd_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, simd_count) - 24usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::mem_banks_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, mem_banks_count) - 28usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::caches_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, caches_count) - 32usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::io_links_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, io_links_count) - 36usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::cpu_core_id_base",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, cpu_core_id_base) - 40usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::simd_id_base",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, simd_id_base) - 44usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::max_waves_per_simd",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, max_waves_per_simd) - 48usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::lds_size_in_kb",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, lds_size_in_kb) - 52usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::gds_size_in_kb",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, gds_size_in_kb) - 56usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_gws",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_gws) - 60usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::wave_front_size",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, wave_front_size) - 64usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_xcc",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_xcc) - 68usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::cu_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, cu_count) - 72usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::array_count",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, array_count) - 76usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_shader_banks",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_shader_banks) - 80usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::simd_arrays_per_engine",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, simd_arrays_per_engine) - 84usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::cu_per_simd_array",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, cu_per_simd_array) - 88usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::simd_per_cu",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, simd_per_cu) - 92usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::max_slots_scratch_cu",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, max_slots_scratch_cu) - 96usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::gfx_target_version",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, gfx_target_version) - 100usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::vendor_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, vendor_id) - 104usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::device_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, device_id) - 106usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::location_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, location_id) - 108usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::domain",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, domain) - 112usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::drm_render_minor",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, drm_render_minor) - 116usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_sdma_engines",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_sdma_engines) - 120usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_sdma_xgmi_engines",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_sdma_xgmi_engines) - 124usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_sdma_queues_per_engine",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_sdma_queues_per_engine)
        - 128usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::num_cp_queues",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, num_cp_queues) - 132usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::max_engine_clk_ccompute",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, max_engine_clk_ccompute)
        - 136usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::max_engine_clk_fcompute",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, max_engine_clk_fcompute)
        - 140usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::sdma_fw_version",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, sdma_fw_version) - 144usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::fw_version",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, fw_version) - 148usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::capability",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, capability) - 152usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::cu_per_engine",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, cu_per_engine) - 156usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::max_waves_per_cu",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, max_waves_per_cu) - 160usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::family_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, family_id) - 164usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::workgroup_max_size",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, workgroup_max_size) - 168usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::grid_max_size",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, grid_max_size) - 172usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::local_mem_size",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, local_mem_size) - 176usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::hive_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, hive_id) - 184usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::gpu_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, gpu_id) - 192usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::workgroup_max_dim",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, workgroup_max_dim) - 200usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::grid_max_dim",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, grid_max_dim) - 212usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::mem_banks",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, mem_banks) - 224usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::caches",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, caches) - 232usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::io_links",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, io_links) - 240usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::name",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, name) - 248usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::vendor_name",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, vendor_name) - 256usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::product_name",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, product_name) - 264usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::model_name",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, model_name) - 272usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::node_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, node_id) - 280usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::logical_node_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, logical_node_id) - 284usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::logical_node_type_id",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, logical_node_type_id) - 288usize];
    [
        "Offset of field: rocprofiler_agent_v0_t::runtime_visibility",
    ][::core::mem::offset_of!(rocprofiler_agent_v0_t, runtime_visibility) - 292usize];
};
impl Default for rocprofiler_agent_v0_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// What it returns becomes the query's result. The agents stay valid until the tool is finalized.
pub type rocprofiler_query_available_agents_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        version: rocprofiler_agent_version_t,
        agents: *mut *const ::core::ffi::c_void,
        num_agents: usize,
        user_data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
/// Calls back before it returns. An `agent_size` above the library's own is refused: 296 is accepted by all.
pub type rocprofiler_query_available_agents_fn = ::core::option::Option<
    unsafe extern "C" fn(
        version: rocprofiler_agent_version_t,
        callback: rocprofiler_query_available_agents_cb_t,
        agent_size: usize,
        user_data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
pub const ROCPROFILER_CALLBACK_PHASE_NONE: rocprofiler_callback_phase_t = 0;
pub const ROCPROFILER_CALLBACK_PHASE_ENTER: rocprofiler_callback_phase_t = 1;
pub const ROCPROFILER_CALLBACK_PHASE_LOAD: rocprofiler_callback_phase_t = 1;
pub const ROCPROFILER_CALLBACK_PHASE_EXIT: rocprofiler_callback_phase_t = 2;
pub const ROCPROFILER_CALLBACK_PHASE_UNLOAD: rocprofiler_callback_phase_t = 2;
pub type rocprofiler_callback_phase_t = ::core::ffi::c_uint;
pub const ROCPROFILER_CALLBACK_TRACING_NONE: rocprofiler_callback_tracing_kind_t = 0;
pub const ROCPROFILER_CALLBACK_TRACING_HSA_CORE_API: rocprofiler_callback_tracing_kind_t = 1;
pub const ROCPROFILER_CALLBACK_TRACING_HSA_AMD_EXT_API: rocprofiler_callback_tracing_kind_t = 2;
pub const ROCPROFILER_CALLBACK_TRACING_HSA_IMAGE_EXT_API: rocprofiler_callback_tracing_kind_t = 3;
pub const ROCPROFILER_CALLBACK_TRACING_HSA_FINALIZE_EXT_API: rocprofiler_callback_tracing_kind_t = 4;
pub const ROCPROFILER_CALLBACK_TRACING_HIP_RUNTIME_API: rocprofiler_callback_tracing_kind_t = 5;
pub const ROCPROFILER_CALLBACK_TRACING_HIP_COMPILER_API: rocprofiler_callback_tracing_kind_t = 6;
pub const ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_API: rocprofiler_callback_tracing_kind_t = 7;
pub const ROCPROFILER_CALLBACK_TRACING_MARKER_CONTROL_API: rocprofiler_callback_tracing_kind_t = 8;
pub const ROCPROFILER_CALLBACK_TRACING_MARKER_NAME_API: rocprofiler_callback_tracing_kind_t = 9;
pub const ROCPROFILER_CALLBACK_TRACING_CODE_OBJECT: rocprofiler_callback_tracing_kind_t = 10;
pub const ROCPROFILER_CALLBACK_TRACING_SCRATCH_MEMORY: rocprofiler_callback_tracing_kind_t = 11;
pub const ROCPROFILER_CALLBACK_TRACING_KERNEL_DISPATCH: rocprofiler_callback_tracing_kind_t = 12;
pub const ROCPROFILER_CALLBACK_TRACING_MEMORY_COPY: rocprofiler_callback_tracing_kind_t = 13;
/// 0.5+
pub const ROCPROFILER_CALLBACK_TRACING_RCCL_API: rocprofiler_callback_tracing_kind_t = 14;
/// 0.6+
pub const ROCPROFILER_CALLBACK_TRACING_OMPT: rocprofiler_callback_tracing_kind_t = 15;
/// 0.6+
pub const ROCPROFILER_CALLBACK_TRACING_MEMORY_ALLOCATION: rocprofiler_callback_tracing_kind_t = 16;
/// 0.6+
pub const ROCPROFILER_CALLBACK_TRACING_RUNTIME_INITIALIZATION: rocprofiler_callback_tracing_kind_t = 17;
/// 0.6+
pub const ROCPROFILER_CALLBACK_TRACING_ROCDECODE_API: rocprofiler_callback_tracing_kind_t = 18;
/// 1.0+
pub const ROCPROFILER_CALLBACK_TRACING_ROCJPEG_API: rocprofiler_callback_tracing_kind_t = 19;
/// 1.0+
pub const ROCPROFILER_CALLBACK_TRACING_HIP_STREAM: rocprofiler_callback_tracing_kind_t = 20;
/// 1.0+
pub const ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_RANGE_API: rocprofiler_callback_tracing_kind_t = 21;
/** What can be traced. An older library lacks the higher ones, and being configured with a kind that it lacks ends
 the process: ask `rocprofiler_query_callback_tracing_kind_name` first.*/
pub type rocprofiler_callback_tracing_kind_t = ::core::ffi::c_uint;
/// What a tracing callback is given, SDK 0.x: 56 bytes, by value on the stack.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_record_v0_t {
    pub context_id: rocprofiler_context_id_t,
    /// The thread that caused it, whichever thread the callback runs on.
    pub thread_id: rocprofiler_thread_id_t,
    pub correlation_id: rocprofiler_correlation_id_v0_t,
    pub kind: rocprofiler_callback_tracing_kind_t,
    pub operation: rocprofiler_tracing_operation_t,
    pub phase: rocprofiler_callback_phase_t,
    /// The kind's data, valid during the callback only.
    pub payload: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_record_v0_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_record_v0_t>() - 56usize];
    [
        "Alignment of rocprofiler_callback_tracing_record_v0_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_record_v0_t>() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::context_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, context_id)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::thread_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, thread_id)
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::correlation_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, correlation_id)
        - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::kind",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, kind) - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::operation",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, operation)
        - 36usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::phase",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, phase)
        - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v0_t::payload",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v0_t, payload)
        - 48usize];
};
impl Default for rocprofiler_callback_tracing_record_v0_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// What a tracing callback is given, SDK 1.x: 64 bytes, by value on the stack.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_record_v1_t {
    pub context_id: rocprofiler_context_id_t,
    /// The thread that caused it, whichever thread the callback runs on.
    pub thread_id: rocprofiler_thread_id_t,
    pub correlation_id: rocprofiler_correlation_id_v1_t,
    pub kind: rocprofiler_callback_tracing_kind_t,
    pub operation: rocprofiler_tracing_operation_t,
    pub phase: rocprofiler_callback_phase_t,
    /// The kind's data, valid during the callback only.
    pub payload: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_record_v1_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_record_v1_t>() - 64usize];
    [
        "Alignment of rocprofiler_callback_tracing_record_v1_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_record_v1_t>() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::context_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, context_id)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::thread_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, thread_id)
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::correlation_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, correlation_id)
        - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::kind",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, kind) - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::operation",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, operation)
        - 44usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::phase",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, phase)
        - 48usize];
    [
        "Offset of field: rocprofiler_callback_tracing_record_v1_t::payload",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_record_v1_t, payload)
        - 56usize];
};
impl Default for rocprofiler_callback_tracing_record_v1_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// `user_data` lives as long as the operation: what ENTER writes, EXIT (and a dispatch's COMPLETE) reads.
pub type rocprofiler_callback_tracing_cb_v0_t = ::core::option::Option<
    unsafe extern "C" fn(
        record: rocprofiler_callback_tracing_record_v0_t,
        user_data: *mut rocprofiler_user_data_t,
        callback_data: *mut ::core::ffi::c_void,
    ),
>;
/// `user_data` lives as long as the operation: what ENTER writes, EXIT (and a dispatch's COMPLETE) reads.
pub type rocprofiler_callback_tracing_cb_v1_t = ::core::option::Option<
    unsafe extern "C" fn(
        record: rocprofiler_callback_tracing_record_v1_t,
        user_data: *mut rocprofiler_user_data_t,
        callback_data: *mut ::core::ffi::c_void,
    ),
>;
/// Either of the two above. The library calls it with the record of its own layout.
pub type rocprofiler_callback_tracing_cb_t = ::core::option::Option<
    unsafe extern "C" fn(),
>;
/// `operations` NULL means all. Once for each context and kind, and only during `initialize`.
pub type rocprofiler_configure_callback_tracing_service_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        kind: rocprofiler_callback_tracing_kind_t,
        operations: *const rocprofiler_tracing_operation_t,
        num_operations: usize,
        callback: rocprofiler_callback_tracing_cb_t,
        callback_data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
/// A static name without prefix, such as KERNEL_DISPATCH; an error for a kind that the library lacks.
pub type rocprofiler_query_callback_tracing_kind_name_fn = ::core::option::Option<
    unsafe extern "C" fn(
        kind: rocprofiler_callback_tracing_kind_t,
        name: *mut *const ::core::ffi::c_char,
        name_len: *mut u64,
    ) -> rocprofiler_status_t,
>;
/// A static name without prefix, such as hipGraphLaunch.
pub type rocprofiler_query_callback_tracing_kind_operation_name_fn = ::core::option::Option<
    unsafe extern "C" fn(
        kind: rocprofiler_callback_tracing_kind_t,
        operation: rocprofiler_tracing_operation_t,
        name: *mut *const ::core::ffi::c_char,
        name_len: *mut u64,
    ) -> rocprofiler_status_t,
>;
/// A non-zero return ends the iteration.
pub type rocprofiler_callback_tracing_kind_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        kind: rocprofiler_callback_tracing_kind_t,
        data: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int,
>;
/// A non-zero return ends the iteration.
pub type rocprofiler_callback_tracing_kind_operation_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        kind: rocprofiler_callback_tracing_kind_t,
        operation: rocprofiler_tracing_operation_t,
        data: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int,
>;
pub type rocprofiler_iterate_callback_tracing_kinds_fn = ::core::option::Option<
    unsafe extern "C" fn(
        callback: rocprofiler_callback_tracing_kind_cb_t,
        data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_iterate_callback_tracing_kind_operations_fn = ::core::option::Option<
    unsafe extern "C" fn(
        kind: rocprofiler_callback_tracing_kind_t,
        callback: rocprofiler_callback_tracing_kind_operation_cb_t,
        data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
pub const ROCPROFILER_CODE_OBJECT_LOAD: rocprofiler_code_object_operation_t = 1;
pub const ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER: rocprofiler_code_object_operation_t = 2;
/// Since 0.6; with phase LOAD only.
pub const ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER: rocprofiler_code_object_operation_t = 3;
/** Phase LOAD at hsa_executable_freeze, UNLOAD at its destruction and before tools are finalized. Only a context
 that is active at the freeze is told.*/
pub type rocprofiler_code_object_operation_t = ::core::ffi::c_uint;
pub const ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_NONE: rocprofiler_code_object_storage_type_t = 0;
pub const ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_FILE: rocprofiler_code_object_storage_type_t = 1;
pub const ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_MEMORY: rocprofiler_code_object_storage_type_t = 2;
pub type rocprofiler_code_object_storage_type_t = ::core::ffi::c_uint;
/// Payload of ROCPROFILER_CODE_OBJECT_LOAD, 88 bytes in every version.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_callback_tracing_code_object_load_data_t {
    pub size: u64,
    pub code_object_id: u64,
    pub agent_id: rocprofiler_agent_id_t,
    pub hsa_agent: u64,
    /// file:// or memory://
    pub uri: *const ::core::ffi::c_char,
    pub load_base: u64,
    pub load_size: u64,
    pub load_delta: i64,
    pub storage_type: rocprofiler_code_object_storage_type_t,
    /// For storage FILE the first 4 bytes are a file descriptor, not an address.
    pub memory_base: u64,
    pub memory_size: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_code_object_load_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_code_object_load_data_t>()
        - 88usize];
    [
        "Alignment of rocprofiler_callback_tracing_code_object_load_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_code_object_load_data_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_code_object_load_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::code_object_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, code_object_id
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::agent_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, agent_id
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::hsa_agent",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, hsa_agent
    ) - 24usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::uri",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_code_object_load_data_t, uri)
        - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::load_base",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, load_base
    ) - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::load_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, load_size
    ) - 48usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::load_delta",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, load_delta
    ) - 56usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::storage_type",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, storage_type
    ) - 64usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::memory_base",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, memory_base
    ) - 72usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_load_data_t::memory_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_load_data_t, memory_size
    ) - 80usize];
};
impl Default for rocprofiler_callback_tracing_code_object_load_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Payload of ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER: the 72 bytes that every version has.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t {
    pub size: u64,
    pub kernel_id: rocprofiler_kernel_id_t,
    pub code_object_id: u64,
    /// The symbol as it stands in the code object: mangled, with the suffix ".kd".
    pub kernel_name: *const ::core::ffi::c_char,
    pub kernel_object: u64,
    pub kernarg_segment_size: u32,
    pub kernarg_segment_alignment: u32,
    pub group_segment_size: u32,
    pub private_segment_size: u32,
    pub sgpr_count: u32,
    pub arch_vgpr_count: u32,
    pub accum_vgpr_count: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t",
    ][::core::mem::size_of::<
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
    >() - 72usize];
    [
        "Alignment of rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t",
    ][::core::mem::align_of::<
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
    >() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t, size
    ) - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::kernel_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t, kernel_id
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::code_object_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        code_object_id
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::kernel_name",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        kernel_name
    ) - 24usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::kernel_object",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        kernel_object
    ) - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::kernarg_segment_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        kernarg_segment_size
    ) - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::kernarg_segment_alignment",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        kernarg_segment_alignment
    ) - 44usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::group_segment_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        group_segment_size
    ) - 48usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::private_segment_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        private_segment_size
    ) - 52usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::sgpr_count",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        sgpr_count
    ) - 56usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::arch_vgpr_count",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        arch_vgpr_count
    ) - 60usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t::accum_vgpr_count",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t,
        accum_vgpr_count
    ) - 64usize];
};
impl Default for rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Payload of ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER: which kernel the host launches by which address.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t {
    pub size: u64,
    pub host_function_id: u64,
    pub kernel_id: u64,
    pub code_object_id: u64,
    /// The stub that a launch with <<<>>> passes to hipLaunchKernel.
    pub host_function: rocprofiler_address_t,
    pub modules: rocprofiler_address_t,
    pub device_function: *const ::core::ffi::c_char,
    pub thread_limit: u32,
    pub thread_ids: rocprofiler_dim3_t,
    pub block_ids: rocprofiler_dim3_t,
    pub block_dims: rocprofiler_dim3_t,
    pub grid_dims: rocprofiler_dim3_t,
    pub workgroup_size: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t",
    ][::core::mem::size_of::<
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
    >() - 120usize];
    [
        "Alignment of rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t",
    ][::core::mem::align_of::<
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
    >() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t, size
    ) - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::host_function_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        host_function_id
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::kernel_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        kernel_id
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::code_object_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        code_object_id
    ) - 24usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::host_function",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        host_function
    ) - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::modules",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        modules
    ) - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::device_function",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        device_function
    ) - 48usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::thread_limit",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        thread_limit
    ) - 56usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::thread_ids",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        thread_ids
    ) - 60usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::block_ids",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        block_ids
    ) - 72usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::block_dims",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        block_dims
    ) - 84usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::grid_dims",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        grid_dims
    ) - 96usize];
    [
        "Offset of field: rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t::workgroup_size",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t,
        workgroup_size
    ) - 112usize];
};
impl Default
for rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
pub const ROCPROFILER_KERNEL_DISPATCH_ENQUEUE: rocprofiler_kernel_dispatch_operation_t = 1;
pub const ROCPROFILER_KERNEL_DISPATCH_COMPLETE: rocprofiler_kernel_dispatch_operation_t = 2;
/** ENQUEUE comes with phases ENTER and EXIT on the launching thread, COMPLETE with phase NONE on a thread of the
 runtime, out of order, and is the only one with times.*/
pub type rocprofiler_kernel_dispatch_operation_t = ::core::ffi::c_uint;
/// One launch of a kernel. 128 bytes in every version; its `size` is 72, what is used of them.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_kernel_dispatch_info_t {
    pub size: u64,
    pub agent_id: rocprofiler_agent_id_t,
    pub queue_id: rocprofiler_queue_id_t,
    pub kernel_id: rocprofiler_kernel_id_t,
    pub dispatch_id: rocprofiler_dispatch_id_t,
    /// Bytes of scratch for each work-item.
    pub private_segment_size: u32,
    /// Bytes of LDS for each workgroup, dynamic ones included.
    pub group_segment_size: u32,
    /// In work-items.
    pub workgroup_size: rocprofiler_dim3_t,
    /// In work-items, not in workgroups.
    pub grid_size: rocprofiler_dim3_t,
    pub reserved_padding: [u8; 56usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_kernel_dispatch_info_t",
    ][::core::mem::size_of::<rocprofiler_kernel_dispatch_info_t>() - 128usize];
    [
        "Alignment of rocprofiler_kernel_dispatch_info_t",
    ][::core::mem::align_of::<rocprofiler_kernel_dispatch_info_t>() - 8usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::size",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, size) - 0usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::agent_id",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, agent_id) - 8usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::queue_id",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, queue_id) - 16usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::kernel_id",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, kernel_id) - 24usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::dispatch_id",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, dispatch_id)
        - 32usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::private_segment_size",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, private_segment_size)
        - 40usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::group_segment_size",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, group_segment_size)
        - 44usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::workgroup_size",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, workgroup_size)
        - 48usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::grid_size",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, grid_size) - 60usize];
    [
        "Offset of field: rocprofiler_kernel_dispatch_info_t::reserved_padding",
    ][::core::mem::offset_of!(rocprofiler_kernel_dispatch_info_t, reserved_padding)
        - 72usize];
};
impl Default for rocprofiler_kernel_dispatch_info_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Payload of KERNEL_DISPATCH: the 152 bytes that every version has.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_callback_tracing_kernel_dispatch_data_t {
    pub size: u64,
    /// 0 but for COMPLETE.
    pub start_timestamp: rocprofiler_timestamp_t,
    /// 0 but for COMPLETE.
    pub end_timestamp: rocprofiler_timestamp_t,
    pub dispatch_info: rocprofiler_kernel_dispatch_info_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_kernel_dispatch_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_kernel_dispatch_data_t>()
        - 152usize];
    [
        "Alignment of rocprofiler_callback_tracing_kernel_dispatch_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_kernel_dispatch_data_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_kernel_dispatch_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_kernel_dispatch_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_kernel_dispatch_data_t::start_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_kernel_dispatch_data_t, start_timestamp
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_kernel_dispatch_data_t::end_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_kernel_dispatch_data_t, end_timestamp
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_kernel_dispatch_data_t::dispatch_info",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_kernel_dispatch_data_t, dispatch_info
    ) - 24usize];
};
impl Default for rocprofiler_callback_tracing_kernel_dispatch_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
pub const ROCPROFILER_MEMORY_COPY_HOST_TO_HOST: rocprofiler_memory_copy_operation_t = 1;
pub const ROCPROFILER_MEMORY_COPY_HOST_TO_DEVICE: rocprofiler_memory_copy_operation_t = 2;
pub const ROCPROFILER_MEMORY_COPY_DEVICE_TO_HOST: rocprofiler_memory_copy_operation_t = 3;
pub const ROCPROFILER_MEMORY_COPY_DEVICE_TO_DEVICE: rocprofiler_memory_copy_operation_t = 4;
pub type rocprofiler_memory_copy_operation_t = ::core::ffi::c_uint;
/// Payload of MEMORY_COPY, SDK 0.x. Phase EXIT, on a thread of the runtime, has the times.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_callback_tracing_memory_copy_data_v0_t {
    pub size: u64,
    pub start_timestamp: rocprofiler_timestamp_t,
    pub end_timestamp: rocprofiler_timestamp_t,
    pub dst_agent_id: rocprofiler_agent_id_t,
    pub src_agent_id: rocprofiler_agent_id_t,
    pub bytes: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_memory_copy_data_v0_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_memory_copy_data_v0_t>()
        - 48usize];
    [
        "Alignment of rocprofiler_callback_tracing_memory_copy_data_v0_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_memory_copy_data_v0_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_memory_copy_data_v0_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::start_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v0_t, start_timestamp
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::end_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v0_t, end_timestamp
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::dst_agent_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v0_t, dst_agent_id
    ) - 24usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::src_agent_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v0_t, src_agent_id
    ) - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v0_t::bytes",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_memory_copy_data_v0_t, bytes)
        - 40usize];
};
/// Payload of MEMORY_COPY, SDK 1.x: the 48 bytes of 0.x and the addresses.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_memory_copy_data_v1_t {
    pub size: u64,
    pub start_timestamp: rocprofiler_timestamp_t,
    pub end_timestamp: rocprofiler_timestamp_t,
    pub dst_agent_id: rocprofiler_agent_id_t,
    pub src_agent_id: rocprofiler_agent_id_t,
    pub bytes: u64,
    pub dst_address: rocprofiler_address_t,
    pub src_address: rocprofiler_address_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_memory_copy_data_v1_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_memory_copy_data_v1_t>()
        - 64usize];
    [
        "Alignment of rocprofiler_callback_tracing_memory_copy_data_v1_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_memory_copy_data_v1_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_memory_copy_data_v1_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::start_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, start_timestamp
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::end_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, end_timestamp
    ) - 16usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::dst_agent_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, dst_agent_id
    ) - 24usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::src_agent_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, src_agent_id
    ) - 32usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::bytes",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_memory_copy_data_v1_t, bytes)
        - 40usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::dst_address",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, dst_address
    ) - 48usize];
    [
        "Offset of field: rocprofiler_callback_tracing_memory_copy_data_v1_t::src_address",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_memory_copy_data_v1_t, src_address
    ) - 56usize];
};
impl Default for rocprofiler_callback_tracing_memory_copy_data_v1_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// A range opened by roctxRangeStartA.
pub type roctx_range_id_t = u64;
/// A thread to pause or resume; 0 is all.
pub type roctx_thread_id_t = u64;
pub const ROCPROFILER_MARKER_CORE_API_ID_NONE: rocprofiler_marker_core_api_id_t = -1;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxMarkA: rocprofiler_marker_core_api_id_t = 0;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxRangePushA: rocprofiler_marker_core_api_id_t = 1;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxRangePop: rocprofiler_marker_core_api_id_t = 2;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxRangeStartA: rocprofiler_marker_core_api_id_t = 3;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxRangeStop: rocprofiler_marker_core_api_id_t = 4;
pub const ROCPROFILER_MARKER_CORE_API_ID_roctxGetThreadId: rocprofiler_marker_core_api_id_t = 5;
/// ENTER and EXIT bracket the call, not the range: push and pop are paired by the tool, per thread.
pub type rocprofiler_marker_core_api_id_t = ::core::ffi::c_int;
pub const ROCPROFILER_MARKER_CORE_RANGE_API_ID_NONE: rocprofiler_marker_core_range_api_id_t = -1;
pub const ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxMarkA: rocprofiler_marker_core_range_api_id_t = 0;
pub const ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxThreadRangeA: rocprofiler_marker_core_range_api_id_t = 1;
pub const ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxProcessRangeA: rocprofiler_marker_core_range_api_id_t = 2;
pub const ROCPROFILER_MARKER_CORE_RANGE_API_ID_roctxGetThreadId: rocprofiler_marker_core_range_api_id_t = 3;
/// 1.0+. ENTER at push or start, EXIT at pop or stop; an EXIT's message may dangle.
pub type rocprofiler_marker_core_range_api_id_t = ::core::ffi::c_int;
pub const ROCPROFILER_MARKER_CONTROL_API_ID_NONE: rocprofiler_marker_control_api_id_t = -1;
pub const ROCPROFILER_MARKER_CONTROL_API_ID_roctxProfilerPause: rocprofiler_marker_control_api_id_t = 0;
pub const ROCPROFILER_MARKER_CONTROL_API_ID_roctxProfilerResume: rocprofiler_marker_control_api_id_t = 1;
/// They do nothing by themselves: the tool stops and starts its context.
pub type rocprofiler_marker_control_api_id_t = ::core::ffi::c_int;
/// Arguments of the roctx calls that say something.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_marker_message_args_t {
    pub message: *const ::core::ffi::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_marker_message_args_t",
    ][::core::mem::size_of::<rocprofiler_marker_message_args_t>() - 8usize];
    [
        "Alignment of rocprofiler_marker_message_args_t",
    ][::core::mem::align_of::<rocprofiler_marker_message_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_marker_message_args_t::message",
    ][::core::mem::offset_of!(rocprofiler_marker_message_args_t, message) - 0usize];
};
impl Default for rocprofiler_marker_message_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Arguments of roctxRangeStop.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_marker_range_args_t {
    pub id: roctx_range_id_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_marker_range_args_t",
    ][::core::mem::size_of::<rocprofiler_marker_range_args_t>() - 8usize];
    [
        "Alignment of rocprofiler_marker_range_args_t",
    ][::core::mem::align_of::<rocprofiler_marker_range_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_marker_range_args_t::id",
    ][::core::mem::offset_of!(rocprofiler_marker_range_args_t, id) - 0usize];
};
/// Arguments of roctxProfilerPause and roctxProfilerResume.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_marker_thread_args_t {
    pub tid: roctx_thread_id_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_marker_thread_args_t",
    ][::core::mem::size_of::<rocprofiler_marker_thread_args_t>() - 8usize];
    [
        "Alignment of rocprofiler_marker_thread_args_t",
    ][::core::mem::align_of::<rocprofiler_marker_thread_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_marker_thread_args_t::tid",
    ][::core::mem::offset_of!(rocprofiler_marker_thread_args_t, tid) - 0usize];
};
/// Arguments of the roctx call. Strings belong to the application: copy them in the callback.
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_marker_api_args_t {
    pub roctxMarkA: rocprofiler_marker_message_args_t,
    pub roctxRangePushA: rocprofiler_marker_message_args_t,
    pub roctxRangeStartA: rocprofiler_marker_message_args_t,
    pub roctxRangeStop: rocprofiler_marker_range_args_t,
    pub roctxThreadRangeA: rocprofiler_marker_message_args_t,
    pub roctxProcessRangeA: rocprofiler_marker_message_args_t,
    pub roctxProfilerPause: rocprofiler_marker_thread_args_t,
    pub roctxProfilerResume: rocprofiler_marker_thread_args_t,
    pub words: [u64; 2usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_marker_api_args_t",
    ][::core::mem::size_of::<rocprofiler_marker_api_args_t>() - 16usize];
    [
        "Alignment of rocprofiler_marker_api_args_t",
    ][::core::mem::align_of::<rocprofiler_marker_api_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxMarkA",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxMarkA) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxRangePushA",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxRangePushA) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxRangeStartA",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxRangeStartA) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxRangeStop",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxRangeStop) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxThreadRangeA",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxThreadRangeA)
        - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxProcessRangeA",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxProcessRangeA)
        - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxProfilerPause",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxProfilerPause)
        - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::roctxProfilerResume",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, roctxProfilerResume)
        - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_args_t::words",
    ][::core::mem::offset_of!(rocprofiler_marker_api_args_t, words) - 0usize];
};
impl Default for rocprofiler_marker_api_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// What the roctx call returns, in EXIT: the nesting level of push and pop (-1 for a pop too many), the id of start.
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_marker_api_retval_t {
    pub int32_t_retval: i32,
    pub int64_t_retval: i64,
    pub roctx_range_id_t_retval: roctx_range_id_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_marker_api_retval_t",
    ][::core::mem::size_of::<rocprofiler_marker_api_retval_t>() - 8usize];
    [
        "Alignment of rocprofiler_marker_api_retval_t",
    ][::core::mem::align_of::<rocprofiler_marker_api_retval_t>() - 8usize];
    [
        "Offset of field: rocprofiler_marker_api_retval_t::int32_t_retval",
    ][::core::mem::offset_of!(rocprofiler_marker_api_retval_t, int32_t_retval) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_retval_t::int64_t_retval",
    ][::core::mem::offset_of!(rocprofiler_marker_api_retval_t, int64_t_retval) - 0usize];
    [
        "Offset of field: rocprofiler_marker_api_retval_t::roctx_range_id_t_retval",
    ][::core::mem::offset_of!(rocprofiler_marker_api_retval_t, roctx_range_id_t_retval)
        - 0usize];
};
impl Default for rocprofiler_marker_api_retval_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Payload of the MARKER kinds, 32 bytes in every version.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_marker_api_data_t {
    pub size: u64,
    pub args: rocprofiler_marker_api_args_t,
    pub retval: rocprofiler_marker_api_retval_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_marker_api_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_marker_api_data_t>()
        - 32usize];
    [
        "Alignment of rocprofiler_callback_tracing_marker_api_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_marker_api_data_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_marker_api_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_marker_api_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_marker_api_data_t::args",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_marker_api_data_t, args)
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_marker_api_data_t::retval",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_marker_api_data_t, retval)
        - 24usize];
};
impl Default for rocprofiler_callback_tracing_marker_api_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ihipStream_t {
    _unused: [u8; 0],
}
pub type hipStream_t = *mut ihipStream_t;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ihipGraph {
    _unused: [u8; 0],
}
pub type hipGraph_t = *mut ihipGraph;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct hipGraphExec {
    _unused: [u8; 0],
}
pub type hipGraphExec_t = *mut hipGraphExec;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_NONE: rocprofiler_hip_runtime_api_id_t = -1;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipExtLaunchKernel: rocprofiler_hip_runtime_api_id_t = 84;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphExecDestroy: rocprofiler_hip_runtime_api_id_t = 143;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiate: rocprofiler_hip_runtime_api_id_t = 159;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiateWithFlags: rocprofiler_hip_runtime_api_id_t = 160;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphLaunch: rocprofiler_hip_runtime_api_id_t = 166;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipLaunchKernel: rocprofiler_hip_runtime_api_id_t = 214;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipMemcpyAsync: rocprofiler_hip_runtime_api_id_t = 268;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipModuleLaunchKernel: rocprofiler_hip_runtime_api_id_t = 308;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipStreamBeginCapture: rocprofiler_hip_runtime_api_id_t = 333;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipStreamEndCapture: rocprofiler_hip_runtime_api_id_t = 338;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipExtModuleLaunchKernel: rocprofiler_hip_runtime_api_id_t = 388;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphLaunch_spt: rocprofiler_hip_runtime_api_id_t = 420;
pub const ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphInstantiateWithParams: rocprofiler_hip_runtime_api_id_t = 438;
/// The HIP calls that bear on launches. Their numbers are the same from 0.4 to 1.3; there are hundreds of others.
pub type rocprofiler_hip_runtime_api_id_t = ::core::ffi::c_int;
/// Arguments of hipGraphLaunch and hipGraphLaunch_spt.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_hip_graph_launch_args_t {
    pub graphExec: hipGraphExec_t,
    pub stream: hipStream_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_hip_graph_launch_args_t",
    ][::core::mem::size_of::<rocprofiler_hip_graph_launch_args_t>() - 16usize];
    [
        "Alignment of rocprofiler_hip_graph_launch_args_t",
    ][::core::mem::align_of::<rocprofiler_hip_graph_launch_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_hip_graph_launch_args_t::graphExec",
    ][::core::mem::offset_of!(rocprofiler_hip_graph_launch_args_t, graphExec) - 0usize];
    [
        "Offset of field: rocprofiler_hip_graph_launch_args_t::stream",
    ][::core::mem::offset_of!(rocprofiler_hip_graph_launch_args_t, stream) - 8usize];
};
impl Default for rocprofiler_hip_graph_launch_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// What the arguments of hipGraphInstantiate, ...WithFlags and ...WithParams begin with. At EXIT `*pGraphExec` is set.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_hip_graph_instantiate_args_t {
    pub pGraphExec: *mut hipGraphExec_t,
    pub graph: hipGraph_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_hip_graph_instantiate_args_t",
    ][::core::mem::size_of::<rocprofiler_hip_graph_instantiate_args_t>() - 16usize];
    [
        "Alignment of rocprofiler_hip_graph_instantiate_args_t",
    ][::core::mem::align_of::<rocprofiler_hip_graph_instantiate_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_hip_graph_instantiate_args_t::pGraphExec",
    ][::core::mem::offset_of!(rocprofiler_hip_graph_instantiate_args_t, pGraphExec)
        - 0usize];
    [
        "Offset of field: rocprofiler_hip_graph_instantiate_args_t::graph",
    ][::core::mem::offset_of!(rocprofiler_hip_graph_instantiate_args_t, graph) - 8usize];
};
impl Default for rocprofiler_hip_graph_instantiate_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Arguments of hipGraphExecDestroy.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_hip_graph_exec_destroy_args_t {
    pub graphExec: hipGraphExec_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_hip_graph_exec_destroy_args_t",
    ][::core::mem::size_of::<rocprofiler_hip_graph_exec_destroy_args_t>() - 8usize];
    [
        "Alignment of rocprofiler_hip_graph_exec_destroy_args_t",
    ][::core::mem::align_of::<rocprofiler_hip_graph_exec_destroy_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_hip_graph_exec_destroy_args_t::graphExec",
    ][::core::mem::offset_of!(rocprofiler_hip_graph_exec_destroy_args_t, graphExec)
        - 0usize];
};
impl Default for rocprofiler_hip_graph_exec_destroy_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Arguments of the HIP call, for the calls on graphs. 88 bytes in every version.
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_hip_api_args_t {
    pub hipGraphLaunch: rocprofiler_hip_graph_launch_args_t,
    pub hipGraphLaunch_spt: rocprofiler_hip_graph_launch_args_t,
    pub hipGraphInstantiate: rocprofiler_hip_graph_instantiate_args_t,
    pub hipGraphInstantiateWithFlags: rocprofiler_hip_graph_instantiate_args_t,
    pub hipGraphInstantiateWithParams: rocprofiler_hip_graph_instantiate_args_t,
    pub hipGraphExecDestroy: rocprofiler_hip_graph_exec_destroy_args_t,
    pub words: [u64; 11usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_hip_api_args_t",
    ][::core::mem::size_of::<rocprofiler_hip_api_args_t>() - 88usize];
    [
        "Alignment of rocprofiler_hip_api_args_t",
    ][::core::mem::align_of::<rocprofiler_hip_api_args_t>() - 8usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphLaunch",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphLaunch) - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphLaunch_spt",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphLaunch_spt) - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphInstantiate",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphInstantiate) - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphInstantiateWithFlags",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphInstantiateWithFlags)
        - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphInstantiateWithParams",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphInstantiateWithParams)
        - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::hipGraphExecDestroy",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, hipGraphExecDestroy) - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_args_t::words",
    ][::core::mem::offset_of!(rocprofiler_hip_api_args_t, words) - 0usize];
};
impl Default for rocprofiler_hip_api_args_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// What the HIP call returns, in EXIT.
#[repr(C)]
#[derive(Copy, Clone)]
pub union rocprofiler_hip_api_retval_t {
    /// A hipError_t.
    pub int_retval: ::core::ffi::c_int,
    pub words: [u64; 3usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_hip_api_retval_t",
    ][::core::mem::size_of::<rocprofiler_hip_api_retval_t>() - 24usize];
    [
        "Alignment of rocprofiler_hip_api_retval_t",
    ][::core::mem::align_of::<rocprofiler_hip_api_retval_t>() - 8usize];
    [
        "Offset of field: rocprofiler_hip_api_retval_t::int_retval",
    ][::core::mem::offset_of!(rocprofiler_hip_api_retval_t, int_retval) - 0usize];
    [
        "Offset of field: rocprofiler_hip_api_retval_t::words",
    ][::core::mem::offset_of!(rocprofiler_hip_api_retval_t, words) - 0usize];
};
impl Default for rocprofiler_hip_api_retval_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Payload of HIP_RUNTIME_API, 120 bytes in every version.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_hip_api_data_t {
    pub size: u64,
    pub args: rocprofiler_hip_api_args_t,
    pub retval: rocprofiler_hip_api_retval_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_hip_api_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_hip_api_data_t>() - 120usize];
    [
        "Alignment of rocprofiler_callback_tracing_hip_api_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_hip_api_data_t>() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_api_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_api_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_api_data_t::args",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_api_data_t, args)
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_api_data_t::retval",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_api_data_t, retval)
        - 96usize];
};
impl Default for rocprofiler_callback_tracing_hip_api_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
pub const ROCPROFILER_HIP_GRAPH_OPERATION_NONE: rocprofiler_hip_graph_operation_t = 0;
pub const ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_CREATE: rocprofiler_hip_graph_operation_t = 1;
pub const ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_DESTROY: rocprofiler_hip_graph_operation_t = 2;
pub const ROCPROFILER_HIP_GRAPH_OPERATION_EXEC_LAUNCH: rocprofiler_hip_graph_operation_t = 3;
/** CREATE after an instantiation and DESTROY after a destruction, both of phase NONE; LAUNCH around a launch, within the
 HIP call, on its thread and with its correlation id.*/
pub type rocprofiler_hip_graph_operation_t = ::core::ffi::c_uint;
/** Payload. The id counts from 1 in the process and names one executable graph for its life, which the pointer does not:
 HIP gives it to another graph later. An update in place keeps both. No dispatch carries the id.*/
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_hip_graph_data_t {
    pub size: u64,
    pub graph_exec_id: u64,
    pub graph_exec_value: rocprofiler_address_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_hip_graph_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_hip_graph_data_t>() - 24usize];
    [
        "Alignment of rocprofiler_callback_tracing_hip_graph_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_hip_graph_data_t>() - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_graph_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_graph_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_graph_data_t::graph_exec_id",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_hip_graph_data_t, graph_exec_id
    ) - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_graph_data_t::graph_exec_value",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_hip_graph_data_t, graph_exec_value
    ) - 16usize];
};
impl Default for rocprofiler_callback_tracing_hip_graph_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// A HIP stream; 0 is the default one.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_stream_id_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_stream_id_t",
    ][::core::mem::size_of::<rocprofiler_stream_id_t>() - 8usize];
    [
        "Alignment of rocprofiler_stream_id_t",
    ][::core::mem::align_of::<rocprofiler_stream_id_t>() - 8usize];
    [
        "Offset of field: rocprofiler_stream_id_t::handle",
    ][::core::mem::offset_of!(rocprofiler_stream_id_t, handle) - 0usize];
};
pub const ROCPROFILER_HIP_STREAM_CREATE: rocprofiler_hip_stream_operation_t = 1;
pub const ROCPROFILER_HIP_STREAM_DESTROY: rocprofiler_hip_stream_operation_t = 2;
pub const ROCPROFILER_HIP_STREAM_SET: rocprofiler_hip_stream_operation_t = 3;
/// SET brackets a call that takes a stream.
pub type rocprofiler_hip_stream_operation_t = ::core::ffi::c_uint;
/// Payload of HIP_STREAM.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_callback_tracing_hip_stream_data_t {
    pub size: u64,
    pub stream_id: rocprofiler_stream_id_t,
    pub stream_value: rocprofiler_address_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_tracing_hip_stream_data_t",
    ][::core::mem::size_of::<rocprofiler_callback_tracing_hip_stream_data_t>()
        - 24usize];
    [
        "Alignment of rocprofiler_callback_tracing_hip_stream_data_t",
    ][::core::mem::align_of::<rocprofiler_callback_tracing_hip_stream_data_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_stream_data_t::size",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_stream_data_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_stream_data_t::stream_id",
    ][::core::mem::offset_of!(rocprofiler_callback_tracing_hip_stream_data_t, stream_id)
        - 8usize];
    [
        "Offset of field: rocprofiler_callback_tracing_hip_stream_data_t::stream_value",
    ][::core::mem::offset_of!(
        rocprofiler_callback_tracing_hip_stream_data_t, stream_value
    ) - 16usize];
};
impl Default for rocprofiler_callback_tracing_hip_stream_data_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// The stack is per context and thread; `context` is the one that owns the service whose records shall carry it.
pub type rocprofiler_push_external_correlation_id_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        thread_id: rocprofiler_thread_id_t,
        value: rocprofiler_user_data_t,
    ) -> rocprofiler_status_t,
>;
/// `value` may be NULL. An empty stack yields 0.
pub type rocprofiler_pop_external_correlation_id_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        thread_id: rocprofiler_thread_id_t,
        value: *mut rocprofiler_user_data_t,
    ) -> rocprofiler_status_t,
>;
pub const ROCPROFILER_EXTERNAL_CORRELATION_REQUEST_MEMORY_COPY: rocprofiler_external_correlation_id_request_kind_t = 10;
pub const ROCPROFILER_EXTERNAL_CORRELATION_REQUEST_KERNEL_DISPATCH: rocprofiler_external_correlation_id_request_kind_t = 11;
pub type rocprofiler_external_correlation_id_request_kind_t = ::core::ffi::c_uint;
/// 0 means that `external` is set and wins; else what was pushed counts.
pub type rocprofiler_external_correlation_id_request_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        thread_id: rocprofiler_thread_id_t,
        context: rocprofiler_context_id_t,
        kind: rocprofiler_external_correlation_id_request_kind_t,
        operation: rocprofiler_tracing_operation_t,
        internal_correlation_id: u64,
        external: *mut rocprofiler_user_data_t,
        data: *mut ::core::ffi::c_void,
    ) -> ::core::ffi::c_int,
>;
pub type rocprofiler_configure_external_correlation_id_request_service_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        kinds: *const rocprofiler_external_correlation_id_request_kind_t,
        num_kinds: usize,
        callback: rocprofiler_external_correlation_id_request_cb_t,
        callback_data: *mut ::core::ffi::c_void,
    ) -> rocprofiler_status_t,
>;
/// A buffer of records. Must be 0 before `rocprofiler_create_buffer`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_buffer_id_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_buffer_id_t",
    ][::core::mem::size_of::<rocprofiler_buffer_id_t>() - 8usize];
    [
        "Alignment of rocprofiler_buffer_id_t",
    ][::core::mem::align_of::<rocprofiler_buffer_id_t>() - 8usize];
    [
        "Offset of field: rocprofiler_buffer_id_t::handle",
    ][::core::mem::offset_of!(rocprofiler_buffer_id_t, handle) - 0usize];
};
/// A thread on which buffers are delivered.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct rocprofiler_callback_thread_t {
    pub handle: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_callback_thread_t",
    ][::core::mem::size_of::<rocprofiler_callback_thread_t>() - 8usize];
    [
        "Alignment of rocprofiler_callback_thread_t",
    ][::core::mem::align_of::<rocprofiler_callback_thread_t>() - 8usize];
    [
        "Offset of field: rocprofiler_callback_thread_t::handle",
    ][::core::mem::offset_of!(rocprofiler_callback_thread_t, handle) - 0usize];
};
pub const ROCPROFILER_BUFFER_POLICY_DISCARD: rocprofiler_buffer_policy_t = 1;
pub const ROCPROFILER_BUFFER_POLICY_LOSSLESS: rocprofiler_buffer_policy_t = 2;
pub type rocprofiler_buffer_policy_t = ::core::ffi::c_uint;
pub const ROCPROFILER_BUFFER_CATEGORY_TRACING: rocprofiler_buffer_category_t = 1;
pub type rocprofiler_buffer_category_t = ::core::ffi::c_uint;
pub const ROCPROFILER_BUFFER_TRACING_MEMORY_COPY: rocprofiler_buffer_tracing_kind_t = 10;
pub const ROCPROFILER_BUFFER_TRACING_KERNEL_DISPATCH: rocprofiler_buffer_tracing_kind_t = 11;
/// The kinds from 12 on moved between 0.6 and 1.0 and are not named here.
pub type rocprofiler_buffer_tracing_kind_t = ::core::ffi::c_uint;
/// The head of a record; the two words are hashed as category | kind << 32.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rocprofiler_record_header_t {
    pub category: u32,
    pub kind: u32,
    pub payload: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_record_header_t",
    ][::core::mem::size_of::<rocprofiler_record_header_t>() - 16usize];
    [
        "Alignment of rocprofiler_record_header_t",
    ][::core::mem::align_of::<rocprofiler_record_header_t>() - 8usize];
    [
        "Offset of field: rocprofiler_record_header_t::category",
    ][::core::mem::offset_of!(rocprofiler_record_header_t, category) - 0usize];
    [
        "Offset of field: rocprofiler_record_header_t::kind",
    ][::core::mem::offset_of!(rocprofiler_record_header_t, kind) - 4usize];
    [
        "Offset of field: rocprofiler_record_header_t::payload",
    ][::core::mem::offset_of!(rocprofiler_record_header_t, payload) - 8usize];
};
impl Default for rocprofiler_record_header_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// A completed dispatch: the 184 bytes that every version has.
#[repr(C)]
#[derive(Copy, Clone)]
pub struct rocprofiler_buffer_tracing_kernel_dispatch_record_t {
    pub size: u64,
    pub kind: rocprofiler_buffer_tracing_kind_t,
    pub operation: rocprofiler_kernel_dispatch_operation_t,
    /// Without ancestor in every version.
    pub correlation_id: rocprofiler_correlation_id_v0_t,
    pub thread_id: rocprofiler_thread_id_t,
    pub start_timestamp: rocprofiler_timestamp_t,
    pub end_timestamp: rocprofiler_timestamp_t,
    pub dispatch_info: rocprofiler_kernel_dispatch_info_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    [
        "Size of rocprofiler_buffer_tracing_kernel_dispatch_record_t",
    ][::core::mem::size_of::<rocprofiler_buffer_tracing_kernel_dispatch_record_t>()
        - 184usize];
    [
        "Alignment of rocprofiler_buffer_tracing_kernel_dispatch_record_t",
    ][::core::mem::align_of::<rocprofiler_buffer_tracing_kernel_dispatch_record_t>()
        - 8usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::size",
    ][::core::mem::offset_of!(rocprofiler_buffer_tracing_kernel_dispatch_record_t, size)
        - 0usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::kind",
    ][::core::mem::offset_of!(rocprofiler_buffer_tracing_kernel_dispatch_record_t, kind)
        - 8usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::operation",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, operation
    ) - 12usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::correlation_id",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, correlation_id
    ) - 16usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::thread_id",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, thread_id
    ) - 32usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::start_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, start_timestamp
    ) - 40usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::end_timestamp",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, end_timestamp
    ) - 48usize];
    [
        "Offset of field: rocprofiler_buffer_tracing_kernel_dispatch_record_t::dispatch_info",
    ][::core::mem::offset_of!(
        rocprofiler_buffer_tracing_kernel_dispatch_record_t, dispatch_info
    ) - 56usize];
};
impl Default for rocprofiler_buffer_tracing_kernel_dispatch_record_t {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Headers and payloads are valid during the callback only.
pub type rocprofiler_buffer_tracing_cb_t = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        buffer: rocprofiler_buffer_id_t,
        headers: *mut *mut rocprofiler_record_header_t,
        num_headers: usize,
        callback_data: *mut ::core::ffi::c_void,
        drop_count: u64,
    ),
>;
pub type rocprofiler_create_buffer_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        size: usize,
        watermark: usize,
        policy: rocprofiler_buffer_policy_t,
        callback: rocprofiler_buffer_tracing_cb_t,
        callback_data: *mut ::core::ffi::c_void,
        buffer: *mut rocprofiler_buffer_id_t,
    ) -> rocprofiler_status_t,
>;
/// Returns after the callback ran. Must not be called from it.
pub type rocprofiler_flush_buffer_fn = ::core::option::Option<
    unsafe extern "C" fn(buffer: rocprofiler_buffer_id_t) -> rocprofiler_status_t,
>;
pub type rocprofiler_destroy_buffer_fn = ::core::option::Option<
    unsafe extern "C" fn(buffer: rocprofiler_buffer_id_t) -> rocprofiler_status_t,
>;
pub type rocprofiler_create_callback_thread_fn = ::core::option::Option<
    unsafe extern "C" fn(
        thread: *mut rocprofiler_callback_thread_t,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_assign_callback_thread_fn = ::core::option::Option<
    unsafe extern "C" fn(
        buffer: rocprofiler_buffer_id_t,
        thread: rocprofiler_callback_thread_t,
    ) -> rocprofiler_status_t,
>;
pub type rocprofiler_configure_buffer_tracing_service_fn = ::core::option::Option<
    unsafe extern "C" fn(
        context: rocprofiler_context_id_t,
        kind: rocprofiler_buffer_tracing_kind_t,
        operations: *const rocprofiler_tracing_operation_t,
        num_operations: usize,
        buffer: rocprofiler_buffer_id_t,
    ) -> rocprofiler_status_t,
>;
