//! Graphs: instantiated, updated, launched.

use std::collections::HashSet;
use std::sync::Arc;

use super::capture::{Graph, handle};
use super::stream::{Ready, own_queue, run};
use super::{HIP_STATE, Stream, call, change, code, error, stream_of};
use crate::registration::is_wrapped;
use crate::thread::ThreadState;
use crate::{clock, hip_graph, ledger, read};

fn graph(id: i64) -> Result<Arc<Graph>, i32> {
    read(&HIP_STATE).as_ref().and_then(|hip| hip.graphs.get(&(id as u64)).cloned()).ok_or(error::INVALID_HANDLE)
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
        if graph(exec)?.nodes.len() != nodes.nodes.len() {
            return Err(error::INVALID_VALUE);
        }
        change(|hip| hip.graphs.insert(exec as u64, nodes));
        Ok(0)
    }))
}

/// hipGraphNodeSetEnabled: turns a node of an executable graph off or on, by its number in the order of capture.
#[unsafe(no_mangle)]
pub extern "C" fn sim_graph_node_set_enabled(exec: i64, node: i64, enabled: i32) -> i32 {
    let node_handle = 0x5650_0000_0000 + node as u64 * 0x40;
    code(call("hipGraphNodeSetEnabled", &[exec as u64, node_handle, enabled as u64], |_| {
        if graph(exec)?.nodes.len() as i64 <= node || node < 0 {
            return Err(error::INVALID_VALUE);
        }
        change(|hip| {
            let disabled = hip.disabled.entry(exec as u64).or_default();
            if enabled == 0 { disabled.insert(node as usize) } else { disabled.remove(&(node as usize)) }
        });
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
    let removed = change(|hip| {
        hip.disabled.remove(&(id as u64));
        hip.graphs.remove(&(id as u64))
    });
    removed.map(|_| 0).ok_or(error::INVALID_HANDLE)
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
    code(call("hipGraphLaunch", &[id as u64, handle(stream_id)], |correlation| {
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        let launch = is_wrapped().then(|| hip_graph::Launch::enter(id as u64)).flatten();
        let exec_id = launch.as_ref().map(|launch| launch.id);
        let outcome = graph(id).map(|nodes| replay(stream, &nodes, durations, (id as u64, exec_id, correlation)));
        if let Some(launch) = launch {
            launch.exit(outcome.ok().map(|traced| (stream.place.agent, traced)));
        }
        outcome.map(|_| 0)
    }))
}

/// Launches the nodes, with a row in the ledger; answers how many are traced.
fn replay(
    stream: &Stream,
    graph_of: &Graph,
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
    let disabled: HashSet<usize> =
        read(&HIP_STATE).as_ref().and_then(|hip| hip.disabled.get(&graph).cloned()).unwrap_or_default();
    let enabled = graph_of.order.iter().copied().filter(|(node, _)| !disabled.contains(node));
    let ready = enabled.map(|(at, queue)| {
        let node = &graph_of.nodes[at];
        let duration_ns = durations.get(at).copied().unwrap_or(node.duration_ns);
        let (what, collective, node) = (node.what, node.collective, Some(at as u32));
        Ready { what, duration_ns, collective, node, queue }
    });
    let ready: Vec<Ready> = ready.collect();
    let mut traced = 0;
    for of_queue in ready.chunk_by(|a, b| a.queue == b.queue) {
        traced += run(stream, own_queue(stream, of_queue[0].queue), of_queue);
    }
    state.launch.set(None);
    if let Some(row) = row {
        ledger::with(|ledger| ledger.close_launch(row, clock::now_ns()));
    }
    traced
}
