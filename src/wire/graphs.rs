//! Graphs as they were captured, and what became of them, in frames.
//!
//! A node takes [`NODE_BYTES`] bytes. Its kernel is named by a number: that of a text, which stands in a frame of its own
//! before, or that of a symbol, as dispatches name it.

use super::frames::integers;

/// What a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeKernel {
    /// A copy or a fill.
    Memory,
    /// The kernel of this name, by the number of the text.
    Text(u32),
    /// The kernel of this number.
    Symbol(u32),
    /// A kernel whose name nobody told.
    Unknown,
}

/// A node of a captured graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GraphNode {
    /// What it runs.
    pub kernel: NodeKernel,
    /// The stream that it was launched to, as counted within the capture from 0, where the capture began.
    pub stream: u8,
    /// Work-items of a block; none of a copy.
    pub block: [u16; 3],
    /// Blocks.
    pub grid: [u32; 3],
    /// Bytes of LDS asked for.
    pub lds: u32,
    /// The module and operator that it was launched in; 0: none is known.
    pub mark: u32,
    /// The number of the text of the marker ranges that were open; 0: none.
    pub within: u32,
    /// Microseconds after the capture began.
    pub after_us: u32,
    /// OS thread.
    pub thread: u32,
}

/// A captured graph.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GraphRecord {
    /// Its number, from 1 on.
    pub number: u64,
    /// When its capture began.
    pub began_ns: u64,
    /// When it ended.
    pub ended_ns: u64,
    /// The OS thread that began it.
    pub thread: u64,
    /// The number of the text of the innermost marker range that was open then; 0: none.
    pub label: u64,
    /// What was launched, in order.
    pub nodes: Vec<GraphNode>,
}

/// What happened to an executable graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Became {
    /// It was made of this graph, or runs its nodes from now on; 0: of one that is not known.
    Graph(u64),
    /// Some of its nodes were changed: how they are launched is not known any more.
    Altered,
    /// It is gone: HIP may give its address again.
    Gone,
    /// The SDK calls it by this id.
    Named(u64),
    /// Nothing was seen for a while: nothing is known of any.
    Unseen,
}

/// A change of an executable graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GraphChange {
    /// When.
    pub at_ns: u64,
    /// HIP's address of it.
    pub exec: u64,
    /// What happened.
    pub became: Became,
}

/// Bytes of a [`GraphNode`] in the file.
pub(super) const NODE_BYTES: usize = 44;
const _: () = assert!(size_of::<GraphNode>() == 48, "what docs/limits.md says of a node in memory");

/// Bytes of a [`GraphChange`].
pub(super) const CHANGE_BYTES: usize = 32;

/// What a frame of graphs holds, by its first integer.
const TEXT: u64 = 0;
const GRAPH: u64 = 1;

/// What a frame of graphs tells.
pub(super) enum Told {
    /// A text by its number.
    Text(u64, String),
    /// A graph.
    Graph(GraphRecord),
}

/// The integers before a text.
pub(super) fn text_head(number: u32) -> [u64; 2] {
    [TEXT, number.into()]
}

/// The integers before the nodes of a graph.
pub(super) fn graph_head(graph: &GraphRecord) -> [u64; 6] {
    let GraphRecord { number, began_ns, ended_ns, thread, label, .. } = *graph;
    [GRAPH, number, began_ns, ended_ns, thread, label]
}

/// A frame of graphs; `None` if it makes no sense.
pub(super) fn told(payload: &[u8]) -> Option<Told> {
    let ([kind], rest) = integers(payload)?;
    match kind {
        TEXT => {
            let ([number], text) = integers(rest)?;
            Some(Told::Text(number, String::from_utf8_lossy(text).into_owned()))
        }
        GRAPH => {
            let ([number, began_ns, ended_ns, thread, label], nodes) = integers(rest)?;
            let (nodes, []) = nodes.as_chunks::<NODE_BYTES>() else { return None };
            let nodes = nodes.iter().map(GraphNode::read).collect::<Option<Vec<GraphNode>>>()?;
            Some(Told::Graph(GraphRecord { number, began_ns, ended_ns, thread, label, nodes }))
        }
        _ => None,
    }
}

impl GraphNode {
    /// Its bytes.
    pub(super) fn write(&self) -> [u8; NODE_BYTES] {
        let (kind, number) = match self.kernel {
            NodeKernel::Memory => (0, 0),
            NodeKernel::Text(number) => (1, number),
            NodeKernel::Symbol(number) => (2, number),
            NodeKernel::Unknown => (3, 0),
        };
        let mut bytes = [0; NODE_BYTES];
        bytes[0] = kind;
        bytes[1] = self.stream;
        for (at, block) in self.block.iter().enumerate() {
            bytes[2 + 2 * at..4 + 2 * at].copy_from_slice(&block.to_le_bytes());
        }
        let [x, y, z] = self.grid;
        let words = [number, x, y, z, self.lds, self.mark, self.within, self.after_us, self.thread];
        for (at, word) in words.iter().enumerate() {
            bytes[8 + 4 * at..12 + 4 * at].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8; NODE_BYTES]) -> Option<Self> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |nth: usize| {
            let at = 8 + 4 * nth;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let kernel = match bytes[0] {
            0 => NodeKernel::Memory,
            1 => NodeKernel::Text(word(0)),
            2 => NodeKernel::Symbol(word(0)),
            3 => NodeKernel::Unknown,
            _ => return None,
        };
        Some(Self {
            kernel,
            stream: bytes[1],
            block: [half(2), half(4), half(6)],
            grid: [word(1), word(2), word(3)],
            lds: word(4),
            mark: word(5),
            within: word(6),
            after_us: word(7),
            thread: word(8),
        })
    }
}

impl GraphChange {
    /// Its integers.
    pub(super) fn integers(&self) -> [u64; 4] {
        let (what, value) = match self.became {
            Became::Graph(number) => (1, number),
            Became::Altered => (2, 0),
            Became::Gone => (3, 0),
            Became::Named(id) => (4, id),
            Became::Unseen => (5, 0),
        };
        [self.at_ns, self.exec, what, value]
    }

    /// From its integers; `None` if they make no sense.
    pub(super) fn read([at_ns, exec, what, value]: [u64; 4]) -> Option<Self> {
        let became = match what {
            1 => Became::Graph(value),
            2 => Became::Altered,
            3 => Became::Gone,
            4 => Became::Named(value),
            5 => Became::Unseen,
            _ => return None,
        };
        Some(Self { at_ns, exec, became })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_as_it_was_written() {
        for kernel in [NodeKernel::Memory, NodeKernel::Text(7), NodeKernel::Symbol(u32::MAX), NodeKernel::Unknown] {
            let node = GraphNode {
                kernel,
                stream: 3,
                block: [1024, 2, 1],
                grid: [1, 70_000, 3],
                lds: 65_536,
                mark: 11,
                within: 12,
                after_us: 13,
                thread: 14,
            };
            assert_eq!(GraphNode::read(&node.write()), Some(node));
        }
        assert_eq!(GraphNode::read(&[9; NODE_BYTES]), None);
    }

    #[test]
    fn a_change_is_read_as_it_was_written() {
        for became in [Became::Graph(4), Became::Altered, Became::Gone, Became::Named(5), Became::Unseen] {
            let change = GraphChange { at_ns: 1, exec: 2, became };
            assert_eq!(GraphChange::read(change.integers()), Some(change));
        }
        assert_eq!(GraphChange::read([1, 2, 0, 0]), None);
    }
}
