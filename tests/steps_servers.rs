//! Steps of simulated servers: what detectors find against what is true.

#![allow(clippy::print_stderr, reason = "the scores are worth reading")]

#[path = "common/server.rs"]
mod server;
#[path = "common/serving/mod.rs"]
mod serving;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use profile_decode::model::Trace;
use profile_decode::steps::completeness;
use profile_decode::steps::{Detector, Phase, StepOptions, StepTable, find};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
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

/// Boundaries of many servers.
#[derive(Default)]
struct Score {
    truth: usize,
    wrong: usize,
    refused: Vec<String>,
    bad: Vec<String>,
}

impl Score {
    fn add(&mut self, server: &Server, launches: bool) {
        let mut drawn = draw(server);
        if !launches {
            drawn.trace = without_launches(drawn.trace);
        }
        let table = find(&drawn.trace, &StepOptions::default());
        let (truth, found, right) = boundaries(&drawn, &table);
        self.truth += truth.max(found);
        if table.detector == Detector::None {
            self.refused.push(format!("{server:?}: {}", table.remarks.join(" ")));
        }
        let wrong = truth.max(found) - right;
        self.wrong += wrong;
        if wrong > 0 {
            self.bad.push(format!("{truth} true, {found} found, {right} right: {server:?}"));
        }
    }

    fn assert_right(&self, at_least: f64) {
        let right = 1.0 - self.wrong as f64 / self.truth as f64;
        let Self { truth, refused, bad, .. } = self;
        eprintln!("{right:.5} of {truth} boundaries right, {} servers not all, {} refused", bad.len(), refused.len());
        assert!(right >= at_least, "{right:.5} of {truth} right: {bad:#?}; refused: {refused:#?}");
    }
}

