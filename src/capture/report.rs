//! The report over a window's captures in a run directory.
//!
//! It is made from the files, not from memory: what the process says at its end is what `profile-decode report` says
//! later. Every process of a run makes it anew when it is done, one at a time, so the last one out has them all.

use std::io;
use std::path::{Path, PathBuf};

use super::options::Options;
use super::write::rundir;
use crate::classify::Classifier;
use crate::door;
use crate::model::{Trace, Warning};
use crate::output::Report;
use crate::pipeline::Prepared;
use crate::steps::{Phase, StepOptions};
use crate::{analyze, ingest, render, steps};

/// A report that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The readable one.
    pub path: PathBuf,
    /// What is in it, in the words of the report: `55 of 1000 decode steps`.
    pub steps: String,
}

/// Makes `report.md` and `report.json` of the first window, `report-N.md` and `report-N.json` of the `window`s after it.
///
/// # Errors
/// If there is no capture that can be read, or what the file system says.
pub fn make(directory: &Path, window: u32, options: &Options) -> io::Result<Made> {
    let _lock = rundir::lock(directory)?;
    let captures = rundir::captures(directory, window)?;
    let mut trace = ingest::read_captures(&captures).map_err(io::Error::other)?;
    let classifier = classifier(options, &mut trace);
    let step_options = StepOptions { marker: options.marker.clone(), ..StepOptions::default() };
    let report = Prepared::new(trace, &classifier, &step_options).report(&analyze::Options::default());
    let stem = stem(window);
    let write = |extension: &str, render: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut bytes = Vec::new();
        render(&mut bytes)?;
        let path = directory.join(format!("{stem}.{extension}"));
        rundir::replace(&path, &bytes).map(|()| path)
    };
    write("json", &|out| render::json(&report, out))?;
    let path = write("md", &|out| render::markdown(&report, out))?;
    Ok(Made { path, steps: counted(&report) })
}

/// How many steps a report counts, and of how many that were asked for.
fn counted(report: &Report) -> String {
    let wanted = report.capture.as_ref().map_or(0, |capture| u64::from(capture.steps_wanted));
    let of = if report.steps.count < wanted { format!(" of {wanted}") } else { String::new() };
    let what = if report.steps.count > 0 && report.steps.decode_by.is_empty() { "steps" } else { "decode steps" };
    format!("{}{of} {what}", report.steps.count)
}

/// The name of a window's report, without its extension.
#[must_use]
pub fn stem(window: u32) -> String {
    if window == 1 { "report".to_owned() } else { format!("report-{window}") }
}

/// How many decode steps there are in a capture on the rank that has fewest; 0 if it cannot be read.
pub(super) fn decode_steps(capture: &Path, options: &Options) -> u64 {
    let Ok(trace) = ingest::read_captures(&[capture]) else { return 0 };
    let all = StepOptions { marker: options.marker.clone(), warmup: Some(0), limit: Some(u32::MAX) };
    let table = steps::find(&trace, &all);
    let mut counts = vec![0_u64; trace.ranks.len()];
    for step in table.steps.iter().filter(|step| step.phase == Phase::Decode) {
        counts[step.rank.index()] += 1;
    }
    counts.into_iter().min().unwrap_or(0)
}

/// The rules, the user's own among them; if those are not valid the report says so and goes without.
fn classifier(options: &Options, trace: &mut Trace) -> Classifier {
    let Some(path) = &options.rules else { return Classifier::builtin().with_catalogue() };
    let made = door::read_text(path, door::TEXT).map_err(|error| error.to_string()).and_then(|text| {
        Classifier::with_rules(&text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    });
    let made = made.unwrap_or_else(|why| {
        let text = format!("the rules in {} are not used: {why}", path.display());
        trace.warnings.push(Warning { code: "invalid-option", text });
        Classifier::builtin()
    });
    made.with_catalogue()
}
