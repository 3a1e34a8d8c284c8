//! The front door: from the command line to results on stdout, status on stderr, and an exit code.
//!
//! ```text
//!   argv, PROFILE_DECODE_* ─> args (as typed) ─> one file a verb (as resolved, then done) ─> exit
//! ```
//!
//! Arguments are parsed into [`args`] without a look at the world; a verb resolves them (files, patterns, formats) into
//! what it needs before it begins. Every failure is a [`Failure`] with a documented exit code, said on stderr in plain
//! words, and with `--format json` on stdout as data.

mod args;
mod classify;
mod control;
mod demo;
mod diff;
mod doctor;
mod export;
mod failure;
mod files;
mod input;
mod report;
mod run;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Args, Verb};
use failure::{Failure, Kind};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let wants_json = args::wants_json(&argv);
    let outcome = match Args::try_parse_from(argv) {
        Ok(args) => run(args.verb),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            error.print().map_err(|error| files::stdout_failed(&error)).map(|()| ExitCode::SUCCESS)
        }
        Err(error) if wants_json => Err(Failure::usage(error.to_string())),
        Err(error) => {
            say_usage(&error);
            return ExitCode::from(Kind::Usage.exit_code());
        }
    };
    outcome.unwrap_or_else(|failure| failure.tell(wants_json))
}

/// Says what clap says; an argument that it repeats may hold what a terminal would obey.
fn say_usage(error: &clap::Error) {
    let text = error.to_string();
    if text.chars().all(|c| c == '\n' || !c.is_control()) {
        let _ = error.print();
        return;
    }
    for line in text.lines() {
        let _ = writeln!(anstream::stderr(), "{}", crate::render::visible(line));
    }
}

fn run(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Report(args) => report::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Classify(args) => classify::run(&args),
        Verb::Trigger(args) => control::trigger(&args),
        Verb::Status(args) => control::status(&args),
    }
}

/// Writes a line for people; nobody reading is no reason to fail.
fn status(line: &str) {
    let _ = writeln!(anstream::stderr(), "profile-decode: {}", crate::render::visible(line));
}

/// Writes results; a reader that has seen enough and closed the pipe is no failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(files::stdout_failed(&error)),
        _ => Ok(()),
    }
}
