//! Graphs: captured from a stream, instantiated, updated, launched.

use super::stream::run;
use super::{HIP_STATE, Node, Stream, call, change, code, error, stream_of};
use crate::registration::is_wrapped;
use crate::thread::ThreadState;
use crate::{clock, hip_graph, ledger, lock, read};

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
        let nodes = graph(id)?;
        let exec = change(|hip| {
            let exec = hip.free_execs.pop().unwrap_or_else(|| {
                hip.next_graph += 1;
                hip.next_graph
            });
            hip.graphs.insert(exec, nodes);
            exec
        });
        // SAFETY: `made` outlives the call; tools read it through the traced argument.
        unsafe { place.write(exec) };
        if is_wrapped() {
            hip_graph::created(exec);
        }
        Ok(exec as i64)
    })
}

/// hipGraphExecUpdate: the executable graph runs the nodes of this graph from now on, of which there must be as many.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_exec_update(exec: i64, id: i64) -> i32 {
    code(call("hipGraphExecUpdate", &[exec as u64, id as u64], |_| {
        let nodes = graph(id)?;
        if graph(exec)?.len() != nodes.len() {
            return Err(error::INVALID_VALUE);
        }
        change(|hip| hip.graphs.insert(exec as u64, nodes));
        Ok(0)
    }))
}

/// hipGraphDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_destroy(id: i64) -> i32 {
    code(call("hipGraphDestroy", &[id as u64], |_| remove(id)))
}

/// hipGraphExecDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_exec_destroy(id: i64) -> i32 {
    code(call("hipGraphExecDestroy", &[id as u64], |_| {
        remove(id)?;
        if is_wrapped() {
            hip_graph::destroyed(id as u64);
        }
        change(|hip| hip.free_execs.push(id as u64));
        Ok(0)
    }))
}

fn remove(id: i64) -> Result<i64, i32> {
    change(|hip| hip.graphs.remove(&(id as u64))).map(|_| 0).ok_or(error::INVALID_HANDLE)
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
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        let launch = is_wrapped().then(|| hip_graph::Launch::enter(id as u64)).flatten();
        let exec_id = launch.as_ref().map(|launch| launch.id);
        let outcome = graph(id).map(|nodes| replay(stream, nodes, durations, (id as u64, exec_id, correlation)));
        if let Some(launch) = launch {
            launch.exit(outcome.ok().map(|traced| (stream.place.agent, traced)));
        }
        outcome.map(|_| 0)
    }))
}

/// Launches the nodes, with a row in the ledger; answers how many are traced.
fn replay(
    stream: &Stream,
    nodes: &[Node],
    durations: &[u64],
    (graph, graph_exec_id, correlation): (u64, Option<u64>, Option<u64>),
) -> usize {
    let state = ThreadState::current();
    let start_ns = clock::now_ns();
    let row = ledger::with(|ledger| {
        ledger.open_launch(ledger::Launch {
            graph,
            stream: stream.id,
            thread: state.tid,
            range: state.range(),
            correlation,
            graph_exec_id,
            start_ns,
            end_ns: start_ns,
        })
    });
    state.launch.set(row);
    let traced = run(stream, nodes, durations);
    state.launch.set(None);
    if let Some(row) = row {
        ledger::with(|ledger| ledger.close_launch(row, clock::now_ns()));
    }
    traced
}
