//! A run as the user names it: files, and directories that hold the files of all its ranks.
//!
//! A directory is one run: everything in it that can be read is read, and what cannot is said. Three things must not
//! happen: a rank counted twice because its trace is there in several formats or once more in a merged file, a file of
//! another phase (graph capture) mixed in, or our own exports read back beside the capture they were made from.
//! The first is told by content: two ranks whose dispatches agree in number, sum and both ends are the same.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::kineto::numbered;
use super::limits::{Limits, Reached};
use super::open::failure;
use super::sniff::{self, Kind};
use super::{Error, ErrorKind, captures, file, open, rocprofv3};
use crate::model::{Mark, TraceBuilder};
use crate::wire;

/// How deep directories are searched: rocprofv3 nests by host, ATOM by rank.
const MAX_DEPTH: usize = 4;

/// How many files of a directory are looked at.
const MAX_FILES: usize = 10_000;

/// What was read so far, to see when it comes again.
pub(super) struct Run {
    /// With the rank numbers that were told.
    seen: HashMap<Signature, Vec<Option<u32>>>,
    /// Files that hold dispatches, with the positions of these.
    files: Vec<(PathBuf, Range<usize>)>,
    /// Files that belong to another run.
    left_out: HashSet<PathBuf>,
    limits: Limits,
}

/// By what the dispatches of one GPU are known again: how many, how long together, and when the first started and the
/// last ended.
type Signature = (usize, u128, i64, i64);

impl Run {
    /// Nothing yet, and no more than `limits` allow.
    pub(super) fn new(limits: Limits) -> Self {
        Self { seen: HashMap::new(), files: Vec::new(), left_out: HashSet::new(), limits }
    }

    /// The run without the files that are `left_out`.
    pub(super) fn without(self, left_out: HashSet<PathBuf>) -> Self {
        Self { left_out, ..self }
    }

    /// The files that were read and hold dispatches, with the positions of these.
    pub(super) fn files(&self) -> &[(PathBuf, Range<usize>)] {
        &self.files
    }

    /// Reads one path that the user named.
    pub(super) fn read(&mut self, path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
        let metadata = fs::metadata(path).map_err(|error| failure(path, &error))?;
        if metadata.is_dir() { self.directory(path, builder) } else { self.file(path, builder) }
    }

    fn file(&mut self, path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
        if self.left_out.contains(path) {
            return Ok(());
        }
        let mark = builder.mark();
        let first = builder.dispatches();
        file::read(path, self.limits, builder)?;
        self.check(path, builder)?;
        if let Some(rank) = builder.lone_rank_since(mark) {
            rank.number = rank.number.or_else(|| rank_of_path(path));
        }
        let signatures = signatures(mark, builder);
        if !signatures.is_empty() && signatures.iter().all(|gpu| self.holds(gpu)) {
            builder.rollback(mark);
            let text = format!("{}: holds what another input holds already; not counted twice", path.display());
            builder.warn("same-twice", text);
        } else if builder.dispatches() > first {
            self.files.push((path.to_owned(), first..builder.dispatches()));
        }
        for (signature, number) in signatures {
            self.seen.entry(signature).or_default().push(number);
        }
        Ok(())
    }

    /// Whether a GPU with such dispatches was read already: ranks of other numbers may well have like ones.
    fn holds(&self, (signature, number): &(Signature, Option<u32>)) -> bool {
        let same = |known: &Option<u32>| known.is_none() || number.is_none() || known == number;
        self.seen.get(signature).is_some_and(|numbers| numbers.iter().any(same))
    }

    /// Whether `path` brought no more than is allowed.
    fn check(&self, path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
        let Limits { records, names, ranks, .. } = self.limits;
        let size = builder.size();
        let all = [
            (size.records, records, "dispatches, copies, calls and ranges", "records"),
            (size.names, names, "distinct names", "names"),
            (size.ranks, ranks, "GPUs", "ranks"),
        ];
        match all.into_iter().find(|(count, limit, ..)| count > limit) {
            Some((_, limit, what, name)) => {
                let reached = Reached { what, limit, name };
                Err(Error::new(ErrorKind::TooLarge, path, reached.to_string()))
            }
            None => Ok(()),
        }
    }

