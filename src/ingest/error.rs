//! What can be wrong with an input, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::wire;

/// What the message ends with where nothing is known of a file.
pub(super) const UNKNOWN: &str = "that profile-decode knows";

/// The kinds of failure that callers tell apart (exit codes, `error.kind` in JSON).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The path does not exist.
    NotFound,
    /// The file system said no.
    Io,
    /// Not a format that we read.
    UnknownFormat,
    /// The right format, but broken before anything could be read.
    Malformed,
    /// More than a limit allows; see [`Limits`](super::Limits).
    TooLarge,
    /// The right format, but there is no GPU work in it, and there never was.
    Empty,
    /// Traces that are not of one run, or not of the session that was asked for.
    SeveralRuns,
}

/// Why an input could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The file.
    pub path: PathBuf,
    /// Byte offset in the (decompressed) file, where that helps.
    pub offset: Option<u64>,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
}

impl Error {
    /// A failure of `kind` on `path`.
    pub fn new(kind: ErrorKind, path: &Path, message: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), offset: None, message: message.into(), hint: None }
    }

    /// Whether it names what the file is, rather than that it is nothing known.
    pub(super) fn says_what_it_is(&self) -> bool {
        !self.message.ends_with(UNKNOWN)
    }

    /// Adds where in the file.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Error {
    /// What is wrong with a capture of our own.
    pub(super) fn of_capture(path: &Path, error: &wire::Error) -> Self {
        let kind = match error {
            wire::Error::Io { .. } => ErrorKind::Io,
            wire::Error::NoCapture | wire::Error::Newer { .. } => ErrorKind::UnknownFormat,
            wire::Error::NeverBegun => ErrorKind::Empty,
            _ => ErrorKind::Malformed,
        };
        let hint = matches!(error, wire::Error::Newer { .. }).then(|| "use a newer profile-decode".to_owned());
        Self { kind, path: path.to_owned(), offset: error.offset(), message: error.to_string(), hint }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, ", byte {offset}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
