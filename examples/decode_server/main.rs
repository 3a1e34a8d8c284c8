//! A decode server for AMD Instinct GPUs on a simulated GPU, for demonstrations and tests.
//!
//! It does what vLLM, SGLang and ATOM do as far as a tracer can see it: loads code objects, warms up, captures graphs,
//! decodes token by token with prefill in between, marks its steps, and ends in one of the ways in which servers end. It
//! knows nothing of the tracer. `decode_server.py` is the same server in Python, step for step and nanosecond for nanosecond.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that people start by hand")]

mod model;
mod options;
mod plan;
mod rank;
mod simulator;

use std::process::{Command, ExitCode};

use clap::Parser;
use model::Model;
use options::{End, Options};
use rank::Rank;
use simulator::Host;

fn main() -> ExitCode {
    let mut options = Options::parse();
    let own_rank = number("RANK");
    if options.processes && own_rank.is_none() {
        return spawn_ranks(&options);
    }
    if own_rank.is_some() {
        options.tp = number("WORLD_SIZE").unwrap_or(options.tp);
    }
    let model = match Model::read(&options.model, &options.arch) {
        Ok(model) => model,
        Err(why) => {
            eprintln!("decode_server: {why}");
            return ExitCode::FAILURE;
        }
    };
    let host = Host::load();
    host.realtime(i32::from(options.realtime));
    if options.ledger.is_some() {
        host.keep_ledger(1);
    }
    host.init(options.tp as i32, &options.arch);
    host.device_count();
    host.device_properties(0);
    let decoded = match own_rank {
        Some(rank) => Rank::start(&host, &options, &model, rank, 0, false).serve(),
        None => serve_together(&host, &options, &model),
    };
    if let Some(path) = &options.ledger {
        let rank = own_rank.unwrap_or(0).to_string();
        host.write_ledger(&path.to_string_lossy().replace("%r", &rank));
    }
    println!("decode_server: {decoded} decode steps");
    end(options.end)
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// All ranks in this process, one thread each; a single rank on the main thread.
fn serve_together(host: &Host, options: &Options, model: &Model) -> u64 {
    if options.tp == 1 {
        return Rank::start(host, options, model, 0, 0, true).serve();
    }
    let start_ns = host.now();
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..options.tp)
            .map(|rank| {
                scope.spawn(move || {
                    host.thread_start(start_ns);
                    Rank::start(host, options, model, rank, rank as i32, true).serve()
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().expect("no rank panics")).min().unwrap_or(0)
    })
}

/// One process a rank, as launchers start them. Ends as the worst of them.
fn spawn_ranks(options: &Options) -> ExitCode {
    let ranks: Vec<_> = (0..options.tp)
        .map(|rank| {
            let rank = rank.to_string();
            Command::new(std::env::current_exe().expect("a program knows where it is"))
                .args(std::env::args_os().skip(1))
                .envs([("RANK", &rank), ("LOCAL_RANK", &rank), ("ROCR_VISIBLE_DEVICES", &rank)])
                .env("WORLD_SIZE", options.tp.to_string())
                .spawn()
        })
        .collect();
    let mut ok = true;
    for rank in ranks {
        ok &= rank.and_then(|mut rank| rank.wait()).is_ok_and(|status| status.success());
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn end(end: End) -> ExitCode {
    match end {
        End::Return => return ExitCode::SUCCESS,
        End::Exit => std::process::exit(0),
        End::Abort => std::process::abort(),
        End::Hang => loop {
            std::thread::park();
        },
        // SAFETY: these end the process, which has nothing left to do.
        End::QuickExit => unsafe { libc::_exit(0) },
        // By the system call, as it would come from outside: nothing that stands before libc's functions sees it coming.
        // SAFETY: as above.
        End::Kill => unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) as i32 },
        // SAFETY: as above.
        End::Term => unsafe { libc::kill(libc::getpid(), libc::SIGTERM) },
    };
    ExitCode::FAILURE
}
