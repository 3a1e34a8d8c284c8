//! Finding where a JSON value ends.
//!
//! This loop sees every byte of a trace, so it is the speed of the readers. Containers are scanned in blocks of 64
//! bytes, each turned into bit masks in the manner of simdjson (Langdale and Lemire, 2019): a prefix sum over the quotes
//! tells which bytes are inside strings, and only brackets outside of them are counted.
//!
//! ```text
//!   bytes    {"a": "x{y", "b": [1]}
//!   quotes    1 1  1   1  1 1
//!   inside    11   1111   11        from each opening quote to before its closing one
//!   brackets {                [ ]}  those outside
//! ```
//!
//! An unescaped quote in a name turns inside and outside over for the rest of the text. It shows itself at once, because
//! behind a closing quote only white space, `,`, `:` or a closing bracket may stand. What does not fill a block goes
//! byte by byte.

use memchr::memchr2;
use wide::u8x16;

/// Bytes that are scanned together: one for each bit of a mask.
const BLOCK: usize = 64;

/// What a byte means outside of strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// White space, `,`, `:`, and everything that numbers and literals are made of.
    Filler,
    Quote,
    Open,
    Close,
    Foreign,
}

/// [`Class`] of each byte.
const CLASS: [Class; 256] = {
    let mut table = [Class::Foreign; 256];
    let filler = b" \t\r\n,:+-.0123456789eEtrufalsnNaIiy";
    let mut i = 0;
    while i < filler.len() {
        table[filler[i] as usize] = Class::Filler;
        i += 1;
    }
    table[b'"' as usize] = Class::Quote;
    table[b'{' as usize] = Class::Open;
    table[b'[' as usize] = Class::Open;
    table[b'}' as usize] = Class::Close;
    table[b']' as usize] = Class::Close;
    table
};

/// Outcome of a scan for a value's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scan {
    /// The value ends before this position.
    Done(usize),
    /// The bytes end before the value does.
    More,
    /// Not JSON.
    Bad,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Inside {
    /// Before the first byte of the value, or between the strings of a container.
    #[default]
    Gap,
    String,
    Escape,
    /// In a number or literal that is the whole value.
    Scalar,
}

/// The search for one value's end, which can go on over several pieces.
#[derive(Clone, Copy, Default)]
pub(super) struct ValueEnd {
    depth: u32,
    inside: Inside,
}

/// Where the interesting bytes of a block are, one bit a byte.
#[derive(Default)]
struct Masks {
    quote: u64,
    backslash: u64,
    open: u64,
    close: u64,
    /// What may stand behind a closing quote.
    follower: u64,
}

impl Masks {
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self::default();
        let (parts, _) = block.as_chunks::<16>();
        for (i, part) in parts.iter().enumerate() {
            let bytes = u8x16::new(*part);
            let is = |bytes: u8x16, byte: u8| bytes.simd_eq(u8x16::splat(byte));
            let bits = |mask: u8x16| u64::from(mask.to_bitmask()) << (16 * i);
            // Brackets and braces differ in one bit.
            let folded = bytes | u8x16::splat(0x20);
            let close = is(folded, b'}');
            let space = bytes.simd_le(u8x16::splat(b' '));
            masks.quote |= bits(is(bytes, b'"'));
            masks.backslash |= bits(is(bytes, b'\\'));
            masks.open |= bits(is(folded, b'{'));
            masks.close |= bits(close);
            masks.follower |= bits(close | space | is(bytes, b',') | is(bytes, b':'));
        }
        masks
    }
}

/// Bits from each set bit up to before the next one: the running parity of `bits`.
fn prefix_parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

