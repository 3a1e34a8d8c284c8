//! From the frames of captured graphs to graphs of the model.
//!
//! ```text
//!   graph 7 ─────────── nodes
//!   exec 0xa0: made of 7 at 10, updated from 9 at 50, gone at 90      launches of 0xa0: 7 in [10, 50), 9 in [50, 90)
//! ```
//!
//! An address is given again once its graph is gone, so it is looked up by the time of the launch. From 1.3.0 on the SDK has
//! ids of its own, which launches carry; the address that one stands for is told as well.

use std::collections::HashMap;

use super::marks::Marks;
use crate::model::{CapturedGraph, Geometry, Life, Live, NameId, Node, ProcessIdx, TraceBuilder, Work, size_in};
use crate::wire::frames::integers;
use crate::wire::graphs::{CHANGE_BYTES, Told, told};
use crate::wire::{Became, GraphChange, GraphNode, GraphRecord, NodeKernel};

/// The graphs of a capture file.
#[derive(Default)]
pub(super) struct Graphs {
    texts: HashMap<u64, String>,
    graphs: Vec<GraphRecord>,
    changes: Vec<GraphChange>,
}

/// What else of the file graphs need.
pub(super) struct Around<'a> {
    pub(super) path: &'a str,
    pub(super) process: ProcessIdx,
    pub(super) rank: Option<u32>,
    /// The name of the kernel of this number.
    pub(super) kernel: &'a dyn Fn(u64) -> Option<NameId>,
}

/// An executable graph at one address, as the times pass.
#[derive(Default)]
struct Exec {
    /// The number of the graph that it runs, since when, and whether nodes may have been changed.
    now: Option<(u64, i64, bool)>,
    lives: Vec<(u64, Life)>,
    /// The SDK's ids of it, and when they were told.
    ids: Vec<(u64, i64)>,
}

impl Graphs {
    /// Takes a frame; `None` if it makes no sense.
    pub(super) fn add(&mut self, payload: &[u8]) -> Option<()> {
        match told(payload)? {
            Told::Text(number, text) => _ = self.texts.insert(number, text),
            Told::Graph(graph) => self.graphs.push(graph),
        }
        Some(())
    }

    /// Takes a frame of changes; `None` if it makes no sense.
    pub(super) fn add_changes(&mut self, payload: &[u8]) -> Option<()> {
        let (changes, []) = payload.as_chunks::<CHANGE_BYTES>() else { return None };
        for change in changes {
            self.changes.push(GraphChange::read(integers(change)?.0)?);
        }
        Some(())
    }

    /// Gives all to `builder`.
    pub(super) fn place(mut self, builder: &mut TraceBuilder, marks: &mut Marks, around: &Around<'_>) {
        let mut lives = self.lives(around.process);
        let graphs = std::mem::take(&mut self.graphs);
        for graph in &graphs {
            let lives = lives.remove(&graph.number).unwrap_or_default();
            if !lives.is_empty() {
                let graph = self.graph(graph, lives, builder, marks, around);
                builder.captured().graphs.push(graph);
            }
        }
    }

    /// When executable graphs ran which graph, by its number.
    fn lives(&mut self, process: ProcessIdx) -> HashMap<u64, Vec<Life>> {
        self.changes.sort_by_key(|change| change.at_ns);
        let mut execs: HashMap<u64, Exec> = HashMap::new();
        for change in &self.changes {
            let at_ns = change.at_ns as i64;
            if change.became == Became::Unseen {
                execs.iter_mut().for_each(|(&exec, state)| state.end(exec, process, at_ns));
                continue;
            }
            let exec = execs.entry(change.exec).or_default();
            if let Became::Named(id) = change.became {
                exec.ids.push((id, at_ns));
                continue;
            }
            let before = exec.now;
            exec.end(change.exec, process, at_ns);
            exec.now = match change.became {
                Became::Graph(number) => Some((number, at_ns, false)),
                Became::Altered => before.map(|(number, ..)| (number, at_ns, true)),
                _ => None,
            };
        }
        let mut lives: HashMap<u64, Vec<Life>> = HashMap::new();
        for (number, exec) in execs {
            let mut exec = exec;
            exec.end(number, process, i64::MAX);
            for (graph, life) in exec.lives {
                let of_graph = lives.entry(graph).or_default();
                // An id is of the time from when it was told to the next one's.
                for (nth, &(id, from_ns)) in exec.ids.iter().enumerate() {
                    let until_ns = exec.ids.get(nth + 1).map_or(i64::MAX, |(_, at_ns)| *at_ns);
                    if life.until_ns > from_ns && life.from_ns < until_ns {
                        of_graph.push(Life { exec: id, ..life });
                    }
                }
                of_graph.push(life);
            }
        }
        lives.values_mut().for_each(|lives| lives.sort_by_key(|life| (life.exec, life.from_ns)));
        lives
    }

