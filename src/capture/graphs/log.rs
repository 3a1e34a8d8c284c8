//! What every capture file tells of graphs: those that can still be replayed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Graph;
use crate::wire::{Became, Encoder, GraphChange};

/// See the [module](self).
#[derive(Default)]
pub(in crate::capture) struct GraphLog {
    texts: Vec<(u32, Arc<str>)>,
    graphs: HashMap<u64, Arc<Graph>>,
    changes: Vec<GraphChange>,
}

impl GraphLog {
    /// A text is new; it is written to the file that is open.
    pub(in crate::capture) fn text(&mut self, number: u32, text: Arc<str>, encoder: Option<&mut Encoder>) {
        encoder.into_iter().for_each(|encoder| encoder.graph_text(number, &text));
        self.texts.push((number, text));
    }

    /// A graph was captured.
    pub(in crate::capture) fn graph(&mut self, graph: Arc<Graph>, encoder: Option<&mut Encoder>) {
        encoder.into_iter().for_each(|encoder| encoder.graph(&graph.record));
        self.graphs.insert(graph.record.number, graph);
    }

    /// An executable graph changed.
    pub(in crate::capture) fn change(&mut self, change: GraphChange, encoder: Option<&mut Encoder>) {
        encoder.into_iter().for_each(|encoder| encoder.graph_changes(&[change]));
        match change.became {
            Became::Gone => {
                self.changes.retain(|before| before.exec != change.exec);
                self.prune();
            }
            Became::Unseen => {
                self.changes.clear();
                self.graphs.clear();
            }
            _ => self.changes.push(change),
        }
    }

    /// Forgets graphs that can be replayed no longer.
    fn prune(&mut self) {
        let used: HashSet<u64> = self
            .changes
            .iter()
            .filter_map(|change| match change.became {
                Became::Graph(number) => Some(number),
                _ => None,
            })
            .collect();
        // Who else has one may be about to make it executable.
        self.graphs.retain(|number, graph| used.contains(number) || Arc::strong_count(graph) > 1);
    }

    /// Writes all into a file that begins.
    pub(in crate::capture) fn write(&self, encoder: &mut Encoder) {
        self.texts.iter().for_each(|(number, text)| encoder.graph_text(*number, text));
        let mut graphs: Vec<&Arc<Graph>> = self.graphs.values().collect();
        graphs.sort_by_key(|graph| graph.record.number);
        graphs.into_iter().for_each(|graph| encoder.graph(&graph.record));
        encoder.graph_changes(&self.changes);
    }
}
