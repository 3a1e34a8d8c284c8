//! Where a code object came from, as the loader says: `memory://PID#offset=N&size=N` or `file:///PATH#offset=N&size=N`.
//!
//! Source: LLVM's AMDGPU guide, "Loaded Code Object Path Uniform Resource Identifier (URI)": offset and size may be missing, numbers
//! are decimal, octal or hexadecimal as in C, and bytes of a path may be escaped by `%`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A code object's URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Uri {
    /// In the memory of the process.
    Memory,
    /// In a file, or a part of it.
    File {
        /// The file.
        path: PathBuf,
        /// Where in it the object begins.
        offset: u64,
        /// How long it is; `None`: to the end of the file.
        size: Option<u64>,
    },
}

impl Uri {
    /// Reads a URI; `None` if it is of neither kind.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with("memory:") {
            return Some(Self::Memory);
        }
        let rest = text.strip_prefix("file://")?;
        let (path, fragment) = match rest.rsplit_once(['#', '?']) {
            Some((path, fragment)) if fragment.contains('=') => (path, fragment),
            _ => (rest, ""),
        };
        let value = |name: &str| {
            let of = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=').and_then(number);
            fragment.split('&').find_map(of)
        };
        let path = PathBuf::from(OsString::from_vec(unescaped(path)));
        Some(Self::File { path, offset: value("offset").unwrap_or(0), size: value("size").filter(|&size| size > 0) })
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

fn unescaped(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_files_tell_path_offset_and_size() {
        let file = |path: &str, offset, size| Some(Uri::File { path: path.into(), offset, size });
        for (text, expected) in [
            ("memory://11483#offset=0x7f68b9878000&size=68128", Some(Uri::Memory)),
            ("file:///opt/x/y.co", file("/opt/x/y.co", 0, None)),
            ("file:///opt/my%20lib.so#offset=8192&size=0x100", file("/opt/my lib.so", 8192, Some(256))),
            ("file:///a#b.so#offset=010", file("/a#b.so", 8, None)),
            ("file:///a%zz#size=0&offset=x", file("/a%zz", 0, None)),
            ("http://x", None),
            ("", None),
        ] {
            assert_eq!(Uri::read(text), expected, "{text}");
        }
    }
}
