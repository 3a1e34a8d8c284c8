//! The run directory: where captures and reports go.
//!
//! All processes of one run (the ranks of a server) write into one directory, each its own capture files; a report over
//! all captures there is made anew whenever one is finished, so the last process out leaves the whole. Nothing that was
//! there before is ever overwritten: a directory that belongs to another run is left alone and a number is appended.
//!
//! A run is named by `PROFILE_DECODE_RUN_ID` (which `profile-decode run` sets), else by the process group, which a
//! server's ranks share, and the start time of its leader, since group numbers are used again. Servers that a script
//! starts one after another share a group as well, so a run without a name of its own is over when all its processes are:
//!
//! ```text
//!   rank 0     ├──────────■■■■■■■■■■■■■─┤              ■ holds the manifest's lock, shared with the others
//!   rank 1      ├───────────────────────── ■■┤         joins: it had started when rank 0 wrote the last time
//!   next run                                   ├───■■  starts afterwards, and finds no lock: another directory
//! ```
//!
//! Files are created with `O_EXCL | O_NOFOLLOW` and mode 0600, directories with 0700: the text of a server's markers is
//! nobody else's business, and a link planted in a shared directory is not followed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::capture::options::Options;
use crate::door;

/// The file that says whose directory it is.
const MANIFEST: &str = "run.json";

/// The file by which a window is ordered, which may be there before anything else.
pub(super) const TRIGGER: &str = "trigger";

/// Directories tried under one name before giving up.
const MOST_DIRECTORIES: u32 = 1000;

/// What the pattern and the run's name are made from.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Process group id.
    pub group: u32,
    /// Host name.
    pub host: String,
    /// Rank in the world, where the launcher told.
    pub rank: Option<u32>,
    /// Unix time in seconds at which the run began.
    pub time: u64,
    /// When this process started, at the latest; `None` where that is not known.
    pub started: Option<SystemTime>,
    /// Start time of the process group's leader in clock ticks since boot; 0 if it is gone.
    pub group_started: u64,
}

impl Identity {
    /// The run's name: equal in all processes of one run and in no other.
    fn run(&self, options: &Options) -> String {
        options.run_id.clone().unwrap_or_else(|| format!("{}-{}-{}", self.host, self.group, self.group_started))
    }

    /// Replaces `%h`, `%p`, `%g`, `%r`, `%t` and `%%` in `pattern`; anything else stays as it is.
    fn expand(&self, pattern: &str) -> String {
        let mut out = String::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('h') => out.push_str(&self.host),
                Some('p') => out.push_str(&self.pid.to_string()),
                Some('g') => out.push_str(&self.group.to_string()),
                Some('r') => out.push_str(&self.rank.unwrap_or(0).to_string()),
                Some('t') => out.push_str(&self.time.to_string()),
                Some('%') => out.push('%'),
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out
    }
}

/// The directory that the pattern names, whether it is there or not: where a trigger file is looked for.
#[must_use]
pub fn expected(options: &Options, identity: &Identity) -> PathBuf {
    PathBuf::from(identity.expand(&options.output))
}

/// The directory of a run that goes on at least as long as this lives.
#[derive(Debug)]
pub struct RunDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// The manifest, with a shared lock on it.
    _member: File,
}

impl RunDirectory {
    /// Whether nobody took it away.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path.join(MANIFEST).exists()
    }
}

/// Finds or makes the directory of this run.
///
/// # Errors
/// What the file system says; what is there and no directory is refused, and so is a directory that everybody may write
/// to, unless it is sticky and ours or root's.
pub fn open(options: &Options, identity: &Identity) -> io::Result<RunDirectory> {
    let base = identity.expand(&options.output);
    let run = identity.run(options);
    // A run with a name of its own is over when whoever named it says so.
    let started = identity.started.filter(|_| options.run_id.is_none());
    if let Some(parent) = Path::new(&base).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    for number in 1..=MOST_DIRECTORIES {
        let path = PathBuf::from(if number == 1 { base.clone() } else { format!("{base}-{number}") });
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number == 1 && is_no_directory(&path) => {
                return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{base} is not a directory")));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        if let Some(member) = claim(&path, &run, started)? {
            return Ok(RunDirectory { path, _member: member });
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!("{base} and {MOST_DIRECTORIES} more are taken by other runs"),
    ))
}

/// Whether there is something else than a directory or a link.
fn is_no_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_dir() && !metadata.is_symlink())
}

