//! What holds in every version.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tool::{
    KERNEL_DISPATCH, PUSH_IN_ENTER, configure, context, create, host, register, settle, status_name, told,
    two_contexts, version,
};
use rocprofiler_sdk_simulator::api::buffer::{
    rocprofiler_configure_buffer_tracing_service, rocprofiler_create_buffer, rocprofiler_flush_buffer,
};
use rocprofiler_sdk_simulator::api::context::{
    rocprofiler_configure_external_correlation_id_request_service, rocprofiler_context_is_valid,
    rocprofiler_create_context, rocprofiler_pop_external_correlation_id, rocprofiler_push_external_correlation_id,
    rocprofiler_start_context, rocprofiler_stop_context,
};
use rocprofiler_sdk_simulator::api::query::rocprofiler_query_available_agents;
use rocprofiler_sdk_simulator::host::control::sim_finish;
use rocprofiler_sdk_simulator::host::stream::sim_launch;
use rocprofiler_sys::bindings as c;

pub(crate) fn locked() {
    register(two_contexts);
    let (status, handle) = create();
    assert_eq!(status_name(status), "CONFIGURATION_LOCKED");
    let expected = if std::env::var("ROCPROFILER_SIM_VERSION").is_ok_and(|v| v == "0.4") { 15 } else { 16 };
    assert_eq!(status, expected, "the code moved between 0.4 and 0.5");
    let none = if std::env::var("ROCPROFILER_SIM_VERSION").is_ok_and(|v| v > "1.0".into()) { 0 } else { u64::MAX };
    assert_eq!(handle, none);
    assert_eq!(status_name(configure(context(0), KERNEL_DISPATCH)), "CONFIGURATION_LOCKED");
}

pub(crate) fn zero_handles() {
    register(|| {
        let mut handle = 77;
        // SAFETY: the handle outlives the call.
        let status = unsafe { rocprofiler_create_context(&mut handle) };
        let old = std::env::var("ROCPROFILER_SIM_VERSION").is_ok_and(|v| v == "0.4");
        assert_eq!(status_name(status), if old { "ROCPROFILER_STATUS_SUCCESS" } else { "CONTEXT_ID_NOT_ZERO" });
        let (_, context) = create();
        assert_eq!(configure(context, KERNEL_DISPATCH), 0);
        assert_eq!(status_name(configure(context, KERNEL_DISPATCH)), "SERVICE_ALREADY_CONFIGURED");
        assert_eq!(status_name(configure(context + 1000, KERNEL_DISPATCH)), "CONTEXT_NOT_FOUND");
    });
}

pub(crate) fn unknown_kind() {
    register(|| {
        configure(create().1, 25);
    });
}

pub(crate) fn captured_at_enqueue() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    sim_launch(kernels[0], stream, 1_000);
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    assert_eq!(status_name(rocprofiler_stop_context(context(0))), "CONTEXT_NOT_FOUND");
    sim_launch(kernels[0], stream, 1_000);
    settle();
    let mut lines = told();
    lines.sort();
    assert_eq!(lines, ["complete 1 ext 0 user 5", "enter 1", "exit 1 ext 0", "symbol gemm.kd"]);
}

pub(crate) fn late_context_learns_no_names() {
    register(two_contexts);
    host(&["early"]);
    rocprofiler_start_context(context(1));
    host(&["late"]);
    assert_eq!(told(), ["symbol early.kd", "symbol late.kd", "symbol late.kd"]);
}

pub(crate) fn names_are_deferred() {
    register(two_contexts);
    rocprofiler_stop_context(context(0));
    host(&["early"]);
    assert_eq!(told(), [""; 0]);
    rocprofiler_start_context(context(1));
    host(&["late"]);
    assert_eq!(told(), ["symbol early.kd", "symbol late.kd"]);
}

pub(crate) fn external_ids() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    let tid = rocprofiler_sdk_simulator::thread::gettid();
    told();
    let launch = || {
        sim_launch(kernels[0], stream, 1_000);
        settle();
        told().into_iter().find(|line| line.starts_with("complete")).expect("a completion")
    };
    assert!(launch().contains("ext 0"));
    rocprofiler_push_external_correlation_id(context(0), tid, 7);
    assert!(launch().contains("ext 7"));
    PUSH_IN_ENTER.store(8, Ordering::Relaxed);
    assert!(launch().contains("ext 8"), "a push in the ENTER callback counts");
    let mut popped = 0;
    // SAFETY: the value outlives the call.
    unsafe { rocprofiler_pop_external_correlation_id(context(0), tid, &mut popped) };
    assert_eq!(popped, 8);
    assert_eq!(status_name(rocprofiler_push_external_correlation_id(context(0), 1, 7)), "INVALID_ARGUMENT");
}

