//! What differs between the versions of rocprofiler-sdk that the simulator can play.
//!
//! One row a version, chosen once by `ROCPROFILER_SIM_VERSION`. Kinds and statuses are kept as lists of names in the
//! order of the newest version; a row says how many of them its version knows. What was only appended needs nothing
//! else; what moved (the status codes at 0.5, the buffer kinds at 1.0) is said here and nowhere else.

use std::ffi::CString;
use std::sync::OnceLock;

/// One version of the SDK, as the tool can tell it from others.
#[derive(Debug)]
pub struct Version {
    /// As given in `ROCPROFILER_SIM_VERSION`.
    pub name: &'static str,
    /// Major, minor, patch.
    pub triplet: (u32, u32, u32),
    /// How many callback tracing kinds exist (the `LAST` enumerator).
    pub callback_kinds: usize,
    /// How many buffer tracing kinds exist.
    pub buffer_kinds: usize,
    /// How many kinds of external correlation id requests exist.
    pub request_kinds: usize,
    /// How many status codes exist.
    pub statuses: u32,
    /// `sizeof(rocprofiler_agent_v0_t)`.
    pub agent_size: usize,
    /// The context handle that means "none".
    pub no_context: u64,
    /// How many HIP runtime operations exist.
    pub hip_operations: i32,
}

/// The versions that can be played. 2.0 is invented: a future major version, which a tool should decline.
static VERSIONS: [Version; 7] = [
    Version::row("0.4", (0, 4, 0), (14, 15, 13), 38, 296, u64::MAX, 445),
    Version::row("0.5", (0, 5, 0), (15, 16, 14), 40, 296, u64::MAX, 463),
    Version::row("0.6", (0, 6, 0), (19, 20, 17), 41, 304, u64::MAX, 468),
    Version::row("1.0", (1, 0, 0), (22, 33, 19), 41, 304, u64::MAX, 477),
    Version::row("1.1", (1, 1, 0), (22, 33, 19), 41, 312, 0, 477),
    Version::row("1.3", (1, 3, 0), (25, 38, 19), 42, 312, 0, 477),
    Version::row("2.0", (2, 0, 0), (25, 38, 19), 42, 312, 0, 477),
];

/// Functions of ours that a version before 1.0 does not export.
pub const SINCE_1_0: [&str; 1] = ["rocprofiler_get_version_triplet"];

impl Version {
    const fn row(
        name: &'static str,
        triplet: (u32, u32, u32),
        (callback_kinds, buffer_kinds, request_kinds): (usize, usize, usize),
        statuses: u32,
        agent_size: usize,
        no_context: u64,
        hip_operations: i32,
    ) -> Self {
        Self {
            name,
            triplet,
            callback_kinds,
            buffer_kinds,
            request_kinds,
            statuses,
            agent_size,
            no_context,
            hip_operations,
        }
    }

    /// The version that this process plays: `ROCPROFILER_SIM_VERSION`, 1.0 when unset.
    ///
    /// An unknown name ends the process: a test that asks for a version must not silently get another.
    pub fn current() -> &'static Self {
        static CURRENT: OnceLock<&Version> = OnceLock::new();
        CURRENT.get_or_init(|| {
            let wanted = std::env::var("ROCPROFILER_SIM_VERSION").unwrap_or_else(|_| "1.0".to_owned());
            VERSIONS.iter().find(|version| version.name == wanted).unwrap_or_else(|| {
                let known: Vec<_> = VERSIONS.iter().map(|version| version.name).collect();
                crate::fatal(&format!("ROCPROFILER_SIM_VERSION={wanted}: known are {}", known.join(", ")))
            })
        })
    }

    /// The number handed to `rocprofiler_configure`: 10000 major + 100 minor + patch.
    pub fn number(&self) -> u32 {
        self.triplet.0 * 10_000 + self.triplet.1 * 100 + self.triplet.2
    }

    /// The version as text, `1.0.0`.
    pub fn text(&self) -> String {
        format!("{}.{}.{}", self.triplet.0, self.triplet.1, self.triplet.2)
    }

    /// Whether records have the layout of 1.x: 64 bytes, with an ancestor id, and client ids of 24 bytes.
    pub fn has_ancestor(&self) -> bool {
        self.triplet.0 >= 1
    }

    /// `sizeof` of the payload of a kernel symbol callback: two fields were appended in 0.6.
    pub fn symbol_size(&self) -> u64 {
        if self.number() >= 600 { 88 } else { 72 }
    }

    /// `sizeof` of the payload of a memory copy callback: the addresses came with 1.0.
    pub fn copy_size(&self) -> u64 {
        if self.has_ancestor() { 64 } else { 48 }
    }

    /// The numeric value of a status in this version.
    ///
    /// 0.4 lacks `CONTEXT_ID_NOT_ZERO`, so that everything after it is one less there.
    pub fn status(&self, status: Status) -> u32 {
        let value = status as u32;
        if self.number() < 500 && value > Status::ContextIdNotZero as u32 { value - 1 } else { value }
    }

    /// The enumerator's name of a status code of this version.
    pub fn status_name(&self, value: u32) -> Option<&'static str> {
        let index = if self.number() < 500 && value >= Status::ContextIdNotZero as u32 { value + 1 } else { value };
        (value < self.statuses).then(|| STATUS_NAMES[index as usize])
    }

    /// The name of a buffer tracing kind.
    pub fn buffer_kind_name(&self, kind: usize) -> Option<&'static str> {
        let names: &[&str] = if self.has_ancestor() { &BUFFER_KINDS_1 } else { &BUFFER_KINDS_0 };
        (kind < self.buffer_kinds).then(|| names[kind])
    }

    /// The name of a callback tracing kind.
    pub fn callback_kind_name(&self, kind: usize) -> Option<&'static str> {
        (kind < self.callback_kinds).then(|| CALLBACK_KINDS[kind])
    }
}

