//! Servers that capture and replay, drawn at random: what each kernel does is known from outside.

use super::lay_over;
use crate::model::{
    Argument, CapturedGraph, Drawing, LaunchCall, NameId, Node, Trace, TraceBuilder, Unjoined, Work, Works,
};

/// What a node is: its kernel (`None`: a copy), the operator, and the shape's last size.
type Drawn = (Option<&'static str>, &'static str, u64);

/// A server's graphs and launches as they are drawn.
struct Server {
    draw: Drawing,
    graphs: Vec<CapturedGraph>,
    works: Works,
    now: i64,
    launch: u64,
}

impl Server {
    fn new() -> Self {
        Self { draw: TraceBuilder::new().drawing(), graphs: Vec::new(), works: Works::default(), now: 0, launch: 0 }
    }

    fn name(&mut self, text: &str) -> NameId {
        self.draw.builder().names().intern(text)
    }

    /// Captures a graph for `size` rows.
    fn capture(&mut self, size: u32, forks: bool, nodes: &[Drawn]) {
        let node = |server: &mut Self, &(kernel, op, width): &Drawn| {
            let op = server.name(op);
            let argument = Argument { sizes: [u64::from(size), width].into(), dtype: None, value: None };
            let arguments = Some([argument].into());
            let work = Work { op: Some(op), arguments, ..Work::default() };
            Node { kernel: kernel.map(|name| server.name(name)), work: Some(server.works.intern(work)) }
        };
        let nodes = nodes.iter().map(|drawn| node(self, drawn)).collect();
        let label = Some(format!("capture_{size}_FULL"));
        self.graphs.push(CapturedGraph {
            path: "capture".into(),
            rank: None,
            label,
            size: Some(size),
            forks,
            nodes,
            live: None,
        });
    }

    /// Replays kernels, each with its stream, in the order of their starts.
    fn replay(&mut self, rows: Option<u32>, kernels: &[(&str, u64)]) {
        self.launch += 1;
        if let Some(rows) = rows {
            self.draw.range(&format!("execute_context_0(0)_generation_{rows}({rows})"), self.now, self.now + 5);
        }
        self.draw.launch(LaunchCall::Graph, self.now + 1, self.now + 2, self.launch);
        let mut at = self.now + 10;
        for &(name, stream) in kernels {
            self.draw.on_stream(stream);
            self.draw.kernel(name, at, at + 8, self.launch);
            at += 10;
        }
        self.now = at + 10;
    }

    fn laid(self) -> Trace {
        let mut trace = self.draw.finish();
        trace.captured.graphs = self.graphs;
        trace.captured.works = self.works;
        lay_over(&mut trace);
        trace
    }
}

/// Operator and sizes of a dispatch, as far as they are told.
type Told<'a> = Result<(&'a str, Option<[u64; 2]>), Unjoined>;

fn told(trace: &Trace) -> Vec<Told<'_>> {
    let of = |at: usize| match trace.captured.work(at) {
        Some(work) => {
            let sizes = work.arguments.as_ref().map(|arguments| [arguments[0].sizes[0], arguments[0].sizes[1]]);
            Ok((work.op.map_or("", |op| trace.names.get(op)), sizes))
        }
        None => Err(trace.captured.why[at].unwrap()),
    };
    (0..trace.dispatches.len()).map(of).collect()
}

fn names(trace: &Trace) -> Vec<&str> {
    trace.dispatches.iter().map(|dispatch| trace.kernel(dispatch)).collect()
}

const NODES: [Drawn; 4] =
    [(Some("norm"), "rms_norm", 1), (Some("gemm"), "mm", 2), (Some("gemm"), "mm", 3), (Some("attn"), "attention", 4)];

#[test]
fn a_replay_with_the_names_of_a_graph_in_its_order_does_what_the_graph_does() {
    let mut server = Server::new();
    server.capture(8, false, &NODES);
    server.replay(Some(8), &[("norm", 0), ("gemm", 0), ("gemm", 0), ("attn", 0)]);
    server.replay(Some(8), &[("norm", 0), ("gemm", 0), ("attn", 0)]);
    let trace = server.laid();
    let found = told(&trace);
    let expected = [("rms_norm", 1), ("mm", 2), ("mm", 3), ("attention", 4)];
    assert!(found[..4].iter().zip(expected).all(|(found, (op, width))| *found == Ok((op, Some([8, width])))));
    assert!(found[4..].iter().all(|found| *found == Err(Unjoined::NoSuchGraph)));
    let fit = trace.captured.fit.unwrap();
    assert_eq!((fit.joined_launches, fit.of_launches, fit.displaced_launches), (1, 2, 0));
    let nearest = fit.nearest.unwrap();
    assert_eq!((nearest.kernels, nearest.differs_at), ([4, 3], 2));
}