pub(crate) fn requested_ids() {
    unsafe extern "C" fn on_request(
        tid: u64,
        _: u64,
        kind: u32,
        _: i32,
        _: u64,
        value: *mut u64,
        _: *mut c_void,
    ) -> i32 {
        assert_eq!((kind, tid), (11, rocprofiler_sdk_simulator::thread::gettid()));
        // SAFETY: the SDK passes a place for the answer.
        unsafe { *value = 42 };
        0
    }
    register(|| {
        two_contexts();
        let kinds = [11];
        // SAFETY: the callback has the SDK's type, and the kinds outlive the call.
        let status = unsafe {
            rocprofiler_configure_external_correlation_id_request_service(
                context(0),
                kinds.as_ptr(),
                kinds.len(),
                Some(on_request),
                std::ptr::null_mut(),
            )
        };
        assert_eq!(status, 0);
    });
    let (stream, kernels) = host(&["gemm"]);
    // An answer stays, whatever is pushed later.
    PUSH_IN_ENTER.store(8, Ordering::Relaxed);
    sim_launch(kernels[0], stream, 1_000);
    settle();
    assert!(told().iter().any(|line| line.starts_with("complete 1 ext 42 ")));
}

pub(crate) fn agents() {
    unsafe extern "C" fn on_agents(_: u32, agents: *const *const c_void, count: usize, _: *mut c_void) -> u32 {
        // SAFETY: the SDK passes as many pointers as it says, to agents of at least 296 bytes.
        let agents = unsafe { std::slice::from_raw_parts(agents.cast::<&c::rocprofiler_agent_v0_t>(), count) };
        assert_eq!(agents.iter().map(|agent| agent.type_).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(agents[1].gfx_target_version, 90_402);
        0
    }
    // SAFETY: the callback has the SDK's type.
    let query =
        |version, size| unsafe { rocprofiler_query_available_agents(version, on_agents, size, std::ptr::null_mut()) };
    assert_eq!(query(1, 296), 0);
    assert_eq!(status_name(query(1, 400)), "INCOMPATIBLE_ABI");
    assert_eq!(status_name(query(2, 296)), "INVALID_ARGUMENT");
}

pub(crate) fn lost() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..6 {
        sim_launch(kernels[0], stream, 1_000);
    }
    settle();
    let lines = told();
    let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("enter"), count("complete")), (6, 4));
    assert!(!lines.iter().any(|line| line.starts_with("complete 3 ") || line.starts_with("complete 6 ")));
}

pub(crate) fn out_of_order() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..50 {
        sim_launch(kernels[0], stream, 1_000);
    }
    settle();
    let lines = told();
    let ids: Vec<u32> =
        lines.iter().filter_map(|line| line.strip_prefix("complete ")?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(ids.len(), 50);
    assert!(!ids.is_sorted(), "{ids:?}");
}

pub(crate) fn failing_call() {
    register(|| {
        assert_eq!(create().0, 0);
        assert_eq!(status_name(create().0), "CONTEXT_INVALID");
        assert_eq!(create().0, 0);
    });
}

pub(crate) fn buffered() {
    static RECORDS: AtomicU64 = AtomicU64::new(0);
    static BUFFER: AtomicU64 = AtomicU64::new(0);
    unsafe extern "C" fn on_buffer(
        _: u64,
        _: u64,
        headers: *mut *mut c::rocprofiler_record_header_t,
        count: usize,
        _: *mut c_void,
        dropped: u64,
    ) {
        assert_eq!(dropped, 0);
        // SAFETY: the SDK passes as many headers as it says; their payloads are dispatch records.
        for header in unsafe { std::slice::from_raw_parts(headers.cast::<&c::rocprofiler_record_header_t>(), count) } {
            // SAFETY: as above.
            let record = unsafe { &*header.payload.cast::<c::rocprofiler_buffer_tracing_kernel_dispatch_record_t>() };
            assert_eq!((header.category, header.kind), (1, 11));
            assert_eq!(record.size, if version() == "1.4.1" { 192 } else { 184 });
            assert_eq!(record.end_timestamp - record.start_timestamp, 1_000);
            RECORDS.fetch_add(1, Ordering::Relaxed);
        }
    }
    register(|| {
        let (mut buffer, context) = (0, create().1);
        // SAFETY: the callback has the SDK's type, the handle outlives the call, null means all operations.
        unsafe {
            let null = std::ptr::null_mut();
            assert_eq!(rocprofiler_create_buffer(context, 4096, 2048, 2, Some(on_buffer), null, &mut buffer), 0);
            assert_eq!(rocprofiler_configure_buffer_tracing_service(context, 11, std::ptr::null(), 0, buffer), 0);
        }
        BUFFER.store(buffer, Ordering::Relaxed);
        assert_eq!(rocprofiler_start_context(context), 0);
    });
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..100 {
        sim_launch(kernels[0], stream, 1_000);
    }
    settle();
    assert_eq!(rocprofiler_flush_buffer(BUFFER.load(Ordering::Relaxed)), 0);
    assert_eq!(RECORDS.load(Ordering::Relaxed), 100);
}

pub(crate) fn finished() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    sim_launch(kernels[0], stream, 1_000);
    sim_finish();
    assert!(told().iter().any(|line| line.starts_with("complete 1")), "the end waits for what was launched");
    assert_eq!(status_name(rocprofiler_start_context(context(1))), "CONFIGURATION_LOCKED");
    let mut valid = 0;
    // SAFETY: the value outlives the call.
    unsafe { rocprofiler_context_is_valid(context(1), &mut valid) };
    assert_eq!(valid, 1);
}