    fn directory(&mut self, directory: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
        let mut found = Found::default();
        found.search(directory, 0).map_err(|error| failure(directory, &error))?;
        let (mut skipped, mut refusals) = (Vec::new(), Vec::new());
        let mut failures: Vec<Error> = Vec::new();
        let mut read = 0;
        for path in found.inputs() {
            match self.file(&path, builder) {
                Ok(()) => read += 1,
                Err(error) if error.kind == ErrorKind::TooLarge => return Err(error),
                Err(error) if error.kind == ErrorKind::UnknownFormat => {
                    refusals.push(error);
                    skipped.push(path);
                }
                Err(error) => failures.push(error),
            }
        }
        if read == 0 {
            refusals.retain(|error| error.says_what_it_is());
            // What is broken says more than what is not read, and that more than what is empty.
            let (empty, broken): (Vec<Error>, Vec<Error>) =
                failures.into_iter().partition(|error| error.kind == ErrorKind::Empty);
            return Err(broken.into_iter().chain(refusals).chain(empty).next().unwrap_or_else(|| {
                Error::new(ErrorKind::UnknownFormat, directory, "there is no trace in this directory")
                    .hint("give a trace file, or the directory that a profiler wrote its traces to")
            }));
        }
        for error in failures {
            let code = if error.kind == ErrorKind::Empty { "no-gpu-work" } else { "unreadable-file" };
            builder.warn(code, error.to_string());
        }
        found.report(directory, &skipped, builder);
        Ok(())
    }
}

/// The rank that the name of a file tells, or of a directory that it is in: rocprofv3 puts the host's between.
fn rank_of_path(path: &Path) -> Option<u32> {
    let names = path.ancestors().take(3).filter_map(Path::file_name);
    names.filter_map(|name| numbered(&name.to_string_lossy().to_ascii_lowercase(), "rank")).next()
}

/// Signature and rank number of each GPU that dispatches were added for since `mark`.
fn signatures(mark: Mark, builder: &TraceBuilder) -> Vec<(Signature, Option<u32>)> {
    let mut gpus: Vec<Option<Signature>> = Vec::new();
    let (dispatches, streams) = builder.dispatches_since(mark);
    for dispatch in dispatches {
        let gpu = streams[dispatch.stream.index()].rank.index();
        if gpus.len() <= gpu {
            gpus.resize(gpu + 1, None);
        }
        let (count, sum, first, last) = gpus[gpu].get_or_insert((0, 0, i64::MAX, i64::MIN));
        *count += 1;
        *sum += u128::from(dispatch.span.duration_ns());
        *first = dispatch.span.start_ns.min(*first);
        *last = dispatch.span.end_ns.max(*last);
    }
    let ranks = builder.so_far().ranks.iter().map(|rank| rank.number);
    gpus.into_iter().zip(ranks).filter_map(|(signature, number)| Some((signature?, number))).collect()
}

/// What a directory holds.
#[derive(Default)]
struct Found {
    /// Files, with what their first bytes are.
    files: Vec<(Option<Kind>, PathBuf)>,
    /// Directories and files of another phase: graph capture.
    other_phase: Vec<PathBuf>,
    too_many: bool,
}

