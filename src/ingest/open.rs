//! Opening a file, compressed or not.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::chunks::Chunks;
use super::{Error, ErrorKind, sniff};

/// Compressed bytes asked from the file at once.
const COMPRESSED: usize = 128 << 10;

/// The bytes that UTF-8 texts from Windows begin with.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Opens `path` and reads its beginning, of at least [`sniff::HEAD`] bytes if there are that many. Gzip is undone
/// whatever the file is called, and may have several members; a byte order mark is passed over.
///
/// # Errors
/// If there is no such file, or it cannot be read.
pub(super) fn open(path: &Path) -> Result<Chunks, Error> {
    let file = File::open(path).map_err(|error| failure(path, &error))?;
    let mut file = BufReader::with_capacity(COMPRESSED, file);
    let head = file.fill_buf().map_err(|error| failure(path, &error))?;
    if head.starts_with(b"\x1F\x8B") {
        return Ok(begin(Chunks::new(Box::new(MultiGzDecoder::new(file))).compressed()));
    }
    Ok(begin(Chunks::new(Box::new(file))))
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
