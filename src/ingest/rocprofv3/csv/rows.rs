//! Rows of a CSV whose writer does not escape.
//!
//! rocprofv3 puts quotes around texts and leaves what is inside as it is: a marker message may hold quotes, commas and
//! line feeds. But each of its tables has at most one column of free text, and the number of columns behind it is
//! known, so a row is taken apart from both ends:
//!
//! ```text
//!   "MARKER_CORE_RANGE_API","{"Module": "layers.0, attn"}",100,100,12,1100,1900
//!   └───── from the left ──┘ └──── what remains ─────────┘ └─ from the right ─┘
//! ```
//!
//! A line that does not fit is joined with those after it, up to the first that ends as a row does, unless that one is a
//! row of its own. Each line is looked at once for that, however many do not fit. Well-formed CSV by other writers reads
//! the same. A CSV library was rejected because it stops at the first stray quote.

use std::borrow::Cow;
use std::ops::Range;

use crate::ingest::chunks::Chunks;
use crate::ingest::limits::Limits;

/// A row of more bytes than this is not looked for.
const MAX_ROW: usize = 1 << 20;

/// The rows of a table.
pub(super) struct Rows {
    chunks: Chunks,
    /// Names of the columns, in lower case.
    columns: Vec<String>,
    /// The column of free text.
    free: Option<usize>,
    /// Columns that hold whole numbers in every row.
    numbers: Vec<usize>,
    /// Bytes of the current row, its line feed included, still in the window.
    length: usize,
    fields: Vec<Range<usize>>,
    /// No line that begins before this offset is a row or ends one, but for the current.
    barren: u64,
    /// Lines that are no rows.
    pub(super) unreadable: u64,
    /// Offset of a last line that breaks off.
    pub(super) cut_at: Option<u64>,
    /// The last line is a row, and has no line feed: more may have followed.
    pub(super) unterminated: bool,
}

impl Rows {
    /// Reads the header. `None` if there is none.
    pub(super) fn new(mut chunks: Chunks) -> Option<Self> {
        let (line, length) = loop {
            let (line, length) = line(&mut chunks, 0)?;
            if line > 0 {
                break (line, length);
            }
            chunks.consume(length);
        };
        let mut fields = Vec::new();
        split_left(&chunks.data()[..line], 0, usize::MAX, &mut fields)?;
        let data = chunks.data();
        let columns =
            fields.iter().map(|field| String::from_utf8_lossy(&data[field.clone()]).trim().to_lowercase()).collect();
        chunks.consume(length);
        let numbers = Vec::new();
        Some(Self {
            chunks,
            columns,
            free: None,
            numbers,
            length: 0,
            fields,
            barren: 0,
            unreadable: 0,
            cut_at: None,
            unterminated: false,
        })
    }

    /// Position of the column `name`, given in lower case.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Names of the columns, in lower case.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// Says what the table is like: which column holds free text, and which hold whole numbers in every row.
    pub(super) fn shape(&mut self, free: Option<usize>, numbers: &[Option<usize>]) {
        self.free = free;
        self.numbers = numbers.iter().flatten().copied().collect();
    }

    /// What reading may cost.
    pub(super) fn limits(&self) -> Limits {
        self.chunks.limits()
    }

    /// Why the stream ended early, as far as its source could tell.
    pub(super) fn cut(&self) -> Option<&str> {
        self.chunks.cut()
    }

    /// Goes to the next row; false if there is none.
    pub(super) fn advance(&mut self) -> bool {
        loop {
            self.chunks.consume(std::mem::take(&mut self.length));
            let Some((end, length)) = line(&mut self.chunks, 0) else { return false };
            if end == 0 {
                self.length = length;
                continue;
            }
            if self.split(0, end) || self.join_lines(end, length) {
                self.length = self.length.max(length);
                if !self.is_whole(length) {
                    continue;
                }
                return true;
            }
            if length == end {
                // The last line has no line feed and is no row: the writer was stopped in it.
                self.cut_at = Some(self.chunks.offset());
            } else {
                self.unreadable += 1;
            }
            self.length = length;
        }
    }

    /// The bytes of a field.
    fn field(&self, column: usize) -> &[u8] {
        self.fields.get(column).map_or(&[], |range| &self.chunks.data()[range.clone()])
    }

