//! Graphs that are captured: which kernels they hold, in which order, and which executable graph replays them.
//!
//! ```text
//!   hipStreamBeginCapture   ─> a capture is open: launches are listened to (a context of their own goes on)
//!   hipModuleLaunchKernel   ─> a node, if the stream is captured
//!   hipEventRecord, hipStreamWaitEvent ─> another stream is captured too
//!   hipStreamEndCapture     ─> the graph; launches are listened to no longer
//!   hipGraphInstantiate     ─> the executable graph runs these nodes
//!   hipGraphExecUpdate      ─> now it runs others
//! ```
//!
//! HIP's calls return without doing anything on the GPU while a stream is captured, and may not copy, allocate or wait, or
//! the capture fails. Nothing here calls HIP, but for a kernel's name where the SDK tells none, which is a look-up. Locks
//! are held for moments, and never while the SDK starts a context.
//!
//! Nothing of this is on the way of a replay: hipGraphLaunch is no call of these. What is kept of a graph goes when the
//! last executable graph of it does.

pub(super) mod calls;
mod kept;
mod log;
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use self::calls::{Function, Launch};
pub(super) use self::kept::{Bounds, Caller, Graph, Missed, Stream};
use self::kept::{Kept, empty};
pub(super) use self::log::GraphLog;
pub(super) use self::texts::{Open as OpenTexts, open_texts, pop_text, push_text};
use super::marks::{self, Mark};
use super::message::{Event, Outbox};
use super::switch::Switch;
use crate::wire::{Became, GraphChange, GraphNode, GraphRecord, NodeKernel};

/// Handles of functions that are known by name, at most.
const FUNCTIONS: usize = 1 << 19;
/// Bytes of names and marker texts, at most.
const TEXTS: usize = 32 << 20;

/// A capture that goes on.
struct Open {
    began: Caller,
    label: u32,
    /// Ranges that were open on the thread that began it.
    depth: u32,
    streams: Vec<Stream>,
    nodes: Vec<GraphNode>,
    /// Launches for which there was no room.
    lost: u64,
}

#[derive(Default)]
struct State {
    /// The number of the last capture.
    last: u64,
    open: FxHashMap<u64, Open>,
    /// Captures that go on, and those that are about to begin.
    wanted: u32,
    streams: FxHashMap<Stream, u64>,
    events: FxHashMap<u64, u64>,
    /// Graphs by HIP's addresses, and the same of executable graphs.
    graphs: FxHashMap<u64, Arc<Graph>>,
    execs: FxHashMap<u64, Option<Arc<Graph>>>,
    functions: FxHashMap<u64, NodeKernel>,
    /// The SDK's numbers of kernels by the addresses of their host stubs.
    stubs: FxHashMap<u64, u32>,
    texts: FxHashMap<Arc<str>, u32>,
    text_bytes: usize,
}

/// All captures of a process.
pub(super) struct Captures {
    bounds: Bounds,
    kept: Arc<Kept>,
    state: Mutex<State>,
    /// Captures that go on: a launch looks here first.
    open: AtomicU32,
    /// Whether launches are listened to.
    pub(super) switch: Switch,
    graphs_missed: AtomicU64,
    nodes_missed: AtomicU64,
    unnamed: AtomicU64,
}

