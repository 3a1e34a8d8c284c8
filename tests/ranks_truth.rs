//! Ranks side by side against an independent oracle, over a real run of four ranks on one node.
//!
//! The oracle is a separate program: it takes the k-th collective of each rank and notes which rank arrived last and by
//! how much each of the others came before it.

mod common;

use profile_decode::analyze::{self, Options};
use profile_decode::classify::Classifier;
use profile_decode::ingest;
use profile_decode::output::ranks::RankSkew;
use profile_decode::steps::{self, StepOptions};
use serde_json::Value;

/// Nanoseconds of a figure in microseconds with three digits.
fn ns(us: &Value) -> u64 {
    (us.as_f64().expect("a figure") * 1000.0).round() as u64
}

fn check(skew: &RankSkew, truth: &Value) {
    let found = skew.collectives.as_ref().expect("collectives are matched");
    let collectives = truth["collectives"].as_array().expect("a list");
    assert_eq!((found.count, found.unmatched), (collectives.len() as u64, 0));
    for row in &found.last_arriver {
        let expected = truth["last_arriver_counts"][row.rank.to_string()].as_u64().unwrap_or(0);
        assert_eq!(row.times, expected, "rank {}", row.rank);
    }
    for row in &skew.per_rank {
        let rank = row.rank.to_string();
        assert_eq!(row.early_ns, Some(ns(&truth["total_wait_us_by_rank"][&rank])), "rank {rank}");
        let collectives_ns = row.wait_ns.unwrap() + row.transfer_ns.unwrap();
        assert_eq!(collectives_ns, ns(&truth["per_rank"][&rank]["comm_sum_us"]), "rank {rank}");
        assert!(row.wait_ns <= row.early_ns);
    }
    let largest = |of: &Value| collectives.iter().map(|row| ns(&row[of.as_str().unwrap()])).max().unwrap();
    let skews = &found.start_skew;
    let most = [skews.first_in_step, skews.later].into_iter().flatten().map(|of| of.max).max().unwrap();
    assert_eq!(most, largest(&"start_skew_us".into()));
    assert_eq!(skew.groups, [[0, 1, 2, 3]]);
    assert!(skew.clock.shared);
}

#[test]
fn last_arrivers_and_waits_of_a_real_run_equal_the_oracle_to_the_nanosecond() {
    let Some(shared) = common::shared() else { return };
    let run = "kineto_multirank_ddp4_mi300";
    let truth = std::fs::read(shared.join("traces/truth/dev").join(run).join("MULTIRANK.oracle.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    for input in ["merged_all_events.json.gz", "derived_per_rank"] {
        let trace = ingest::read(&[shared.join("traces/dev").join(run).join(input)]).unwrap();
        let classes = Classifier::builtin().classify_trace(&trace);
        let table = steps::find(&trace, &StepOptions::default());
        for whole_trace in [false, true] {
            let report = analyze::report(&trace, &classes, &table, &Options { whole_trace, ..Options::default() });
            check(&report.rank_skew.expect("four ranks"), &truth);
        }
    }
}