/// How many servers to draw. They are the same every time; more of them begin with the same.
fn cases() -> u32 {
    std::env::var("PROFILE_DECODE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

/// Holds a claim against many servers; one that refutes it is made as simple as may be.
fn for_servers(claim: impl Fn(Server) -> Result<(), TestCaseError>) {
    let config = Config { cases: cases(), failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, random).run(&Server::any(), claim);
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The score of those servers that are meant.
fn score(launches: bool, is_meant: impl Fn(&Server) -> bool) -> Score {
    let score = RefCell::new(Score::default());
    for_servers(|server| {
        if is_meant(&server) {
            score.borrow_mut().add(&server, launches);
        }
        Ok(())
    });
    score.into_inner()
}

#[test]
fn with_graph_launches_the_steps_of_nearly_all_servers_are_cut_right() {
    score(true, |server| server.mode != Mode::Eager).assert_right(0.999);
}

#[test]
fn with_eager_launches_the_steps_of_nearly_all_servers_are_cut_right() {
    score(true, |server| server.mode == Mode::Eager).assert_right(0.99);
}

#[test]
fn from_kernel_names_alone_the_steps_of_nearly_all_servers_are_cut_right() {
    score(false, |_| true).assert_right(0.99);
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

/// What each step still holds, by rank and true step: names with how many. Of streams nothing is said.
fn contents(drawn: &Drawn) -> HashMap<(u32, u32), BTreeMap<usize, u32>> {
    let mut contents: HashMap<(u32, u32), BTreeMap<usize, u32>> = HashMap::new();
    for (dispatch, step) in drawn.trace.dispatches.iter().zip(&drawn.truth) {
        if let Some(step) = step {
            let of_step = contents.entry((drawn.trace.rank_of(dispatch.stream).index() as u32, *step)).or_default();
            *of_step.entry(dispatch.name.index()).or_default() += 1;
        }
    }
    contents
}

/// Decode steps that lost records, and those that did not, as far as they were found and count.
#[derive(Default, Debug)]
struct Losses {
    lost: usize,
    named: usize,
    /// Of which it is said that nothing can be said.
    alone: usize,
    /// That hold exactly what another step holds that lost nothing: nobody can tell.
    like_whole: usize,
    whole: usize,
    whole_alone: usize,
    accused: usize,
}

impl Losses {
    /// Adds those of a server, unless a step that lost records is taken for whole.
    fn add(&mut self, server: &Server, launches: bool) -> Result<(), TestCaseError> {
        let mut drawn = draw(server);
        if !launches {
            drawn.trace = without_launches(drawn.trace);
        }
        let table = find(&drawn.trace, &StepOptions { warmup: Some(0), ..StepOptions::default() });
        let truth = true_steps(&drawn, &table);
        let lost: HashSet<(u32, u32)> = drawn.lost.iter().copied().collect();
        let contents = contents(&drawn);
        let whole: HashSet<(u32, &BTreeMap<usize, u32>)> =
            contents.iter().filter(|(step, _)| !lost.contains(step)).map(|((rank, _), holds)| (*rank, holds)).collect();
        let found = completeness::check(&drawn.trace, &table);
        let named: HashSet<usize> = found.missing.iter().map(|missing| missing.step.index()).collect();
        let alone: HashSet<usize> = found.alone.iter().map(|step| step.index()).collect();
        for (place, step) in table.steps.iter().enumerate() {
            let Some(number) = truth[place].filter(|_| !step.warmup && step.phase == Phase::Decode) else { continue };
            let rank = step.rank.index() as u32;
            if drawn.prefill[number as usize] {
                continue;
            }
            let (is_named, is_alone) = (named.contains(&place), alone.contains(&place));
            if !lost.contains(&(rank, number)) {
                self.whole += 1;
                self.whole_alone += usize::from(is_alone);
                self.accused += usize::from(is_named);
                continue;
            }
            self.lost += 1;
            self.named += usize::from(is_named);
            self.alone += usize::from(is_alone);
            if !is_named && !is_alone {
                let like_whole = whole.contains(&(rank, &contents[&(rank, number)]));
                prop_assert!(like_whole, "step {number} on rank {rank} lost a record and is taken for whole");
                self.like_whole += 1;
            }
        }
        Ok(())
    }
}

#[test]
fn a_lost_record_is_never_absorbed_and_nearly_always_names_its_step() {
    for launches in [true, false] {
        let sum = RefCell::new(Losses::default());
        for_servers(|server| sum.borrow_mut().add(&server, launches));
        let sum = sum.into_inner();
        eprintln!("launches {launches}: {sum:?}");
        let Losses { lost, named, like_whole, whole, whole_alone, accused, .. } = sum;
        assert!(lost > 100, "{lost}");
        assert!(like_whole * 200 <= lost, "{sum:?}");
        assert!(named * 100 >= lost * 90, "{sum:?}");
        assert!(accused * 1000 <= whole && whole_alone * 20 <= whole, "{sum:?}");
    }
}

#[test]
fn in_every_situation_steps_are_cut_and_named_right_or_doubted() {
    let (scores, told) = serving::score::score(u64::from(cases()));
    let mut all = serving::score::Score::default();
    for ((situation, view), score) in &scores {
        eprintln!("{:40} {score:?}", format!("{situation:?} {view:?}"));
        all.join(score);
    }
    eprintln!("{all:?}");
    let share = |of: u32| f64::from(of) / f64::from(all.steps);
    assert!(share(all.wrong_boundaries) <= 0.001, "{all:?}: {told:#?}");
    assert!(share(all.wrong_phases) <= 0.005, "{all:?}: {told:#?}");
    assert_eq!(all.silent, 0, "{told:#?}");
    assert!(100 * all.doubted <= all.servers, "{all:?}: {told:#?}");
}

#[test]
fn drafts_of_changing_number_are_of_their_steps_whatever_number_most_steps_have() {
    // Most steps of the one have one draft pass; of the other, kinds that differ by one pass for the same.
    for number in [292, 623] {
        let mut score = serving::score::Score::default();
        let told = score.add(&serving::Serving::numbered(number));
        assert_eq!((score.wrong_boundaries, score.silent), (0, 0), "{told:?}");
    }
}
