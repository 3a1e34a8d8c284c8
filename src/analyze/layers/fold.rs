//! Kernels by their place in the model: a step's sequence folded into layers.
//!
//! The name of a kernel changes with every build, backend and batch size; its place does not. A decode step is a head
//! (embedding), the same few kernels once a layer, and a tail (output head, sampling):
//!
//! ```text
//!   e  n q a o n u s d  n q a o n u s d  n q a o n u s d  n h t
//!   └┘ └─── layer 0 ──┘ └─── layer 1 ──┘ └─── layer 2 ──┘ └───┘
//!  head   slots 0 … 7                                     tail
//! ```
//!
//! [`fold`] finds the layers without being told how many there are. It looks for an *anchor*: a kernel that comes back
//! at about the same distance, after which most else comes back too. About, because layers need not be equally long: full
//! attention may need a kernel more than sliding attention, and the first layers may be dense. Layers begin as early as the
//! sequence repeats. The slots are those of the most frequent layer; layers that differ are aligned to it, and what has
//! no counterpart keeps no place:
//!
//! ```text
//!   n q a o n g s m m d   n q A r o n g s m m d   n q a o n u s d          r: only where attention is full
//!   └──── layer 0 ─────┘ └───── layer 1 ───────┘ └── layer 2, dense ─┘      u: only in dense layers
//! ```
//!
//! [`align`] finds for two such sequences which elements stand for one another. It is the same question between two
//! layers, two batch sizes, two builds and two frameworks; only what counts as alike differs, and the caller says so.
//!
//! Rejected: the period by autocorrelation (quadratic, and one extra kernel anywhere breaks it) and matching slots by
//! number (an added kernel shifts all that follow).

use std::collections::HashMap;
use std::hash::Hash;

/// Fewest layers that are taken for layers: two alike stretches are found in any sequence.
const LAYERS_AT_LEAST: usize = 3;
/// Products of lengths up to which sequences are aligned.
const ALIGNABLE: usize = 4 << 20;

/// A sequence folded into layers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fold {
    /// What comes before the first layer.
    pub(crate) head: Vec<u32>,
    /// The most frequent layer.
    pub(crate) cycle: Vec<u32>,
    /// What comes after the last.
    pub(crate) tail: Vec<u32>,
    /// How many layers there are.
    pub(crate) layers: usize,
    /// Where each layer begins, and where the last one ends.
    pub(crate) bounds: Vec<usize>,
    /// The place of each element of the sequence; `None` where a layer has something that the cycle has not.
    pub(crate) places: Vec<Option<Place>>,
}

/// Where in a step a kernel stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    /// Before the first layer.
    Head(u32),
    /// In every layer.
    Slot(u32),
    /// After the last layer.
    Tail(u32),
}

/// What it costs to take one kernel for another; `None`: it cannot be. [`GAP`] is the cost of leaving one out.
pub(crate) trait Alike: Fn(u32, u32) -> Option<u32> {}
impl<F: Fn(u32, u32) -> Option<u32>> Alike for F {}

/// The cost of an element without counterpart.
pub(crate) const GAP: u32 = 6;

/// Folds `sequence` into layers; `None` if it has none.
pub(crate) fn fold(sequence: &[u32], alike: &impl Alike) -> Option<Fold> {
    let Anchor { positions, period } = anchor(sequence, alike)?;
    let first = positions[0];
    // Whether what stands so far before the first anchor stands there before most others.
    let repeats = |back: usize| {
        let same = |at: &&usize| **at >= back && sequence[**at - back] == sequence[first - back];
        2 * positions[1..].iter().filter(same).count() >= positions.len() - 1
    };
    let earlier = (1..period.min(first + 1)).take_while(|&back| repeats(back)).count();
    let mut starts: Vec<usize> = positions.iter().map(|at| at - earlier).collect();
    let mut layers: Vec<&[u32]> = starts.windows(2).map(|pair| &sequence[pair[0]..pair[1]]).collect();
    let rest = &sequence[starts[starts.len() - 1]..];
    // Where the last layer ends nothing shows: it is as long as the last of the others that it begins like.
    let like = layers.iter().rev().find(|layer| rest.starts_with(layer)).map_or(period, |layer| layer.len());
    let mut end = starts[starts.len() - 1] + like.min(rest.len());
    layers.push(&rest[..like.min(rest.len())]);

    let mut times: HashMap<&[u32], usize> = HashMap::new();
    layers.iter().for_each(|layer| *times.entry(layer).or_default() += 1);
    let cycle = *layers.iter().rev().max_by_key(|layer| times[*layer])?;
    // What a layer begins with may come once more after the last, as the final norm does.
    while layers.last().is_some_and(|last| !is_last_layer(cycle, last, alike)) {
        layers.pop();
        end = starts[layers.len()];
    }
    while layers.first().is_some_and(|first| !is_layer(cycle, first, alike)) {
        layers.remove(0);
        starts.remove(0);
    }
    if layers.len() < LAYERS_AT_LEAST {
        return None;
    }

    let mut places = vec![None; sequence.len()];
    let mut known: HashMap<&[u32], Vec<Option<usize>>> = HashMap::new();
    for (layer, &start) in layers.iter().zip(&starts) {
        let slots = known.entry(layer).or_insert_with(|| align(cycle, layer, alike).partner);
        for (place, slot) in places[start..].iter_mut().zip(slots) {
            *place = slot.map(|slot| Place::Slot(slot as u32));
        }
    }
    places[..starts[0]].iter_mut().enumerate().for_each(|(at, place)| *place = Some(Place::Head(at as u32)));
    places[end..].iter_mut().enumerate().for_each(|(at, place)| *place = Some(Place::Tail(at as u32)));
    let bounds = starts[..layers.len()].iter().copied().chain([end]).collect();
    Some(Fold {
        bounds,
        head: sequence[..starts[0]].to_vec(),
        cycle: cycle.to_vec(),
        tail: sequence[end..].to_vec(),
        layers: layers.len(),
        places,
    })
}

