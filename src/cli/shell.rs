//! `completions` and `man`: what a shell and a manual say of the program, made of the arguments themselves.

use std::process::ExitCode;

use clap::{Args as Group, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::files;
use super::terminal::print;

/// Write completions for a shell to stdout.
#[derive(Group, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual page of the program, or of one of its verbs, to stdout.
#[derive(Group, Debug)]
pub(super) struct ManArgs {
    /// The verb.
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<ExitCode, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs, mut command: Command) -> Result<ExitCode, Failure> {
    command.build();
    let page = match &args.verb {
        None => command,
        Some(verb) => {
            let found = command.find_subcommand(verb).cloned();
            found.ok_or_else(|| Failure::usage(format!("there is no verb {verb:?}")))?
        }
    };
    let mut bytes = Vec::new();
    clap_mangen::Man::new(page).render(&mut bytes).map_err(|error| files::stdout_failed(&error))?;
    print(&bytes)?;
    Ok(ExitCode::SUCCESS)
}
