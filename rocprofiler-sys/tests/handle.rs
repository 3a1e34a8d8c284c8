//! What the handle does with libraries of every kind: complete, incomplete, too old, too new, not there.

mod common;

use common::Fake;
use rocprofiler_sys::{
    AgentType, CallError, KernelDispatch, Layout, LoadError, Record, RecordV0, RecordV1, Sdk, TracingCallback,
    UserData, Version,
};
use std::ffi::c_void;
use std::path::Path;

/// Builds a stand-in and opens it.
fn open(fake: &Fake<'_>) -> Option<Result<Sdk, LoadError>> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let library = fake.build(&directory.path().join("libfake-sdk.so"))?;
    // SAFETY: the stand-in is compiled against the header.
    Some(unsafe { Sdk::open(&library) })
}

/// What a dispatch callback saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    layout: Option<Layout>,
    context: u64,
    thread_id: u64,
    internal: u64,
    external: u64,
    ancestor: u64,
    kind: u32,
    operation: i32,
    phase: u32,
    user_data: u64,
    dispatch: Option<(u64, u64, u64, u64, u32)>,
}

unsafe extern "C" fn on_dispatch<R: Record>(record: R, user_data: *mut UserData, data: *mut c_void) {
    // SAFETY: the test passes its `Seen`.
    let seen = unsafe { &mut *data.cast::<Seen>() };
    // SAFETY: the callback is configured for KERNEL_DISPATCH.
    let dispatch = unsafe { record.payload::<KernelDispatch>() }.map(|dispatch| {
        let info = &dispatch.dispatch_info;
        (dispatch.start_timestamp, dispatch.end_timestamp, info.kernel_id, info.dispatch_id, info.grid_size.x)
    });
    *seen = Seen {
        layout: Some(R::LAYOUT),
        context: record.context(),
        thread_id: record.thread_id(),
        internal: record.internal_correlation(),
        external: record.external_correlation(),
        ancestor: record.ancestor_correlation(),
        kind: record.kind(),
        operation: record.operation(),
        phase: record.phase(),
        // SAFETY: the library passes a word of its own; every bit pattern is an integer.
        user_data: unsafe { (*user_data).value },
        dispatch,
    };
}

#[test]
fn a_callback_reads_the_record_of_either_layout_as_c_wrote_it() {
    for (version, layout, ancestor) in
        [([0, 4, 0], Layout::V0, 0), ([0, 6, 0], Layout::V0, 0), ([1, 3, 5], Layout::V1, 9)]
    {
        let Some(sdk) = open(&Fake { version, ..Fake::default() }) else { return };
        let sdk = sdk.expect("the stand-in is complete");
        assert_eq!(sdk.layout(), layout);
        let context = sdk.create_context().expect("the first context");
        let kind = sdk.callback_kind("KERNEL_DISPATCH").expect("every version has it");
        let operation = sdk.operation(kind, "KERNEL_DISPATCH_COMPLETE").expect("it can be asked").expect("it is there");
        let mut seen = Seen::default();
        let callback = TracingCallback { v0: on_dispatch::<RecordV0>, v1: on_dispatch::<RecordV1> };
        // SAFETY: the stand-in calls back within this call only, on this thread, and `seen` outlives it.
        unsafe {
            sdk.configure_callback_tracing(context, kind, &[1, operation], callback, (&raw mut seen).cast())
                .expect("the context is there");
        }
        let expected = Seen {
            layout: Some(layout),
            context: context.handle(),
            thread_id: 11,
            internal: 7,
            external: 8,
            ancestor,
            kind: 12,
            operation: 2,
            phase: 0,
            user_data: 6,
            dispatch: Some((1000, 1002, 4, 5, 64)),
        };
        assert_eq!(seen, expected);
    }
}

#[test]
fn contexts_start_and_stop_and_a_failed_call_names_function_and_status() {
    let Some(sdk) = open(&Fake::default()) else { return };
    let sdk = sdk.expect("the stand-in is complete");
    let context = sdk.create_context().expect("the first context");
    assert_eq!(sdk.context_is_active(context), Ok(false));
    sdk.start_context(context).expect("it is there");
    assert_eq!(sdk.context_is_active(context), Ok(true));
    sdk.stop_context(context).expect("it is active");
    let error = sdk.stop_context(context).expect_err("it is not active");
    assert_eq!(
        error.to_string(),
        "rocprofiler_stop_context failed with status 2 (ROCPROFILER_STATUS_ERROR_CONTEXT_NOT_FOUND)"
    );
    let error = sdk.create_context().expect_err("the stand-in has but one");
    assert_eq!(
        error.to_string(),
        "rocprofiler_create_context failed with status 16 (ROCPROFILER_STATUS_ERROR_CONFIGURATION_LOCKED)"
    );
    assert_eq!(error.function(), "rocprofiler_create_context");
}

#[test]
fn external_correlation_ids_go_in_and_come_out() {
    let Some(sdk) = open(&Fake::default()) else { return };
    let sdk = sdk.expect("the stand-in is complete");
    let context = sdk.create_context().expect("the first context");
    sdk.push_external_correlation_id(context, 100, 42).expect("it takes one");
    assert_eq!(sdk.pop_external_correlation_id(context, 100), Ok(42));
    assert_eq!(sdk.pop_external_correlation_id(context, 100), Ok(0));
    assert_eq!(sdk.timestamp(), Ok(12345));
}