impl Captures {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            kept: Arc::default(),
            state: Mutex::default(),
            open: AtomicU32::new(0),
            switch: Switch::default(),
            graphs_missed: AtomicU64::new(0),
            nodes_missed: AtomicU64::new(0),
            unnamed: AtomicU64::new(0),
        }
    }

    /// What could not be kept or named so far.
    pub(super) fn missed(&self) -> Missed {
        let [graphs, nodes, unnamed] =
            [&self.graphs_missed, &self.nodes_missed, &self.unnamed].map(|count| count.load(Ordering::Relaxed));
        Missed { graphs, nodes, unnamed }
    }

    /// Whether any capture goes on.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.open.load(Ordering::Acquire) != 0
    }

    fn want(&self, state: &mut State, change: i32) {
        state.wanted = state.wanted.saturating_add_signed(change);
        self.open.store(state.wanted, Ordering::Release);
        self.switch.want(state.wanted > 0);
        marks::captures_are_open(state.wanted);
    }

    /// A capture is about to begin: launches are to be listened to. The caller settles [`switch`](Self::switch).
    pub(super) fn about_to_begin(&self) {
        self.want(&mut self.state.lock(), 1);
    }

    /// It has begun on `stream`, or could not.
    pub(super) fn begun(&self, begun: bool, stream: Stream, caller: Caller, around: &OpenTexts, outbox: &Outbox) {
        let mut state = self.state.lock();
        if !begun {
            self.want(&mut state, -1);
            return;
        }
        // One that was not seen to end has ended all the same.
        if let Some(before) = state.streams.get(&stream).copied() {
            self.close(&mut state, before);
        }
        let label = around.innermost().map_or(0, |text| state.text(&text, outbox));
        state.last += 1;
        let number = state.last;
        let depth = around.depth();
        let open = Open { began: caller, label, depth, streams: vec![stream], nodes: Vec::new(), lost: 0 };
        state.open.insert(number, open);
        state.streams.insert(stream, number);
    }

    fn close(&self, state: &mut State, number: u64) -> Option<Open> {
        let open = state.open.remove(&number)?;
        open.streams.iter().for_each(|stream| _ = state.streams.remove(stream));
        state.events.retain(|_, capture| *capture != number);
        self.want(state, -1);
        Some(open)
    }

    /// The capture on `stream` has ended: with the graph at this address, or with an error.
    pub(super) fn ended(&self, stream: Stream, graph: Option<u64>, at_ns: u64, outbox: &Outbox) {
        let mut state = self.state.lock();
        let Some(number) = state.streams.get(&stream).copied() else { return };
        let Some(open) = self.close(&mut state, number) else { return };
        let Some(address) = graph else {
            self.kept.nodes.fetch_sub(open.nodes.len(), Ordering::Relaxed);
            return;
        };
        let has_room = self.kept.graphs.load(Ordering::Relaxed) < self.bounds.graphs;
        if open.lost > 0 || !has_room {
            self.kept.nodes.fetch_sub(open.nodes.len(), Ordering::Relaxed);
            self.graphs_missed.fetch_add(1, Ordering::Relaxed);
            self.nodes_missed.fetch_add(open.lost + open.nodes.len() as u64, Ordering::Relaxed);
            state.graphs.remove(&address);
            return;
        }
        self.kept.graphs.fetch_add(1, Ordering::Relaxed);
        let record = GraphRecord {
            number,
            began_ns: open.began.at_ns,
            ended_ns: at_ns,
            thread: open.began.thread,
            label: open.label.into(),
            nodes: open.nodes,
        };
        let graph = Arc::new(Graph { record, kept: Arc::clone(&self.kept) });
        outbox.event(Event::Graph(Arc::clone(&graph)));
        state.graphs.insert(address, graph);
    }

    /// A kernel was launched. `name` is asked for that of a host stub that nobody told.
    pub(super) fn launched(
        &self,
        launch: &Launch,
        stream: Stream,
        caller: Caller,
        outbox: &Outbox,
        name: impl FnOnce(u64) -> Option<String>,
    ) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(number) = state.streams.get(&stream).copied() else { return };
        let known = match launch.function {
            Function::Host(stub) => {
                let symbol = state.stubs.get(&stub).map(|&kernel| NodeKernel::Symbol(kernel));
                symbol.or_else(|| state.functions.get(&stub).copied()).or_else(|| {
                    let text = state.text(&name(stub)?, outbox);
                    Some(NodeKernel::Text(text)).filter(|_| text != 0)
                })
            }
            Function::Handle(handle) => state.functions.get(&handle).copied(),
        };
        if known.is_none() {
            self.unnamed.fetch_add(1, Ordering::Relaxed);
        }
        let kernel = known.unwrap_or(NodeKernel::Unknown);
        let block = launch.block.map(|size| u16::try_from(size).unwrap_or(u16::MAX));
        let node = GraphNode { kernel, block, grid: launch.grid, lds: launch.lds, ..empty() };
        self.add(state, number, node, stream, caller, outbox);
    }

    /// A copy or fill was asked for.
    pub(super) fn moved(&self, stream: Stream, caller: Caller, outbox: &Outbox) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if let Some(number) = state.streams.get(&stream).copied() {
            self.add(state, number, empty(), stream, caller, outbox);
        }
    }

    fn add(&self, state: &mut State, number: u64, node: GraphNode, stream: Stream, caller: Caller, outbox: &Outbox) {
        let within = state.open.get(&number).and_then(|open| {
            let own = open.began.thread == caller.thread;
            open_texts().path_from(if own { open.depth } else { 0 })
        });
        let within = within.map_or(0, |text| state.text(&text, outbox));
        let Some(open) = state.open.get_mut(&number) else { return };
        if self.kept.nodes.load(Ordering::Relaxed) >= self.bounds.nodes {
            open.lost += 1;
            return;
        }
        self.kept.nodes.fetch_add(1, Ordering::Relaxed);
        let Mark(mark) = marks::current();
        let place = open.streams.iter().position(|known| *known == stream).unwrap_or(0);
        open.nodes.push(GraphNode {
            stream: u8::try_from(place).unwrap_or(u8::MAX),
            mark,
            within,
            after_us: u32::try_from(caller.at_ns.saturating_sub(open.began.at_ns) / 1_000).unwrap_or(u32::MAX),
            thread: caller.thread as u32,
            ..node
        });
    }

    /// An event was recorded on a stream.
    pub(super) fn recorded(&self, event: u64, stream: Stream) {
        let mut state = self.state.lock();
        match state.streams.get(&stream).copied() {
            Some(capture) => _ = state.events.insert(event, capture),
            None => _ = state.events.remove(&event),
        }
    }

    /// A stream waits for an event: it is captured with the stream that recorded it.
    pub(super) fn waits(&self, stream: Stream, event: u64) {
        let mut state = self.state.lock();
        let Some(capture) = state.events.get(&event).copied() else { return };
        if !state.streams.contains_key(&stream)
            && let Some(open) = state.open.get_mut(&capture)
        {
            open.streams.push(stream);
            state.streams.insert(stream, capture);
        }
    }

    /// The executable graph at `exec` was made of `graph`, or updated from it.
    pub(super) fn runs(&self, exec: u64, graph: u64, at_ns: u64, outbox: &Outbox) {
        let mut state = self.state.lock();
        let graph = state.graphs.get(&graph).cloned();
        let number = graph.as_ref().map_or(0, |graph| graph.record.number);
        state.execs.insert(exec, graph);
        outbox.event(Event::GraphChange(GraphChange { at_ns, exec, became: Became::Graph(number) }));
    }

    /// Something else happened to the executable graph at `exec`.
    pub(super) fn became(&self, exec: u64, became: Became, at_ns: u64, outbox: &Outbox) {
        let mut state = self.state.lock();
        let known = match became {
            Became::Gone => state.execs.remove(&exec).is_some(),
            // It may be told before the call that made it returns.
            Became::Named(_) => true,
            _ => state.execs.contains_key(&exec),
        };
        if known {
            outbox.event(Event::GraphChange(GraphChange { at_ns, exec, became }));
        }
    }

    /// The graph at `address` is gone; executable graphs made of it stay.
    pub(super) fn destroyed(&self, address: u64) {
        self.state.lock().graphs.remove(&address);
    }

    /// `clone` is a copy of the graph at `original`.
    pub(super) fn cloned(&self, clone: u64, original: u64) {
        let mut state = self.state.lock();
        match state.graphs.get(&original).cloned() {
            Some(graph) => _ = state.graphs.insert(clone, graph),
            None => _ = state.graphs.remove(&clone),
        }
    }

    /// The function at `handle` has this name.
    pub(super) fn function(&self, handle: u64, name: &str, outbox: &Outbox) {
        let mut state = self.state.lock();
        let text = state.text(name, outbox);
        if text == 0 || (state.functions.len() >= FUNCTIONS && !state.functions.contains_key(&handle)) {
            // Better none than that of what had the handle before.
            state.functions.remove(&handle);
        } else {
            state.functions.insert(handle, NodeKernel::Text(text));
        }
    }

    /// The function at `handle` is that of a host stub.
    pub(super) fn function_of_stub(&self, handle: u64, stub: u64) {
        let mut state = self.state.lock();
        match state.stubs.get(&stub).copied() {
            Some(kernel) => _ = state.functions.insert(handle, NodeKernel::Symbol(kernel)),
            None => _ = state.functions.remove(&handle),
        }
    }

    /// The kernel of this number is launched by the address of this host stub.
    pub(super) fn stub(&self, stub: u64, kernel: u64) {
        if let (1.., Ok(kernel)) = (stub, u32::try_from(kernel)) {
            self.state.lock().stubs.insert(stub, kernel);
        }
    }

    /// From here on nothing is seen for a while: what is known of graphs may not hold afterwards.
    pub(super) fn forget(&self, at_ns: u64, outbox: &Outbox) {
        let mut state = self.state.lock();
        let numbers: Vec<u64> = state.open.keys().copied().collect();
        for number in numbers {
            if let Some(open) = self.close(&mut state, number) {
                self.kept.nodes.fetch_sub(open.nodes.len(), Ordering::Relaxed);
            }
        }
        let wanted = state.wanted as i32;
        self.want(&mut state, -wanted);
        state.graphs.clear();
        state.execs.clear();
        state.functions.clear();
        outbox.event(Event::GraphChange(GraphChange { at_ns, exec: 0, became: Became::Unseen }));
    }
}

impl State {
    /// The number of a text, from 1 on; a new one is told. 0: there is no room for it, or it is empty.
    fn text(&mut self, text: &str, outbox: &Outbox) -> u32 {
        if let Some(&number) = self.texts.get(text) {
            return number;
        }
        if text.is_empty() || self.text_bytes + text.len() > TEXTS {
            return 0;
        }
        self.text_bytes += text.len();
        let (text, number): (Arc<str>, u32) = (text.into(), self.texts.len() as u32 + 1);
        self.texts.insert(Arc::clone(&text), number);
        outbox.event(Event::GraphText(number, text));
        number
    }
}

#[cfg(test)]
mod tests;
