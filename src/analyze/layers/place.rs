//! Where the kernels of a step stand: in which layer, and in which place of it.
//!
//! ```text
//!                 head   layer 0        layer 1              layer N-1       tail
//!   main stream   e      n q a o n u d  n q a o n u d   …    n q a o n u d   n h t
//!   beside                     s              s                    s
//! ```
//!
//! Each step's kernels on its main stream are [folded](crate::analyze::layers::fold) into layers. The most frequent
//! sequence is the reference; steps that ran another one (another batch size, another attention kernel) are aligned to it.
//! What has no counterpart in the reference has a section, and a layer, but no place: a dense layer's products among MoE
//! layers, the reduction that only full attention needs. Kernels of other streams are in the layer that the main stream was
//! in when they started, since their order against it varies from step to step.
//!
//! The report's tables of layers and the kernels that a comparison matches both stand on this.

use std::collections::HashMap;

use crate::analyze::layers::fold::{Alike, Fold, Place, fold, main_stream, onto};
use crate::output::layers::Section;

/// A layer has a norm, a product and something that mixes tokens: less is a loop of some other kind.
const KERNELS_AT_LEAST: usize = 3;

/// A kernel of a step: its letter, and the stream that it ran on.
pub(crate) type Ran = (u32, u64);

/// What steps ran on their main streams, each sequence once.
#[derive(Default, Debug)]
pub(crate) struct Sequences {
    known: HashMap<Vec<u32>, Sequence>,
}

#[derive(Debug)]
struct Sequence {
    number: u32,
    /// Steps that ran it.
    steps: usize,
}

/// Which sequence a step ran, and on which stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    sequence: u32,
    main: u64,
}

impl Sequences {
    /// Adds what a step ran, in order of start.
    pub(crate) fn add(&mut self, kernels: &[Ran]) -> Track {
        let main = main_stream(kernels.iter().map(|&(_, stream)| stream));
        let letters: Vec<u32> = kernels.iter().filter(|(_, on)| *on == main).map(|&(letter, _)| letter).collect();
        let number = self.known.len() as u32;
        let sequence = self.known.entry(letters).or_insert(Sequence { number, steps: 0 });
        sequence.steps += 1;
        Track { sequence: sequence.number, main }
    }

    /// Folds all sequences and aligns them to the most frequent; `None` if none of them has layers.
    pub(crate) fn place(&self, alike: &impl Alike) -> Option<Placement> {
        let mut by_steps: Vec<(&Vec<u32>, &Sequence)> = self.known.iter().collect();
        by_steps.sort_by(|(a, x), (b, y)| (y.steps, b.len(), a).cmp(&(x.steps, a.len(), b)));
        let mut placement: Option<Placement> = None;
        for (letters, sequence) in by_steps {
            let Some(found) = fold(letters, alike).filter(|found| found.cycle.len() >= KERNELS_AT_LEAST) else {
                continue;
            };
            let placement = placement.get_or_insert_with(|| Placement {
                reference: found.clone(),
                sequence: letters.clone(),
                placed: HashMap::new(),
            });
            let places = onto(&placement.reference, &found, alike);
            let placed = PlacedSequence { layers: found.layers, bounds: found.bounds, places };
            placement.placed.insert(sequence.number, placed);
        }
        placement
    }
}

/// All sequences on one layout.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The most frequent sequence, folded.
    pub(crate) reference: Fold,
    /// The sequence that was folded so.
    pub(crate) sequence: Vec<u32>,
    placed: HashMap<u32, PlacedSequence>,
}

#[derive(Debug)]
struct PlacedSequence {
    layers: usize,
    /// Where each layer begins, and where the last one ends.
    bounds: Vec<usize>,
    places: Vec<Option<Place>>,
}

/// Where a kernel stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) section: Section,
    /// Position among the reference's kernels of that section; `None` for what has no counterpart there, or runs beside
    /// the main stream.
    pub(crate) place: Option<u32>,
    /// Outside of the layers `None`.
    pub(crate) layer: Option<usize>,
}

impl Placement {
    /// How many layers the sequence of a step has; `None` if it does not fold.
    pub(crate) fn layers(&self, track: Track) -> Option<usize> {
        self.placed.get(&track.sequence).map(|placed| placed.layers)
    }

    /// Where each of a step's kernels stands, in their order; `None` if they do not fold.
    pub(crate) fn stand(&self, track: Track, kernels: &[Ran]) -> Option<Vec<Standing>> {
        let placed = self.placed.get(&track.sequence)?;
        let mut on_main = 0;
        let standing = |&(_, stream): &Ran| {
            if stream != track.main {
                let (section, layer) = placed.section(on_main.max(1) - 1);
                return Standing { section, place: None, layer };
            }
            on_main += 1;
            let (section, layer) = placed.section(on_main - 1);
            match placed.places[on_main - 1] {
                Some(Place::Head(at)) => Standing { section: Section::Head, place: Some(at), layer },
                Some(Place::Slot(at)) => Standing { section: Section::Layer, place: Some(at), layer },
                Some(Place::Tail(at)) => Standing { section: Section::Tail, place: Some(at), layer },
                None => Standing { section, place: None, layer },
            }
        };
        Some(kernels.iter().map(standing).collect())
    }
}

impl PlacedSequence {
    /// Section and layer of the kernel at `at` of the sequence.
    fn section(&self, at: usize) -> (Section, Option<usize>) {
        let begun = self.bounds.partition_point(|&begin| begin <= at);
        match begun {
            0 => (Section::Head, None),
            _ if begun == self.bounds.len() => (Section::Tail, None),
            _ => (Section::Layer, Some(begun - 1)),
        }
    }
}
