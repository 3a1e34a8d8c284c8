//! A skipped test passes, and is seen: here, and in the count at the end of `.ci/run`.

use std::io::Write as _;

/// Says that the current test is skipped and `why`. A line goes to the file that `PROFILE_DECODE_SKIPPED` names, if it is
/// set.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    let _ = write!(std::io::stderr(), "skipped: {line}");
    let Some(path) = std::env::var_os("PROFILE_DECODE_SKIPPED") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the list of skipped tests can be written");
}
