//! The ranks' steps, each found alone, put into one table.

use super::NoSteps;
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

/// Cuts one lane a rank.
pub(super) fn by_rank(
    trace: &Trace,
    alphabet: &Alphabet,
    detector: Detector,
    lanes: Vec<Lane>,
) -> Result<StepTable, NoSteps> {
    let mut joined = Joined::new(trace);
    let (ranks, lanes): (Vec<usize>, Vec<&Lane>) = lanes.iter().enumerate().filter(|(_, lane)| lane.len() > 0).unzip();
    for ((rank, lane), cutting) in ranks.into_iter().zip(&lanes).zip(cut_ranks(&lanes, alphabet)) {
        match cutting {
            Ok(cutting) => {
                joined.add(lane, &cutting);
            }
            Err(why) => joined.refuse(RankIdx::new(rank), why),
        }
    }
    joined.finish(trace, detector)
}

impl Joined {
    pub(super) fn new(trace: &Trace) -> Self {
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
    pub(super) fn add(&mut self, lane: &Lane, cutting: &Cutting) -> u32 {
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

    /// Says to which step a dispatch belongs.
    pub(super) fn set(&mut self, position: u32, step: Option<u32>) {
        self.of_dispatch[position as usize] = step;
    }

    /// How many dispatches belong to no step so far.
    pub(super) fn outside(&self) -> usize {
        self.of_dispatch.iter().filter(|step| step.is_none()).count()
    }

    pub(super) fn refuse(&mut self, rank: RankIdx, why: NoSteps) {
        self.refused.push((rank, why));
    }

    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// The table, unless no rank has steps or they explain too little.
    pub(super) fn finish(self, trace: &Trace, detector: Detector) -> Result<StepTable, NoSteps> {
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
