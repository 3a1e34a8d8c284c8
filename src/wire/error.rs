//! What can be wrong with a capture file.

use std::io;

use super::VERSION;

/// Why a capture could not be read. What is only cut short or damaged further on is read up to there, with a warning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system could not read it.
    #[error("{source}")]
    Io {
        /// The frame at which it failed, if the file was begun.
        offset: Option<u64>,
        /// What the system says.
        source: io::Error,
    },
    /// It does not begin as captures do.
    #[error("not a profile-decode capture")]
    NoCapture,
    /// The first frame is another than the description of the process.
    #[error("no description of the process")]
    NoMeta {
        /// Where it should be.
        offset: u64,
    },
    /// The description of the process is cut short.
    #[error("ends before it says whose capture it is")]
    TornMeta {
        /// Where it begins.
        offset: u64,
    },
    /// The description of the process makes no sense.
    #[error("description of the process: {0}")]
    Meta(#[source] serde_json::Error),
    /// A later version of this program wrote it.
    #[error("capture version {version} is newer than this program reads ({VERSION})")]
    Newer {
        /// Of the file.
        version: u32,
    },
    /// It ends after its first bytes.
    #[error("a capture that was never begun")]
    NeverBegun,
}

impl Error {
    /// Byte offset in the file, where that helps.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match *self {
            Self::Io { offset, .. } => offset,
            Self::NoCapture => Some(0),
            Self::NoMeta { offset } | Self::TornMeta { offset } => Some(offset),
            Self::Meta(_) | Self::Newer { .. } | Self::NeverBegun => None,
        }
    }
}
