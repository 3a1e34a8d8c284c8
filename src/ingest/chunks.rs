//! A file as a window of bytes that moves forward.
//!
//! Traces reach tens of gigabytes, so no reader ever holds a whole file. A reader looks at [`Chunks::data`], takes what
//! it has understood with [`Chunks::consume`], and asks for [`Chunks::more`] when what is left ends in the middle of
//! something. The window grows only when a single item is larger than it.
//!
//! ```text
//!   stream  ……………[consumed)[data: not yet understood)……not yet read……
//!                          ^ offset()
//! ```
//!
//! The end of a stream is not always its true end: a server that was killed leaves a gzip stream without its tail. That
//! is not an error here, since everything before it is good; [`Chunks::cut`] says that it happened and why.
//!
//! Memory maps were rejected: a file that shrinks while it is read would kill the process, and compressed input needs a
//! window anyway.

use std::io::{ErrorKind, Read};

/// Bytes asked from the source at once. Small enough to stay in a core's L2 cache while it is scanned.
const CHUNK: usize = 256 << 10;

/// A window over a byte stream.
pub(super) struct Chunks {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `buffer[0]` in the stream.
    before: u64,
    ended: bool,
    cut: Option<String>,
    compressed: bool,
}

impl Chunks {
    /// A window at the beginning of `source`.
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        let buffer = vec![0; CHUNK];
        Self { source, buffer, start: 0, end: 0, before: 0, ended: false, cut: None, compressed: false }
    }

    /// Notes that `source` undoes a compression: offsets are not those of the file.
    pub(super) fn compressed(self) -> Self {
        Self { compressed: true, ..self }
    }

    /// Whether offsets are those of decompressed bytes.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// What was read and not consumed yet.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves past the first `count` bytes of [`data`](Self::data).
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Where [`data`](Self::data) begins in the stream.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.start as u64
    }

    /// Makes [`data`](Self::data) longer. False at the end of the stream.
    pub(super) fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if self.start > 0 && self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.before += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    self.cut = Some(match error.kind() {
                        ErrorKind::UnexpectedEof => "the compressed stream ends early".to_owned(),
                        _ => error.to_string(),
                    });
                }
            }
            return !self.ended;
        }
    }

    /// Reads until [`data`](Self::data) holds `count` bytes, or to the end of the stream.
    pub(super) fn fill(&mut self, count: usize) {
        while self.end - self.start < count && self.more() {}
    }

    /// Why the stream ended before its true end, as far as the source could tell.
    pub(super) fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.start == self.end {
            self.more();
        }
        let count = out.len().min(self.data().len());
        out[..count].copy_from_slice(&self.data()[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `step` bytes a call.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    #[test]
    fn an_item_larger_than_the_window_is_seen_whole() {
        let all: Vec<u8> = (0..CHUNK * 3).map(|i| i as u8).collect();
        let mut chunks = Chunks::new(Box::new(Drip(all.clone(), 1000)));
        chunks.fill(10);
        chunks.consume(7);
        assert_eq!(chunks.offset(), 7);
        chunks.fill(usize::MAX);
        assert_eq!(chunks.data(), &all[7..]);
        assert!(!chunks.more());
        assert_eq!(chunks.cut(), None);
    }
}
