//! The terminal: results on stdout, status on stderr.

use std::io::{self, Write};

use super::failure::Failure;
use super::files;

/// Writes a line for people; nobody reading is no reason to fail.
pub(super) fn status(line: &str) {
    let _ = writeln!(anstream::stderr(), "profile-decode: {}", crate::render::visible(line));
}

/// Writes results; a reader that has seen enough and closed the pipe is no failure.
pub(super) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(files::stdout_failed(&error)),
        _ => Ok(()),
    }
}

/// Says what clap says; an argument that it repeats may hold what a terminal would obey.
pub(super) fn say_usage(error: &clap::Error) {
    let text = error.to_string();
    if text.chars().all(|c| c == '\n' || !c.is_control()) {
        let _ = error.print();
        return;
    }
    for line in text.lines() {
        let _ = writeln!(anstream::stderr(), "{}", crate::render::visible(line));
    }
}
