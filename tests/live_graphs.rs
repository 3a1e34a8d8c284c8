//! Servers that capture before the tracer's eyes, drawn at random: of every kernel of a replay it is known from outside which
//! node of which graph it is.
//!
//! Each server is a capture file, written frame by frame: graphs of one or two streams with copies and fills, several sizes,
//! captured again at the same address, updated, with nodes turned off, with kernels whose names nobody told; replays in an
//! order that keeps that of each stream; times that stand at other kernels' records (ROCm/rocm-systems#10579).

use std::path::Path;

use profile_decode::model::{LaunchCall, Trace, TraceBuilder, Unjoined};
use profile_decode::replay;
use profile_decode::wire::{
    self, Became, DispatchRecord, Encoder, GraphChange, GraphNode, GraphRecord, LaunchRecord, Meta, NodeKernel, VERSION,
};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// Kernels' numbers; the last is the runtime's copy.
const POOL: u64 = 12;
const COPY: u64 = POOL + 1;

/// A node: its kernel (`None`: a copy), its stream, and whether its name is known.
#[derive(Clone, Copy)]
struct Drawn {
    kernel: Option<u64>,
    stream: u8,
    named: bool,
}

/// A graph as it was captured, and its number.
#[derive(Clone)]
struct Graph {
    number: u64,
    nodes: Vec<Drawn>,
}

/// A server: what its file holds, and what is true of it.
struct Server {
    encoder: Encoder,
    now: u64,
    graphs: u64,
    dispatch: u64,
    correlation: u64,
    /// By dispatch: the blocks of its node, 0 for a copy; `None` if its graph is not known.
    truth: Vec<Option<u32>>,
    /// By dispatch: whether names stand on other kernels' times in its launch.
    displaced: Vec<bool>,
    displaced_launches: u64,
    /// Executable graphs whose launches were changed.
    altered: Vec<u64>,
    /// By dispatch: whether its graph is one.
    is_altered: Vec<bool>,
}

/// Blocks that no two nodes of a server share.
fn blocks(graph: u64, node: usize) -> u32 {
    (graph * 1_000) as u32 + node as u32 + 1
}

impl Server {
    fn new() -> Self {
        let mut encoder = Encoder::default();
        encoder.begin(&Meta { version: VERSION, pid: 1, ..Meta::default() });
        for kernel in 1..=POOL {
            encoder.symbol(kernel, 0, &format!("kernel_{kernel}.kd"));
            encoder.graph_text(kernel as u32, &format!("kernel_{kernel}"));
        }
        encoder.symbol(COPY, 0, "__amd_rocclr_copyBuffer.kd");
        Self {
            encoder,
            now: 1_000,
            graphs: 0,
            dispatch: 0,
            correlation: 0,
            truth: Vec::new(),
            displaced: Vec::new(),
            displaced_launches: 0,
            altered: Vec::new(),
            is_altered: Vec::new(),
        }
    }

    fn capture(&mut self, nodes: &[Drawn]) -> Graph {
        self.graphs += 1;
        self.now += 100;
        let node = |(at, drawn): (usize, &Drawn)| GraphNode {
            kernel: match drawn.kernel {
                None => NodeKernel::Memory,
                Some(_) if !drawn.named => NodeKernel::Unknown,
                Some(kernel) if at % 2 == 0 => NodeKernel::Text(kernel as u32),
                Some(kernel) => NodeKernel::Symbol(kernel as u32),
            },
            stream: drawn.stream,
            block: [64, 1, 1],
            grid: [blocks(self.graphs, at), 1, 1],
            lds: 0,
            mark: 0,
            within: 0,
            after_us: at as u32,
            thread: 1,
        };
        let nodes_of = nodes.iter().enumerate().map(node).collect();
        let record = GraphRecord { number: self.graphs, nodes: nodes_of, ..GraphRecord::default() };
        self.encoder.graph(&record);
        Graph { number: self.graphs, nodes: nodes.to_vec() }
    }

    fn change(&mut self, exec: u64, became: Became) {
        self.altered.retain(|altered| *altered != exec);
        self.now += 10;
        self.encoder.graph_changes(&[GraphChange { at_ns: self.now, exec, became }]);
        self.now += 10;
    }

