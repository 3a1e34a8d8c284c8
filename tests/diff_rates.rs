//! How often the comparison is wrong, and what it can see: simulated pairs with known truth.
//!
//! Two hundred pairs of runs for each row, fixed seeds. The tables are printed (`cargo test --test diff_rates --
//! --nocapture`), and held to what a CI gate needs: without a change hardly anything is flagged, and a change of twice
//! the noise floor is found and blamed on what caused it.

#![allow(clippy::print_stdout)]

#[path = "common/served.rs"]
mod served;

use profile_decode::analyze::compare::{Options, Side, compare};
use profile_decode::classify::{Category, Classifier};
use profile_decode::output::Comparison;
use profile_decode::output::comparison::{Change, Flag, Verdict};
use served::{ATTENTION, Planted, Server};

const PAIRS: u64 = 200;

fn options() -> Options {
    Options { draws: 400, ..Options::default() }
}

/// Runs `work` for every pair, on both cores.
fn for_each_pair<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let halves: Vec<Vec<(u64, T)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|half| {
                let work = &work;
                scope.spawn(move || (0..PAIRS).filter(|pair| pair % 2 == half).map(|pair| (pair, work(pair))).collect())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut all: Vec<(u64, T)> = halves.into_iter().flatten().collect();
    all.sort_by_key(|(pair, _)| *pair);
    all.into_iter().map(|(_, value)| value).collect()
}

/// Every row that could have been flagged.
fn flagged(found: &Comparison) -> usize {
    let categories = found.categories.iter().map(|row| &row.change);
    let kernels = found.kernels.iter().map(|row| &row.change);
    let ranks = found.ranks.iter().map(|row| &row.change);
    let all = categories.chain(kernels).chain(ranks).chain([&found.idle]).chain(&found.wait);
    all.filter(|change| change.flag != Flag::Same).count() + usize::from(found.step.flag != Flag::Same)
}

fn real(found: &Comparison) -> bool {
    found.step.real
        || found.categories.iter().any(|row| row.change.real)
        || found.kernels.iter().any(|row| row.change.real)
}

fn percent(of: usize, all: usize) -> f64 {
    of as f64 * 100.0 / all as f64
}

#[test]
fn without_a_change_nothing_is_flagged() {
    let classifier = Classifier::builtin();
    println!("\nno change, {PAIRS} pairs a row       pairs with a flag   step called real   anything called real");
    let mut wrong = Vec::new();
    for (ranks, jitter, drift) in
        [(1, 0.01, 0.0), (1, 0.03, 0.0), (1, 0.05, 0.0), (1, 0.01, 0.03), (1, 0.05, 0.03), (2, 0.03, 0.02)]
    {
        let server = |seed: u64| {
            let server =
                if ranks == 1 { Server::new(seed) } else { Server { layers: 2, ..Server::parallel(ranks, seed) } };
            Server { jitter, drift, ..server }.side(&classifier)
        };
        let found = for_each_pair(|pair| {
            let found = compare(&server(2 * pair), &server(2 * pair + 1), &options());
            (flagged(&found) > 0, found.step.real, real(&found))
        });
        let count = |of: fn(&(bool, bool, bool)) -> bool| found.iter().filter(|row| of(row)).count();
        let (flags, step, any) = (count(|row| row.0), count(|row| row.1), count(|row| row.2));
        println!(
            "{ranks} ranks, jitter {:.0} %, drift {:.0} %   {:>14.1} %   {:>14.1} %   {:>18.1} %",
            jitter * 100.0,
            drift * 100.0,
            percent(flags, found.len()),
            percent(step, found.len()),
            percent(any, found.len())
        );
        if flags * 20 > found.len() {
            wrong.push((ranks, jitter, drift, flags));
        }
    }
    assert!(wrong.is_empty(), "more than 5 % of the pairs have a flag: {wrong:?}");
}

#[test]
fn the_halves_of_one_run_are_the_same() {
    let classifier = Classifier::builtin();
    let found = for_each_pair(|pair| {
        let halves = halves(&Server { steps: 80, jitter: 0.03, drift: 0.02, ..Server::new(pair) }, &classifier);
        flagged(&compare(&halves.0, &halves.1, &options())) > 0
    });
    let flags = found.iter().filter(|flag| **flag).count();
    println!("\nhalves of one run: {:.1} % of {PAIRS} have a flag", percent(flags, found.len()));
    assert!(flags * 20 <= found.len(), "{flags}");
}

/// The first and second half of a run, by leaving out steps as a user would.
fn halves(server: &Server, classifier: &Classifier) -> (Side, Side) {
    use profile_decode::analyze::compare::Run;
    use profile_decode::steps::{StepOptions, find};
    let trace = server.trace();
    let classes = classifier.classify_trace(&trace);
    let half = server.steps as u32 / 2;
    let of = |warmup: u32| {
        let steps = find(&trace, &StepOptions { warmup: Some(warmup), limit: Some(half), ..StepOptions::default() });
        Side::new(&[Run { trace: &trace, classes: &classes, steps: &steps }], false)
    };
    (of(0), of(half))
}

