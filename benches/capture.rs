//! What the tracer costs a server, and how much it can take.
//!
//! `cargo bench --bench capture` prints these groups of figures (`-- GROUP` prints one: `startup`, `graphs`, `eager`, `ranges`,
//! `objects`, `exit`, `memory`):
//!
//! * what the library adds to a process that never uses a GPU: time and memory of `/bin/true` and `cat`,
//! * what a server pays that launches one graph of 2,000 kernels a step, as fast as the simulated SDK can: without the
//!   tracer, with a tool that only counts dispatches, while a window is awaited, while it is recorded and after it. The
//!   simulator's own cost is in all of them, so it is the differences that tell. What the tracer measured of its own
//!   callbacks comes from its report.
//! * the same of a server that launches every kernel by itself,
//! * what a range costs that is no step, while a window is awaited,
//! * what the load of a code object costs its thread, with the copy of what tells where its kernel was written and without,
//! * how long such a server takes to exit with 100 recorded steps, the report being made meanwhile,
//! * what memory eight servers take at most that record five million dispatches each: `memory`, which is run only if it is
//!   asked for, and takes 3 GB of disk.
//!
//! `cargo bench --bench capture -- --soak SECONDS [--rate RECORDS]` lets such a server run, at so many dispatches a second or
//! as fast as it can, orders window after window, and prints the server's memory as it goes.
//!
//! The host is a process of its own (this program again), because a tracer is loaded once in a process and stays.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use profile_decode::capture::control::{Order, Request, ask, listener};
use serde_json::Value;

#[path = "../examples/decode_server/simulator.rs"]
mod simulator;

use simulator::Host;

/// Kernels in the graph.
const KERNELS: usize = 2_000;
/// Set in the environment of the process that plays the host: how many steps, 0 for no end; and dispatches a second.
const STEPS: &str = "BENCH_CAPTURE_STEPS";
const RATE: &str = "BENCH_CAPTURE_RATE";
/// What the host does: `graphs` if it is not said, `eager`, `ranges`.
const WHAT: &str = "BENCH_CAPTURE_WHAT";

fn main() {
    if let Ok(steps) = std::env::var(STEPS) {
        let rate = std::env::var(RATE).ok().and_then(|rate| rate.parse().ok());
        let steps = steps.parse().expect("a number of steps");
        match std::env::var(WHAT).as_deref() {
            Ok("ranges") => host_of_ranges(steps),
            Ok("objects") => host_of_objects(steps),
            what => host(steps, rate, what == Ok("eager")),
        }
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        Some(arguments.get(at + 1)?.parse::<u64>().expect("a number"))
    };
    match value("--soak") {
        Some(seconds) => soak(Duration::from_secs(seconds), value("--rate")),
        None => {
            let groups: [(&str, fn()); 6] = [
                ("startup", startup),
                ("graphs", || servers(false)),
                ("eager", || servers(true)),
                ("ranges", ranges),
                ("objects", objects),
                ("exit", exit),
            ];
            if arguments.iter().any(|it| it == "memory") {
                memory();
                return;
            }
            let asked: Vec<_> = groups.iter().filter(|(name, _)| arguments.iter().any(|it| it == name)).collect();
            let asked = if asked.is_empty() { groups.iter().collect() } else { asked };
            asked.into_iter().for_each(|(_, run)| run());
        }
    }
}

