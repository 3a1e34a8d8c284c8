//! Executable graphs by id (abi-1.3 §4).

use std::ffi::c_void;

use rocprofiler_sdk_simulator::api::buffer::{
    rocprofiler_configure_buffer_tracing_service, rocprofiler_create_buffer, rocprofiler_flush_buffer,
};
use rocprofiler_sdk_simulator::api::context::rocprofiler_start_context;
use rocprofiler_sdk_simulator::host::capture::{sim_capture_begin, sim_capture_end};
use rocprofiler_sdk_simulator::host::graph::{
    sim_graph_exec_destroy, sim_graph_exec_update, sim_graph_instantiate, sim_graph_launch,
};
use rocprofiler_sdk_simulator::host::stream::sim_launch;
use rocprofiler_sys::bindings as c;
use rocprofiler_sys::{HipGraph, Record, RecordV1, UserData};

use crate::tool::{KERNEL_DISPATCH, configure_with, create, force, host, register, settle, tell, told};

const HIP_RUNTIME_API: u32 = 5;
const HIP_GRAPH: u32 = 22;

unsafe extern "C" fn on_graph(record: RecordV1, _: *mut UserData, _: *mut c_void) {
    // SAFETY: the callback is configured for graphs only.
    let graph = unsafe { record.payload::<HipGraph>() }.expect("a payload");
    let what = ["none", "create", "destroy", "launch"][record.operation() as usize];
    tell(format!("{what}/{} {} corr {}", record.phase(), graph.graph_exec_id, record.internal_correlation()));
}

unsafe extern "C" fn on_hip(record: RecordV1, _: *mut UserData, _: *mut c_void) {
    if record.operation() == 166 {
        tell(format!("hipGraphLaunch/{} corr {}", record.phase(), record.internal_correlation()));
    }
}

unsafe extern "C" fn on_dispatch(record: RecordV1, _: *mut UserData, _: *mut c_void) {
    if record.operation() == 1 && record.phase() == 1 {
        tell(format!("dispatch corr {}", record.internal_correlation()));
    }
}

fn trace_graphs() {
    let (_, context) = create();
    assert_eq!(configure_with(context, HIP_GRAPH, on_graph as *const c_void), 0);
    assert_eq!(configure_with(context, HIP_RUNTIME_API, on_hip as *const c_void), 0);
    assert_eq!(configure_with(context, KERNEL_DISPATCH, on_dispatch as *const c_void), 0);
    assert_eq!(rocprofiler_start_context(context), 0);
}

/// A captured graph of these kernels.
fn capture(stream: i64, kernels: &[i64]) -> i64 {
    assert_eq!(sim_capture_begin(stream), 0);
    for kernel in kernels {
        sim_launch(*kernel, stream, 1_000);
    }
    sim_capture_end(stream)
}

fn launch(exec: i64, stream: i64) -> i32 {
    // SAFETY: there are no durations.
    unsafe { sim_graph_launch(exec, stream, std::ptr::null(), 0) }
}

/// What was told, with the correlation id of the launch written as C.
fn told_of_one_launch() -> Vec<String> {
    let lines = told();
    let call = lines.iter().find_map(|line| line.strip_prefix("hipGraphLaunch/1 ")).expect("a launch").to_owned();
    lines.iter().map(|line| line.replace(&call, "C")).collect()
}

pub(crate) fn graph_ids() {
    register(trace_graphs);
    let (stream, kernels) = host(&["a", "b"]);
    let graph = capture(stream, &kernels);
    let first = sim_graph_instantiate(graph);
    assert!(told()[0].starts_with("create/0 1 "));
    assert_eq!(launch(first, stream), 0);
    let expected =
        ["hipGraphLaunch/1 C", "launch/1 1 C", "dispatch C", "dispatch C", "launch/2 1 C", "hipGraphLaunch/2 C"];
    assert_eq!(told_of_one_launch(), expected, "all with the call's id, around the dispatches");
    assert_eq!(sim_graph_exec_destroy(first), 0);
    assert!(told()[0].starts_with("destroy/0 1 "));
    let second = sim_graph_instantiate(graph);
    assert_eq!(second, first, "HIP gives the pointer again");
    assert!(told()[0].starts_with("create/0 2 "), "and it is another graph");
    assert_ne!(sim_graph_exec_destroy(second + 1), 0);
    assert!(told().is_empty(), "a destruction that fails is none");
}

