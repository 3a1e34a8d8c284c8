//! Trace files to [`Trace`]: formats told apart by content, one file a format.
//!
//! A reader takes a file and a [`TraceBuilder`] and adds what it finds: sources, processes, ranks, dispatches. It never
//! decides what anything means. Broken input gives either an [`Error`] that says where, or what could be read and a
//! [`Warning`](crate::model::Warning): a file cut short by a killed server is normal.
//!
//! ```text
//!   path ─> open (gzip) ─> sniff ─┬─ JSON ───> kineto, rocprofv3::json
//!                                 ├─ CSV ────> rocprofv3::csv and the files beside it
//!                                 ├─ SQLite ─> sqlite: rocpd, RPD, rocm-trace-lite
//!                                 └─ our own > crate::wire
//! ```

mod captures;
mod chunks;
mod error;
mod file;
mod gpus;
mod json;
mod kineto;
pub(crate) mod launch;
mod limits;
mod open;
mod rocprofv3;
mod run;
mod sessions;
mod sniff;
mod sqlite;

use std::path::{Path, PathBuf};

pub(crate) use captures::{is_directory as is_capture_directory, is_file as is_capture_file};
pub use error::{Error, ErrorKind};
pub use limits::{LimitError, Limits};
pub(crate) use rocprofv3::framework as framework_of_command;

use self::run::Run;
use crate::model::{Trace, TraceBuilder};
use crate::wire;

/// What is read, and how much of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// Of several sessions, the one with this number, counted from 1 in the order of time. `None`: the newest.
    pub session: Option<usize>,
    /// Traces of graph capture, or directories of them. Empty: those beside the inputs.
    pub capture_traces: Vec<PathBuf>,
    /// What reading may cost.
    pub limits: Limits,
}

/// Reads every path (a file, or a directory of one run's files) into one trace, within the usual [`Limits`].
///
/// Where the files are of several sessions, the newest with all its ranks is read. Traces of graph capture beside them
/// tell what their graph replays did ([`Trace::captured`]); [`Prepared`](crate::pipeline::Prepared) lays them over.
///
/// # Errors
/// If a path cannot be opened, is of no known format, holds nothing that can be read, or more than a limit allows, and if
/// the paths are not of one run.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Trace, Error> {
    read_with(paths, &Options::default())
}

/// As [`read`], but with `options`.
///
/// # Errors
/// As for [`read`], and if there is no such session.
pub fn read_with<P: AsRef<Path>>(paths: &[P], options: &Options) -> Result<Trace, Error> {
    let (mut builder, run) = read_all(paths, Run::new(options.limits))?;
    let choice = sessions::choose(run.files(), builder.so_far(), options.session)?;
    if !choice.left_out.is_empty() {
        (builder, _) = read_all(paths, Run::new(options.limits).without(choice.left_out))?;
    }
    choice.warnings.into_iter().for_each(|(code, text)| builder.warn(code, text));
    captures::read(&options.capture_traces, paths, options.limits, &mut builder)?;
    Ok(builder.finish())
}

fn read_all<P: AsRef<Path>>(paths: &[P], mut run: Run) -> Result<(TraceBuilder, Run), Error> {
    let mut builder = TraceBuilder::new();
    for path in paths.iter().map(AsRef::as_ref) {
        // A table that is read along with a kernel trace that is named too needs no reading of its own.
        let along = rocprofv3::csv::is_sibling(path) && paths.iter().any(|other| reads_along(other.as_ref(), path));
        if !along {
            run.read(path, &mut builder)?;
        }
    }
    Ok((builder, run))
}

/// Reads our own capture files and nothing else.
///
/// The tracer uses this inside a server, so that neither the other readers nor SQLite are part of the library there.
///
/// # Errors
/// If a file cannot be opened or is no capture file.
pub fn read_captures<P: AsRef<Path>>(paths: &[P]) -> Result<Trace, Error> {
    let mut builder = TraceBuilder::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let mut chunks = open::open_own(path)?;
        wire::read(path, &mut chunks, &mut builder).map_err(|error| Error::of_capture(path, &error))?;
    }
    Ok(builder.finish())
}

/// Whether reading `trace` reads `table` too: both are files of one rocprofv3 process, by their names.
fn reads_along(trace: &Path, table: &Path) -> bool {
    let prefix = rocprofv3::csv::prefix;
    trace.parent() == table.parent() && !rocprofv3::csv::is_sibling(trace) && prefix(trace) == prefix(table)
}

/// Reads one path, a file or a directory, into `builder`.
///
/// # Errors
/// As for [`read`].
pub fn read_into(path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
    Run::new(Limits::default()).read(path, builder)
}