/// Plays the server: one line on stdout with the nanoseconds a dispatch took, on average, a graph launch call, median, the
/// CPU time of all threads a dispatch, and the most megabytes that the process has held.
fn host(steps: usize, rate: Option<f64>, eager: bool) {
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
    let mut launches = Vec::with_capacity(steps);
    let (begun, cpu) = (Instant::now(), cpu_ns());
    let mut done = 0;
    while steps == 0 || done < steps {
        host.push("decode[bs=1 tok=1 p=0 d=1]");
        let launched = Instant::now();
        if eager {
            (0..KERNELS).for_each(|_| assert_eq!(host.launch(kernel, stream, 2_000), 0));
        } else {
            host.graph_launch(graph, stream, std::ptr::null(), 0);
        }
        let took = launched.elapsed();
        host.pop();
        host.stream_synchronize(stream);
        if launches.len() < steps {
            launches.push(took.as_nanos() as f64);
        }
        done += 1;
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64((done * KERNELS) as f64 / rate);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    host.synchronize();
    let dispatches = (done * KERNELS) as f64;
    let (wall, cpu) = (begun.elapsed().as_nanos() as f64 / dispatches, (cpu_ns() - cpu) / dispatches);
    println!("{wall} {} {cpu} {}", median(&mut launches), peak_mb());
}

/// Plays a server that marks what it does: one line on stdout with the nanoseconds that a range took.
fn host_of_ranges(steps: usize) {
    let host = Host::load();
    host.realtime(0);
    host.init(1, "gfx942");
    host.module_load(&["kernel"]);
    host.stream_create();
    let begun = cpu_ns();
    for step in 0..steps {
        host.push(FOREIGN[step % FOREIGN.len()]);
        host.pop();
    }
    println!("{} 0 0", (cpu_ns() - begun) / steps as f64);
}

/// Loads so many objects of a kernel each: one line on stdout with the median nanoseconds that a load took.
fn host_of_objects(loads: usize) {
    let host = Host::load();
    host.realtime(0);
    host.init(1, "gfx942");
    let mut times: Vec<f64> = (0..loads)
        .map(|at| {
            let kernel = format!("_kernel_{at}\t/usr/lib/python3/site-packages/vllm/layers/fused_moe/x{at}.py");
            let begun = Instant::now();
            host.module_load(&[&kernel]);
            begun.elapsed().as_nanos() as f64
        })
        .collect();
    println!("{} 0 0", median(&mut times));
}

/// Messages that name no step, as servers and their libraries write them.
const FOREIGN: [&str; 8] = [
    "aten::mm",
    "attention",
    "execute_model",
    "decode_layer_17.mlp.gate_up_proj",
    "nccl:all_reduce",
    "## Call CompiledFxGraph fjs75 ##",
    "step_scheduler: schedule",
    "sampler",
];

/// Nanoseconds of CPU time that all threads of this process have taken: what a machine that is busy with other things
/// measures best.
fn cpu_ns() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the kernel lists threads").flatten();
    let of_task = |task: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(of_task).sum()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spawn(steps: usize, directory: &Path, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a program knows where it is"));
    command.env(STEPS, steps.to_string()).env("PROFILE_DECODE_OUTPUT", directory.join("out"));
    command.env("PROFILE_DECODE_QUIET", "1").envs(environment.iter().copied());
    // The tool that counts says what it is told otherwise.
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the host starts")
}

fn library() -> String {
    simulator::library("profile_decode").display().to_string()
}

/// What the library adds to a process that never uses a GPU.
fn startup() {
    let library = library();
    let bytes = std::fs::metadata(&library).map_or(0, |metadata| metadata.len());
    println!("a process without a GPU; {library}, {:.1} MB", bytes as f64 / 1e6);
    let command = |program: &str, preload: bool| {
        let mut command = Command::new(program);
        if preload {
            command.env("LD_PRELOAD", &library);
        }
        command
    };
    let mut times = [Vec::new(), Vec::new()];
    // In turn, so that whatever else the machine does meets both alike.
    for _ in 0..500 {
        for preload in [false, true] {
            let begun = Instant::now();
            assert!(command("/bin/true", preload).status().expect("it runs").success());
            times[usize::from(preload)].push(begun.elapsed().as_nanos() as f64 / 1e6);
        }
    }
    let [without, with] = times.map(|mut times| median(&mut times));
    println!("  /bin/true      {without:.2} ms without, {with:.2} ms with: {:+.2} ms", with - without);
    let [without, with] = [false, true].map(|preload| {
        let output = command("/bin/cat", preload).arg("/proc/self/smaps_rollup").output().expect("it runs");
        String::from_utf8(output.stdout).expect("text")
    });
    for name in ["Rss:", "Private_Dirty:"] {
        let kib = |text: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect("the kernel says it");
            line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
        };
        let (without, with) = (kib(&without) / 1024.0, kib(&with) / 1024.0);
        println!("  {name:14} {without:.2} MiB without, {with:.2} MiB with: {:+.2} MiB", with - without);
    }
}

