//! How a launch's kernels are the nodes of a captured graph.

use super::kernel::{ANY, Found, Kernel, RUNTIME};
use super::live::{self, Told};
use super::{forked, order};
use crate::model::{Captured, CapturedGraph, NameId, Unjoined, Work, Works};

/// What is known of the size of the graph that a launch replays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Wanted {
    /// The size that it was captured for.
    pub(super) graph: Option<u32>,
    /// Rows that it holds, without padding.
    pub(super) rows: Option<u32>,
}

/// What is asked of a launch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Asked {
    /// Its kernels; of a graph that is told, in the order in which they were enqueued.
    pub(super) kernels: Vec<Kernel>,
    /// The rank that ran them.
    pub(super) rank: Option<u32>,
    pub(super) wanted: Wanted,
    /// Their records are in no order that one stream can run.
    pub(super) disordered: bool,
    /// The graph that it replays.
    pub(super) told: Option<Told>,
}

/// A captured graph, ready to be compared.
pub(super) struct Graph {
    /// Letters of its kernels.
    pub(super) kernels: Vec<u32>,
    /// Their positions among the graph's nodes.
    pub(super) nodes: Vec<usize>,
    rank: Option<u32>,
    size: Option<u32>,
    pub(super) forks: bool,
    /// The streams of its kernels at the capture, if it was captured in the process itself.
    streams: Option<Vec<u8>>,
}

impl Graph {
    pub(super) fn new(graph: &CapturedGraph, letter: impl Fn(NameId) -> u32) -> Self {
        let kernel = |(at, node): (usize, &crate::model::Node)| Some((letter(node.kernel?), at));
        let kernels = graph.nodes.iter().enumerate().filter_map(kernel).filter(|(letter, _)| *letter != RUNTIME);
        let (kernels, nodes): (Vec<u32>, Vec<usize>) = kernels.unzip();
        let stream = |live: &crate::model::Live| nodes.iter().map(|&node| live.streams[node]).collect();
        let streams = graph.live.as_ref().map(stream);
        Self { kernels, nodes, rank: graph.rank, size: graph.size, forks: graph.forks, streams }
    }
}

/// What a launch's kernels do.
#[derive(Default)]
pub(super) struct Plan {
    /// The graphs that fit it.
    pub(super) fits: Vec<usize>,
    /// What each of its records does.
    pub(super) works: Vec<Found>,
    /// Names are on other kernels' times: from which record each one's name is to come.
    pub(super) displaced: Option<Vec<usize>>,
    /// Names are on other kernels' times, and the graph does not settle on which.
    pub(super) unsettled: bool,
}

/// How a graph fits a launch.
enum Way {
    /// The kernels that are no copies, in the order of its own.
    InOrder,
    /// Of each kernel its place among the graph's, where that is settled.
    Forked(Vec<Option<usize>>),
    /// On one stream in another order than its own.
    Displaced(Vec<usize>),
}

