//! Traces of graph capture beside the traces of serving: which files they are, and what graphs they tell of.
//!
//! Engines that profile their captures leave them beside the trace, in a directory `capture_traces` (vLLM, SGLang and
//! ATOM) or under names with `graph_capture` in them (vLLM). They are another phase of the run, so they are never read
//! as a rank of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::limits::Limits;
use super::open::failure;
use super::{Error, ErrorKind, file};
use crate::model::{LaunchCall, TraceBuilder};

/// Files of captures that are read.
const MAX_FILES: usize = 4096;

/// Entries of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// Whether a directory of this name holds captures.
pub(crate) fn is_directory(name: &str) -> bool {
    name.starts_with("capture_traces")
}

/// Whether a file of this name is a capture.
pub(crate) fn is_file(name: &str) -> bool {
    name.contains("graph_capture")
}

/// Reads the captures that the user named, or else those beside `inputs`, for the graph launches of `builder`.
///
/// # Errors
/// If a file that the user named cannot be read, or shows no capture.
pub(super) fn read<P: AsRef<Path>>(
    named: &[PathBuf],
    inputs: &[P],
    limits: Limits,
    builder: &mut TraceBuilder,
) -> Result<(), Error> {
    let mut found = Vec::new();
    if !named.is_empty() {
        for path in named {
            let before = found.len();
            let (files, of_directory) = files(path)?;
            for file in files {
                match file::read_captures(&file, limits, builder) {
                    Ok(graphs) => found.extend(graphs),
                    // A directory may hold other traces as well.
                    Err(error) if of_directory && error.kind != ErrorKind::TooLarge => {}
                    Err(error) => return Err(error),
                }
            }
            if found.len() == before {
                return Err(Error::new(ErrorKind::Empty, path, "no graph is captured in this directory"));
            }
        }
        builder.captured().graphs.extend(found);
        return Ok(());
    }
    // A trace without replays has nothing that they could tell of.
    if !builder.so_far().launches.iter().any(|launch| launch.call == LaunchCall::Graph) {
        return Ok(());
    }
    for path in beside(inputs) {
        match file::read_captures(&path, limits, builder) {
            Ok(graphs) => found.extend(graphs),
            // It is one by its name alone.
            Err(error) if error.kind == ErrorKind::Empty => {}
            Err(error) => builder.warn("capture-trace-unread", format!("{error}; its graphs are not known")),
        }
    }
    builder.captured().graphs.extend(found);
    Ok(())
}

/// The files that `path` is: itself, or what is in the directory; and whether it is one.
fn files(path: &Path) -> Result<(BTreeSet<PathBuf>, bool), Error> {
    let metadata = fs::metadata(path).map_err(|error| failure(path, &error))?;
    if !metadata.is_dir() {
        return Ok((BTreeSet::from([path.to_owned()]), false));
    }
    let by_name = beside(&[path]);
    Ok((if by_name.is_empty() { traces(path).into_iter().collect() } else { by_name }, true))
}

/// The captures in and beside `inputs`.
fn beside<P: AsRef<Path>>(inputs: &[P]) -> BTreeSet<PathBuf> {
    let own: Vec<&Path> = inputs.iter().map(AsRef::as_ref).collect();
    let mut found = BTreeSet::new();
    let directories: BTreeSet<&Path> = own
        .iter()
        .filter_map(|path| if path.is_dir() { Some(*path) } else { path.parent() })
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .collect();
    for directory in directories {
        for path in entries(directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_directory(&name) && path.is_dir() {
                found.extend(traces(&path));
            } else if is_file(&name) && is_json(&path) && path.is_file() && !own.contains(&&*path) {
                found.insert(path);
            }
        }
    }
    found.into_iter().take(MAX_FILES).collect()
}

/// The traces in a directory of captures. Other files of it (`execution_details.json`) describe them.
fn traces(directory: &Path) -> Vec<PathBuf> {
    entries(directory).into_iter().filter(|path| is_json(path) && !is_description(path) && path.is_file()).collect()
}

fn is_json(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".json") || name.ends_with(".json.gz")
}

fn is_description(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "execution_details.json")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().take(MAX_ENTRIES).flatten();
    entries.map(|entry| entry.path()).collect()
}
