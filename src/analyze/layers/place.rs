//! Kernels by their place in the model: which layer, and what for.
//!
//! ```text
//!                 head   layer 0        layer 1              layer N-1       tail
//!   main stream   e      n q a o n u d  n q a o n u d   …    n q a o n u d   n h t
//!   beside                     s              s                    s
//! ```
//!
//! Each step's kernels on its main stream are [folded](crate::analyze::layers::fold) into layers. The most frequent sequence is the
//! reference; steps that ran another one (another batch size, another attention kernel) are aligned to it. What has no
//! slot in the most frequent layer is listed with the layers that it runs in: a dense layer's products among MoE layers,
//! the reduction that only full attention needs. Kernels of other streams belong to the layer that the main stream was in
//! when they started.
//!
//! A step whose sequence does not fold into as many layers is left out and counted, rather than put into layers that may
//! be others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::analyze::layers::fold::{Fold, Place, fold, main_stream, onto};
use crate::analyze::layers::identity::{self, Identity};
use crate::analyze::layers::names::{self, Named};
use crate::analyze::scope::Scope;
use crate::model::NameId;
use crate::output::layers::Section;
use crate::steps::StepIdx;

/// Where the dispatches of the counted steps stand.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(super) reference: Fold,
    /// The sequence that was folded so.
    pub(super) sequence: Vec<u32>,
    /// All places that occur, in order.
    pub(super) places: Vec<Spot>,
    /// Place and layer of each dispatch, by position in the trace: [`NOWHERE`] for those that have none.
    pub(super) of_dispatch: Vec<(u16, u16)>,
    /// What each of the places is called.
    pub(super) names: Vec<SlotName>,
    pub(super) steps: Vec<StepIdx>,
    pub(super) other_steps: u64,
}

/// A layer has a norm, a product and something that mixes tokens: less is a loop of some other kind.
const KERNELS_AT_LEAST: usize = 3;
/// No place, or no layer.
pub(super) const NOWHERE: u16 = u16::MAX;

/// A row of the table of slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Spot {
    Placed(Section, u32),
    /// Of a kernel that has no slot, by what stands for its name.
    Named(Section, u32),
}

impl Spot {
    pub(super) fn section(self) -> Section {
        match self {
            Self::Placed(section, _) | Self::Named(section, _) => section,
        }
    }
}

/// Kernels as they are compared: names that differ only in what a build changes are one.
struct Alphabet<'a> {
    scope: &'a Scope<'a>,
    letters: HashMap<NameId, u32>,
    by_normal: HashMap<(String, crate::classify::Category), u32>,
    /// Of each letter a name, and the name as it is compared.
    names: Vec<(NameId, String)>,
}

impl<'a> Alphabet<'a> {
    fn letter(&mut self, name: NameId) -> u32 {
        if let Some(&letter) = self.letters.get(&name) {
            return letter;
        }
        let normal = identity::normal(self.scope.trace.names.get(name));
        let key = (normal.clone(), self.scope.category(name));
        let letter = *self.by_normal.entry(key).or_insert_with(|| {
            self.names.push((name, normal));
            self.names.len() as u32 - 1
        });
        self.letters.insert(name, letter);
        letter
    }

    fn traits(&self, letter: u32) -> Identity<'_> {
        let (name, normal) = &self.names[letter as usize];
        let verdict = self.scope.verdict(*name);
        let sub = verdict.sub.as_deref().unwrap_or("unknown");
        Identity { normal, category: verdict.category, sub, backend: &verdict.backend }
    }

    fn cost(&self, a: u32, b: u32) -> Option<u32> {
        if a == b { Some(0) } else { identity::cost(self.traits(a), self.traits(b)).map(|cost| cost.max(1)) }
    }

    fn named(&self, letter: u32) -> Named<'_> {
        self.named_so(self.names[letter as usize].0)
    }

    fn named_so(&self, name: NameId) -> Named<'_> {
        Named { verdict: self.scope.verdict(name), text: self.scope.trace.names.get(name) }
    }
}

/// A sequence that steps ran, and where its kernels stand.
struct Known {
    spots: Vec<(u16, u16)>,
    bounds: Vec<usize>,
}

