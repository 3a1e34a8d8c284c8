//! A file as a sequence of frames.

use std::io::{self, Read};

/// Kinds of frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum FrameKind {
    /// [`Meta`](super::Meta) as JSON; always first.
    Meta = 1,
    /// [`Agent`](super::Agent) as JSON.
    Agent = 2,
    /// A code object: id `u64`, URI.
    CodeObject = 3,
    /// A kernel symbol: kernel id `u64`, code object id `u64`, name.
    Symbol = 4,
    /// Any number of [`DispatchRecord`](super::DispatchRecord)s.
    Dispatches = 5,
    /// A marker range opened: id, thread, start (`u64` each), message.
    RangeOpen = 6,
    /// A marker range closed: id, end (`u64` each).
    RangeClose = 7,
    /// One [`LaunchRecord`](super::LaunchRecord) of a graph, in version 1.
    Launch = 8,
    /// [`Status`](super::Status) as JSON: written at least once a second while recording; the last one counts.
    Status = 9,
    /// [`Status`](super::Status) as JSON: the window is closed and the file complete.
    End = 10,
    /// Any number of [`CopyRecord`](super::CopyRecord)s.
    Copies = 11,
    /// Any number of [`LaunchRecord`](super::LaunchRecord)s.
    Launches = 12,
    /// What a code object tells of its kernels: its id `u64`, then a list of `[name, Origin]` as JSON.
    Origins = 13,
    /// What stands around the process, and what its GPUs are doing, as JSON: any number of parts, put together.
    Environment = 14,
    /// A captured graph, or a text that the nodes of graphs name.
    Graphs = 15,
    /// Any number of [`GraphChange`](super::GraphChange)s.
    GraphChanges = 16,
    /// Where captures of graphs launched: mark, the mark around it, its text (`u64` each), the text where it is new.
    Mark = 17,
}

impl FrameKind {
    pub(super) fn from_u32(kind: u32) -> Option<Self> {
        use FrameKind::{Agent, CodeObject, Copies, Dispatches, End, Environment, GraphChanges, Graphs, Launch};
        use FrameKind::{Launches, Mark};
        use FrameKind::{Meta, Origins, RangeClose, RangeOpen, Status, Symbol};
        [
            Meta,
            Agent,
            CodeObject,
            Symbol,
            Dispatches,
            RangeOpen,
            RangeClose,
            Launch,
            Status,
            End,
            Copies,
            Launches,
            Origins,
            Environment,
            Graphs,
            GraphChanges,
            Mark,
        ]
        .into_iter()
        .find(|known| *known as u32 == kind)
    }
}

/// Bytes of a [`DispatchRecord`](super::DispatchRecord) in the file.
pub(super) const DISPATCH_BYTES: usize = 64;
/// Bytes of a [`CopyRecord`](super::CopyRecord).
pub(super) const COPY_BYTES: usize = 64;
/// Bytes of a [`LaunchRecord`](super::LaunchRecord).
pub(super) const LAUNCH_BYTES: usize = 48;

/// Frames longer than this are taken for damage: the writer's blocks are far smaller.
const MAX_FRAME: u32 = 1 << 26;

/// What came next in the file.
pub(super) enum Next {
    /// A whole frame of this kind; its payload is in [`Frames::payload`].
    Frame(u32),
    /// The file ends where a frame may end.
    End,
    /// The file ends inside a frame, or what follows cannot be one.
    Torn,
}

/// Splits a file into frames.
pub(super) struct Frames<'a> {
    input: &'a mut dyn Read,
    pub(super) offset: u64,
    pub(super) payload: Vec<u8>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Self { input, offset: 0, payload: Vec::new() }
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut header = [0; 8];
        let start = self.offset;
        if !self.fill(&mut header)? {
            return Ok(if self.offset == start { Next::End } else { Next::Torn });
        }
        let [kind, length] = [0, 4].map(|at| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes")));
        if kind == 0 || length > MAX_FRAME {
            return Ok(Next::Torn);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length as usize, 0);
        let whole = self.fill(&mut payload);
        self.payload = payload;
        Ok(if whole? { Next::Frame(kind) } else { Next::Torn })
    }

    /// Fills `buffer`; false if the input ended before.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    filled += n;
                    self.offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The first `N` little-endian integers of a payload, and the rest of it.
pub(super) fn integers<const N: usize>(payload: &[u8]) -> Option<([u64; N], &[u8])> {
    let (head, rest) = payload.split_at_checked(N * 8)?;
    let (chunks, _) = head.as_chunks::<8>();
    let mut values = [0; N];
    for (value, chunk) in values.iter_mut().zip(chunks) {
        *value = u64::from_le_bytes(*chunk);
    }
    Some((values, rest))
}