/// The plan for a launch.
pub(super) fn plan(asked: &Asked, graphs: &[Graph], captured: &mut Captured) -> Plan {
    let Asked { kernels, rank, wanted, disordered, told } = asked;
    let plain: Vec<Kernel> = kernels.iter().copied().filter(|kernel| kernel.letter != RUNTIME).collect();
    let mut ways: Vec<(usize, Way)> = Vec::new();
    let mut unsettled = false;
    if let Some(told) = told {
        ways.extend(told_way(&plain, &graphs[told.graph]).map(|way| (told.graph, way)));
    } else {
        let own_rank = |graph: &Graph| graph.rank.is_some() && graph.rank == *rank;
        // Which launches replay a graph that was captured here is known.
        let other = |graph: &Graph| graph.streams.is_none();
        let has_own = graphs.iter().any(|graph| other(graph) && own_rank(graph));
        let usable = |graph: &Graph| other(graph) && (!has_own || own_rank(graph));
        for (at, graph) in graphs.iter().enumerate().filter(|(_, graph)| usable(graph)) {
            match way(&plain, graph, *disordered, plain.len() < kernels.len()) {
                Ok(Some(way)) => ways.push((at, way)),
                Ok(None) => {}
                Err(Displaced) => unsettled = true,
            }
        }
        // A graph in whose order the kernels ran is the graph; others that have the same kernels are others.
        if ways.iter().any(|(_, way)| !matches!(way, Way::Displaced(_))) {
            ways.retain(|(_, way)| !matches!(way, Way::Displaced(_)));
        }
        let sizes: Vec<u32> = graphs.iter().filter(|graph| usable(graph)).filter_map(|graph| graph.size).collect();
        choose(&mut ways, graphs, &sizes, *wanted);
    }
    let Some((_, first)) = ways.first() else {
        return Plan { unsettled, ..Plan::default() };
    };
    let displaced = match first {
        // Graphs of several sizes may have the same kernels in the same order.
        Way::Displaced(order) => {
            let same = |(_, way): &(usize, Way)| matches!(way, Way::Displaced(other) if other == order);
            if !ways.iter().all(same) {
                return Plan { unsettled: true, ..Plan::default() };
            }
            Some(order.clone())
        }
        _ => None,
    };
    let Captured { graphs: recorded, works, .. } = captured;
    let told = ways.iter().map(|(at, way)| works_of(kernels, way, &graphs[*at], &recorded[*at]));
    let told: Vec<Vec<Found>> = told.collect();
    let altered = asked.told.is_some_and(|told| told.altered);
    let mut of_record = |at: usize| {
        let work = agreed(told.iter().map(|of| of[at]), works)?;
        if !altered {
            return Ok(work);
        }
        let work = Work { launched: None, ..works.get(work).clone() };
        Ok(works.intern(work))
    };
    let works = (0..kernels.len()).map(&mut of_record).collect();
    Plan { fits: ways.into_iter().map(|(at, _)| at).collect(), works, displaced, unsettled: false }
}

/// The names of a launch are on other kernels' times, and it cannot be told on which.
struct Displaced;

/// How `graph` fits `plain`, the kernels that are no copies; `None`: it does not.
fn way(plain: &[Kernel], graph: &Graph, disordered: bool, copies: bool) -> Result<Option<Way>, Displaced> {
    if plain.len() != graph.kernels.len() || plain.is_empty() {
        return Ok(None);
    }
    let one_stream = plain.iter().all(|kernel| kernel.stream == plain[0].stream);
    let letters: Vec<u32> = plain.iter().map(|kernel| kernel.letter).collect();
    if letters == graph.kernels && (one_stream || !graph.forks) {
        return Ok(Some(Way::InOrder));
    }
    let Some(order) = order::matched(&letters, &graph.kernels) else { return Ok(None) };
    if !one_stream || graph.forks {
        if disordered {
            return Err(Displaced);
        }
        return Ok(forked::places(plain, &graph.kernels).map(Way::Forked));
    }
    // Records out of order are a sure sign; without it most kernels must be in place, or it is another graph.
    if !disordered && 2 * order::moved(&order) > order.len() {
        return Ok(None);
    }
    if copies { Err(Displaced) } else { Ok(Some(Way::Displaced(order))) }
}

/// How a graph that is known to be replayed fits `plain`, in the order in which they were enqueued; `None`: it does not.
fn told_way(plain: &[Kernel], graph: &Graph) -> Option<Way> {
    let letters: Vec<u32> = plain.iter().map(|kernel| kernel.letter).collect();
    if letters.is_empty() && !graph.kernels.is_empty() {
        return None;
    }
    if !graph.forks {
        let is_it = |(ran, node): (&u32, &u32)| ran == node || *node == ANY;
        // What has no name is told by the names around it, if there are enough of them.
        let named = graph.kernels.iter().filter(|&&letter| letter != ANY).count();
        let same = letters.len() == graph.kernels.len() && letters.iter().zip(&graph.kernels).all(is_it);
        if same && 2 * named >= letters.len() {
            return Some(Way::InOrder);
        }
        // Nodes that are turned off run nothing, and at the edge of a window a launch is not all there.
        return live::part(&letters, &graph.kernels).map(Way::Forked);
    }
    forked::on_streams(&letters, &graph.kernels, graph.streams.as_deref()?).map(Way::Forked)
}

