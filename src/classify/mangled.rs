//! Reading Itanium-mangled names for their identifiers.
//!
//! This is no demangler: it does not resolve substitutions and prints nothing. It follows the grammar as far as is
//! needed to tell identifiers (`<length><identifier>`) from the digits of literals and to know which template arguments
//! belong to the function itself, with a stack of what an `E` would close. What it does not know it steps over, so a
//! new vendor type costs one byte of confusion, not the name.
//!
//! aiter's assembly has a few symbols whose length is wrong (`_ZN5aiter28fmha_fwd_hd128_f6f4_gfx950E`: the identifier
//! has 26 characters), so an identifier never takes the `E` at the very end.

use super::name::{Form, Name, head};

/// What the next matching `E` closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Open {
    /// `N…E`: a qualified name.
    Nested,
    /// `I…E`: template arguments.
    Template,
    /// `L…E`: a literal; its digits are a value.
    Literal,
    /// `Ul…E`: a lambda; a number and `_` may follow.
    Lambda,
    /// `J…E`, `X…E`, `F…E`, `Z…E`: nothing special inside.
    Other,
}

/// Reads `text`, which begins with `_Z`, into `name`.
pub(super) fn read<'a>(text: &'a str, name: &mut Name<'a>) {
    let mut reader = Reader {
        text: head(text),
        cut: head(text).len() < text.len(),
        at: 2,
        stack: Vec::with_capacity(16),
        named: false,
        complete: false,
        own_list: None,
        annotation: false,
    };
    reader.run(name);
    if !reader.named {
        name.base = reader.text;
    }
    let variable = reader.named && !reader.complete_with_type(name);
    name.form = if variable { Form::Variable } else { Form::Function };
}

struct Reader<'a> {
    text: &'a str,
    /// Whether `text` is only the head of the name.
    cut: bool,
    at: usize,
    stack: Vec<Open>,
    /// Whether the function's own identifier was read.
    named: bool,
    /// Whether the function's name and template arguments are behind us; what follows is its type.
    complete: bool,
    /// Depth of the stack inside the function's own template arguments, while they are open.
    own_list: Option<usize>,
    /// Inside the type that `Tn` puts before an argument, which is no argument itself.
    annotation: bool,
}