#[test]
fn of_several_sizes_the_label_tells_which_and_without_one_only_what_they_share_is_told() {
    let mut server = Server::new();
    for size in [4, 8, 16] {
        server.capture(size, false, &NODES[..2]);
    }
    server.replay(Some(7), &[("norm", 0), ("gemm", 0)]);
    server.replay(None, &[("norm", 0), ("gemm", 0)]);
    server.replay(Some(17), &[("norm", 0), ("gemm", 0)]);
    let trace = server.laid();
    let found = told(&trace);
    assert_eq!(found[..2], [Ok(("rms_norm", Some([8, 1]))), Ok(("mm", Some([8, 2])))]);
    assert_eq!(found[2..4], [Ok(("rms_norm", None)), Ok(("mm", None))]);
    assert!(found[4..].iter().all(Result::is_err), "more rows than any graph holds");
}

#[test]
fn a_graph_that_would_be_mostly_padding_is_another_size_s() {
    let mut server = Server::new();
    server.capture(32, false, &NODES[..2]);
    server.replay(Some(16), &[("norm", 0), ("gemm", 0)]);
    server.replay(Some(17), &[("norm", 0), ("gemm", 0)]);
    let trace = server.laid();
    assert_eq!(told(&trace).iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true, true]);
}

#[test]
fn copies_and_fills_stand_between_their_neighbours_or_stay_unknown() {
    let mut server = Server::new();
    let copies: [Drawn; 5] = [NODES[0], (None, "copy", 9), NODES[1], (None, "zero", 7), (None, "fill", 8)];
    server.capture(8, false, &copies);
    let copy = ("__amd_rocclr_copyBuffer", 0);
    let fill = ("__amd_rocclr_fillBufferAligned", 0);
    server.replay(Some(8), &[("norm", 0), copy, ("gemm", 0), fill, fill]);
    server.replay(Some(8), &[("norm", 0), copy, copy, ("gemm", 0), fill, fill, fill]);
    let trace = server.laid();
    let found = told(&trace);
    let ops: Vec<_> = found.iter().map(|found| found.map(|(op, _)| op)).collect();
    let unknown = Err(Unjoined::Ambiguous);
    assert_eq!(ops[..5], [Ok("rms_norm"), Ok("copy"), Ok("mm"), Ok("zero"), Ok("fill")]);
    assert_eq!(ops[5..], [Ok("rms_norm"), Ok("copy"), Ok("copy"), Ok("mm"), unknown, unknown, unknown]);
}

#[test]
fn names_on_other_times_are_put_right_by_the_order_of_capture() {
    let mut server = Server::new();
    server.capture(8, false, &NODES);
    server.replay(Some(8), &[("gemm", 0), ("norm", 0), ("gemm", 0), ("attn", 0)]);
    let trace = server.laid();
    assert_eq!(names(&trace), ["norm", "gemm", "gemm", "attn"]);
    assert_eq!(told(&trace)[0], Ok(("rms_norm", Some([8, 1]))));
    let fit = trace.captured.fit.unwrap();
    assert_eq!((fit.displaced_launches, fit.put_right, fit.unsettled_launches), (1, 2, 0));
}

#[test]
fn where_a_graph_forked_another_order_shows_nothing() {
    let mut server = Server::new();
    let nodes: [Drawn; 4] = [NODES[0], (Some("side"), "shared", 5), NODES[1], NODES[3]];
    server.capture(8, true, &nodes);
    server.replay(Some(8), &[("norm", 0), ("gemm", 0), ("side", 1), ("attn", 0)]);
    let trace = server.laid();
    assert_eq!(names(&trace), ["norm", "gemm", "side", "attn"]);
    let ops: Vec<_> = told(&trace).iter().map(|found| found.unwrap().0).collect();
    assert_eq!(ops, ["rms_norm", "mm", "shared", "attention"]);
    assert_eq!(trace.captured.fit.unwrap().displaced_launches, 0);
}

#[test]
fn another_model_s_graphs_tell_nothing() {
    let mut server = Server::new();
    server.capture(8, false, &[(Some("a"), "x", 1), (Some("b"), "y", 1)]);
    server.replay(Some(8), &[("norm", 0), ("gemm", 0)]);
    let trace = server.laid();
    assert!(told(&trace).iter().all(Result::is_err));
    assert!(crate::analyze::is_foreign(&trace));
    assert!(crate::analyze::misfit(&trace).unwrap().contains("another model"));
}

/// A generator of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const POOL: [&str; 12] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"];
const OPS: [&str; 6] = ["o0", "o1", "o2", "o3", "o4", "o5"];

