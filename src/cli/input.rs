//! From arguments to what the analysis takes: files read, rules compiled, steps found.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::analyze::{self, Report};
use crate::classify::Classifier;
use crate::ingest;
use crate::steps::{self, StepOptions};

use super::args::{RulesArgs, StepArgs};
use super::failure::{Failure, Kind};

/// The classifier that was asked for.
pub(super) fn classifier(args: &RulesArgs) -> Result<Classifier, Failure> {
    let Some(path) = &args.rules else { return Ok(Classifier::builtin()) };
    let text = fs::read_to_string(path).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::InvalidData => Kind::Malformed,
            _ => Kind::Io,
        };
        Failure::new(kind, format!("cannot be read: {error}")).at(path)
    })?;
    Classifier::with_rules(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("line {}: {}", error.line, error.message)).collect();
        Failure::new(Kind::Malformed, lines.join("; "))
            .at(path)
            .hint("`profile-decode classify --list-rules` shows rules as they are written")
    })
}

/// What was said of steps, checked.
pub(super) fn step_options(args: &StepArgs) -> Result<StepOptions, Failure> {
    if let Some(marker) = &args.marker {
        steps::labels::Labels::custom(marker).map_err(Failure::usage)?;
    }
    Ok(StepOptions { marker: args.marker.clone(), warmup: args.warmup, limit: args.steps })
}

/// Reads `inputs` as one run and makes its report.
pub(super) fn report(
    inputs: &[PathBuf],
    steps: &StepOptions,
    classifier: &Classifier,
    options: &analyze::Options,
) -> Result<Report, Failure> {
    let trace = ingest::read(inputs)?;
    let classes = classifier.classify_trace(&trace);
    let table = steps::find(&trace, steps);
    Ok(analyze::report(&trace, &classes, &table, options))
}
