//! What was known when a graph was captured, and what of it is known of its replays.
//!
//! A replay of a graph tells names and times. Operators, shapes and data types were there once, when the graph was
//! captured; whoever saw that leaves [`CapturedGraph`]s beside the trace, and [`replay`](crate::replay) lays them over the
//! graph launches.
//!
//! ```text
//!   capture   aten::addmm [32, 2880]×[2880, 5120] ─> Cijk_…   (node 2)  ──> Work
//!   replay                                           Cijk_…   15.8 µs   ──> the same Work, by Captured::of
//! ```
//!
//! A [`Work`] is stored once, however many nodes and replays did it: a dispatch costs 5 bytes, a node 8 and one more for its
//! stream.

use std::collections::HashMap;

use super::{NameId, Names, ProcessIdx, ProductIdx, WorkIdx};

/// An argument of an operator.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Argument {
    /// Sizes of a tensor; empty for what is none.
    pub sizes: Box<[u64]>,
    /// Its type as the producer names it, such as `c10::BFloat16`; `None` where it tells none.
    pub dtype: Option<NameId>,
    /// The value of a scalar, as text.
    pub value: Option<NameId>,
}

/// How a kernel was launched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    /// Blocks.
    pub grid: [u32; 3],
    /// Work-items of a block.
    pub block: [u32; 3],
    /// Bytes of LDS asked for beyond what the kernel has of its own.
    pub lds: u32,
}

/// What a kernel of a replay was launched for.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Work {
    /// The operator that launched it, where it is told.
    pub op: Option<NameId>,
    /// The operator's arguments; `None` where they are not told, or not settled.
    pub arguments: Option<Box<[Argument]>>,
    /// The matrix product that the operator, or the nearest around it, computes.
    pub product: Option<ProductIdx>,
    /// The module of the model whose code called the operator, where it is told.
    pub module: Option<NameId>,
    /// The layer, counted from 0.
    pub layer: Option<u32>,
    /// Whether `layer` was told; else it is inferred from the order of operators.
    pub layer_told: bool,
    /// How it was launched, where it is told.
    pub launched: Option<Geometry>,
}

/// Types of tensors as the PyTorch profiler names them, and as kernels' names have them.
const SHORT: &[(&str, &str)] = &[
    ("c10::BFloat16", "bf16"),
    ("c10::Half", "fp16"),
    ("float", "fp32"),
    ("double", "fp64"),
    ("signed char", "int8"),
    ("unsigned char", "uint8"),
    ("short int", "int16"),
    ("int", "int32"),
    ("long int", "int64"),
];

impl Work {
    /// The tensors among its arguments as they are shown: `bf16[32, 2880], bf16[2880]`.
    #[must_use]
    pub fn tensors_shown(&self, names: &Names) -> Option<String> {
        let one = |argument: &Argument| {
            let name = argument.dtype.map_or("", |name| names.get(name));
            let short = SHORT.iter().find(|(long, _)| *long == name).map_or(name, |(_, short)| short);
            format!("{}{:?}", short.strip_prefix("c10::").unwrap_or(short), argument.sizes)
        };
        let arguments = self.arguments.as_deref()?;
        let shown: Vec<String> = arguments.iter().filter(|argument| !argument.sizes.is_empty()).map(one).collect();
        Some(shown.join(", "))
    }
}

/// Works, each once.
#[derive(Clone, Default, Debug)]
pub struct Works {
    list: Vec<Work>,
    places: HashMap<Work, WorkIdx>,
}

impl Works {
    /// The place of `work`, which is added if it is new.
    pub fn intern(&mut self, work: Work) -> WorkIdx {
        let list = &mut self.list;
        *self.places.entry(work).or_insert_with_key(|work| {
            list.push(work.clone());
            WorkIdx::new(list.len() - 1)
        })
    }

    /// The work at `place`.
    #[must_use]
    pub fn get(&self, place: WorkIdx) -> &Work {
        &self.list[place.index()]
    }

    /// All works, in the order in which they were added.
    #[must_use]
    pub fn all(&self) -> &[Work] {
        &self.list
    }
}

/// A node of a captured graph, in the order of capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// The kernel; `None`: a copy or a fill, which the runtime does as it sees fit. The empty name is that of a kernel whose
    /// name nobody told.
    pub kernel: Option<NameId>,
    /// What it was launched for, where that is known.
    pub work: Option<WorkIdx>,
}

/// A time in which an executable graph ran the nodes of a captured one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    /// Whose it is.
    pub process: ProcessIdx,
    /// The executable graph, as [`Launch::graph`](super::Launch::graph) names it.
    pub exec: u64,
    /// The first moment.
    pub from_ns: i64,
    /// The moment after the last.
    pub until_ns: i64,
    /// How kernels are launched may have been changed.
    pub altered: bool,
}

