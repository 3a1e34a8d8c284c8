//! Steps of simulated servers: what detectors find against what is true.

#[path = "common/server.rs"]
mod server;

use std::collections::{HashMap, HashSet};

use profile_decode::model::Trace;
use profile_decode::steps::completeness;
use profile_decode::steps::{Detector, Phase, StepOptions, StepTable, find};
use server::{Drawn, Mode, Server, draw};

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
    // What is left of a step that the window cuts may be too little to be told; it does not count.
    let cut = |step: u32| drawn.cut_edges && (step == 0 || step as usize + 1 == drawn.prefill.len());
    let truth = firsts(&|position| drawn.truth[position].filter(|&step| !cut(step)));
    let edges = firsts(&|position| drawn.truth[position].filter(|&step| cut(step)));
    let found = firsts(&|position| table.of_dispatch[position].map(|step| step.index() as u32));
    let spare = found.difference(&truth).filter(|first| drawn.truth[**first].is_some_and(cut)).count().min(edges.len());
    (truth.len(), found.len() - spare, truth.intersection(&found).count())
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
fn with_graph_launches_the_steps_of_nearly_all_servers_are_cut_right() {
    let servers = (0..cases()).map(Server::random).filter(|server| server.mode != Mode::Eager);
    assert_right(&score(servers, true), 0.999);
}

#[test]
fn with_eager_launches_the_steps_of_nearly_all_servers_are_cut_right() {
    let servers = (0..cases()).map(Server::random).filter(|server| server.mode == Mode::Eager);
    assert_right(&score(servers, true), 0.99);
}

#[test]
fn from_kernel_names_alone_the_steps_of_nearly_all_servers_are_cut_right() {
    assert_right(&score((0..cases()).map(Server::random), false), 0.99);
}

/// The true step of each found step: that of most of its dispatches.
fn true_steps(drawn: &Drawn, table: &StepTable) -> Vec<Option<u32>> {
    let mut votes: Vec<HashMap<Option<u32>, u32>> = vec![HashMap::new(); table.steps.len()];
    for (truth, found) in drawn.truth.iter().zip(&table.of_dispatch) {
        if let Some(found) = found {
            *votes[found.index()].entry(*truth).or_insert(0) += 1;
        }
    }
    votes
        .iter()
        .map(|votes| votes.iter().max_by_key(|(step, votes)| (**votes, **step)).and_then(|(step, _)| *step))
        .collect()
}

/// Of all steps that lost records and count: how many are named, how many are like no other step, and which are taken for
/// whole. And of all steps that lost none: which are said to have.
#[derive(Default, Debug)]
struct Losses {
    lost: usize,
    named: usize,
    alone: usize,
    absorbed: Vec<(u64, u32)>,
    whole: usize,
    accused: Vec<(u64, u32)>,
}

fn losses(servers: impl Iterator<Item = Server>, launches: bool) -> Losses {
    let mut sum = Losses::default();
    for server in servers {
        let mut drawn = draw(&server);
        if !launches {
            drawn.trace = without_launches(drawn.trace);
        }
        let table = find(&drawn.trace, &StepOptions { warmup: Some(0), ..StepOptions::default() });
        let truth = true_steps(&drawn, &table);
        let lost: HashSet<(u32, u32)> = drawn.lost.iter().copied().collect();
        let found = completeness::check(&drawn.trace, &table);
        let named: HashSet<usize> = found.missing.iter().map(|missing| missing.step.index()).collect();
        let alone: HashSet<usize> = found.alone.iter().map(|step| step.index()).collect();
        for (place, step) in table.steps.iter().enumerate() {
            let Some(number) = truth[place].filter(|_| !step.warmup && step.phase == Phase::Decode) else { continue };
            if drawn.prefill[number as usize] {
                continue;
            }
            if lost.contains(&(step.rank.index() as u32, number)) {
                sum.lost += 1;
                sum.named += usize::from(named.contains(&place));
                sum.alone += usize::from(alone.contains(&place));
                if !named.contains(&place) && !alone.contains(&place) {
                    sum.absorbed.push((server.seed, number));
                }
            } else {
                sum.whole += 1;
                if named.contains(&place) {
                    sum.accused.push((server.seed, number));
                }
            }
        }
    }
    sum
}

#[test]
fn a_lost_record_nearly_always_names_its_step_and_is_hardly_ever_absorbed() {
    for launches in [true, false] {
        let Losses { lost, named, alone, absorbed, whole, accused } =
            losses((0..cases()).map(Server::random), launches);
        assert!(lost > 100, "{lost}");
        let sums = format!("launches {launches}: of {lost} steps with losses {named} named, {alone} alone");
        // A kernel that only some steps run can be lost unseen.
        assert!(absorbed.len() * 1000 <= lost, "{sums}, taken for whole: {absorbed:?}");
        assert!(named * 100 >= lost * 90, "{sums}");
        assert!(accused.len() * 1000 <= whole, "{sums}; {} of {whole} whole steps accused: {accused:?}", accused.len());
    }
}
