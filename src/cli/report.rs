//! `profile-decode report`: a trace in, a report out.

use std::path::Path;
use std::process::ExitCode;

use crate::analyze::{self, Report};
use crate::render;

use super::args::{ReportArgs, ReportFormat};
use super::failure::Failure;
use super::{files, input, print, status};

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let steps = input::step_options(&args.steps)?;
    let classifier = input::classifier(&args.rules)?;
    let options = analyze::Options { whole_trace: args.whole_trace };
    let report = input::report(&args.inputs, &steps, &classifier, &options)?;
    let bytes = rendered(&report, args.format)?;
    match &args.output {
        Some(path) if path != Path::new("-") => {
            files::write(path, &bytes)?;
            status(&format!("report written to {}", path.display()));
        }
        _ => print(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
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
