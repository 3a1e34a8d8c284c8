//! Everything that is bound agrees with every released version of the SDK.
//!
//! Two ways to hold that: a table of the essential facts, which is part of this file; and, where the layouts of the
//! released libraries are at hand as JSON (`../shared/abi` beside the workspace, or `$PROFILE_DECODE_SHARED/abi`), every
//! type, member, enumerator and signature of every version.

#[path = "common/bound.rs"]
mod bound;
mod common;

use bound::Bound;
use rocprofiler_sys::{Layout, Version, bindings as c};
use serde_json::Value;
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::PathBuf;

/// The released versions, by the numbers that they pass to `rocprofiler_configure`.
const VERSIONS: [u32; 5] = [400, 500, 600, 10_000, 10_300];

/// A fact of each version, and what the bindings make of it for a layout.
type Fact = (&'static str, [usize; 5], fn(Layout) -> usize);

/// Measures the type of the layout.
macro_rules! by_layout {
    (size $v0:ident, $v1:ident) => {
        |layout| match layout {
            Layout::V0 => size_of::<c::$v0>(),
            Layout::V1 => size_of::<c::$v1>(),
        }
    };
    (offset $v0:ident, $v1:ident . $member:ident) => {
        |layout| match layout {
            Layout::V0 => offset_of!(c::$v0, $member),
            Layout::V1 => offset_of!(c::$v1, $member),
        }
    };
}

/// The facts on which reading a wrong byte depends. Sources: the public headers of rocprofiler-sdk as of ROCm 6.2,
/// 6.3, 6.4, 7.0, and the 1.3 development line.
const FACTS: &[Fact] = &[
    (
        "callback record, size",
        [56, 56, 56, 64, 64],
        by_layout!(size rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t),
    ),
    (
        "callback record, correlation_id",
        [16; 5],
        by_layout!(offset rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t.correlation_id),
    ),
    (
        "callback record, kind",
        [32, 32, 32, 40, 40],
        by_layout!(offset rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t.kind),
    ),
    (
        "callback record, operation",
        [36, 36, 36, 44, 44],
        by_layout!(offset rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t.operation),
    ),
    (
        "callback record, phase",
        [40, 40, 40, 48, 48],
        by_layout!(offset rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t.phase),
    ),
    (
        "callback record, payload",
        [48, 48, 48, 56, 56],
        by_layout!(offset rocprofiler_callback_tracing_record_v0_t, rocprofiler_callback_tracing_record_v1_t.payload),
    ),
    (
        "correlation id, size",
        [16, 16, 16, 24, 24],
        by_layout!(size rocprofiler_correlation_id_v0_t, rocprofiler_correlation_id_v1_t),
    ),
    ("client id, size", [16, 16, 16, 24, 24], by_layout!(size rocprofiler_client_id_v0_t, rocprofiler_client_id_v1_t)),
    (
        "client id, name",
        [0, 0, 0, 8, 8],
        by_layout!(offset rocprofiler_client_id_v0_t, rocprofiler_client_id_v1_t.name),
    ),
    (
        "client id, handle",
        [8, 8, 8, 16, 16],
        by_layout!(offset rocprofiler_client_id_v0_t, rocprofiler_client_id_v1_t.handle),
    ),
    (
        "memory copy, size",
        [48, 48, 48, 64, 64],
        by_layout!(size rocprofiler_callback_tracing_memory_copy_data_v0_t, rocprofiler_callback_tracing_memory_copy_data_v1_t),
    ),
    (
        "memory copy, bytes",
        [40; 5],
        by_layout!(offset rocprofiler_callback_tracing_memory_copy_data_v0_t, rocprofiler_callback_tracing_memory_copy_data_v1_t.bytes),
    ),
    ("tool configure result, size", [32; 5], |_| size_of::<c::rocprofiler_tool_configure_result_t>()),
    ("kernel dispatch, size", [152; 5], |_| size_of::<c::rocprofiler_callback_tracing_kernel_dispatch_data_t>()),
    ("kernel dispatch, dispatch_info", [24; 5], |_| {
        offset_of!(c::rocprofiler_callback_tracing_kernel_dispatch_data_t, dispatch_info)
    }),
    ("dispatch info, size", [128; 5], |_| size_of::<c::rocprofiler_kernel_dispatch_info_t>()),
    ("dispatch info, what is used", [72; 5], |_| offset_of!(c::rocprofiler_kernel_dispatch_info_t, reserved_padding)),
    ("dispatch info, kernel_id", [24; 5], |_| offset_of!(c::rocprofiler_kernel_dispatch_info_t, kernel_id)),
    ("kernel symbol, what is in all", [72; 5], |_| {
        size_of::<c::rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t>()
    }),
    ("kernel symbol, kernel_name", [24; 5], |_| {
        offset_of!(c::rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t, kernel_name)
    }),
    ("code object, size", [88; 5], |_| size_of::<c::rocprofiler_callback_tracing_code_object_load_data_t>()),
    ("marker data, size", [32; 5], |_| size_of::<c::rocprofiler_callback_tracing_marker_api_data_t>()),
    ("marker data, retval", [24; 5], |_| offset_of!(c::rocprofiler_callback_tracing_marker_api_data_t, retval)),
    ("hip data, size", [120; 5], |_| size_of::<c::rocprofiler_callback_tracing_hip_api_data_t>()),
    ("hip data, retval", [96; 5], |_| offset_of!(c::rocprofiler_callback_tracing_hip_api_data_t, retval)),
    ("agent, what is in all", [296; 5], |_| size_of::<c::rocprofiler_agent_v0_t>()),
    ("agent, name", [248; 5], |_| offset_of!(c::rocprofiler_agent_v0_t, name)),
    ("agent, node_id", [280; 5], |_| offset_of!(c::rocprofiler_agent_v0_t, node_id)),
    ("buffered dispatch, what is in all", [184; 5], |_| {
        size_of::<c::rocprofiler_buffer_tracing_kernel_dispatch_record_t>()
    }),
    ("kind MARKER_CORE_API", [7; 5], |_| c::ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_API as usize),
    ("kind CODE_OBJECT", [10; 5], |_| c::ROCPROFILER_CALLBACK_TRACING_CODE_OBJECT as usize),
    ("kind KERNEL_DISPATCH", [12; 5], |_| c::ROCPROFILER_CALLBACK_TRACING_KERNEL_DISPATCH as usize),
    ("operation hipGraphLaunch", [166; 5], |_| c::ROCPROFILER_HIP_RUNTIME_API_ID_hipGraphLaunch as usize),
];

#[test]
fn the_bindings_hold_the_essential_facts_of_every_version() {
    for (what, per_version, measure) in FACTS {
        for (number, expected) in VERSIONS.into_iter().zip(per_version) {
            let layout = Version::from_number(number).layout().expect("a released version has a layout");
            assert_eq!(measure(layout), *expected, "{what} in rocprofiler-sdk {}", Version::from_number(number));
        }
    }
}

/// What came with a version, and is demanded since.
const SINCE: &[(&str, u64)] = &[
    ("rocprofiler_tool_configure_attach_result_t", 10_100),
    ("rocprofiler_configure_attach", 10_100),
    ("rocprofiler_client_detach_t", 10_100),
    ("rocprofiler_tool_attach_t", 10_100),
    ("rocprofiler_tool_detach_t", 10_100),
    ("rocprofiler_callback_tracing_code_object_host_kernel_symbol_register_data_t", 600),
    ("ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER", 600),
    ("rocprofiler_callback_tracing_hip_graph_data_t", 10_300),
    ("rocprofiler_hip_graph_operation_t", 10_300),
    ("ROCPROFILER_CALLBACK_TRACING_RCCL_API", 500),
    ("ROCPROFILER_CALLBACK_TRACING_OMPT", 600),
    ("ROCPROFILER_CALLBACK_TRACING_MEMORY_ALLOCATION", 600),
    ("ROCPROFILER_CALLBACK_TRACING_RUNTIME_INITIALIZATION", 600),
    ("ROCPROFILER_CALLBACK_TRACING_ROCDECODE_API", 600),
    ("ROCPROFILER_CALLBACK_TRACING_ROCJPEG_API", 10_000),
    ("ROCPROFILER_CALLBACK_TRACING_HIP_STREAM", 10_000),
    ("ROCPROFILER_CALLBACK_TRACING_MARKER_CORE_RANGE_API", 10_000),
    ("rocprofiler_address_t", 600),
    ("rocprofiler_agent_v0_t::runtime_visibility", 600),
    ("rocprofiler_callback_tracing_code_object_load_data_t::agent_id", 600),
    ("rocprofiler_marker_api_args_t::roctxThreadRangeA", 10_000),
    ("rocprofiler_marker_api_args_t::roctxProcessRangeA", 10_000),
    ("rocprofiler_marker_core_range_api_id_t", 10_000),
    ("rocprofiler_hip_stream_operation_t", 10_000),
    ("rocprofiler_callback_tracing_hip_stream_data_t", 10_000),
    ("rocprofiler_stream_id_t", 10_000),
];

/// Types that later versions append to. What is bound is what all of them have.
const PREFIXES: &[&str] = &[
    "rocprofiler_agent_v0_t",
    "rocprofiler_callback_tracing_code_object_kernel_symbol_register_data_t",
    "rocprofiler_callback_tracing_kernel_dispatch_data_t",
    "rocprofiler_buffer_tracing_kernel_dispatch_record_t",
];

/// What the headers of the SDK do not have under this name: argument lists that they leave unnamed (compared where they
/// are used), opaque HIP types, callbacks with the record's type forgotten, and an export that no header declares.
const OURS: &[&str] = &[
    "rocprofiler_marker_message_args_t",
    "rocprofiler_marker_range_args_t",
    "rocprofiler_marker_thread_args_t",
    "rocprofiler_hip_graph_launch_args_t",
    "rocprofiler_hip_graph_instantiate_args_t",
    "rocprofiler_hip_graph_exec_destroy_args_t",
    "ihipStream_t",
    "ihipGraph",
    "hipGraphExec",
    "rocprofiler_client_finalize_t",
    "rocprofiler_callback_tracing_cb_t",
    "rocprofiler_set_api_table",
];

/// The ABI of one version, and what does not agree with it.
struct Comparison<'a> {
    bound: &'a Bound,
    abi: &'a Value,
    number: u64,
    compared: usize,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    fn equal(&mut self, what: &str, ours: impl Into<i64>, theirs: impl Into<i64>) {
        self.compared += 1;
        let (ours, theirs) = (ours.into(), theirs.into());
        if ours != theirs {
            self.wrong.push(format!("{what}: {ours} is bound, {theirs} is true"));
        }
    }

    /// Absence is as it should be if a later version brought the thing.
    fn absent(&mut self, what: &str) {
        let since = SINCE.iter().find(|(name, _)| what == *name).map_or(0, |(_, since)| *since);
        if self.number >= since {
            self.wrong.push(format!("{what}: is bound and does not exist"));
        }
    }

    /// The name that the SDK has for ours, unless it is of the other layout.
    fn name_in_sdk(&self, section: &str, name: &str) -> Option<String> {
        if OURS.contains(&name) {
            return None;
        }
        if self.abi[section].get(name).is_some() {
            return Some(name.to_owned());
        }
        let (ours, theirs) = if self.number < 10_000 { ("_v0_t", "_v1_t") } else { ("_v1_t", "_v0_t") };
        match (name.strip_suffix(ours), name.strip_suffix(theirs)) {
            (Some(stem), _) => Some(format!("{stem}_t")),
            (None, Some(_)) => None,
            (None, None) => Some(name.to_owned()),
        }
    }

    fn layouts(&mut self) {
        for (name, layout) in &self.bound.layouts {
            let Some(sdk_name) = self.name_in_sdk("structs", name) else { continue };
            let Some(theirs) = self.abi["structs"].get(&sdk_name) else {
                self.absent(name);
                continue;
            };
            let size = theirs["size"].as_i64().expect("a structure has a size");
            if PREFIXES.contains(&name.as_str()) {
                self.equal(&format!("{name}: fits"), i64::from(layout.size as i64 <= size), 1);
            } else {
                self.equal(&format!("{name}: size"), layout.size as i64, size);
            }
            self.members(name, layout, &members_of(&theirs["fields"]));
        }
    }

    fn members(&mut self, name: &str, layout: &bound::Layout, theirs: &BTreeMap<&str, &Value>) {
        for (member, offset, rust_type) in &layout.members {
            let what = format!("{name}::{member}");
            // A view of the whole union, for those who read other calls' arguments.
            if member == "words" {
                continue;
            }
            // Under this name since 0.6, and under both since then.
            let former = if member == "agent_id" { "rocp_agent" } else { member };
            let Some(found) = theirs.get(member.as_str()).or_else(|| theirs.get(former)) else {
                self.absent(&what);
                continue;
            };
            self.equal(&format!("{what}: offset"), *offset as i64, found["offset"].as_i64().expect("an offset"));
            if let (Some(inline), Some(ours)) = (found.get("inline_fields"), self.bound.layouts.get(rust_type)) {
                self.members(&what, ours, &members_of(inline));
            } else {
                let size = found["size"].as_i64().expect("a size");
                self.equal(&format!("{what}: size"), self.bound.size_of(rust_type) as i64, size);
            }
        }
    }

    fn constants(&mut self) {
        let enums = self.abi["enums"].as_object().expect("there are enumerations");
        let all: BTreeMap<&str, &Value> = enums
            .values()
            .flat_map(|one| one["values"].as_object().expect("an enumeration has values"))
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        for (name, value) in &self.bound.constants {
            match all.get(name.as_str()) {
                Some(theirs) => self.equal(name, *value, theirs.as_i64().expect("an enumerator is a number")),
                None if !enums.contains_key(enum_of(name)) => self.absent(enum_of(name)),
                None => self.absent(name),
            }
        }
        for (name, target) in &self.bound.aliases {
            if let Some(theirs) = enums.get(name) {
                let size = theirs["size"].as_i64().expect("an enumeration has a size");
                self.equal(&format!("{name}: size"), self.bound.size_of(target) as i64, size);
            }
        }
    }

    fn signatures(&mut self) {
        for (name, signature) in &self.bound.signatures {
            let section = if self.abi["functions"].get(name).is_some() { "functions" } else { "callbacks" };
            let Some(sdk_name) = self.name_in_sdk(section, name) else { continue };
            let Some(theirs) = self.abi[section].get(&sdk_name) else {
                self.absent(name);
                continue;
            };
            let parameters = theirs["params"].as_array().expect("a function has parameters");
            self.equal(&format!("{name}: parameters"), signature.parameters.len() as i64, parameters.len() as i64);
            for (index, (ours, theirs)) in signature.parameters.iter().zip(parameters).enumerate() {
                let size = self.size_in_c(theirs["type"].as_str().expect("a parameter has a type"));
                self.equal(&format!("{name}: parameter {index}"), self.bound.size_of(ours) as i64, size);
            }
            let size = self.size_in_c(theirs["returns"].as_str().expect("a function returns something"));
            self.equal(&format!("{name}: result"), self.bound.size_of(&signature.result) as i64, size);
        }
    }

    /// Bytes of a C type of the SDK.
    fn size_in_c(&self, c_type: &str) -> i64 {
        let name = c_type.trim_start_matches("const ").trim_start_matches("enum ").trim_start_matches("struct ");
        if name.contains('*') || self.abi["callbacks"].get(name).is_some() {
            return 8;
        }
        let known = ["structs", "enums", "typedefs"].iter().find_map(|section| self.abi[section].get(name));
        match (name, known) {
            ("void", _) => 0,
            ("int" | "unsigned int" | "int32_t" | "uint32_t", _) => 4,
            ("size_t" | "unsigned long" | "uint64_t" | "int64_t", _) => 8,
            (_, Some(found)) => found["size"].as_i64().expect("a type has a size"),
            (_, None) => panic!("no size of {c_type}"),
        }
    }
}

