//! What memory the tracer takes inside a server: the same however long it records. `cargo bench --bench capture -- memory` is
//! the same at full length.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{built, preloaded, report};

const RANKS: usize = 8;
/// Most that a server may take more than without the tracer.
const AT_MOST_MB: f64 = 256.0;

/// The most megabytes that a process has held so far; `None` once it has ended.
fn peak_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e6)
}

/// Waits for servers, watching what they hold; the most that any did.
fn most_mb(mut servers: Vec<Child>) -> f64 {
    let mut most = 0.0_f64;
    while !servers.is_empty() {
        most = servers.iter().filter_map(|server| peak_mb(server.id())).fold(most, f64::max);
        servers.retain_mut(|server| match server.try_wait().expect("it can be waited for") {
            Some(status) => {
                assert!(status.success(), "{status}");
                false
            }
            None => true,
        });
        std::thread::sleep(Duration::from_millis(5));
    }
    most
}

#[test]
fn eight_servers_that_are_recorded_at_length_live_in_little_memory_and_make_one_report() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = |rank: usize, traced: bool| -> Child {
        let mut command = preloaded(built("examples/decode_server"), directory.path());
        command.args(["--model", "dense", "--steps", "250", "--warmup", "0", "--prefill-every", "0"]);
        command.env("PROFILE_DECODE_OUTPUT", directory.path().join("out")).env("PROFILE_DECODE_RUN_ID", "memory");
        command.env("PROFILE_DECODE_STEPS", "250").env("PROFILE_DECODE_WARMUP", "0");
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", RANKS.to_string());
        if !traced {
            command.env_remove("LD_PRELOAD");
        }
        spawned(command)
    };
    let base = most_mb(vec![start(0, false)]);
    let most = most_mb((0..RANKS).map(|rank| start(rank, true)).collect());
    assert!(most - base <= AT_MOST_MB, "{most} MB at most, {base} MB without the tracer");
    let mut report = report(&directory.path().join("out"));
    for _ in 0..600 {
        if report["ranks"] == RANKS {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        report = crate::harness::report(&directory.path().join("out"));
    }
    assert_eq!((&report["ranks"], &report["steps"]["count"]), (&RANKS.into(), &250.into()), "{:#}", report["steps"]);
}

fn spawned(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server starts")
}
