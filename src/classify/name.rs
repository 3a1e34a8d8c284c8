//! What a kernel name says, taken apart.
//!
//! The same kernel is spelt in several ways: mangled (`_ZN5aiter…`), demangled with or without `void ` and
//! ` [clone .kd]`, with a `.kd` suffix, cut at 64 characters, or reduced to its base identifier. Rules must not care, so
//! every spelling is read into one [`Name`]: the namespaces, the base identifier, its own template arguments, and the
//! identifiers that stand inside those and inside the parameter list.
//!
//! Mangled names are read directly ([`super::mangled`]) rather than demangled first: it is ten times faster, and
//! demanglers give up on AMD's vendor types. Everything here is one pass over at most [`HEAD_BYTES`] bytes with an
//! explicit depth counter: no recursion, whatever the nesting.

use super::mangled;

/// How far into a name we look. What tells a kernel's purpose stands well before this; the longest head in use (a
/// CK Tile class behind two levels of namespaces) ends before 300 bytes.
pub(super) const HEAD_BYTES: usize = 1536;
/// How many identifiers inside template arguments and parameters are kept.
const INNER_LIMIT: usize = 40;
/// How many of the base's own template arguments are kept.
const ARGS_LIMIT: usize = 16;

/// How a name is written, which tells a C++ template from a Triton kernel where nothing else does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A plain C identifier: Triton, Gluon, FlyDSL, TileLang, `extern "C"` HIP, old assembly; or a C++ name that a tool
    /// truncated.
    Bare,
    /// A qualified name that is no function: `aiter::fmoe_…`, as aiter declares its assembly kernels.
    Variable,
    /// A C++ function: it has template arguments, parameters, or a return type.
    Function,
}

/// A kernel name taken apart. Borrows from the name as given.
#[derive(Debug)]
pub(super) struct Name<'a> {
    /// The name without `.kd`, `[clone …]`, and surrounding space.
    pub(super) text: &'a str,
    /// How it is written.
    pub(super) form: Form,
    /// Namespaces and enclosing classes, outermost first; anonymous ones left out.
    pub(super) path: Vec<&'a str>,
    /// The function's own identifier.
    pub(super) base: &'a str,
    /// The base's template arguments: literals as digits (`true` is `1`), types by their first identifier.
    pub(super) args: Vec<&'a str>,
    /// Identifiers inside the template arguments and the parameter list, in order, builtin types included.
    pub(super) inner: Vec<&'a str>,
    /// How many of `inner` stand before the parameter list.
    pub(super) parameters: usize,
    /// Whether a tool cut the name short.
    pub(super) truncated: bool,
}

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

    pub(super) fn push_inner(&mut self, identifier: &'a str) {
        if self.inner.len() < INNER_LIMIT {
            self.inner.push(identifier);
        }
    }

    pub(super) fn push_arg(&mut self, argument: &'a str) {
        if self.args.len() < ARGS_LIMIT {
            self.args.push(argument);
        }
    }
}

/// The first [`HEAD_BYTES`] of `text`, on a character boundary.
pub(super) fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(HEAD_BYTES)]
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

/// Strips what tools append: `.kd`, ` [clone .kd]`, `...`. Tells whether the name was cut.
fn clean(given: &str) -> (&str, bool) {
    let mut text = given.trim();
    if text.ends_with(']')
        && let Some(at) = text.rfind(" [clone ")
    {
        text = &text[..at];
    }
    text = text.strip_suffix(".kd").unwrap_or(text);
    let uncut = text.strip_suffix("...").or_else(|| text.strip_suffix('…')).unwrap_or(text);
    (uncut, uncut.len() < text.len())
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
