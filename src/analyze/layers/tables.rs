//! The report's tables of layers: a row a layer, and a row a place.
//!
//! A step whose sequence does not fold into as many layers as the most frequent one is left out and counted, rather than
//! put into layers that may be others.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::layers::identity::{Alphabet, Identity, normal};
use crate::analyze::layers::names::{Named, Roles};
use crate::analyze::layers::place::{Placement, Ran, Sequences, Standing, Track};
use crate::analyze::layers::told::{Agreement, module};
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::{per_step, share};
use crate::analyze::time::sums::Sums;
use crate::classify::Category;
use crate::model::{NameId, WorkIdx};
use crate::output::layers::{LayerKind, LayerRow, Layers, Section, SlotRow};
use crate::steps::StepIdx;

/// Role and layer of each dispatch that has a place.
pub(crate) struct Places {
    /// What the places are called.
    pub(crate) roles: Vec<String>,
    /// By position: number of the role and layer, each off by one.
    of: Vec<(u32, u32)>,
}

impl Places {
    /// The role of the dispatch at `position`, by its number among [`Self::roles`].
    pub(crate) fn role_of(&self, position: usize) -> Option<u32> {
        self.of[position].0.checked_sub(1)
    }

    /// Its layer; outside of the layers `None`.
    pub(crate) fn layer_of(&self, position: usize) -> Option<u32> {
        self.of[position].1.checked_sub(1)
    }
}

/// The tables, and where each kernel stands, if captures tell what it did; `None` if the counted steps do not fold into
/// layers.
pub(crate) fn layers(
    scope: &Scope<'_>,
    sums: &Sums,
    critical: Option<&CriticalTime>,
) -> Option<(Layers, Option<Places>)> {
    let mut alphabet = Alphabet::new();
    let mut sequences = Sequences::default();
    let all: Vec<(StepIdx, Track)> = scope
        .steps()
        .map(|(step, _)| (step, sequences.add(&ran(scope, &mut alphabet, &scope.dispatches(step)))))
        .collect();
    let placement = sequences.place(&|a, b| alphabet.cost(a, b))?;
    let count = placement.reference.layers;
    let folded = all.iter().filter(|(_, track)| placement.layers(*track) == Some(count));
    let steps: Vec<(StepIdx, Track)> = folded.copied().collect();
    let mut tables = Tables::new(steps.len(), count);
    let with_places = scope.trace.captured.fit.is_some();
    let mut slots = vec![None; if with_places { scope.trace.dispatches.len() } else { 0 }];
    let mut agreement = Agreement::default();
    for (nth, &(step, track)) in steps.iter().enumerate() {
        let positions = scope.dispatches(step);
        let kernels = ran(scope, &mut alphabet, &positions);
        for ((&at, standing), &(letter, _)) in positions.iter().zip(placement.stand(track, &kernels)?).zip(&kernels) {
            let work = if with_places { scope.trace.work_of(at as usize) } else { None };
            let standing = agreement.settle(work, standing, count);
            let critical_ns = critical.map_or(0, |critical| critical.dispatches[at as usize]);
            let slot = tables.add(scope, nth, at as usize, critical_ns, standing, letter);
            if with_places {
                slots[at as usize] = Some((slot, standing.layer));
            }
        }
    }
    let ns: u64 = steps.iter().flat_map(|&(step, _)| sums.step(step)).sum();
    let kinds = tables.kinds(&placement, steps.len() as u64);
    let roles = tables.roles(scope, &alphabet, &placement);
    let places = with_places.then(|| tables.places(scope, &alphabet, &roles, &slots));
    let layers = Layers {
        count: count as u64,
        steps: steps.len() as u64,
        other_steps: (all.len() - steps.len()) as u64,
        told: agreement.told(),
        slots: tables.slot_rows(scope, &alphabet, &roles, ns),
        per_layer: layer_rows(tables.layers, &kinds, ns),
        kinds,
    };
    Some((layers, places))
}

/// What a step ran, as letters.
fn ran<'a>(scope: &Scope<'a>, alphabet: &mut Alphabet<'a, NameId>, positions: &[u32]) -> Vec<Ran> {
    let kernel = |&at: &u32| {
        let dispatch = &scope.trace.dispatches[at as usize];
        let identity = || {
            let verdict = scope.verdict(dispatch.name);
            let sub = verdict.sub.as_deref().unwrap_or("unknown");
            let normal = normal(scope.trace.names.get(dispatch.name)).into();
            Identity { normal, category: verdict.category, sub, backend: &verdict.backend }
        };
        let letter = alphabet.letter(dispatch.name, identity);
        (letter, scope.trace.streams[dispatch.stream.index()].id)
    };
    positions.iter().map(kernel).collect()
}

