//! The two ways in which dispatches are intercepted, and what a tool sees of them (abi-1.3 §3, §5 and §8).

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::time::{Duration, Instant};

use rocprofiler_sdk_simulator::api::buffer::{rocprofiler_configure_buffer_tracing_service, rocprofiler_create_buffer};
use rocprofiler_sdk_simulator::api::context::{rocprofiler_start_context, rocprofiler_stop_context};
use rocprofiler_sdk_simulator::host::capture::{sim_capture_begin, sim_capture_end};
use rocprofiler_sdk_simulator::host::control::sim_finish;
use rocprofiler_sdk_simulator::host::graph::{sim_graph_instantiate, sim_graph_launch};
use rocprofiler_sdk_simulator::host::stream::sim_launch;
use rocprofiler_sdk_simulator::interposition;
use rocprofiler_sys::{Record, RecordV1, UserData};

use crate::tool::{
    COMPLETIONS, KERNEL_DISPATCH, configure_with, context, create, host, register, settle, told, two_contexts, version,
};

/// `FACT_PATH` says which path it must be, `FACT_BUFFER` which buffered kind is configured besides.
pub(crate) fn path() {
    register(|| {
        two_contexts();
        let Some(kind) = std::env::var("FACT_BUFFER").ok().and_then(|kind| kind.parse().ok()) else { return };
        unsafe extern "C" fn on_buffer(
            _: u64,
            _: u64,
            _: *mut *mut rocprofiler_sys::bindings::rocprofiler_record_header_t,
            _: usize,
            _: *mut c_void,
            _: u64,
        ) {
        }
        let (mut buffer, null) = (0, std::ptr::null_mut());
        // SAFETY: the callback has the SDK's type, and the handle outlives the call.
        unsafe {
            assert_eq!(rocprofiler_create_buffer(context(0), 4096, 2048, 2, Some(on_buffer), null, &mut buffer), 0);
            assert_eq!(rocprofiler_configure_buffer_tracing_service(context(0), kind, std::ptr::null(), 0, buffer), 0);
        }
    });
    assert_eq!(format!("{:?}", interposition::path()), std::env::var("FACT_PATH").expect("the test says it"));
}

/// A graph of three kernels, launched as often as is said, on one stream.
fn launch_graphs(times: usize) {
    let (stream, kernels) = host(&["a", "b", "c"]);
    sim_capture_begin(stream);
    for kernel in &kernels {
        sim_launch(*kernel, stream, 1_000);
    }
    let exec = sim_graph_instantiate(sim_capture_end(stream));
    for _ in 0..times {
        // SAFETY: there are no durations.
        assert_eq!(unsafe { sim_graph_launch(exec, stream, std::ptr::null(), 0) }, 0);
    }
    settle();
}

pub(crate) fn several_threads() {
    register(two_contexts);
    launch_graphs(100);
    let completions = COMPLETIONS.lock().expect("no panic").clone();
    let ids: Vec<u64> = completions.iter().map(|(_, id)| *id).collect();
    let threads: BTreeSet<u64> = completions.iter().map(|(thread, _)| *thread).collect();
    assert_eq!(ids.iter().copied().collect::<BTreeSet<_>>(), (1..=300).collect(), "each once");
    assert_eq!(ids.len(), 300);
    assert_eq!(threads.len(), 3, "as many as the variable says");
    assert!(!ids.is_sorted_by_key(|id| (id - 1) / 3), "no order across batches");
    for batch in 0..100 {
        let of_batch = completions.iter().filter(|(_, id)| (id - 1) / 3 == batch);
        let (threads, ids): (BTreeSet<u64>, Vec<u64>) = of_batch.copied().unzip();
        assert_eq!((threads.len(), ids), (1, (batch * 3 + 1..batch * 3 + 4).collect()), "one thread, packet order");
    }
}

