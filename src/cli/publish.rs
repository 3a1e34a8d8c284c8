//! `publish`: makes the report of a window where the tracer would.
//!
//! The last rank out of a window calls it, so that the report takes no memory of the server. It is not for people, who
//! have `report`, and writes the report and a line of what is in it or, where that fails, why.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as Group;

use crate::capture::options::Options;
use crate::capture::report;
use crate::cli::failure::{Failure, Kind};
use crate::cli::terminal::print;

/// Make the report of a window of our own captures, in their directory.
#[derive(Group, Debug)]
pub(super) struct PublishArgs {
    /// The run directory.
    directory: PathBuf,

    /// Number of the window.
    #[arg(long)]
    window: u32,

    /// As the tracer was told.
    #[arg(long)]
    marker: Option<String>,

    /// As the tracer was told.
    #[arg(long)]
    rules: Option<PathBuf>,
}

pub(super) fn run(args: &PublishArgs) -> Result<ExitCode, Failure> {
    let (marker, rules) = (args.marker.clone(), args.rules.clone());
    let options = Options { marker, rules, ..Options::default() };
    let made = report::make(&args.directory, args.window, &options)
        .map_err(|error| Failure::new(Kind::Malformed, error.to_string()).at(&args.directory))?;
    print(format!("{}\n", made.steps).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
