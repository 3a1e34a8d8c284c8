//! One file: what it is, and which reader takes it.

use std::path::Path;

use super::chunks::Chunks;
use super::json::Json;
use super::limits::Limits;
use super::sniff::{self, Kind};
use super::{Error, ErrorKind, kineto, open, rocprofv3, sqlite};
use crate::model::{CapturedGraph, TraceBuilder};
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

/// The graphs that the file at `path` shows being captured; their names go to `builder`.
///
/// # Errors
/// If it cannot be opened, is no trace of PyTorch's profiler, or shows no capture.
pub(super) fn read_captures(
    path: &Path,
    limits: Limits,
    builder: &mut TraceBuilder,
) -> Result<Vec<CapturedGraph>, Error> {
    let chunks = open::open(path, limits)?;
    if sniff::sniff(chunks.data()) != Kind::Json {
        return Err(no_capture(path));
    }
    let mut json = Json::new(chunks);
    let mut reader = kineto::Reader::of_captures(path, builder);
    match kineto::read(&mut json, path, &mut reader, rocprofv3::json::KEY) {
        Ok(kineto::Top::Events) => match reader.finish_captures() {
            graphs if graphs.is_empty() => Err(no_capture(path)),
            graphs => Ok(graphs),
        },
        Ok(kineto::Top::Other) => {
            reader.abandon();
            Err(no_capture(path))
        }
        Err(error) => {
            reader.abandon();
            Err(error)
        }
    }
}

fn no_capture(path: &Path) -> Error {
    Error::new(ErrorKind::Empty, path, "no graph is captured in it")
        .hint("a capture trace is PyTorch's profiler around torch.cuda.graph, from hipStreamBeginCapture to its end")
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
