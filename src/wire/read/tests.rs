//! What is read back of what was written, and of what is damaged.

use super::*;
use crate::model::{CopyKind, Geometry, Trace};
use crate::wire::{
    Became, CopyRecord, DispatchRecord, Encoder, GraphChange, GraphNode, GraphRecord, LaunchRecord, NodeKernel,
};

/// A file with two kernels in one range on GPU 3, driven by rank 5, and one dispatch of a kernel never registered.
fn file(ended: bool) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.begin(&Meta { version: VERSION, pid: 7, rank: Some(5), world_size: Some(8), ..Meta::default() });
    encoder.agent(&Agent { handle: 99, gpu_index: 3, arch: "gfx942".into(), ..Agent::default() });
    encoder.code_object(1, "file:///opt/aiter/fmoe.co");
    let origin = |source: &str| Origin { source: Some(source.into()), vgprs: Some(24), ..Origin::default() };
    // Told before its symbol; of an object of which nothing runs; and after the dispatches of another.
    encoder.origins(1, &[("gemm".into(), origin("/home/ada/lib/python3/site-packages/vllm/a.py"))]);
    encoder.symbol(11, 1, "gemm.kd");
    encoder.symbol(13, 2, "gemm.kd");
    encoder.origins(2, &[("gemm".into(), origin("/home/ada/b.py")), ("other".into(), origin("c.py"))]);
    encoder.range_open(1, 70, 100, "decode[bs=1]");
    let graph = LaunchRecord {
        start_ns: 101,
        end_ns: 110,
        correlation: 40,
        thread: 70,
        graph: 0xdead,
        call: LaunchCall::Graph,
    };
    let copy =
        LaunchRecord { start_ns: 111, end_ns: 112, correlation: 42, graph: 0, call: LaunchCall::Memory, ..graph };
    encoder.launches(&[graph, copy]);
    encoder.copies(&[CopyRecord {
        start_ns: 421,
        end_ns: 430,
        bytes: 64,
        direction: 3,
        destination: 98,
        source: 99,
        range: 1,
        correlation: 42,
    }]);
    let dispatch =
        DispatchRecord { kernel_id: 11, agent: 99, queue: 1, range: 1, correlation: 40, ..Default::default() };
    encoder.mark(1, 0, 1, Some(r#"{"module": "model.layers.0"}"#));
    encoder.mark(2, 1, 1, None);
    encoder.dispatches(&[
        DispatchRecord { start_ns: 300, end_ns: 400, dispatch_id: 71, ..dispatch },
        DispatchRecord { start_ns: 200, end_ns: 290, dispatch_id: 72, ..dispatch },
        DispatchRecord {
            start_ns: 410,
            end_ns: 420,
            dispatch_id: 73,
            kernel_id: 12,
            range: 0,
            correlation: 41,
            ..dispatch
        },
    ]);
    encoder.range_close(1, 150);
    encoder.graph_text(1, "gemm");
    encoder.graph_text(2, "capture_graph_bs_4");
    let node = GraphNode {
        kernel: NodeKernel::Symbol(11),
        stream: 0,
        block: [64, 1, 1],
        grid: [7, 1, 1],
        lds: 32,
        mark: 2,
        within: 0,
        after_us: 1,
        thread: 70,
    };
    let nodes = vec![node, GraphNode { kernel: NodeKernel::Text(1), mark: 0, ..node }];
    encoder.graph(&GraphRecord { number: 1, label: 2, nodes, ..GraphRecord::default() });
    encoder.graph_changes(&[GraphChange { at_ns: 60, exec: 0xdead, became: Became::Graph(1) }]);
    if ended {
        encoder.end(&Status { records: 3, steps: 1, closed_by: "exit".into(), ..Status::default() });
    }
    encoder.buffer
}

fn parse(bytes: &[u8]) -> Result<Trace, Error> {
    let mut builder = TraceBuilder::new();
    read(Path::new("x.pdc"), &mut &*bytes, &mut builder)?;
    Ok(builder.finish())
}

#[test]
fn code_objects_tell_of_the_kernels_that_ran_and_name_no_user() {
    let bytes = file(true);
    assert!(!bytes.windows(3).any(|part| part == b"ada"));
    let trace = parse(&bytes).unwrap();
    let gemm = trace.names.find("gemm").unwrap();
    let origin = Origin { source: Some("vllm/a.py".into()), vgprs: Some(24), ..Origin::default() };
    assert_eq!(trace.origins.into_iter().collect::<Vec<_>>(), [(gemm, vec![origin])]);
    assert_eq!(&*trace.code_objects[&gemm], "file:///opt/aiter/fmoe.co");
}

#[test]
fn what_was_written_is_read_back() {
    let trace = parse(&file(true)).unwrap();
    assert_eq!(trace.dispatches.len(), 3);
    assert_eq!(trace.dispatches[0].span, Span::new(200, 290));
    assert_eq!(trace.enqueued, [72, 71, 73], "in the order of the dispatches");
    let range = trace.ranges[trace.dispatches[0].range.unwrap().index()];
    assert_eq!((trace.names.get(range.name), range.span), ("decode[bs=1]", Span::new(100, 150)));
    assert_eq!(trace.launches[trace.dispatches[1].launch.unwrap().index()].graph, Some(0xdead));
    let [copy] = trace.copies[..] else { panic!("{:?}", trace.copies) };
    assert_eq!((copy.kind, copy.bytes, copy.span), (CopyKind::DeviceToHost, Some(64), Span::new(421, 430)));
    assert_eq!(trace.launches[copy.launch.unwrap().index()].call, LaunchCall::Memory);
    assert_eq!(trace.kernel(&trace.dispatches[0]), "gemm");
    assert_eq!(trace.code_objects[&trace.dispatches[0].name].as_ref(), "file:///opt/aiter/fmoe.co");
    assert_eq!((trace.ranks.len(), trace.ranks[0].number, trace.ranks[0].device), (1, Some(5), Some(3)));
    assert_eq!(trace.kernel(&trace.dispatches[2]), "unknown kernel 12");
    assert_eq!(trace.losses.iter().map(|l| (l.cause, l.count)).collect::<Vec<_>>(), [(LossCause::UnknownSymbol, 1)]);
    assert_eq!(trace.capture.unwrap().closed_by, "exit");
    assert_eq!(trace.warnings, []);
    let [graph] = &trace.captured.graphs[..] else { panic!("{:?}", trace.captured.graphs) };
    assert_eq!((graph.size, graph.rank, graph.forks, graph.nodes.len()), (Some(4), Some(5), false, 2));
    assert!(graph.nodes.iter().all(|node| node.kernel == Some(trace.dispatches[0].name)), "one name, however told");
    let life = graph.live.as_ref().unwrap().lives[0];
    assert_eq!((life.exec, life.from_ns, life.until_ns, life.altered), (0xdead, 60, i64::MAX, false));
    let work = trace.captured.works.get(graph.nodes[0].work.unwrap());
    let launched = Geometry { grid: [7, 1, 1], block: [64, 1, 1], lds: 32 };
    assert_eq!((work.launched, work.layer, work.layer_told), (Some(launched), Some(0), true));
}

#[test]
fn a_file_without_an_end_is_read_and_said_to_be_unfinished() {
    let trace = parse(&file(false)).unwrap();
    assert_eq!(trace.dispatches.len(), 3);
    assert_eq!(trace.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["capture-unfinished"]);
    assert_eq!(trace.capture.unwrap().closed_by, "unfinished");
}

#[test]
fn any_prefix_is_an_error_or_a_warning() {
    let whole = file(true);
    for end in 0..whole.len() {
        match parse(&whole[..end]) {
            Ok(trace) => assert!(!trace.warnings.is_empty(), "prefix of {end} bytes looks whole"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_copy_is_of_the_gpu_that_computes() {
    let mut encoder = Encoder::default();
    encoder.begin(&Meta { version: VERSION, ..Meta::default() });
    [10, 20].into_iter().for_each(|handle| encoder.agent(&Agent { handle, ..Agent::default() }));
    let copy = CopyRecord { start_ns: 1, end_ns: 2, ..CopyRecord::default() };
    encoder.copies(&[
        CopyRecord { direction: 2, source: 5, destination: 10, ..copy },
        CopyRecord { direction: 4, source: 20, destination: 10, ..copy },
        // To a peer's memory, and from one peer to another.
        CopyRecord { direction: 4, source: 10, destination: 20, ..copy },
        CopyRecord { direction: 2, source: 5, destination: 20, ..copy },
    ]);
    encoder.dispatches(&[DispatchRecord { agent: 10, start_ns: 3, end_ns: 4, ..Default::default() }]);
    let trace = parse(&encoder.buffer).unwrap();
    assert_eq!((trace.ranks.len(), trace.copies.len()), (1, 3));
}

#[test]
fn frames_of_unknown_kinds_are_skipped_and_counted() {
    let mut bytes = file(true);
    bytes.extend_from_slice(&[77, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]);
    let trace = parse(&bytes).unwrap();
    assert_eq!(trace.dispatches.len(), 3);
    assert_eq!(trace.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["capture-frames-skipped"]);
}

/// Two decode steps of the simulated server, as the tracer wrote them before version 2.
#[test]
fn a_capture_of_version_1_is_read_as_ever() {
    let bytes = include_bytes!("../../../tests/data/capture-v1.pdc");
    let trace = parse(bytes).unwrap();
    assert_eq!((trace.dispatches.len(), trace.launches.len(), trace.copies.len()), (62, 1, 0));
    assert!(trace.launches.iter().all(|launch| launch.call == LaunchCall::Graph && launch.graph.is_some()));
    assert!(trace.dispatches.iter().any(|dispatch| trace.kernel(dispatch) == "gemm_qkv"));
    assert!(trace.dispatches.iter().all(|dispatch| dispatch.range.is_some()));
    assert_eq!(trace.capture.unwrap().closed_by, "window_full");
    assert_eq!((trace.warnings, trace.losses), (vec![], vec![]));
}

#[test]
fn a_newer_version_is_refused() {
    let mut encoder = Encoder::default();
    encoder.begin(&Meta { version: VERSION + 1, ..Meta::default() });
    assert!(matches!(parse(&encoder.buffer), Err(Error::Newer { .. })));
}

proptest::proptest! {
    #[test]
    fn damaged_files_never_panic(position in 0usize..3_000, byte: u8) {
        let mut bytes = file(true);
        let position = position % bytes.len();
        bytes[position] = byte;
        let _ = parse(&bytes);
    }
}
