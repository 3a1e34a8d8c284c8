//! The graphs that a trace shows being captured: what was launched for which operator, in which order.
//!
//! ```text
//!   user_annotation  ├──────────────── capture_32_FULL ────────────────┤
//!   cuda_runtime        hipStreamBeginCapture   launch  launch  launch   hipStreamEndCapture
//!   cpu_op                                     ├aten::addmm┤ (External id 7, the sizes of its inputs)
//! ```
//!
//! A launch during a capture has no kernel beside it in the trace, since nothing runs; its name is in `args.kernel`. A
//! launch that has one ran on a stream that was not captured, and is no node of the graph. The runtime calls tell no
//! stream: that there were several shows in a stream that waits for an event.

use std::collections::HashSet;

use super::event::{Args, Category, Event};
use super::product::{Around, product};
use crate::ingest::json::Raw;
use crate::ingest::launch::launch_call;
use crate::model::{
    Argument, CapturedGraph, LaunchCall, NameId, Node, ProductIdx, TraceBuilder, Work, WorkIdx, Works, size_in,
};

/// Runtime calls and operators that are kept of a file.
const MAX_CALLS: usize = 16 << 20;

/// The calls and operators of a trace of captures.
#[derive(Default)]
pub(super) struct Recorded {
    calls: Vec<Call>,
    operators: Vec<Operator>,
    around: Around,
    labels: Vec<Label>,
    /// Correlation ids of what ran while it was recorded.
    ran: HashSet<(u32, u64)>,
}

/// A runtime call that matters to a capture.
struct Call {
    start_ns: i64,
    group: u32,
    thread: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Begin,
    End,
    Waits,
    Launch { kernel: Option<NameId>, external: u32, correlation: Option<u64> },
}

/// A CPU operator.
struct Operator {
    key: (u32, u32),
    op: NameId,
    arguments: Option<Box<[Argument]>>,
    product: Option<ProductIdx>,
}

/// An annotation of the engine around captures.
struct Label {
    group: u32,
    start_ns: i64,
    end_ns: i64,
    text: String,
}

/// A capture that has begun.
struct Open {
    group: u32,
    thread: u64,
    graph: CapturedGraph,
}

impl Recorded {
    /// Takes in an event of `group`.
    pub(super) fn take(
        &mut self,
        event: &Event<'_>,
        name: &str,
        group: u32,
        [start_ns, end_ns]: [i64; 2],
        builder: &mut TraceBuilder,
    ) {
        let thread = event.tid.and_then(Raw::id).unwrap_or(0);
        let external = event.args.external.and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
        match event.category {
            Category::Kernel | Category::Memcpy | Category::Memset => {
                self.ran.extend(event.args.correlation.map(|correlation| (group, correlation)));
            }
            Category::Annotation if name.starts_with("capture") => {
                self.labels.push(Label { group, start_ns, end_ns, text: name.to_owned() });
            }
            Category::Annotation => {}
            Category::Operator if self.operators.len() < MAX_CALLS => {
                let product = event.args.sizes.and_then(|sizes| product(name, sizes, event.args.types));
                let product = product.map(|product| builder.product(product));
                if let Some(product) = product {
                    self.around.add(group, thread, start_ns, end_ns, product);
                }
                let op = builder.names().intern(name);
                let arguments = arguments(&event.args, builder);
                self.operators.push(Operator { key: (group, external), op, arguments, product });
            }
            Category::Operator => {}
            Category::Runtime => {
                let Some(what) = what(name, external, &event.args, builder) else { return };
                if self.calls.len() < MAX_CALLS {
                    self.calls.push(Call { start_ns, group, thread, what });
                }
            }
        }
    }

