//! `profile-decode trigger PID` and `profile-decode status PID`: talking to tracers in running servers.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as Group;

use crate::capture::control::{Listener, Order, Reply, Request, Status, ask, listener, listeners};

use super::args::{EXIT_CODES, StatusFormat};
use super::failure::{Failure, Kind};
use super::terminal::{print, status as say};
use crate::render::visible;

const TRIGGER_EXAMPLES: &str = "\
Examples:
  profile-decode trigger 4711
  profile-decode trigger 4711 --steps 500 --warmup 0
  profile-decode trigger --all --steps 200 --wait

The server must have been started with the tracer in it; every rank's process is told by itself. Where its socket cannot
be reached (another network namespace), write `steps=500 warmup=0` to the file `trigger` in the run directory instead.";

/// Order another window from the tracer in a running server.
#[derive(Group, Debug)]
#[command(after_help = TRIGGER_EXAMPLES, after_long_help = format!("{TRIGGER_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct TriggerArgs {
    /// Process with the tracer in it.
    #[arg(required_unless_present = "all", value_name = "PID")]
    pids: Vec<u32>,

    /// All processes with a tracer in them: the workers of a server have names of their own and are easily missed.
    #[arg(long, conflicts_with = "pids")]
    all: bool,

    /// Wait until each window is recorded and reported on.
    #[arg(long)]
    wait: bool,

    /// Decode steps to record [default: as the server was started with].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// Decode steps to let pass before [default: as the server was started with].
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  profile-decode status
  profile-decode status 4711
  profile-decode status 4711 --format json";

/// Tell where the tracer in a running server stands.
#[derive(Group, Debug)]
#[command(after_help = STATUS_EXAMPLES, after_long_help = format!("{STATUS_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct StatusArgs {
    /// Process with the tracer in it [default: every one].
    #[arg(value_name = "PID")]
    pids: Vec<u32>,

    /// How to write it: a line for people, or an object a line.
    #[arg(long, value_enum, default_value_t)]
    format: StatusFormat,
}

/// Pause between looks at a window that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Orders a window from each process; the first that cannot be had ends it.
pub(super) fn trigger(args: &TriggerArgs) -> Result<ExitCode, Failure> {
    let order = Order { steps: args.steps, warmup: args.warmup };
    let listeners = if args.all { everyone()? } else { named(&args.pids)? };
    if listeners.is_empty() {
        return Err(Failure::new(Kind::Unavailable, "no process with a tracer in it was found".to_owned()));
    }
    let mut ordered = Vec::new();
    for listener in listeners {
        let before = request(listener, Request::Status)?.status.window;
        let Reply { error, status } = request(listener, Request::Trigger(order))?;
        let pid = listener.pid;
        if let Some(why) = error {
            return Err(Failure::new(Kind::Unavailable, format!("process {pid}: {why}")));
        }
        say(&format!("process {pid}: {} for a window of {} decode steps", status.state, status.steps_wanted));
        ordered.push((listener, before));
    }
    if args.wait {
        ordered.into_iter().try_for_each(|(listener, before)| wait(listener, before))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the window after the one of number `before`. A tracer that gives it up says why.
fn wait(listener: Listener, before: u32) -> Result<(), Failure> {
    loop {
        let Status { pid, state, window, said, .. } = request(listener, Request::Status)?.status;
        match state.as_str() {
            "idle" | "disarmed" => {
                let said = visible(&said.unwrap_or_default());
                if window > before {
                    say(&format!("process {pid}: {said}"));
                    return Ok(());
                }
                return Err(Failure::new(Kind::Unavailable, format!("process {pid} recorded no window: {said}")));
            }
            _ => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Tells where each process stands.
pub(super) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let listeners = if args.pids.is_empty() { everyone()? } else { named(&args.pids)? };
    if listeners.is_empty() {
        say("no process with a tracer in it was found");
    }
    for listener in listeners {
        let Reply { status, .. } = request(listener, Request::Status)?;
        let line = match args.format {
            StatusFormat::Text => for_people(&status),
            StatusFormat::Json => serde_json::to_string(&status)
                .map_err(|error| Failure::new(Kind::Internal, format!("the status cannot be written: {error}")))?,
        };
        print(format!("{line}\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every tracer that answers this user.
fn everyone() -> Result<Vec<Listener>, Failure> {
    let listeners = listeners()
        .map_err(|error| Failure::new(Kind::Unavailable, format!("the system does not list its sockets: {error}")))?;
    Ok(listeners.into_iter().filter(|&listener| ask(listener, Request::Status).is_ok()).collect())
}

fn named(pids: &[u32]) -> Result<Vec<Listener>, Failure> {
    pids.iter().map(|&pid| listener(pid).map_err(|error| unreachable(pid, &error))).collect()
}

fn request(listener: Listener, request: Request) -> Result<Reply, Failure> {
    ask(listener, request).map_err(|error| unreachable(listener.pid, &error))
}

fn unreachable(pid: u32, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            format!("there is no tracer in process {pid}, or it has not brought up a GPU runtime yet ({error})")
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            format!("the tracer in process {pid} does not answer you; only its owner and root are answered")
        }
        _ => format!("the tracer in process {pid} cannot be reached: {error}"),
    };
    Failure::new(Kind::Unavailable, message)
}

fn for_people(status: &Status) -> String {
    let Status { pid, state, window, warmup_steps, steps, steps_wanted, records, dropped, directory, said, .. } =
        status;
    let progress = match state.as_str() {
        "waiting" if *warmup_steps == 0 => ", no decode step seen yet".to_owned(),
        "waiting" => format!(", {warmup_steps} decode steps of warm-up seen"),
        "recording" | "draining" => format!(", {steps} of {steps_wanted} decode steps, {records} dispatches"),
        _ => String::new(),
    };
    // Of importance where it costs something.
    let context = if status.context == "kept" { ", every dispatch intercepted" } else { "" };
    let dropped = if *dropped > 0 { format!(", {dropped} records dropped") } else { String::new() };
    let place =
        directory.as_ref().map_or_else(String::new, |path| format!(", in {}", visible(&path.display().to_string())));
    let said = said.as_ref().map_or_else(String::new, |text| format!("\n  it said last: {}", visible(text)));
    let state = visible(state);
    format!("process {pid}: {state}, window {window}{progress}{context}{dropped}{place}{said}")
}
