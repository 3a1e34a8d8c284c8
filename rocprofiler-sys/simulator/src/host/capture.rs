//! Captures: what is launched to a captured stream becomes a node, and how a graph's nodes are enqueued at a replay.
//!
//! An event that is recorded on a captured stream makes the stream that waits for it part of the capture; a node depends on
//! the last nodes of its stream. A replay cuts the graph at forks and joins into segments and enqueues them level by level
//! (HIP 7.2.4 and later; observed with HIP 6.3 as well):
//!
//! ```text
//!   captured   main  a ───┬─ c d e ──┬─ f        replayed   a | x y | c d e | f
//!              side       └─ x y ────┘           queue      1   1     3       1
//! ```
//!
//! The first segment of a level goes to the queue of the launch, the others to queues of the runtime's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{HIP_STATE, Hip, Stream, call, change, code, error, stream_of};
use crate::kernel::Kernel;
use crate::timeline::Collective;
use crate::{lock, read};

/// What a node does.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Kernel(&'static Kernel),
    /// So many bytes are filled.
    Fill(u64),
    /// Something is copied on the device.
    Copy,
}

/// A node of a graph.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) duration_ns: u64,
    pub(super) collective: Option<Collective>,
    /// Nodes that it waits for.
    pub(super) after: Vec<usize>,
}

/// A captured graph.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// See [`order`].
    pub(super) order: Vec<(usize, usize)>,
}

/// A capture in progress.
#[derive(Debug, Default)]
pub(super) struct Capture {
    nodes: Vec<Node>,
    /// The last nodes of each stream.
    last: HashMap<u64, Vec<usize>>,
    /// The stream on which it began.
    origin: u64,
    invalid: bool,
}

/// What a recorded event stands for: a capture, and its stream's last nodes then.
type Recorded = (Arc<Mutex<Capture>>, Vec<usize>);

/// Events that were recorded on captured streams.
pub(super) static EVENTS: Mutex<Option<HashMap<u64, Recorded>>> = Mutex::new(None);

/// Puts a node into the capture of `stream`; false if it is not captured.
pub(super) fn add(stream: &Stream, what: What, duration_ns: u64, collective: Option<Collective>) -> bool {
    let capture = lock(&stream.capture).clone();
    let Some(capture) = capture else { return false };
    let mut capture = lock(&capture);
    let number = capture.nodes.len();
    let after = capture.last.insert(stream.id, vec![number]).unwrap_or_default();
    capture.nodes.push(Node { what, duration_ns, collective, after });
    true
}

/// hipStreamBeginCapture: launches to the stream go into a graph from now on.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_begin(id: i64) -> i32 {
    code(call("hipStreamBeginCapture", &[handle(id)], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let mut capture = lock(&stream.capture);
        if capture.is_some() {
            return Err(error::CAPTURING);
        }
        *capture = Some(Arc::new(Mutex::new(Capture { origin: stream.id, ..Capture::default() })));
        Ok(0)
    }))
}

/// hipStreamEndCapture: the graph.
#[unsafe(no_mangle)]
pub extern "C" fn sim_capture_end(id: i64) -> i64 {
    let mut made: u64 = 0;
    let place = &raw mut made;
    call("hipStreamEndCapture", &[handle(id), place as u64], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let capture = lock(&stream.capture).clone().ok_or(error::INVALID_VALUE)?;
        if lock(&capture).origin != stream.id {
            return Err(error::UNMATCHED);
        }
        let streams = read(&HIP_STATE).as_ref().map(|hip| hip.streams.clone()).unwrap_or_default();
        for stream in streams {
            let mut own = lock(&stream.capture);
            if own.as_ref().is_some_and(|own| Arc::ptr_eq(own, &capture)) {
                *own = None;
            }
        }
        let capture = std::mem::take(&mut *lock(&capture));
        if capture.invalid {
            return Err(error::INVALIDATED);
        }
        let order = order(&capture.nodes);
        let graph = change(|hip| add_graph(hip, Arc::new(Graph { nodes: capture.nodes, order })));
        // SAFETY: `made` outlives the call; tools read it through the traced argument.
        unsafe { place.write(graph) };
        Ok(graph as i64)
    })
}

fn add_graph(hip: &mut Hip, graph: Arc<Graph>) -> u64 {
    hip.next_graph += 1;
    hip.graphs.insert(hip.next_graph, graph);
    hip.next_graph
}