/// Some completions are late when the end comes: path A waits for them, path B does not.
pub(crate) fn abandoned() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..10 {
        sim_launch(kernels[0], stream, 1_000);
    }
    sim_finish();
    let completed: BTreeSet<u64> = COMPLETIONS.lock().expect("no panic").iter().map(|(_, id)| *id).collect();
    let expected = match interposition::path() {
        interposition::Path::Queue => (1..=10).collect::<BTreeSet<_>>(),
        interposition::Path::Inline => (1..=10).filter(|id| id % 5 != 0).collect(),
    };
    assert_eq!(completed, expected);
}

/// On path B a kernel that never ends does not hold up the end.
pub(crate) fn endless_kernel() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    sim_launch(kernels[0], stream, 1_000);
    sim_launch(kernels[0], stream, u64::MAX);
    sim_finish();
    assert_eq!(COMPLETIONS.lock().expect("no panic").len(), 1);
}

/// A start after idling stands, launches stand with it; `FACT_STALLS` says whether it must.
pub(crate) fn stalls() {
    let must = std::env::var("FACT_STALLS").is_ok_and(|value| value == "1");
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    let start = || {
        let begin = Instant::now();
        assert_eq!(rocprofiler_start_context(context(0)), 0);
        begin.elapsed() >= Duration::from_millis(150)
    };
    assert!(!start(), "nothing was launched while it was stopped");
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    sim_launch(kernels[0], stream, 1_000);
    assert_eq!(start(), must);
    assert!(!start(), "it is started");
}

/// While no started context wants dispatches they pass through and leave no record.
pub(crate) fn idles() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    sim_launch(kernels[0], stream, 1_000);
    assert_eq!(rocprofiler_start_context(context(0)), 0);
    sim_launch(kernels[0], stream, 1_000);
    settle();
    let mut lines = told();
    lines.sort();
    assert_eq!(lines, ["complete 1 ext 0 user 5", "enter 1", "exit 1 ext 0", "symbol gemm.kd"]);
}

pub(crate) fn slow_stop() {
    register(two_contexts);
    let begin = Instant::now();
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

/// A stop loses what is on its way.
pub(crate) fn dropping_stop() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..100 {
        sim_launch(kernels[0], stream, 1_000);
    }
    assert_eq!(rocprofiler_stop_context(context(0)), 0);
    settle();
    let completed = COMPLETIONS.lock().expect("no panic").len();
    assert!(completed < 100, "{completed}");
}

/// The payload grew after 1.3.5, at its end.
pub(crate) fn dispatch_sizes() {
    unsafe extern "C" fn on_dispatch(record: RecordV1, _: *mut UserData, _: *mut c_void) {
        // SAFETY: a payload begins with its size; the pipe is there if the size says so.
        unsafe {
            let size = record.payload_pointer().cast::<u64>().read();
            assert_eq!(size, if version() == "1.4.1" { 160 } else { 152 });
            if size >= 156 {
                assert_eq!(record.payload_pointer().byte_add(152).cast::<i32>().read(), -1);
            }
        }
        crate::tool::tell("dispatch".to_owned());
    }
    register(|| {
        let (_, context) = create();
        assert_eq!(configure_with(context, KERNEL_DISPATCH, on_dispatch as *const c_void), 0);
        assert_eq!(rocprofiler_start_context(context), 0);
    });
    let (stream, kernels) = host(&["gemm"]);
    sim_launch(kernels[0], stream, 1_000);
    settle();
    assert_eq!(told().len(), 3);
}

/// Every third kernel comes in an extended packet.
pub(crate) fn extended_packets() {
    register(two_contexts);
    let (stream, kernels) = host(&["gemm"]);
    for _ in 0..9 {
        sim_launch(kernels[0], stream, 1_000);
    }
    settle();
    let seen = if version() == "1.1" { 6 } else { 9 };
    let lines = told();
    for what in ["enter", "exit", "complete"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(what)).count(), seen, "{what}");
    }
}
