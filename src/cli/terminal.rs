//! The terminal: results on stdout, status on stderr.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::files;

/// Writes a line for people; nobody reading is no reason to fail.
pub(super) fn status(line: &str) {
    let _ = writeln!(anstream::stderr(), "profile-decode: {}", crate::render::visible(line));
}

/// Puts `bytes` into the file that was named and says `what` was written, or prints them (`-`, or no file).
pub(super) fn deliver(output: Option<&Path>, bytes: &[u8], what: &str) -> Result<(), Failure> {
    match output.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            files::write(path, bytes)?;
            status(&format!("{what} to {}", path.display()));
            Ok(())
        }
        None => print(bytes),
    }
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

/// How long work goes on before it is told, and between two lines of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Work that goes on: told on a terminal once it takes long, and wiped away when it is over.
pub(super) struct Working(Option<(Sender<&'static str>, JoinHandle<()>)>);

impl Working {
    /// Begins with `what`. Where stderr is no terminal nothing is ever told.
    pub(super) fn on(what: &'static str) -> Self {
        Self(io::stderr().is_terminal().then(|| tell(what, io::stderr(), PATIENCE)))
    }

    /// Goes on with `what`.
    pub(super) fn now(&self, what: &'static str) {
        if let Some((told, _)) = &self.0 {
            let _ = told.send(what);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((told, thread)) = self.0.take() {
            drop(told);
            let _ = thread.join();
        }
    }
}

/// Tells on `out` of what goes on, every `patience`, until the sender is gone.
fn tell(
    mut what: &'static str,
    mut out: impl Write + Send + 'static,
    patience: Duration,
) -> (Sender<&'static str>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let begun = Instant::now();
        let mut is_shown = false;
        loop {
            match receiver.recv_timeout(patience) {
                Ok(next) => what = next,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = write!(out, "\r\x1b[Kprofile-decode: {what}, {} s", begun.elapsed().as_secs());
                    let _ = out.flush();
                    is_shown = true;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if is_shown {
            let _ = write!(out, "\r\x1b[K");
        }
    });
    (sender, thread)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written, for all who hold it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        /// Waits until `text` was written.
        fn await_text(&self, text: &str) {
            let begun = Instant::now();
            while !self.text().contains(text) {
                assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.text());
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn long_work_is_told_and_wiped_away() {
        let out = Shared::default();
        let working = Working(Some(tell("reading", out.clone(), Duration::from_millis(5))));
        out.await_text("profile-decode: reading, 0 s");
        working.now("analysing");
        out.await_text("profile-decode: analysing, 0 s");
        drop(working);
        assert!(out.text().ends_with("\r\x1b[K"), "{:?}", out.text());
    }

    #[test]
    fn short_work_is_not_told() {
        let out = Shared::default();
        let working = Working(Some(tell("reading", out.clone(), Duration::from_secs(60))));
        working.now("analysing");
        drop(working);
        assert_eq!(out.text(), "");
    }
}
