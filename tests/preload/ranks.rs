//! Eight ranks of which one is slow: who waits for whom, against the ledger.

use serde_json::Value;

use crate::harness::{Server, report};
use crate::ledger::Ran;
use crate::truth::is_decode;

const RANKS: usize = 8;
const SLOW: usize = 5;
/// How much longer its kernels take, collectives left out.
const FACTOR: f64 = 1.2;

/// What one rank's part in the collectives comes to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Part {
    wait_ns: u64,
    transfer_ns: u64,
    early_ns: u64,
    own_ns: u64,
    last: u64,
}

#[test]
fn a_straggler_among_eight_ranks_is_found_with_what_it_costs_the_others() {
    let (warmup, window) = (12, 30);
    let straggler = format!("{SLOW}={FACTOR}");
    let arguments =
        ["--model", "dense", "--tp", "8", "--straggler", &straggler, "--steps", "60", "--prefill-every", "0"];
    let run = Server::new(&arguments).steps(window, warmup).run();
    run.succeeded();
    let mut timelines = run.expected(warmup, window, is_decode).timelines;
    assert_eq!(timelines.len(), RANKS);
    timelines.values_mut().flat_map(|steps| steps.values_mut()).for_each(|kernels| kernels.sort_by_key(|k| k.1));
    let ranks: Vec<_> = timelines.into_values().collect();

    let mut truth = [Part::default(); RANKS];
    let mut collectives = 0;
    for step in 0..window {
        let begun = ranks.iter().map(|steps| steps[&step][0].1).collect::<Vec<u64>>();
        let mut left = begun;
        let met: Vec<Vec<(u64, u64)>> = ranks
            .iter()
            .map(|steps| {
                let is_met = |kernel: &&Ran| kernel.0.contains("cross_device_reduce");
                steps[&step].iter().filter(is_met).map(|&(_, start, end)| (start, end)).collect()
            })
            .collect();
        for nth in 0..met[0].len() {
            collectives += 1;
            let arrivals: Vec<u64> = met.iter().map(|of_rank| of_rank[nth].0).collect();
            let latest = arrivals.iter().copied().max().unwrap();
            truth[arrivals.iter().position(|&at| at == latest).unwrap()].last += 1;
            for (rank, part) in truth.iter_mut().enumerate() {
                let (start, end) = met[rank][nth];
                part.early_ns += latest - start;
                part.wait_ns += (latest - start).min(end - start);
                part.transfer_ns += (end - start) - (latest - start).min(end - start);
                part.own_ns += start - left[rank];
                left[rank] = end;
            }
        }
    }
    assert!(truth[SLOW].last * 10 > collectives * 9, "the drawing itself: {truth:?}");

    let report = report(&run.output());
    let skew = &report["rank_skew"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is no number"));
    let found = &skew["collectives"];
    assert_eq!((number(&found["count"]), number(&found["unmatched"])), (collectives, 0));
    let mut parts = [Part::default(); RANKS];
    for row in skew["per_rank"].as_array().unwrap() {
        parts[number(&row["rank"]) as usize] = Part {
            wait_ns: number(&row["wait_ns"]),
            transfer_ns: number(&row["transfer_ns"]),
            early_ns: number(&row["early_ns"]),
            own_ns: number(&row["own_ns"]),
            last: 0,
        };
    }
    for row in found["last_arriver"].as_array().unwrap() {
        parts[number(&row["rank"]) as usize].last = number(&row["times"]);
    }
    assert_eq!(parts, truth);

    assert_eq!(skew["slowest_rank"], SLOW);
    let stragglers = skew["stragglers"].as_array().unwrap();
    assert_eq!(stragglers.iter().map(|row| number(&row["rank"])).collect::<Vec<_>>(), [SLOW as u64]);
    // The gaps between kernels are not slower, so the whole is by a little less.
    let slower = number(&stragglers[0]["own_ns_per_step"]) as f64 / number(&stragglers[0]["median_ns_per_step"]) as f64;
    assert!((1.0 + (FACTOR - 1.0) * 0.7..FACTOR + 0.02).contains(&slower), "{slower}");

    let path = &skew["critical_path"];
    let sum = |rows: &Value| rows.as_array().unwrap().iter().map(|row| number(&row["ns"])).sum::<u64>();
    assert_eq!(sum(&path["categories"]) + number(&path["idle"]["critical_ns"]), number(&path["wall_ns"]));
    assert_eq!(sum(&path["on_path"]), number(&path["wall_ns"]));
    assert_eq!(path["on_path"][0]["rank"], SLOW);
    assert!(path["on_path"][0]["share"].as_f64().unwrap() > 0.9, "{path:#}");
    // What is not waiting of the collectives is what the path has of them: it is on the rank that came last.
    let transfer = path["categories"].as_array().unwrap().iter().find(|row| row["name"] == "allreduce").unwrap();
    assert!(number(&transfer["ns"]) <= parts[SLOW].transfer_ns + parts[SLOW].wait_ns, "{transfer}");
}
