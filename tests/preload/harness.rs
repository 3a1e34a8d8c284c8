//! Running programs with the library preloaded, the simulated decode server above all.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::ledger::{Expected, Ledger};
use crate::python;

/// Longest that any program may run here: these machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(120);

/// The directory that cargo builds into: where the program under test is.
fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().expect("the program has a directory").to_owned()
}

/// A built file, which must be there: `cargo build --workspace --lib --bins --examples` makes them.
pub(crate) fn built(name: &str) -> PathBuf {
    let path = target().join(name);
    assert!(path.exists(), "{} is missing: run cargo build --workspace --lib --bins --examples", path.display());
    path
}

/// The library under test: `cargo test` makes it anew beside the dependencies, `cargo build` beside the program.
pub(crate) fn library() -> PathBuf {
    let beside = target().join("deps/libprofile_decode.so");
    let age = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    std::iter::once(built("libprofile_decode.so")).chain(Some(beside)).max_by_key(age).expect("one at least")
}

/// A tool that prints what it is told, from the simulator's own tests.
pub(crate) fn print_tool() -> PathBuf {
    built("librocprofiler_print_tool.so")
}

/// The simulated SDK.
pub(crate) fn simulator() -> PathBuf {
    built("librocprofiler_sdk_simulator.so")
}

/// A command with the library preloaded, in its own working directory, with no option of ours set.
pub(crate) fn preloaded(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PROFILE_DECODE_") {
            command.env_remove(name);
        }
    }
    command.env("LD_PRELOAD", library()).current_dir(directory);
    command
}

/// Both outputs as text, for messages.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Longest wait for a report that a process of its own makes: these machines are slow at times.
const REPORT_AT_MOST: Duration = Duration::from_secs(30);

/// The JSON report of a run directory. A server that was in a hurry did not wait for it.
pub(crate) fn report(directory: &Path) -> Value {
    let path = directory.join("report.json");
    let begun = Instant::now();
    while !path.exists() && begun.elapsed() < REPORT_AT_MOST {
        std::thread::sleep(Duration::from_millis(10));
    }
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    crate::contract::parsed(&bytes)
}

/// The simulated decode server with the library preloaded.
pub(crate) struct Server {
    directory: TempDir,
    command: Command,
}

