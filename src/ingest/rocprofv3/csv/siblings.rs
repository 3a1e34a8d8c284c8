//! The files of one process, which belong together by what their names begin with.

use std::path::{Path, PathBuf};

/// Tables other than the kernel trace that are read, as their files' names end.
const SIBLINGS: [&str; 8] = [
    "agent_info",
    "hip_api_trace",
    "hip_runtime_api_trace",
    "hip_runtime_trace",
    "hip_trace",
    "marker_api_trace",
    "marker_trace",
    "memory_copy_trace",
];

/// The files that belong to the kernel trace at `path`, by their names.
pub(super) fn siblings(path: &Path) -> Vec<PathBuf> {
    let Some(prefix) = prefix(path) else { return Vec::new() };
    let candidates = SIBLINGS.iter().flat_map(|kind| {
        let name = format!("{prefix}{kind}.csv");
        [path.with_file_name(&name), path.with_file_name(name + ".gz")]
    });
    candidates.filter(|candidate| candidate.is_file()).collect()
}

/// What the names of one process's files begin with, `12_` for `12_kernel_trace.csv`, if `path` is one by its name.
pub(in crate::ingest) fn prefix(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    let kinds = SIBLINGS.iter().chain(&["kernel_trace"]);
    kinds.filter_map(|kind| stem.strip_suffix(kind)).find(|prefix| prefix.is_empty() || prefix.ends_with('_'))
}

/// Whether `path` is, by its name, a table that is read along with a kernel trace beside it.
pub(in crate::ingest) fn is_sibling(path: &Path) -> bool {
    let Some(prefix) = prefix(path) else { return false };
    let trace = |extension| path.with_file_name(format!("{prefix}kernel_trace{extension}"));
    let is = |extension| trace(extension) == path;
    !is(".csv") && !is(".csv.gz") && (trace(".csv").is_file() || trace(".csv.gz").is_file())
}
