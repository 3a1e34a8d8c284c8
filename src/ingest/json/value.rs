//! Picking fields out of one JSON value that is wholly in memory.

use std::borrow::Cow;

use memchr::memchr2;

use super::scan::{Scan, ValueEnd, scalar_len};

/// One JSON value as it stands in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ingest) struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// The value that `bytes` hold.
    pub(in crate::ingest) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.trim_ascii())
    }

    /// The value as it stands in the text.
    pub(in crate::ingest) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is an object.
    pub(in crate::ingest) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// The fields, if this is an object.
    pub(in crate::ingest) fn fields(self) -> Fields<'a> {
        match self.0 {
            [b'{', rest @ ..] => Fields { rest },
            _ => Fields { rest: &[] },
        }
    }

    /// The elements, if this is an array.
    pub(in crate::ingest) fn elements(self) -> Elements<'a> {
        match self.0 {
            [b'[', rest @ ..] => Elements { rest },
            _ => Elements { rest: &[] },
        }
    }

    /// The value of the last field `name`, if this is an object that has one: of doubled keys the last counts.
    pub(in crate::ingest) fn get(self, name: &str) -> Option<Raw<'a>> {
        self.fields().filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value).last()
    }

    /// The bytes between the quotes, escapes as they stand, if this is a string.
    pub(in crate::ingest) fn quoted(self) -> Option<&'a [u8]> {
        match self.0 {
            [b'"', inner @ .., b'"'] => Some(inner),
            _ => None,
        }
    }

    /// The text of a string. Bytes that are no UTF-8 become U+FFFD.
    pub(in crate::ingest) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.quoted()?;
        if memchr::memchr(b'\\', inner).is_some() {
            return Some(Cow::Owned(unescape(inner)));
        }
        // The lossy way looks at every byte; nearly all names are good.
        Some(std::str::from_utf8(inner).map_or_else(|_| String::from_utf8_lossy(inner), Cow::Borrowed))
    }

    /// A whole number, which some writers put in quotes.
    pub(in crate::ingest) fn integer(self) -> Option<i64> {
        let digits = self.quoted().unwrap_or(self.0);
        match plain_digits(digits) {
            Some(number) => Some(number.cast_signed()),
            None => std::str::from_utf8(digits).ok()?.parse().ok(),
        }
    }

    /// A whole number taken as an opaque identifier: signed ones keep their bits.
    pub(in crate::ingest) fn id(self) -> Option<u64> {
        let digits = self.quoted().unwrap_or(self.0);
        if let Some(number) = plain_digits(digits) {
            return Some(number);
        }
        let digits = std::str::from_utf8(digits).ok()?;
        digits.parse().ok().or_else(|| digits.parse::<i64>().ok().map(i64::cast_unsigned))
    }

    /// A decimal number of microseconds as nanoseconds, rounded to the nearest. Never through floating point: epoch
    /// microseconds in an `f64` keep only a quarter of one.
    pub(in crate::ingest) fn micros_as_ns(self) -> Option<i64> {
        decimal_times_1000(self.quoted().unwrap_or(self.0))
    }
}

/// The short way for what nearly all numbers are: at most 18 digits and nothing else.
fn plain_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// `text` times 1000, rounded half away from zero.
fn decimal_times_1000(text: &[u8]) -> Option<i64> {
    plain_times_1000(text).or_else(|| any_times_1000(text))
}

/// The short way for what profilers write: digits, and at most three decimals.
fn plain_times_1000(text: &[u8]) -> Option<i64> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let decimals = text.get(point + 1..).unwrap_or(&[]);
    if point == 0 || point > 15 || decimals.len() > 3 {
        return None;
    }
    let mut value = 0;
    for &byte in text[..point].iter().chain(decimals) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value * [1000, 100, 10, 1][decimals.len()])
}

