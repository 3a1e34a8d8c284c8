//! Kernels by their place in the model: which layer, and what for.
//!
//! ```text
//!                 head   layer 0        layer 1              layer N-1       tail
//!   main stream   e      n q a o n u d  n q a o n u d   …    n q a o n u d   n h t
//!   beside                     s              s                    s
//! ```
//!
//! Each step's kernels on its main stream are [folded](super::roles) into layers. The most frequent sequence is the
//! reference; steps that ran another one (another batch size, another attention kernel) are aligned to it. What has no
//! slot in the most frequent layer is listed with the layers that it runs in: a dense layer's products among MoE layers,
//! the reduction that only full attention needs. Kernels of other streams belong to the layer that the main stream was in
//! when they started.
//!
//! A step whose sequence does not fold into as many layers is left out and counted, rather than put into layers that may
//! be others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::model::NameId;
use crate::steps::StepIdx;

use super::alike::{self, Traits};
use super::report::{LayerKind, LayerRow, Layers, Section, SlotRow};
use super::role_names::{self, Named};
use super::roles::{Fold, Place, fold, main_stream, onto};
use super::stats::{per_step, share};
use super::tally::Tally;
use super::view::View;

/// Where the dispatches of the counted steps stand.
#[derive(Debug)]
pub(super) struct Placed {
    reference: Fold,
    /// The sequence that was folded so.
    sequence: Vec<u32>,
    /// All places that occur, in order.
    places: Vec<Spot>,
    /// Place and layer of each dispatch, by position in the trace: [`NOWHERE`] for those that have none.
    of_dispatch: Vec<(u16, u16)>,
    /// What each of the places is called.
    names: Vec<SlotName>,
    steps: Vec<StepIdx>,
    other_steps: u64,
}

/// A layer has a norm, a product and something that mixes tokens: less is a loop of some other kind.
const KERNELS_AT_LEAST: usize = 3;
/// No place, or no layer.
const NOWHERE: u16 = u16::MAX;

/// A row of the table of slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Spot {
    Placed(Section, u32),
    /// Of a kernel that has no slot, by what stands for its name.
    Named(Section, u32),
}

impl Spot {
    fn section(self) -> Section {
        match self {
            Self::Placed(section, _) | Self::Named(section, _) => section,
        }
    }
}

/// Kernels as they are compared: names that differ only in what a build changes are one.
struct Alphabet<'a> {
    view: &'a View<'a>,
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
        let normal = alike::normal(self.view.trace.names.get(name));
        let key = (normal.clone(), self.view.category(name));
        let letter = *self.by_normal.entry(key).or_insert_with(|| {
            self.names.push((name, normal));
            self.names.len() as u32 - 1
        });
        self.letters.insert(name, letter);
        letter
    }

    fn traits(&self, letter: u32) -> Traits<'_> {
        let (name, normal) = &self.names[letter as usize];
        let verdict = self.view.verdict(*name);
        let sub = verdict.sub.as_deref().unwrap_or("unknown");
        Traits { normal, category: verdict.category, sub, backend: &verdict.backend }
    }

    fn cost(&self, a: u32, b: u32) -> Option<u32> {
        if a == b { Some(0) } else { alike::cost(self.traits(a), self.traits(b)).map(|cost| cost.max(1)) }
    }

    fn named(&self, letter: u32) -> Named<'_> {
        self.named_so(self.names[letter as usize].0)
    }

    fn named_so(&self, name: NameId) -> Named<'_> {
        Named { verdict: self.view.verdict(name), text: self.view.trace.names.get(name) }
    }
}

/// A sequence that steps ran, and where its kernels stand.
struct Known {
    spots: Vec<(u16, u16)>,
    bounds: Vec<usize>,
}

