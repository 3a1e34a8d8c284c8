//! The front door: from the command line to results on stdout, status on stderr, and an exit code.
//!
//! ```text
//!   argv, PROFILE_DECODE_* ─> args (as typed) ─> one file a verb (as resolved, then done) ─> exit
//! ```
//!
//! Arguments are parsed into [`args`] without a look at the world; a verb resolves them (files, patterns, formats) into
//! what it needs before it begins. Every failure is a [`Failure`] with a documented exit code, said on stderr in plain
//! words, and with `--format json` on stdout as data.

mod advice;
mod args;
mod classify;
mod control;
mod demo;
mod diff;
mod doctor;
mod engine;
mod export;
mod failure;
mod files;
mod hook;
mod index;
mod input;
mod mcp;
mod places;
mod publish;
mod reading;
mod report;
mod rules;
mod run;
mod shell;
mod skill;
mod stdin;
mod terminal;
mod tune_list;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use failure::{Failure, Kind};

/// Where the decode time of an LLM server on AMD Instinct GPUs goes.
#[derive(Parser, Debug)]
#[command(name = "profile-decode", version, about, after_help = args::EXIT_CODES, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Subcommand, Debug)]
enum Verb {
    Report(args::ReportArgs),
    Run(args::RunArgs),
    Demo(args::DemoArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    TuneList(tune_list::TuneListArgs),
    Doctor(doctor::DoctorArgs),
    Classify(args::ClassifyArgs),
    Index(index::IndexArgs),
    Advice(advice::AdviceArgs),
    Trigger(control::TriggerArgs),
    Status(control::StatusArgs),
    PythonHook(hook::HookArgs),
    Skill(skill::SkillArgs),
    Mcp(mcp::McpArgs),
    #[command(hide = true)]
    Publish(publish::PublishArgs),
    #[command(hide = true)]
    Completions(shell::CompletionsArgs),
    #[command(hide = true)]
    Man(shell::ManArgs),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let mut wants_json = args::wants_json(&argv);
    let parsed = Args::command().try_get_matches_from(argv).and_then(|matches| {
        wants_json = args::is_json(&matches);
        Args::from_arg_matches(&matches)
    });
    let outcome = match parsed {
        Ok(args) => run(args.verb),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            error.print().map_err(|error| files::stdout_failed(&error)).map(|()| ExitCode::SUCCESS)
        }
        Err(error) if wants_json => Err(Failure::usage(error.to_string())),
        Err(error) => {
            terminal::say_usage(&error);
            return ExitCode::from(Kind::Usage.exit_code());
        }
    };
    outcome.unwrap_or_else(|failure| failure.tell(wants_json))
}

fn run(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Report(args) => report::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::TuneList(args) => tune_list::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Classify(args) => classify::run(&args),
        Verb::Index(args) => index::run(&args),
        Verb::Advice(args) => advice::run(&args),
        Verb::Trigger(args) => control::trigger(&args),
        Verb::Status(args) => control::status(&args),
        Verb::PythonHook(args) => hook::run(&args),
        Verb::Skill(args) => skill::run(&args),
        Verb::Mcp(args) => mcp::run(&args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Completions(args) => shell::completions(&args, Args::command()),
        Verb::Man(args) => shell::man(&args, Args::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
