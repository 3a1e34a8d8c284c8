//! Trace files to [`Trace`]: formats told apart by content, one file a format.
//!
//! A reader takes a file and a [`TraceBuilder`] and adds what it finds: sources, processes, ranks, dispatches. It never
//! decides what anything means. Broken input gives either an [`Error`] that says where, or what could be read and a
//! [`Warning`](crate::model::Warning): a file cut short by a killed server is normal.
//!
//! ```text
//!   path ─> open (gzip) ─> sniff ─┬─ json ──> kineto, rocprofv3_json
//!                                 ├─ csv ───> rocprofv3_csv (and its siblings)
//!                                 ├─ sqlite > rocpd, rpd, rocm_trace_lite
//!                                 └─ capture_file
//! ```

pub mod capture_file;
mod chunks;
mod error;
mod json;
mod kineto;
mod launch;
mod open;
mod sniff;

use std::path::Path;

pub use error::{Error, ErrorKind};

use self::chunks::Chunks;
use self::json::Json;
use self::sniff::Kind;
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
    read_file(path, builder)
}

fn read_file(path: &Path, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut chunks = open::open(path)?;
    chunks.fill(sniff::HEAD);
    if chunks.data().starts_with(sniff::BOM) {
        chunks.consume(sniff::BOM.len());
    }
    match sniff::sniff(chunks.data()) {
        Kind::Capture => capture_file::read(path, &mut chunks, builder),
        Kind::Json => read_json(path, chunks, builder),
        Kind::Refused(refused) => {
            let (message, hint) = refused.advice();
            Err(Error::new(ErrorKind::UnknownFormat, path, message).hint(hint))
        }
        Kind::Empty => Err(match chunks.cut() {
            Some(reason) => Error::new(ErrorKind::Malformed, path, reason),
            None => Error::new(ErrorKind::Malformed, path, "the file is empty"),
        }
        .hint("was the profiler stopped properly? many write their file only at exit")),
        Kind::Csv | Kind::Sqlite | Kind::Unknown => Err(unknown(path)),
    }
}

fn read_json(path: &Path, chunks: Chunks, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut json = Json::new(chunks);
    let mut reader = kineto::Reader::new(path, builder);
    match kineto::read(&mut json, path, &mut reader, &["rocprofiler-sdk-tool"]) {
        Ok(kineto::Top::Events) => reader.finish(),
        Ok(kineto::Top::Other(key)) => {
            reader.abandon();
            Err(Error::new(ErrorKind::UnknownFormat, path, format!("JSON with {key} is not read yet")))
        }
        Err(error) => {
            reader.abandon();
            Err(error)
        }
    }
}

fn unknown(path: &Path) -> Error {
    Error::new(ErrorKind::UnknownFormat, path, "this is no trace format that profile-decode knows").hint(
        "it reads its own captures, rocprofv3 (CSV, JSON, rocpd), RPD, rocm-trace-lite and PyTorch profiler traces",
    )
}
