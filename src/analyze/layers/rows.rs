//! The report's tables of layers: a row a layer, a row a place.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::layers::place::{Last, NOWHERE, Placed, SlotName, Spot};
use crate::analyze::scope::Scope;
use crate::analyze::time::stats::{per_step, share};
use crate::analyze::time::sums::Sums;
use crate::model::NameId;
use crate::output::layers::{LayerKind, LayerRow, Layers, SlotRow};
use crate::steps::StepIdx;

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

    /// The tables.
    pub(crate) fn layers(&self, scope: &Scope<'_>, sums: &Sums, critical: Option<&CriticalTime>) -> Layers {
        let steps: HashMap<StepIdx, usize> = self.steps.iter().enumerate().map(|(at, &step)| (step, at)).collect();
        let blank = Row { steps: vec![0; steps.len()], layers: vec![false; self.reference.layers], ..Row::default() };
        let mut slots = vec![blank.clone(); self.places.len()];
        let mut layers = vec![Row { layers: Vec::new(), ..blank }; self.reference.layers];
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            let Some((slot, layer)) = self.row(position) else { continue };
            let Some(&step) = scope.table.of_dispatch[position].and_then(|step| steps.get(&step)) else { continue };
            let ns = dispatch.span.duration_ns();
            let critical_ns = critical.map_or(0, |critical| critical.dispatches[position]);
            let add = |row: &mut Row| {
                row.dispatches += 1;
                row.gpu_time_ns += ns;
                row.critical_ns += critical_ns;
                row.steps[step] += ns;
            };
            add(&mut slots[slot]);
            *slots[slot].names.entry(dispatch.name).or_default() += ns;
            if let Some(row) = layer.and_then(|layer| layers.get_mut(layer)) {
                add(row);
                slots[slot].layers[layer.unwrap_or(0)] = true;
            }
        }
        let all: u64 = self.steps.iter().flat_map(|&step| sums.step(step)).sum();
        let kinds = self.kinds(&layers);
        Layers {
            count: self.reference.layers as u64,
            steps: self.steps.len() as u64,
            other_steps: self.other_steps,
            per_layer: layer_rows(layers, &kinds, all),
            slots: self.slot_rows(scope, slots, all),
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

    fn slot_rows(&self, scope: &Scope<'_>, slots: Vec<Row>, all: u64) -> Vec<SlotRow> {
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
                row.names.iter().map(|(&name, &ns)| (ns, scope.trace.names.get(name), name)).collect();
            kernels.sort_by_key(|&(ns, text, _)| (Reverse(ns), text));
            Some(SlotRow {
                section: spot.section(),
                slot: if let Last::At(at) = name.slot { Some(at) } else { None },
                role: name.role,
                category: scope.category(kernels.first()?.2),
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
