//! The one door for files that others name or own.
//!
//! A path may lead to a device that never ends, to a pipe that nobody writes to, or through a link to somebody else's
//! file. So a file is opened without waiting, looked at once it is open, and read up to a limit that its reader knows:
//!
//! ```text
//!   path ─> open, O_NONBLOCK ─> fstat: a regular file? ─> at most `limit` bytes
//! ```

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// The most of a text that a user names: rules, a model's configuration, a tuned table.
pub(crate) const TEXT: u64 = 64 << 20;

/// The most of a file by which a run is controlled: its manifest, the trigger.
pub(crate) const CONTROL: u64 = 64 << 10;

/// Opens a regular file for reading; links are followed.
///
/// # Errors
/// If it cannot be opened, or is something else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_at_once(path, 0)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Opens a regular file or a pipe (`report <(zstdcat trace.zst)`). A pipe that has no writer is empty.
///
/// # Errors
/// If it cannot be opened, or is something else.
pub(crate) fn open_stream(path: &Path) -> io::Result<File> {
    let file = open_at_once(path, 0)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    } else if !kind.is_file() {
        return Err(not_regular());
    }
    Ok(file)
}

/// Opens a regular file that only this user or root can have put there: no link, and theirs.
///
/// # Errors
/// If it cannot be opened, or is something else.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let file = open_at_once(path, libc::O_NOFOLLOW)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(not_regular());
    }
    if !is_ours(&metadata) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    Ok(file)
}

/// Whether what `metadata` is of belongs to this user or root.
pub(crate) fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw()
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is longer, or is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text_of(open(path)?, limit)
}

/// The text of a control file, as [`open_own`] opens it.
///
/// # Errors
/// If it cannot be read, is longer than [`CONTROL`], or is not UTF-8.
pub(crate) fn read_control(path: &Path) -> io::Result<String> {
    text_of(open_own(path)?, CONTROL)
}

fn text_of(file: File, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let message = format!("longer than {limit} bytes, the most that is read of such a file");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

fn open_at_once(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC | flags).open(path)
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_refused_and_pipes_that_nobody_writes_to_are_not_waited_for() {
        assert_eq!(open(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open_stream(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(open(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open_stream(&pipe).unwrap().read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_control_file_is_no_link_no_pipe_and_not_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let [link, long, good] = ["link", "long", "good"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        std::fs::write(&long, vec![b'x'; CONTROL as usize + 1]).unwrap();
        std::fs::write(&good, "steps=3").unwrap();
        assert!(read_control(&link).is_err());
        assert_eq!(read_control(&long).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_control(&good).unwrap(), "steps=3");
    }

    #[test]
    fn a_text_is_read_up_to_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