/// Of graphs that fit alike, those of the size that is known.
fn choose(ways: &mut Vec<(usize, Way)>, graphs: &[Graph], sizes: &[u32], wanted: Wanted) {
    let bucket = match wanted {
        Wanted { graph: Some(size), .. } => Some(size),
        // Engines pad to the next size that they captured.
        Wanted { rows: Some(rows), .. } => sizes.iter().copied().filter(|&size| size >= rows).min(),
        Wanted { .. } => None,
    };
    let size = |at: usize| graphs[at].size;
    if ways.iter().any(|(at, _)| size(*at).is_some() && size(*at) == bucket) {
        ways.retain(|(at, _)| size(*at) == bucket);
    }
    // Sizes are no more than twice the one before: a graph with more padding than rows is that of another size.
    let holds = |size: u32| match wanted {
        Wanted { graph: Some(graph), .. } => size == graph,
        Wanted { rows: Some(rows), .. } => size >= rows && size / 2 < rows,
        Wanted { .. } => true,
    };
    ways.retain(|(at, _)| size(*at).is_none_or(holds));
}

/// What each record does, if `graph` is replayed in this way.
fn works_of(kernels: &[Kernel], way: &Way, graph: &Graph, recorded: &CapturedGraph) -> Vec<Found> {
    let node = |at: usize| recorded.nodes[at].work.ok_or(Unjoined::NoOperator);
    let kernel = |place: usize| node(graph.nodes[place]);
    match way {
        Way::Displaced(_) => (0..kernels.len()).map(kernel).collect(),
        Way::InOrder => {
            let mut place: usize = 0;
            let mut found = Vec::with_capacity(kernels.len());
            for run in kernels.chunk_by(|a, b| (a.letter == RUNTIME) == (b.letter == RUNTIME)) {
                if run[0].letter == RUNTIME {
                    let after = place.checked_sub(1).map_or(0, |last| graph.nodes[last] + 1);
                    let before = graph.nodes.get(place).copied().unwrap_or(recorded.nodes.len());
                    found.extend((0..run.len()).map(|nth| copy(nth, run.len(), after..before, recorded)));
                } else {
                    found.extend((place..place + run.len()).map(kernel));
                    place += run.len();
                }
            }
            found
        }
        Way::Forked(places) => {
            let mut places = places.iter();
            let record = |of: &Kernel| match of.letter {
                RUNTIME => Err(Unjoined::Ambiguous),
                letter => match places.next().copied().flatten() {
                    Some(place) => kernel(place),
                    None => alike(letter, graph, recorded),
                },
            };
            kernels.iter().map(record).collect()
        }
    }
}

/// The node of the runtime's `nth` kernel of `count` between two kernels of the graph, whose nodes lie around `gap`.
fn copy(nth: usize, count: usize, gap: std::ops::Range<usize>, recorded: &CapturedGraph) -> Found {
    let node = match gap.len() {
        // A fill may take two kernels.
        1 => gap.start,
        nodes if nodes == count => gap.start + nth,
        _ => return Err(Unjoined::Ambiguous),
    };
    recorded.nodes[node].work.ok_or(Unjoined::NoOperator)
}

/// What all nodes of one name do, if they do the same.
fn alike(letter: u32, graph: &Graph, recorded: &CapturedGraph) -> Found {
    let nodes = graph.kernels.iter().zip(&graph.nodes).filter(|(of, _)| **of == letter);
    let mut places = nodes.map(|(_, &node)| recorded.nodes[node].work);
    let first = places.next().flatten().ok_or(Unjoined::Ambiguous)?;
    if places.all(|place| place == Some(first)) { Ok(first) } else { Err(Unjoined::Ambiguous) }
}

/// What all graphs that fit say of a record.
fn agreed(mut told: impl Iterator<Item = Found>, works: &mut Works) -> Found {
    let first = told.next().unwrap_or(Err(Unjoined::NoSuchGraph))?;
    let mut common: Option<Work> = None;
    for other in told {
        let other = works.get(other?);
        let common = common.get_or_insert_with(|| works.get(first).clone());
        if common.op != other.op {
            return Err(Unjoined::Ambiguous);
        }
        if common.arguments != other.arguments {
            common.arguments = None;
        }
        common.product = common.product.filter(|_| common.product == other.product);
        common.launched = common.launched.filter(|_| common.launched == other.launched);
        common.module = common.module.filter(|_| common.module == other.module);
        common.layer = common.layer.filter(|_| common.layer == other.layer);
    }
    Ok(common.map_or(first, |work| works.intern(work)))
}
