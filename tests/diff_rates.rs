//! How often the comparison is wrong, and what it can see: simulated pairs with known truth.
//!
//! Up to two hundred pairs of runs for each row, fixed seeds. The tables are printed (`cargo test --test diff_rates --
//! --nocapture`), and held to what a CI gate needs: without a change hardly anything is flagged, and a change of twice
//! the noise floor is found and blamed on what caused it.

#![allow(clippy::print_stdout)]

#[path = "common/served.rs"]
mod served;

use std::collections::BTreeMap;

use profile_decode::analyze::compare::{Options, Side, compare};
use profile_decode::classify::{Category, Classifier};
use profile_decode::output::Comparison;
use profile_decode::output::comparison::{Change, Fate, Flag, GateOn, KernelChange, Verdict};
use served::{ATTENTION, Clock, NORM, Planted, Random, Server};

const PAIRS: u64 = 200;

fn options() -> Options {
    Options { draws: 400, ..Options::default() }
}

/// Runs `work` for every pair, on both cores.
fn for_each_pair<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    for_each_pair_of(PAIRS, work)
}

fn for_each_pair_of<T: Send>(pairs: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let halves: Vec<Vec<(u64, T)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|half| {
                let work = &work;
                scope.spawn(move || (0..pairs).filter(|pair| pair % 2 == half).map(|pair| (pair, work(pair))).collect())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut all: Vec<(u64, T)> = halves.into_iter().flatten().collect();
    all.sort_by_key(|(pair, _)| *pair);
    all.into_iter().map(|(_, value)| value).collect()
}

/// Every row that was flagged, by what it is.
fn flagged(found: &Comparison) -> Vec<String> {
    let mut rows: Vec<(String, Flag)> = vec![("step".to_owned(), found.step.flag)];
    rows.extend(found.categories.iter().map(|row| (row.name.name().to_owned(), row.change.flag)));
    rows.extend(found.kernels.iter().map(|row| (format!("kernel of {}", row.category.name()), row.change.flag)));
    rows.extend(found.ranks.iter().map(|row| (format!("rank {}", row.rank), row.change.flag)));
    rows.extend(found.batches.iter().map(|row| (format!("batch {:?}", row.size), row.change.flag)));
    rows.push(("idle".to_owned(), found.idle.flag));
    rows.extend(found.wait.iter().map(|wait| ("wait".to_owned(), wait.flag)));
    let tail = &found.tail;
    let tails = [("p90", tail.p90.flag), ("p99", tail.p99.flag), ("outliers", tail.outliers.flag)];
    rows.extend(tails.map(|(name, flag)| (name.to_owned(), flag)));
    rows.into_iter().filter(|(_, flag)| *flag != Flag::Same).map(|(name, _)| name).collect()
}

fn percent(of: usize, all: usize) -> f64 {
    of as f64 * 100.0 / all as f64
}

/// What a pair of unchanged runs is like.
struct Unchanged {
    name: &'static str,
    base: fn(u64) -> Server,
    new: fn(u64) -> Server,
}

const fn alike(name: &'static str, of: fn(u64) -> Server) -> Unchanged {
    Unchanged { name, base: of, new: of }
}

fn noisy(jitter: f64, drift: f64, seed: u64) -> Server {
    Server { jitter, drift, ..Server::new(seed) }
}

/// Runs long enough for their tails to be looked at.
fn long(seed: u64) -> Server {
    Server { steps: 120, layers: 2, ..Server::new(seed) }
}

fn on_four(seed: u64) -> Server {
    Server { layers: 2, ..Server::parallel(4, seed) }
}

fn mixed(step: usize) -> u32 {
    [8, 16, 16, 32][Random::new(step as u64).next() as usize % 4]
}

const UNCHANGED: [Unchanged; 21] = [
    alike("jitter 1 %", |seed| noisy(0.01, 0.0, seed)),
    alike("jitter 3 %", |seed| noisy(0.03, 0.0, seed)),
    alike("jitter 5 %", |seed| noisy(0.05, 0.0, seed)),
    alike("jitter 1 %, clock wanders 3 %", |seed| noisy(0.01, 0.03, seed)),
    alike("jitter 5 %, clock wanders 3 %", |seed| noisy(0.05, 0.03, seed)),
    alike("clock wanders 10 %", |seed| Server { drift: 0.1, ..long(seed) }),
    alike("steps much like the last", |seed| Server { memory: 0.9, jitter: 0.04, ..long(seed) }),
    alike("clock steps by 8 %", |seed| Server { drift: 0.08, clock: Clock::Steps, ..long(seed) }),
    alike("clock steps by 15 %", |seed| Server { drift: 0.15, clock: Clock::Steps, ..long(seed) }),
    alike("clock of two states, 8 % apart", |seed| Server { drift: 0.08, clock: Clock::Flips, ..long(seed) }),
    alike("clock of two states, 20 % apart", |seed| Server { drift: 0.2, clock: Clock::Flips, ..long(seed) }),
    alike("warm ramp of 15 %", |seed| Server { drift: 0.15, clock: Clock::Warms, ..long(seed) }),
    alike("three batches", |seed| Server { batch: mixed, ..long(seed) }),
    alike("context grows, attention by 30 %", |seed| Server { growth: 0.3, ..long(seed) }),
    Unchanged {
        name: "60 against 140 steps",
        base: |seed| Server { steps: 60, ..long(seed) },
        new: |seed| Server { steps: 140, ..long(seed) },
    },
    Unchanged {
        name: "the same with a context that grows",
        base: |seed| Server { steps: 60, growth: 0.3, ..long(seed) },
        new: |seed| Server { steps: 140, growth: 0.3, ..long(seed) },
    },
    Unchanged {
        name: "context told, windows 40 steps apart",
        base: |seed| Server { growth: 0.3, tells_context: true, ..long(seed) },
        new: |seed| Server { growth: 0.3, tells_context: true, from: 40, ..long(seed) },
    },
    alike("3 % of steps three times slower", |seed| Server { tail: (0.03, 3.0), steps: 200, ..long(seed) }),
    alike("10 % of steps twice as slow", |seed| Server { tail: (0.1, 2.0), steps: 120, ..long(seed) }),
    alike("four ranks", |seed| Server { jitter: 0.03, drift: 0.02, ..on_four(seed) }),
    alike("four ranks, context grows, clock steps", |seed| Server {
        growth: 0.3,
        drift: 0.05,
        clock: Clock::Steps,
        ..on_four(seed)
    }),
];

#[test]
fn without_a_change_nothing_is_flagged() {
    let classifier = Classifier::builtin();
    println!("\nno change, {PAIRS} pairs a row                    any flag   regressed   what was flagged");
    let (mut all, mut flags, mut regressed) = (0, 0, 0);
    let mut wrong = Vec::new();
    for row in UNCHANGED {
        let found = for_each_pair(|pair| {
            let (base, new) = ((row.base)(2 * pair), (row.new)(2 * pair + 1));
            let found = compare(&base.side(&classifier), &new.side(&classifier), &options());
            (flagged(&found), found.verdict)
        });
        let of_row = found.iter().filter(|(rows, _)| !rows.is_empty()).count();
        let worse = found.iter().filter(|(_, verdict)| *verdict == Verdict::Regressed).count();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        found.iter().flat_map(|(rows, _)| rows).for_each(|kind| *kinds.entry(kind).or_default() += 1);
        println!(
            "{:<42} {:>5.1} %   {:>7.1} %   {kinds:?}",
            row.name,
            percent(of_row, found.len()),
            percent(worse, found.len())
        );
        (all, flags, regressed) = (all + found.len(), flags + of_row, regressed + worse);
        if of_row * 20 > found.len() {
            wrong.push((row.name, of_row));
        }
    }
    println!("all: {:.2} % with a flag, {:.2} % regressed", percent(flags, all), percent(regressed, all));
    assert!(wrong.is_empty(), "more than 5 % of the pairs have a flag: {wrong:?}");
    assert!(regressed * 100 <= all, "more than 1 % of the pairs regressed: {regressed} of {all}");
}

#[test]
fn the_halves_of_one_run_are_the_same() {
    let classifier = Classifier::builtin();
    let found = for_each_pair(|pair| {
        let halves = halves(&Server { steps: 80, jitter: 0.03, drift: 0.02, ..Server::new(pair) }, &classifier);
        !flagged(&compare(&halves.0, &halves.1, &options())).is_empty()
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
        _ => return None,
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
            let grown = |seen: &Seen| seen.change.real && seen.change.delta_ns > Some(0);
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

/// A change, and what it must be found in.
struct Case {
    name: &'static str,
    base: fn(u64) -> Server,
    planted: Planted,
    /// Whether a comparison has found it.
    found: fn(&Comparison) -> bool,
}

fn category(found: &Comparison, name: Category) -> Flag {
    found.categories.iter().find(|row| row.name == name).unwrap().change.flag
}

fn kernel(found: &Comparison, name: &str) -> Flag {
    let named = |row: &&KernelChange| row.base.iter().chain(&row.new).any(|other| other == name);
    found.kernels.iter().find(named).unwrap().change.flag
}

fn outliers(found: &Comparison) -> bool {
    found.tail.outliers.flag == Flag::Regressed && found.decided_by.contains(&GateOn::Tail)
}

fn growing(seed: u64) -> Server {
    Server { growth: 0.3, steps: 100, layers: 2, ..Server::new(seed) }
}

fn long_tailed(seed: u64) -> Server {
    Server { steps: 200, layers: 2, ..Server::new(seed) }
}

const CHANGES: [Case; 17] = [
    Case {
        name: "attention kernel +10 %",
        base: long,
        planted: Planted::Kernel(ATTENTION, 0.1),
        found: |found| kernel(found, ATTENTION) == Flag::Regressed,
    },
    Case {
        name: "norm +30 %",
        base: long,
        planted: Planted::Kernel(NORM, 0.3),
        found: |found| kernel(found, NORM) == Flag::Regressed,
    },
    Case {
        name: "category MoE +10 %",
        base: long,
        planted: Planted::Category(Category::Moe, 0.1),
        found: |found| category(found, Category::Moe) == Flag::Regressed,
    },
    Case {
        name: "attention kernel -20 %",
        base: long,
        planted: Planted::Kernel(ATTENTION, -0.2),
        found: |found| kernel(found, ATTENTION) == Flag::Improved && found.verdict == Verdict::Improved,
    },
    Case {
        name: "another backend, +20 %",
        base: long,
        planted: Planted::Swapped(ATTENTION, "_fwd_grouped_kernel_stage1", 1.2),
        found: |found| {
            kernel(found, ATTENTION) == Flag::Regressed
                && kernel(found, "_fwd_grouped_kernel_stage1") == Flag::Regressed
        },
    },
    Case {
        name: "another backend, as fast",
        base: long,
        planted: Planted::Swapped(ATTENTION, "_fwd_grouped_kernel_stage1", 1.0),
        found: |found| found.verdict == Verdict::Same && found.kernels.iter().any(|row| row.fate == Fate::Replaced),
    },
    Case {
        name: "idle gap +30 %",
        base: long,
        planted: Planted::Idle(0.3),
        found: |found| found.idle.flag == Flag::Regressed,
    },
    Case {
        name: "3 % of steps three times slower",
        base: long_tailed,
        planted: Planted::Tail(0.03, 3.0),
        found: |found| outliers(found) && found.tail.outliers.steps.iter().all(|step| step.part == "attention"),
    },
    Case {
        name: "10 % of steps three times slower",
        base: long_tailed,
        planted: Planted::Tail(0.1, 3.0),
        found: outliers,
    },
    Case {
        name: "10 % of steps stall, twice as long",
        base: long_tailed,
        planted: Planted::Stalls(0.1, 2.0),
        found: |found| outliers(found) && found.tail.outliers.steps.iter().all(|step| step.part == "idle"),
    },
    Case {
        name: "10 % stall while the context grows",
        base: |seed| Server { growth: 0.3, ..long_tailed(seed) },
        planted: Planted::Stalls(0.1, 2.0),
        found: outliers,
    },
    Case {
        name: "attention +15 % while it grows by 30 %",
        base: growing,
        planted: Planted::Kernel(ATTENTION, 0.15),
        found: |found| kernel(found, ATTENTION) == Flag::Regressed,
    },
    Case {
        name: "the same, contexts told",
        base: |seed| Server { tells_context: true, ..growing(seed) },
        planted: Planted::Kernel(ATTENTION, 0.15),
        found: |found| kernel(found, ATTENTION) == Flag::Regressed,
    },
    Case {
        name: "GEMM +10 % while attention grows",
        base: growing,
        planted: Planted::Category(Category::Gemm, 0.1),
        found: |found| category(found, Category::Gemm) == Flag::Regressed,
    },
    Case {
        name: "one batch of three +20 %",
        base: |seed| Server { batch: mixed, steps: 160, ..long(seed) },
        planted: Planted::Batch(8, 0.2),
        found: |found| {
            let row = |size: u32| found.batches.iter().find(|row| row.size == Some(size)).unwrap().change.flag;
            (row(8), row(16), row(32)) == (Flag::Regressed, Flag::Same, Flag::Same)
                && found.decided_by.contains(&GateOn::Batch)
        },
    },
    Case {
        name: "one rank of four +15 %",
        base: on_four,
        planted: Planted::Rank(2, 0.15),
        found: |found| {
            let flags: Vec<Flag> = found.ranks.iter().map(|row| row.change.flag).collect();
            flags == [Flag::Same, Flag::Same, Flag::Regressed, Flag::Same] && found.decided_by.contains(&GateOn::Rank)
        },
    },
    Case {
        name: "GEMM +15 %, clock of two states 5 % apart",
        base: |seed| Server { drift: 0.05, clock: Clock::Flips, ..long(seed) },
        planted: Planted::Category(Category::Gemm, 0.15),
        found: |found| category(found, Category::Gemm) == Flag::Regressed,
    },
];

#[test]
fn every_kind_of_change_is_found() {
    const OF_A_KIND: u64 = 60;
    let classifier = Classifier::builtin();
    println!("\nplanted, {OF_A_KIND} pairs a row                    found   gate says regressed");
    let mut missed = Vec::new();
    for change in CHANGES {
        let found = for_each_pair_of(OF_A_KIND, |pair| {
            let base = (change.base)(2 * pair).side(&classifier);
            let new = Server { planted: change.planted, ..(change.base)(2 * pair + 1) }.side(&classifier);
            let found = compare(&base, &new, &options());
            ((change.found)(&found), found.verdict == Verdict::Regressed)
        });
        let hits = found.iter().filter(|(hit, _)| *hit).count();
        let failed = found.iter().filter(|(_, regressed)| *regressed).count();
        println!("{:<44} {:>5.1} %   {:>5.1} %", change.name, percent(hits, found.len()), percent(failed, found.len()));
        if hits * 20 < found.len() * 19 {
            missed.push((change.name, hits));
        }
    }
    assert!(missed.is_empty(), "found in less than 95 % of {OF_A_KIND} pairs: {missed:?}");
}

/// `cargo test --release --test diff_rates -- --ignored --nocapture`: the figure in docs/comparison.md.
#[test]
#[ignore = "two thousand pairs a row take minutes"]
fn the_interval_contains_the_true_difference_as_often_as_it_says() {
    const PAIRS: u64 = 2000;
    let classifier = Classifier::builtin();
    println!("\nsteps   memory   true difference in the 95 % interval, of {PAIRS} pairs");
    let mut wrong = Vec::new();
    for (steps, memory) in [(60, 0.5), (120, 0.6), (120, 0.8)] {
        let server = |seed: u64| Server { steps, memory, layers: 1, jitter: 0.02, ..Server::new(seed) };
        let planted = Planted::Kernel(ATTENTION, 0.1);
        // One layer's attention takes 40 µs at a batch of 16.
        let truth = 4_000;
        let found = for_each_pair_of(PAIRS, |pair| {
            let base = server(2 * pair).side(&classifier);
            let new = Server { planted, ..server(2 * pair + 1) }.side(&classifier);
            let [low, high] = compare(&base, &new, &Options::default()).step.interval.unwrap();
            (low..=high).contains(&truth)
        });
        let hits = found.iter().filter(|hit| **hit).count();
        println!("{steps:>5}   {memory:>6}   {:.2} %", percent(hits, found.len()));
        if !(93.5..=96.5).contains(&percent(hits, found.len())) {
            wrong.push((steps, memory, hits));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
