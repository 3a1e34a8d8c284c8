//! Why a verb did not do what it should: for people, for programs, and as an exit code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::ingest;
use crate::render;

/// What kind of failure, in the words of `error.kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The command line makes no sense.
    Usage,
    /// An input does not exist.
    NotFound,
    /// The file system said no to reading.
    Io,
    /// An input of a format that is not read.
    UnknownFormat,
    /// An input of a known format that is broken.
    Malformed,
    /// An input without GPU work.
    Empty,
    /// Inputs that are not of one run.
    SeveralRuns,
    /// A capture of another model's graphs.
    ForeignCapture,
    /// An input of which there is more than a limit allows.
    TooLarge,
    /// A tool or library that is not there.
    Unavailable,
    /// Our own fault, or the operating system's.
    Internal,
    /// A gate on completeness that an input does not pass.
    Incomplete,
    /// A gate on kernels of unknown purpose that an input does not pass.
    UnknownKernels,
    /// A marker that was asked for and finds no steps.
    MarkerMatchesNothing,
    /// A warm-up that was asked for and leaves no step.
    WarmupLeavesNothing,
    /// A model's configuration that the trace contradicts.
    OtherModel,
    /// An output that cannot be written.
    CannotWrite,
    /// A command that is there and cannot be run.
    CannotExecute,
    /// A command that is not there.
    NoCommand,
}

impl Kind {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Incomplete | Self::UnknownKernels | Self::MarkerMatchesNothing | Self::WarmupLeavesNothing => 3,
            Self::OtherModel => 3,
            Self::UnknownFormat
            | Self::Malformed
            | Self::Empty
            | Self::SeveralRuns
            | Self::ForeignCapture
            | Self::TooLarge => 65,
            Self::NotFound | Self::Io => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::CannotWrite => 73,
            Self::CannotExecute => 126,
            Self::NoCommand => 127,
        }
    }
}

/// A failure, with what a user needs to act on it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
    #[serde(serialize_with = "as_text")]
    path: Option<PathBuf>,
    offset: Option<u64>,
    hint: Option<String>,
}

/// A path need not be UTF-8, and JSON must be: what is none is replaced.
fn as_text<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// What a failure is on stdout.
#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a Failure,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: None, offset: None, hint: None }
    }

    /// What clap says begins with a label of its own.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message.into().trim_start_matches("error: ").trim_end())
    }

    pub(super) fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on stderr, and on stdout as data if that was asked for; gives the exit code.
    pub(super) fn tell(&self, as_json: bool) -> ExitCode {
        if as_json {
            let mut stdout = io::stdout().lock();
            let _ = render::json::write_pretty(&Envelope { error: self }, &mut stdout);
            let _ = stdout.flush();
        }
        let label = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let _ = writeln!(anstream::stderr(), "{label}error:{label:#} {}", render::visible(&self.sentence()));
        ExitCode::from(self.kind.exit_code())
    }

    /// `path, byte offset: message (hint)`.
    pub(super) fn sentence(&self) -> String {
        let mut sentence = String::new();
        if let Some(path) = &self.path {
            sentence.push_str(&path.display().to_string());
            if let Some(offset) = self.offset {
                sentence.push_str(&format!(", byte {offset}"));
            }
            sentence.push_str(": ");
        }
        sentence.push_str(&self.message);
        if let Some(hint) = &self.hint {
            sentence.push_str(&format!(" ({hint})"));
        }
        sentence
    }
}

impl From<ingest::Error> for Failure {
    fn from(error: ingest::Error) -> Self {
        let kind = match error.kind {
            ingest::ErrorKind::NotFound => Kind::NotFound,
            ingest::ErrorKind::Io => Kind::Io,
            ingest::ErrorKind::UnknownFormat => Kind::UnknownFormat,
            ingest::ErrorKind::Malformed => Kind::Malformed,
            ingest::ErrorKind::Empty => Kind::Empty,
            ingest::ErrorKind::SeveralRuns => Kind::SeveralRuns,
            ingest::ErrorKind::TooLarge => Kind::TooLarge,
        };
        Self { kind, message: error.message, path: Some(error.path), offset: error.offset, hint: error.hint }
    }
}
