//! The calls that a tracing tool makes, on the library that was found.
//!
//! A status is compared with zero and nothing else, since most of its values moved between versions; what it means is
//! said by the library itself. Kinds are resolved by name, and the type [`CallbackKind`] can only be had by asking:
//! configuring a kind that the library lacks would throw a C++ exception through C and end the process.

use crate::agent::Agent;
use crate::bindings as c;
use crate::functions::Functions;
use crate::record::TracingCallback;
use crate::version::{Layout, Version};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

/// No version has more callback tracing kinds than this; 1.4.1 has 27. A number without a name is passed over: which numbers
/// the newest kinds have differed between branches.
const MOST_KINDS: u32 = 64;

/// A loaded rocprofiler-sdk.
///
/// It is made of function pointers into a library that is never unloaded, so it may be shared and called from any
/// thread, exit handlers included.
#[derive(Clone)]
pub struct Sdk {
    pub(crate) functions: Functions,
    pub(crate) version: Version,
    pub(crate) layout: Layout,
    pub(crate) path: PathBuf,
}

/// A call that did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The SDK refused.
    #[error("{function} failed with status {status} ({name})")]
    Failed {
        /// The C function.
        function: &'static str,
        /// What it returned. Its meaning depends on the SDK's version.
        status: u32,
        /// What the SDK calls that status, or "unnamed".
        name: &'static str,
    },
    /// The library does not have this optional function.
    #[error("this rocprofiler-sdk does not have {function}")]
    Absent {
        /// The C function.
        function: &'static str,
    },
    /// The SDK described something in fewer bytes than every known version does.
    #[error("{function} gave {size} bytes where {needed} are needed")]
    TooSmall {
        /// The C function.
        function: &'static str,
        /// The size that the library states.
        size: u64,
        /// The size of SDK 0.4, the smallest.
        needed: usize,
    },
}

impl CallError {
    /// Puts a status into the library's own words.
    pub(crate) fn failed(function: &'static str, status: c::rocprofiler_status_t, functions: &Functions) -> Self {
        Self::Failed { function, status, name: status_name(functions, status).unwrap_or("unnamed") }
    }

    /// The C function that was called.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        match self {
            Self::Failed { function, .. } | Self::Absent { function } | Self::TooSmall { function, .. } => function,
        }
    }
}

/// A context of ours: services that start and stop together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextId(u64);

impl ContextId {
    /// The handle, as records carry it.
    #[must_use]
    pub const fn handle(self) -> u64 {
        self.0
    }

    const fn raw(self) -> c::rocprofiler_context_id_t {
        c::rocprofiler_context_id_t { handle: self.0 }
    }
}

/// A callback tracing kind that the library is known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallbackKind(c::rocprofiler_callback_tracing_kind_t);

impl CallbackKind {
    /// The number, as records carry it.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Calls a function and turns its status into a `Result`.
macro_rules! call {
    ($sdk:ident.$function:ident($($argument:expr),*)) => {{
        // SAFETY: the function has this type (who opened the library holds that) and the arguments are valid for the
        // call (seen to by the method that names them).
        let status = unsafe { ($sdk.functions.$function)($($argument),*) };
        $sdk.check(stringify!($function), status)
    }};
    ($sdk:ident.$function:ident?($($argument:expr),*)) => {
        match $sdk.functions.$function {
            Some(function) => {
                // SAFETY: as above.
                let status = unsafe { function($($argument),*) };
                $sdk.check(stringify!($function), status)
            }
            None => Err(CallError::Absent { function: stringify!($function) }),
        }
    };
}

impl Sdk {
    /// The version that the library was built as.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How the library lays out records.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The file that the library was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The optional functions that this library lacks, by their C names.
    #[must_use]
    pub fn absent(&self) -> Vec<&'static str> {
        self.functions.absent()
    }

