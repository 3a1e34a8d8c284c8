//! From arguments to what the analysis takes: files read, rules compiled, steps found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::analyze::gemm::tables;
use crate::analyze::{self, floor};
use crate::classify::Classifier;
use crate::door;
use crate::ingest;
use crate::model::Trace;
use crate::output::Report;
use crate::pipeline::Prepared;
use crate::steps::{self, StepOptions, StepTable, Unmet};

use super::args::{KvCacheDtype, ModelArgs, StepArgs};
use super::failure::{Failure, Kind};
use super::files;
use super::reading::CaptureArgs;

/// What was said of the model, its configuration read.
pub(super) fn model(args: &ModelArgs) -> Result<Option<floor::Given>, Failure> {
    let Some(path) = &args.model_config else { return Ok(None) };
    let gpu = args.gpu.as_deref().map(|name| {
        let known: Vec<&str> = floor::GPUS.iter().map(|gpu| gpu.name).collect();
        let hint = format!("known are {}", known.join(", "));
        floor::find_gpu(Some(name), None).ok_or_else(|| Failure::usage(format!("--gpu: {name:?} is not known; {hint}")))
    });
    let model = floor::Model::parse(&files::text(path)?)
        .map_err(|error| Failure::new(Kind::Malformed, error.to_string()).at(path))?;
    let bytes = |dtype: KvCacheDtype| match dtype {
        KvCacheDtype::Bf16 => 2.0,
        KvCacheDtype::Fp8 => 1.0,
    };
    Ok(Some(floor::Given {
        model,
        tensor_parallel: args.tp,
        batch: args.batch,
        context: args.context,
        kv_bytes: args.kv_cache_dtype.map(bytes),
        gpu: gpu.transpose()?,
    }))
}

/// Directories below the one that was named in which tables are looked for; aiter has them one below.
const DEPTH: usize = 3;

/// All tuned tables in `directory`.
pub(super) fn tables(directory: &Path) -> Result<tables::Tables, Failure> {
    let mut found = tables::Tables::default();
    collect(directory, DEPTH, &mut found)?;
    if found.files == 0 {
        let hint = "aiter keeps them in aiter/configs; a tuned table has columns M (or token), us and kernelName";
        return Err(Failure::new(Kind::Empty, "there is no tuned table in it").at(directory).hint(hint));
    }
    if found.unreadable > 0 {
        super::terminal::status(&format!(
            "{}: {} rows of tuned tables make no sense",
            directory.display(),
            found.unreadable
        ));
    }
    Ok(found)
}

fn collect(directory: &Path, depth: usize, found: &mut tables::Tables) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
        Failure::new(kind, format!("cannot be read: {error}")).at(directory)
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            match door::read_text(&path, door::TEXT) {
                Ok(text) => {
                    if let Some((entries, unreadable)) = tables::parse(&text) {
                        found.entries.extend(entries);
                        found.files += 1;
                        found.unreadable += unreadable;
                    }
                }
                // One table that cannot be read takes no other away.
                Err(error) => super::terminal::status(&format!("{} is left out: {error}", path.display())),
            }
        }
    }
    Ok(())
}

/// What was said of steps, checked.
pub(super) fn step_options(args: &StepArgs) -> Result<StepOptions, Failure> {
    if let Some(marker) = &args.marker {
        steps::labels::Labels::custom(marker).map_err(|error| Failure::usage(error.to_string()))?;
    }
    Ok(StepOptions { marker: args.marker.clone(), warmup: args.warmup, limit: args.steps })
}

/// That what was asked of the steps is not so: what was made is of other steps, or of none.
pub(super) fn unmet(args: &StepArgs, table: &StepTable) -> Option<Failure> {
    table.unmet.iter().find_map(|unmet| {
        let (kind, hint) = match unmet {
            Unmet::Marker { .. } if args.marker.is_some() => {
                (Kind::MarkerMatchesNothing, "`profile-decode report --list-markers` lists what there is")
            }
            Unmet::Warmup { .. } => (Kind::WarmupLeavesNothing, "take a smaller --warmup, or none: it is then found"),
            Unmet::Marker { .. } | Unmet::Steps { .. } => return None,
        };
        Some(Failure::new(kind, unmet.text()).hint(hint))
    })
}

/// Refuses captures that the user named and that are of another model than the replays.
pub(super) fn refuse_foreign(args: &CaptureArgs, trace: &Trace) -> Result<(), Failure> {
    match args.paths.first().filter(|_| analyze::is_foreign(trace)) {
        Some(path) => {
            let message = analyze::misfit(trace).unwrap_or_default();
            let hint = "give the capture of the model that was served, or leave --capture-trace out";
            Err(Failure::new(Kind::ForeignCapture, message).at(path).hint(hint))
        }
        None => Ok(()),
    }
}

/// Reads `inputs` as one run and makes its report.
pub(super) fn report(
    inputs: &[PathBuf],
    reading: &ingest::Options,
    steps: &StepOptions,
    classifier: &Classifier,
    options: &analyze::Options,
) -> Result<Report, Failure> {
    let trace = ingest::read_with(inputs, reading)?;
    Ok(Prepared::new(trace, classifier, steps).report(options))
}
