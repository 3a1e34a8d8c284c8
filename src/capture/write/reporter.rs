//! Who makes a window's report.
//!
//! It takes the captures of all ranks in memory, and a server has none to spare: its container's limit would kill it. The
//! capture is the server's product. The last rank out of the window starts the program that lies beside the library, which
//! makes the report in a process of its own:
//!
//! ```text
//!   rank 0  ├──window──┤ rank 1 still records: left to it
//!   rank 1    ├──window───┤ the last: starts the program and goes on serving
//!                         └─> profile-decode publish DIRECTORY --window 1 ── report.md, report.json
//! ```
//!
//! The program gets no environment, so that nothing traces it, a process group of its own, so that the server's terminal
//! does not end it, and a low priority. One small capture is read here, which costs less than a process, unless the server
//! ends: then the program may outlive it. Where there is no such program, as much is read here as [`INLINE_AT_MOST`] allows;
//! beyond it the user is told how to make the report.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::rundir;
use crate::capture::options::{Options, ReportBy};
use crate::capture::report::Made;
use crate::capture::{host, report};

/// A single capture up to this size is read in the server: 260,000 dispatches, which take some 40 MB meanwhile.
const SMALL: u64 = 16 << 20;
/// The same for captures of all ranks where no program was found: a million dispatches, which take some 150 MB.
const INLINE_AT_MOST: u64 = 64 << 20;
/// How much lower than the server's the program's priority is.
const NICE: i32 = 10;
/// Bytes of what the program says of the report.
const LINE_AT_MOST: u64 = 256;
/// Where the program is, from the library's directory: where cargo puts it, and where a package does.
const PLACES: [&str; 3] = ["profile-decode", "../bin/profile-decode", "../profile-decode"];

/// What has become of a report.
pub(super) enum Outcome {
    /// It is there.
    Made(Made),
    /// Another process makes it.
    Started(Reporter),
    /// Nobody makes it now, and why, in a clause.
    Left(String),
}

/// Sees to the report of `window` in `directory`, to which this process, which may be about to end, has given the capture
/// `own`.
///
/// # Errors
/// If it could not be made.
pub(super) fn publish(directory: &Path, window: u32, own: &Path, options: &Options, ends: bool) -> io::Result<Outcome> {
    let later = format!("`profile-decode report {}` makes the report", directory.display());
    if options.report_by == ReportBy::None {
        return Ok(Outcome::Left(later));
    }
    let captures = rundir::captures(directory, window)?;
    let others = captures.iter().filter(|capture| *capture != own);
    let recording = others.filter(|capture| rundir::is_recording(capture)).count();
    if recording > 0 {
        let processes = if recording == 1 { "one process still records" } else { "other processes still record" };
        return Ok(Outcome::Left(format!("{processes}, and the last of them makes the report")));
    }
    let bytes: u64 = captures.iter().filter_map(|capture| capture.metadata().ok()).map(|found| found.len()).sum();
    let is_small = captures.len() == 1 && bytes <= SMALL && !ends;
    let program = program().filter(|_| options.report_by == ReportBy::Helper && !is_small);
    if let Some(started) = program.and_then(|program| Reporter::start(&program, directory, window, options).ok()) {
        return Ok(Outcome::Started(started));
    }
    if is_small || bytes <= INLINE_AT_MOST || options.report_by == ReportBy::Inline {
        return report::make(directory, window, options).map(Outcome::Made);
    }
    let size = bytes >> 20;
    Ok(Outcome::Left(format!(
        "the program is not beside the library, and {size} MiB are not read in a server; {later}"
    )))
}

/// The program beside the library.
fn program() -> Option<PathBuf> {
    let library = host::own_library()?;
    let directory = library.parent()?;
    PLACES.iter().map(|place| directory.join(place)).find(|path| path.is_file())
}

/// A process that makes a report.
pub(super) struct Reporter {
    child: Child,
    /// Where the report will be.
    report: PathBuf,
}

impl Reporter {
    fn start(program: &Path, directory: &Path, window: u32, options: &Options) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("publish").arg(directory).arg("--window").arg(window.to_string());
        if let Some(marker) = &options.marker {
            command.arg("--marker").arg(marker);
        }
        if let Some(rules) = &options.rules {
            command.arg("--rules").arg(rules);
        }
        let child = command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
        if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
            // It only disturbs the server more without it.
            let _ = rustix::process::setpriority_process(Some(pid), NICE);
        }
        let report = directory.join(report::stem(window)).with_extension("md");
        Ok(Self { child, report })
    }

    /// Whether it has ended, and how: the report, or why there is none.
    pub(super) fn ended(&mut self) -> Option<io::Result<Made>> {
        let status = match self.child.try_wait() {
            Ok(None) => return None,
            // A host that waits for whatever child ends may have taken it from us: then the file tells.
            Err(_) => self.report.is_file(),
            Ok(Some(status)) => status.success(),
        };
        let failed = || io::Error::other("the program that makes the report failed");
        Some(if status { Ok(Made { path: self.report.clone(), steps: self.steps() }) } else { Err(failed()) })
    }

    /// What is in the report, which the program has said in a line.
    fn steps(&mut self) -> String {
        let mut said = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            // What it did not say is not told.
            let _ = stdout.take(LINE_AT_MOST).read_to_string(&mut said);
        }
        let said = said.trim();
        if said.is_empty() { "decode steps".to_owned() } else { said.to_owned() }
    }

    /// Waits for it, at most as long as `bound`.
    pub(super) fn wait(&mut self, bound: Duration) -> Option<io::Result<Made>> {
        let begun = Instant::now();
        loop {
            match self.ended() {
                None if begun.elapsed() < bound => std::thread::sleep(Duration::from_millis(5)),
                ended => return ended,
            }
        }
    }
}