    /// The text of a field.
    pub(super) fn text(&self, column: usize) -> Cow<'_, str> {
        let field = String::from_utf8_lossy(self.field(column));
        // Doubled quotes throughout mean that this writer does escape.
        if field.contains("\"\"") && !field.replace("\"\"", "").contains('"') {
            return Cow::Owned(field.replace("\"\"", "\""));
        }
        field
    }

    /// The whole number of a field.
    pub(super) fn number(&self, column: Option<usize>) -> Option<i64> {
        std::str::from_utf8(self.field(column?)).ok()?.trim().parse().ok()
    }

    /// The whole number at the end of a field, as in `Agent 4`.
    pub(super) fn last_number(&self, column: Option<usize>) -> Option<i64> {
        let field = std::str::from_utf8(self.field(column?)).ok()?;
        field.rsplit(' ').next()?.parse().ok()
    }

    /// Looks for a row that begins in the current line, which ends before `end`, and goes on in later ones.
    fn join_lines(&mut self, end: usize, length: usize) -> bool {
        if end == length || !self.begins_row(end) {
            return false;
        }
        let known = self.barren.saturating_sub(self.chunks.offset());
        let mut next = usize::try_from(known).unwrap_or(usize::MAX).max(length);
        while next < MAX_ROW {
            let Some((end, length)) = line(&mut self.chunks, next) else { break };
            let is_row = self.split(next, end);
            if is_row || self.ends_row(next, end) {
                if is_row || !self.split(0, end) {
                    break;
                }
                self.length = length;
                return true;
            }
            next = length;
        }
        self.barren = self.barren.max(self.chunks.offset() + next as u64);
        false
    }

    /// Whether the current line, which ends before `end`, has all columns before the free text.
    fn begins_row(&mut self, end: usize) -> bool {
        let Some(free) = self.free else { return false };
        self.fields.clear();
        let line = &self.chunks.data()[..end];
        split_left(line, 0, free, &mut self.fields).is_some()
            && self.fields.len() == free
            && self
                .numbers
                .iter()
                .filter(|&&column| column < free)
                .all(|&column| is_number(&line[self.fields[column].clone()]))
    }

    /// Whether `from..to` of the window ends with all columns behind the free text.
    fn ends_row(&mut self, from: usize, to: usize) -> bool {
        let Some(free) = self.free else { return false };
        let line = &self.chunks.data()[..to];
        let mut ends = to;
        for column in (free + 1..self.columns.len()).rev() {
            let Some(comma) = memchr::memrchr(b',', &line[from..ends]) else { return false };
            let field = unquoted(line, from + comma + 1..ends);
            if self.numbers.contains(&column) && !is_number(&line[field]) {
                return false;
            }
            ends = from + comma;
        }
        true
    }

    /// Whether a last line without a line feed is whole: a number that was cut short is still a number.
    fn is_whole(&mut self, length: usize) -> bool {
        let data = self.chunks.data();
        let row = self.length.max(length);
        if data.get(row.wrapping_sub(1)) == Some(&b'\n') {
            return true;
        }
        let last = self.columns.len() - 1;
        let starts = self.column("start_timestamp");
        let whole = match (starts, self.column("end_timestamp")) {
            (Some(start), Some(end)) if end == last => self.number(Some(end)) >= self.number(Some(start)),
            _ => true,
        };
        if !whole {
            self.cut_at = Some(self.chunks.offset());
        }
        self.unterminated = whole;
        whole
    }

    /// Takes `from..to` of the window apart. False if that is no row.
    fn split(&mut self, from: usize, to: usize) -> bool {
        self.fields.clear();
        let line = &self.chunks.data()[..to];
        let columns = self.columns.len();
        let fits = match self.free {
            None => split_left(line, from, usize::MAX, &mut self.fields).is_some(),
            Some(free) => split_both(line, from, free, columns - free - 1, &mut self.fields).is_some(),
        };
        let holds_number = |&column: &usize| is_number(&line[self.fields[column].clone()]);
        fits && self.fields.len() == columns && self.numbers.iter().all(holds_number)
    }
}

fn is_number(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().all(u8::is_ascii_digit)
}

/// Positions in the window at which the line that begins at `from` ends: without its line end, and with it.
fn line(chunks: &mut Chunks, from: usize) -> Option<(usize, usize)> {
    let mut seen = from;
    loop {
        let data = chunks.data();
        if let Some(at) = memchr::memchr(b'\n', &data[seen..]) {
            let feed = seen + at;
            let end = if feed > from && data[feed - 1] == b'\r' { feed - 1 } else { feed };
            return Some((end, feed + 1));
        }
        seen = data.len();
        if !chunks.more() {
            return (seen > from).then_some((seen, seen));
        }
    }
}

/// Splits `line` from `from` at commas into at most `count` fields and gives where the rest begins. Commas between
/// quotes do not count; the quotes are left out.
fn split_left(line: &[u8], from: usize, count: usize, fields: &mut Vec<Range<usize>>) -> Option<usize> {
    let mut at = from;
    for _ in 0..count {
        let quoted = line.get(at) == Some(&b'"');
        let start = at + usize::from(quoted);
        let end = start + if quoted { closing_quote(&line[start..])? } else { comma_or_end(&line[start..]) };
        fields.push(start..end);
        at = end + usize::from(quoted);
        match line.get(at) {
            None => return Some(at),
            Some(b',') => at += 1,
            Some(_) => return None,
        }
    }
    Some(at)
}

