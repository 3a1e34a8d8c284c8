//! What differs between the versions of rocprofiler-sdk that the simulator can play.
//!
//! One row a version, chosen once by `ROCPROFILER_SIM_VERSION`. Kinds and statuses are kept as lists of names in the
//! order of the newest version; a row says how many of them its version knows. What was only appended needs nothing
//! else; what moved (the status codes at 0.5, the buffer kinds at 1.0) is said here and nowhere else.

mod names;

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
///
/// What 1.1 to 1.4.1 have is in abi-1.3 §1 and §2. Three points are inferred: that inline interposition begins with 1.3.2
/// and not with 1.3.0, that `pipe_id` comes with 1.4.1 (it is in no version up to 1.3.5), and how many HIP operations
/// there are after 1.0.
static VERSIONS: [Version; 10] = [
    Version::row("0.4", (0, 4, 0), (14, 15, 13), 38, 296, u64::MAX, 445),
    Version::row("0.5", (0, 5, 0), (15, 16, 14), 40, 296, u64::MAX, 463),
    Version::row("0.6", (0, 6, 0), (19, 20, 17), 41, 304, u64::MAX, 468),
    Version::row("1.0", (1, 0, 0), (22, 33, 19), 41, 304, u64::MAX, 477),
    Version::row("1.1", (1, 1, 0), (22, 33, 19), 41, 312, 0, 477),
    Version::row("1.3", (1, 3, 0), (25, 38, 19), 42, 312, 0, 480),
    Version::row("1.3.2", (1, 3, 2), (25, 38, 19), 42, 312, 0, 480),
    Version::row("1.3.5", (1, 3, 5), (25, 38, 19), 42, 312, 0, 480),
    Version::row("1.4.1", (1, 4, 1), (27, 39, 19), 42, 312, 0, 480),
    Version::row("2.0", (2, 0, 0), (27, 39, 19), 42, 312, 0, 480),
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

    /// Whether the payload and the record of a dispatch end with the pipe's number (abi-1.3 §3, "> 1.3.5").
    pub fn has_pipe(&self) -> bool {
        self.number() > 10_305
    }

    /// Whether the kind HIP_GRAPH exists (abi-1.3 §1, 1.3.0).
    pub fn has_hip_graph(&self) -> bool {
        self.number() >= 10_300
    }

    /// Whether dispatches in AMD's extended packets are recognised (abi-1.3 §1 and §5; the loss before is inferred).
    pub fn knows_extended_packets(&self) -> bool {
        self.number() >= 10_300
    }

    /// Whether a first tool may configure after the runtimes came up (abi-1.3 §6).
    pub fn has_late_start(&self) -> bool {
        self.number() >= 10_300
    }

    /// Whether a tool may configure after another one has (abi-1.3 §6).
    pub fn has_second_configuration(&self) -> bool {
        self.number() >= 10_302
    }

    /// Whether tools can be attached (abi-1.3 §6).
    pub fn has_attach(&self) -> bool {
        self.number() >= 10_100
    }

    /// Whether dispatches are intercepted inline by default (abi-1.3 §5, path B; whether 1.3.0 does is not established).
    pub fn has_inline_interposition(&self) -> bool {
        self.number() >= 10_302
    }

    /// Whether the last token of `ROCP_TOOL_LIBRARIES` counts without a colon behind it (abi-1.3 §8, last row).
    pub fn parses_tool_libraries(&self) -> bool {
        self.number() > 10_305
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
        (value < self.statuses).then(|| names::STATUS_NAMES[index as usize])
    }

    /// The name of a buffer tracing kind.
    pub fn buffer_kind_name(&self, kind: usize) -> Option<&'static str> {
        let names: &[&str] = if self.has_ancestor() { &names::BUFFER_KINDS_1 } else { &names::BUFFER_KINDS_0 };
        (kind < self.buffer_kinds).then(|| names[kind])
    }

    /// The name of a callback tracing kind.
    pub fn callback_kind_name(&self, kind: usize) -> Option<&'static str> {
        (kind < self.callback_kinds).then(|| names::CALLBACK_KINDS[kind])
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
    IncompatibleRegisterVersion = 41,
}

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
        assert_eq!(last("1.3.5"), ("HIPFILE_API", "HIPFILE_API_EXT"));
        assert_eq!(last("1.4.1"), ("KERNEL_REPLAY", "HIP_EVENT"));
    }
}