impl Found {
    fn search(&mut self, directory: &Path, depth: usize) -> std::io::Result<()> {
        let mut entries: Vec<PathBuf> = fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
        entries.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if (metadata.is_dir() && captures::is_directory(&name)) || (metadata.is_file() && captures::is_file(&name))
            {
                self.other_phase.push(path);
            } else if metadata.is_dir() && depth < MAX_DEPTH {
                // A directory that may not be entered is like one that is not there.
                let _ = self.search(&path, depth + 1);
            } else if metadata.is_file() && !rocprofv3::csv::is_sibling(&path) {
                if self.files.len() == MAX_FILES {
                    self.too_many = true;
                    return Ok(());
                }
                self.files.push((kind(&path), path));
            }
        }
        Ok(())
    }

    /// The number of the last window that was captured into the directory; `None` if there is but one, or none.
    fn last_window(&self) -> Option<u32> {
        let windows: BTreeSet<u32> = self.files.iter().filter_map(|(_, path)| wire::window(path)).collect();
        if windows.len() > 1 { windows.last().copied() } else { None }
    }

    /// The files to read: our own captures alone where there are any, of the last window, else all, the formats that say
    /// most first.
    fn inputs(&self) -> Vec<PathBuf> {
        let captures = self.files.iter().any(|(kind, _)| *kind == Some(Kind::Capture));
        let last = self.last_window();
        let order = |kind: Option<Kind>| match kind {
            Some(Kind::Sqlite) => 0,
            Some(Kind::Json) => 1,
            _ => 2,
        };
        let mut inputs: Vec<_> =
            self.files.iter().filter(|(kind, _)| !captures || *kind == Some(Kind::Capture)).collect();
        inputs.retain(|(_, path)| last.is_none() || wire::window(path) == last);
        inputs.sort_by_key(|(kind, _)| order(*kind));
        inputs.into_iter().map(|(_, path)| path.clone()).collect()
    }

    /// Says what was left out.
    fn report(&self, directory: &Path, skipped: &[PathBuf], builder: &mut TraceBuilder) {
        for path in &self.other_phase {
            let text = format!("{}: of graph capture, not of serving: no rank of the run", path.display());
            builder.warn("other-phase", text);
        }
        if let Some(last) = self.last_window() {
            let text = format!(
                "{}: of several windows the last, {last}, is reported; name the files of another to see it",
                directory.display()
            );
            builder.warn("other-windows", text);
        }
        if self.too_many {
            let text = format!("{}: only the first {MAX_FILES} files were looked at", directory.display());
            builder.warn("too-many-files", text);
        }
        if let [first, ..] = skipped {
            let more = if skipped.len() > 1 { " and others" } else { "" };
            let name = first.strip_prefix(directory).unwrap_or(first).display();
            let count = skipped.len();
            let text = format!("{}: {count} files are no traces and were skipped: {name}{more}", directory.display());
            builder.warn("files-skipped", text);
        }
    }
}

/// What the first bytes of `path` are, if it can be opened.
fn kind(path: &Path) -> Option<Kind> {
    let chunks = open::open(path, Limits::default()).ok()?;
    Some(sniff::sniff(chunks.data()))
}

/// Orders names as people do: `rank2` before `rank10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (in_a, in_b) = (digits(a), digits(b));
        if in_a > 0 && in_b > 0 {
            let (left, right) = (a[..in_a].trim_start_matches('0'), b[..in_b].trim_start_matches('0'));
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[in_a..], &b[in_b..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(left), Some(right)) if left == right => {
                (a, b) = (&a[left.len_utf8()..], &b[right.len_utf8()..]);
            }
            (left, right) => return left.cmp(&right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_told_by_the_file_or_by_the_directories_around_it() {
        for (path, rank) in [
            ("out/rank_3/node7/4711_kernel_trace.csv", Some(3)),
            ("run/rank2_results.db", Some(2)),
            ("run/rank_0/4711_results.json", Some(0)),
            ("run-tp8/node7/4711_kernel_trace.csv", None),
            ("rank5/a/b/4711_results.db", None),
            ("frank3.rpd", None),
        ] {
            assert_eq!(rank_of_path(Path::new(path)), rank, "{path}");
        }
    }

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["rank10.json", "rank2.json", "a", "rank02b", "rank1.json"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "rank1.json", "rank2.json", "rank02b", "rank10.json"]);
    }
}
