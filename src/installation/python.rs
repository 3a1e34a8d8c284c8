//! Functions of Python files that a compiler makes kernels of, told by their decorators.
//!
//! Read line by line, as a person would look for them; what a line means within a string or a macro is not asked. Triton
//! (`@triton.jit`, or `@jit` where it was imported) and Gluon (`@gluon.jit`) name kernels after the function, FlyDSL
//! (`@flyc.kernel`) appends a number, TileLang (`@T.prim_func`) appends `_kernel`.

use rustc_hash::FxHashSet;

use super::{Kernels, is_word};

/// The most identifiers that are remembered as launched.
const MOST_LAUNCHED: usize = 1 << 20;

/// The kernels of a Python file.
pub(super) fn kernels(text: &str) -> Kernels {
    let mut found = Kernels::default();
    if !["jit", "flyc", "prim_func"].iter().any(|mark| memchr::memmem::find(text.as_bytes(), mark.as_bytes()).is_some())
    {
        return found;
    }
    let plain = text.contains("from triton import jit").then_some("triton");
    let mut pending = None;
    for line in text.lines().map(str::trim_start) {
        if let Some(decorator) = line.strip_prefix('@') {
            pending = language(decorator.trim_start(), plain).or(pending);
        } else if let Some(rest) = line.strip_prefix("def ").or_else(|| line.strip_prefix("async def ")) {
            let name = identifier(rest.trim_start());
            match pending.take() {
                Some("tilelang") => found.add("tilelang", &format!("{name}_kernel")),
                Some(language) if !name.is_empty() => found.add(language, name),
                _ => {}
            }
        } else if line.starts_with("class ") {
            pending = None;
        }
    }
    found
}

/// What a decorator makes of its function.
fn language(decorator: &str, plain: Option<&'static str>) -> Option<&'static str> {
    let path = decorator.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).next()?;
    let (module, function) = path.rsplit_once('.').unwrap_or(("", path));
    match (module.rsplit('.').next().unwrap_or(module), function) {
        ("triton" | "tl", "jit") => Some("triton"),
        ("gluon" | "ttgl", "jit") => Some("gluon"),
        ("flyc" | "flydsl", "kernel") => Some("flydsl"),
        ("T" | "tilelang", "prim_func") => Some("tilelang"),
        ("", "jit") => plain,
        _ => None,
    }
}

/// Notes every identifier that is followed by a bracket: `kernel[grid](…)`.
pub(super) fn launched(text: &str, found: &mut FxHashSet<Box<str>>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'[', bytes) {
        let from = bytes[..at].iter().rposition(|byte| !is_word(*byte)).map_or(0, |before| before + 1);
        // Identifiers are ASCII, so these are borders of characters.
        if from < at && found.len() < MOST_LAUNCHED && !found.contains(&text[from..at]) {
            found.insert(text[from..at].into());
        }
    }
}

/// The identifier that `text` begins with.
fn identifier(text: &str) -> &str {
    &text[..text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_kernels_by_their_decorators_whatever_stands_between() {
        let text = "\
import triton\n\
@triton.autotune(\n    configs=[],\n    key=['M'],\n)\n@triton.jit(\n    do_not_specialize=['n'],\n)\ndef _a(x, n):\n    pass\n\
@gluon.jit\ndef _b(x):\n    pass\n\
def host():\n    _a[(1,)](x)\n\
class K:\n    @flyc.kernel\n    def c(self):\n        pass\n\
@T.prim_func\ndef main(A):\n    pass\n\
@functools.lru_cache\ndef cached():\n    pass\n";
        let found = kernels(text);
        let names: Vec<_> = found.by_language.iter().map(|(language, names)| (*language, names.join(" "))).collect();
        let expected = [("flydsl", "c"), ("gluon", "_b"), ("tilelang", "main_kernel"), ("triton", "_a")];
        assert_eq!(names, expected.map(|(language, names)| (language, names.to_owned())));
        let mut indexed = FxHashSet::default();
        launched(text, &mut indexed);
        assert!(indexed.contains("_a") && !indexed.contains("_b"));
        launched("é[1] [2] x[", &mut indexed);
        assert!(indexed.contains("x"));
    }

    #[test]
    fn a_decorator_of_another_trade_makes_no_kernel() {
        for text in
            ["@torch.jit.script\ndef f(): pass", "@numba.jit\ndef f(): pass", "jit\ndef f(): pass", "@jit\ndef f(): 1"]
        {
            assert_eq!(kernels(text), Kernels::default(), "{text}");
        }
        assert_ne!(kernels("from triton import jit\n@jit\ndef f(): 1"), Kernels::default());
    }
}
