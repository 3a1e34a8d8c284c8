//! The fault matrix: every SDK version, every way to start and to end, every shape of server.
//!
//! Each cell is a run of its own that must end as it would without us, within a bound, and whose report must say of the
//! window what the simulator's ledger says. A killed process has had its last snapshot written just before.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Server, report};
use crate::truth::{compare_kernels, compare_steps, is_decode};

const VERSIONS: [&str; 5] = ["0.4", "0.5", "0.6", "1.0", "1.3"];
/// How the process starts and ends, and what a row of the table is called.
const LIVES: [(&str, &str, &str); 8] = [
    ("direct", "return", "normal"),
    ("direct", "_exit", "_exit"),
    ("direct", "term", "SIGTERM"),
    ("direct", "kill", "SIGKILL"),
    ("fork", "return", "fork"),
    ("spawn", "return", "spawn"),
    ("fork", "kill", "fork, SIGKILL"),
    ("spawn", "term", "spawn, SIGTERM"),
];
/// GPUs, and how many processes they are in.
const SHAPES: [(&str, usize, &str); 3] = [("1", 1, "TP 1"), ("4x1", 4, "TP 4 in one"), ("4", 4, "TP 4 in four")];

/// Decode steps let pass, and those recorded: all that there are.
const WARMUP: usize = 3;
const STEPS: usize = 30 - WARMUP;

/// The report of a run directory. Ranks that end before others make one of what is there, which the last one out makes anew:
/// that is waited for, but not for ever.
fn report_on(directory: &Path, ranks: usize) -> Value {
    let begun = Instant::now();
    loop {
        let report = report(directory);
        let is_last = report["ranks"] == ranks && !report["warnings"].to_string().contains("capture-unfinished");
        if is_last || begun.elapsed() >= Duration::from_secs(20) {
            return report;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs one cell; an error says what does not hold.
fn cell(
    version: &str,
    (start, end, _): (&str, &str, &str),
    (shape, ranks, _): (&str, usize, &str),
) -> Result<(), String> {
    let server = Server::python_file("matrix.py", &[start, shape, end]).steps(1000, WARMUP);
    let run = server.env("ROCPROFILER_SIM_VERSION", version).run();
    run.succeeds()?;
    let expected = run.expected(WARMUP, STEPS, is_decode);
    let report = if end == "kill" { run.report_afterwards() } else { report_on(&run.output(), ranks) };
    let same = |what: &str, is: usize, should: usize| {
        let seen = || format!("{:#}\n{:#}\n{:#}", report["source"], report["losses"], report["warnings"]);
        if is == should {
            Ok(())
        } else {
            Err(format!("{is} {what} instead of {should}; {}\n{}", run.stderr(), seen()))
        }
    };
    same("ranks", report["ranks"].as_u64().unwrap_or(0) as usize, ranks)?;
    same("steps", report["steps"]["count"].as_u64().unwrap_or(0) as usize, STEPS)?;
    compare_kernels(&report, &expected)?;
    compare_steps(&run.output(), &expected)
}

#[test]
#[allow(clippy::print_stdout, reason = "the table is worth a look: --nocapture shows it")]
fn every_version_start_end_and_shape_gives_the_truth() {
    let cells: Vec<_> = VERSIONS
        .iter()
        .flat_map(|version| {
            LIVES.iter().flat_map(move |life| SHAPES.iter().map(move |shape| (*version, *life, *shape)))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Result<(), String>>>> = Mutex::new(vec![None; cells.len()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&(version, life, shape)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = cells.iter().position(|cell| *cell == (version, life, shape)).expect("it is one of them");
                    let outcome = std::panic::catch_unwind(|| cell(version, life, shape));
                    let outcome = outcome.unwrap_or_else(|_| Err("a panic, see above".to_owned()));
                    outcomes.lock().expect("no panic holds it")[at] = Some(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no panic held it");
    let mut table = format!("{:16} {:14}", "", "");
    VERSIONS.iter().for_each(|version| write!(table, " {version:>5}").expect("memory"));
    let mut failures = Vec::new();
    for life in LIVES {
        for shape in SHAPES {
            write!(table, "\n{:16} {:14}", life.2, shape.2).expect("memory");
            for version in VERSIONS {
                let at = cells.iter().position(|cell| *cell == (version, life, shape)).expect("it is one of them");
                let word = match &outcomes[at] {
                    Some(Ok(())) => "good",
                    Some(Err(why)) => {
                        failures.push(format!("{version}, {}, {}: {why}", life.2, shape.2));
                        "BAD"
                    }
                    None => "?",
                };
                write!(table, " {word:>5}").expect("memory");
            }
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "{table}\n{}", failures.join("\n"));
}