/// What tools see of a stream: an address, as HIP's handles are. 1 and 2 would mean streams that HIP has by itself.
pub(super) fn handle(stream: i64) -> u64 {
    0x5640_0000_0000 + stream as u64 * 0x100
}

/// hipEventCreateWithFlags: an event, by a number of the host's choice.
#[unsafe(no_mangle)]
pub extern "C" fn sim_event_create(event: u64) -> i32 {
    code(call("hipEventCreateWithFlags", &[event], |_| Ok(0)))
}

/// hipEventRecord.
#[unsafe(no_mangle)]
pub extern "C" fn sim_event_record(event: u64, id: i64) -> i32 {
    code(call("hipEventRecord", &[event, handle(id)], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let capture = lock(&stream.capture).clone();
        let mut events = lock(&EVENTS);
        let events = events.get_or_insert_default();
        match capture {
            Some(capture) => {
                let last = lock(&capture).last.get(&stream.id).cloned().unwrap_or_default();
                events.insert(event, (capture, last));
            }
            None => _ = events.remove(&event),
        }
        Ok(0)
    }))
}

/// hipStreamWaitEvent: the stream joins the capture in which the event was recorded.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_wait_event(id: i64, event: u64) -> i32 {
    code(call("hipStreamWaitEvent", &[handle(id), event], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        let recorded = lock(&EVENTS).as_ref().and_then(|events| events.get(&event).cloned());
        if let Some((capture, nodes)) = recorded {
            let mut own = lock(&stream.capture);
            let mut state = lock(&capture);
            let last = state.last.entry(stream.id).or_default();
            last.extend(nodes);
            last.sort_unstable();
            last.dedup();
            drop(state);
            own.get_or_insert(capture);
        }
        Ok(0)
    }))
}

/// hipMalloc, which a capture that is not relaxed forbids: those of all streams are spoilt by it.
#[unsafe(no_mangle)]
pub extern "C" fn sim_malloc(bytes: u64) -> i32 {
    code(call("hipMalloc", &[0, bytes], |_| {
        let streams = read(&HIP_STATE).as_ref().map(|hip| hip.streams.clone()).unwrap_or_default();
        let open: Vec<_> = streams.iter().filter_map(|stream| lock(&stream.capture).clone()).collect();
        open.iter().for_each(|capture| lock(capture).invalid = true);
        if open.is_empty() { Ok(0) } else { Err(error::UNSUPPORTED) }
    }))
}

/// The order in which nodes are enqueued, each with its queue: 0 is that of the launch.
fn order(nodes: &[Node]) -> Vec<(usize, usize)> {
    let mut followers = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        node.after.iter().for_each(|&before| followers[before].push(at));
    }
    // A node goes on with the segment of the one before it if neither has others.
    let mut level = vec![0; nodes.len()];
    let mut segments: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut segment_of = vec![0; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        match node.after[..] {
            [before] if followers[before].len() == 1 => {
                level[at] = level[before];
                segment_of[at] = segment_of[before];
                segments[segment_of[at]].1.push(at);
            }
            _ => {
                level[at] = node.after.iter().map(|&before| level[before] + 1).max().unwrap_or(0);
                segment_of[at] = segments.len();
                segments.push((level[at], vec![at]));
            }
        }
    }
    segments.sort_by_key(|(level, nodes)| (*level, nodes[0]));
    let mut ordered = Vec::with_capacity(nodes.len());
    for of_level in segments.chunk_by(|a, b| a.0 == b.0) {
        for (queue, (_, nodes)) in of_level.iter().enumerate() {
            ordered.extend(nodes.iter().map(|&node| (node, queue)));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(after: &[usize]) -> Node {
        Node { what: What::Fill(4), duration_ns: 1, collective: None, after: after.to_vec() }
    }

    #[test]
    fn segments_are_enqueued_level_by_level() {
        let chain = [node(&[]), node(&[0]), node(&[1])];
        assert_eq!(order(&chain), [(0, 0), (1, 0), (2, 0)]);
        // 0 | 2 4 on the main stream, 1 3 on the side one, joined in 5.
        let forked = [node(&[]), node(&[0]), node(&[0]), node(&[1]), node(&[2]), node(&[3, 4])];
        assert_eq!(order(&forked), [(0, 0), (1, 0), (3, 0), (2, 1), (4, 1), (5, 0)]);
    }
}