/// Places the kernels of all counted steps; `None` if they do not fold into layers.
pub(crate) fn place(scope: &Scope<'_>) -> Option<Placed> {
    let mut of_step: BTreeMap<StepIdx, Vec<u32>> = scope.steps().map(|(at, _)| (at, Vec::new())).collect();
    for (position, step) in scope.table.of_dispatch.iter().enumerate() {
        if let Some(list) = step.and_then(|step| of_step.get_mut(&step)) {
            list.push(position as u32);
        }
    }
    in_certain_order(scope, &mut of_step);
    let mut alphabet = Alphabet { scope, letters: HashMap::new(), by_normal: HashMap::new(), names: Vec::new() };
    let stream = |at: u32| scope.trace.streams[scope.trace.dispatches[at as usize].stream.index()].id;
    let mut sequences: Vec<(StepIdx, u32, u64)> = Vec::new();
    let mut distinct: HashMap<Vec<u32>, (u32, usize)> = HashMap::new();
    for (&step, positions) in &of_step {
        let main = main_stream(positions.iter().map(|&at| stream(at)));
        let on_main = positions.iter().filter(|&&at| stream(at) == main);
        let letters: Vec<u32> = on_main.map(|&at| alphabet.letter(scope.trace.dispatches[at as usize].name)).collect();
        let number = distinct.len() as u32;
        let (number, times) = distinct.entry(letters.clone()).or_insert((number, 0));
        *times += 1;
        sequences.push((step, *number, main));
    }
    let mut by_times: Vec<(&Vec<u32>, &(u32, usize))> = distinct.iter().collect();
    by_times.sort_by(|(a, (_, x)), (b, (_, y))| (y, b.len(), a).cmp(&(x, a.len(), b)));
    let cost = |a: u32, b: u32| alphabet.cost(a, b);
    let mut reference: Option<(Fold, &Vec<u32>)> = None;
    let mut spots = Spots::default();
    let mut known: HashMap<u32, Known> = HashMap::new();
    for (sequence, &(number, _)) in by_times {
        let Some(found) = fold(sequence, &cost).filter(|found| found.cycle.len() >= KERNELS_AT_LEAST) else { continue };
        let (reference, _) = reference.get_or_insert_with(|| (found.clone(), sequence));
        if found.layers == reference.layers {
            known.insert(number, spots.of(sequence, reference, &found, &cost));
        }
    }
    let (reference, sequence) = reference?;
    let mut placed = Placed {
        reference,
        sequence: sequence.clone(),
        places: Vec::new(),
        names: Vec::new(),
        of_dispatch: vec![(NOWHERE, NOWHERE); scope.trace.dispatches.len()],
        steps: Vec::new(),
        other_steps: 0,
    };
    for (step, number, main) in sequences {
        let Some(known) = known.get(&number) else {
            placed.other_steps += 1;
            continue;
        };
        placed.steps.push(step);
        let mut next = 0;
        for &at in &of_step[&step] {
            placed.of_dispatch[at as usize] = if stream(at) == main {
                next += 1;
                known.spots[next - 1]
            } else {
                let letter = alphabet.letter(scope.trace.dispatches[at as usize].name);
                let (section, layer) = section_at(&known.bounds, next.saturating_sub(1));
                (spots.number(Spot::Named(section, letter)), layer)
            };
        }
    }
    placed.places = spots.places;
    placed.names = names(&placed, &alphabet);
    Some(placed)
}

/// Sorts what began and ended together by name, so that the order of the input does not show.
fn in_certain_order(scope: &Scope<'_>, of_step: &mut BTreeMap<StepIdx, Vec<u32>>) {
    let dispatch = |at: u32| &scope.trace.dispatches[at as usize];
    for list in of_step.values_mut() {
        for together in list.chunk_by_mut(|&a, &b| dispatch(a).span == dispatch(b).span).filter(|of| of.len() > 1) {
            together.sort_by_key(|&at| scope.trace.kernel(dispatch(at)));
        }
    }
}

/// Places in the order in which they were met.
#[derive(Default)]
struct Spots {
    places: Vec<Spot>,
    numbers: HashMap<Spot, u16>,
}

impl Spots {
    fn number(&mut self, spot: Spot) -> u16 {
        *self.numbers.entry(spot).or_insert_with(|| {
            let number = u16::try_from(self.places.len()).unwrap_or(NOWHERE);
            if number != NOWHERE {
                self.places.push(spot);
            }
            number
        })
    }