#[test]
fn an_agent_is_read_as_far_as_the_library_describes_it() {
    for (agent_size, uuid) in [(296, 0), (304, 8), (312, 16), (376, 16)] {
        let Some(sdk) = open(&Fake { agent_size, ..Fake::default() }) else { return };
        let agents = sdk.expect("the stand-in is complete").agents().expect("296 bytes are accepted");
        let [gpu] = &agents[..] else { panic!("{agents:?}") };
        assert_eq!((gpu.id, gpu.agent_type, gpu.node_id), (40001, AgentType::Gpu, 2));
        assert_eq!((gpu.logical_node_id, gpu.logical_node_type_id, gpu.cu_count), (2, 1, 304));
        assert_eq!((&*gpu.name, &*gpu.product_name, &*gpu.model_name), ("gfx942", "AMD Instinct MI300X", ""));
        // The stand-in fills the tail with each byte's offset.
        let offsets: Vec<u8> = (296_usize..296 + uuid).map(|offset| u8::try_from(offset % 256).unwrap()).collect();
        assert_eq!(*gpu.uuid, *offsets);
    }
}

#[test]
fn a_library_whose_agents_are_smaller_than_ever_says_so() {
    let Some(sdk) = open(&Fake { agent_size: 288, ..Fake::default() }) else { return };
    let error = sdk.expect("the stand-in is complete").agents().expect_err("296 are more than 288");
    assert!(matches!(error, CallError::Failed { status: 18, .. }), "{error}");
}

#[test]
fn a_missing_optional_function_costs_its_feature_and_nothing_else() {
    let without = ["rocprofiler_get_status_name", "rocprofiler_query_available_agents", "rocprofiler_get_timestamp"];
    let Some(sdk) = open(&Fake { without: &without, ..Fake::default() }) else { return };
    let sdk = sdk.expect("what is missing is optional");
    // What the stand-in never has is missing as well.
    for function in without {
        assert!(Sdk::OPTIONAL.contains(&function) && sdk.absent().contains(&function), "{function}");
    }
    assert!(!sdk.absent().contains(&"rocprofiler_push_external_correlation_id"));
    let error = sdk.agents().expect_err("there is no such function");
    assert_eq!(error.to_string(), "this rocprofiler-sdk does not have rocprofiler_query_available_agents");
    assert_eq!(sdk.timestamp(), Err(CallError::Absent { function: "rocprofiler_get_timestamp" }));
    // Without names a status is still reported, and contexts still work.
    let context = sdk.create_context().expect("the first context");
    let error = sdk.create_context().expect_err("the stand-in has but one");
    assert_eq!(error.to_string(), "rocprofiler_create_context failed with status 16 (unnamed)");
    sdk.start_context(context).expect("it is there");
}

#[test]
fn a_missing_required_function_is_an_error_that_names_it() {
    for function in ["rocprofiler_start_context", "rocprofiler_get_version"] {
        let Some(sdk) = open(&Fake { without: &[function], ..Fake::default() }) else { return };
        assert!(Sdk::REQUIRED.contains(&function));
        let error = sdk.err().expect("nothing works without it").to_string();
        assert!(error.contains(function) && error.contains("libfake-sdk.so"), "{error}");
    }
}

#[test]
fn an_unknown_major_version_is_refused_by_number() {
    let Some(sdk) = open(&Fake { version: [2, 1, 0], ..Fake::default() }) else { return };
    let error = sdk.err().expect("its layout is unknown");
    let expected = Version { major: 2, minor: 1, patch: 0 };
    assert!(matches!(&error, LoadError::UnsupportedVersion { version, .. } if *version == expected), "{error}");
    assert!(error.to_string().contains("rocprofiler-sdk 2.1.0"), "{error}");
}

#[test]
fn a_library_that_is_not_there_is_an_error_that_names_the_place_and_a_broken_one_has_the_loaders_words() {
    // SAFETY: there is no such file.
    let error = unsafe { Sdk::open(Path::new("/nowhere/librocprofiler-sdk.so")) }.err().expect("no such file");
    assert!(error.to_string().ends_with("was not found in /nowhere"), "{error}");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/handle.rs");
    // SAFETY: a program's source is no library, so nothing of it runs.
    let error = unsafe { Sdk::open(Path::new(source)) }.err().expect("no library");
    assert!(error.to_string().contains("tests/handle.rs: "), "{error}");
}

#[test]
fn kinds_are_those_that_the_library_names() {
    let Some(sdk) = open(&Fake::default()) else { return };
    let sdk = sdk.expect("the stand-in is complete");
    assert_eq!(sdk.callback_kinds().len(), 13);
    assert_eq!(sdk.callback_kind("KERNEL_DISPATCH").map(|kind| kind.number()), Some(12));
    assert_eq!(sdk.callback_kind("HIP_GRAPH"), None);
    let kind = sdk.callback_kind("KERNEL_DISPATCH").expect("every version has it");
    assert_eq!(sdk.operation(kind, "hipGraphLaunch"), Ok(None));
}