    fn graph(
        &self,
        graph: &GraphRecord,
        lives: Vec<Life>,
        builder: &mut TraceBuilder,
        marks: &mut Marks,
        around: &Around<'_>,
    ) -> CapturedGraph {
        let nodes = graph.nodes.iter().map(|node| self.node(node, builder, marks, around)).collect();
        let streams: Vec<u8> = graph.nodes.iter().map(|node| node.stream).collect();
        let label = self.texts.get(&graph.label).cloned();
        CapturedGraph {
            path: around.path.to_owned(),
            rank: around.rank,
            size: label.as_deref().filter(|label| label.starts_with("capture")).and_then(size_in),
            label,
            forks: streams.iter().any(|&stream| stream != 0),
            nodes,
            live: Some(Live { lives, streams }),
        }
    }

    fn node(&self, node: &GraphNode, builder: &mut TraceBuilder, marks: &mut Marks, around: &Around<'_>) -> Node {
        let kernel = match node.kernel {
            NodeKernel::Memory => None,
            NodeKernel::Text(number) => self.texts.get(&number.into()).map(|text| builder.names().intern(text)),
            NodeKernel::Symbol(number) => (around.kernel)(number.into()),
            NodeKernel::Unknown => None,
        };
        let is_kernel = node.kernel != NodeKernel::Memory;
        let kernel = kernel.or_else(|| is_kernel.then(|| builder.names().intern("")));
        let launched = is_kernel.then(|| Geometry { grid: node.grid, block: node.block.map(u32::from), lds: node.lds });
        let known = marks.work(node.mark.into(), builder);
        let known = known.map(|place| builder.captured().works.get(place).clone());
        let mut work = Work { launched, ..known.unwrap_or_default() };
        if work.module.is_none()
            && let Some((module, layer)) = self.texts.get(&node.within.into()).and_then(|path| place(path))
        {
            work.module = Some(builder.names().intern(module));
            (work.layer, work.layer_told) = (Some(layer), true);
        }
        Node { kernel, work: Some(builder.captured().works.intern(work)) }
    }
}

impl Exec {
    /// It runs what it ran no longer.
    fn end(&mut self, exec: u64, process: ProcessIdx, until_ns: i64) {
        if let Some((number, from_ns, altered)) = self.now.take()
            && number != 0
        {
            self.lives.push((number, Life { process, exec, from_ns, until_ns, altered }));
        }
    }
}

/// The innermost of the ranges in `path` that names a layer as modules are named, `layers.3.mlp`, and the layer.
fn place(path: &str) -> Option<(&str, u32)> {
    path.rsplit('/').find_map(|text| {
        let (_, rest) = text.split_once('.')?;
        let layer = rest.split('.').find_map(|part| part.parse().ok())?;
        Some((text, layer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at_ns: u64, exec: u64, became: Became) -> GraphChange {
        GraphChange { at_ns, exec, became }
    }

    /// Which graph a launch of `exec` replays then, and whether it was changed.
    fn at(lives: &HashMap<u64, Vec<Life>>, exec: u64, at_ns: i64) -> Option<(u64, bool)> {
        let mut found = lives.iter().flat_map(|(&graph, lives)| lives.iter().map(move |life| (graph, life)));
        let is_it = |life: &Life| life.exec == exec && (life.from_ns..life.until_ns).contains(&at_ns);
        let first = found.find(|(_, life)| is_it(life)).map(|(graph, life)| (graph, life.altered));
        assert!(found.all(|(_, life)| !is_it(life)), "one graph at a time");
        first
    }

    #[test]
    fn an_address_is_a_graph_for_a_time() {
        let mut graphs = Graphs {
            changes: vec![
                change(10, 160, Became::Named(1)),
                change(11, 160, Became::Graph(7)),
                change(50, 160, Became::Graph(9)),
                change(60, 160, Became::Altered),
                change(90, 160, Became::Gone),
                change(95, 160, Became::Named(2)),
                change(96, 160, Became::Graph(8)),
                change(100, 170, Became::Graph(0)),
                change(120, 0, Became::Unseen),
            ],
            ..Graphs::default()
        };
        let lives = graphs.lives(ProcessIdx::new(0));
        for exec in [160, 1] {
            assert_eq!(at(&lives, exec, 20), Some((7, false)));
            assert_eq!(at(&lives, exec, 55), Some((9, false)));
            assert_eq!(at(&lives, exec, 70), Some((9, true)));
        }
        assert_eq!((at(&lives, 160, 92), at(&lives, 160, 5)), (None, None));
        assert_eq!((at(&lives, 160, 110), at(&lives, 2, 110)), (Some((8, false)), Some((8, false))));
        assert_eq!((at(&lives, 1, 110), at(&lives, 2, 20)), (None, None), "ids are not given again");
        assert_eq!((at(&lives, 170, 110), at(&lives, 160, 130)), (None, None));
    }

    #[test]
    fn layers_are_told_by_ranges_that_are_named_like_modules() {
        assert_eq!(place("forward/layers.3/attn"), Some(("layers.3", 3)));
        assert_eq!(place("model.layers.11.mlp"), Some(("model.layers.11.mlp", 11)));
        assert_eq!((place("decode[bs=4]"), place("lm_head"), place("v1.engine")), (None, None, None));
    }
}
