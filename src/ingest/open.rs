//! Opening a file, compressed or not.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::chunks::Chunks;
use super::limits::Limits;
use super::{Error, ErrorKind, sniff};
use crate::door;

/// Compressed bytes asked from the file at once.
const COMPRESSED: usize = 128 << 10;

/// The bytes that UTF-8 texts from Windows begin with.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Opens `path` and reads its beginning, of at least [`sniff::HEAD`] bytes if there are that many. Gzip is undone
/// whatever the file is called, and may have several members; a byte order mark is passed over.
///
/// # Errors
/// If there is no such file, or it cannot be read.
pub(super) fn open(path: &Path, limits: Limits) -> Result<Chunks, Error> {
    let file = door::open_stream(path).map_err(|error| failure(path, &error))?;
    chunks(path, file, limits)
}

/// As [`open`], but only a file of this user's or root's, and through no link.
///
/// # Errors
/// As for [`open`].
pub(super) fn open_own(path: &Path) -> Result<Chunks, Error> {
    let file = door::open_own(path).map_err(|error| failure(path, &error))?;
    chunks(path, file, Limits::default())
}

fn chunks(path: &Path, file: File, limits: Limits) -> Result<Chunks, Error> {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut file = BufReader::with_capacity(COMPRESSED, file);
    let head = file.fill_buf().map_err(|error| failure(path, &error))?;
    if head.starts_with(b"\x1F\x8B") {
        return Ok(begin(Chunks::new(Box::new(MultiGzDecoder::new(file))).within(limits).compressed(size)));
    }
    Ok(begin(Chunks::new(Box::new(file)).within(limits)))
}

fn begin(mut chunks: Chunks) -> Chunks {
    chunks.fill(sniff::HEAD);
    if chunks.data().starts_with(BOM) {
        chunks.consume(BOM.len());
    }
    chunks
}

/// An [`Error`] for what the file system said.
pub(super) fn failure(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, path, "no such file or directory"),
        _ => Error::new(ErrorKind::Io, path, error.to_string()),
    }
}
