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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<u32> {
        text.chars().filter(|c| !c.is_whitespace()).map(u32::from).collect()
    }

    /// Letters are alike if they differ in case only.
    fn alike(a: u32, b: u32) -> Option<u32> {
        let fold = |c: u32| char::from_u32(c).map(|c| c.to_ascii_lowercase());
        match (a == b, fold(a) == fold(b)) {
            (true, _) => Some(0),
            (_, true) => Some(3),
            _ => None,
        }
    }

    fn folded(text: &str) -> Option<(String, String, String, usize)> {
        let text_of = |tokens: &[u32]| tokens.iter().filter_map(|&c| char::from_u32(c)).collect::<String>();
        let fold = fold(&tokens(text), &alike)?;
        Some((text_of(&fold.head), text_of(&fold.cycle), text_of(&fold.tail), fold.layers))
    }

    fn expect(head: &str, cycle: &str, tail: &str, layers: usize) -> Option<(String, String, String, usize)> {
        Some((head.to_owned(), cycle.to_owned(), tail.to_owned(), layers))
    }

    #[test]
    fn layers_are_found_between_head_and_tail() {
        assert_eq!(folded("e nqaonusd nqaonusd nqaonusd nqaonusd nht"), expect("e", "nqaonusd", "nht", 4));
    }

    #[test]
    fn a_first_layer_that_begins_otherwise_leaves_its_beginning_in_the_head() {
        assert_eq!(folded("ei qaonusd nqaonusd nqaonusd nqaonusd nht"), expect("ei", "qaonusdn", "ht", 4));
    }

    #[test]
    fn the_final_norm_is_no_layer() {
        assert_eq!(folded("nqaousd nqaousd nqaousd nqaousd nO"), expect("", "nqaousd", "nO", 4));
    }

    #[test]
    fn two_halves_of_a_layer_are_not_two_layers() {
        // Norm, product, attention, product; norm, product, activation, product.
        let sequence = tokens(&("n g a g n g s g ".repeat(10) + "t"));
        let fold = fold(&sequence, &alike).unwrap();
        assert_eq!((fold.layers, fold.cycle, fold.tail), (10, tokens("ngagngsg"), tokens("t")));
    }

    #[test]
    fn the_final_norm_and_an_output_head_like_a_layers_product_are_no_layer() {
        assert_eq!(folded("ngagmM ngagmM ngagmM ngagmM ng"), expect("", "ngagmM", "ng", 4));
    }

    #[test]
    fn a_dense_layer_among_moe_layers_shares_what_it_has_in_common() {
        let sequence = tokens("e nqaoud nqaogsmm nqaogsmm nqaogsmm nqaogsmm ht");
        let fold = fold(&sequence, &alike).unwrap();
        assert_eq!((fold.layers, fold.cycle), (5, tokens("nqaogsmm")));
        let slot = |at: usize| fold.places[at];
        assert_eq!(slot(1), Some(Place::Slot(0)));
        assert_eq!(slot(3), slot(9), "the attention of the dense layer is in the place of the others'");
        assert_eq!((slot(5), slot(6)), (None, None), "its dense matrix products are not");
    }

    #[test]
    fn another_attention_kernel_in_one_layer_keeps_the_place() {
        let sequence = tokens("e nqaos nqaos nqAos nqaos ht");
        let fold = fold(&sequence, &alike).unwrap();
        assert_eq!(fold.places[13], Some(Place::Slot(2)));
    }

    #[test]
    fn of_regular_kernels_the_one_with_the_shortest_distance_makes_the_layers() {
        // Sliding (a) and full (A) attention alternate; the rest comes in every layer.
        assert_eq!(folded("e nqaos nqAos nqaos nqAos nqaos nqAos h").map(|(.., layers)| layers), Some(6));
    }

    #[test]
    fn layers_need_not_be_equally_long() {
        // Full attention (A) needs a reduction (r) that sliding attention (a) does not.
        let sequence = tokens("e nqaosm nqArosm nqaosm nqArosm nqaosm nqArosm ht");
        let fold = fold(&sequence, &alike).unwrap();
        assert_eq!(fold.layers, 6);
        assert_eq!(fold.bounds, [1, 7, 14, 20, 27, 33, 40]);
        let alone = sequence.iter().zip(&fold.places).filter(|(token, _)| **token == u32::from('r'));
        let cycle_has_it = fold.cycle.contains(&u32::from('r'));
        assert!(alone.into_iter().all(|(_, place)| place.is_some() == cycle_has_it));
    }

    #[test]
    fn a_fourth_layer_with_another_mixer_is_a_layer() {
        // Three layers of linear attention (xyzw), then one of full attention.
        let layers = "nxyzwogsmd nxyzwogsmd nxyzwogsmd nqaogsmd ".repeat(4);
        let fold = fold(&tokens(&format!("e {layers} n h t")), &alike).unwrap();
        assert_eq!((fold.layers, fold.cycle, fold.tail), (16, tokens("nxyzwogsmd"), tokens("nht")));
    }

    #[test]
    fn dense_layers_come_first_and_are_layers() {
        let sequence = format!("e {} {} n h", "nqaonusd ".repeat(3), "nqaongskmMrd ".repeat(20));
        let fold = fold(&tokens(&sequence), &alike).unwrap();
        assert_eq!((fold.layers, fold.head, fold.tail), (23, tokens("e"), tokens("nh")));
    }

    #[test]
    fn a_sequence_without_recurrence_has_no_layers() {
        assert_eq!(folded("abcdefgh"), None);
        assert_eq!(folded(""), None);
        assert_eq!(folded("aabacdefghijklmnop"), None);
    }

    #[test]
    fn alignment_finds_what_was_added_removed_and_replaced() {
        let found = align(&tokens("nqaos"), &tokens("nqxAs"), &alike);
        assert_eq!(found.partner, [Some(0), Some(1), None, Some(2), Some(4)]);
    }

    #[test]
    fn cycles_that_begin_elsewhere_are_aligned() {
        let found = align_cyclic(&tokens("nqaos"), &tokens("aosnq"), &alike);
        assert_eq!((found.partner, found.cost), (vec![Some(2), Some(3), Some(4), Some(0), Some(1)], 0));
    }

    proptest! {
        #[test]
        fn any_sequence_is_folded_or_refused_and_every_slot_exists(text in "[a-eA-E]{0,80}") {
            let sequence = tokens(&text);
            if let Some(fold) = fold(&sequence, &alike) {
                prop_assert_eq!(fold.places.len(), sequence.len());
                prop_assert!(fold.layers >= LAYERS_AT_LEAST);
                for (place, &token) in fold.places.iter().zip(&sequence) {
                    match *place {
                        Some(Place::Head(at)) => prop_assert_eq!(fold.head[at as usize], token),
                        Some(Place::Tail(at)) => prop_assert_eq!(fold.tail[at as usize], token),
                        Some(Place::Slot(at)) => prop_assert!(alike(fold.cycle[at as usize], token).is_some()),
                        None => {}
                    }
                }
            }
        }

        #[test]
        fn alignment_is_symmetric_in_cost_and_keeps_order(a in "[a-dA-D]{0,20}", b in "[a-dA-D]{0,20}") {
            let (a, b) = (tokens(&a), tokens(&b));
            let found = align(&a, &b, &alike);
            prop_assert_eq!(found.cost, align(&b, &a, &alike).cost);
            let partners: Vec<usize> = found.partner.iter().flatten().copied().collect();
            prop_assert!(partners.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