impl Server {
    /// A server with these arguments.
    pub(crate) fn new<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = preloaded(built("examples/decode_server"), directory.path());
        command.args(arguments);
        command.env("PROFILE_DECODE_OUTPUT", directory.path().join("out"));
        command.arg("--ledger").arg(directory.path().join("ledger-%r.json"));
        Self { directory, command }
    }

    /// A program of a test's own in Python: this text after `from gpu import *`.
    pub(crate) fn python(program: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("program.py");
        fs::write(&path, format!("from gpu import *\n\n{program}")).expect("the program can be written");
        Self::hosted(directory, &path, &[])
    }

    /// A host in Python from `tests/preload/hosts`.
    pub(crate) fn python_file(name: &str, arguments: &[&str]) -> Self {
        Self::hosted(tempfile::tempdir().expect("a temporary directory"), &hosts().join(name), arguments)
    }

    fn hosted(directory: TempDir, program: &Path, arguments: &[&str]) -> Self {
        let mut command = preloaded(python::python().expect("python3 is needed"), directory.path());
        command.arg(program).args(arguments);
        command.env("PYTHONPATH", hosts()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("SIMULATOR", simulator()).env_remove("RANK");
        command.env("PROFILE_DECODE_OUTPUT", directory.path().join("out"));
        command.env("LEDGER", directory.path().join("ledger-%r.json"));
        Self { directory, command }
    }

    /// Records `steps` decode steps after `warmup` of them.
    pub(crate) fn steps(self, steps: usize, warmup: usize) -> Self {
        self.env("PROFILE_DECODE_STEPS", steps.to_string()).env("PROFILE_DECODE_WARMUP", warmup.to_string())
    }

    /// Sets a variable of the server's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes the library out of `LD_PRELOAD`.
    pub(crate) fn without_preload(mut self) -> Self {
        self.command.env_remove("LD_PRELOAD");
        self
    }

    /// Preloads another library before ours.
    pub(crate) fn also_preload(self, other: &Path) -> Self {
        let both = format!("{} {}", other.display(), library().display());
        self.env("LD_PRELOAD", both)
    }

    /// Preloads another library after ours.
    pub(crate) fn also_preload_after(self, other: &Path) -> Self {
        let both = format!("{} {}", library().display(), other.display());
        self.env("LD_PRELOAD", both)
    }

    /// Starts it and lets it run.
    pub(crate) fn start(mut self) -> Running {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = with_default_signals(&mut self.command).spawn().expect("the server starts");
        Running { directory: self.directory, child }
    }

    /// Its own directory, in which `out` will be the run directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Has it started by another program: `words`, then its own command line.
    pub(crate) fn started_by(mut self, words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.directory.path());
        self.command = command;
        self
    }

    /// Runs it to its end, which must come before long. What it says goes to files: children that live on would hold a pipe.
    pub(crate) fn run(mut self) -> Run {
        let said = ["stdout", "stderr"].map(|name| self.directory.path().join(name));
        let [stdout, stderr] = said.each_ref().map(|path| fs::File::create(path).expect("a file for what it says"));
        self.command.stdout(stdout).stderr(stderr).stdin(Stdio::null());
        let mut child = with_default_signals(&mut self.command).spawn().expect("it starts");
        let begun = Instant::now();
        let mut in_time = true;
        let status = loop {
            match child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if in_time && begun.elapsed() >= PATIENCE => {
                    in_time = false;
                    let _ = child.kill();
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let [stdout, stderr] = said.map(|path| fs::read(path).unwrap_or_default());
        let output = Output { status, stdout, stderr };
        assert!(in_time, "it hangs: {}", text(&output));
        Run { directory: self.directory, output }
    }
}

/// Has a program start with the signals' default actions, whatever these tests were started under: `nohup` and a shell's
/// `&` leave some of them ignored, and a host that inherits that rightly goes on.
fn with_default_signals(command: &mut Command) -> &mut Command {
    let reset = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: signal takes integers, and is async-signal-safe.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe work is done.
    unsafe { command.pre_exec(reset) }
}

pub(crate) fn hosts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/hosts")
}

/// A server that runs until this goes.
pub(crate) struct Running {
    directory: TempDir,
    child: Child,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The run directory.
    pub(crate) fn output(&self) -> PathBuf {
        self.directory.path().join("out")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that has ended.
pub(crate) struct Run {
    directory: TempDir,
    pub(crate) output: Output,
}

impl Run {
    /// Fails with everything it said unless it ended well.
    pub(crate) fn succeeded(&self) {
        self.succeeds().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Everything it said, unless it ended well.
    pub(crate) fn succeeds(&self) -> Result<(), String> {
        if self.output.status.success() { Ok(()) } else { Err(text(&self.output)) }
    }

    /// What it said on stdout.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Names of the files in the run directory, in their order.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.output()) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// How many captures there are in it.
    pub(crate) fn captures(&self) -> usize {
        self.files().iter().filter(|name| name.ends_with(".pdc")).count()
    }

    /// The program's own directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The run directory.
    pub(crate) fn output(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// What `profile-decode report` says of the run directory.
    pub(crate) fn report_afterwards(&self) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        let output = command.arg("report").arg(self.output()).args(["--format", "json"]).output().expect("it runs");
        assert!(output.status.success(), "{}", text(&output));
        crate::contract::parsed(&output.stdout)
    }

    /// What it said on stderr.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// How often the start of a context stood, in its first process.
    pub(crate) fn stalls(&self) -> u32 {
        Ledger::read(&self.directory.path().join("ledger-0.json")).stalls
    }

    /// What the ledgers of all its processes say of the window; see [`Ledger::window`].
    pub(crate) fn expected(&self, warmup: usize, steps: usize, is_decode: impl Fn(&str) -> bool) -> Expected {
        let mut expected = Expected::default();
        for rank in 0.. {
            let path = self.directory.path().join(format!("ledger-{rank}.json"));
            if !path.exists() {
                assert!(rank > 0, "{} is missing: {}", path.display(), text(&self.output));
                break;
            }
            expected.add(rank, Ledger::read(&path).window(warmup, steps, &is_decode));
        }
        expected
    }
}
