//! Kernels of one side by place: its steps folded into layers, and all steps brought onto one layout.
//!
//! The most frequent sequence of kernels is the layout. Steps that ran another (another batch, rank, run or attention
//! kernel) are aligned to it. What has no place goes by its name.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::analyze::compare::side::Kernel;
use crate::analyze::layers::fold::{Fold, Place, fold, main_stream, onto};
use crate::analyze::layers::identity;
use crate::classify::Category;

/// What one step ran on one rank, in order of start.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) step: u32,
    /// Kernel, stream, duration without waiting for peers.
    pub(super) items: Vec<(u32, u32, u64)>,
}

/// The kernels of a typical step by place.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) head: Vec<u32>,
    pub(super) cycle: Vec<u32>,
    pub(super) tail: Vec<u32>,
    pub(super) layers: u32,
}

impl Layout {
    /// The sections in the order of the step.
    pub(super) fn sections(&self) -> [(Section, &[u32]); 3] {
        [(Section::Head, &self.head), (Section::Layer, &self.cycle), (Section::Tail, &self.tail)]
    }
}

/// A part of the step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) enum Section {
    Head,
    Layer,
    Tail,
}

/// A section and a position in it.
pub(super) type Spot = (Section, u32);

fn spot(place: Place) -> Spot {
    match place {
        Place::Head(at) => (Section::Head, at),
        Place::Slot(at) => (Section::Layer, at),
        Place::Tail(at) => (Section::Tail, at),
    }
}

/// Kernels of one place, or else of one name, over all steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Section and position in it; `None`: by name.
    pub(super) place: Option<Spot>,
    /// Kernels that ran here with their time in all steps, the largest first.
    pub(super) kernels: Vec<(u32, u64)>,
    pub(super) dispatches: u64,
    /// Time in each step, summed over ranks.
    pub(super) ns: Vec<u64>,
}

impl Slot {
    /// The kernel that takes most of its time.
    pub(super) fn main(&self) -> u32 {
        self.kernels.first().map_or(0, |(kernel, _)| *kernel)
    }
}

/// Identity of a slot while they are collected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Key<'a> {
    Placed(Section, u32),
    Named(Category, &'a str),
}

/// Finds the layout and collects the slots of all `sequences`.
pub(super) fn lay_out(kernels: &[Kernel], steps: usize, sequences: Vec<Sequence>) -> (Option<Layout>, Vec<Slot>) {
    let alike = |a: u32, b: u32| match a == b {
        true => Some(0),
        // Within one side the same purpose under another name is a variant; the same name written otherwise as well.
        false => identity::cost(kernels[a as usize].traits(), kernels[b as usize].traits()).map(|cost| cost.max(1)),
    };
    let mains: Vec<Vec<u32>> = sequences.iter().map(on_main_stream).collect();
    let mut times: HashMap<&[u32], usize> = HashMap::new();
    mains.iter().for_each(|main| *times.entry(main).or_default() += 1);
    let mut distinct: Vec<(&[u32], usize)> = times.into_iter().collect();
    distinct.sort_by(|(a, a_times), (b, b_times)| (b_times, b.len(), a).cmp(&(a_times, a.len(), b)));
    let mut reference: Option<Fold> = None;
    let mut places: HashMap<&[u32], Vec<Option<Spot>>> = HashMap::new();
    for (sequence, _) in distinct {
        let Some(found) = fold(sequence, &alike) else { continue };
        let reference = reference.get_or_insert_with(|| found.clone());
        let spots = onto(reference, &found, &alike).into_iter().map(|place| place.map(spot));
        places.insert(sequence, spots.collect());
    }

    let mut slots: HashMap<Key<'_>, (Slot, HashMap<u32, u64>)> = HashMap::new();
    let mut order: Vec<Key<'_>> = Vec::new();
    for (sequence, main) in sequences.iter().zip(&mains) {
        let stream = main_stream(sequence.items.iter().map(|(_, stream, _)| *stream));
        let mut placed = places.get(main.as_slice()).map(|places| places.iter());
        for &(kernel, on, ns) in &sequence.items {
            let place =
                if on == stream { placed.as_mut().and_then(|places| places.next().copied().flatten()) } else { None };
            let key = match place {
                Some((section, at)) => Key::Placed(section, at),
                None => Key::Named(kernels[kernel as usize].category, &kernels[kernel as usize].normal),
            };
            let (slot, by_kernel) = slots.entry(key).or_insert_with(|| {
                order.push(key);
                (Slot { place, kernels: Vec::new(), dispatches: 0, ns: vec![0; steps] }, HashMap::new())
            });
            slot.dispatches += 1;
            slot.ns[sequence.step as usize] += ns;
            *by_kernel.entry(kernel).or_default() += ns;
        }
    }
    order.sort_unstable();
    let finish = |key| {
        let (mut slot, by_kernel) = slots.remove(&key)?;
        slot.kernels = by_kernel.into_iter().collect();
        slot.kernels.sort_by(|a, b| (b.1, &kernels[a.0 as usize].name).cmp(&(a.1, &kernels[b.0 as usize].name)));
        Some(slot)
    };
    let slots = order.into_iter().filter_map(finish).collect();
    let layout =
        reference.map(|Fold { head, cycle, tail, layers, .. }| Layout { head, cycle, tail, layers: layers as u32 });
    (layout, slots)
}

/// The kernels on a step's main stream. Others run beside it, and their order against it varies from step to step.
fn on_main_stream(sequence: &Sequence) -> Vec<u32> {
    let main = main_stream(sequence.items.iter().map(|(_, stream, _)| *stream));
    sequence.items.iter().filter(|(_, stream, _)| *stream == main).map(|(kernel, ..)| *kernel).collect()
}
