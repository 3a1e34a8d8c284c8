//! Readable names, in bounded time.
//!
//! Classification does not need these; people do. cpp_demangle reads most names; it gives up on AMD's vendor types
//! (`DB8_`) and on `Tn` template parameters, and a hostile name could make any demangler write megabytes. So long or
//! deeply nested names are not given to it, its output is bounded, and what it refuses is shown as the qualified name
//! that the length-prefix reader found.

use super::name::{Form, Name};

/// Longer names are not demangled: the longest in use are below this.
const LONGEST: usize = 16 * 1024;
/// More `I` and `N` than this is not a kernel anybody wrote; nesting costs stack.
const DEEPEST: usize = 64;

/// The readable form of a mangled name, or `None` for a name that is readable already.
pub(super) fn readable(name: &Name<'_>) -> Option<String> {
    if !name.text.starts_with("_Z") {
        return None;
    }
    // aiter's assembly and the like: `_ZN5aiter…E`. Faster than a demangler, and right where its length is wrong.
    if name.form == Form::Variable {
        return Some(qualified(name));
    }
    if name.text.len() <= LONGEST
        && nesting(name.text) <= DEEPEST
        && let Some(text) = demangled(name.text)
    {
        return Some(text);
    }
    let arguments = if name.args.is_empty() { "" } else { "<…>" };
    Some(format!("{}{arguments}(…)", qualified(name)))
}

fn qualified(name: &Name<'_>) -> String {
    let mut text = String::with_capacity(name.text.len());
    for part in name.path.iter().chain([&name.base]) {
        if !text.is_empty() {
            text.push_str("::");
        }
        text.push_str(part);
    }
    text
}

fn demangled(text: &str) -> Option<String> {
    let options = cpp_demangle::DemangleOptions::default().recursion_limit(160);
    let parse = cpp_demangle::ParseOptions::default().recursion_limit(160);
    let symbol = cpp_demangle::Symbol::new_with_options(text, &parse).ok()?;
    let mut out = Bounded { text: String::with_capacity(4 * text.len()), left: 4 * LONGEST };
    symbol.structured_demangle(&mut out, &options).ok()?;
    Some(out.text)
}

/// An upper bound of how deep the brackets of a mangled name nest.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'I' | b'N' | b'J' | b'X' | b'L' | b'F' | b'Z' => depth += 1,
            b'E' => depth = depth.saturating_sub(1),
            digit if digit.is_ascii_digit() => {
                // Identifiers are stepped over: their letters open nothing.
                let mut length = 0_usize;
                while at < bytes.len() && bytes[at].is_ascii_digit() {
                    length = length.saturating_mul(10).saturating_add(usize::from(bytes[at] - b'0'));
                    at += 1;
                }
                if bytes.get(at).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
                    at = at.saturating_add(length);
                }
                continue;
            }
            _ => {}
        }
        deepest = deepest.max(depth);
        at += 1;
    }
    deepest
}

/// Refuses to grow without bound: substitutions let a short name expand exponentially.
struct Bounded {
    text: String,
    left: usize,
}

impl cpp_demangle::DemangleWrite for Bounded {
    fn write_string(&mut self, text: &str) -> std::fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}
