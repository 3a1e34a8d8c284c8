//! What each step did, where no label tells.
//!
//! Labels such as `ProfilerStep#7` name a step and not its phase, and steps found by their kernels have no label at all.
//! What they did is told by what they ran ([`evidence`]), in this order:
//!
//! | evidence | phase |
//! |---|---|
//! | attention over prompts, with attention over a cache beside it or without, unless all steps have such kernels | mixed, prefill |
//! | attention over a cache alone | decode |
//! | most of it is one replay: prompts are not replayed as a whole | decode |
//! | layers of the same kernels as most steps have, and not much longer | that of most steps |
//! | rows of its products, beside those of decode steps | prefill, decode |
//! | more than twice as long | prefill |
//! | less than one and a half times as long, and the same products, or several such steps in a row: another batch | decode |
//!
//! What most steps do is decode, since that is what servers do most, unless their only attention is over prompts: then rows
//! must tell. What is still open is [`Phase::Unknown`]. It enters no figure of decode, and a remark says so.
//!
//! Last, steps that nobody vouches for are asked whether they are of inference at all ([`judge`]).

mod evidence;
mod other;

pub(super) use other::judge;

use std::collections::{BTreeMap, HashMap};

use self::evidence::Evidence;
use super::{Phase, StepTable};
use crate::model::{RankIdx, Trace};

/// As many steps in a row with the same kernels are of another batch, not of a prompt now and then.
const IN_A_ROW: usize = 3;
/// How many more rows than decode steps usually have are those of prompts.
const MORE_ROWS: u32 = 4;
/// Rows of a product up to which they may be a batch that generates.
const MOST_ROWS: u32 = 128;

/// Tells the phase of each step that has none so far.
pub(super) fn tell(table: &mut StepTable, trace: &Trace) {
    let open: Vec<usize> = (0..table.steps.len()).filter(|&at| table.steps[at].phase == Phase::Unknown).collect();
    if open.is_empty() {
        return;
    }
    let seen = evidence::collect(table, trace, &open);
    let mut ranks: BTreeMap<RankIdx, Vec<(usize, &Evidence)>> = BTreeMap::new();
    for (&at, seen) in open.iter().zip(&seen) {
        ranks.entry(table.steps[at].rank).or_default().push((at, seen));
    }
    for steps in ranks.values() {
        let most = Most::of(steps);
        steps.iter().for_each(|&(at, seen)| table.steps[at].phase = most.phase(seen));
    }
    let left = open.iter().filter(|&&at| table.steps[at].phase == Phase::Unknown).count();
    if left > 0 {
        let of = open.len();
        table.remarks.push(format!(
            "What {left} of {of} steps did is unknown: neither labels nor kernels tell prompts from generated tokens. They \
             are in no figure of decode."
        ));
    }
}

/// What most steps of a rank are, and what its decode steps are like.
struct Most<'a> {
    usual: &'a Evidence,
    phase: Phase,
    /// Whether attention over prompts tells steps with prompts: not if all steps have such kernels.
    prompts_tell: bool,
    /// Medians over the steps that are decode for sure, else over those like most.
    time_ns: u64,
    rows: Option<u32>,
    /// By kernels, how many steps with the same follow one another at most.
    in_a_row: HashMap<u64, usize>,
}

impl<'a> Most<'a> {
    fn of(steps: &[(usize, &'a Evidence)]) -> Self {
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        steps.iter().for_each(|(_, seen)| *times.entry(seen.layers).or_insert(0) += 1);
        let most = times.values().copied().max().unwrap_or(0);
        // Of kinds that are equally frequent, the one that comes first.
        let usual = steps.iter().map(|&(_, seen)| seen).find(|seen| times[&seen.layers] == most);
        let usual = usual.unwrap_or(steps[0].1);
        let mut in_a_row: HashMap<u64, usize> = HashMap::new();
        for row in steps.chunk_by(|a, b| a.1.layers == b.1.layers) {
            let longest = in_a_row.entry(row[0].1.layers).or_default();
            *longest = row.len().max(*longest);
        }
        let surely: Vec<&Evidence> = steps.iter().map(|step| step.1).filter(|seen| seen.only_decodes()).collect();
        let prompts_tell = !surely.is_empty() || !usual.prefills();
        let phase = match usual.rows {
            _ if prompts_tell && usual.prefills() => usual.with_prompts(),
            _ if usual.decodes() || usual.is_replay() || !usual.prefills() => Phase::Decode,
            Some(rows) if rows > MOST_ROWS => Phase::Prefill,
            Some(_) => Phase::Decode,
            None => Phase::Unknown,
        };
        let like = steps.iter().map(|step| step.1).filter(|seen| seen.layers == usual.layers);
        let shown: Vec<&Evidence> = if surely.is_empty() { like.collect() } else { surely };
        Self {
            usual,
            phase,
            prompts_tell,
            time_ns: median(shown.iter().map(|seen| seen.time_ns)).unwrap_or(0),
            rows: median(shown.iter().filter_map(|seen| seen.rows)),
            in_a_row,
        }
    }

    fn phase(&self, seen: &Evidence) -> Phase {
        if seen.prefills() && self.prompts_tell {
            return seen.with_prompts();
        }
        let is_long = seen.time_ns > 2 * self.time_ns;
        if seen.layers == self.usual.layers && (!is_long || seen.only_decodes()) {
            return self.phase;
        }
        let attends_as_usual = !seen.attends_both || self.usual.attends_both;
        if attends_as_usual && (seen.decodes() || seen.is_replay()) {
            return Phase::Decode;
        }
        if self.phase != Phase::Decode {
            return Phase::Unknown;
        }
        if let Some((rows, usual)) = seen.rows.zip(self.rows) {
            return if rows >= usual.saturating_mul(MORE_ROWS) && rows > MOST_ROWS {
                Phase::Prefill
            } else {
                Phase::Decode
            };
        }
        let is_another_batch = || seen.products == self.usual.products || self.in_a_row[&seen.layers] >= IN_A_ROW;
        match () {
            () if is_long => Phase::Prefill,
            () if 2 * seen.time_ns <= 3 * self.time_ns && is_another_batch() => Phase::Decode,
            () => Phase::Unknown,
        }
    }
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
