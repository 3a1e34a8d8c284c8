//! Functions of C++ and HIP files that are `__global__`.
//!
//! Between `__global__` and the name stand attributes, macros with arguments, `static` and the type; the name is the last
//! identifier before the parameter list that is none of these.

use super::{Kernels, is_word};

const GLOBAL: &[u8] = b"__global__";
/// How far behind `__global__` a name is looked for.
const READ: usize = 1024;
/// The most namespaces of a file.
const MOST_NAMESPACES: usize = 64;

/// The kernels of a C++ file.
pub(super) fn kernels(text: &str) -> Kernels {
    let mut found = Kernels::default();
    let mut seen = rustc_hash::FxHashSet::default();
    for at in memchr::memmem::find_iter(text.as_bytes(), GLOBAL) {
        let rest = &text[at + GLOBAL.len()..];
        let name = name(&rest[..rest.floor_char_boundary(READ)]);
        if let Some(name) = name.filter(|name| seen.insert(name.to_owned())) {
            found.add("hip", name);
        }
    }
    if !found.by_language.is_empty() {
        found.namespaces = namespaces(text);
    }
    found
}

/// The name of the function that is declared behind `__global__`.
fn name(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut last: Option<&str> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            byte if is_word(byte) => {
                let from = at;
                at = bytes[from..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |length| from + length);
                last = Some(&text[from..at]);
                continue;
            }
            b'(' => match last {
                // An attribute or a macro: what is in its parentheses is passed over.
                Some(word) if !is_attribute(word) => return Some(word),
                _ => at = closing(bytes, at)?,
            },
            b'<' => at = closing(bytes, at)?,
            b'[' | b']' | b'*' | b'&' | b':' | b',' => {}
            byte if byte.is_ascii_whitespace() => {}
            // What else there is stands in no declaration.
            _ => return None,
        }
        at += 1;
    }
    None
}

/// Whether parentheses behind the word are no parameter list: `__launch_bounds__(256)`, `LAUNCH_BOUNDS(256)`.
fn is_attribute(word: &str) -> bool {
    let macro_like = word.len() > 3 && !word.bytes().any(|byte| byte.is_ascii_lowercase()) && word.contains('_');
    word.starts_with("__") || macro_like
}

/// Where the bracket that opens at `from` is closed. Within parentheses `<` and `>` compare.
fn closing(bytes: &[u8], from: usize) -> Option<usize> {
    let round = bytes[from] == b'(';
    let (mut angles, mut rounds) = (0_u32, 0_u32);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' => rounds += 1,
            b')' => rounds = rounds.checked_sub(1)?,
            b'<' if rounds == 0 => angles += 1,
            b'>' if rounds == 0 => angles = angles.checked_sub(1)?,
            _ => continue,
        }
        if rounds == 0 && (round || angles == 0) {
            return Some(at);
        }
    }
    None
}

/// The namespaces that the file opens: `namespace a::b {`.
fn namespaces(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for at in memchr::memmem::find_iter(text.as_bytes(), b"namespace ") {
        let rest = &text[at + "namespace ".len()..];
        let end = rest.bytes().position(|byte| !(is_word(byte) || byte == b':')).unwrap_or(rest.len());
        if !rest[end..].trim_start().starts_with('{') {
            continue;
        }
        for name in rest[..end].split("::").filter(|name| !name.is_empty()) {
            if found.len() < MOST_NAMESPACES && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_kernel_is_found_behind_attributes_and_macros() {
        for (text, expected) in [
            (" void a(int* x) {", Some("a")),
            (" void __launch_bounds__(256, 2)\n    b(const T* __restrict__ x)", Some("b")),
            (" __launch_bounds__(Traits::kThreads) static void c<int>(P p)", Some("c")),
            (" void LAUNCH_BOUNDS(1024) d()", Some("d")),
            (" __attribute__((amdgpu_waves_per_eu(2))) void e(X<a, b(1)> x)", Some("e")),
            (" std::enable_if_t<(N > 1), void> f(int)", Some("f")),
            ("; // nothing", None),
            ("", None),
            (" void é(", None),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_tells_its_kernels_once_and_its_namespaces() {
        let found = kernels(
            "namespace foo::bar {\nusing namespace std;\ntemplate <int N> __global__ void k(int);\n__global__ void k(int) {}\n}",
        );
        assert_eq!(found.by_language.get("hip").map(|names| names.join(" ")).as_deref(), Some("k"));
        assert_eq!(found.namespaces, ["foo", "bar"]);
    }
}
