//! `profile-decode export`: the window for other programs: a trace for a viewer, tables for spreadsheets.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as Group, ValueEnum};

use crate::pipeline::Prepared;
use crate::{analyze, ingest, render};

use super::args::{EXIT_CODES, StepArgs};
use super::failure::Failure;
use super::reading::ReadArgs;
use super::rules::RulesArgs;
use super::terminal::{Working, deliver};
use super::{files, input, rules};

const EXAMPLES: &str = "\
Examples:
  profile-decode export profile-decode-4711 --format perfetto -o window.json.gz    # open in ui.perfetto.dev
  profile-decode export trace.json.gz --format kernels-csv > kernels.csv
  profile-decode export rank0.db rank1.db --format dispatches-csv --whole-trace -o all.csv";

/// Write the counted steps as a trace for Perfetto, or as CSV.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct ExportArgs {
    /// Trace files, or directories of one run's files.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// What to write.
    #[arg(long, value_enum, default_value_t, env = "PROFILE_DECODE_EXPORT_FORMAT")]
    format: ExportFormat,

    /// Write to FILE instead of stdout (`-`); compressed if its name ends in .gz.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    read: ReadArgs,

    #[command(flatten)]
    steps: StepArgs,

    /// All of the trace, not only from the first counted step to the last.
    #[arg(long, env = "PROFILE_DECODE_WHOLE_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    whole_trace: bool,

    #[command(flatten)]
    rules: RulesArgs,
}

/// What to write.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
enum ExportFormat {
    /// Trace events: ranks, streams, steps and marker ranges as tracks.
    #[default]
    Perfetto,
    /// A row a kernel name, with its class and figures.
    KernelsCsv,
    /// A row a kernel execution, with its step.
    DispatchesCsv,
}

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let options = input::step_options(&args.steps)?;
    let classifier = rules::classifier(&args.rules)?;
    let working = Working::on("reading");
    let trace = ingest::read_with(&args.inputs, &args.read.options())?;
    working.now("writing");
    let run = Prepared::new(trace, &classifier, &options);
    input::refuse_foreign(&args.read.captures, &run.trace)?;
    let Prepared { trace, classes, steps } = &run;
    let mut bytes = Vec::new();
    let whole = args.whole_trace;
    let written = match args.format {
        ExportFormat::Perfetto => render::perfetto(trace, classes, steps, whole, &mut bytes),
        ExportFormat::DispatchesCsv => render::dispatches_csv(trace, classes, steps, whole, &mut bytes),
        ExportFormat::KernelsCsv => {
            let options = analyze::Options { whole_trace: whole, ..analyze::Options::default() };
            render::kernels_csv(&run.report(&options), &mut bytes)
        }
    };
    written.map_err(|error| files::stdout_failed(&error))?;
    drop(working);
    let output = args.output.as_deref();
    let compressed = output.and_then(Path::extension).is_some_and(|extension| extension == "gz");
    let bytes = if compressed { gzip(&bytes).map_err(|error| files::stdout_failed(&error))? } else { bytes };
    deliver(output, &bytes, "written")?;
    match input::unmet(&args.steps, steps).filter(|_| !whole) {
        Some(failure) => Ok(failure.tell(false)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