/// Whether `stretch` has at least a third of a layer's kernels. A dense layer has the attention of its neighbours.
fn is_layer(cycle: &[u32], stretch: &[u32], alike: &impl Alike) -> bool {
    in_common(cycle, stretch, alike) * 3 >= cycle.len()
}

/// The same for the last stretch, which may be what follows the layers: a final norm and the output head are like the norm
/// and the product that a layer begins with, so half of a layer's kernels are needed.
fn is_last_layer(cycle: &[u32], stretch: &[u32], alike: &impl Alike) -> bool {
    in_common(cycle, stretch, alike) * 2 >= cycle.len()
}

/// How many of a layer's kernels `stretch` has in their order.
fn in_common(cycle: &[u32], stretch: &[u32], alike: &impl Alike) -> usize {
    let partners = align(cycle, stretch, alike).partner;
    partners.iter().zip(stretch).filter(|(at, token)| at.is_some_and(|at| cycle[at] == **token)).count()
}

/// A kernel that comes once a layer.
struct Anchor {
    positions: Vec<usize>,
    /// The distance at which it mostly recurs, more or less.
    period: usize,
}

/// The kernel whose regular recurrence makes the layers.
///
/// A kernel that comes twice a layer (a norm) may come at equal distances too, so a distance counts by how alike the
/// stretches are that follow one another at it. Of those that do nearly as well as the best the shortest is taken: layers
/// whose attention kernels alternate are layers all the same. Half a layer is none: where one has an attention kernel, the
/// other has nothing like it.
fn anchor(sequence: &[u32], alike: &impl Alike) -> Option<Anchor> {
    let mut positions: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, &token) in sequence.iter().enumerate() {
        positions.entry(token).or_default().push(at);
    }
    let candidates: Vec<(Anchor, f64)> = positions
        .into_values()
        .filter(|positions| positions.len() >= LAYERS_AT_LEAST)
        .filter_map(|positions| {
            let mut gaps: Vec<usize> = positions.windows(2).map(|pair| pair[1] - pair[0]).collect();
            gaps.sort_unstable();
            let period = gaps[gaps.len() / 2];
            let regular = gaps.iter().filter(|gap| gap.abs_diff(period) <= (period / 4).max(1)).count();
            let covers = (regular + 1) * period;
            let holds = regular * 10 >= gaps.len() * 7 && covers * 2 >= sequence.len();
            let likeness = likeness(sequence, &positions, alike);
            holds.then_some((Anchor { positions, period }, likeness))
        })
        .collect();
    let most = candidates.iter().map(|(_, likeness)| *likeness).fold(0.0, f64::max);
    let enough = |likeness: f64| likeness > 0.0 && likeness >= most * NEARLY;
    let period = candidates.iter().filter(|(_, of)| enough(*of)).map(|(anchor, _)| anchor.period).min()?;
    candidates
        .into_iter()
        .map(|(anchor, _)| anchor)
        // Layers of unequal length have periods about as long.
        .filter(|anchor| anchor.period.abs_diff(period) <= 1)
        .min_by_key(|anchor| (std::cmp::Reverse(anchor.positions.len()), anchor.positions[0]))
}

/// How nearly as alike as the best stretches must be.
const NEARLY: f64 = 0.8;

/// The most pairs of kernels that are asked whether they are alike.
const PAIRED_OFF: usize = 1 << 12;

