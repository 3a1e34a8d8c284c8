//! The report over a window's captures in a run directory.
//!
//! It is made from the files, not from memory: what the process says at its end is what `profile-decode report` says
//! later. Every process of a run makes it anew when it is done, one at a time, so the last one out has them all.

use std::io;
use std::path::{Path, PathBuf};

use super::options::Options;
use super::rundir;
use crate::classify::Classifier;
use crate::steps::StepOptions;
use crate::{analyze, ingest, render, steps};

/// Makes `report.md` and `report.json` of the first window, `report-N.md` and `report-N.json` of the `window`s after
/// it; returns the path of the first.
///
/// # Errors
/// If there is no capture that can be read, or what the file system says.
pub fn make(directory: &Path, window: u32, options: &Options) -> io::Result<PathBuf> {
    let _lock = rundir::lock(directory)?;
    let captures = rundir::captures(directory, window)?;
    let trace = ingest::read(&captures).map_err(io::Error::other)?;
    let classes = Classifier::builtin().classify_trace(&trace);
    let step_options = StepOptions { marker: options.marker.clone(), ..StepOptions::default() };
    let table = steps::find(&trace, &step_options);
    let report = analyze::report(&trace, &classes, &table, &analyze::Options::default());
    let stem = if window == 1 { "report".to_owned() } else { format!("report-{window}") };
    let write = |extension: &str, render: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut bytes = Vec::new();
        render(&mut bytes)?;
        let path = directory.join(format!("{stem}.{extension}"));
        rundir::replace(&path, &bytes).map(|()| path)
    };
    write("json", &|out| render::json(&report, out))?;
    write("md", &|out| render::markdown(&report, out))
}
