//! The report over all captures of a run directory.
//!
//! It is made from the files, not from memory: what the process says at its end is what `profile-decode report` says
//! later. Every process of a run makes it anew when it is done, one at a time, so the last one out has them all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::options::Options;
use super::rundir;
use crate::classify::Classifier;
use crate::steps::StepOptions;
use crate::{analyze, ingest, render, steps};

/// Extension of capture files.
const CAPTURE: &str = "pdc";

/// Makes `report.md` and `report.json` in `directory`; returns the path of the first.
pub(super) fn make(directory: &Path, options: &Options) -> io::Result<PathBuf> {
    let _lock = rundir::lock(directory)?;
    let mut captures: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == CAPTURE) {
            captures.push(path);
        }
    }
    captures.sort();
    let trace = ingest::read(&captures).map_err(io::Error::other)?;
    let classes = Classifier::builtin().classify_trace(&trace);
    let step_options = StepOptions { marker: options.marker.clone(), ..StepOptions::default() };
    let table = steps::find(&trace, &step_options);
    let report = analyze::report(&trace, &classes, &table, &analyze::Options::default());
    let write = |name: &str, render: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut bytes = Vec::new();
        render(&mut bytes)?;
        let path = directory.join(name);
        rundir::replace(&path, &bytes).map(|()| path)
    };
    write("report.json", &|out| render::json(&report, out))?;
    write("report.md", &|out| render::markdown(&report, out))
}
