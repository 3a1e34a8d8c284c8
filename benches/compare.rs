//! What a comparison costs: two runs of a hundred steps of two thousand kernels, from their dispatches to the verdict.
//!
//! Run with `cargo bench --bench compare`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use profile_decode::analyze::compare::{Options, Run, Side, compare};
use profile_decode::classify::Classifier;
use profile_decode::steps::{StepOptions, find};

#[path = "../tests/common/served.rs"]
mod served;
use served::Server;

const ROUNDS: usize = 10;

fn main() {
    let classifier = Classifier::builtin();
    let server = |seed| Server { layers: 333, steps: 100, ..Server::new(seed) };
    let traces = [server(1).trace(), server(2).trace()];
    let parts: Vec<_> =
        traces.iter().map(|trace| (classifier.classify_trace(trace), find(trace, &StepOptions::default()))).collect();
    let (mut gathered, mut judged) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let sides = traces.iter().zip(&parts);
        let sides = sides.map(|(trace, (classes, steps))| Side::new(&[Run { trace, classes, steps }], false));
        let sides: Vec<Side> = sides.collect();
        gathered = gathered.min(begin.elapsed());
        let begin = Instant::now();
        black_box(compare(&sides[0], &sides[1], &Options::default()));
        judged = judged.min(begin.elapsed());
    }
    let _ =
        writeln!(std::io::stdout(), "compare: two sides {gathered:?}, their comparison {judged:?} (best of {ROUNDS})");
}