impl<'a> Reader<'a> {
    fn run(&mut self, name: &mut Name<'a>) {
        while let Some(byte) = self.peek(0) {
            let top = self.stack.last().copied();
            if self.named && self.stack.is_empty() && byte != b'I' && !self.complete {
                self.complete = true;
                name.parameters = name.inner.len();
            }
            match byte {
                b'0'..=b'9' if top == Some(Open::Literal) => {
                    let from = self.at;
                    self.number();
                    self.fill(name, &self.text[from..self.at]);
                }
                b'0'..=b'9' => self.word(name),
                b'N' => {
                    self.child(name);
                    self.open(Open::Nested, 1);
                    while matches!(self.peek(0), Some(b'K' | b'V' | b'r' | b'R' | b'O')) {
                        self.at += 1;
                    }
                }
                b'I' => {
                    let own = self.own_name() && self.named;
                    self.open(Open::Template, 1);
                    if own {
                        self.own_list = Some(self.stack.len());
                    }
                }
                b'L' if matches!(top, Some(Open::Template | Open::Other)) => {
                    self.child(name);
                    if self.text[self.at + 1..].starts_with("_Z") {
                        self.open(Open::Other, 3);
                    } else {
                        self.open(Open::Literal, 1);
                        // A builtin type is one letter; a named type takes care of itself.
                        if self.peek(0).is_some_and(|b| b.is_ascii_lowercase()) {
                            self.at += 1;
                        }
                    }
                }
                b'X' => {
                    self.child(name);
                    // An operator of two small letters follows (`ad`: address of): no types.
                    let operator = (1..=2).all(|ahead| self.peek(ahead).is_some_and(|b| b.is_ascii_lowercase()));
                    self.open(Open::Other, if operator { 3 } else { 1 });
                }
                b'J' | b'F' | b'Z' => {
                    self.child(name);
                    self.open(Open::Other, 1);
                }
                b'U' if self.peek(1) == Some(b'l') => self.open(Open::Lambda, 2),
                b'E' => self.close(),
                b'S' => self.substitution(name),
                b'T' => self.template_parameter(name),
                b'D' => self.extended_type(name),
                b'A' => {
                    self.at += 1;
                    self.number();
                }
                // `…Ul…E_clEv`: the call operator of a lambda; its letters are no types.
                b'c' if self.text[self.at..].starts_with("clE")
                    && self.at > 0
                    && self.text.as_bytes()[self.at - 1] == b'_' =>
                {
                    self.at += 2;
                }
                b'a'..=b'z' => {
                    self.at += 1;
                    if let Some(builtin) = builtin(byte).filter(|_| !self.own_name()) {
                        self.child(name);
                        self.fill(name, builtin);
                        name.push_inner(builtin);
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Whether the name read so far is followed by template arguments or a function type.
    fn complete_with_type(&self, name: &Name<'_>) -> bool {
        self.cut || self.complete || !name.args.is_empty() || !self.stack.is_empty()
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn open(&mut self, what: Open, bytes: usize) {
        self.stack.push(what);
        self.at += bytes;
    }

    fn close(&mut self) {
        self.at += 1;
        let depth = self.stack.len();
        let closed = self.stack.pop();
        if self.own_list == Some(depth) {
            self.own_list = None;
        }
        if closed == Some(Open::Lambda) {
            let mark = self.at;
            self.number();
            if self.peek(0) == Some(b'_') { self.at += 1 } else { self.at = mark }
        }
    }

    /// Whether we stand where the parts of the function's own name stand.
    fn own_name(&self) -> bool {
        !self.complete && (self.stack.is_empty() || self.stack == [Open::Nested])
    }

    fn number(&mut self) -> usize {
        let mut value = 0_usize;
        while let Some(digit) = self.peek(0).filter(u8::is_ascii_digit) {
            value = value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            self.at += 1;
        }
        value
    }

    /// Reads `<length><identifier>`.
    fn word(&mut self, name: &mut Name<'a>) {
        let length = self.number();
        let from = self.at;
        let mut to = from.saturating_add(length);
        if !self.cut && to >= self.text.len() && self.text.ends_with('E') {
            to = self.text.len() - 1;
        }
        let to = self.text.floor_char_boundary(to.max(from));
        self.at = to;
        let Some(word) = self.text.get(from..to) else { return };
        let plausible = word.len() > 1 && !word.starts_with("_GLOBAL__N_");
        if !plausible {
            return;
        }
        if self.own_name() {
            if self.named {
                name.path.push(name.base);
            }
            name.base = word;
            name.args.clear();
            self.named = true;
        } else {
            self.child(name);
            self.fill(name, word);
            name.push_inner(word);
        }
    }

    /// A template argument of the function itself begins here, if this is the place for one.
    fn child(&mut self, name: &mut Name<'a>) {
        if self.own_list == Some(self.stack.len()) {
            if self.annotation {
                self.annotation = false;
            } else {
                name.push_arg("");
            }
        }
    }

    /// Gives the current template argument of the function itself its text.
    fn fill(&self, name: &mut Name<'a>, text: &'a str) {
        let Some(own) = self.own_list else { return };
        let depth = self.stack.len();
        let inside = matches!(self.stack.last(), Some(Open::Nested | Open::Literal));
        if (depth == own || (depth == own + 1 && inside))
            && let Some(argument) = name.args.last_mut()
        {
            *argument = text;
        }
    }

    /// `St` and `S1_`; `Sa`, `Ss` and kin.
    fn substitution(&mut self, name: &mut Name<'a>) {
        match self.peek(1) {
            // `St` stands before an identifier, which will count.
            Some(b't') => self.at += 2,
            Some(b'a' | b'b' | b's' | b'i' | b'o' | b'd') => {
                self.child(name);
                self.at += 2;
            }
            _ => {
                self.child(name);
                self.at += 1;
                while let Some(byte) = self.peek(0) {
                    if byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'_' {
                        self.at += 1;
                    } else {
                        break;
                    }
                    if byte == b'_' {
                        break;
                    }
                }
            }
        }
    }

    /// `T_`, `T0_`; `Tn<type>` before a non-type argument.
    fn template_parameter(&mut self, name: &mut Name<'a>) {
        self.at += 1;
        if matches!(self.peek(0), Some(b'n' | b'y' | b't' | b'p')) {
            self.annotation = self.peek(0) == Some(b'n');
            self.at += 1;
            return;
        }
        self.child(name);
        let mark = self.at;
        self.number();
        if self.peek(0) == Some(b'_') { self.at += 1 } else { self.at = mark }
    }

    /// `DF16b`, `DF16_`, `DB8_`, `DU8_`; other `D…` are steps that we need not know.
    fn extended_type(&mut self, name: &mut Name<'a>) {
        let kind = self.peek(1);
        self.at += 2;
        if !matches!(kind, Some(b'F' | b'B' | b'U' | b'v')) {
            return;
        }
        let bits = self.number();
        if matches!(self.peek(0), Some(b'_' | b'b' | b'x')) {
            let brain = self.peek(0) == Some(b'b');
            self.at += 1;
            let text = match (kind, bits, brain) {
                (Some(b'F'), 16, true) => "__bf16",
                (Some(b'F'), 16, false) => "_Float16",
                (Some(b'F'), 32, _) => "float",
                (Some(b'B' | b'U'), 8, _) => "fp8bits",
                _ => return,
            };
            self.child(name);
            self.fill(name, text);
            name.push_inner(text);
        }
    }
}

/// The builtin types that kernels take, by their letter.
fn builtin(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'a' => "int8",
        b'h' => "uint8",
        b'b' => "bool",
        b'c' => "char",
        b'd' => "double",
        b'f' => "float",
        b'i' => "int",
        b'j' => "uint",
        b'l' | b'x' => "long",
        b'm' | b'y' => "ulong",
        b's' => "short",
        b't' => "ushort",
        _ => return None,
    })
}