/// What a range costs that is no step.
fn ranges() {
    let labels = profile_decode::steps::labels::Labels::known();
    let (messages, begun) = (4_000_000, cpu_ns());
    let steps = (0..messages).filter(|at| {
        let message = std::hint::black_box(FOREIGN[at % FOREIGN.len()]);
        labels.parse_bytes(message.as_bytes()).is_some()
    });
    assert_eq!(steps.count(), 0);
    let each = (cpu_ns() - begun) / messages as f64;
    println!("a range that is no step: {each:.1} ns to see that its label is none of ours");
    let library = library();
    let awaiting = [("LD_PRELOAD", library.as_str())];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..9 {
        for (at, environment) in [&[][..], &awaiting].into_iter().enumerate() {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let environment = [environment, &[(WHAT, "ranges")]].concat();
            let output = spawn(400_000, directory.path(), &environment).wait_with_output().expect("the host ends");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let time = said.split(' ').next().and_then(|time| time.parse::<f64>().ok());
            times[at].push(time.expect("nanoseconds"));
        }
    }
    let [without, with] = times.map(|mut times| median(&mut times));
    println!("  a push and its pop: {without:.1} ns without the tracer, {with:.1} ns while a window is awaited");
}

/// What the load of a code object costs.
fn objects() {
    let library = library();
    let preload = ("LD_PRELOAD", library.as_str());
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..9 {
        let named = [preload, ("PROFILE_DECODE_CODE_OBJECTS", "0")];
        for (at, environment) in [&[][..], &named, &[preload]].into_iter().enumerate() {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let environment = [environment, &[(WHAT, "objects")]].concat();
            let output = spawn(2_000, directory.path(), &environment).wait_with_output().expect("the host ends");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let time = said.split(' ').next().and_then(|time| time.parse::<f64>().ok());
            times[at].push(time.expect("nanoseconds") / 1e3);
        }
    }
    let [without, named, copied] = times.map(|mut times| median(&mut times));
    println!("the load of a code object of a kernel, simulator and all; medians of 2,000 loads, of 9 runs");
    println!("  {without:.1} us without the tracer, {named:.1} us with its name, {copied:.1} us with the copy");
}

/// What a dispatch and a launch cost a server in all states of the tracer.
fn servers(eager: bool) {
    let steps = if eager { 100 } else { 1_000 };
    let (all, none) = ((steps - 10).to_string(), (steps * 2).to_string());
    let library = library();
    let preload = ("LD_PRELOAD", library.as_str());
    let awaiting = [preload, ("PROFILE_DECODE_WARMUP", none.as_str())];
    let recording = [preload, ("PROFILE_DECODE_WARMUP", "5"), ("PROFILE_DECODE_STEPS", all.as_str())];
    let over = [preload, ("PROFILE_DECODE_WARMUP", "0"), ("PROFILE_DECODE_STEPS", "1")];
    let how = if eager { "launched one by one" } else { "to a graph launch" };
    println!("a server: {} dispatches, {KERNELS} {how}; medians of 5 runs", steps * KERNELS);
    let mut launch_without = f64::NAN;
    let tool = simulator::library("rocprofiler_print_tool").display().to_string();
    let counting = [("LD_PRELOAD", tool.as_str()), ("PRINT_TOOL", "count")];
    for (name, environment) in [
        ("without the tracer", &[][..]),
        ("a tool that counts", &counting),
        ("awaiting a window", &awaiting),
        ("recording", &recording),
        ("after the window", &over),
    ] {
        let (mut times, mut launches, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        let mut report = Value::Null;
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let environment = [environment, &[(WHAT, if eager { "eager" } else { "graphs" })]].concat();
            let output = spawn(steps, directory.path(), &environment).wait_with_output().expect("the host ends");
            assert!(output.status.success(), "{}", output.status);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let figures: Vec<f64> = said.split_whitespace().map(|it| it.parse().expect("nanoseconds")).collect();
            let [time, launch, of_all, _] = figures[..] else { panic!("four figures: {said}") };
            times.push(time);
            launches.push(launch);
            cpu.push(of_all);
            if let Ok(bytes) = std::fs::read(directory.path().join("out/report.json")) {
                report = serde_json::from_slice(&bytes).expect("the report is JSON");
            }
        }
        let (time, launch) = (median(&mut times), median(&mut launches));
        if environment.is_empty() {
            launch_without = launch;
        }
        println!(
            "  {name:20} {time:6.1} ns a dispatch ({:.1} to {:.1}), CPU {:6.1} ns ({:.1} at least), {:.2} M/s; {:7.1} us a \
             launch, x {:.2}",
            times[0],
            times[4],
            median(&mut cpu),
            cpu[0],
            1e3 / time,
            launch / 1e3,
            launch / launch_without
        );
        if report != Value::Null {
            let capture = &report["capture"];
            println!(
                "    records {}, dropped {}, its own figures {}",
                capture["records"], capture["dropped"], capture["overhead"]
            );
        }
    }
}

