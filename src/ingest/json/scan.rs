//! Finding where a JSON value ends.
//!
//! This loop sees every byte of a trace, so it is the speed of the readers. Inside strings it leaps from quote to quote
//! with `memchr`; outside, where writers put a few bytes between two strings, it looks each byte up in a table. A byte
//! that no JSON text holds outside its strings is a fault: that is how an unescaped quote in a name shows itself.

use memchr::memchr2;

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

impl ValueEnd {
    /// Goes on with `bytes`, which follow those of the last call.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        loop {
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
                    return match rest.iter().position(|byte| b",]} \t\r\n:".contains(byte)) {
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
                Class::Open => self.depth += 1,
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
}