/// A row of the table of places. What has no place goes by what stands for its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Slot {
    Placed(Section, u32),
    Named(Section, u32),
}

/// Sums over a row of one of the tables.
#[derive(Clone, Default)]
struct Row {
    dispatches: u64,
    gpu_time_ns: u64,
    critical_ns: u64,
    /// In each step.
    steps: Vec<u64>,
}

impl Row {
    fn new(steps: usize) -> Self {
        Self { steps: vec![0; steps], ..Self::default() }
    }

    fn add(&mut self, step: usize, ns: u64, critical_ns: u64) {
        self.dispatches += 1;
        self.gpu_time_ns += ns;
        self.critical_ns += critical_ns;
        self.steps[step] += ns;
    }
}

/// A place's sums, its kernels and the layers that it runs in.
struct SlotSums {
    row: Row,
    names: FxHashMap<NameId, u64>,
    /// What they did, where captures tell.
    works: FxHashMap<WorkIdx, u64>,
    layers: Vec<bool>,
}

struct Tables {
    slots: BTreeMap<Slot, SlotSums>,
    layers: Vec<Row>,
    steps: usize,
}

impl Tables {
    fn new(steps: usize, layers: usize) -> Self {
        Self { slots: BTreeMap::new(), layers: vec![Row::new(steps); layers], steps }
    }

    /// Adds the dispatch at `position`, of the `step`-th of the steps.
    fn add(
        &mut self,
        scope: &Scope<'_>,
        step: usize,
        position: usize,
        critical_ns: u64,
        standing: Standing,
        letter: u32,
    ) -> Slot {
        let Standing { section, place, layer } = standing;
        let dispatch = &scope.trace.dispatches[position];
        let ns = dispatch.span.duration_ns();
        let key = place.map_or(Slot::Named(section, letter), |at| Slot::Placed(section, at));
        let slot = self.slots.entry(key).or_insert_with(|| SlotSums {
            row: Row::new(self.steps),
            names: FxHashMap::default(),
            works: FxHashMap::default(),
            layers: vec![false; self.layers.len()],
        });
        slot.row.add(step, ns, critical_ns);
        *slot.names.entry(dispatch.name).or_default() += ns;
        if let Some(work) = scope.trace.captured.fit.as_ref().and_then(|_| scope.trace.place_of_work(position)) {
            *slot.works.entry(work).or_default() += ns;
        }
        if let Some(layer) = layer {
            self.layers[layer].add(step, ns, critical_ns);
            slot.layers[layer] = true;
        }
        key
    }

