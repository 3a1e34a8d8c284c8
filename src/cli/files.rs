//! Files that a user names: texts to read, reports to write.
//!
//! A report is written as a whole or not at all: into a new file beside its destination, which then takes its name.
//! A destination that is there is replaced only if it is a regular file, and only because the user named it. Links are
//! not followed: in a directory that others may write to, a link planted under an expected name would send the output
//! wherever they like.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::door;

use super::failure::{Failure, Kind};

/// Puts `bytes` at `path`.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::new(Kind::CannotWrite, format!("cannot be written: {error}")).at(path);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            let what = if found.is_symlink() { "a symbolic link" } else { "not a regular file" };
            let failure = Failure::new(Kind::CannotWrite, format!("is {what}, and only a regular file is replaced"));
            return Err(failure.at(path).hint("name another file, or `-` for stdout"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // Only a file that this call made may be removed.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&temporary);
        }
        fail(error)
    })
}

/// What to say when stdout cannot be written to.
pub(super) fn stdout_failed(error: &io::Error) -> Failure {
    Failure::new(Kind::CannotWrite, format!("stdout cannot be written: {error}"))
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    door::read_text(path, door::TEXT).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::InvalidData => Kind::Malformed,
            io::ErrorKind::FileTooLarge => Kind::TooLarge,
            _ => Kind::Io,
        };
        Failure::new(kind, format!("cannot be read: {error}")).at(path)
    })
}