    /// Replays `graph` as `exec` without the nodes that are `off`. `known`: whether its capture was seen.
    fn replay(&mut self, dice: &mut Dice, exec: u64, graph: &Graph, off: &[usize], known: bool) {
        self.now += 50;
        self.correlation += 1;
        let launch = LaunchRecord {
            start_ns: self.now,
            end_ns: self.now + 5,
            correlation: self.correlation,
            thread: 1,
            graph: exec,
            call: LaunchCall::Graph,
        };
        self.encoder.launches(&[launch]);
        let ran = enqueued(dice, &graph.nodes, off);
        let mut free = [self.now + 100, self.now + 103];
        let mut records = Vec::new();
        for &(node, kernel, stream) in &ran {
            self.dispatch += 1;
            let free = &mut free[stream as usize];
            let start_ns = *free + 1 + dice.below(3);
            let end_ns = start_ns + 5 + dice.below(40);
            *free = end_ns;
            records.push(DispatchRecord {
                start_ns,
                end_ns,
                dispatch_id: self.dispatch,
                kernel_id: kernel,
                queue: stream.into(),
                correlation: self.correlation,
                ..DispatchRecord::default()
            });
            let of_node = if graph.nodes[node].kernel.is_some() { blocks(graph.number, node) } else { 0 };
            self.truth.push(known.then_some(of_node));
        }
        self.now = free[0].max(free[1]);
        let one_stream = graph.nodes.iter().all(|node| node.stream == 0);
        let is_displaced = known && one_stream && records.len() > 1 && dice.one_in(4);
        if is_displaced {
            let from = dice.below(records.len() as u64 - 1) as usize;
            let to = from + 1 + dice.below((records.len() - from) as u64 - 1) as usize;
            let mut times: Vec<(u64, u64)> = records.iter().map(|record| (record.start_ns, record.end_ns)).collect();
            times[from..=to].rotate_right(1);
            records.iter_mut().zip(times).for_each(|(record, times)| (record.start_ns, record.end_ns) = times);
            self.displaced_launches += 1;
        }
        let is_altered = self.altered.contains(&exec);
        self.is_altered.extend(records.iter().map(|_| is_altered));
        self.displaced.extend(records.iter().map(|_| is_displaced));
        self.encoder.dispatches(&records);
    }

    fn read(mut self) -> (Trace, Self) {
        self.encoder.end(&wire::Status { closed_by: "exit".into(), ..wire::Status::default() });
        let mut builder = TraceBuilder::new();
        wire::read(Path::new("window1-1.pdc"), &mut &*self.encoder.buffer, &mut builder).expect("it can be read");
        let mut trace = builder.finish();
        replay::lay_over(&mut trace);
        (trace, self)
    }
}

/// What a replay enqueues: node, kernel and stream, in an order that keeps that of each captured stream.
fn enqueued(dice: &mut Dice, nodes: &[Drawn], off: &[usize]) -> Vec<(usize, u64, u8)> {
    let mut streams: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for (at, node) in nodes.iter().enumerate().rev().filter(|(at, _)| !off.contains(at)) {
        streams[node.stream as usize].push(at);
    }
    let mut ran = Vec::new();
    while streams.iter().any(|stream| !stream.is_empty()) {
        // Segments of a stream come in one piece.
        let stream = usize::from(streams[0].is_empty() || (!streams[1].is_empty() && dice.one_in(2)));
        for _ in 0..1 + dice.below(6) {
            let Some(at) = streams[stream].pop() else { break };
            let times = if nodes[at].kernel.is_none() { 1 + dice.below(2) } else { 1 };
            (0..times).for_each(|_| ran.push((at, nodes[at].kernel.unwrap_or(COPY), nodes[at].stream)));
        }
    }
    ran
}

/// Nodes of a random model: a layer several times, between a head and a tail.
fn model(dice: &mut Dice) -> Vec<Drawn> {
    let (forks, copies, unnamed) = (dice.one_in(3), dice.one_in(3), dice.one_in(4));
    let layer: Vec<Drawn> = (0..3 + dice.below(7))
        .map(|_| Drawn {
            kernel: if copies && dice.one_in(6) { None } else { Some(2 + dice.below(POOL - 2)) },
            stream: u8::from(forks && dice.one_in(3)),
            named: !(unnamed && !forks && dice.one_in(6)),
        })
        .collect();
    let end = |kernel| Drawn { kernel: Some(kernel), stream: 0, named: true };
    let mut nodes = vec![end(1)];
    (0..1 + dice.below(6)).for_each(|_| nodes.extend(&layer));
    nodes.push(end(POOL));
    nodes
}

