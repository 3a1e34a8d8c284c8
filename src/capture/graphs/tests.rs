//! Captures as callbacks tell them, and what is told of them.

use super::calls::{Function, Launch};
use super::*;
use crate::capture::message::{Inbox, channel};
use crate::wire::GraphChange;

/// Captures with room for so many nodes and graphs, and what they tell.
struct Scene {
    captures: Captures,
    outbox: Outbox,
    inbox: Inbox,
}

fn scene(nodes: usize, graphs: usize) -> Scene {
    let (outbox, inbox) = channel(16);
    Scene { captures: Captures::new(Bounds { nodes, graphs }), outbox, inbox }
}

const CALLER: Caller = Caller { thread: 7, at_ns: 5_000 };

fn stream(handle: u64) -> Stream {
    Stream::of(handle, CALLER.thread, false)
}

impl Scene {
    fn begin(&self, on: u64) {
        self.captures.about_to_begin();
        self.captures.begun(true, stream(on), CALLER, &open_texts(), &self.outbox);
    }

    fn launch(&self, function: Function, on: u64) {
        let launch = Launch { function, grid: [1; 3], block: [64, 1, 1], lds: 0, stream: on };
        self.captures.launched(&launch, stream(on), CALLER, &self.outbox, |_| None);
    }

    fn end(&self, on: u64, graph: Option<u64>) {
        self.captures.ended(stream(on), graph, CALLER.at_ns, &self.outbox);
    }

    /// Graphs and changes since the last time.
    fn told(&self) -> (Vec<GraphRecord>, Vec<(u64, Became)>) {
        let (mut graphs, mut changes) = (Vec::new(), Vec::new());
        for event in self.inbox.events.try_iter() {
            match event {
                Event::Graph(graph) => graphs.push(graph.record.clone()),
                Event::GraphChange(GraphChange { exec, became, .. }) => changes.push((exec, became)),
                _ => {}
            }
        }
        (graphs, changes)
    }
}

#[test]
fn only_what_is_launched_to_captured_streams_is_a_node() {
    let scene = scene(100, 10);
    scene.captures.function(1, "gemm", &scene.outbox);
    scene.launch(Function::Handle(1), 0xa);
    scene.begin(0xa);
    scene.launch(Function::Handle(1), 0xa);
    scene.launch(Function::Handle(1), 0xb);
    scene.captures.recorded(9, stream(0xa));
    scene.captures.waits(stream(0xb), 9);
    scene.captures.moved(stream(0xb), CALLER, &scene.outbox);
    scene.launch(Function::Handle(2), 0xa);
    scene.end(0xa, Some(0x100));
    scene.launch(Function::Handle(1), 0xb);
    let (graphs, _) = scene.told();
    let nodes: Vec<_> = graphs[0].nodes.iter().map(|node| (node.kernel, node.stream)).collect();
    assert_eq!(nodes, [(NodeKernel::Text(1), 0), (NodeKernel::Memory, 1), (NodeKernel::Unknown, 0)]);
    assert_eq!(scene.captures.missed().unnamed, 1);
    assert!(!scene.captures.any());
}

#[test]
fn two_captures_at_once_are_two_graphs() {
    let scene = scene(100, 10);
    scene.begin(0xa);
    scene.begin(0xb);
    scene.launch(Function::Host(1), 0xa);
    scene.launch(Function::Host(1), 0xb);
    scene.launch(Function::Host(1), 0xb);
    scene.end(0xa, Some(0x100));
    assert!(scene.captures.any(), "one goes on");
    scene.end(0xb, Some(0x200));
    scene.captures.runs(0xe, 0x200, 1, &scene.outbox);
    let (graphs, changes) = scene.told();
    assert_eq!(graphs.iter().map(|graph| graph.nodes.len()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(changes, [(0xe, Became::Graph(graphs[1].number))]);
}

#[test]
fn a_capture_that_fails_leaves_nothing() {
    let scene = scene(100, 10);
    scene.captures.about_to_begin();
    scene.captures.begun(false, stream(0xa), CALLER, &open_texts(), &scene.outbox);
    assert!(!scene.captures.any());
    scene.begin(0xa);
    scene.launch(Function::Host(1), 0xa);
    scene.end(0xa, None);
    scene.captures.runs(0xe, 0x100, 1, &scene.outbox);
    assert_eq!(scene.told(), (vec![], vec![(0xe, Became::Graph(0))]));
    assert_eq!(scene.captures.kept.nodes.load(Ordering::Relaxed), 0);
    assert!(!scene.captures.any());
}

#[test]
fn beyond_the_bounds_whole_graphs_are_given_up_and_counted_and_room_comes_back() {
    let scene = scene(3, 10);
    for (on, count) in [(0xa, 2), (0xb, 2)] {
        scene.begin(on);
        (0..count).for_each(|_| scene.launch(Function::Host(1), on));
        scene.end(on, Some(on));
        scene.captures.runs(on << 8, on, 1, &scene.outbox);
        scene.captures.destroyed(on);
    }
    let missed = scene.captures.missed();
    assert_eq!((missed.graphs, missed.nodes), (1, 2));
    let (graphs, changes) = scene.told();
    assert_eq!((graphs.len(), changes[1].1), (1, Became::Graph(0)));
    scene.captures.became(0xa << 8, Became::Gone, 2, &scene.outbox);
    assert_eq!(scene.captures.kept.nodes.load(Ordering::Relaxed), 0);
    scene.begin(0xc);
    (0..3).for_each(|_| scene.launch(Function::Host(1), 0xc));
    scene.end(0xc, Some(0xc));
    assert_eq!(scene.told().0.len(), 1);
}

#[test]
fn functions_are_named_by_their_handles_and_stubs_by_what_the_sdk_or_hip_tells() {
    let scene = scene(100, 10);
    scene.captures.function(1, "old", &scene.outbox);
    scene.captures.function(1, "new", &scene.outbox);
    scene.captures.stub(0x40, 12);
    scene.captures.function_of_stub(2, 0x40);
    scene.begin(0xa);
    [Function::Handle(1), Function::Handle(2), Function::Host(0x40), Function::Host(1)]
        .into_iter()
        .for_each(|function| scene.launch(function, 0xa));
    let launch = Launch { function: Function::Host(0x50), grid: [1; 3], block: [1; 3], lds: 0, stream: 0xa };
    scene.captures.launched(&launch, stream(0xa), CALLER, &scene.outbox, |stub| Some(format!("at {stub:#x}")));
    scene.end(0xa, Some(1));
    let kernels: Vec<NodeKernel> = scene.told().0[0].nodes.iter().map(|node| node.kernel).collect();
    let symbol = NodeKernel::Symbol(12);
    assert_eq!(kernels, [NodeKernel::Text(2), symbol, symbol, NodeKernel::Text(2), NodeKernel::Text(3)]);
    assert_eq!(scene.captures.missed().unnamed, 0);
}

#[test]
fn what_was_not_seen_is_not_known() {
    let scene = scene(100, 10);
    scene.begin(0xa);
    scene.end(0xa, Some(1));
    scene.begin(0xb);
    scene.captures.forget(3, &scene.outbox);
    scene.captures.runs(0xe, 1, 4, &scene.outbox);
    let (_, changes) = scene.told();
    assert_eq!(changes, [(0, Became::Unseen), (0xe, Became::Graph(0))]);
    assert!(!scene.captures.any());
    let own = |thread| Stream::of(0, thread, true);
    assert_eq!(own(7), Stream::of(2, 7, false), "a thread's own stream");
    assert_ne!(own(7), own(8));
}