/// The status codes that the simulator returns, by their values since 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the SDK's")]
pub enum Status {
    Success = 0,
    Error = 1,
    ContextNotFound = 2,
    BufferNotFound = 3,
    KindNotFound = 4,
    OperationNotFound = 5,
    ThreadNotFound = 6,
    ContextInvalid = 10,
    ContextIdNotZero = 13,
    BufferBusy = 14,
    ServiceAlreadyConfigured = 15,
    ConfigurationLocked = 16,
    NotImplemented = 17,
    IncompatibleAbi = 18,
    InvalidArgument = 19,
    Finalized = 21,
}

const STATUS_NAMES: [&str; 42] = [
    "ROCPROFILER_STATUS_SUCCESS",
    "ROCPROFILER_STATUS_ERROR",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_BUFFER_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_KIND_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_OPERATION_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_THREAD_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_AGENT_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_COUNTER_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_ERROR",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_INVALID",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_STARTED",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_CONFLICT",
    "ROCPROFILER_STATUS_ERROR_CONTEXT_ID_NOT_ZERO",
    "ROCPROFILER_STATUS_ERROR_BUFFER_BUSY",
    "ROCPROFILER_STATUS_ERROR_SERVICE_ALREADY_CONFIGURED",
    "ROCPROFILER_STATUS_ERROR_CONFIGURATION_LOCKED",
    "ROCPROFILER_STATUS_ERROR_NOT_IMPLEMENTED",
    "ROCPROFILER_STATUS_ERROR_INCOMPATIBLE_ABI",
    "ROCPROFILER_STATUS_ERROR_INVALID_ARGUMENT",
    "ROCPROFILER_STATUS_ERROR_METRIC_NOT_VALID_FOR_AGENT",
    "ROCPROFILER_STATUS_ERROR_FINALIZED",
    "ROCPROFILER_STATUS_ERROR_HSA_NOT_LOADED",
    "ROCPROFILER_STATUS_ERROR_DIM_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_PROFILE_COUNTER_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_AST_GENERATION_FAILED",
    "ROCPROFILER_STATUS_ERROR_AST_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_AQL_NO_EVENT_COORD",
    "ROCPROFILER_STATUS_ERROR_INCOMPATIBLE_KERNEL",
    "ROCPROFILER_STATUS_ERROR_OUT_OF_RESOURCES",
    "ROCPROFILER_STATUS_ERROR_PROFILE_NOT_FOUND",
    "ROCPROFILER_STATUS_ERROR_AGENT_DISPATCH_CONFLICT",
    "ROCPROFILER_STATUS_INTERNAL_NO_AGENT_CONTEXT",
    "ROCPROFILER_STATUS_ERROR_SAMPLE_RATE_EXCEEDED",
    "ROCPROFILER_STATUS_ERROR_NO_PROFILE_QUEUE",
    "ROCPROFILER_STATUS_ERROR_NO_HARDWARE_COUNTERS",
    "ROCPROFILER_STATUS_ERROR_AGENT_MISMATCH",
    "ROCPROFILER_STATUS_ERROR_NOT_AVAILABLE",
    "ROCPROFILER_STATUS_ERROR_EXCEEDS_HW_LIMIT",
    "ROCPROFILER_STATUS_ERROR_AGENT_ARCH_NOT_SUPPORTED",
    "ROCPROFILER_STATUS_ERROR_PERMISSION_DENIED",
    "ROCPROFILER_STATUS_ERROR_INCOMPATIBLE_REGISTER_VERSION",
];

const CALLBACK_KINDS: [&str; 25] = [
    "NONE",
    "HSA_CORE_API",
    "HSA_AMD_EXT_API",
    "HSA_IMAGE_EXT_API",
    "HSA_FINALIZE_EXT_API",
    "HIP_RUNTIME_API",
    "HIP_COMPILER_API",
    "MARKER_CORE_API",
    "MARKER_CONTROL_API",
    "MARKER_NAME_API",
    "CODE_OBJECT",
    "SCRATCH_MEMORY",
    "KERNEL_DISPATCH",
    "MEMORY_COPY",
    "RCCL_API",
    "OMPT",
    "MEMORY_ALLOCATION",
    "RUNTIME_INITIALIZATION",
    "ROCDECODE_API",
    "ROCJPEG_API",
    "HIP_STREAM",
    "MARKER_CORE_RANGE_API",
    "HIP_GRAPH",
    "ROCSHMEM_API",
    "HIPFILE_API",
];

