//! Trace files to [`Trace`]: formats told apart by content, one file a format.
//!
//! A reader takes a file and a [`TraceBuilder`] and adds what it finds: sources, processes, ranks, dispatches. It never
//! decides what anything means. Broken input gives either an [`Error`] that says where, or what could be read and a
//! [`Warning`](crate::model::Warning): a file cut short by a killed server is normal.

pub mod capture_file;
mod error;

use std::path::Path;

pub use error::{Error, ErrorKind};

use crate::model::{Trace, TraceBuilder};

/// Reads every path (a file, or a directory of one run's files) into one trace.
///
/// # Errors
/// If a path cannot be opened, is of no known format, or holds nothing that can be read.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Trace, Error> {
    let mut builder = TraceBuilder::new();
    for path in paths {
        read_into(path.as_ref(), &mut builder)?;
    }
    Ok(builder.finish())
}

/// Reads one path into `builder`.
///
/// # Errors
/// As for [`read`].
pub fn read_into(path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut file = std::fs::File::open(path).map_err(|error| Error::new(ErrorKind::Io, path, error.to_string()))?;
    if path.extension().is_some_and(|extension| extension == "pdc") {
        return capture_file::read(path, &mut file, builder);
    }
    Err(Error::new(ErrorKind::UnknownFormat, path, "this is no trace format that profile-decode knows"))
}