/// Joins the directory if it is, or now becomes, that of `run`, and gives the manifest with a shared lock on it.
fn claim(directory: &Path, run: &str, started: Option<SystemTime>) -> io::Result<Option<File>> {
    let metadata = fs::symlink_metadata(directory)?;
    if !metadata.is_dir() {
        return Ok(None);
    }
    let is_sticky = metadata.mode() & 0o1000 != 0;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o002 != 0 && !(is_sticky && door::is_ours(&metadata)) {
        let message = format!("{} can be written by everybody and is not sticky and ours", directory.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // Whose directory it is may put there, and take away, what he likes.
    let may_join = is_own || is_sticky && door::is_ours(&metadata);
    if !may_join {
        return Ok(None);
    }
    let manifest = directory.join(MANIFEST);
    let text = serde_json::json!({ "run": run }).to_string();
    match create(&manifest) {
        Ok(mut file) => {
            // A directory with files in it that has no manifest is somebody's; only an empty one is taken.
            if fs::read_dir(directory)?
                .flatten()
                .any(|entry| ![MANIFEST, TRIGGER].contains(&&*entry.file_name().to_string_lossy()))
            {
                drop(file);
                fs::remove_file(&manifest)?;
                return Ok(None);
            }
            let member = File::open(&manifest)?;
            // Before the text: whoever reads it finds the lock. Some file systems know none.
            let _ = member.try_lock_shared();
            file.write_all(text.as_bytes())?;
            Ok(Some(member))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_run(&manifest, run)? => {
            join(directory, &manifest, started)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Joins the run that `directory` belongs to, unless it was over before this process `started`.
fn join(directory: &Path, manifest: &Path, started: Option<SystemTime>) -> io::Result<Option<File>> {
    let member = door::open_own(manifest)?;
    // One at a time, lest two who look for members take each other for one.
    let _lock = lock(directory)?;
    if let Some(started) = started
        && member.try_lock().is_ok()
        && last_written(directory)? < started
    {
        return Ok(None);
    }
    let _ = member.try_lock_shared();
    Ok(Some(member))
}

/// When a process of the run last wrote into its directory.
fn last_written(directory: &Path) -> io::Result<SystemTime> {
    let mut last = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory)?.flatten().filter(|entry| entry.file_name() != TRIGGER) {
        // What has gone meanwhile was not the last.
        last = entry.metadata().and_then(|metadata| metadata.modified()).map_or(last, |written| last.max(written));
    }
    Ok(last)
}

/// Whether the manifest names `run`. Another process may be about to write it, so an empty one is looked at again.
fn is_run(manifest: &Path, run: &str) -> io::Result<bool> {
    for _ in 0..50 {
        // What cannot be a manifest of ours makes the directory somebody else's.
        let Ok(text) = door::read_control(manifest) else { return Ok(false) };
        if !text.is_empty() {
            let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            return Ok(manifest["run"] == run);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(false)
}

/// Creates a file that was not there before.
///
/// # Errors
/// What the file system says, `AlreadyExists` among it.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

/// Extension of capture files.
const CAPTURE: &str = "pdc";

/// Whether a process still writes this capture: it holds a lock until it has ended the file or is gone.
pub(super) fn is_recording(capture: &Path) -> bool {
    door::open_own(capture).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Creates the capture file of a process's `window`, locked as long as it is written. A process that replaced itself by `exec` finds the names of its
/// earlier self taken and appends a number.
///
/// # Errors
/// What the file system says.
pub fn create_capture(directory: &Path, window: u32, pid: u32) -> io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("window{window}-{pid}{again}.{CAPTURE}"));
        match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
            created => {
                let file = created?;
                // Some file systems know no locks: there every rank takes itself for the last.
                let _ = file.try_lock();
                return Ok((path, file));
            }
        }
    }
}

/// The numbers of the windows that were captured into `directory`, in their order.
///
/// # Errors
/// What the file system says.
pub fn windows(directory: &Path) -> io::Result<Vec<u32>> {
    let mut windows = std::collections::BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".pdc")?.strip_prefix("window")?.split_once('-'));
        windows.extend(number.and_then(|(number, _)| number.parse::<u32>().ok()));
    }
    Ok(windows.into_iter().collect())
}

/// The capture files of `window` in `directory`, of all processes, sorted by name.
///
/// # Errors
/// What the file system says.
pub fn captures(directory: &Path, window: u32) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("window{window}-");
    let mut captures = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && path.extension().is_some_and(|extension| extension == CAPTURE) {
            captures.push(path);
        }
    }
    // What is no file of ours is none that a process of this run wrote.
    captures.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && door::is_ours(&found)));
    captures.sort();
    Ok(captures)
}

/// Puts `bytes` at `path` as a whole: readers see the old file or the new one, never a part.
///
/// # Errors
/// What the file system says.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written =
        create(&temporary).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Longest wait for the directory's lock.
const LOCK_AT_MOST: Duration = Duration::from_secs(10);

/// Holds the directory's lock as long as it lives: one process at a time makes the report.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a child forked in the meantime has the file open as well.
        let _ = self.0.unlock();
    }
}

/// Takes the directory's lock. It is only waited for so long: the report of a process that goes without it may lack
/// captures that were finished in the meantime, which is better than none because somebody was stopped with the lock in
/// his hands.
///
/// # Errors
/// What the file system says.
pub fn lock(directory: &Path) -> io::Result<Lock> {
    let file = File::open(directory)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_AT_MOST => {
                std::thread::sleep(Duration::from_millis(2));
            }
            // Some file systems know no locks.
            Err(_) => return Ok(Lock(file)),
        }
    }
}

#[cfg(test)]
mod tests;