/// What a planted change is looked for in, and what must not be blamed for it.
struct Seen {
    /// The row that changed.
    change: Change,
    /// Planted ns a step, in units of the row's noise floor.
    floors: f64,
    /// Something else is flagged as slower.
    blamed: bool,
    verdict: Verdict,
}

fn look(found: &Comparison, planted: Planted) -> Option<Seen> {
    let category = |name: Category| found.categories.iter().find(|row| row.name == name).map(|row| row.change.clone());
    let (change, share, own) = match planted {
        Planted::Nothing => return None,
        Planted::Kernel(name, by) => {
            let row = found.kernels.iter().find(|row| row.base.iter().any(|base| base == name))?;
            (row.change.clone(), by, Some(row.category))
        }
        Planted::Category(name, by) => (category(name)?, by, Some(name)),
        Planted::Idle(by) => (found.idle.clone(), by * 60e3 / found.idle.base_ns_per_step as f64, None),
        Planted::Rank(rank, by) => (found.ranks[rank].change.clone(), by, None),
    };
    let floors = change.base_ns_per_step as f64 * share / change.noise_floor_ns? as f64;
    let slower = |change: &Change| change.flag == Flag::Regressed;
    // A slow rank slows its own compute: on average over ranks any compute category may show it, communication not.
    let may = |name: Category| match planted {
        Planted::Rank(..) => name != Category::Allreduce,
        _ => Some(name) == own,
    };
    let categories = found.categories.iter().filter(|row| !may(row.name)).any(|row| slower(&row.change));
    let kernels = found.kernels.iter().filter(|row| !may(row.category)).any(|row| slower(&row.change));
    let idle = !matches!(planted, Planted::Idle(_)) && slower(&found.idle);
    let ranks = match planted {
        Planted::Rank(slow, _) => found.ranks.iter().any(|row| row.rank as usize != slow && slower(&row.change)),
        _ => false,
    };
    Some(Seen { change, floors, blamed: categories || kernels || idle || ranks, verdict: found.verdict })
}

#[test]
fn a_planted_change_is_found_and_nothing_else_is_blamed() {
    let classifier = Classifier::builtin();
    type Kind = (&'static str, usize, fn(f64) -> Planted);
    let kinds: [Kind; 4] = [
        ("one kernel", 1, |by| Planted::Kernel(ATTENTION, by)),
        ("one category", 1, |by| Planted::Category(Category::Moe, by)),
        ("idle", 1, Planted::Idle),
        ("one rank of 4", 4, |by| Planted::Rank(2, by)),
    ];
    println!("\nplanted, {PAIRS} pairs a row       real   flagged (5 %)   gate says regressed   others blamed");
    let (mut beyond, mut found_beyond, mut blamed, mut rows) = (0, 0, 0, 0);
    for (what, ranks, planted) in kinds {
        let server = |seed: u64| {
            let server =
                if ranks == 1 { Server::new(seed) } else { Server { layers: 2, ..Server::parallel(ranks, seed) } };
            Server { jitter: 0.02, drift: 0.01, ..server }
        };
        let bases = for_each_pair(|pair| server(2 * pair).side(&classifier));
        for by in [0.02, 0.05, 0.1, 0.2, 0.3] {
            let planted = planted(by);
            let seen = for_each_pair(|pair| {
                let new = Server { planted, ..server(2 * pair + 1) }.side(&classifier);
                look(&compare(&bases[pair as usize], &new, &options()), planted).expect("the row is there")
            });
            let count = |of: &dyn Fn(&Seen) -> bool| seen.iter().filter(|seen| of(seen)).count();
            let grown = |seen: &Seen| seen.change.real && seen.change.delta_ns > 0;
            println!(
                "{what:<14} +{:>2.0} %   {:>13.1} %   {:>10.1} %   {:>16.1} %   {:>11.1} %",
                by * 100.0,
                percent(count(&grown), seen.len()),
                percent(count(&|seen| seen.change.flag == Flag::Regressed), seen.len()),
                percent(count(&|seen| seen.verdict == Verdict::Regressed), seen.len()),
                percent(count(&|seen| seen.blamed), seen.len())
            );
            beyond += count(&|seen| seen.floors >= 2.0);
            found_beyond += count(&|seen| seen.floors >= 2.0 && grown(seen));
            blamed += count(&|seen| seen.blamed);
            rows += seen.len();
        }
    }
    println!(
        "at twice the noise floor and more: {found_beyond} of {beyond} found; others blamed in {blamed} of {rows}"
    );
    assert!(beyond > 1000, "{beyond}");
    assert!(found_beyond * 100 >= beyond * 99, "{found_beyond} of {beyond}");
    assert!(blamed * 1000 <= rows, "{blamed} of {rows}");
}
