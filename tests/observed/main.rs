//! The simulator against the real SDK: the same program, with the same printing tool, gives the same callbacks.
//!
//! The transcripts of the real one lie in the shared directory (`abi/observed`); each names a scenario that [`host`] plays
//! on the simulator in a process of its own. Compared per thread are the kinds of callbacks, their order, names, phases,
//! correlation, external and dispatch ids, queues and durations; set aside are process ids, addresses, kernel and agent ids
//! and points in time. Completions come in any order in reality, so they are compared as a set.
//!
//! Where the transcripts are absent this says so; the built-in expectations are compared always.

#[path = "../common/mod.rs"]
mod common;
mod host;
#[path = "../common/python.rs"]
mod python;
#[path = "../../examples/decode_server/simulator.rs"]
mod simulator;
mod transcript;

use std::process::Command;

use common::skip;
use libtest_mimic::{Arguments, Failed, Trial};
use transcript::Transcript;

/// The built-in expectation: a small version of `eager-2-steps` and `end-exit`, in the words of [`transcript`].
const ONE_STEP: &str = include_str!("one_step.txt");

/// A transcript, and how its program and tool were set up.
struct Scenario {
    name: &'static str,
    /// `PRINT_TOOL`.
    options: &'static str,
    /// Variables for the simulator.
    environment: &'static [(&'static str, &'static str)],
    /// The process was gone before all completions could be reported.
    may_lose: bool,
}

const fn scenario(name: &'static str, options: &'static str) -> Scenario {
    Scenario { name, options, environment: &[], may_lose: false }
}

const SCENARIOS: [Scenario; 22] = [
    scenario("buffered", "buffered"),
    scenario("eager-2-steps", ""),
    scenario("external-correlation", "external"),
    scenario("graph-3-replays", "external"),
    scenario("graph-3-replays-hip-api", "external,hip"),
    scenario("graph-capture-one-stream", "hip"),
    scenario("graph-capture-fork-copies", "hip"),
    scenario("graph-capture-fork-copies-markers", "hip"),
    scenario("graph-exec-update", "hip"),
    scenario("marker-range-kind", "range"),
    scenario("threads", "external"),
    scenario("two-gpus-two-streams", ""),
    Scenario { may_lose: true, ..scenario("end-_exit", "") },
    Scenario { may_lose: true, ..scenario("end-abort", "") },
    Scenario { may_lose: true, ..scenario("end-kill", "") },
    Scenario { may_lose: true, ..scenario("end-segv", "") },
    Scenario { may_lose: true, ..scenario("end-term", "") },
    scenario("end-exit", ""),
    scenario("end-_exit-interposed", "quick"),
    scenario("fork-child-_exit", ""),
    scenario("fork-child-exit", ""),
    Scenario {
        environment: &[("ROCPROFILER_SIM_GPU", "zero:3,swap:2")],
        ..scenario("swapped-and-zero-timestamps", "")
    },
];

/// Programs in Python, whose runtime registers at the first call, as HIP's does there.
const PYTHON: [Scenario; 3] = [
    scenario("python-plain", ""),
    scenario("python-spawn", ""),
    Scenario { may_lose: true, ..scenario("python-fork-_exit", "") },
];

const LEGACY: Scenario =
    Scenario { environment: &[("ROCPROFILER_SIM_ROCTX", "legacy")], ..scenario("legacy-roctx", "") };

fn main() {
    if let Ok(scenario) = std::env::var("OBSERVED_SCENARIO") {
        host::play(&scenario);
        return;
    }
    let mut trials = vec![Trial::test("one_step_is_as_written_here", || {
        compare("one-step", &Transcript::parse(ONE_STEP), &play(&scenario("one-step", ""))?, false)
    })];
    let shared = common::shared();
    for scenario in SCENARIOS.iter().chain([&LEGACY]).chain(&PYTHON) {
        let observed = shared.as_ref().map(|shared| shared.join(format!("abi/observed/{}.txt", scenario.name)));
        let observed = observed.filter(|path| path.exists());
        let is_absent = observed.is_none() || (is_python(scenario) && python::python().is_none());
        let trial = Trial::test(format!("the_simulator_is_as_the_real_sdk_in_{}", scenario.name), move || {
            let Some(path) = observed else { return Ok(()) };
            let real = Transcript::parse(&comparable(scenario, &std::fs::read_to_string(path)?));
            compare(scenario.name, &real, &play(scenario)?, scenario.may_lose)
        });
        // Ignored trials are listed as such: a skip that can be seen.
        trials.push(trial.with_ignored_flag(is_absent));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The tool of the captures did not list the agents, and traced through a buffer as well, which is left out of its transcript;
/// and HIP 6.3 unloads what is loaded as the program ends, which the HIP that is played does not.
fn comparable(scenario: &Scenario, text: &str) -> String {
    if scenario.options != "hip" {
        return text.to_owned();
    }
    let left_out = ["] agent id ", "buffer flush", "]   record ", "] code object unload"];
    let is_kept = |line: &&str| !left_out.iter().any(|part| line.contains(part));
    let counted = |line: &str| match line.split_once(" buffered ") {
        Some((before, after)) => format!("{before} buffered 0 {}", after.split_once(' ').map_or("", |(_, rest)| rest)),
        None => line.to_owned(),
    };
    text.lines().filter(is_kept).map(|line| counted(line) + "\n").collect()
}

fn is_python(scenario: &Scenario) -> bool {
    scenario.name.starts_with("python")
}

/// Plays a scenario in a process of its own, as the transcripts were made: the tool is preloaded, and the runtime registers
/// in a constructor.
fn play(scenario: &Scenario) -> Result<Transcript, Failed> {
    let (tool, simulator) = (simulator::library("rocprofiler_print_tool"), simulator::simulator());
    let mut command = if is_python(scenario) {
        let mut command = Command::new(python::python().ok_or("no python3")?);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/observed/host.py"));
        command.env("LD_PRELOAD", &tool).env("SIMULATOR", &simulator);
        command
    } else {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("ROCPROFILER_SIM_GPUS", "2");
        if scenario.options == "hip" {
            // HIP 6.3 registers at the first call.
            command.env("LD_PRELOAD", &tool);
        } else {
            command.env("LD_PRELOAD", format!("{} {}", tool.display(), simulator.display()));
            command.env("ROCPROFILER_LIBRARY_CTOR", "1");
        }
        command
    };
    command
        .env("OBSERVED_SCENARIO", scenario.name)
        .env("PRINT_TOOL", scenario.options)
        .envs(scenario.environment.iter().copied());
    if let Some(shared) = common::shared() {
        command.env("OBSERVED_KERNELS", shared.join("abi/observed/eager-2-steps.txt"));
    }
    let output = command.output()?;
    Ok(Transcript::parse(&comparable(scenario, &String::from_utf8_lossy(&output.stderr))))
}

/// What the real SDK did, and what the simulator did.
fn compare(name: &str, real: &Transcript, played: &Transcript, may_lose: bool) -> Result<(), Failed> {
    if let Some(difference) = real.difference(played, may_lose) {
        return Err(Failed::from(format!("{name}: {difference}\n\nThe simulator in full:\n{}", played.text)));
    }
    Ok(())
}