    fn of(
        &mut self,
        sequence: &[u32],
        reference: &Fold,
        found: &Fold,
        cost: &impl Fn(u32, u32) -> Option<u32>,
    ) -> Known {
        let places = onto(reference, found, cost);
        let spot = |(at, place): (usize, &Option<Place>)| {
            let (section, layer) = section_at(&found.bounds, at);
            let spot = match *place {
                Some(Place::Head(at)) => Spot::Placed(Section::Head, at),
                Some(Place::Slot(at)) => Spot::Placed(Section::Layer, at),
                Some(Place::Tail(at)) => Spot::Placed(Section::Tail, at),
                None => Spot::Named(section, sequence[at]),
            };
            (self.number(spot), layer)
        };
        Known { spots: places.iter().enumerate().map(spot).collect(), bounds: found.bounds.clone() }
    }
}

/// Section and layer of the kernel at `at` of a sequence.
fn section_at(bounds: &[usize], at: usize) -> (Section, u16) {
    let begun = bounds.partition_point(|&begin| begin <= at);
    match begun {
        0 => (Section::Head, NOWHERE),
        _ if begun == bounds.len() => (Section::Tail, NOWHERE),
        _ => (Section::Layer, u16::try_from(begun - 1).unwrap_or(NOWHERE)),
    }
}

/// What a place is called, and where it comes in its section.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SlotName {
    pub(super) section: Section,
    /// Position in the section; `None` comes last.
    pub(super) slot: Last,
    pub(super) role: String,
    /// Tells those without a slot apart.
    pub(super) normal: String,
}

/// A position, or behind all positions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Last {
    At(u32),
    Nowhere,
}

/// The kernels of a layer; where its place runs different ones in different layers, that with the most time.
fn heaviest(placed: &Placed, alphabet: &Alphabet<'_>) -> Vec<NameId> {
    let mut times: Vec<BTreeMap<NameId, u64>> = vec![BTreeMap::new(); placed.reference.cycle.len()];
    for (dispatch, &(spot, _)) in alphabet.scope.trace.dispatches.iter().zip(&placed.of_dispatch) {
        if let Some(Spot::Placed(Section::Layer, at)) = placed.places.get(usize::from(spot)) {
            *times[*at as usize].entry(dispatch.name).or_default() += dispatch.span.duration_ns();
        }
    }
    let of_place = |(times, &letter): (&BTreeMap<NameId, u64>, &u32)| {
        let text = |name: NameId| Reverse(alphabet.scope.trace.names.get(name));
        let heaviest = times.iter().max_by_key(|&(&name, &ns)| (ns, text(name)));
        heaviest.map_or(alphabet.names[letter as usize].0, |(&name, _)| name)
    };
    times.iter().zip(&placed.reference.cycle).map(of_place).collect()
}

