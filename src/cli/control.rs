//! `profile-decode trigger PID` and `profile-decode status PID`: talking to tracers in running servers.

use std::io;
use std::process::ExitCode;

use crate::capture::control::{Order, Reply, Request, Status, ask};

use super::args::{StatusArgs, StatusFormat, TriggerArgs};
use super::failure::{Failure, Kind};
use super::terminal::{print, status as say};
use crate::render::visible;

/// Orders a window from each process; the first that cannot be had ends it.
pub(super) fn trigger(args: &TriggerArgs) -> Result<ExitCode, Failure> {
    let order = Order { steps: args.steps, warmup: args.warmup };
    for &pid in &args.pids {
        let reply = request(pid, Request::Trigger(order))?;
        if let Some(why) = reply.error {
            return Err(Failure::new(Kind::Unavailable, format!("process {pid}: {why}")));
        }
        let Status { state, steps_wanted, .. } = reply.status;
        say(&format!("process {pid}: {state} for a window of {steps_wanted} decode steps"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells where each process stands.
pub(super) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    for &pid in &args.pids {
        let Reply { status, .. } = request(pid, Request::Status)?;
        let line = match args.format {
            StatusFormat::Text => for_people(&status),
            StatusFormat::Json => serde_json::to_string(&status)
                .map_err(|error| Failure::new(Kind::Internal, format!("the status cannot be written: {error}")))?,
        };
        print(format!("{line}\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(pid: u32, request: Request) -> Result<Reply, Failure> {
    ask(pid, request).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                format!("there is no tracer in process {pid}, or it has not brought up a GPU runtime yet")
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                format!("the tracer in process {pid} does not answer you; only its owner and root are answered")
            }
            _ => format!("the tracer in process {pid} cannot be reached: {error}"),
        };
        Failure::new(Kind::Unavailable, message)
    })
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