pub(crate) fn graph_update() {
    register(trace_graphs);
    let (stream, kernels) = host(&["a", "b"]);
    let exec = sim_graph_instantiate(capture(stream, &kernels[..1]));
    told();
    assert_eq!(sim_graph_exec_update(exec, capture(stream, &kernels[1..])), 0);
    assert!(told().is_empty(), "an update is no event");
    assert_ne!(sim_graph_exec_update(exec, capture(stream, &kernels)), 0, "the number of nodes must be the same");
    assert_eq!(launch(exec, stream), 0);
    assert_eq!(told_of_one_launch()[1], "launch/1 1 C", "nor does it change the id");
}

/// The creation of a graph that was there before the tool is made up at its first launch, and taken back if that fails.
pub(crate) fn graph_before_the_tool() {
    let (stream, kernels) = host(&["a"]);
    let exec = sim_graph_instantiate(capture(stream, &kernels));
    assert_eq!(force::<0>(trace_graphs), 0);
    told();
    for _ in 0..2 {
        assert_eq!(launch(exec, stream), 0);
    }
    let told_of: Vec<String> = told().iter().filter_map(|line| line.split(" corr").next().map(str::to_owned)).collect();
    let launch_of = |id| [format!("launch/1 {id}"), format!("launch/2 {id}")];
    let graphs: Vec<&String> = told_of.iter().filter(|line| line.contains("/") && !line.starts_with("hip")).collect();
    let mut expected = vec!["create/0 1".to_owned()];
    expected.extend(launch_of(1).into_iter().chain(launch_of(1)));
    assert_eq!(graphs, expected.iter().collect::<Vec<_>>());
    assert_ne!(launch(exec + 100, stream), 0);
    let failed: Vec<String> = told().iter().map(|line| line[..8].to_owned()).collect();
    assert_eq!(failed[1..5], ["create/0", "launch/1", "launch/2", "destroy/"]);
}

/// The buffered record of a launch, in either of its two layouts.
pub(crate) fn graph_records() {
    static BUFFER: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
    unsafe extern "C" fn on_buffer(
        _: u64,
        _: u64,
        headers: *mut *mut c::rocprofiler_record_header_t,
        count: usize,
        _: *mut c_void,
        _: u64,
    ) {
        // SAFETY: the SDK passes as many headers as it says; a payload begins with its size.
        for header in unsafe { std::slice::from_raw_parts(headers.cast::<&c::rocprofiler_record_header_t>(), count) } {
            // SAFETY: as above; the words are as many as the size says.
            let words = unsafe {
                let size = header.payload.cast::<u64>().read() as usize;
                std::slice::from_raw_parts(header.payload.cast::<u64>(), size / 8)
            };
            let tail = &words[words.len() - 3..];
            tell(format!(
                "kind {} bytes {} queue {} graph {} dispatches {}",
                header.kind, words[0], tail[0], tail[1], tail[2]
            ));
        }
    }
    register(|| {
        let (mut buffer, context, null) = (0, create().1, std::ptr::null_mut());
        // SAFETY: the callback has the SDK's type, and the handle outlives the call.
        unsafe {
            assert_eq!(rocprofiler_create_buffer(context, 4096, 2048, 2, Some(on_buffer), null, &mut buffer), 0);
            assert_eq!(rocprofiler_configure_buffer_tracing_service(context, 33, std::ptr::null(), 0, buffer), 0);
        }
        assert_eq!(configure_with(context, KERNEL_DISPATCH, on_dispatch as *const c_void), 0);
        assert_eq!(rocprofiler_start_context(context), 0);
        *BUFFER.lock().expect("no panic") = buffer;
    });
    let (stream, kernels) = host(&["a", "b"]);
    let exec = sim_graph_instantiate(capture(stream, &kernels));
    assert_eq!(launch(exec, stream), 0);
    settle();
    told();
    assert_eq!(rocprofiler_flush_buffer(*BUFFER.lock().expect("no panic")), 0);
    let bytes = if std::env::var("ROCPROFILER_SIM_GRAPH_RECORD").is_ok() { 88 } else { 96 };
    assert_eq!(told(), [format!("kind 33 bytes {bytes} queue 0 graph 1 dispatches 2")]);
}