const BUFFER_KINDS_0: [&str; 20] = [
    "NONE",
    "HSA_CORE_API",
    "HSA_AMD_EXT_API",
    "HSA_IMAGE_EXT_API",
    "HSA_FINALIZE_EXT_API",
    "HIP_RUNTIME_API",
    "HIP_COMPILER_API",
    "MARKER_CORE_API",
    "MARKER_CONTROL_API",
    "MARKER_NAME_API",
    "MEMORY_COPY",
    "KERNEL_DISPATCH",
    "PAGE_MIGRATION",
    "SCRATCH_MEMORY",
    "CORRELATION_ID_RETIREMENT",
    "RCCL_API",
    "OMPT",
    "MEMORY_ALLOCATION",
    "RUNTIME_INITIALIZATION",
    "ROCDECODE_API",
];

const BUFFER_KINDS_1: [&str; 38] = [
    "NONE",
    "HSA_CORE_API",
    "HSA_AMD_EXT_API",
    "HSA_IMAGE_EXT_API",
    "HSA_FINALIZE_EXT_API",
    "HIP_RUNTIME_API",
    "HIP_COMPILER_API",
    "MARKER_CORE_API",
    "MARKER_CONTROL_API",
    "MARKER_NAME_API",
    "MEMORY_COPY",
    "KERNEL_DISPATCH",
    "SCRATCH_MEMORY",
    "CORRELATION_ID_RETIREMENT",
    "RCCL_API",
    "OMPT",
    "MEMORY_ALLOCATION",
    "RUNTIME_INITIALIZATION",
    "ROCDECODE_API",
    "ROCJPEG_API",
    "HIP_STREAM",
    "HIP_RUNTIME_API_EXT",
    "HIP_COMPILER_API_EXT",
    "ROCDECODE_API_EXT",
    "KFD_EVENT_PAGE_MIGRATE",
    "KFD_EVENT_PAGE_FAULT",
    "KFD_EVENT_QUEUE",
    "KFD_EVENT_UNMAP_FROM_GPU",
    "KFD_EVENT_DROPPED_EVENTS",
    "KFD_PAGE_MIGRATE",
    "KFD_PAGE_FAULT",
    "KFD_QUEUE",
    "MARKER_CORE_RANGE_API",
    "HIP_GRAPH",
    "ROCSHMEM_API",
    "ROCSHMEM_API_EXT",
    "HIPFILE_API",
    "HIPFILE_API_EXT",
];

/// A C string that lives as long as the process, one per distinct text.
pub fn static_c_str(text: &str) -> &'static std::ffi::CStr {
    use std::collections::HashMap;
    use std::sync::Mutex;
    static INTERNED: Mutex<Option<HashMap<String, &'static std::ffi::CStr>>> = Mutex::new(None);
    let mut interned = crate::lock(&INTERNED);
    let interned = interned.get_or_insert_default();
    if let Some(known) = interned.get(text) {
        return known;
    }
    let leaked: &'static std::ffi::CStr = Box::leak(CString::new(text).unwrap_or_default().into_boxed_c_str());
    interned.insert(text.to_owned(), leaked);
    leaked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> &'static Version {
        VERSIONS.iter().find(|version| version.name == name).expect("a row of the table")
    }

    #[test]
    fn status_codes_moved_by_one_between_0_4_and_0_5() {
        assert_eq!(version("0.4").status(Status::ConfigurationLocked), 15);
        assert_eq!(version("0.5").status(Status::ConfigurationLocked), 16);
        for row in &VERSIONS {
            let value = row.status(Status::ConfigurationLocked);
            assert_eq!(row.status_name(value), Some("ROCPROFILER_STATUS_ERROR_CONFIGURATION_LOCKED"), "{}", row.name);
            assert_eq!(row.status_name(row.statuses), None, "{}", row.name);
        }
    }

    #[test]
    fn each_version_names_its_last_kinds() {
        let last = |name| {
            let version = version(name);
            (
                version.callback_kind_name(version.callback_kinds - 1).unwrap_or_default(),
                version.buffer_kind_name(version.buffer_kinds - 1).unwrap_or_default(),
            )
        };
        assert_eq!(last("0.4"), ("MEMORY_COPY", "CORRELATION_ID_RETIREMENT"));
        assert_eq!(last("0.5"), ("RCCL_API", "RCCL_API"));
        assert_eq!(last("0.6"), ("ROCDECODE_API", "ROCDECODE_API"));
        assert_eq!(last("1.0"), ("MARKER_CORE_RANGE_API", "MARKER_CORE_RANGE_API"));
        assert_eq!(last("1.3"), ("HIPFILE_API", "HIPFILE_API_EXT"));
    }
}
