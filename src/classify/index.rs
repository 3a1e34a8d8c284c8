//! Which file a kernel stands in: the kernels of an installation, by name.
//!
//! `profile-decode index` writes one, a report reads it, and a kernel that nothing else tells the source of is taken to stand
//! in the file that has its name. Lines of JSON, so that it can be read, cut and joined with any tool:
//!
//! ```text
//! {"profile_decode_index":1}
//! {"package":"vllm","version":"0.33.0","file":"vllm/v1/sample/x.py","language":"triton","kernels":["_topk_kernel"]}
//! ```
//!
//! A name is looked up by its base identifier, without the constants or the number that generators append. One that stands
//! in several files tells what these agree on ([`super::context`]).

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::name::{Form, Name};
use super::words;

/// The version of the format.
const VERSION: u32 = 1;
/// The most names of an index.
const MOST_NAMES: usize = 1 << 20;
/// The most files of one name that are compared.
const MOST_FILES: usize = 16;

/// The kernels of one file.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexedFile {
    /// The package that it is of, or the folder that was looked through.
    pub package: String,
    /// The package's version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its path from where packages are installed, or from the folder that was looked through.
    pub file: String,
    /// What its kernels are written in, where that is known: `triton`, `gluon`, `flydsl`, `tilelang`, `hip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Namespaces that it opens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Names of its kernels.
    pub kernels: Vec<String>,
}

/// What an index begins with.
#[derive(Serialize, Deserialize)]
struct Header {
    profile_decode_index: u32,
}

/// Why a text is no index.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The first line is not that of an index.
    #[error("line 1 is not that of an index: {{\"profile_decode_index\":{VERSION}}}")]
    Header,
    /// It is of another version.
    #[error("it is an index of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// A line is none.
    #[error("line {line}: {error}")]
    Line {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// It is longer than any installation's.
    #[error("it has more than {MOST_NAMES} names")]
    TooMany,
}

/// Files by the names of their kernels.
#[derive(Clone, Default, Debug)]
pub struct Index {
    files: Vec<IndexedFile>,
    names: FxHashMap<Box<str>, Vec<u32>>,
}

impl Index {
    /// The index of `files`. Names beyond the million are left out.
    #[must_use]
    pub fn new(files: Vec<IndexedFile>) -> Self {
        let mut names: FxHashMap<Box<str>, Vec<u32>> = FxHashMap::default();
        let mut left = MOST_NAMES;
        for (at, file) in files.iter().enumerate() {
            for kernel in file.kernels.iter().take(left) {
                let found = names.entry(Name::parse(kernel).base.into()).or_default();
                if found.len() < MOST_FILES && found.last() != Some(&(at as u32)) {
                    found.push(at as u32);
                }
            }
            left = left.saturating_sub(file.kernels.len());
        }
        Self { files, names }
    }

    /// Reads an index.
    ///
    /// # Errors
    /// The first line that is none of an index, or that there are too many names.
    pub fn parse(text: &str) -> Result<Self, IndexError> {
        let mut lines = text.lines().enumerate();
        let header: Option<Header> = lines.next().and_then(|(_, line)| serde_json::from_str(line).ok());
        match header.map(|header| header.profile_decode_index) {
            None => return Err(IndexError::Header),
            Some(VERSION) => {}
            Some(other) => return Err(IndexError::Version(other)),
        }
        let (mut files, mut names) = (Vec::new(), 0);
        for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let file: IndexedFile =
                serde_json::from_str(line).map_err(|error| IndexError::Line { line: at + 1, error })?;
            names += file.kernels.len();
            if names > MOST_NAMES {
                return Err(IndexError::TooMany);
            }
            files.push(file);
        }
        Ok(Self::new(files))
    }

    /// Its text, which [`parse`](Self::parse) reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{{\"profile_decode_index\":{VERSION}}}\n");
        for file in &self.files {
            // Strings and lists of strings are always JSON.
            text.push_str(&serde_json::to_string(file).unwrap_or_default());
            text.push('\n');
        }
        text
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &[IndexedFile] {
        &self.files
    }

    /// How many different names it has.
    #[must_use]
    pub fn names(&self) -> usize {
        self.names.len()
    }

    /// The files that may hold `name`.
    pub(super) fn of(&self, name: &Name<'_>) -> Vec<&IndexedFile> {
        let bare = name.form == Form::Bare;
        let stem = if bare { words::stem_and_tail(name.base).0 } else { name.base };
        let numbered = without_number(stem).filter(|_| bare).unwrap_or(stem);
        let found = [name.base, stem, numbered].into_iter().find_map(|key| self.names.get(key));
        let files = found.into_iter().flatten().map(|&at| &self.files[at as usize]);
        files.filter(|file| bare || fits(file, name)).collect()
    }
}

