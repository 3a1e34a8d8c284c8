//! `profile-decode run -- COMMAND`: the command with the tracer inside, and its report at the end.
//!
//! The run directory is claimed here, before the command starts, so that its name can be told and every process of the
//! command finds it; the tracer would do the same by itself under plain `LD_PRELOAD`. The command shares our terminal
//! and process group, so Ctrl-C reaches it as if it had been started alone; we outlive it to print the report.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::capture::options::{self, INTERPOSITION, env};
use crate::capture::report::{make, stem};
use crate::capture::rundir::{self, Identity};
use crate::{analyze, ingest};

use super::args::{ReportFormat, RunArgs, TraceArgs};
use super::failure::{Failure, Kind};
use super::places::library;
use super::terminal::{print, status};
use super::{hook, input, report, rules};

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::usage("there is no command to run"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    traced(command, &args.trace, args.modules)
}

/// Runs `command` with the tracer inside, and with the hook in Python if `modules` are asked for, and prints the report of the
/// run; gives the command's own exit code.
pub(super) fn traced(mut command: Command, args: &TraceArgs, modules: bool) -> Result<ExitCode, Failure> {
    input::step_options(&args.steps)?;
    rules::classifier(&args.rules)?;
    let library = library(args.library.as_deref())?;
    let run = Run::claim(args)?;
    for (name, value) in run.environment(args, &library) {
        command.env(name, value);
    }
    if modules {
        let folder = hook::lay(&run.directory.join(hook::FOLDER)).inspect_err(|_| run.discard())?;
        let path = hook::python_path(&folder, std::env::var_os("PYTHONPATH")).inspect_err(|_| run.discard())?;
        command.env("PYTHONPATH", path).env(env::MODULES, "1");
    }
    if !args.quiet {
        status(&format!("run directory {}", run.directory.display()));
    }
    let child = command.spawn().map_err(|error| {
        run.discard();
        cannot_run(&command, &error)
    })?;
    let ended = wait(child)?;
    run.show(args, ended)?;
    Ok(exit_code(ended))
}

/// One run and its directory.
struct Run {
    id: String,
    directory: PathBuf,
}