impl ValueEnd {
    /// Goes on with `bytes`, which follow those of the last call.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        loop {
            if self.depth > 0 && bytes.len() - at >= BLOCK {
                match self.blocks(&bytes[at..]) {
                    (Scan::Done(length), _) => return Scan::Done(at + length),
                    (Scan::Bad, _) => return Scan::Bad,
                    (Scan::More, scanned) => at += scanned,
                }
            }
            match self.inside {
                Inside::Gap => match self.gap(bytes, &mut at) {
                    Some(scan) => return scan,
                    None => continue,
                },
                Inside::String => match memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return Scan::More,
                    Some(skip) if bytes[at + skip] == b'"' => {
                        at += skip + 1;
                        self.inside = Inside::Gap;
                        if self.depth == 0 {
                            return Scan::Done(at);
                        }
                    }
                    Some(skip) => {
                        at += skip + 1;
                        self.inside = Inside::Escape;
                    }
                },
                Inside::Escape => {
                    if at == bytes.len() {
                        return Scan::More;
                    }
                    at += 1;
                    self.inside = Inside::String;
                }
                Inside::Scalar => {
                    let rest = &bytes[at..];
                    return match scalar_len(rest) {
                        Some(length) => Scan::Done(at + length),
                        None => Scan::More,
                    };
                }
            }
        }
    }

    /// Whether the end of the stream ends the value too: true in a bare number.
    pub(super) fn ends_with_stream(&self) -> bool {
        self.inside == Inside::Scalar
    }

    /// Scans whole blocks inside a container; also gives how many bytes that were.
    fn blocks(&mut self, bytes: &[u8]) -> (Scan, usize) {
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        let mut in_string = u64::from(self.inside != Inside::Gap).wrapping_neg();
        let mut escaped_first = self.inside == Inside::Escape;
        let mut closed_last = 0;
        for (number, block) in blocks.iter().enumerate() {
            let masks = Masks::of(block);
            let mut quotes = masks.quote;
            if masks.backslash != 0 || escaped_first {
                let escaped = escaped(masks.backslash, &mut escaped_first);
                quotes &= !escaped;
            }
            let inside = prefix_parity(quotes) ^ in_string;
            in_string = (inside.cast_signed() >> 63).cast_unsigned();
            let closing = quotes & !inside;
            let wrong = ((closing << 1) | closed_last) & !masks.follower;
            closed_last = closing >> 63;
            let (opens, closes) = (masks.open & !inside, masks.close & !inside);
            if closes.count_ones() < self.depth {
                self.depth = self.depth.saturating_add(opens.count_ones()) - closes.count_ones();
            } else if let Some(end) = self.end_in(opens, closes) {
                let until = u64::MAX >> (BLOCK - 1 - end);
                let scan = if wrong & until == 0 { Scan::Done(number * BLOCK + end + 1) } else { Scan::Bad };
                return (scan, 0);
            }
            if wrong != 0 {
                return (Scan::Bad, 0);
            }
        }
        self.inside = match (in_string != 0, escaped_first) {
            (_, true) => Inside::Escape,
            (true, false) => Inside::String,
            (false, false) => Inside::Gap,
        };
        (Scan::More, blocks.len() * BLOCK)
    }

    /// Counts brackets one by one: the bit at which the value ends, if it ends among them.
    fn end_in(&mut self, opens: u64, closes: u64) -> Option<usize> {
        let mut brackets = opens | closes;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if opens >> at & 1 == 1 {
                self.depth = self.depth.saturating_add(1);
            } else {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(at as usize);
                }
            }
        }
        None
    }

    /// Walks over the bytes between strings. `None`: another state was entered.
    fn gap(&mut self, bytes: &[u8], at: &mut usize) -> Option<Scan> {
        while let Some(&byte) = bytes.get(*at) {
            *at += 1;
            match CLASS[usize::from(byte)] {
                Class::Filler if self.depth > 0 => {}
                Class::Filler if byte.is_ascii_whitespace() => {}
                Class::Filler if matches!(byte, b',' | b':') => return Some(Scan::Bad),
                Class::Filler => {
                    self.inside = Inside::Scalar;
                    return None;
                }
                Class::Quote => {
                    self.inside = Inside::String;
                    return None;
                }
                Class::Open => self.depth = self.depth.saturating_add(1),
                Class::Close => {
                    self.depth = match self.depth {
                        0 => return Some(Scan::Bad),
                        1 => return Some(Scan::Done(*at)),
                        depth => depth - 1,
                    };
                }
                Class::Foreign => return Some(Scan::Bad),
            }
        }
        Some(Scan::More)
    }
}

/// Length of the number or literal that `bytes` begin with, if its end is among them.
pub(super) fn scalar_len(bytes: &[u8]) -> Option<usize> {
    const ENDS: [bool; 256] = {
        let mut table = [false; 256];
        let mut i = 0;
        while i < b",]}: \t\r\n".len() {
            table[b",]}: \t\r\n"[i] as usize] = true;
            i += 1;
        }
        table
    };
    bytes.iter().position(|&byte| ENDS[usize::from(byte)])
}

