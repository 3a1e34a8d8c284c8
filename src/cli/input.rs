//! From arguments to what the analysis takes: files read, rules compiled, steps found.

use std::path::PathBuf;

use crate::analyze::{self, Report};
use crate::classify::Classifier;
use crate::ingest;
use crate::steps::{self, StepOptions};

use super::args::{RulesArgs, StepArgs};
use super::failure::Failure;

/// The classifier that was asked for.
pub(super) fn classifier(_args: &RulesArgs) -> Result<Classifier, Failure> {
    Ok(Classifier::builtin())
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
