//! What is read and how much of it, as typed.

use std::path::PathBuf;

use clap::Args as Group;

use crate::ingest::{self, LimitError, Limits};

/// Which of several runs is read, and how much of it.
#[derive(Group, Debug)]
pub(super) struct ReadArgs {
    /// Where the files are of several sessions: the one to read, counted from 1 in the order of time [default: the newest
    /// with all its ranks].
    #[arg(long, value_name = "N", env = "PROFILE_DECODE_SESSION",
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) session: Option<usize>,

    #[command(flatten)]
    pub(super) captures: CaptureArgs,

    #[command(flatten)]
    limits: LimitArgs,
}

/// What tells which operators graph replays ran.
#[derive(Group, Debug)]
pub(super) struct CaptureArgs {
    /// PyTorch profiler trace of the capture of the graphs that are replayed, or a directory of such traces: replays then
    /// get operators and shapes [default: capture_traces/ and *graph_capture* beside the inputs].
    #[arg(long = "capture-trace", value_name = "PATH", env = "PROFILE_DECODE_CAPTURE_TRACE", value_delimiter = ',')]
    pub(super) paths: Vec<PathBuf>,
}

impl ReadArgs {
    /// What is read, and how much of it.
    pub(super) fn options(&self) -> ingest::Options {
        let capture_traces = self.captures.paths.clone();
        ingest::Options { session: self.session, capture_traces, limits: self.limits.limits() }
    }
}

/// What reading may cost.
#[derive(Group, Debug)]
pub(super) struct LimitArgs {
    /// Set another limit to what reading an input may cost: unpacked, row, records, names, ranks or sqlite-steps (see
    /// docs/limits.md). N may end in k, M or G.
    #[arg(long = "limit", value_name = "NAME=N", env = "PROFILE_DECODE_LIMITS", value_delimiter = ',',
          value_parser = limit)]
    limits: Vec<String>,
}

impl LimitArgs {
    /// The usual limits, and what was said of them.
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for limit in &self.limits {
            limits.set(limit).expect("clap took it because it is a limit");
        }
        limits
    }
}

/// `text`, if it sets a limit.
fn limit(text: &str) -> Result<String, LimitError> {
    Limits::default().set(text).map(|()| text.to_owned())
}
