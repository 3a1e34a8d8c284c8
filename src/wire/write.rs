//! Encoding of frames.

use super::frames::{COPY_BYTES, DISPATCH_BYTES, FrameKind, LAUNCH_BYTES};
use super::graphs::{CHANGE_BYTES, NODE_BYTES, graph_head, text_head};
use super::records::number_of;
use super::{Agent, CopyRecord, DispatchRecord, Environment, LaunchRecord, MAGIC, Meta, Status};
use super::{GraphChange, GraphRecord, command, environment, home};
use crate::model::Origin;

/// Kernels of a frame: a frame must stay far shorter than a reader takes.
const ORIGINS_OF_A_FRAME: usize = 1024;

/// Appends frames to a buffer that its owner writes out and clears.
#[derive(Default, Debug)]
pub struct Encoder {
    /// Whole frames, not written yet.
    pub buffer: Vec<u8>,
}

impl Encoder {
    /// Begins a file.
    pub fn begin(&mut self, meta: &Meta) {
        self.buffer.extend_from_slice(&MAGIC);
        // Here, so that no writer can forget it.
        let meta = Meta { command: command::masked(&meta.command), ..meta.clone() };
        self.json(FrameKind::Meta, &meta);
    }

    /// A GPU.
    pub fn agent(&mut self, agent: &Agent) {
        self.json(FrameKind::Agent, agent);
    }

    /// What stands around the process, or a part of it, without what is nobody's business.
    pub fn environment(&mut self, environment: &Environment) {
        self.json(FrameKind::Environment, &environment::masked(environment.clone()));
    }

    /// A code object and its URI.
    pub fn code_object(&mut self, id: u64, uri: &str) {
        self.frame(FrameKind::CodeObject, &[id], home::hidden(uri).as_bytes());
    }

    /// What a code object tells of its kernels, by their names.
    pub fn origins(&mut self, id: u64, kernels: &[(String, Origin)]) {
        for kernels in kernels.chunks(ORIGINS_OF_A_FRAME) {
            let hidden = |(name, origin): &(String, Origin)| {
                let source = origin.source.as_deref().map(home::of_package);
                (name.clone(), Origin { source, ..origin.clone() })
            };
            let kernels: Vec<(String, Origin)> = kernels.iter().map(hidden).collect();
            let text = serde_json::to_vec(&kernels).unwrap_or_else(|_| b"[]".to_vec());
            self.frame(FrameKind::Origins, &[id], &text);
        }
    }

    /// A kernel's name.
    pub fn symbol(&mut self, kernel_id: u64, code_object_id: u64, name: &str) {
        self.frame(FrameKind::Symbol, &[kernel_id, code_object_id], name.as_bytes());
    }

    /// A block of dispatches.
    pub fn dispatches(&mut self, records: &[DispatchRecord]) {
        if records.is_empty() {
            return;
        }
        self.header(FrameKind::Dispatches, records.len() * DISPATCH_BYTES);
        for record in records {
            let DispatchRecord { start_ns, end_ns, dispatch_id, kernel_id, agent, queue, range, correlation } = *record;
            self.integers(&[start_ns, end_ns, dispatch_id, kernel_id, agent, queue, range, correlation]);
        }
    }

    /// A marker range opened.
    pub fn range_open(&mut self, id: u64, thread: u64, start_ns: u64, message: &str) {
        self.frame(FrameKind::RangeOpen, &[id, thread, start_ns], message.as_bytes());
    }

    /// A marker range closed.
    pub fn range_close(&mut self, id: u64, end_ns: u64) {
        self.frame(FrameKind::RangeClose, &[id, end_ns], &[]);
    }

    /// A block of copies.
    pub fn copies(&mut self, records: &[CopyRecord]) {
        if records.is_empty() {
            return;
        }
        self.header(FrameKind::Copies, records.len() * COPY_BYTES);
        for record in records {
            let CopyRecord { start_ns, end_ns, bytes, direction, destination, source, range, correlation } = *record;
            self.integers(&[start_ns, end_ns, bytes, direction, destination, source, range, correlation]);
        }
    }