    /// The graphs, in the order in which their captures began. `bucket` is what the file's name tells of the size.
    pub(super) fn graphs(
        mut self,
        path: &str,
        rank: Option<u32>,
        bucket: Option<u32>,
        works: &mut Works,
    ) -> Vec<CapturedGraph> {
        self.operators.sort_by_key(|operator| operator.key);
        self.around.nest();
        self.calls.sort_by_key(|call| call.start_ns);
        let (mut open, mut graphs): (Vec<Open>, Vec<CapturedGraph>) = (Vec::new(), Vec::new());
        for call in &self.calls {
            // A capture may be joined by other threads, but belongs to the one that began it.
            let own = open.iter().rposition(|open| (open.group, open.thread) == (call.group, call.thread));
            let of_group = || open.iter().rposition(|open| open.group == call.group);
            let current = own.or_else(of_group);
            match (call.what, current) {
                (What::Begin, _) => {
                    let label = self.label(call);
                    let size = label.as_deref().and_then(size_in).or(bucket);
                    let graph = CapturedGraph {
                        path: path.to_owned(),
                        rank,
                        label,
                        size,
                        forks: false,
                        nodes: Vec::new(),
                        live: None,
                    };
                    open.push(Open { group: call.group, thread: call.thread, graph });
                }
                (What::End, Some(at)) => graphs.push(open.remove(at).graph),
                (What::Waits, Some(at)) => open[at].graph.forks = true,
                (What::Launch { kernel, external, correlation }, Some(at)) => {
                    if correlation.is_none_or(|correlation| !self.ran.contains(&(call.group, correlation))) {
                        let work = self.work(call, external, works);
                        open[at].graph.nodes.push(Node { kernel, work });
                    }
                }
                (_, None) => {}
            }
        }
        graphs.retain(|graph| graph.nodes.iter().any(|node| node.kernel.is_some()));
        graphs
    }

    /// The engine's label around `call`, the outermost.
    fn label(&self, call: &Call) -> Option<String> {
        let around =
            |label: &&Label| label.group == call.group && (label.start_ns..=label.end_ns).contains(&call.start_ns);
        self.labels
            .iter()
            .filter(around)
            .max_by_key(|label| label.end_ns - label.start_ns)
            .map(|label| label.text.clone())
    }

    fn work(&self, call: &Call, external: u32, works: &mut Works) -> Option<WorkIdx> {
        let key = (call.group, external);
        let first = self.operators.partition_point(|operator| operator.key < key);
        let operator = self.operators.get(first).filter(|operator| operator.key == key && external != 0)?;
        let product = operator.product.or_else(|| self.around.find(call.group, call.thread, call.start_ns));
        let arguments = operator.arguments.clone();
        Some(works.intern(Work { op: Some(operator.op), arguments, product, ..Work::default() }))
    }
}

/// What a runtime call is to a capture; `None`: nothing.
fn what(name: &str, external: u32, args: &Args<'_>, builder: &mut TraceBuilder) -> Option<What> {
    let rest = name.strip_prefix("hip").or_else(|| name.strip_prefix("cuda"))?;
    if rest.starts_with("StreamBeginCapture") {
        return Some(What::Begin);
    }
    if rest.starts_with("StreamEndCapture") {
        return Some(What::End);
    }
    if rest.starts_with("StreamWaitEvent") {
        return Some(What::Waits);
    }
    let kernel = match launch_call(name)? {
        LaunchCall::Memory => None,
        LaunchCall::Graph | LaunchCall::Other => return None,
        _ => Some(builder.names().intern(&args.kernel.and_then(Raw::text)?)),
    };
    Some(What::Launch { kernel, external, correlation: args.correlation })
}

/// The arguments of an operator; `None` where their sizes were not recorded.
pub(super) fn arguments(args: &Args<'_>, builder: &mut TraceBuilder) -> Option<Box<[Argument]>> {
    let sizes = args.sizes?;
    let mut types = args.types.into_iter().flat_map(Raw::elements);
    let mut values = args.values.into_iter().flat_map(Raw::elements);
    let mut text = |raw: Option<Raw<'_>>| {
        let text = raw.and_then(Raw::text).filter(|text| !text.is_empty())?;
        Some(builder.names().intern(&text))
    };
    let argument = |sizes: Raw<'_>| Argument {
        sizes: sizes.elements().map(Raw::id).collect::<Option<Vec<u64>>>().unwrap_or_default().into(),
        dtype: text(types.next()),
        value: text(values.next()),
    };
    Some(sizes.elements().map(argument).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_capture_is_read_from_its_label_or_its_file() {
        for (text, expected) in [
            ("capture_32_FULL", Some(32)),
            ("capture_8_PIECEWISE", Some(8)),
            ("capture_graph_bs_16", Some(16)),
            ("bs_4_q_1_rank0.json.gz", Some(4)),
            ("capture_model", None),
        ] {
            assert_eq!(size_in(text), expected, "{text}");
        }
    }
}
