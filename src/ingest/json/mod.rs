//! JSON in one pass and bounded memory.
//!
//! A trace is a huge array of small objects. [`Json`] walks the outer structure over [`Chunks`] and hands out one inner
//! value at a time as a slice of the window; [`value`] picks fields out of such a slice. Nothing is built that the
//! caller did not ask for: values of no interest are only scanned for their end, which costs little more than finding
//! their quotes.
//!
//! It is lenient where writers of traces are known to be sloppy (bare `NaN` and `Infinity`, doubled or trailing commas)
//! and reports everything else as a [`Fault`] that says where. `serde_json` was rejected for these files: it reads
//! decimal numbers through `f64`, which loses nanoseconds, builds or visits every field, and cannot go on after a fault.

mod scan;
mod value;

use std::io::Read;

pub(super) use value::{Fields, Raw};

use self::scan::{Scan, ValueEnd};
use super::chunks::Chunks;
use super::limits::Limits;

/// The largest single value that is looked into. Real events have a few kilobytes, real headers a few megabytes.
const MAX_VALUE: usize = 64 << 20;

/// Why a step through the outer structure failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The stream ended in the middle of something.
    Cut,
    /// Not JSON; nothing was consumed.
    Bad,
    /// A value of more than [`MAX_VALUE`] bytes, which was skipped.
    TooLong,
}

/// Elements of an array that could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Unreadable {
    /// How many.
    pub(super) count: u64,
    /// Where the first is.
    pub(super) first: Option<u64>,
}

impl Unreadable {
    fn note(&mut self, offset: u64) {
        self.count += 1;
        self.first.get_or_insert(offset);
    }
}

/// A JSON text, at some place in its outer structure.
pub(super) struct Json {
    chunks: Chunks,
}

impl Json {
    /// At the beginning of `chunks`.
    pub(super) fn new(chunks: Chunks) -> Self {
        Self { chunks }
    }

    /// What reading may cost.
    pub(super) fn limits(&self) -> Limits {
        self.chunks.limits()
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.chunks.offset()
    }

    /// Why the stream ended before its true end, as far as the source could tell.
    pub(super) fn cut(&self) -> Option<&str> {
        self.chunks.cut()
    }

