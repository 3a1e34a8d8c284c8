//! What the fuzz targets share: a way to hand bytes to the readers, which read files, and to follow what they read through
//! report, comparison and every form of both.
//!
//! Run one with `cargo +nightly fuzz run kineto fuzz/corpus/kineto tests/data/ingest`. A target fails by panicking, by
//! overflowing an integer or by taking more than libFuzzer's bounds of time and memory; what the readers say of the
//! bytes does not matter.

use std::path::Path;

use profile_decode::analyze::compare::{Options, compare};
use profile_decode::classify::Classifier;
use profile_decode::model::Trace;
use profile_decode::pipeline::{self, Prepared};
use profile_decode::steps::StepOptions;
use profile_decode::{analyze, ingest, render};

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

/// Reads `bytes` from a file called `name`, and goes the way of a trace to its end.
pub fn read(name: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    if let Ok(trace) = ingest::read(&[path]) {
        follow(trace);
    }
}

/// Makes everything of a trace that can be made: what is written holds no character that acts on a terminal.
fn follow(trace: Trace) {
    let run = [Prepared::new(trace, &Classifier::builtin(), &StepOptions::default())];
    let report = run[0].report(&analyze::Options::default());
    let comparison = {
        let side = pipeline::side(&run, false);
        compare(&side, &side, &Options::default())
    };
    let Prepared { trace, classes, steps } = &run[0];
    let mut out = Vec::new();
    let written = [
        render::markdown(&report, &mut out),
        render::html(&report, &mut out),
        render::json(&report, &mut out),
        render::kernels_csv(&report, &mut out),
        render::comparison_markdown(&comparison, &mut out),
        render::comparison_html(&comparison, &mut out),
        render::comparison_json(&comparison, &mut out),
        render::perfetto(trace, classes, steps, true, &mut out),
        render::dispatches_csv(trace, classes, steps, true, &mut out),
    ];
    written.into_iter().for_each(|written| written.expect("memory can be written to"));
    let text = String::from_utf8(out).expect("every form is UTF-8");
    let acts = |c: char| c.is_control() && c != '\n' && c != '\t' && c != '\r';
    assert!(!text.contains(acts), "what acts on a terminal is spelled");
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