/// A random model: its nodes in the order of capture, each with the branch that it is on.
fn model(dice: &mut Dice, forks: bool) -> Vec<(Drawn, u64)> {
    let mut layer = Vec::new();
    for at in 0..3 + dice.below(6) {
        let side = u64::from(forks && at > 0 && dice.below(3) == 0);
        let kernel = if !forks && dice.below(8) == 0 { None } else { Some(POOL[dice.below(12) as usize]) };
        layer.push(((kernel, OPS[dice.below(6) as usize], at), side));
    }
    let mut nodes = vec![((Some("embed"), "embedding", 0), 0)];
    for _ in 0..2 + dice.below(5) {
        nodes.extend(layer.iter().copied());
    }
    nodes.push(((Some("head"), "head", 0), 0));
    nodes
}

/// What a replay runs of `nodes`: name, stream, and which node it is. Branches run beside each other.
fn run(dice: &mut Dice, nodes: &[(Drawn, u64)]) -> Vec<(&'static str, u64, usize)> {
    let mut branches: [Vec<(&'static str, u64, usize)>; 2] = [Vec::new(), Vec::new()];
    for (at, ((kernel, ..), branch)) in nodes.iter().enumerate() {
        let name = kernel.unwrap_or("__amd_rocclr_copyBuffer");
        for _ in 0..if kernel.is_none() { 1 + dice.below(2) } else { 1 } {
            branches[*branch as usize].push((name, *branch, at));
        }
    }
    let [main, side] = branches;
    let (mut main, mut side) = (main.into_iter().peekable(), side.into_iter().peekable());
    let mut ran = Vec::new();
    while main.peek().is_some() || side.peek().is_some() {
        let from_side = main.peek().is_none() || (side.peek().is_some() && dice.below(2) == 0);
        ran.extend(if from_side { side.next() } else { main.next() });
    }
    ran
}

#[test]
fn in_random_servers_every_kernel_has_its_true_operator_or_is_counted_unknown() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut settled, mut all) = (0, 0);
    let (mut displaced, mut displaced_found, mut displaced_healthy) = (0, 0, 0);
    for nth in 0..1000 {
        let forks = nth % 3 == 0;
        let nodes = model(&mut dice, forks);
        let drawn: Vec<Drawn> = nodes.iter().map(|(node, _)| *node).collect();
        let mut server = Server::new();
        let sizes = &[8, 16, 32][..1 + dice.below(3) as usize];
        for &size in sizes {
            server.capture(size, forks, &drawn);
        }
        if dice.below(4) == 0 {
            server.capture(sizes[0], forks, &drawn);
        }
        // A graph of something else beside it, such as that of a draft model.
        server.capture(8, false, &[(Some("draft"), "draft", 0), (Some("head"), "head", 0)]);
        let copies = drawn.iter().any(|(kernel, ..)| kernel.is_none());
        let is_displaced = !forks && !copies && nth % 2 == 0;
        let mut truth = Vec::new();
        let mut changed = 0;
        for _ in 0..3 {
            let size = sizes[dice.below(sizes.len() as u64) as usize];
            let ran = run(&mut dice, &nodes);
            let right: Vec<&str> = ran.iter().map(|(name, ..)| *name).collect();
            let mut kernels: Vec<(&str, u64)> = ran.iter().map(|&(name, stream, _)| (name, stream)).collect();
            if is_displaced {
                // A kernel gets the time of one before it, and those between the ones after theirs.
                let from = dice.below(kernels.len() as u64 - 1) as usize;
                let to = from + 1 + dice.below(4.min((kernels.len() - from) as u64 - 1)) as usize;
                kernels[from..=to].rotate_right(1);
            }
            changed += u64::from(kernels.iter().zip(&right).any(|((name, _), right)| name != right));
            server.replay((dice.below(4) > 0).then_some(size - size / 4), &kernels);
            truth.extend(ran.iter().map(|&(name, _, node)| (name, drawn[node].1, [u64::from(size), drawn[node].2])));
        }
        let trace = server.laid();
        for ((found, name), (right, op, sizes)) in told(&trace).iter().zip(names(&trace)).zip(&truth) {
            all += 1;
            let Ok((found, of)) = found else { continue };
            settled += 1;
            assert_eq!((found, name), (op, *right), "server {nth}");
            assert!(of.is_none_or(|of| of == *sizes), "server {nth}: {of:?} for {sizes:?}");
        }
        let fit = trace.captured.fit.unwrap();
        displaced += changed;
        if is_displaced {
            displaced_found += fit.displaced_launches + fit.unsettled_launches;
        } else {
            displaced_healthy += fit.displaced_launches + fit.unsettled_launches;
        }
    }
    assert!(settled * 10 > all * 8, "{settled} of {all}");
    assert_eq!(displaced_healthy, 0);
    assert!(displaced_found * 100 >= displaced * 99, "{displaced_found} of {displaced}");
}
