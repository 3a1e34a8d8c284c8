//! Reading below a root, within bounds.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::door;
use crate::model::{Around, Fact, FactKind, TunedTable};

/// Most facts, and the most bytes of each of their parts.
const FACTS: usize = 2_000;
const FACT_BYTES: usize = 200;
/// Most entries of a directory that are looked at, and of all directories together.
const ENTRIES: usize = 4_096;
const ALL_ENTRIES: usize = 50_000;

/// Reads, and keeps what was found.
pub(super) struct Looker {
    root: PathBuf,
    begun: Instant,
    at_most: Duration,
    entries_left: std::cell::Cell<usize>,
    cut: std::cell::Cell<bool>,
    found: Around,
}

impl Looker {
    pub(super) fn new(root: &Path, at_most: Duration) -> Self {
        Self {
            root: root.to_owned(),
            begun: Instant::now(),
            at_most,
            entries_left: std::cell::Cell::new(ALL_ENTRIES),
            cut: std::cell::Cell::new(false),
            found: Around::default(),
        }
    }

    /// Where an absolute path is.
    fn below(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether there is time left; what is not looked at for want of it is said.
    pub(super) fn has_time(&self) -> bool {
        let has = self.begun.elapsed() < self.at_most;
        if !has {
            self.cut.set(true);
        }
        has
    }

    /// The first bytes of a file; `None` if it cannot be read.
    pub(super) fn bytes(&self, path: impl AsRef<Path>, limit: u64) -> Option<Vec<u8>> {
        if !self.has_time() {
            return None;
        }
        let mut bytes = Vec::new();
        door::open(&self.below(path.as_ref())).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The same as text, without white space around it; `None` if there is none.
    pub(super) fn text(&self, path: impl AsRef<Path>, limit: u64) -> Option<String> {
        let bytes = self.bytes(path, limit)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// A number that is all that a file holds.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path, 64)?.parse().ok()
    }

    /// Where a link leads.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.below(path.as_ref())).ok()
    }

    /// The size of a file.
    pub(super) fn size(&self, path: impl AsRef<Path>) -> Option<u64> {
        fs::metadata(self.below(path.as_ref())).ok().map(|found| found.len())
    }

    pub(super) fn is_directory(&self, path: impl AsRef<Path>) -> bool {
        self.below(path.as_ref()).is_dir()
    }

    /// Names in a directory, sorted; none if it cannot be read.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        if !self.has_time() {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir(self.below(path.as_ref())) else { return Vec::new() };
        let room = ENTRIES.min(self.entries_left.get());
        let mut names: Vec<String> =
            entries.flatten().take(room + 1).filter_map(|entry| entry.file_name().into_string().ok()).collect();
        if names.len() > room {
            self.cut.set(true);
            names.truncate(room);
        }
        self.entries_left.set(self.entries_left.get() - names.len());
        names.sort_unstable();
        names
    }

    /// Keeps a fact.
    pub(super) fn fact(&mut self, kind: FactKind, name: &str, value: impl Into<String>) {
        let short = |text: &str| text.chars().take(FACT_BYTES).filter(|c| !c.is_control()).collect::<String>();
        let fact = Fact { kind, name: short(name), value: short(&value.into()) };
        if self.found.facts.len() < FACTS {
            self.found.facts.push(fact);
        } else {
            self.cut.set(true);
        }
    }

    /// Keeps a tuned table.
    pub(super) fn table(&mut self, table: TunedTable) {
        self.found.tables.push(table);
    }

    /// What was found.
    pub(super) fn finish(mut self) -> Around {
        self.found.facts.sort();
        self.found.facts.dedup();
        self.found.cut = self.cut.get();
        self.found.took_ns = Some(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.found
    }
}

/// A hash of bytes, the same everywhere and always: FNV-1a over words of 8 bytes. It tells files apart and keeps no secret.
pub(super) fn hash(bytes: &[u8], seed: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^ (hash >> 29)
    };
    let hash = words.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, &byte| mix(hash, u64::from(byte) + 1))
}