/// The quote that ends a field; doubled ones do not.
fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn comma_or_end(bytes: &[u8]) -> usize {
    memchr::memchr(b',', bytes).unwrap_or(bytes.len())
}

/// Splits `left` fields from the left and `right` from the right; what remains is one field.
fn split_both(line: &[u8], from: usize, left: usize, right: usize, fields: &mut Vec<Range<usize>>) -> Option<()> {
    let start = split_left(line, from, left, fields)?;
    let mut ends = line.len();
    let behind = fields.len() + 1;
    for _ in 0..right {
        let comma = memchr::memrchr(b',', line.get(start..ends)?)? + start;
        fields.push(unquoted(line, comma + 1..ends));
        ends = comma;
    }
    fields.get_mut(behind - 1..)?.reverse();
    if fields.len() != left + right || ends < start {
        return None;
    }
    fields.insert(left, unquoted(line, start..ends));
    Some(())
}

/// `range` without the quotes around it.
fn unquoted(line: &[u8], range: Range<usize>) -> Range<usize> {
    match &line[range.clone()] {
        [b'"', .., b'"'] => range.start + 1..range.end - 1,
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        let chunks = Chunks::new(Box::new(std::io::Cursor::new(text.to_owned().into_bytes())));
        let mut rows = Rows::new(chunks).unwrap();
        let numbers = [rows.column("id"), rows.column("start_timestamp"), rows.column("end_timestamp")];
        rows.shape(rows.column("function"), &numbers);
        rows
    }

    fn messages(rows: &mut Rows) -> Vec<(String, i64)> {
        let mut seen = Vec::new();
        while rows.advance() {
            seen.push((rows.text(1).into_owned(), rows.number(rows.column("end_timestamp")).unwrap()));
        }
        seen
    }

    const HEADER: &str = "\"Domain\",\"Function\",\"Id\",\"Start_Timestamp\",\"End_Timestamp\"\n";

    #[test]
    fn quotes_commas_and_line_feeds_in_a_message_do_no_harm() {
        let text = format!(
            "{HEADER}\"M\",\"{{\"a\": \"b, c\"}}\",1,10,20\n\"M\",\"two\nlines\",2,30,40\n\"M\",plain,3,5,6\r\n"
        );
        let mut rows = rows(&text);
        let expected = [("{\"a\": \"b, c\"}".to_owned(), 20), ("two\nlines".to_owned(), 40), ("plain".to_owned(), 6)];
        assert_eq!(messages(&mut rows), expected);
        assert_eq!((rows.unreadable, rows.cut_at), (0, None));
    }

    #[test]
    fn escaped_quotes_and_quoted_numbers_are_read_too() {
        let mut rows = rows(&format!("{HEADER}\"M\",\"say \"\"hi\"\"\",\"1\",\"10\",\"20\"\n"));
        assert_eq!(messages(&mut rows), [("say \"hi\"".to_owned(), 20)]);
    }

    #[test]
    fn a_broken_line_costs_itself_only() {
        let mut rows = rows(&format!("{HEADER}\"M\",\"a\",1,10,20\n\"M\",\"b\",2,3\n\"M\",\"c\",3,30,40\n"));
        assert_eq!(messages(&mut rows), [("a".to_owned(), 20), ("c".to_owned(), 40)]);
        assert_eq!(rows.unreadable, 1);
    }

    #[test]
    fn lines_that_do_not_fit_are_each_looked_at_once_and_a_message_behind_them_is_still_joined() {
        let bad = "\"M\",\"b\",2,3\n".repeat(200_000);
        let mut rows = rows(&format!("{HEADER}{bad}\"M\",\"two\nlines\",2,30,40\n\"M\",\"c\",3,30,41\n"));
        let ends: Vec<i64> = messages(&mut rows).into_iter().map(|(_, end)| end).collect();
        assert_eq!(ends, [40, 41]);
        assert!(rows.unreadable > 100_000, "{}", rows.unreadable);
    }

    #[test]
    fn a_last_line_that_breaks_off_is_a_cut_even_inside_its_last_number() {
        for tail in ["\"M\",\"b", "\"M\",\"b\",2,300,4", "\"M\",\"b\",2,300,"] {
            let mut rows = rows(&format!("{HEADER}\"M\",\"a\",1,10,20\n{tail}"));
            assert_eq!(messages(&mut rows), [("a".to_owned(), 20)], "{tail}");
            assert!(rows.cut_at.is_some(), "{tail}");
        }
        let mut whole = rows(&format!("{HEADER}\"M\",\"a\",1,10,20"));
        assert_eq!(messages(&mut whole), [("a".to_owned(), 20)]);
        assert_eq!((whole.cut_at, whole.unterminated), (None, true));
    }
}