/// Names of all places, in their order.
fn names(placed: &Placed, alphabet: &Alphabet<'_>) -> Vec<SlotName> {
    let named = |letters: &[u32]| -> Vec<Named<'_>> { letters.iter().map(|&letter| alphabet.named(letter)).collect() };
    let fold = &placed.reference;
    let layer: Vec<Named<'_>> = heaviest(placed, alphabet).into_iter().map(|name| alphabet.named_so(name)).collect();
    let (cycle, begins) = names::of_layer(&layer);
    let (head, tail) = (names::of_head(&named(&fold.head)), names::of_tail(&named(&fold.tail)));
    let length = cycle.len() as u32;
    let name = |&spot: &Spot| {
        let (slot, role, normal) = match spot {
            Spot::Placed(Section::Layer, at) => {
                (Last::At((at + length - begins as u32) % length), cycle[at as usize].clone(), String::new())
            }
            Spot::Placed(Section::Head, at) => (Last::At(at), head[at as usize].clone(), String::new()),
            Spot::Placed(Section::Tail, at) => (Last::At(at), tail[at as usize].clone(), String::new()),
            Spot::Named(_, letter) => {
                (Last::Nowhere, alphabet.named(letter).plain(), alphabet.names[letter as usize].1.clone())
            }
        };
        SlotName { section: spot.section(), slot, role, normal }
    };
    placed.places.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::output::Report;
    use crate::output::layers::Layers;

    /// Steps of these kernels, one after another, each kernel as long as its place in `lengths`, else 10 ns.
    fn report(steps: &[&str], lengths: &[(&str, i64)]) -> Report {
        let mut now = 0;
        let mut step = |kernels: &&str| {
            let mut drawn = Vec::new();
            for name in kernels.split_whitespace() {
                let length = lengths.iter().find(|(of, _)| *of == name).map_or(10, |(_, length)| *length);
                drawn.push((name, now, now + length));
                now += length + 1;
            }
            now += 100;
            Row::decode(&drawn)
        };
        trace_with_steps(&steps.iter().map(&mut step).collect::<Vec<Row>>()).report()
    }

    fn layers(steps: &[&str], lengths: &[(&str, i64)]) -> Layers {
        report(steps, lengths).layers.unwrap()
    }

    const LAYER: &str = "norm gemm_qkv attn gemm_o norm_post gemm_up gemm_down ";

    #[test]
    fn slots_and_layers_add_up_to_the_steps() {
        let step = format!("odd_embed {} norm gemm_logits", LAYER.repeat(4));
        let found = layers(&[&step, &step], &[("attn", 50)]);
        assert_eq!((found.count, found.steps, found.other_steps), (4, 2, 0));
        let kinds: Vec<_> = found.kinds.iter().map(|kind| (&*kind.name, kind.layers.len(), kind.kernels)).collect();
        assert_eq!(kinds, [("A", 4, 7)]);
        assert_eq!(found.per_layer.len(), 4);
        assert!(found.per_layer.iter().all(|row| row.per_step_ns.p50 == 110));
        let attention = found.slots.iter().find(|row| row.kernels == ["attn"]).unwrap();
        assert_eq!((attention.section, attention.layers, attention.gpu_time_ns), (Section::Layer, 4, 400));
        assert_eq!(attention.critical_ns, 400);
        let all: u64 = found.slots.iter().map(|row| row.gpu_time_ns).sum();
        assert_eq!(all, 2 * (4 * 110 + 30));
        let ends: Vec<_> =
            found.slots.iter().filter(|row| row.section != Section::Layer).map(|row| &*row.role).collect();
        assert_eq!(ends, ["unknown", "final norm", "LM head GEMM"]);
    }

    #[test]
    fn alternating_attention_makes_two_kinds_of_layers_in_the_same_slots() {
        let full = LAYER.replace("attn", "attn_full attn_merge");
        let step = format!("odd {} norm gemm_logits", format!("{LAYER}{full}").repeat(3));
        let found = layers(&[&step, &step, &step], &[]);
        let kinds: Vec<_> = found.kinds.iter().map(|kind| (&kind.layers[..], kind.kernels)).collect();
        assert_eq!(kinds, [(&[0, 2, 4][..], 7), (&[1, 3, 5][..], 8)]);
        let in_layers = |name: &str| {
            let rows = found.slots.iter().filter(|row| row.kernels.iter().any(|kernel| kernel == name));
            rows.map(|row| row.layers).collect::<Vec<_>>()
        };
        assert_eq!(in_layers("gemm_o"), [6], "what stands behind the longer attention keeps its slot");
    }

    #[test]
    fn dense_first_layers_are_another_kind() {
        let dense = "norm gemm_qkv attn gemm_o norm_post gemm_up gemm_down ";
        let sparse = "norm gemm_qkv attn gemm_o norm_post gemm_router moe_gate moe_sort moe_up moe_down ";
        let step = format!("odd {} {} norm gemm_logits", dense.repeat(2), sparse.repeat(8));
        let found = layers(&[&step, &step], &[]);
        assert_eq!(found.count, 10);
        let kinds: Vec<_> = found.kinds.iter().map(|kind| kind.layers.len()).collect();
        assert_eq!((kinds, &found.kinds[1].layers[..]), (vec![8, 2], &[0, 1][..]));
    }

    #[test]
    fn a_step_that_lacks_kernels_is_left_out_and_counted() {
        let whole = format!("odd {} norm gemm_logits", LAYER.repeat(5));
        let short = format!("odd {} norm gemm_logits", LAYER.repeat(4));
        let found = layers(&[&whole, &whole, &short], &[]);
        assert_eq!((found.count, found.steps, found.other_steps), (5, 2, 1));
    }

    #[test]
    fn steps_without_layers_have_no_tables() {
        assert_eq!(report(&["gemm attn", "gemm attn"], &[]).layers, None);
        assert_eq!(report(&["gemm gemm gemm gemm", "gemm gemm gemm gemm"], &[]).layers, None);
    }
}
