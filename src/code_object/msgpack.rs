//! As much of MessagePack as the metadata of code objects needs.
//!
//! Source: the MessagePack specification (formats by first byte). Nesting is followed by counting what is left, so neither depth
//! nor a length that is a lie costs anything but the bytes that are there.

/// A value, or the head of one that holds others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value<'a> {
    Integer(u64),
    Text(&'a str),
    /// So many values follow.
    List(u32),
    /// So many pairs of values follow.
    Map(u32),
    /// Anything else, read to its end.
    Other,
}

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next value; `None` at the end, and where the bytes are none.
    pub(super) fn next(&mut self) -> Option<Value<'a>> {
        let first = self.bytes(1)?[0];
        let value = match first {
            0x00..=0x7f => Value::Integer(first.into()),
            0x80..=0x8f => Value::Map((first & 0x0f).into()),
            0x90..=0x9f => Value::List((first & 0x0f).into()),
            0xa0..=0xbf => self.text((first & 0x1f).into())?,
            0xc4..=0xc6 => {
                let length = self.number(1 << (first - 0xc4))?;
                self.other(length)?
            }
            0xc7..=0xc9 => {
                let length = self.number(1 << (first - 0xc7))?;
                self.other(length + 1)?
            }
            0xca => self.other(4)?,
            0xcb => self.other(8)?,
            0xcc..=0xcf => Value::Integer(self.number(1 << (first - 0xcc))?),
            // Numbers below zero tell nothing here.
            0xd0..=0xd3 => self.other(1 << (first - 0xd0))?,
            0xd4..=0xd8 => self.other((1 << (first - 0xd4)) + 1)?,
            0xd9..=0xdb => {
                let length = self.number(1 << (first - 0xd9))?;
                self.text(length)?
            }
            0xdc..=0xdd => Value::List(u32::try_from(self.number(2 << (first - 0xdc))?).ok()?),
            0xde..=0xdf => Value::Map(u32::try_from(self.number(2 << (first - 0xde))?).ok()?),
            0xc0..=0xc3 | 0xe0..=0xff => Value::Other,
        };
        Some(value)
    }

    /// Passes over what `value`, just read, holds.
    pub(super) fn pass(&mut self, value: Value<'a>) -> Option<()> {
        let held = |value: Value<'_>| match value {
            Value::List(count) => u64::from(count),
            Value::Map(count) => u64::from(count) * 2,
            _ => 0,
        };
        let mut left = held(value);
        while left > 0 {
            left = (left - 1).checked_add(held(self.next()?))?;
        }
        Some(())
    }

    fn other(&mut self, length: u64) -> Option<Value<'a>> {
        self.bytes(length).map(|_| Value::Other)
    }

    fn text(&mut self, length: u64) -> Option<Value<'a>> {
        // What is no UTF-8 is no name that anybody else could write.
        Some(std::str::from_utf8(self.bytes(length)?).map_or(Value::Other, Value::Text))
    }

    fn number(&mut self, bytes: u64) -> Option<u64> {
        Some(self.bytes(bytes)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_form_are_read_or_passed_over() {
        let bytes = [
            &[0x84_u8, 0xa1, b'a', 0x93, 0x01, 0xcd, 0x01, 0x00, 0xc0][..],
            &[0xd9, 0x01, b'b', 0xce, 0, 0, 1, 0, 0xa1, b'c', 0xc4, 2, 9, 9],
            &[0xa1, b'd', 0x81, 0x91, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xd6, 0, 1, 2, 3, 4],
            &[0x2a],
        ]
        .concat();
        let mut reader = Reader::new(&bytes);
        let map = reader.next().unwrap();
        assert_eq!(map, Value::Map(4));
        assert_eq!(reader.next(), Some(Value::Text("a")));
        assert_eq!(
            (reader.next(), reader.next(), reader.next(), reader.next()),
            (Some(Value::List(3)), Some(Value::Integer(1)), Some(Value::Integer(256)), Some(Value::Other))
        );
        let mut again = Reader::new(&bytes);
        let map = again.next().unwrap();
        again.pass(map).unwrap();
        assert_eq!((again.next(), again.next()), (Some(Value::Integer(42)), None));
    }

    #[test]
    fn lengths_that_are_lies_end_the_reading() {
        for bytes in [&[0xdf, 0xff, 0xff, 0xff, 0xff, 0x01][..], &[0xdb, 0xff, 0xff, 0xff, 0xff, b'a'], &[0xcf, 1]] {
            let mut reader = Reader::new(bytes);
            let passed = reader.next().and_then(|value| reader.pass(value));
            assert_eq!(passed, None, "{bytes:x?}");
        }
    }
}