/// The bytes that a backslash of the block escapes. `first`: the first byte is escaped by the block before; becomes
/// whether this block escapes the first byte of the next.
fn escaped(backslashes: u64, first: &mut bool) -> u64 {
    let mut escaped = u64::from(*first);
    let mut rest = backslashes & !escaped;
    *first = false;
    while rest != 0 {
        let at = rest.trailing_zeros();
        let pair = 3u64.checked_shl(at).unwrap_or(0);
        rest &= !pair;
        if at == 63 {
            *first = true;
        } else {
            escaped |= 2 << at;
        }
    }
    escaped
}

/// If `bytes` begin with `} , { "key`, where a trace event's key comes: the position of the `{`.
pub(super) fn object_after(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    let mut wanted = [b',', b'{', b'"'].into_iter();
    let mut next = wanted.next();
    let mut open = 0;
    while let (Some(want), Some(&byte)) = (next, bytes.get(at)) {
        if byte == want {
            if want == b'{' {
                open = at;
            }
            next = wanted.next();
        } else if !byte.is_ascii_whitespace() {
            return None;
        }
        at += 1;
    }
    let key = &bytes[at..];
    let known = ["ph\"", "name\"", "cat\"", "pid\"", "tid\"", "ts\"", "dur\"", "args\"", "id\"", "s\"", "size\""];
    known.iter().any(|name| key.starts_with(name.as_bytes())).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Scan {
        ValueEnd::default().feed(text.as_bytes())
    }

    #[test]
    fn values_end_where_json_says() {
        assert_eq!(end(r#" "a\"b" , "#), Scan::Done(7));
        assert_eq!(end(r#"{"a":[{"]":"}"}]} x"#), Scan::Done(17));
        assert_eq!(end("12.5,"), Scan::Done(4));
        assert_eq!(end("NaN}"), Scan::Done(3));
        assert_eq!(end("12"), Scan::More);
        assert_eq!(end(","), Scan::Bad);
        assert_eq!(end("{hello}"), Scan::Bad);
    }

    #[test]
    fn any_cut_of_the_bytes_gives_the_same_end() {
        let text = br#"{"a": "x\\", "b": [1, -2.5e3, {"c\"": null}], "d": "\u0041"}, 7"#;
        let Scan::Done(whole) = ValueEnd::default().feed(text) else { panic!() };
        for cut in 0..whole {
            let mut scan = ValueEnd::default();
            assert_eq!(scan.feed(&text[..cut]), Scan::More);
            assert_eq!(scan.feed(&text[cut..]), Scan::Done(whole - cut));
        }
    }

    /// What [`ValueEnd`] finds when it never sees a whole block.
    fn end_by_bytes(text: &[u8]) -> Scan {
        let mut scan = ValueEnd::default();
        let mut at = 0;
        for piece in text.chunks(BLOCK / 2) {
            match scan.feed(piece) {
                Scan::Done(length) => return Scan::Done(at + length),
                Scan::Bad => return Scan::Bad,
                Scan::More => at += piece.len(),
            }
        }
        Scan::More
    }

    proptest::proptest! {
        #[test]
        fn blocks_and_bytes_agree_on_every_json_text(
            keys in proptest::collection::vec(r#"[ -~]{0,40}"#, 1..20),
            nested in 0usize..5,
        ) {
            let object: serde_json::Map<_, _> =
                keys.iter().enumerate().map(|(i, key)| (format!("{i}{key}"), key.as_str().into())).collect();
            let mut value = serde_json::Value::Object(object);
            for _ in 0..nested {
                value = serde_json::json!([value, {"x": [1, "]"]}]);
            }
            let mut text = serde_json::to_string_pretty(&value).unwrap();
            let length = text.len();
            text.push_str(r#", {"ph": "X"} ] } and whatever follows, which must not matter at all to the outcome"#);
            proptest::prop_assert_eq!(end(&text), Scan::Done(length));
            proptest::prop_assert_eq!(end_by_bytes(text.as_bytes()), Scan::Done(length));
        }
    }

    #[test]
    fn an_unescaped_quote_in_a_long_text_is_bad_wherever_it_stands() {
        let filler = "x".repeat(70);
        for name in ["say \"hi\" now", "5\" disk", "a \" b"] {
            let text = format!(
                "{{\"{filler}\": \"{name}\", \"pid\": 1, \"tid\": 2, \"args\": {{}}}}, {{\"{filler}\": \"{filler}\"}}"
            );
            assert_eq!(end(&text), Scan::Bad, "{name}");
        }
    }
}
