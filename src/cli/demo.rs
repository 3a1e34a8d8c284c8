//! `profile-decode demo`: the whole way once, without a GPU.
//!
//! The simulated server of `examples/` is run exactly as `run` would run a real one. Its own lines go to stderr, so that
//! stdout has the report alone.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::args::DemoArgs;
use super::failure::{Failure, Kind};
use super::places::near;
use super::run::traced;

/// The simulated server's program.
const SERVER: &str = "decode_server";

/// Steps and warm-up of the tracer where nothing else is said; the server runs just as many.
const STEPS: u32 = 100;
const WARMUP: u32 = 10;

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let Some(server) = near(SERVER).next() else {
        return Err(Failure::new(Kind::Unavailable, "the simulated server is not there")
            .at(Path::new(SERVER))
            .hint(format!("build it with `{}`", build_command())));
    };
    let number = |value: Option<u32>, otherwise: u32| value.unwrap_or(otherwise).to_string();
    let mut command = Command::new(server);
    command.args(["--model", &args.model, "--arch", &args.arch, "--tp", &args.tp.to_string()]);
    command.args(["--steps", &number(args.trace.steps.steps, STEPS)]);
    command.args(["--warmup", &number(args.trace.steps.warmup, WARMUP)]);
    command.args(&args.server).stdout(io::stderr());
    traced(command, &args.trace, false)
}

/// The command that builds all that the demo needs, in the profile that this program was built in.
fn build_command() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let is_release = program.parent().is_some_and(|directory| directory.ends_with("release"));
    format!("cargo build {}--workspace --lib --bins --examples", if is_release { "--release " } else { "" })
}