/// The long way, for every number of JSON.
fn any_times_1000(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut value: i128 = 0;
    let mut digits = 0;
    let mut scale = 3;
    let mut fraction = false;
    let mut round_up = false;
    let mut at = 0;
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let exponent: i32 = match exponent_at {
        Some(e) => std::str::from_utf8(&text[e + 1..]).ok()?.trim_start_matches('+').parse().ok()?,
        None => 0,
    };
    // With an exponent all digits count and the point moves; without, three decimals and a rounding digit are enough.
    let keep = exponent_at.is_some();
    let mantissa = &text[..exponent_at.unwrap_or(text.len())];
    while let Some(&byte) = mantissa.get(at) {
        at += 1;
        match byte {
            b'0'..=b'9' if fraction && scale == 0 && !keep => {
                round_up = byte >= b'5';
                if !mantissa[at..].iter().all(u8::is_ascii_digit) {
                    return None;
                }
                break;
            }
            b'0'..=b'9' => {
                digits += 1;
                if digits > 36 {
                    return None;
                }
                value = value * 10 + i128::from(byte - b'0');
                scale -= i32::from(fraction);
            }
            b'.' if !fraction => fraction = true,
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    let scale = scale.checked_add(exponent)?;
    if scale >= 0 {
        value = value.checked_mul(10i128.checked_pow(scale.unsigned_abs())?)?;
    } else {
        let divisor = 10i128.checked_pow(scale.unsigned_abs())?;
        round_up = value % divisor >= divisor / 2;
        value /= divisor;
    }
    value += i128::from(round_up);
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Resolves the escapes of a JSON string. Broken ones stay as they are.
fn unescape(inner: &[u8]) -> String {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(&escape) = rest.first() else { break };
        rest = &rest[1..];
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let (character, used) = unicode_escape(rest);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[used..];
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The character of the escape whose text after `\u` is `rest`, and how many bytes it took.
fn unicode_escape(rest: &[u8]) -> (char, usize) {
    let hex = |from: usize| {
        let digits = rest.get(from..from + 4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match hex(0) {
        None => (char::REPLACEMENT_CHARACTER, 0),
        Some(high @ 0xD800..=0xDBFF) if rest.get(4..6) == Some(b"\\u") => match hex(6) {
            Some(low @ 0xDC00..=0xDFFF) => {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
            }
            _ => (char::REPLACEMENT_CHARACTER, 4),
        },
        Some(code) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 4),
    }
}

/// The fields of an object, in order: the key's bytes as they stand between the quotes, and the value.
#[derive(Clone)]
pub(in crate::ingest) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// After the last field: whether the object ended there, rather than in something that is no JSON.
    pub(in crate::ingest) fn is_whole(&self) -> bool {
        skip_separators(self.rest).first() == Some(&b'}')
    }

    /// Goes to the value of the next field and gives its key. What must come next is [`value`](Self::value), or
    /// [`enter`](Self::enter) and [`leave`](Self::leave).
    pub(in crate::ingest) fn key(&mut self) -> Option<&'a [u8]> {
        let start = skip_separators(self.rest);
        let key_len = string_len(start)?;
        let after = skip_space(&start[key_len..]);
        self.rest = skip_space(after.strip_prefix(b":")?);
        Some(&start[1..key_len - 1])
    }

    /// The value that comes next.
    pub(in crate::ingest) fn value(&mut self) -> Option<Raw<'a>> {
        let Some(length) = value_len(self.rest) else {
            // What follows a key and is no value is no end of the object either.
            self.rest = &[];
            return None;
        };
        let (value, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(Raw(value))
    }

    /// The fields of the value that comes next, if it is an object: to look at them is to find its end, so that nothing is
    /// scanned twice.
    pub(in crate::ingest) fn enter(&self) -> Option<Fields<'a>> {
        self.rest.strip_prefix(b"{").map(|rest| Fields { rest })
    }

    /// Goes on behind the object whose fields were `inner`. False if that is no JSON.
    pub(in crate::ingest) fn leave(&mut self, inner: &Fields<'a>) -> bool {
        match skip_separators(inner.rest).strip_prefix(b"}") {
            Some(rest) => self.rest = rest,
            None => return false,
        }
        true
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.key()?, self.value()?))
    }
}

/// The elements of an array, in order.
pub(in crate::ingest) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = skip_separators(self.rest);
        let length = value_len(value)?;
        self.rest = &value[length..];
        Some(Raw(&value[..length]))
    }
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let at = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(bytes.len());
    &bytes[at..]
}