    /// What the library calls a status.
    #[must_use]
    pub fn status_name(&self, status: u32) -> Option<&'static str> {
        status_name(&self.functions, status)
    }

    /// Now, in nanoseconds on the clock of all records (CLOCK_BOOTTIME).
    ///
    /// # Errors
    /// [`CallError`].
    pub fn timestamp(&self) -> Result<u64, CallError> {
        let mut timestamp = 0;
        call!(self.rocprofiler_get_timestamp?(&raw mut timestamp))?;
        Ok(timestamp)
    }

    /// Whether the SDK's end of the process has begun and goes on: it waits for work, or ends its tools.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn is_finalizing(&self) -> Result<bool, CallError> {
        let mut state = 0;
        call!(self.rocprofiler_is_finalized?(&raw mut state))?;
        Ok(state < 0)
    }

    /// The calling thread, as records name it (its operating system id).
    ///
    /// # Errors
    /// [`CallError`].
    pub fn thread_id(&self) -> Result<u64, CallError> {
        let mut thread_id = 0;
        call!(self.rocprofiler_get_thread_id?(&raw mut thread_id))?;
        Ok(thread_id)
    }

    /// The CPUs and GPUs of the machine. Works before any runtime has started.
    ///
    /// # Errors
    /// [`CallError`]; one agent that cannot be read spoils the list.
    pub fn agents(&self) -> Result<Vec<Agent>, CallError> {
        const FUNCTION: &str = "rocprofiler_query_available_agents";
        let mut agents: Vec<Result<Agent, CallError>> = Vec::new();
        unsafe extern "C" fn collect(
            _version: c::rocprofiler_agent_version_t,
            agents: *mut *const c_void,
            num_agents: usize,
            user_data: *mut c_void,
        ) -> c::rocprofiler_status_t {
            // SAFETY: the query below passes its vector as `user_data`, and waits for this call.
            let found = unsafe { &mut *user_data.cast::<Vec<Result<Agent, CallError>>>() };
            for index in 0..num_agents {
                // SAFETY: the SDK passes an array of `num_agents` pointers.
                let agent = unsafe { *agents.add(index) };
                // SAFETY: each points to an agent that is valid until the tool is finalized.
                found.push(unsafe { Agent::read(agent.cast()) }.map_err(|size| CallError::TooSmall {
                    function: FUNCTION,
                    size,
                    needed: size_of::<c::rocprofiler_agent_v0_t>(),
                }));
            }
            c::ROCPROFILER_STATUS_SUCCESS
        }
        call!(self.rocprofiler_query_available_agents?(
            c::ROCPROFILER_AGENT_INFO_VERSION_0,
            Some(collect),
            size_of::<c::rocprofiler_agent_v0_t>(),
            (&raw mut agents).cast()
        ))?;
        agents.into_iter().collect()
    }

    /// Creates a context. Only while the tool's `initialize` runs.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn create_context(&self) -> Result<ContextId, CallError> {
        let mut context = c::rocprofiler_context_id_t { handle: 0 };
        call!(self.rocprofiler_create_context(&raw mut context))?;
        Ok(ContextId(context.handle))
    }

    /// Starts a context, at any time after it was created. Starting an active one is no error.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn start_context(&self, context: ContextId) -> Result<(), CallError> {
        call!(self.rocprofiler_start_context(context.raw()))
    }

    /// Stops a context. Dispatches enqueued before are still reported when they complete.
    ///
    /// # Errors
    /// [`CallError`], also if the context was not active.
    pub fn stop_context(&self, context: ContextId) -> Result<(), CallError> {
        call!(self.rocprofiler_stop_context(context.raw()))
    }

    /// Whether the context is started.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn context_is_active(&self, context: ContextId) -> Result<bool, CallError> {
        let mut active: c_int = 0;
        call!(self.rocprofiler_context_is_active?(context.raw(), &raw mut active))?;
        Ok(active != 0)
    }

    /// Whether the services of the context can work together.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn context_is_valid(&self, context: ContextId) -> Result<bool, CallError> {
        let mut valid: c_int = 0;
        call!(self.rocprofiler_context_is_valid?(context.raw(), &raw mut valid))?;
        Ok(valid != 0)
    }

    /// The kind of this name, such as `KERNEL_DISPATCH`, if the library has it.
    #[must_use]
    pub fn callback_kind(&self, name: &str) -> Option<CallbackKind> {
        self.callback_kinds().into_iter().find(|(_, found)| *found == name).map(|(kind, _)| kind)
    }

    /// All kinds that the library has, with their names.
    #[must_use]
    pub fn callback_kinds(&self) -> Vec<(CallbackKind, &'static str)> {
        let query = self.functions.rocprofiler_query_callback_tracing_kind_name;
        // Zero is the kind NONE, which nobody asks for and which need not have a name.
        (1..MOST_KINDS)
            .filter_map(|kind| {
                let mut name = std::ptr::null();
                // SAFETY: the query is safe for any number, and the length may be left out.
                let status = unsafe { query(kind, &raw mut name, std::ptr::null_mut()) };
                // SAFETY: names are static strings of the library.
                let name = if status == 0 { unsafe { static_str(name) } } else { None };
                name.map(|name| (CallbackKind(kind), name))
            })
            .collect()
    }

    /// The operation of this name, such as `hipGraphLaunch`, if the library has it.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn operation(&self, kind: CallbackKind, name: &str) -> Result<Option<i32>, CallError> {
        let operations = self.operations(kind)?;
        Ok(operations.into_iter().find(|(_, found)| *found == name).map(|(operation, _)| operation))
    }

    /// All operations of a kind that have a name, with it. HIP's grow with each release: those above 476 have no number that
    /// could be relied on, only a name.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn operations(&self, kind: CallbackKind) -> Result<Vec<(i32, &'static str)>, CallError> {
        unsafe extern "C" fn collect(
            _kind: c::rocprofiler_callback_tracing_kind_t,
            operation: c::rocprofiler_tracing_operation_t,
            data: *mut c_void,
        ) -> c_int {
            // SAFETY: the iteration below passes its vector as `data`, and waits for this call.
            unsafe { &mut *data.cast::<Vec<i32>>() }.push(operation);
            0
        }
        let mut numbers: Vec<i32> = Vec::new();
        call!(self.rocprofiler_iterate_callback_tracing_kind_operations?(
            kind.0,
            Some(collect),
            (&raw mut numbers).cast()
        ))?;
        let mut operations = Vec::with_capacity(numbers.len());
        for operation in numbers {
            let mut name = std::ptr::null();
            let named = call!(self.rocprofiler_query_callback_tracing_kind_operation_name?(
                kind.0,
                operation,
                &raw mut name,
                std::ptr::null_mut()
            ));
            if matches!(named, Err(CallError::Absent { .. })) {
                named?;
            }
            // SAFETY: names are static strings of the library.
            if let Some(name) = unsafe { static_str(name) } {
                operations.push((operation, name));
            }
        }
        Ok(operations)
    }

    /// Has `callback` called for the operations of a kind (all of them if `operations` is empty) while the context is
    /// active. Once for each context and kind, only while the tool's `initialize` runs. Of the two functions of
    /// `callback` the library is given the one for its layout.
    ///
    /// # Safety
    /// `callback` is called with `data` from any thread, on several at once, until the process ends: both must be
    /// sound under that, and no panic may leave it.
    ///
    /// # Errors
    /// [`CallError`].
    pub unsafe fn configure_callback_tracing(
        &self,
        context: ContextId,
        kind: CallbackKind,
        operations: &[i32],
        callback: TracingCallback,
        data: *mut c_void,
    ) -> Result<(), CallError> {
        let list = if operations.is_empty() { std::ptr::null() } else { operations.as_ptr() };
        let callback = callback.erase(self.layout);
        call!(self.rocprofiler_configure_callback_tracing_service(
            context.raw(),
            kind.0,
            list,
            operations.len(),
            Some(callback),
            data
        ))
    }

    /// Gives all that the thread causes in the services of this context the external correlation id `value`, until
    /// popped. Does not allocate.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn push_external_correlation_id(
        &self,
        context: ContextId,
        thread_id: u64,
        value: u64,
    ) -> Result<(), CallError> {
        let value = c::rocprofiler_user_data_t { value };
        call!(self.rocprofiler_push_external_correlation_id?(context.raw(), thread_id, value))
    }

    /// Takes back the last value pushed, and returns it; 0 if there was none. Does not allocate.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn pop_external_correlation_id(&self, context: ContextId, thread_id: u64) -> Result<u64, CallError> {
        let mut value = c::rocprofiler_user_data_t { value: 0 };
        call!(self.rocprofiler_pop_external_correlation_id?(context.raw(), thread_id, &raw mut value))?;
        // SAFETY: every bit pattern is an integer.
        Ok(unsafe { value.value })
    }

    /// Has `before` and `after` called on any thread that creates one for the SDK. To be called from
    /// `rocprofiler_configure`, before there are any.
    ///
    /// # Safety
    /// Both are called with `data` from any thread until the process ends, and no panic may leave them.
    ///
    /// # Errors
    /// [`CallError`].
    pub unsafe fn at_internal_thread_create(
        &self,
        before: c::rocprofiler_internal_thread_library_cb_t,
        after: c::rocprofiler_internal_thread_library_cb_t,
        data: *mut c_void,
    ) -> Result<(), CallError> {
        /// Threads of every library.
        const ALL_LIBRARIES: c_int = 0;
        call!(self.rocprofiler_at_internal_thread_create?(before, after, ALL_LIBRARIES, data))
    }

    /// Zero is success, everything else an error in the library's words.
    fn check(&self, function: &'static str, status: c::rocprofiler_status_t) -> Result<(), CallError> {
        if status == c::ROCPROFILER_STATUS_SUCCESS {
            Ok(())
        } else {
            Err(CallError::failed(function, status, &self.functions))
        }
    }
}

/// What the library calls a status.
fn status_name(functions: &Functions, status: c::rocprofiler_status_t) -> Option<&'static str> {
    let query = functions.rocprofiler_get_status_name?;
    // SAFETY: the query takes any number and returns a static string of the library, or null.
    unsafe { static_str(query(status)) }
}

/// A string of the library's. `None` for null, and for what is not UTF-8.
///
/// # Safety
/// `text` must be null or a C string that lives as long as the process.
unsafe fn static_str(text: *const c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller holds that it is a string, and for how long.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}
