//! `profile-decode report`: a trace in, a report out.
//!
//! With `--min-complete` or `--max-unknown` it is a gate as well, and a marker or a warm-up that was asked for and leaves no
//! step is a failure. A report that does not pass is written all the same, since it says which steps lack what; on stdout as
//! JSON it carries the failure, so that there is one object to parse.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::model::Trace;
use crate::output::Report;
use crate::pipeline::Prepared;
use crate::steps::StepOptions;
use crate::{analyze, render};

use super::args::{ReportArgs, ReportFormat};
use super::failure::{Failure, Kind};
use super::terminal::{Working, deliver, print};
use super::{engine, files, input, rules, stdin};

/// Steps short of kernels that a failure names.
const NAMED: usize = 3;

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let steps = input::step_options(&args.steps)?;
    let classifier = rules::classifier(&args.rules)?;
    let options = analyze::Options {
        whole_trace: args.whole_trace,
        model: input::model(&args.model)?,
        tables: args.aiter_configs.as_deref().map(input::tables).transpose()?,
        log: args.server_log.as_deref().map(engine::log).transpose()?,
        bench: args.bench.as_deref().map(engine::bench).transpose()?,
    };
    let working = Working::on("reading");
    let trace = stdin::read(&args.inputs, &args.read.options())?;
    if args.list_markers {
        drop(working);
        return list_markers(&trace, args, &steps);
    }
    working.now("analysing");
    let run = Prepared::new(trace, &classifier, &steps);
    input::refuse_foreign(&args.read.captures, &run.trace)?;
    let report = run.report(&options);
    drop(working);
    let unmet = input::unmet(&args.steps, &run.steps).filter(|_| !args.whole_trace);
    let incomplete = unmet.or_else(|| args.min_complete.and_then(|least| too_incomplete(&report, least)));
    let failed = incomplete.or_else(|| args.max_unknown.and_then(|most| too_unknown(&report, most)));
    let other = || options.model.as_ref().and_then(|given| other_model(&report, given));
    let failed = failed.or_else(other);
    let failed = failed.map(|failure| match &args.inputs[..] {
        [input] => failure.at(input),
        _ => failure,
    });
    let file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let as_json = args.format == ReportFormat::Json;
    let bytes = match &failed {
        Some(error) if as_json && file.is_none() => {
            let mut bytes = Vec::new();
            let written = render::json::write_pretty(&Failed { report: &report, error }, &mut bytes);
            written.map(|()| bytes).map_err(|error| files::stdout_failed(&error))?
        }
        _ => rendered(&report, args.format)?,
    };
    deliver(file, &bytes, "report written")?;
    Ok(failed.map_or(ExitCode::SUCCESS, |failure| failure.tell(as_json && file.is_some())))
}

/// Why the configuration that was given cannot be of the model in the trace.
fn other_model(report: &Report, given: &analyze::floor::Given) -> Option<Failure> {
    let differing = analyze::floor::contradictions(report, &given.model);
    let message = format!("the model's configuration is of another model than the trace ({})", differing.join("; "));
    let hint = "give the config.json of the model that was served; the report is made without a floor";
    (!differing.is_empty()).then(|| Failure::new(Kind::OtherModel, message).hint(hint))
}

/// Tells which marker ranges there are, instead of a report.
fn list_markers(trace: &Trace, args: &ReportArgs, steps: &StepOptions) -> Result<ExitCode, Failure> {
    let markers = analyze::markers(trace, steps.marker.as_deref());
    let mut bytes = Vec::new();
    let written = match args.format {
        ReportFormat::Json => render::json::write_pretty(&markers, &mut bytes),
        ReportFormat::Html => render::markers_html(&markers, &mut bytes),
        ReportFormat::Markdown => render::markers_markdown(&markers, &mut bytes),
    };
    written.map_err(|error| files::stdout_failed(&error))?;
    match args.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => files::write(path, &bytes)?,
        None => print(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A report that did not pass its gate.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    report: &'a Report,
    error: &'a Failure,
}

/// Why `report` does not pass, if less than `least` of its decode steps are known to be complete.
fn too_incomplete(report: &Report, least: f64) -> Option<Failure> {
    let steps = &report.steps;
    let fail = |message: String| Failure::new(Kind::Incomplete, message);
    if steps.count == 0 {
        return Some(fail("there are no decode steps, so none is known to be complete".to_owned()));
    }
    let share = steps.complete_steps as f64 / steps.count as f64;
    if share >= least {
        return None;
    }
    let mut message = format!(
        "{} of {} decode steps are known to be complete, less than {} %",
        steps.complete_steps,
        steps.count,
        least * 100.0
    );
    let named = steps.missing.iter().take(NAMED).map(|row| {
        let kernels = row.kernels.iter().map(|kernel| format!("{} × {}", kernel.count, kernel.name)).next();
        let lacking = kernels.map_or_else(String::new, |kernel| format!(", lacking {kernel}"));
        format!("step {} on rank {} has {} of {} kernels{lacking}", row.step, row.rank, row.seen, row.expected)
    });
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        let more = steps.missing.len() - named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        message.push_str(&format!(": {}{more}", named.join("; ")));
    }
    let hint = match steps.missing.is_empty() {
        true => "steps that are like no other cannot be compared; a lost record counts as a step",
        false => "the report lists them all: `steps.missing` in JSON",
    };
    Some(fail(message).hint(hint))
}

/// Why `report` does not pass, if more than `most` of its GPU time is in kernels of unknown purpose.
fn too_unknown(report: &Report, most: f64) -> Option<Failure> {
    let unknown = &report.unknown;
    if unknown.gpu_share <= most {
        return None;
    }
    let named: Vec<String> = unknown.kernels.iter().take(NAMED).map(|kernel| kernel.name.clone()).collect();
    let more = unknown.kernels.len() - named.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let message = format!(
        "{:.1} % of the GPU time is in kernels of unknown purpose, more than {} %: {}{more}",
        unknown.gpu_share * 100.0,
        most * 100.0,
        named.join("; ")
    );
    let hint = "`profile-decode classify --suggest` begins rules for these names, and --rules takes them";
    Some(Failure::new(Kind::UnknownKernels, message).hint(hint))
}

/// `report` in `format`.
pub(super) fn rendered(report: &Report, format: ReportFormat) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let rendered = match format {
        ReportFormat::Markdown => render::markdown(report, &mut bytes),
        ReportFormat::Html => render::html(report, &mut bytes),
        ReportFormat::Json => render::json(report, &mut bytes),
    };
    rendered.map_err(|error| files::stdout_failed(&error))?;
    Ok(bytes)
}
