//! What finding steps costs: ten million dispatches by kernel names alone, and by graph launches.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use profile_decode::model::Trace;
use profile_decode::steps::{StepOptions, find};

#[path = "../tests/common/server.rs"]
mod server;

use server::{Mode, Prefills, Server, draw};

const DISPATCHES: u64 = 10_000_000;

fn main() {
    let mut out = std::io::stdout().lock();
    let server = Server {
        mode: Mode::Full,
        layers: 64,
        layer: 14,
        steps: DISPATCHES / (64 * 14 + 12),
        prefills: Prefills::Random(5),
        lost: 5,
        buckets: 3,
        metadata_every: 7,
        split_attention: true,
        ..Server::plain()
    };
    let with_launches = draw(&server).trace;
    let names_alone = without_launches(with_launches.clone());
    for (what, trace) in [("graph launches", with_launches), ("names alone", names_alone)] {
        let begin = Instant::now();
        let table = black_box(find(&trace, &StepOptions::default()));
        let took = begin.elapsed();
        let (dispatches, steps) = (trace.dispatches.len(), table.steps.len());
        let _ =
            writeln!(out, "steps/{what}: {took:?} for {dispatches} dispatches, {steps} steps by {:?}", table.detector);
    }
}

fn without_launches(mut trace: Trace) -> Trace {
    trace.launches.clear();
    trace.dispatches.iter_mut().for_each(|dispatch| dispatch.launch = None);
    trace
}
