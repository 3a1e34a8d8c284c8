//! What classifies kernels: rules of one's own, and an index of the installation.

use std::path::PathBuf;

use clap::Args as Group;

use crate::classify::{Classifier, Index};

use super::failure::{Failure, Kind};
use super::files;

/// Which rules classify kernels.
#[derive(Group, Debug)]
pub(super) struct RulesArgs {
    /// File with classification rules of your own, which go before those that come with the program.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_RULES")]
    pub(super) rules: Option<PathBuf>,

    /// Index of the installation, as `profile-decode index` writes it: tells of kernels whose names tell nothing.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_INDEX")]
    pub(super) index: Option<PathBuf>,

    /// Do not look names up in the catalogue of known packages that comes with the program.
    #[arg(long, env = "PROFILE_DECODE_NO_CATALOGUE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) no_catalogue: bool,
}

/// The classifier that was asked for.
pub(super) fn classifier(args: &RulesArgs) -> Result<Classifier, Failure> {
    let classifier = match &args.rules {
        None => Classifier::builtin(),
        Some(path) => Classifier::with_rules(&files::text(path)?).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::new(Kind::Malformed, lines.join("; "))
                .at(path)
                .hint("`profile-decode classify --list-rules` shows rules as they are written")
        })?,
    };
    let classifier = if args.no_catalogue { classifier } else { classifier.with_catalogue() };
    let Some(path) = &args.index else { return Ok(classifier) };
    let index = Index::parse(&files::text(path)?).map_err(|error| {
        Failure::new(Kind::Malformed, error.to_string()).at(path).hint("`profile-decode index` writes one")
    })?;
    Ok(classifier.with_index(index))
}