/// What a capture in the process itself tells of a graph.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Live {
    /// When executable graphs ran its nodes.
    pub lives: Vec<Life>,
    /// The stream of each node, as counted within the capture.
    pub streams: Vec<u8>,
}

const _: () = assert!(size_of::<Node>() == 8 && size_of::<Option<WorkIdx>>() + size_of::<Option<Unjoined>>() == 5);

/// A graph as it was captured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedGraph {
    /// The file that tells of it.
    pub path: String,
    /// The rank that captured it, where known.
    pub rank: Option<u32>,
    /// The engine's name for it, such as `capture_32_FULL`.
    pub label: Option<String>,
    /// Tokens or requests that it was captured for.
    pub size: Option<u32>,
    /// Another stream waited for an event: the kernels need not be replayed in the order of capture.
    pub forks: bool,
    /// What was launched.
    pub nodes: Vec<Node>,
    /// What is known of one that was captured before the tracer's eyes: the launches that replay it, and that alone.
    pub live: Option<Live>,
}

/// The number in the label of a capture or its file's name: `capture_32_FULL`, `capture_graph_bs_8`, `bs_8_rank0.json.gz`.
#[must_use]
pub(crate) fn size_in(text: &str) -> Option<u32> {
    let from = text.find("bs_").map_or(0, |at| at + 3);
    let digits = text[from..].split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?;
    digits.parse().ok()
}

/// Why a kernel of a graph launch has no work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unjoined {
    /// It was launched by itself.
    NoGraph,
    /// No captured graph has the kernels of its launch, in their order.
    NoSuchGraph,
    /// Names and times of its launch do not belong together, and the graph does not settle how they do.
    Displaced,
    /// Several nodes of the graph could be it.
    Ambiguous,
    /// The captured node does not tell its operator.
    NoOperator,
}

/// How captured graphs and replays fit together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Fit {
    /// Launches that each of [`Captured::graphs`] was found for; one that several graphs fit alike counts for each.
    pub launches: Vec<u64>,
    /// Graph launches that a captured graph was found for.
    pub joined_launches: u64,
    /// Graph launches that ran kernels.
    pub of_launches: u64,
    /// Launches whose kernels carried the times of others, by the order of capture.
    pub displaced_launches: u64,
    /// Kernels of these whose names were put right.
    pub put_right: u64,
    /// The same launches, where the order of capture settles nothing.
    pub unsettled_launches: u64,
    /// Distinct kernels of the graphs that the replays ran, and how many there are.
    pub names: [u64; 2],
    /// Of a launch that fits no graph: how far the nearest one goes with it.
    pub nearest: Option<Nearest>,
}

/// The captured graph that goes furthest with a launch that it does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nearest {
    /// Its position among [`Captured::graphs`].
    pub graph: usize,
    /// Kernels of the graph and of the launch.
    pub kernels: [u32; 2],
    /// Position of the first kernel that differs.
    pub differs_at: u32,
    /// What the graph has there, and what the launch ran.
    pub names: [Option<NameId>; 2],
}

/// All that captures of graphs tell of a run.
#[derive(Clone, Default, Debug)]
pub struct Captured {
    /// The graphs.
    pub graphs: Vec<CapturedGraph>,
    /// What their nodes do.
    pub works: Works,
    /// What each dispatch does, by its position among the dispatches; empty where nothing is known.
    pub of: Vec<Option<WorkIdx>>,
    /// Why a dispatch has none, by position; as long as `of`.
    pub why: Vec<Option<Unjoined>>,
    /// How the graphs fit; `None` before anybody looked.
    pub fit: Option<Fit>,
    /// What launches outside of graphs did, by their operator and product; `None` where the same two did several things.
    pub eager: HashMap<(NameId, ProductIdx), Option<WorkIdx>>,
}

impl Captured {
    /// Notes what an operator that computes a product was called with.
    pub fn tell(&mut self, op: NameId, product: ProductIdx, arguments: Option<Box<[Argument]>>) {
        let product_of = Some(product);
        let work = Work { op: Some(op), arguments, product: product_of, ..Work::default() };
        let work = self.works.intern(work);
        let known = self.eager.entry((op, product)).or_insert(Some(work));
        *known = known.filter(|known| *known == work);
    }

    /// What the dispatch at `position` does.
    #[must_use]
    pub fn work(&self, position: usize) -> Option<&Work> {
        self.of.get(position).copied().flatten().map(|place| self.works.get(place))
    }
}