/// How long the exit of a server takes that has 100 recorded steps.
fn exit() {
    let library = library();
    let preload = [("LD_PRELOAD", library.as_str()), ("PROFILE_DECODE_WARMUP", "0")];
    println!("the exit of a server with 100 recorded steps of {KERNELS} dispatches; median of 9");
    for (name, environment) in [("without the tracer", &[][..]), ("with the report", &preload)] {
        let mut times = Vec::new();
        for _ in 0..9 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            // The 100th step is the default window's last, so the report is made while the process exits.
            let mut child = spawn(100, directory.path(), environment);
            let mut line = String::new();
            let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
            stdout.read_line(&mut line).expect("the host says its figures");
            let begun = Instant::now();
            assert!(child.wait().expect("the host ends").success());
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(directory.path().join("out/report.md").exists(), !environment.is_empty());
        }
        println!("  {name:20} {:6.1} ms ({:.1} to {:.1})", median(&mut times), times[0], times[8]);
    }
}

/// The most megabytes that this process has held in memory.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0 / 1e6)
}

/// What memory servers take at most that are recorded at length, side by side, and whether there is a report on all.
fn memory() {
    const RANKS: usize = 8;
    const STEPS_EACH: usize = 2_500;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let peak = |child: Child| -> f64 {
        let output = child.wait_with_output().expect("the host ends");
        assert!(output.status.success(), "{}", output.status);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.split_whitespace().nth(3).and_then(|it| it.parse().ok()).expect("four figures")
    };
    let base = peak(spawn(100, directory.path(), &[]));
    let (library, world, steps) = (library(), RANKS.to_string(), STEPS_EACH.to_string());
    let start = |rank: usize| {
        let rank = rank.to_string();
        let environment = [
            ("LD_PRELOAD", library.as_str()),
            ("PROFILE_DECODE_WARMUP", "0"),
            ("PROFILE_DECODE_STEPS", steps.as_str()),
            ("PROFILE_DECODE_RUN_ID", "memory"),
            ("RANK", rank.as_str()),
            ("WORLD_SIZE", world.as_str()),
        ];
        spawn(STEPS_EACH, directory.path(), &environment)
    };
    let begun = Instant::now();
    let children: Vec<Child> = (0..RANKS).map(start).collect();
    let peaks: Vec<f64> = children.into_iter().map(peak).collect();
    let most = peaks.iter().copied().fold(0.0, f64::max);
    println!("{RANKS} servers, {} dispatches each: all ended well in {:?}", STEPS_EACH * KERNELS, begun.elapsed());
    println!("  {base:.0} MB without the tracer, {most:.0} MB at most with it: {:+.0} MB", most - base);
    assert!(most - base <= 256.0, "more than a server has room for");
    let out = directory.path().join("out");
    let report = loop {
        let bytes = std::fs::read(out.join("report.json")).unwrap_or_default();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(report) if report["ranks"] == RANKS => break report,
            _ => assert!(begun.elapsed() < Duration::from_secs(1800), "no report on all ranks"),
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    println!("  one report, {:?} after the first server began: {}", begun.elapsed(), report["totals"]["dispatches"]);
}

/// Megabytes that the process holds in memory.
fn resident_mb(pid: u32) -> f64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}

fn soak(time: Duration, rate: Option<u64>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (library, rate) = (library(), rate.map(|rate| rate.to_string()));
    let mut environment =
        vec![("LD_PRELOAD", library.as_str()), ("PROFILE_DECODE_ARM", "trigger"), ("PROFILE_DECODE_STEPS", "250")];
    environment.extend(rate.as_ref().map(|rate| (RATE, rate.as_str())));
    let mut child = spawn(0, directory.path(), &environment);
    let (begun, pid) = (Instant::now(), child.id());
    let (mut windows, mut records, mut said) = (0, 0, Instant::now());
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(50));
        let Ok(reply) = listener(pid).and_then(|listener| ask(listener, Request::Status)) else { continue };
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
            let order = Request::Trigger(Order { steps: None, warmup: Some(0) });
            let _ = listener(pid).and_then(|listener| ask(listener, order));
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
