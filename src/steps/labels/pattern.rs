//! The little language in which [`KNOWN`](super::KNOWN) writes labels.
//!
//! | in a pattern | stands for |
//! |---|---|
//! | `{c}` (any one character but the below) | decimal digits, kept as field `c` |
//! | `{~}` | anything, up to the first place where what follows fits |
//! | `{[}` | `key=value` pairs up to the end: `bs=32/64` is fields `b` and `B`, `tok`/`toks` is `t`, `p` and `d` themselves |
//! | anything else | itself; a message must be used up, but for what `{~}` or `{[}` takes at the end |
//!
//! Regular expressions would do it too, at several times the code in a library that lives in other people's processes.

/// The numbers read from a message, by the letter that the pattern gives them.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    values: [Option<(u8, u32)>; 8],
}

impl Fields {
    /// The number under `letter`; `None` if the message had none, or one beyond 32 bits.
    pub(super) fn get(&self, letter: char) -> Option<u32> {
        self.values.iter().flatten().find(|&&(key, _)| char::from(key) == letter).map(|&(_, value)| value)
    }

    fn set(&mut self, letter: u8, value: Option<u32>) {
        let Some(value) = value else { return };
        if let Some(slot) = self.values.iter_mut().find(|slot| slot.is_none_or(|(key, _)| key == letter)) {
            *slot = Some((letter, value));
        }
    }
}

/// Reads `message` against `pattern`; `None` if it does not fit.
pub(super) fn read(pattern: &str, message: impl AsRef<[u8]>) -> Option<Fields> {
    let (pattern, message) = (pattern.as_bytes(), message.as_ref());
    let mut fields = Fields::default();
    read_into(pattern, message, &mut fields).then_some(fields)
}

fn read_into(mut pattern: &[u8], mut message: &[u8], fields: &mut Fields) -> bool {
    loop {
        match pattern {
            [] => return message.is_empty(),
            [b'{', b'~', b'}', rest @ ..] => {
                return rest.is_empty() || (0..message.len()).any(|skip| read_into(rest, &message[skip..], fields));
            }
            [b'{', b'[', b'}', ..] => {
                read_pairs(message, fields);
                return true;
            }
            [b'{', letter, b'}', rest @ ..] => {
                let (value, used) = digits(message);
                if used == 0 {
                    return false;
                }
                fields.set(*letter, value);
                (pattern, message) = (rest, &message[used..]);
            }
            [first, rest @ ..] => {
                if message.first() != Some(first) {
                    return false;
                }
                (pattern, message) = (rest, &message[1..]);
            }
        }
    }
}

/// The number at the start of `text`, if it fits 32 bits, and how many bytes it takes.
fn digits(text: &[u8]) -> (Option<u32>, usize) {
    let used = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |value: Option<u32>, byte: &u8| value?.checked_mul(10)?.checked_add(u32::from(byte - b'0'));
    (text[..used].iter().fold(Some(0), add), used)
}

fn read_pairs(text: &[u8], fields: &mut Fields) {
    for pair in text.split(|&byte| matches!(byte, b' ' | b',' | b'[' | b']')) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { continue };
        let (value, used) = digits(&pair[equals + 1..]);
        let letter = match &pair[..equals] {
            b"bs" => b'b',
            b"tok" | b"toks" => b't',
            b"p" => b'p',
            b"d" => b'd',
            _ => continue,
        };
        if used == 0 {
            continue;
        }
        fields.set(letter, value);
        if let (b'b', Some(b'/')) = (letter, pair.get(equals + 1 + used)) {
            fields.set(b'B', digits(&pair[equals + 2 + used..]).0);
        }
    }
}
