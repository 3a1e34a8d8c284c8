//! Graphs: captured from a stream, instantiated, launched.

use super::stream::run;
use super::{HIP_STATE, Node, call, change, code, error, stream_of};
use crate::thread::ThreadState;
use crate::{clock, ledger, lock, read};

/// hipStreamBeginCapture: launches to the stream go into a graph from now on.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_begin(id: i64) -> i32 {
    code(call("hipStreamBeginCapture", &[id as u64], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let mut capture = lock(&stream.capture);
        if capture.is_some() {
            return Err(error::CAPTURING);
        }
        *capture = Some(Vec::new());
        Ok(0)
    }))
}

/// hipStreamEndCapture: the graph.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_end(id: i64) -> i64 {
    call("hipStreamEndCapture", &[id as u64], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let nodes = lock(&stream.capture).take().ok_or(error::INVALID_VALUE)?;
        Ok(add_graph(Vec::leak(nodes)))
    })
}

fn add_graph(nodes: &'static [Node]) -> i64 {
    change(|hip| {
        hip.next_graph += 1;
        hip.graphs.insert(hip.next_graph, nodes);
        hip.next_graph as i64
    })
}

fn graph(id: i64) -> Result<&'static [Node], i32> {
    read(&HIP_STATE).as_ref().and_then(|hip| hip.graphs.get(&(id as u64)).copied()).ok_or(error::INVALID_HANDLE)
}

/// hipGraphInstantiate: an executable graph.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_instantiate(id: i64) -> i64 {
    let mut made: u64 = 0;
    let place = &raw mut made;
    call("hipGraphInstantiate", &[place as u64, id as u64], |_| {
        let exec = add_graph(graph(id)?);
        // SAFETY: `made` outlives the call; tools read it through the traced argument.
        unsafe { place.write(exec as u64) };
        Ok(exec)
    })
}

/// hipGraphDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_destroy(id: i64) -> i32 {
    destroy_graph("hipGraphDestroy", id)
}

/// hipGraphExecDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_exec_destroy(id: i64) -> i32 {
    destroy_graph("hipGraphExecDestroy", id)
}

fn destroy_graph(name: &str, id: i64) -> i32 {
    code(call(name, &[id as u64], |_| {
        change(|hip| hip.graphs.remove(&(id as u64))).map(|_| 0).ok_or(error::INVALID_HANDLE)
    }))
}

/// hipGraphLaunch. This time the kernels run for these durations (`count` of them, in the order of capture); those that are
/// missing run as captured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_graph_launch(id: i64, stream_id: i64, durations_ns: *const u64, count: i32) -> i32 {
    let durations = if durations_ns.is_null() || count <= 0 {
        &[]
    } else {
        // SAFETY: the host passes as many durations as it says.
        unsafe { std::slice::from_raw_parts(durations_ns, count as usize) }
    };
    code(call("hipGraphLaunch", &[id as u64, stream_id as u64], |correlation| {
        let nodes = graph(id)?;
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        let state = ThreadState::current();
        let start_ns = clock::now_ns();
        let row = ledger::with(|ledger| {
            ledger.open_launch(ledger::Launch {
                graph: id as u64,
                stream: stream.id,
                thread: state.tid,
                range: state.range(),
                correlation,
                start_ns,
                end_ns: start_ns,
            })
        });
        state.launch.set(row);
        run(stream, nodes, durations);
        state.launch.set(None);
        if let Some(row) = row {
            ledger::with(|ledger| ledger.close_launch(row, clock::now_ns()));
        }
        Ok(0)
    }))
}