impl Run {
    /// Makes a directory that is this run's alone.
    fn claim(args: &TraceArgs) -> Result<Self, Failure> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().replace('/', "_");
        let pid = std::process::id();
        let identity = Identity {
            pid,
            group: getpgrp().as_raw_nonzero().get() as u32,
            host,
            rank: None,
            time: time.as_secs(),
            started: None,
            group_started: 0,
        };
        let mut options = options::Options { run_id: Some(format!("{pid}-{}", time.as_nanos())), ..Default::default() };
        if let Some(output) = &args.output {
            options.output.clone_from(output);
        }
        let fail = |error: io::Error| {
            Failure::new(Kind::CannotWrite, format!("the run directory cannot be made: {error}"))
                .at(Path::new(&options.output))
                .hint("name another with --output")
        };
        let directory =
            rundir::open(&options, &identity).and_then(|made| std::path::absolute(made.path)).map_err(fail)?;
        Ok(Self { id: options.run_id.unwrap_or_default(), directory })
    }

    /// The variables that bring the tracer into the command and tell it what to do.
    fn environment(&self, args: &TraceArgs, library: &Path) -> Vec<(&'static str, OsString)> {
        let mut preload = library.as_os_str().to_owned();
        if let Some(before) = std::env::var_os("LD_PRELOAD").filter(|before| !before.is_empty()) {
            preload.push(":");
            preload.push(before);
        }
        // A run directory is a pattern to the tracer.
        let output = self.directory.to_string_lossy().replace('%', "%%");
        let mut variables =
            vec![("LD_PRELOAD", preload), (env::OUTPUT, output.into()), (env::RUN_ID, self.id.clone().into())];
        // Inline, a start may hang the server and a stop lose the trace; older versions do not know the variable.
        if std::env::var_os(INTERPOSITION).is_none() {
            variables.push((INTERPOSITION, "0".into()));
        }
        let number = |value: Option<u32>| value.map(|value| value.to_string().into());
        let given: [(&str, Option<OsString>); 6] = [
            (env::STEPS, number(args.steps.steps)),
            (env::WARMUP, number(args.steps.warmup)),
            (env::MARKER, args.steps.marker.clone().map(OsString::from)),
            (env::RULES, args.rules.rules.clone().map(OsString::from)),
            (env::TIMEOUT, number(args.timeout)),
            (env::QUIET, args.quiet.then(|| "1".into())),
        ];
        variables.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
        variables
    }

    /// Prints the report of the first window, and tells where those of the others are. What a killed server could not
    /// make any more is made from its captures.
    fn show(&self, args: &TraceArgs, ended: ExitStatus) -> Result<(), Failure> {
        let extension = match args.format {
            // The tracer does not write HTML: it is made of the captures below, once there is a report.
            ReportFormat::Markdown | ReportFormat::Html => "md",
            ReportFormat::Json => "json",
        };
        let report = |window| self.directory.join(format!("{}.{extension}", stem(window)));
        let (marker, rules) = (args.steps.marker.clone(), args.rules.rules.clone());
        let options = options::Options { marker, rules, ..Default::default() };
        let windows = rundir::windows(&self.directory).unwrap_or_default();
        let Some((&first, others)) = windows.split_first() else {
            self.tell_that_there_is_nothing(ended);
            return Ok(());
        };
        for &window in windows.iter().filter(|&&window| !report(window).exists()) {
            make(&self.directory, window, &options)
                .map_err(|error| Failure::new(Kind::Malformed, error.to_string()).at(&self.directory))?;
        }
        if args.quiet {
            return Ok(());
        }
        let path = report(first);
        let bytes =
            fs::read(&path).map_err(|error| Failure::new(Kind::Internal, format!("no report: {error}")).at(&path))?;
        match args.format {
            ReportFormat::Html => print(&self.html(args, first)?)?,
            ReportFormat::Markdown | ReportFormat::Json => print(&bytes)?,
        }
        for &window in others {
            status(&format!("the report of window {window} is {}", report(window).display()));
        }
        status(&format!("reports and captures are in {}", self.directory.display()));
        Ok(())
    }

    fn tell_that_there_is_nothing(&self, ended: ExitStatus) {
        let how = match ended.signal() {
            Some(signal) => format!("signal {signal} ended the command"),
            None => "the command ended".to_owned(),
        };
        status(&format!(
            "{how} and no process of it left a capture: none brought up ROCm with rocprofiler-sdk, or none launched a \
             kernel"
        ));
        self.discard();
    }

    /// Takes the directory away, in which nothing of ours is but the manifest and the hook.
    fn discard(&self) {
        let _ = fs::remove_dir_all(self.directory.join(hook::FOLDER));
        let _ = fs::remove_file(self.directory.join("run.json"));
        let _ = fs::remove_dir(&self.directory);
    }
}

impl Run {
    /// The report of a window's captures as HTML.
    fn html(&self, args: &TraceArgs, window: u32) -> Result<Vec<u8>, Failure> {
        let (steps, classifier) = (input::step_options(&args.steps)?, rules::classifier(&args.rules)?);
        let captures = rundir::captures(&self.directory, window)
            .map_err(|error| Failure::new(Kind::Internal, error.to_string()).at(&self.directory))?;
        let report =
            input::report(&captures, &ingest::Options::default(), &steps, &classifier, &analyze::Options::default())?;
        report::rendered(&report, ReportFormat::Html)
    }
}

/// Waits for the command. Signals that ask us to end are the command's to obey: those that a terminal sends to the
/// whole group have reached it already, the others are passed on.
fn wait(mut child: Child) -> Result<ExitStatus, Failure> {
    let pid = Pid::from_child(&child);
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])
        .map_err(|error| Failure::new(Kind::Internal, format!("signals cannot be handled: {error}")))?;
    let handle = signals.handle();
    let forwarder = std::thread::spawn(move || {
        for signal in &mut signals {
            let forward = match signal {
                SIGTERM => Signal::TERM,
                SIGHUP => Signal::HUP,
                _ => continue,
            };
            let _ = kill_process(pid, forward);
        }
    });
    let ended = child.wait();
    handle.close();
    let _ = forwarder.join();
    ended.map_err(|error| Failure::new(Kind::Internal, format!("the command cannot be waited for: {error}")))
}

/// The command's own exit code; 128 and the signal's number where one ended it, as shells have it.
fn exit_code(ended: ExitStatus) -> ExitCode {
    let code = ended.code().or_else(|| ended.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn cannot_run(command: &Command, error: &io::Error) -> Failure {
    let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NoCommand } else { Kind::CannotExecute };
    Failure::new(kind, format!("cannot be run: {error}")).at(Path::new(command.get_program()))
}
