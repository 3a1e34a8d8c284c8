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

use super::limits::{Limits, Reached};

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
    limits: Limits,
    /// Bytes that may still come.
    left: u64,
}

impl Chunks {
    /// A window at the beginning of `source`.
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        let buffer = vec![0; CHUNK];
        let limits = Limits::default();
        Self {
            source,
            buffer,
            start: 0,
            end: 0,
            before: 0,
            ended: false,
            cut: None,
            compressed: false,
            limits,
            left: u64::MAX,
        }
    }

    /// Sets what reading may cost.
    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Notes that `source` undoes the compression of a file of `size` bytes: offsets are not those of the file.
    pub(super) fn compressed(self, size: u64) -> Self {
        Self { compressed: true, left: self.limits.unpacked_of(size), ..self }
    }

    /// What reading may cost.
    pub(super) fn limits(&self) -> Limits {
        self.limits
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

    /// Makes [`data`](Self::data) longer. False at the end of the stream, which is where a limit is reached, too.
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
            if self.buffer.len() as u64 > self.limits.row {
                return self.reached("bytes in one row", self.limits.row, "row");
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        if self.left == 0 {
            return self.reached("bytes when unpacked", self.before + self.end as u64, "unpacked");
        }
        loop {
            let room = (self.buffer.len() - self.end).min(usize::try_from(self.left).unwrap_or(usize::MAX));
            match self.source.read(&mut self.buffer[self.end..][..room]) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.end += count;
                    self.left -= count as u64;
                }
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

    /// Ends the stream at a limit.
    fn reached(&mut self, what: &'static str, limit: u64, name: &'static str) -> bool {
        self.ended = true;
        self.cut = Some(Reached { what, limit, name }.to_string());
        false
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

    #[test]
    fn what_has_no_end_is_read_up_to_its_limit_which_is_named() {
        let mut limits = Limits::default();
        limits.set("row=1M").unwrap();
        let mut endless = Chunks::new(Box::new(std::io::repeat(0))).within(limits);
        while endless.more() {}
        assert_eq!(endless.data().len(), 2 << 20);
        assert!(endless.cut().unwrap().contains("--limit row="), "{:?}", endless.cut());
        limits.set("unpacked=3M").unwrap();
        let mut packed = Chunks::new(Box::new(std::io::repeat(0))).within(limits).compressed(7);
        assert_eq!(std::io::copy(&mut packed, &mut std::io::sink()).unwrap(), 3 << 20);
        assert!(packed.cut().unwrap().contains("--limit unpacked="), "{:?}", packed.cut());
    }
}