/// Part of the kernels for which the next of the stretches from position to position has the same or one like it.
fn likeness(sequence: &[u32], positions: &[usize], alike: &impl Alike) -> f64 {
    let (mut common, mut all) = (0, 0);
    let stretches: Vec<Vec<u32>> = positions
        .windows(2)
        .map(|pair| {
            let mut stretch = sequence[pair[0]..pair[1]].to_vec();
            stretch.sort_unstable();
            stretch
        })
        .collect();
    for pair in stretches.windows(2) {
        let (mut i, mut j) = (0, 0);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        while i < pair[0].len() || j < pair[1].len() {
            match (pair[0].get(i), pair[1].get(j)) {
                (Some(a), Some(b)) if a == b => {
                    common += 1;
                    (i, j) = (i + 1, j + 1);
                }
                (Some(&a), b) if b.is_none_or(|&b| a < b) => {
                    ours.push(a);
                    i += 1;
                }
                (_, b) => {
                    theirs.extend(b);
                    j += 1;
                }
            }
        }
        // Many differences make no layers, and pairing them off would cost their square.
        if ours.len() * theirs.len() > PAIRED_OFF {
            ours.clear();
        }
        for of in ours {
            if let Some(at) = theirs.iter().position(|&other| alike(of, other).is_some()) {
                theirs.swap_remove(at);
                common += 1;
            }
        }
        all += pair[0].len().max(pair[1].len());
    }
    common as f64 / all.max(1) as f64
}

/// Which elements of two sequences stand for one another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alignment {
    /// For each element of the second sequence its partner in the first.
    pub(crate) partner: Vec<Option<usize>>,
    /// Sum of the costs.
    pub(crate) cost: u32,
}

/// Aligns `b` to `a` at the least cost, in order. Sequences too long for it get no partners.
pub(crate) fn align(a: &[u32], b: &[u32], alike: &impl Alike) -> Alignment {
    if a == b {
        return Alignment { partner: (0..b.len()).map(Some).collect(), cost: 0 };
    }
    if a.len().saturating_mul(b.len()) > ALIGNABLE {
        return Alignment { partner: vec![None; b.len()], cost: GAP * (a.len() + b.len()) as u32 };
    }
    let width = b.len() + 1;
    let mut costs = vec![0_u32; (a.len() + 1) * width];
    (0..width).for_each(|j| costs[j] = GAP * j as u32);
    for i in 1..=a.len() {
        costs[i * width] = GAP * i as u32;
        for j in 1..width {
            let apart = costs[(i - 1) * width + j].min(costs[i * width + j - 1]) + GAP;
            let paired = alike(a[i - 1], b[j - 1]).map(|cost| costs[(i - 1) * width + j - 1] + cost);
            costs[i * width + j] = paired.map_or(apart, |paired| paired.min(apart));
        }
    }
    let mut partner = vec![None; b.len()];
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        let here = costs[i * width + j];
        let paired = alike(a[i - 1], b[j - 1]).map(|cost| costs[(i - 1) * width + j - 1] + cost);
        if paired == Some(here) {
            partner[j - 1] = Some(i - 1);
            (i, j) = (i - 1, j - 1);
        } else if here == costs[(i - 1) * width + j] + GAP {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    Alignment { partner, cost: costs[a.len() * width + b.len()] }
}

/// Aligns two cycles, which may begin at different points of the layer.
pub(crate) fn align_cyclic(a: &[u32], b: &[u32], alike: &impl Alike) -> Alignment {
    let mut best = align(a, b, alike);
    if a.len().saturating_mul(b.len()).saturating_mul(b.len()) > ALIGNABLE {
        return best;
    }
    let mut turned = b.to_vec();
    for shift in 1..b.len() {
        turned.rotate_left(1);
        let mut found = align(a, &turned, alike);
        if found.cost < best.cost {
            found.partner.rotate_right(shift);
            best = found;
        }
    }
    best
}

/// Places of a sequence in the layout of another.
pub(crate) fn onto(reference: &Fold, found: &Fold, alike: &impl Alike) -> Vec<Option<Place>> {
    let heads = align(&reference.head, &found.head, alike).partner;
    let cycles = align_cyclic(&reference.cycle, &found.cycle, alike).partner;
    let tails = align(&reference.tail, &found.tail, alike).partner;
    let of = |partners: &[Option<usize>], at: u32| partners[at as usize].map(|at| at as u32);
    let place = |place: &Option<Place>| match *place {
        Some(Place::Head(at)) => of(&heads, at).map(Place::Head),
        Some(Place::Slot(at)) => of(&cycles, at).map(Place::Slot),
        Some(Place::Tail(at)) => of(&tails, at).map(Place::Tail),
        None => None,
    };
    found.places.iter().map(place).collect()
}

/// The stream with the most of these dispatches; of equals the first. What runs beside it comes in no certain order.
pub(crate) fn main_stream<T: Copy + Default + Ord + Hash>(streams: impl Iterator<Item = T>) -> T {
    let mut times: HashMap<T, usize> = HashMap::new();
    streams.for_each(|stream| *times.entry(stream).or_default() += 1);
    let most = times.into_iter().max_by_key(|&(stream, times)| (times, std::cmp::Reverse(stream)));
    most.map_or_else(T::default, |(stream, _)| stream)
}

#[cfg(test)]
mod tests;