    /// A block of launch calls.
    pub fn launches(&mut self, records: &[LaunchRecord]) {
        if records.is_empty() {
            return;
        }
        self.header(FrameKind::Launches, records.len() * LAUNCH_BYTES);
        for record in records {
            let LaunchRecord { start_ns, end_ns, correlation, thread, graph, call } = *record;
            self.integers(&[start_ns, end_ns, correlation, thread, graph, number_of(call)]);
        }
    }

    /// Where captures of graphs launched: the number of a mark, of the one around it and of its text, and the text where it is
    /// new.
    pub fn mark(&mut self, mark: u32, parent: u32, text: u32, content: Option<&str>) {
        let numbers = [mark, parent, text].map(u64::from);
        self.frame(FrameKind::Mark, &numbers, content.unwrap_or_default().as_bytes());
    }

    /// A text that nodes of graphs name by its number.
    pub fn graph_text(&mut self, number: u32, text: &str) {
        self.frame(FrameKind::Graphs, &text_head(number), text.as_bytes());
    }

    /// A captured graph.
    pub fn graph(&mut self, graph: &GraphRecord) {
        let head = graph_head(graph);
        self.header(FrameKind::Graphs, head.len() * 8 + graph.nodes.len() * NODE_BYTES);
        self.integers(&head);
        graph.nodes.iter().for_each(|node| self.buffer.extend_from_slice(&node.write()));
    }

    /// What became of executable graphs.
    pub fn graph_changes(&mut self, changes: &[GraphChange]) {
        if changes.is_empty() {
            return;
        }
        self.header(FrameKind::GraphChanges, changes.len() * CHANGE_BYTES);
        changes.iter().for_each(|change| self.integers(&change.integers()));
    }

    /// Where the capture stands.
    pub fn status(&mut self, status: &Status) {
        self.json(FrameKind::Status, status);
    }

    /// The end of the window.
    pub fn end(&mut self, status: &Status) {
        self.json(FrameKind::End, status);
    }

    /// The length of as many whole frames of the buffer as lie within its first `bytes`, and the dispatches in them.
    #[must_use]
    pub fn whole_frames(&self, bytes: usize) -> (usize, u64) {
        let buffer = &self.buffer[..bytes.min(self.buffer.len())];
        let integer = |at: usize| buffer.get(at..at + 4).map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        let mut end = if buffer.starts_with(&MAGIC) { MAGIC.len() } else { 0 };
        let mut dispatches = 0;
        while let (Some(kind), Some(length)) = (integer(end), integer(end + 4)) {
            let next = end + 8 + length as usize;
            if next > buffer.len() {
                break;
            }
            end = next;
            if kind == FrameKind::Dispatches as u32 {
                dispatches += u64::from(length) / DISPATCH_BYTES as u64;
            }
        }
        (end, dispatches)
    }

    fn json(&mut self, kind: FrameKind, value: &impl serde::Serialize) {
        // Serialising our own plain structs into memory cannot fail; an empty object is still a whole frame.
        let text = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        self.frame(kind, &[], &text);
    }

    fn frame(&mut self, kind: FrameKind, integers: &[u64], bytes: &[u8]) {
        self.header(kind, integers.len() * 8 + bytes.len());
        self.integers(integers);
        self.buffer.extend_from_slice(bytes);
    }

    fn header(&mut self, kind: FrameKind, length: usize) {
        let length = u32::try_from(length).expect("a frame is at most a block of records or one name");
        self.buffer.extend_from_slice(&(kind as u32).to_le_bytes());
        self.buffer.extend_from_slice(&length.to_le_bytes());
    }

    fn integers(&mut self, integers: &[u64]) {
        for integer in integers {
            self.buffer.extend_from_slice(&integer.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_end_where_frames_end() {
        let mut encoder = Encoder::default();
        encoder.begin(&Meta::default());
        let begun = encoder.buffer.len();
        encoder.dispatches(&[DispatchRecord::default(); 3]);
        let block = encoder.buffer.len();
        encoder.range_close(1, 2);
        assert_eq!(encoder.whole_frames(usize::MAX), (encoder.buffer.len(), 3));
        assert_eq!(encoder.whole_frames(block), (block, 3));
        assert_eq!(encoder.whole_frames(block - 1), (begun, 0));
        assert_eq!(encoder.whole_frames(begun - 1), (MAGIC.len(), 0));
        assert_eq!(encoder.whole_frames(3), (0, 0));
    }
}
