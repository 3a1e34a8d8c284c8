//! What the fuzz targets share: a way to hand bytes to the readers, which read files, and to follow what they read through
//! report, comparison and every form of both.
//!
//! ```text
//!   bytes or rows ─> a file ─> ingest ─> steps, classes ─> report ─> markdown, HTML, JSON, CSV, Perfetto
//!                                                        └> comparison with itself ─> the same
//! ```
//!
//! `fuzz/run` builds the targets and runs them. A target fails by panicking, by overflowing an integer or by taking more
//! than libFuzzer's bounds of time and memory; what the readers say of the bytes does not matter.

pub mod rows;

use std::path::Path;
use std::sync::LazyLock;

use profile_decode::analyze::compare::{Options, compare};
use profile_decode::classify::Classifier;
use profile_decode::model::Trace;
use profile_decode::pipeline::{self, Prepared};
use profile_decode::steps::StepOptions;
use profile_decode::{analyze, ingest, render};

#[path = "../../tests/common/inputs.rs"]
#[allow(dead_code)]
mod inputs;

#[path = "../../rocprofiler-sys/simulator/src/elf.rs"]
pub mod elf;

/// Building the rules anew for each input would be most of the time.
static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::builtin);

/// Reads `bytes` from a file called `name`, and goes the way of a trace to its end.
pub fn read(name: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    read_path(&path);
}

/// Reads the trace at `path`, and goes the way of a trace to its end.
fn read_path(path: &Path) {
    if let Ok(trace) = ingest::read(&[path.to_path_buf()]) {
        follow(trace);
    }
}

/// Makes everything of a trace that can be made: what is written holds no character that acts on a terminal.
fn follow(trace: Trace) {
    let run = [Prepared::new(trace, &CLASSIFIER, &StepOptions::default())];
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
