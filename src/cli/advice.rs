//! `advice`: what the reports may advise, and where its flags were looked up.

use std::process::ExitCode;

use clap::Args as Group;

use super::failure::Failure;
use super::terminal::print;
use crate::analyze::advice::page;

/// List what a report may advise: when, what to do in which engine, and where each flag was looked up (markdown).
#[derive(Group, Debug)]
pub(super) struct AdviceArgs {}

pub(super) fn run(_: &AdviceArgs) -> Result<ExitCode, Failure> {
    print(page().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