    /// The next byte that is not white space; `None` at the end of the stream.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))
    }

    /// Goes into an object or array that begins with `open`.
    pub(super) fn enter(&mut self, open: u8) -> Result<(), Fault> {
        match self.peek() {
            None => Err(Fault::Cut),
            Some(byte) if byte == open => {
                self.chunks.consume(1);
                Ok(())
            }
            Some(_) => Err(Fault::Bad),
        }
    }

    /// Goes to the next element of the array that the text is in; `false` if there is none, and then the array is left.
    pub(super) fn element(&mut self) -> Result<bool, Fault> {
        self.next_or(b']')
    }

    /// Goes to the value of the next field of the object that the text is in and gives its key; `None` if there is
    /// none, and then the object is left.
    pub(super) fn field(&mut self) -> Result<Option<String>, Fault> {
        if !self.next_or(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(Fault::Bad);
        }
        let length = self.value_len()?;
        let key = Raw::new(&self.chunks.data()[..length]).text().map(|key| key.into_owned()).ok_or(Fault::Bad)?;
        self.chunks.consume(length);
        self.enter(b':')?;
        self.peek().ok_or(Fault::Cut)?;
        Ok(Some(key))
    }

    /// Calls `take` with each element of the array that comes next and leaves the array. An element that `take` gives
    /// `false` for, or that is no JSON, is noted as unreadable and passed over.
    ///
    /// # Errors
    /// If no array comes, or the stream ends in it.
    pub(super) fn elements(
        &mut self,
        unreadable: &mut Unreadable,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Fault> {
        self.enter(b'[')?;
        loop {
            let step = match self.element() {
                Ok(false) => return Ok(()),
                Ok(true) => self.value_len(),
                Err(fault) => Err(fault),
            };
            match step {
                Ok(length) => {
                    if !take(&self.chunks.data()[..length]) {
                        unreadable.note(self.offset());
                    }
                    self.chunks.consume(length);
                }
                Err(Fault::TooLong) => unreadable.note(self.offset()),
                Err(Fault::Bad) => {
                    unreadable.note(self.offset());
                    if !self.resynchronise() {
                        return Err(Fault::Cut);
                    }
                }
                Err(Fault::Cut) => return Err(Fault::Cut),
            }
        }
    }

    /// Length of the value that comes next, all of which is then in [`window`](Self::window).
    pub(super) fn value_len(&mut self) -> Result<usize, Fault> {
        let mut end = ValueEnd::default();
        let mut seen = 0;
        loop {
            match end.feed(&self.chunks.data()[seen..]) {
                Scan::Done(length) => return Ok(seen + length),
                Scan::Bad => return Err(Fault::Bad),
                Scan::More => {}
            }
            seen = self.chunks.data().len();
            if seen > MAX_VALUE {
                self.chunks.consume(seen);
                self.skip_rest(end)?;
                return Err(Fault::TooLong);
            }
            if !self.chunks.more() {
                return if end.ends_with_stream() { Ok(seen) } else { Err(Fault::Cut) };
            }
        }
    }

    /// What is read and not consumed.
    pub(super) fn window(&self) -> &[u8] {
        self.chunks.data()
    }

    /// Moves past `count` bytes of the window.
    pub(super) fn consume(&mut self, count: usize) {
        self.chunks.consume(count);
    }

    /// Moves past the value that comes next, however long it is.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_rest(ValueEnd::default())
    }

    /// After [`Fault::Bad`] inside an element of an array of objects: moves to the next place that looks like the
    /// beginning of an element. False if there is none.
    ///
    /// Old torch builds wrote strings without escaping their quotes; one such event must not cost the rest of the file.
    fn resynchronise(&mut self) -> bool {
        self.chunks.consume(1);
        loop {
            let data = self.chunks.data();
            for close in memchr::memchr_iter(b'}', data) {
                if let Some(start) = scan::object_after(&data[close..]) {
                    self.chunks.consume(close + start);
                    return true;
                }
            }
            // What may be the beginning of a boundary is kept.
            let keep = data.len().min(64);
            self.chunks.consume(data.len() - keep);
            if !self.chunks.more() {
                return false;
            }
        }
    }

    fn skip_rest(&mut self, mut end: ValueEnd) -> Result<(), Fault> {
        loop {
            match end.feed(self.chunks.data()) {
                Scan::Done(length) => {
                    self.chunks.consume(length);
                    return Ok(());
                }
                Scan::Bad => return Err(Fault::Bad),
                Scan::More => self.chunks.consume(self.chunks.data().len()),
            }
            if !self.chunks.more() {
                return if end.ends_with_stream() { Ok(()) } else { Err(Fault::Cut) };
            }
        }
    }

    /// Skips separators, then leaves the container if its `close` comes.
    fn next_or(&mut self, close: u8) -> Result<bool, Fault> {
        match self.skip_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',')) {
            None => Err(Fault::Cut),
            Some(byte) if byte == close => {
                self.chunks.consume(1);
                Ok(false)
            }
            Some(b']' | b'}') => Err(Fault::Bad),
            Some(_) => Ok(true),
        }
    }

    fn skip_while(&mut self, skipped: impl Fn(u8) -> bool) -> Option<u8> {
        loop {
            let data = self.chunks.data();
            if let Some(at) = data.iter().position(|&byte| !skipped(byte)) {
                let byte = data[at];
                self.chunks.consume(at);
                return Some(byte);
            }
            self.chunks.consume(self.chunks.data().len());
            if !self.chunks.more() {
                return None;
            }
        }
    }
}

impl From<Box<dyn Read + Send>> for Json {
    fn from(source: Box<dyn Read + Send>) -> Self {
        Self::new(Chunks::new(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &'static str) -> Json {
        Json::from(Box::new(text.as_bytes()) as Box<dyn Read + Send>)
    }

    #[test]
    fn the_outer_structure_is_walked_and_inner_values_come_as_slices() {
        let mut json = json(r#" {"a": [1, {"b": "]}"}, ], "c": {"d": [[]]}} "#);
        json.enter(b'{').unwrap();
        assert_eq!(json.field().unwrap().as_deref(), Some("a"));
        json.enter(b'[').unwrap();
        let mut elements = Vec::new();
        while json.element().unwrap() {
            let length = json.value_len().unwrap();
            elements.push(String::from_utf8(json.window()[..length].to_vec()).unwrap());
            json.consume(length);
        }
        assert_eq!(elements, ["1", r#"{"b": "]}"}"#]);
        assert_eq!(json.field().unwrap().as_deref(), Some("c"));
        json.skip().unwrap();
        assert_eq!(json.field().unwrap(), None);
        assert_eq!(json.peek(), None);
    }

    #[test]
    fn an_end_inside_a_value_is_a_cut() {
        let mut json = json(r#"{"a": {"b": "#);
        json.enter(b'{').unwrap();
        json.field().unwrap();
        assert_eq!(json.value_len(), Err(Fault::Cut));
        assert_eq!(json.skip(), Err(Fault::Cut));
    }

    #[test]
    fn after_a_fault_the_next_object_is_found() {
        let mut json = json("[{\"name\": \"say \"hi\" now\", \"x\": 1},\n {\"ph\": \"X\"}]");
        json.enter(b'[').unwrap();
        assert!(json.element().unwrap());
        assert_eq!(json.value_len(), Err(Fault::Bad));
        assert!(json.resynchronise());
        let length = json.value_len().unwrap();
        assert_eq!(&json.window()[..length], br#"{"ph": "X"}"#);
    }
}