/// A server's life: captures, replays, and what changes in between.
fn serve(dice: &mut Dice) -> Server {
    let mut server = Server::new();
    let nodes = model(dice);
    let sizes = 1 + dice.below(3);
    let mut running: Vec<(u64, Graph)> = Vec::new();
    for size in 0..sizes {
        let graph = server.capture(&nodes);
        server.change(0x100 + size, Became::Graph(graph.number));
        running.push((0x100 + size, graph));
    }
    if dice.one_in(5) {
        // One that was captured before anybody looked.
        let unseen = Graph { number: 900, nodes: nodes.clone() };
        server.replay(dice, 0x900, &unseen, &[], false);
    }
    for _ in 0..4 + dice.below(4) {
        let at = dice.below(running.len() as u64) as usize;
        let (exec, graph) = running[at].clone();
        match dice.below(6) {
            0 => {
                // Captured again, at the address of one that is gone.
                server.change(exec, Became::Gone);
                let again = server.capture(&model(dice));
                server.change(exec, Became::Graph(again.number));
                running[at].1 = again;
            }
            1 => {
                let mut other = graph.nodes.clone();
                other.iter_mut().for_each(|node| node.kernel = node.kernel.map(|_| 1 + dice.below(POOL)));
                let other = server.capture(&other);
                server.change(exec, Became::Graph(other.number));
                running[at].1 = other;
            }
            2 => {
                let off: Vec<usize> = (0..graph.nodes.len()).filter(|_| dice.one_in(8)).collect();
                server.replay(dice, exec, &graph, &off, true);
            }
            3 if dice.one_in(4) => {
                server.change(exec, Became::Altered);
                server.altered.push(exec);
            }
            _ => {}
        }
        let (exec, graph) = running[at].clone();
        server.replay(dice, exec, &graph, &[], true);
    }
    server
}

/// Positions of the dispatches of each launch, in the order in which they were enqueued.
fn launches(trace: &Trace) -> Vec<Vec<usize>> {
    let mut launches: Vec<Vec<usize>> = vec![Vec::new(); trace.launches.len()];
    for (at, dispatch) in trace.dispatches.iter().enumerate() {
        launches[dispatch.launch.expect("a launch").index()].push(at);
    }
    launches.iter_mut().for_each(|positions| positions.sort_by_key(|&at| trace.enqueued[at]));
    launches
}

#[test]
fn in_random_servers_every_kernel_is_its_true_node_or_is_counted_unknown() {
    let mut dice = Dice(7);
    let (mut joined, mut all, mut found, mut displaced) = (0_u64, 0_u64, 0_u64, 0_u64);
    for nth in 0..1_000 {
        let (trace, server) = serve(&mut dice).read();
        let Server { truth, displaced: is_displaced, displaced_launches: launches_displaced, .. } = &server;
        for positions in launches(&trace) {
            let ids: Vec<usize> = positions.iter().map(|&at| trace.enqueued[at] as usize - 1).collect();
            let mut at_times = positions.clone();
            if ids.iter().any(|&id| is_displaced[id]) {
                // The list of times is right: the kernel enqueued first ran first.
                at_times.sort_by_key(|&at| trace.dispatches[at].span.start_ns);
            }
            for (&id, &at) in ids.iter().zip(&at_times) {
                all += 1;
                let Some(work) = trace.captured.work(at) else {
                    assert!(trace.captured.why[at].is_some());
                    continue;
                };
                joined += 1;
                if server.is_altered[id] {
                    assert_eq!(work.launched, None, "it may be launched in another way now");
                    continue;
                }
                let told = work.launched.map_or(0, |launched| launched.grid[0]);
                assert_eq!(Some(told), truth[id], "server {nth} dispatch {id}");
            }
        }
        let fit = trace.captured.fit.as_ref().expect("graphs were captured");
        displaced += *launches_displaced;
        found += fit.displaced_launches;
        assert!(fit.displaced_launches <= *launches_displaced, "server {nth}: healthy launches are called displaced");
        let unknown = trace.captured.why.iter().filter(|why| **why == Some(Unjoined::NoSuchGraph)).count();
        assert!(truth.iter().filter(|truth| truth.is_none()).count() <= unknown, "server {nth}");
    }
    assert!(joined * 100 >= all * 85, "{joined} of {all}");
    assert!(found * 100 >= displaced * 99, "{found} of {displaced}");
}
