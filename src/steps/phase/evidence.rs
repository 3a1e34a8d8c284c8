//! What a step ran, as far as it tells what the step did.

use std::collections::{BTreeMap, HashMap};

use crate::classify::vocabulary;
use crate::model::{LaunchCall, LaunchIdx, NameId, Trace};
use crate::steps::spread::spread;
use crate::steps::{Phase, StepIdx, StepTable};

/// A drafter's few layers attend over a cache in a step of prompts too: of two kinds of attention, one that is this many
/// times rarer tells nothing.
const RARER: u32 = 4;

/// What one step ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Which kernels its layers have: those that run about as often as any.
    pub(super) layers: u64,
    /// Which of them multiply matrices.
    pub(super) products: Vec<NameId>,
    /// Whether a kernel attends to prompts and to a cache in one.
    pub(super) attends_both: bool,
    /// Rows of most of its products.
    pub(super) rows: Option<u32>,
    /// Time of its kernels, but for those in which ranks wait for each other.
    pub(super) time_ns: u64,
    over_prompts: u32,
    over_cache: u32,
    kernels: u32,
    /// Kernels of its largest replay.
    largest: u32,
}

impl Evidence {
    /// Whether it attends to prompts.
    pub(super) fn prefills(&self) -> bool {
        self.over_prompts > 0 && RARER * self.over_prompts >= self.over_cache
    }

    /// Whether it attends over a cache.
    pub(super) fn decodes(&self) -> bool {
        self.over_cache > 0 && RARER * self.over_cache >= self.over_prompts
    }

    /// Whether it is a replay as a whole.
    pub(super) fn is_replay(&self) -> bool {
        self.largest > 1 && 2 * self.largest >= self.kernels
    }

    /// Whether it surely decodes and does nothing else.
    pub(super) fn only_decodes(&self) -> bool {
        !self.prefills() && (self.decodes() || self.is_replay())
    }

    /// The phase of a step that attends to prompts.
    pub(super) fn with_prompts(&self) -> Phase {
        if self.decodes() { Phase::Mixed } else { Phase::Prefill }
    }
}

/// What each of these steps ran.
pub(super) fn collect(table: &StepTable, trace: &Trace, steps: &[usize]) -> Vec<Evidence> {
    let places = vocabulary::places(trace);
    let mut place_of: Vec<Option<usize>> = vec![None; table.steps.len()];
    steps.iter().enumerate().for_each(|(place, &step)| place_of[step] = Some(place));
    let mut seen = vec![Evidence::default(); steps.len()];
    let mut names: Vec<Vec<NameId>> = vec![Vec::new(); steps.len()];
    let mut replays: HashMap<(usize, LaunchIdx), u32> = HashMap::new();
    let mut rows: Vec<BTreeMap<u32, u32>> = vec![BTreeMap::new(); steps.len()];
    for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
        let Some(at) = step.map(StepIdx::index).and_then(|step| place_of[step]) else { continue };
        let (place, step) = (&places[dispatch.name.index()], &mut seen[at]);
        step.kernels += 1;
        step.over_prompts += u32::from(place.attention.prefill && !place.attention.decode);
        step.over_cache += u32::from(place.attention.decode && !place.attention.prefill);
        step.attends_both |= place.attention.prefill && place.attention.decode;
        if !place.all_reduces {
            step.time_ns += dispatch.span.duration_ns();
        }
        names[at].push(dispatch.name);
        let Some(launch) = dispatch.launch else { continue };
        let call = &trace.launches[launch.index()];
        if call.call == LaunchCall::Graph {
            *replays.entry((at, launch)).or_insert(0) += 1;
        }
        if let Some(product) = call.product.filter(|_| place.multiplies) {
            *rows[at].entry(trace.products[product.index()].m).or_insert(0) += 1;
        }
    }
    for ((at, _), kernels) in replays {
        seen[at].largest = seen[at].largest.max(kernels);
    }
    for ((step, mut names), rows) in seen.iter_mut().zip(names).zip(rows) {
        names.sort_unstable();
        let most = names.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
        let layers = names.chunk_by(|a, b| a == b).filter(|same| 2 * same.len() >= most).map(|same| same[0]);
        step.layers = layers.fold(0, |hash, name| hash.wrapping_add(spread(name.index() as u64)));
        names.dedup();
        names.retain(|name| places[name.index()].multiplies);
        step.products = names;
        step.rows = rows.into_iter().max_by_key(|&(rows, times)| (times, rows)).map(|(rows, _)| rows);
    }
    seen
}