    /// Layers of the reference by the kernels that they run.
    fn kinds(&self, placement: &Placement, steps: u64) -> Vec<LayerKind> {
        let mut kinds: BTreeMap<&[u32], Vec<u32>> = BTreeMap::new();
        for (layer, bounds) in placement.reference.bounds.windows(2).enumerate() {
            kinds.entry(&placement.sequence[bounds[0]..bounds[1]]).or_default().push(layer as u32);
        }
        let mut kinds: Vec<(&[u32], Vec<u32>)> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, of)| (Reverse(of.len()), of[0]));
        let row = |(nth, (kernels, of)): (usize, (&[u32], Vec<u32>))| {
            let sum: u64 = of.iter().map(|&layer| self.layers[layer as usize].gpu_time_ns).sum();
            let gpu_time_ns = sum / (steps.max(1) * of.len() as u64);
            LayerKind { name: letters(nth), layers: of, kernels: kernels.len() as u64, gpu_time_ns }
        };
        kinds.into_iter().enumerate().map(row).collect()
    }

    /// What the places are called. Where a place runs different kernels in different layers, that with the most time counts.
    fn roles(&self, scope: &Scope<'_>, alphabet: &Alphabet<'_, NameId>, placement: &Placement) -> Roles {
        let reference = &placement.reference;
        let named = |name: NameId| Named::new(scope.verdict(name), scope.trace.names.get(name));
        let first = |&letter: &u32| alphabet.kernel(letter);
        let heaviest = |(at, letter): (usize, &u32)| {
            let slot = self.slots.get(&Slot::Placed(Section::Layer, at as u32));
            let names = slot.into_iter().flat_map(|slot| &slot.names);
            let most = names.max_by_key(|&(&name, &ns)| (ns, Reverse(scope.trace.names.get(name))));
            named(most.map_or_else(|| first(letter), |(&name, _)| name))
        };
        let outside =
            |letters: &[u32]| -> Vec<Named<'_>> { letters.iter().map(|letter| named(first(letter))).collect() };
        let layer: Vec<Named<'_>> = reference.cycle.iter().enumerate().map(heaviest).collect();
        Roles::new(&outside(&reference.head), &layer, &outside(&reference.tail))
    }

    /// What a place is called.
    fn role(slot: Slot, scope: &Scope<'_>, alphabet: &Alphabet<'_, NameId>, roles: &Roles) -> Option<String> {
        match slot {
            Slot::Placed(section, at) => roles.role(section, at).map(str::to_owned),
            Slot::Named(_, letter) => {
                let name = alphabet.kernel(letter);
                Some(Named::new(scope.verdict(name), scope.trace.names.get(name)).plain())
            }
        }
    }

    /// Role and layer of each dispatch.
    fn places(
        &self,
        scope: &Scope<'_>,
        alphabet: &Alphabet<'_, NameId>,
        roles: &Roles,
        slots: &[Option<(Slot, Option<usize>)>],
    ) -> Places {
        let mut names: Vec<String> = Vec::new();
        let mut numbers: FxHashMap<Slot, u32> = FxHashMap::default();
        for &slot in self.slots.keys() {
            let Some(role) = Self::role(slot, scope, alphabet, roles) else { continue };
            let number = names.iter().position(|known| *known == role).unwrap_or_else(|| {
                names.push(role);
                names.len() - 1
            });
            numbers.insert(slot, number as u32 + 1);
        }
        let of = |slot: &Option<(Slot, Option<usize>)>| {
            slot.map_or((0, 0), |(slot, layer)| {
                (numbers.get(&slot).copied().unwrap_or(0), layer.map_or(0, |layer| layer as u32 + 1))
            })
        };
        Places { roles: names, of: slots.iter().map(of).collect() }
    }

    /// Places by section and position; those without one come last, by what they are called.
    fn slot_rows(&self, scope: &Scope<'_>, alphabet: &Alphabet<'_, NameId>, roles: &Roles, all: u64) -> Vec<SlotRow> {
        let row = |(slot, sums): (&Slot, &SlotSums)| {
            let mut kernels: Vec<(u64, &str, NameId)> =
                sums.names.iter().map(|(&name, &ns)| (ns, scope.trace.names.get(name), name)).collect();
            kernels.sort_by_key(|&(ns, text, _)| (Reverse(ns), text));
            let role = Self::role(*slot, scope, alphabet, roles)?;
            let (section, slot, normal) = match *slot {
                Slot::Placed(section, at) => (section, Some(roles.position(section, at)), ""),
                Slot::Named(section, letter) => (section, None, alphabet.normal(letter)),
            };
            let work = sums.works.iter().max_by_key(|&(&work, &ns)| (ns, Reverse(work))).map(|(&work, _)| work);
            let (op, shape) = work.map_or((None, None), |work| shown(scope, work, kernels[0].2));
            let module = work.and_then(|work| module(scope.trace.captured.works.get(work), &scope.trace.names));
            let row = SlotRow {
                section,
                slot,
                role,
                category: scope.category(kernels.first()?.2),
                layers: sums.layers.iter().filter(|&&runs| runs).count() as u64,
                kernels: kernels.into_iter().map(|(_, text, _)| text.to_owned()).collect(),
                module,
                op,
                shape,
                dispatches: sums.row.dispatches,
                gpu_time_ns: sums.row.gpu_time_ns,
                share: share(sums.row.gpu_time_ns, all),
                per_step_ns: per_step(sums.row.steps.clone())?,
                critical_ns: sums.row.critical_ns,
            };
            Some((row, normal))
        };
        let mut rows: Vec<(SlotRow, &str)> = self.slots.iter().filter_map(row).collect();
        let key = |(row, normal): &(SlotRow, &str)| {
            (row.section, row.slot.is_none(), row.slot, row.role.clone(), (*normal).to_owned())
        };
        rows.sort_by_cached_key(key);
        rows.into_iter().map(|(row, _)| row).collect()
    }
}

/// Operator and shape of `work`, which ran `kernel`.
fn shown(scope: &Scope<'_>, work: WorkIdx, kernel: NameId) -> (Option<String>, Option<String>) {
    let trace = scope.trace;
    let work = trace.captured.works.get(work);
    let product = work.product.filter(|_| scope.category(kernel) == Category::Gemm);
    let shape = match product {
        Some(product) => Some(trace.products[product.index()].to_string()),
        None => work.tensors_shown(&trace.names),
    };
    (work.op.map(|op| trace.names.get(op).to_owned()), shape)
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

#[cfg(test)]
mod tests {
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::output::Report;
    use crate::output::layers::{Layers, Section};

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
