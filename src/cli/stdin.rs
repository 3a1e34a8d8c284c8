//! `-` as an input: what comes on stdin, laid into a file.
//!
//! A file, because a database is read from one, and because stdin may be a pipe, a socket or a terminal. What is said of
//! the file is said of `-`, since nobody knows its name.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::failure::{Failure, Kind};
use crate::ingest;
use crate::model::Trace;

/// How stdin is named among inputs.
const STDIN: &str = "-";

/// Reads `inputs` as one run, of which stdin may be the only one.
pub(super) fn read(inputs: &[PathBuf], options: &ingest::Options) -> Result<Trace, Failure> {
    if !inputs.iter().any(|input| input == Path::new(STDIN)) {
        return Ok(ingest::read_with(inputs, options)?);
    }
    if inputs.len() > 1 {
        return Err(Failure::usage("stdin (-) is one input, and there is no other beside it"));
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage("stdin (-) is a terminal").hint("redirect it: report - < trace.json.gz"));
    }
    let failed = |error: io::Error| Failure::new(Kind::Io, format!("stdin cannot be read: {error}"));
    let directory = TempDir::new().map_err(failed)?;
    let path = directory.path().join("stdin");
    lay(&path, options.limits.unpacked).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::new(Kind::TooLarge, error.to_string()).at(Path::new(STDIN)),
        _ => failed(error),
    })?;
    match ingest::read_with(&[&path], options) {
        Ok(mut trace) => {
            rename(&mut trace, &path.display().to_string());
            Ok(trace)
        }
        Err(error) => Err(Failure::from(error).at(Path::new(STDIN))),
    }
}

/// Copies stdin to a new file at `path`; no more than `most` bytes where that was set.
fn lay(path: &Path, most: Option<u64>) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let most = most.unwrap_or(u64::MAX - 1);
    let copied = io::copy(&mut io::stdin().lock().take(most + 1), &mut file)?;
    if copied > most {
        let message = format!("more than {most} bytes, the limit (--limit unpacked=N sets another)");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(())
}

/// Says `-` where `trace` says `path`.
fn rename(trace: &mut Trace, path: &str) {
    trace.sources.iter_mut().for_each(|source| source.path = source.path.replace(path, STDIN));
    trace.warnings.iter_mut().for_each(|warning| warning.text = warning.text.replace(path, STDIN));
}