/// Places the kernels of all counted steps; `None` if they do not fold into layers.
pub(super) fn place(view: &View<'_>) -> Option<Placed> {
    let mut of_step: BTreeMap<StepIdx, Vec<u32>> = view.steps().map(|(at, _)| (at, Vec::new())).collect();
    for (position, step) in view.table.of_dispatch.iter().enumerate() {
        if let Some(list) = step.and_then(|step| of_step.get_mut(&step)) {
            list.push(position as u32);
        }
    }
    in_certain_order(view, &mut of_step);
    let mut alphabet = Alphabet { view, letters: HashMap::new(), by_normal: HashMap::new(), names: Vec::new() };
    let stream = |at: u32| view.trace.streams[view.trace.dispatches[at as usize].stream.index()].id;
    let mut sequences: Vec<(StepIdx, u32, u64)> = Vec::new();
    let mut distinct: HashMap<Vec<u32>, (u32, usize)> = HashMap::new();
    for (&step, positions) in &of_step {
        let main = main_stream(positions.iter().map(|&at| stream(at)));
        let on_main = positions.iter().filter(|&&at| stream(at) == main);
        let letters: Vec<u32> = on_main.map(|&at| alphabet.letter(view.trace.dispatches[at as usize].name)).collect();
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
        of_dispatch: vec![(NOWHERE, NOWHERE); view.trace.dispatches.len()],
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
                let letter = alphabet.letter(view.trace.dispatches[at as usize].name);
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
fn in_certain_order(view: &View<'_>, of_step: &mut BTreeMap<StepIdx, Vec<u32>>) {
    let dispatch = |at: u32| &view.trace.dispatches[at as usize];
    for list in of_step.values_mut() {
        for together in list.chunk_by_mut(|&a, &b| dispatch(a).span == dispatch(b).span).filter(|of| of.len() > 1) {
            together.sort_by_key(|&at| view.trace.kernel(dispatch(at)));
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
struct SlotName {
    section: Section,
    /// Position in the section; `None` comes last.
    slot: Last,
    role: String,
    /// Tells those without a slot apart.
    normal: String,
}

/// A position, or behind all positions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Last {
    At(u32),
    Nowhere,
}

/// The kernels of a layer; where its place runs different ones in different layers, that with the most time.
fn heaviest(placed: &Placed, alphabet: &Alphabet<'_>) -> Vec<NameId> {
    let mut times: Vec<BTreeMap<NameId, u64>> = vec![BTreeMap::new(); placed.reference.cycle.len()];
    for (dispatch, &(spot, _)) in alphabet.view.trace.dispatches.iter().zip(&placed.of_dispatch) {
        if let Some(Spot::Placed(Section::Layer, at)) = placed.places.get(usize::from(spot)) {
            *times[*at as usize].entry(dispatch.name).or_default() += dispatch.span.duration_ns();
        }
    }
    let of_place = |(times, &letter): (&BTreeMap<NameId, u64>, &u32)| {
        let text = |name: NameId| Reverse(alphabet.view.trace.names.get(name));
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
    let (cycle, begins) = role_names::of_layer(&layer);
    let (head, tail) = (role_names::of_head(&named(&fold.head)), role_names::of_tail(&named(&fold.tail)));
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

/// Sums over a row of one of the tables.
#[derive(Clone, Default)]
struct Row {
    dispatches: u64,
    gpu_time_ns: u64,
    critical_ns: u64,
    /// In each step.
    steps: Vec<u64>,
    names: HashMap<NameId, u64>,
    layers: Vec<bool>,
}

impl Placed {
    /// Position in the table of slots and layer of the dispatch at `position`; `None` if it has no place.
    fn row(&self, position: usize) -> Option<(usize, Option<usize>)> {
        let (spot, layer) = self.of_dispatch[position];
        (spot != NOWHERE).then(|| (spot as usize, (layer != NOWHERE).then_some(layer as usize)))
    }

    /// The tables; `critical` tells how long each dispatch held its step up.
    pub(super) fn layers(&self, view: &View<'_>, tally: &Tally, critical: &Critical) -> Layers {
        let steps: HashMap<StepIdx, usize> = self.steps.iter().enumerate().map(|(at, &step)| (step, at)).collect();
        let blank = Row { steps: vec![0; steps.len()], layers: vec![false; self.reference.layers], ..Row::default() };
        let mut slots = vec![blank.clone(); self.places.len()];
        let mut layers = vec![Row { layers: Vec::new(), ..blank }; self.reference.layers];
        for (position, dispatch) in view.trace.dispatches.iter().enumerate() {
            let Some((slot, layer)) = self.row(position) else { continue };
            let Some(&step) = view.table.of_dispatch[position].and_then(|step| steps.get(&step)) else { continue };
            let ns = dispatch.span.duration_ns();
            let add = |row: &mut Row| {
                row.dispatches += 1;
                row.gpu_time_ns += ns;
                row.steps[step] += ns;
            };
            add(&mut slots[slot]);
            *slots[slot].names.entry(dispatch.name).or_default() += ns;
            if let Some(row) = layer.and_then(|layer| layers.get_mut(layer)) {
                add(row);
                slots[slot].layers[layer.unwrap_or(0)] = true;
            }
        }
        for (row, ns) in slots.iter_mut().zip(&critical.slots) {
            row.critical_ns = *ns;
        }
        for (row, ns) in layers.iter_mut().zip(&critical.layers) {
            row.critical_ns = *ns;
        }
        let all: u64 = self.steps.iter().flat_map(|&step| tally.step(step)).sum();
        let kinds = self.kinds(&layers);
        Layers {
            count: self.reference.layers as u64,
            steps: self.steps.len() as u64,
            other_steps: self.other_steps,
            per_layer: layer_rows(layers, &kinds, all),
            slots: self.slot_rows(view, slots, all),
            kinds,
        }
    }

    /// Layers of the reference by the kernels that they run.
    fn kinds(&self, layers: &[Row]) -> Vec<LayerKind> {
        let fold = &self.reference;
        let mut kinds: BTreeMap<&[u32], Vec<u32>> = BTreeMap::new();
        for (layer, bounds) in fold.bounds.windows(2).enumerate() {
            kinds.entry(&self.sequence[bounds[0]..bounds[1]]).or_default().push(layer as u32);
        }
        let mut kinds: Vec<(&[u32], Vec<u32>)> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, of)| (Reverse(of.len()), of[0]));
        let steps = (self.steps.len() as u64).max(1);
        let row = |(nth, (kernels, of)): (usize, (&[u32], Vec<u32>))| {
            let sum: u64 = of.iter().map(|&layer| layers[layer as usize].gpu_time_ns).sum();
            let gpu_time_ns = sum / (steps * of.len() as u64);
            LayerKind { name: letters(nth), layers: of, kernels: kernels.len() as u64, gpu_time_ns }
        };
        kinds.into_iter().enumerate().map(row).collect()
    }

    fn slot_rows(&self, view: &View<'_>, slots: Vec<Row>, all: u64) -> Vec<SlotRow> {
        let mut order: Vec<(SlotName, Row, Spot)> = self
            .names
            .iter()
            .cloned()
            .zip(slots)
            .zip(&self.places)
            .map(|((name, row), &spot)| (name, row, spot))
            .collect();
        order.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let row = |(name, row, spot): (SlotName, Row, Spot)| {
            let mut kernels: Vec<(u64, &str, NameId)> =
                row.names.iter().map(|(&name, &ns)| (ns, view.trace.names.get(name), name)).collect();
            kernels.sort_by_key(|&(ns, text, _)| (Reverse(ns), text));
            Some(SlotRow {
                section: spot.section(),
                slot: if let Last::At(at) = name.slot { Some(at) } else { None },
                role: name.role,
                category: view.category(kernels.first()?.2),
                layers: row.layers.iter().filter(|&&runs| runs).count() as u64,
                kernels: kernels.into_iter().map(|(_, text, _)| text.to_owned()).collect(),
                dispatches: row.dispatches,
                gpu_time_ns: row.gpu_time_ns,
                share: share(row.gpu_time_ns, all),
                per_step_ns: per_step(row.steps)?,
                critical_ns: row.critical_ns,
            })
        };
        order.into_iter().filter_map(row).collect()
    }
}

fn layer_rows(layers: Vec<Row>, kinds: &[LayerKind], all: u64) -> Vec<LayerRow> {
    let kind_of = |layer: u32| kinds.iter().find(|kind| kind.layers.contains(&layer)).map(|kind| kind.name.clone());
    let row = |(layer, row): (usize, Row)| {
        Some(LayerRow {
            layer: layer as u32,
            kind: kind_of(layer as u32)?,
            dispatches: row.dispatches,
            gpu_time_ns: row.gpu_time_ns,
            share: share(row.gpu_time_ns, all),
            per_step_ns: per_step(row.steps)?,
            critical_ns: row.critical_ns,
        })
    };
    layers.into_iter().enumerate().filter_map(row).collect()
}

/// `A` to `Z`, then `AA`.
fn letters(nth: usize) -> String {
    let letter = char::from(b'A' + (nth % 26) as u8);
    if nth < 26 { letter.to_string() } else { format!("{}{letter}", letters(nth / 26 - 1)) }
}

/// Wall time that slots and layers held up, while the steps' walls are partitioned.
#[derive(Default, Debug)]
pub(super) struct Critical {
    slots: Vec<u64>,
    layers: Vec<u64>,
}

impl Critical {
    /// Nothing yet, for what was placed.
    pub(super) fn new(placed: Option<&Placed>) -> Self {
        placed.map_or_else(Self::default, |placed| Self {
            slots: vec![0; placed.places.len()],
            layers: vec![0; placed.reference.layers],
        })
    }

    /// The dispatch at `position` held its step up for so long.
    pub(super) fn add(&mut self, placed: Option<&Placed>, position: u32, ns: u64) {
        if let Some((slot, layer)) = placed.and_then(|placed| placed.row(position as usize)) {
            self.slots[slot] += ns;
            if let Some(sum) = layer.and_then(|layer| self.layers.get_mut(layer)) {
                *sum += ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::super::testing::{Row, trace_with_steps};
    use super::*;

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
