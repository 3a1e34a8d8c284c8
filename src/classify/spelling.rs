//! Reading a kernel's name in whatever spelling a tool gives it.
//!
//! A bare identifier is its own base; mangled names are read by [`super::mangled`], demangled ones here. CK Tile's entry
//! function is no name: the class that it launches stands for it.

use super::mangled;
use super::name::{Form, INNER_LIMIT, Name, head};

impl<'a> Name<'a> {
    /// Takes `given` apart. Never fails: what cannot be read as C++ is its own base identifier.
    pub(super) fn parse(given: &'a str) -> Self {
        let (text, truncated) = clean(given);
        let mut name = Self {
            text,
            form: Form::Bare,
            path: Vec::new(),
            base: text,
            args: Vec::new(),
            inner: Vec::new(),
            parameters: usize::MAX,
            truncated,
        };
        if text.bytes().all(is_word) && !text.starts_with("_Z") {
            name.base = head(text);
            return name;
        }
        name.inner.reserve(16);
        name.args.reserve(8);
        if text.starts_with("_Z") {
            mangled::read(text, &mut name);
        } else {
            demangled(text, &mut name);
        }
        name.unwrap_entry();
        name
    }

    /// CK Tile launches every kernel through `kentry<…, Class, …>`: the class stands for the base then.
    fn unwrap_entry(&mut self) {
        if self.base != "kentry" && self.base != "kentry_pt" {
            return;
        }
        let class = self.inner.iter().find(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
        if let Some(class) = class {
            self.base = class;
        }
    }
}

/// Whether a byte can stand in an identifier. Bytes beyond ASCII count, so that they never split a character.
fn is_word(byte: u8) -> bool {
    WORD[usize::from(byte)]
}

const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80;
        at += 1;
    }
    table
};

/// Strips what tools append: `.kd`, ` [clone .kd]`, `...`. Tells whether the name was cut. What stands behind an ellipsis is
/// the name's end out of its place: it would be read as words that belong together, so it is left out.
fn clean(given: &str) -> (&str, bool) {
    let mut text = given.trim();
    if text.ends_with(']')
        && let Some(at) = text.rfind(" [clone ")
    {
        text = &text[..at];
    }
    text = text.strip_suffix(".kd").unwrap_or(text);
    // Few names have a dot or a byte of an ellipsis at all.
    let seen = head(text).as_bytes();
    if memchr::memchr2(b'.', "…".as_bytes()[0], seen).is_none() {
        return (text, false);
    }
    let dots = ["...", "…"].into_iter().filter_map(|dots| memchr::memmem::find(seen, dots.as_bytes())).min();
    (&text[..dots.unwrap_or(text.len())], dots.is_some())
}

/// Reads a demangled C++ name.
fn demangled<'a>(text: &'a str, name: &mut Name<'a>) {
    const ANONYMOUS: &[u8] = b"(anonymous namespace)";
    let text = head(text);
    let bytes = text.as_bytes();
    name.base = "";
    let (mut angle, mut paren) = (0_u32, 0_u32);
    // Whether a return type was passed, and whether the parameter list was reached.
    let (mut returned, mut called) = (false, false);
    // Where the current template argument of the base begins.
    let mut argument_from = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let top = angle == 0 && paren == 0 && !called;
        if is_word(byte) {
            let from = at;
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
            let word = &text[from..at];
            if top {
                if !name.base.is_empty() {
                    name.path.push(name.base);
                }
                name.base = word;
                name.args.clear();
            } else if !byte.is_ascii_digit() {
                name.push_inner(word);
                if called && name.inner.len() == INNER_LIMIT {
                    break;
                }
            }
            continue;
        }
        match byte {
            b'(' if bytes[at..].starts_with(ANONYMOUS) => {
                at += ANONYMOUS.len();
                continue;
            }
            b'(' => {
                if top {
                    called = true;
                    name.parameters = name.inner.len();
                }
                paren += 1;
            }
            b')' => paren = paren.saturating_sub(1),
            b'<' => {
                if top {
                    argument_from = Some(at + 1);
                }
                angle += 1;
            }
            // `->` is no bracket.
            b'>' if at == 0 || bytes[at - 1] != b'-' => {
                angle = angle.saturating_sub(1);
                if angle == 0
                    && paren == 0
                    && let Some(from) = argument_from.take()
                {
                    name.push_arg(argument(&text[from..at]));
                }
            }
            b',' if angle == 1 && paren == 0 => {
                if let Some(from) = argument_from.replace(at + 1) {
                    name.push_arg(argument(&text[from..at]));
                }
            }
            // What came before a space at the top level was the return type.
            b' ' if top => {
                returned = true;
                name.path.clear();
                name.args.clear();
                name.inner.clear();
                name.base = "";
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(from) = argument_from.filter(|_| angle == 1) {
        let rest = text[from..].trim();
        if !rest.is_empty() {
            name.push_arg(argument(rest));
        }
    }
    if name.base.is_empty() {
        name.base = text;
    }
    let function = returned || called || angle > 0 || !name.args.is_empty();
    name.form = if function { Form::Function } else { Form::Variable };
}

/// A template argument as rules see it: a literal's digits, else the first identifier of the type.
fn argument(text: &str) -> &str {
    let text = text.trim();
    match text {
        "true" => return "1",
        "false" => return "0",
        _ => {}
    }
    // `(Kind)3` is an enumerator, `16ul` a sized integer.
    let literal = match text.strip_prefix('(').and_then(|rest| rest.rsplit_once(')')) {
        Some((_, value)) if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => value,
        _ => text,
    };
    if literal.starts_with(|c: char| c.is_ascii_digit()) {
        return literal.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    }
    let mut last = "";
    for part in text.split("::") {
        let end = part.bytes().position(|b| !is_word(b)).unwrap_or(part.len());
        last = &part[..end];
        if end < part.len() {
            break;
        }
    }
    last
}
