//! Steps of simulated servers: what detectors find against what is true.

#[path = "common/server.rs"]
mod server;

use std::collections::HashSet;

use profile_decode::model::Trace;
use profile_decode::steps::{Detector, StepOptions, StepTable, find};
use server::{Drawn, Server, draw};

/// True boundaries, boundaries found, and those in both: the first dispatch of each step on each rank.
fn boundaries(drawn: &Drawn, table: &StepTable) -> (usize, usize, usize) {
    let firsts = |step_of: &dyn Fn(usize) -> Option<u32>| {
        let mut seen = HashSet::new();
        let mut firsts = HashSet::new();
        for (position, dispatch) in drawn.trace.dispatches.iter().enumerate() {
            let rank = drawn.trace.rank_of(dispatch.stream);
            if let Some(step) = step_of(position).filter(|&step| seen.insert((rank, step))) {
                let _ = step;
                firsts.insert(position);
            }
        }
        firsts
    };
    let truth = firsts(&|position| drawn.truth[position]);
    let found = firsts(&|position| table.of_dispatch[position].map(|step| step.index() as u32));
    (truth.len(), found.len(), truth.intersection(&found).count())
}

fn without_launches(mut trace: Trace) -> Trace {
    trace.launches.clear();
    trace.dispatches.iter_mut().for_each(|dispatch| dispatch.launch = None);
    trace
}

struct Score {
    truth: usize,
    wrong: usize,
    refused: Vec<String>,
    bad: Vec<(u64, usize, usize, usize)>,
}

fn score(servers: impl Iterator<Item = Server>, launches: bool) -> Score {
    let mut score = Score { truth: 0, wrong: 0, refused: Vec::new(), bad: Vec::new() };
    for server in servers {
        let mut drawn = draw(&server);
        if !launches {
            drawn.trace = without_launches(drawn.trace);
        }
        let table = find(&drawn.trace, &StepOptions::default());
        let (truth, found, right) = boundaries(&drawn, &table);
        score.truth += truth.max(found);
        if table.detector == Detector::None {
            score.refused.push(format!("{}: {}", server.seed, table.remarks.join(" ")));
        }
        let wrong = truth.max(found) - right;
        score.wrong += wrong;
        if wrong > 0 {
            score.bad.push((server.seed, truth, found, right));
        }
    }
    score
}

/// How many servers to draw: seeds 0 and up.
fn cases() -> u64 {
    std::env::var("PROFILE_DECODE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

fn assert_right(score: &Score, at_least: f64) {
    let right = 1.0 - score.wrong as f64 / score.truth as f64;
    let Score { truth, refused, bad, .. } = score;
    assert!(
        right >= at_least,
        "{right:.5} of {truth} right; (seed, true, found, right): {bad:?}; refused: {refused:#?}"
    );
}

#[test]
fn with_launches_the_steps_of_nearly_all_servers_are_cut_right() {
    assert_right(&score((0..cases()).map(Server::random), true), 0.999);
}

#[test]
fn from_kernel_names_alone_the_steps_of_nearly_all_servers_are_cut_right() {
    assert_right(&score((0..cases()).map(Server::random), false), 0.99);
}
