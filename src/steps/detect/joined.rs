//! The ranks' steps, each found alone, put into one table.

use super::NoSteps;
use super::aside::{Beside, Steps};
use super::assemble::{self, Found};
use super::passes::{Alphabet, Cutting, LEAST_CONFIDENCE, Lane, cut_ranks};
use crate::model::{RankIdx, Trace};
use crate::steps::{Detector, StepTable};

/// Steps of several ranks under construction.
#[derive(Debug)]
pub(super) struct Joined {
    found: Vec<Found>,
    of_dispatch: Vec<Option<u32>>,
    explained: f32,
    considered: usize,
    refused: Vec<(RankIdx, NoSteps)>,
    remarks: Vec<String>,
}

/// A rank's work: what is cut into steps, and what is joined to these.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) main: Lane,
    pub(super) aside: Vec<Lane>,
}

/// Cuts the work of each rank by what recurs in it.
pub(super) fn by_rank(
    trace: &Trace,
    alphabet: &Alphabet,
    detector: Detector,
    ranks: &[Work],
) -> Result<StepTable, NoSteps> {
    let lanes: Vec<&Lane> = ranks.iter().map(|work| &work.main).filter(|lane| lane.len() > 0).collect();
    let cuttings = cut_ranks(&lanes, alphabet);
    join(trace, alphabet, detector, ranks, cuttings)
}

/// Cuts the work of each rank into a step for each `token` in it.
pub(super) fn each(
    trace: &Trace,
    alphabet: &Alphabet,
    detector: Detector,
    ranks: &[Work],
    token: u32,
) -> Result<StepTable, NoSteps> {
    let lanes = ranks.iter().map(|work| &work.main).filter(|lane| lane.len() > 0);
    let cuttings = lanes.map(|lane| Ok(lane.cut_at_each(alphabet, token))).collect();
    join(trace, alphabet, detector, ranks, cuttings)
}

fn join(
    trace: &Trace,
    alphabet: &Alphabet,
    detector: Detector,
    ranks: &[Work],
    cuttings: Vec<Result<Cutting, NoSteps>>,
) -> Result<StepTable, NoSteps> {
    let mut joined = Joined::new(trace);
    let ranks = ranks.iter().enumerate().filter(|(_, work)| work.main.len() > 0);
    for ((rank, work), cutting) in ranks.zip(cuttings) {
        match cutting {
            Ok(cutting) => {
                let first = joined.add(&work.main, &cutting);
                let steps = Steps::new(trace, alphabet, &work.main, &cutting, first);
                for lane in work.aside.iter().filter(|lane| lane.len() > 0) {
                    joined.add_beside(lane, steps.join(trace, alphabet, lane));
                }
            }
            Err(why) => joined.refuse(RankIdx::new(rank), why),
        }
    }
    joined.finish(trace, detector)
}

impl Joined {
    fn new(trace: &Trace) -> Self {
        Self {
            found: Vec::new(),
            of_dispatch: vec![None; trace.dispatches.len()],
            explained: 0.0,
            considered: 0,
            refused: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Adds the steps of a lane and gives the position of the first.
    fn add(&mut self, lane: &Lane, cutting: &Cutting) -> u32 {
        let first = self.found.len() as u32;
        self.found.extend(cutting.found());
        for (step, segment) in cutting.segments.iter().enumerate() {
            for &position in lane.dispatches(segment.start, segment.end) {
                self.of_dispatch[position as usize] = Some(first + step as u32);
            }
        }
        self.explained += cutting.confidence * lane.len() as f32;
        self.considered += lane.len();
        first
    }

    /// Adds what is joined to steps that have been added.
    fn add_beside(&mut self, lane: &Lane, beside: Beside) {
        for (&position, step) in lane.dispatches(0, usize::MAX).iter().zip(beside.steps) {
            self.of_dispatch[position as usize] = step;
        }
        self.remarks.extend(beside.remark);
    }

    fn refuse(&mut self, rank: RankIdx, why: NoSteps) {
        self.refused.push((rank, why));
    }

    /// The table, unless no rank has steps or they explain too little.
    fn finish(self, trace: &Trace, detector: Detector) -> Result<StepTable, NoSteps> {
        if self.found.is_empty() {
            let why = self.refused.into_iter().next().map(|(_, why)| why);
            return Err(why.unwrap_or(NoSteps::NoKernels));
        }
        let confidence = self.explained / self.considered.max(1) as f32;
        if confidence < LEAST_CONFIDENCE {
            return Err(NoSteps::LittleExplained { share: confidence });
        }
        // Without markers nothing tells a tail from the rest.
        let of_dispatch: Vec<_> = self.of_dispatch.iter().map(|step| step.map(|step| (step, false))).collect();
        let mut table = assemble::table(trace, detector, &self.found, &of_dispatch);
        table.confidence = confidence;
        table.remarks = self.remarks;
        for (rank, why) in self.refused {
            let number = trace.ranks[rank.index()].number.map_or(rank.index(), |number| number as usize);
            table.remarks.push(format!("Rank {number} has no steps: {why}."));
        }
        Ok(table)
    }
}
