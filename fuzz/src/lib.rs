//! What the fuzz targets share: a way to hand bytes to the readers, which read files.
//!
//! Run one with `cargo +nightly fuzz run kineto fuzz/corpus/kineto tests/data/ingest`. A target fails by panicking, by
//! overflowing an integer or by taking more than libFuzzer's bounds of time and memory; what the readers say of the
//! bytes does not matter.

use std::path::Path;

use profile_decode::ingest;

#[path = "../../tests/common/inputs.rs"]
#[allow(dead_code)]
mod inputs;

/// Makes a valid rocpd database.
pub fn rocpd(path: &Path) {
    inputs::rocpd(path);
}

/// Makes a valid RPD database.
pub fn rpd(path: &Path) {
    inputs::rpd(path);
}

/// Reads `bytes` from a file called `name`.
pub fn read(name: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    let _ = ingest::read(&[path]);
}

/// Reads a valid database by `make` after patching it: each 4 bytes of `patches` overwrite one byte at an offset.
/// Bytes that begin with SQLite's magic are taken for a whole database instead.
pub fn read_patched(make: fn(&Path), patches: &[u8]) {
    if patches.starts_with(b"SQLite format 3\0") {
        return read("whole.db", patches);
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("made.db");
    make(&path);
    let mut bytes = std::fs::read(&path).expect("the database just made");
    for patch in patches.chunks_exact(4) {
        let offset = u32::from_le_bytes([patch[0], patch[1], patch[2], 0]) as usize;
        let length = bytes.len();
        bytes[offset % length] = patch[3];
    }
    read("patched.db", &bytes);
}
