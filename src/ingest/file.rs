//! One file: what it is, and which reader takes it.

use std::path::Path;

use super::chunks::Chunks;
use super::json::Json;
use super::limits::Limits;
use super::sniff::{self, Kind};
use super::{Error, ErrorKind, kineto, open, rocprofv3, sqlite};
use crate::model::TraceBuilder;
use crate::wire;

/// Reads the file at `path` into `builder`, within `limits`.
///
/// # Errors
/// If it cannot be opened, is of no known format, or holds nothing that can be read.
pub(super) fn read(path: &Path, limits: Limits, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut chunks = open::open(path, limits)?;
    match sniff::sniff(chunks.data()) {
        Kind::Capture => wire::read(path, &mut chunks, builder).map_err(|error| Error::of_capture(path, &error)),
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
        Kind::Csv => rocprofv3::csv::read(path, chunks, builder),
        Kind::Sqlite => sqlite::read(path, chunks, builder),
        Kind::Unknown => Err(unknown(path)),
    }
}

fn read_json(path: &Path, chunks: Chunks, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut json = Json::new(chunks);
    let mut reader = kineto::Reader::new(path, builder);
    match kineto::read(&mut json, path, &mut reader, rocprofv3::json::KEY) {
        Ok(kineto::Top::Events) => reader.finish(),
        Ok(kineto::Top::Other) => rocprofv3::json::read(path, &mut json, reader.abandon()),
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
