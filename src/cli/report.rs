//! `profile-decode report`: a trace in, a report out.

use std::path::Path;
use std::process::ExitCode;

use crate::{analyze, render};

use super::args::{ReportArgs, ReportFormat};
use super::failure::Failure;
use super::{files, input, print, status};

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let steps = input::step_options(&args.steps)?;
    let classifier = input::classifier(&args.rules)?;
    let options = analyze::Options { whole_trace: args.whole_trace };
    let report = input::report(&args.inputs, &steps, &classifier, &options)?;
    let mut bytes = Vec::new();
    let rendered = match args.format {
        ReportFormat::Markdown => render::markdown(&report, &mut bytes),
        ReportFormat::Json => render::json(&report, &mut bytes),
    };
    rendered.map_err(|error| files::stdout_failed(&error))?;
    match &args.output {
        Some(path) if path != Path::new("-") => {
            files::write(path, &bytes)?;
            status(&format!("report written to {}", path.display()));
        }
        _ => print(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}
