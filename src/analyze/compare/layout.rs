//! Kernels of one side by place, as [`place`](crate::analyze::layers::place) finds it for the steps of all its runs. What
//! has no place goes by its name.

use std::collections::{BTreeMap, HashMap};

use crate::analyze::compare::side::{Kernel, Layout, Slot};
use crate::analyze::layers::identity::Alphabet;
use crate::analyze::layers::place::{Placement, Ran, Sequences, Standing, Track};
use crate::classify::Category;
use crate::output::layers::Section;

/// What one step ran on one rank, in order of start.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) step: u32,
    /// Kernel, stream, duration without waiting for peers.
    pub(super) items: Vec<(u32, u64, u64)>,
}

/// Identity of a slot while they are collected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key<'a> {
    Placed(Section, u32, &'a str),
    Named(Category, &'a str),
}

/// Finds the layout and collects the slots of all `sequences`.
pub(super) fn lay_out(kernels: &[Kernel], steps: usize, sequences: &[Sequence]) -> (Option<Layout>, Vec<Slot>) {
    let mut alphabet = Alphabet::new();
    let mut letter = |&(kernel, stream, _): &(u32, u64, u64)| {
        (alphabet.letter(kernel, || kernels[kernel as usize].identity()), stream)
    };
    let ran: Vec<Vec<Ran>> =
        sequences.iter().map(|sequence| sequence.items.iter().map(&mut letter).collect()).collect();
    let mut distinct = Sequences::default();
    let tracks: Vec<Track> = ran.iter().map(|ran| distinct.add(ran)).collect();
    let placement = distinct.place(&|a, b| alphabet.cost(a, b));
    let mut slots: BTreeMap<Key<'_>, (Slot, HashMap<u32, u64>)> = BTreeMap::new();
    for ((sequence, track), ran) in sequences.iter().zip(tracks).zip(&ran) {
        let standing = placement.as_ref().and_then(|placement| placement.stand(track, ran));
        for (nth, &(kernel, _, ns)) in sequence.items.iter().enumerate() {
            let place = standing.as_ref().and_then(|standing| {
                let Standing { section, place, .. } = standing[nth];
                Some((section, place?))
            });
            let name = &*kernels[kernel as usize].name;
            let key = match place {
                Some((section, at)) => Key::Placed(section, at, name),
                None => Key::Named(kernels[kernel as usize].category, name),
            };
            let blank = || (Slot { place, kernels: Vec::new(), dispatches: 0, ns: vec![0; steps] }, HashMap::new());
            let (slot, by_kernel) = slots.entry(key).or_insert_with(blank);
            slot.dispatches += 1;
            slot.ns[sequence.step as usize] += ns;
            *by_kernel.entry(kernel).or_default() += ns;
        }
    }
    let slots = slots.into_values().map(|(slot, by_kernel)| finished(slot, by_kernel, kernels)).collect();
    (placement.map(|placement| layout(&placement, &alphabet)), slots)
}

/// `slot` with its kernels, those with the most time first.
fn finished(mut slot: Slot, by_kernel: HashMap<u32, u64>, kernels: &[Kernel]) -> Slot {
    slot.kernels = by_kernel.into_iter().collect();
    slot.kernels.sort_by(|a, b| (b.1, &kernels[a.0 as usize].name).cmp(&(a.1, &kernels[b.0 as usize].name)));
    slot
}

/// The reference of a placement, with a kernel for each letter.
fn layout(placement: &Placement, alphabet: &Alphabet<'_, u32>) -> Layout {
    let kernels = |letters: &[u32]| letters.iter().map(|&letter| alphabet.kernel(letter)).collect();
    let reference = &placement.reference;
    Layout {
        head: kernels(&reference.head),
        cycle: kernels(&reference.cycle),
        tail: kernels(&reference.tail),
        layers: reference.layers as u32,
    }
}