fn skip_separators(bytes: &[u8]) -> &[u8] {
    let at = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',')).unwrap_or(bytes.len());
    &bytes[at..]
}

/// Length of the string that `bytes` begin with, quotes included.
fn string_len(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    // Keys and short texts end before a vector search would have begun.
    for &byte in bytes.iter().take(12).skip(1) {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => break,
            _ => at += 1,
        }
    }
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Length of the value that `bytes` begin with.
fn value_len(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string_len(bytes),
        b'{' | b'[' => match ValueEnd::default().feed(bytes) {
            Scan::Done(length) => Some(length),
            Scan::More | Scan::Bad => None,
        },
        b'}' | b']' | b':' => None,
        _ => Some(scalar_len(bytes).unwrap_or(bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw<'_> {
        Raw::new(text.as_bytes())
    }

    #[test]
    fn microseconds_become_nanoseconds_without_floating_point() {
        let ns = |text| raw(text).micros_as_ns();
        assert_eq!(ns("6520618861901.761"), Some(6_520_618_861_901_761));
        assert_eq!(ns("1695835543008415"), Some(1_695_835_543_008_415_000));
        assert_eq!(ns("8.7"), Some(8_700));
        assert_eq!(ns("22.799999999999997"), Some(22_800));
        assert_eq!(ns("0.0005"), Some(1));
        assert_eq!(ns("-1.5"), Some(-1_500));
        assert_eq!(ns("1.695835543008415e15"), Some(1_695_835_543_008_415_000));
        assert_eq!(ns("15e-4"), Some(2));
        assert_eq!(ns("\"12.5\""), Some(12_500));
        assert_eq!(ns("NaN"), None);
        assert_eq!(ns("1.2.3"), None);
        assert_eq!(ns("."), None);
        assert_eq!(ns("99999999999999999999"), None);
        assert_eq!(ns("1e400"), None);
        for text in ["0", "7.", "12.3", "12.34", "12.345", "123456789012345.678"] {
            assert_eq!(plain_times_1000(text.as_bytes()), any_times_1000(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn escapes_are_resolved_and_broken_ones_do_no_harm() {
        assert_eq!(raw(r#""a\n\"\u00e9\ud83d\ude00""#).text().unwrap(), "a\n\"é😀");
        assert_eq!(raw(r#""\ud83d!\u12""#).text().unwrap(), "\u{FFFD}!\u{FFFD}12");
        assert_eq!(raw("12").text(), None);
    }

    #[test]
    fn of_doubled_keys_the_last_counts() {
        let object = raw(r#"{"a": 1, "b" : {"a": 5}, "a":"2"}"#);
        assert_eq!(object.get("a").unwrap().integer(), Some(2));
        assert_eq!(object.get("b").unwrap().get("a").unwrap().integer(), Some(5));
        assert_eq!(object.get("c"), None);
    }

    #[test]
    fn an_inner_object_is_entered_and_left_and_a_broken_one_is_not_left() {
        let mut outer = raw(r#"{"a": {"x": {"y": 1}, "z": 2 , }, "b": 3}"#).fields();
        assert_eq!(outer.key(), Some(&b"a"[..]));
        let mut inner = outer.enter().unwrap();
        assert_eq!(inner.by_ref().map(|(key, _)| key).collect::<Vec<_>>(), [b"x", b"z"]);
        assert!(outer.leave(&inner));
        assert_eq!(outer.next(), Some((&b"b"[..], Raw(b"3"))));
        assert!(outer.is_whole());
        for broken in [r#"{"a": {"x" 1}}"#, r#"{"a": {"x": 1"#, r#"{"a": {"x": }}"#] {
            let mut outer = raw(broken).fields();
            outer.key();
            let mut inner = outer.enter().unwrap();
            inner.by_ref().for_each(drop);
            assert!(!outer.leave(&inner), "{broken}");
        }
        let mut outer = raw(r#"{"a": [1]}"#).fields();
        outer.key();
        assert!(outer.enter().is_none());
    }

    #[test]
    fn ids_may_use_all_64_bits() {
        assert_eq!(raw("10159970886766084423").id(), Some(10_159_970_886_766_084_423));
        assert_eq!(raw("-1").id(), Some(u64::MAX));
    }
}
