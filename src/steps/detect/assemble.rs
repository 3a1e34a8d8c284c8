//! From "this dispatch belongs to that step" to the table.
//!
//! Every detector ends here. It gives its steps as [`Found`] — what a step is, which number it has — and for each
//! dispatch the one it belongs to. A step of a process that drives several GPUs becomes one [`Step`] on each of them.

use std::collections::HashMap;

use crate::model::{NameId, RankIdx, Span, Trace};
use crate::steps::{Batch, Detector, Phase, Step, StepIdx, StepTable, Tail};

/// A step as a detector found it, on whatever ranks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) number: u32,
    pub(super) phase: Phase,
    pub(super) batch: Batch,
    pub(super) label: Option<NameId>,
    pub(super) cpu: Option<Span>,
}

/// The table, from the position in `found` of each dispatch's step, and whether it is of that step's tail.
pub(super) fn table(
    trace: &Trace,
    detector: Detector,
    found: &[Found],
    of_dispatch: &[Option<(u32, bool)>],
) -> StepTable {
    let mut places: HashMap<(RankIdx, u32), usize> = HashMap::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut in_tails = Vec::new();
    let mut place_of: Vec<Option<u32>> = vec![None; of_dispatch.len()];
    // Dispatches of a step mostly follow one another, so the last place found for a rank is remembered.
    let mut last: Vec<Option<(u32, usize)>> = vec![None; trace.ranks.len()];
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        let Some((step, is_tail)) = of_dispatch[position] else { continue };
        let rank = trace.rank_of(dispatch.stream);
        let place = match last[rank.index()] {
            Some((same, place)) if same == step => place,
            _ => *places.entry((rank, step)).or_insert_with(|| {
                let Found { number, phase, batch, label, cpu } = found[step as usize];
                let gpu = dispatch.span;
                steps.push(Step {
                    number,
                    rank,
                    phase,
                    batch,
                    label,
                    cpu,
                    gpu,
                    dispatches: 0,
                    gpu_time_ns: 0,
                    tail: Tail::default(),
                    warmup: false,
                });
                steps.len() - 1
            }),
        };
        last[rank.index()] = Some((step, place));
        let step = &mut steps[place];
        step.gpu = step.gpu.hull(dispatch.span);
        step.dispatches += 1;
        step.gpu_time_ns += dispatch.span.duration_ns();
        if is_tail {
            in_tails.push(position as u32);
            step.tail.dispatches += 1;
            step.tail.gpu_time_ns += dispatch.span.duration_ns();
        }
        place_of[position] = Some(place as u32);
    }
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|&place| (steps[place].rank, steps[place].number, steps[place].gpu.start_ns));
    let mut new_place = vec![0; steps.len()];
    for (new, &old) in order.iter().enumerate() {
        new_place[old] = new;
    }
    let of_dispatch = place_of.iter().map(|place| place.map(|place| StepIdx::new(new_place[place as usize])));
    let steps = order.iter().map(|&place| steps[place].clone()).collect();
    let mut table = StepTable::new(detector, steps, of_dispatch.collect());
    table.in_tails = in_tails;
    table
}
