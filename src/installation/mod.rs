//! What kernels an installation holds: their names, files and packages, found without running anything of it.
//!
//! A trace gives names, and a name such as `_kv_kernel` tells nothing; the file that defines it does, and it is on the
//! user's disk. So trees of Python packages and repositories are looked through for what becomes a kernel:
//!
//! | file | what is looked for |
//! |---|---|
//! | `.py` | functions under `@triton.jit`, `@gluon.jit`, `@flyc.kernel`, `@T.prim_func` ([`python`]) |
//! | `.cu`, `.hip`, headers | functions that are `__global__` ([`cpp`]) |
//! | `.co`, `.hsaco`, `.so` | symbols of kernels and of their host stubs, and the code objects in shared objects ([`elf`]) |
//! | `.csv` | mangled names in the column of kernels of a tuned table |
//!
//! A file is read as text and never imported. What is on the disk may be anything, so everything is bounded ([`Limits`]), links
//! are not followed, and what cannot be read is counted and left out.

mod cpp;
mod elf;
mod packages;
mod python;
mod walk;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use crate::classify::{Index, IndexedFile};
use crate::door;
use packages::Packages;

/// What looking through an installation may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Files and folders looked at.
    pub entries: usize,
    /// How deep folders may nest.
    pub depth: usize,
    /// Bytes of one text file; a longer one is left out.
    pub text: u64,
    /// Bytes of text read in all.
    pub bytes: u64,
    /// Kernels found in all, and in one file.
    pub kernels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1 << 20, depth: 32, text: 8 << 20, bytes: 8 << 30, kernels: 1 << 20 }
    }
}

/// The most kernels of one file.
const MOST_OF_A_FILE: usize = 1 << 16;

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Files that hold kernels, by package and path.
    pub files: Vec<IndexedFile>,
    /// Files that hold what this looks for and could not be read.
    pub unreadable: usize,
    /// Shared objects with code objects that could not be read: of these host stubs alone tell.
    pub partly: usize,
    /// The limit that ended the search, if one did.
    pub cut: Option<&'static str>,
}

impl Scan {
    /// The index of what was found.
    #[must_use]
    pub fn into_index(self) -> Index {
        Index::new(self.files)
    }
}

/// What one file holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kernels {
    /// Names by language.
    by_language: BTreeMap<&'static str, Vec<String>>,
    namespaces: Vec<String>,
    /// Parts that could not be read.
    unread: usize,
}

impl Kernels {
    fn add(&mut self, language: &'static str, name: &str) {
        let names = self.by_language.entry(language).or_default();
        if names.len() < MOST_OF_A_FILE {
            names.push(name.to_owned());
        }
    }
}

/// Looks through `roots`: folders in which packages are installed, or repositories.
///
/// # Errors
/// If one of `roots` is no folder that can be read.
pub fn scan(roots: &[PathBuf], limits: &Limits) -> io::Result<Scan> {
    let mut search = Search { limits: *limits, scan: Scan::default(), left: *limits, launched: FxHashSet::default() };
    let mut entries = limits.entries;
    for root in roots {
        std::fs::read_dir(root)?;
        let packages = Packages::of(root);
        walk::files(root, limits, &mut entries, |path| search.file(path, root, &packages));
    }
    if entries == 0 {
        search.scan.cut = search.scan.cut.or(Some("entries"));
    }
    Ok(search.finish())
}

struct Search {
    limits: Limits,
    /// What is left of them.
    left: Limits,
    scan: Scan,
    /// Identifiers that Python code indexes: `kernel[grid](…)` launches.
    launched: FxHashSet<Box<str>>,
}

impl Search {
    /// Looks into one file; `false` where nothing more may be read.
    fn file(&mut self, path: &Path, root: &Path, packages: &Packages) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let shared = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains(".so."));
        let found = match extension {
            "py" => self.text(path).map(|text| {
                python::launched(&text, &mut self.launched);
                python::kernels(&text)
            }),
            "cu" | "cuh" | "hip" | "h" | "hpp" | "cpp" | "cc" | "inc" => {
                self.text(path).map(|text| cpp::kernels(&text))
            }
            "csv" => self.text(path).map(|text| tuned(&text)),
            "co" | "hsaco" => door::open(path).ok().and_then(|file: File| elf::kernels(&file, None)),
            _ if extension == "so" || shared => door::open(path).ok().and_then(|file| elf::kernels(&file, Some("hip"))),
            _ => return true,
        };
        let Some(found) = found else {
            self.scan.unreadable += 1;
            return true;
        };
        self.scan.partly += usize::from(found.unread > 0);
        let relative = path.strip_prefix(root).unwrap_or(path);
        for (language, kernels) in found.by_language {
            self.left.kernels = self.left.kernels.saturating_sub(kernels.len());
            let (package, version) = packages.of_file(relative);
            self.scan.files.push(IndexedFile {
                file: packages.path(relative),
                package,
                version,
                language: (!language.is_empty()).then(|| language.to_owned()),
                namespaces: if language == "hip" { found.namespaces.clone() } else { Vec::new() },
                kernels,
            });
        }
        let cut = [(self.left.kernels == 0, "kernels"), (self.left.bytes == 0, "bytes")];
        self.scan.cut = cut.into_iter().find_map(|(reached, limit)| reached.then_some(limit));
        self.scan.cut.is_none()
    }

    /// The text of a file, if it may be read and is one.
    fn text(&mut self, path: &Path) -> Option<String> {
        let length = path.symlink_metadata().ok()?.len();
        if length > self.limits.text {
            return None;
        }
        self.left.bytes = self.left.bytes.saturating_sub(length);
        door::read_text(path, self.limits.text).ok()
    }

    /// Functions that no Python code launches are parts of kernels: they are left out, unless nothing of their file is launched,
    /// which is then done under another name.
    fn finish(mut self) -> Scan {
        for file in &mut self.scan.files {
            if !matches!(file.language.as_deref(), Some("triton" | "gluon")) {
                continue;
            }
            if file.kernels.iter().any(|name| self.launched.contains(&**name)) {
                file.kernels.retain(|name| self.launched.contains(&**name));
            }
        }
        self.scan.files.retain(|file| !file.kernels.is_empty());
        let key = |file: &IndexedFile| (file.package.clone(), file.file.clone(), file.language.clone());
        self.scan.files.sort_by_cached_key(key);
        self.scan.files.dedup();
        self.scan
    }
}

/// Mangled names in the columns of a tuned table that are called after kernels. What has another form there is a key by
/// which aiter looks a kernel up, and no kernel's name.
fn tuned(text: &str) -> Kernels {
    let mut found = Kernels::default();
    let mut lines = text.lines();
    let columns: Vec<usize> = lines
        .next()
        .into_iter()
        .flat_map(|line| line.split(',').enumerate())
        .filter(|(_, column)| column.trim().to_ascii_lowercase().starts_with("kernelname"))
        .map(|(at, _)| at)
        .collect();
    let mut seen = FxHashSet::default();
    for line in lines.filter(|_| !columns.is_empty()) {
        for (_, cell) in line.split(',').enumerate().filter(|(at, _)| columns.contains(at)) {
            let name = cell.trim().trim_matches('"');
            if name.starts_with("_ZN") && seen.insert(name) {
                found.add("asm", name);
            }
        }
    }
    found
}

/// Whether a byte may be part of an identifier.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
