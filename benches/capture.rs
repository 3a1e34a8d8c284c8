//! What the tracer costs a server, and how much it can take.
//!
//! `cargo bench --bench capture` plays a server that launches one graph of 2,000 kernels a step, as fast as the simulated
//! SDK can, three times: without the tracer, with it while it awaits a window, and with it recording. The simulator's own
//! cost is in all three, so it is the differences that tell. What the tracer measured of its own callbacks comes from its
//! report.
//!
//! `cargo bench --bench capture -- --soak SECONDS` lets such a server run, orders window after window, and prints the
//! server's memory as it goes.
//!
//! The host is a process of its own (this program again), because a tracer is loaded once in a process and stays.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use profile_decode::capture::control::{Order, Request, ask};
use serde_json::Value;

#[path = "../examples/decode_server/simulator.rs"]
mod simulator;

use simulator::Host;

/// Kernels in the graph.
const KERNELS: usize = 2_000;
/// Set in the environment of the process that plays the host: how many steps, 0 for no end.
const STEPS: &str = "BENCH_CAPTURE_STEPS";

fn main() {
    if let Ok(steps) = std::env::var(STEPS) {
        host(steps.parse().expect("a number of steps"));
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--soak") {
        Some(at) => soak(Duration::from_secs(arguments[at + 1].parse().expect("seconds"))),
        None => compare(),
    }
}

/// Plays the server: one line on stdout with the nanoseconds a dispatch took, on average.
fn host(steps: usize) {
    let host = Host::load();
    host.realtime(0);
    host.init(1, "gfx942");
    let module = host.module_load(&["Cijk_Alik_Bljk_BBS_BH_MT16x16x256_MI16x16x1"]);
    let kernel = host.function(module, "Cijk_Alik_Bljk_BBS_BH_MT16x16x256_MI16x16x1");
    let stream = host.stream_create();
    host.capture_begin(stream);
    for _ in 0..KERNELS {
        host.launch(kernel, stream, 2_000);
    }
    let graph = host.graph_instantiate(host.capture_end(stream));
    let begun = Instant::now();
    let mut done = 0;
    while steps == 0 || done < steps {
        host.push("decode[bs=1 tok=1 p=0 d=1]");
        host.graph_launch(graph, stream, std::ptr::null(), 0);
        host.pop();
        host.stream_synchronize(stream);
        done += 1;
    }
    host.synchronize();
    println!("{}", begun.elapsed().as_nanos() as f64 / (done * KERNELS) as f64);
}

fn spawn(steps: usize, directory: &Path, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a program knows where it is"));
    command.env(STEPS, steps.to_string()).env("PROFILE_DECODE_OUTPUT", directory.join("out"));
    command.env("PROFILE_DECODE_QUIET", "1").envs(environment.iter().copied());
    command.stdout(Stdio::piped()).spawn().expect("the host starts")
}

fn library() -> String {
    simulator::library("profile_decode").display().to_string()
}

fn compare() {
    let steps = 1_000;
    let (all, none) = ((steps - 10).to_string(), (steps * 2).to_string());
    let library = library();
    let preload = ("LD_PRELOAD", library.as_str());
    let awaiting = [preload, ("PROFILE_DECODE_WARMUP", none.as_str())];
    let recording = [preload, ("PROFILE_DECODE_WARMUP", "5"), ("PROFILE_DECODE_STEPS", all.as_str())];
    println!("{} dispatches, {KERNELS} to a graph launch; ns a dispatch, median of 5 runs", steps * KERNELS);
    for (name, environment) in
        [("without the tracer", &[][..]), ("awaiting a window", &awaiting), ("recording", &recording)]
    {
        let mut times = Vec::new();
        let mut report = Value::Null;
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let output = spawn(steps, directory.path(), environment).wait_with_output().expect("the host ends");
            assert!(output.status.success(), "{}", output.status);
            let time: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("nanoseconds");
            times.push(time);
            if let Ok(bytes) = std::fs::read(directory.path().join("out/report.json")) {
                report = serde_json::from_slice(&bytes).expect("the report is JSON");
            }
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{name:20} {:7.1} ns  ({:.1} to {:.1})  {:.2} M dispatches/s",
            times[2],
            times[0],
            times[4],
            1e3 / times[2]
        );
        if report != Value::Null {
            let capture = &report["capture"];
            println!(
                "  records {}, dropped {}, its own figures {}",
                capture["records"], capture["dropped"], capture["overhead"]
            );
        }
    }
}

/// Megabytes that the process holds in memory.
fn resident_mb(pid: u32) -> f64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

fn soak(time: Duration) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let library = library();
    let environment =
        [("LD_PRELOAD", library.as_str()), ("PROFILE_DECODE_ARM", "trigger"), ("PROFILE_DECODE_STEPS", "250")];
    let mut child = spawn(0, directory.path(), &environment);
    let (begun, pid) = (Instant::now(), child.id());
    let (mut windows, mut records, mut said) = (0, 0, Instant::now());
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(50));
        let Ok(reply) = ask(pid, Request::Status) else { continue };
        if reply.status.state == "idle" {
            if let Some(out) = &reply.status.directory {
                // The captures would fill the disk: only the tracer's memory is of interest.
                for entry in std::fs::read_dir(out).expect("the run directory").flatten() {
                    if entry.path().extension().is_some_and(|extension| extension == "pdc") {
                        records += entry.metadata().map_or(0, |metadata| metadata.len()) / 64;
                        let _ = std::fs::remove_file(entry.path());
                    }
                }
            }
            windows = reply.status.window;
            let _ = ask(pid, Request::Trigger(Order { steps: None, warmup: Some(0) }));
        }
        if said.elapsed() >= Duration::from_secs(15) {
            said = Instant::now();
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "{seconds:6.0} s  {:8.1} MB  window {windows:5}  {:.2} M records/s  dropped {}",
                resident_mb(pid),
                records as f64 / seconds / 1e6,
                reply.status.dropped
            );
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}