/// Members by name, those of unnamed structures and unions among them.
fn members_of(fields: &Value) -> BTreeMap<&str, &Value> {
    let mut members = BTreeMap::new();
    for field in fields.as_array().expect("a structure has members") {
        match field["name"].as_str() {
            Some(name) => {
                members.insert(name, field);
            }
            None => members.extend(members_of(&field["fields"])),
        }
    }
    members
}

/// The enumerations that came as a whole, from one of their enumerators.
fn enum_of(constant: &str) -> &str {
    if constant.starts_with("ROCPROFILER_MARKER_CORE_RANGE_API_ID_") {
        "rocprofiler_marker_core_range_api_id_t"
    } else if constant.starts_with("ROCPROFILER_HIP_GRAPH_OPERATION_") {
        "rocprofiler_hip_graph_operation_t"
    } else if constant.starts_with("ROCPROFILER_HIP_STREAM_") {
        "rocprofiler_hip_stream_operation_t"
    } else {
        constant
    }
}

/// The directory with the layouts of the released versions.
fn released() -> Option<PathBuf> {
    let shared = std::env::var_os("PROFILE_DECODE_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    let directory = shared.join("abi");
    directory.is_dir().then_some(directory)
}

#[test]
fn all_that_is_bound_agrees_with_every_released_version() {
    let Some(directory) = released() else {
        return common::skip::skip("the ABI of the released versions is not at hand");
    };
    let bound = Bound::read();
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(&directory).expect("it is a directory").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().into_string().expect("the name is text");
        if !name.starts_with("abi-") || !name.ends_with(".json") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("the file can be read");
        let abi: Value = serde_json::from_str(&text).expect("the file is JSON");
        let number = abi["meta"]["version_number"].as_u64().expect("a version has a number");
        let mut comparison = Comparison { bound: &bound, abi: &abi, number, compared: 0, wrong: Vec::new() };
        comparison.layouts();
        comparison.constants();
        comparison.signatures();
        assert!(comparison.wrong.is_empty(), "{name}:\n  {}", comparison.wrong.join("\n  "));
        assert!(comparison.compared > 400, "{name}: only {} facts compared", comparison.compared);
        numbers.push(u32::try_from(number).expect("a version number"));
    }
    for number in VERSIONS {
        assert!(numbers.contains(&number), "no ABI of rocprofiler-sdk {}", Version::from_number(number));
    }
}