/// Whether a name of C++ can be of `file`: a name with `(` or `<` is no Python's, and its namespace is one that the file opens.
fn fits(file: &IndexedFile, name: &Name<'_>) -> bool {
    let python = matches!(file.language.as_deref(), Some("triton" | "gluon" | "flydsl" | "tilelang"));
    let inner = name.path.iter().rev().find(|space| !space.starts_with('('));
    !python && (file.namespaces.is_empty() || inner.is_none_or(|inner| file.namespaces.iter().any(|one| one == inner)))
}

/// FlyDSL numbers its kernels: `conv1d_kernel_0` of the function `conv1d_kernel`.
fn without_number(name: &str) -> Option<&str> {
    let (stem, number) = name.rsplit_once('_')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, language: &str, kernels: &[&str]) -> IndexedFile {
        IndexedFile {
            package: "acme".into(),
            file: path.into(),
            language: Some(language.into()),
            kernels: kernels.iter().map(|&name| name.to_owned()).collect(),
            ..IndexedFile::default()
        }
    }

    fn files(index: &Index, name: &str) -> Vec<String> {
        index.of(&Name::parse(name)).iter().map(|file| file.file.clone()).collect()
    }

    #[test]
    fn a_name_is_found_whatever_its_generator_appended_and_however_it_is_spelt() {
        let mut cpp = file("csrc/a.cu", "hip", &["bar"]);
        cpp.namespaces = vec!["foo".into()];
        let asm = file("hsa/x.co", "asm", &["_ZN5aiter8fmoe_f16E"]);
        let index = Index::new(vec![file("a/x.py", "triton", &["_zork", "bar"]), cpp, asm]);
        for name in ["_zork", "_zork.kd", "_zork_BLOCK_SIZE_M_64", "_zork_0"] {
            assert_eq!(files(&index, name), ["a/x.py"], "{name}");
        }
        for name in ["void foo::bar<int>(int)", "_ZN3foo3barIiEEvT_", "void bar<int>(int)"] {
            assert_eq!(files(&index, name), ["csrc/a.cu"], "{name}");
        }
        assert_eq!(files(&index, "bar"), ["a/x.py", "csrc/a.cu"], "a truncated name may be either's");
        assert_eq!(files(&index, "aiter::fmoe_f16"), ["hsa/x.co"]);
        for name in ["void other::bar<int>(int)", "zork", "", "_zork_x"] {
            assert!(files(&index, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_index_is_refused_with_its_line() {
        let index = Index::new(vec![file("a/\"x\".py", "triton", &["k"]), file("é.cu", "hip", &[])]);
        assert_eq!(Index::parse(&index.text()).unwrap().files(), index.files());
        let error = |text: &str| Index::parse(text).unwrap_err().to_string();
        assert!(error("").contains("line 1"));
        assert!(error("{\"profile_decode_index\":2}").contains("version 2"));
        assert!(error("{\"profile_decode_index\":1}\n\nzork").starts_with("line 3: "));
        assert!(error("{\"profile_decode_index\":1}\n{\"package\":\"a\"}").contains("file"));
    }
}
