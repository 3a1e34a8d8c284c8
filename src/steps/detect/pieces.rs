//! Which replays stand at the same place of a pass.
//!
//! An executable graph is known again by its handle. Engines keep one for each batch bucket (FULL), or one for each piece of
//! the model in each bucket (PIECEWISE), with attention launched between the pieces:
//!
//! ```text
//!   FULL       A A A B B A A A            of one pass each: one token, though their handles differ
//!   PIECEWISE  a1 a2 a3 a1 a2 a3 b1 b2 b3 a1 …      a1 leads to a2 and only to a2: a chain, with a token for each place
//! ```
//!
//! So handles that follow one another nearly always are pieces of one pass, unless they run attention themselves: a graph
//! with attention in it is a whole pass, and two of these may well take turns. Graphs at the same place with about as many
//! kernels are one token: those of the batch buckets of one model differ in tiles, not in structure, while a draft model's
//! graph is far smaller. Without handles the number of kernels is all there is.

use std::collections::HashMap;

use super::passes::Alphabet;

/// A launch of a graph on a rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    /// Of rank and launch, which nothing else has.
    pub(super) key: (usize, usize),
    /// The executable graph, where it is known.
    pub(super) graph: Option<u64>,
    /// Its kernels.
    pub(super) kernels: u32,
    /// Whether attention is among them.
    pub(super) attends: bool,
}

/// Where in a pass a graph stands: a pass of its own, or this piece of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Place {
    Whole,
    Piece(usize),
}

/// A token for each replay; `ranks` has those of each rank in the order of their launches.
pub(super) fn tokens(alphabet: &mut Alphabet, ranks: &[Vec<Replay>]) -> HashMap<(usize, usize), u32> {
    let mut sizes: HashMap<Place, HashMap<u32, u64>> = HashMap::new();
    let mut places: Vec<(Place, &Replay)> = Vec::new();
    for replays in ranks {
        let of_graph = pieces(replays);
        for replay in replays {
            let place = replay.graph.and_then(|graph| of_graph.get(&graph));
            let place = place.map_or(Place::Whole, |&place| Place::Piece(place));
            *sizes.entry(place).or_default().entry(replay.kernels).or_insert(0) += 1;
            places.push((place, replay));
        }
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_unstable_by_key(|&(place, _)| place);
    let mut token_of: HashMap<(Place, u32), u32> = HashMap::new();
    for (place, sizes) in sizes {
        let mut sizes: Vec<(u32, u64)> = sizes.into_iter().collect();
        sizes.sort_unstable();
        // Numbers with less than a half between one and the next share a token.
        for group in sizes.chunk_by(|(size, _), (next, _)| 2 * next <= 3 * size) {
            let usual = group.iter().max_by_key(|&&(size, times)| (times, size)).map_or(1, |&(size, _)| size);
            let token = if place == Place::Whole { alphabet.graph(usual) } else { alphabet.piece(usual) };
            token_of.extend(group.iter().map(|&(size, _)| ((place, size), token)));
        }
    }
    places.into_iter().map(|(place, replay)| (replay.key, token_of[&(place, replay.kernels)])).collect()
}

/// The place of each graph that is a piece, by handle.
fn pieces(replays: &[Replay]) -> HashMap<u64, usize> {
    let next = links(replays);
    let before: HashMap<u64, u64> = next.iter().map(|(&from, &to)| (to, from)).collect();
    // Where all of a chain's last piece leads to its first, it is entered where other graphs lead to it.
    let mut entered: HashMap<u64, usize> = HashMap::new();
    let graphs = || replays.iter().filter_map(|replay| replay.graph);
    for (from, to) in graphs().zip(graphs().skip(1)).filter(|(from, to)| next.get(from) != Some(to)) {
        *entered.entry(to).or_default() += usize::from(next.contains_key(&from) || before.contains_key(&from));
    }
    let mut place_of = HashMap::new();
    for graph in graphs().filter(|graph| next.contains_key(graph) || before.contains_key(graph)).collect::<Vec<_>>() {
        if place_of.contains_key(&graph) {
            continue;
        }
        let chain = chain(graph, &next, &before, &entered);
        place_of.extend(chain.into_iter().enumerate().map(|(place, graph)| (graph, place)));
    }
    place_of
}

/// The chain that `graph` is in, from its first piece on.
fn chain(graph: u64, next: &HashMap<u64, u64>, before: &HashMap<u64, u64>, entered: &HashMap<u64, usize>) -> Vec<u64> {
    let follow = |from: u64, links: &HashMap<u64, u64>| -> Vec<u64> {
        let after = std::iter::successors(links.get(&from).copied(), |at| links.get(at).copied());
        after.take_while(|&at| at != from).collect()
    };
    let ring: Vec<u64> = std::iter::once(graph).chain(follow(graph, next)).collect();
    let is_ring = ring.last().and_then(|last| next.get(last)) == Some(&graph);
    let first = if is_ring {
        // Of several the first in launch order: a ring that nothing else leads to may begin anywhere.
        let most = ring.iter().rev().max_by_key(|of| entered.get(of).copied().unwrap_or(0));
        most.copied().unwrap_or(graph)
    } else {
        follow(graph, before).last().copied().unwrap_or(graph)
    };
    std::iter::once(first).chain(follow(first, next)).collect()
}

/// The graph that each leads to, if it nearly always does and that one nearly always comes from there.
fn links(replays: &[Replay]) -> HashMap<u64, u64> {
    let mut times: HashMap<u64, usize> = HashMap::new();
    let mut pairs: HashMap<(u64, u64), usize> = HashMap::new();
    let is_piece: HashMap<u64, bool> =
        replays.iter().filter_map(|replay| Some((replay.graph?, !replay.attends))).collect();
    for replay in replays.iter().filter_map(|replay| replay.graph) {
        *times.entry(replay).or_default() += 1;
    }
    for pair in replays.windows(2) {
        if let (Some(from), Some(to)) = (pair[0].graph, pair[1].graph) {
            *pairs.entry((from, to)).or_default() += 1;
        }
    }
    // One that the trace begins or ends with has no neighbour there. More than half leaves each at most one on either side,
    // so that links make chains and rings and nothing else.
    let nearly_all = |count: usize, graph: u64| 10 * (count + 1) > 9 * times[&graph] && 2 * count > times[&graph];
    let leads = |&(&(from, to), &count): &(&(u64, u64), &usize)| {
        from != to && is_piece[&from] && is_piece[&to] && nearly_all(count, from) && nearly_all(count, to)
    };
    pairs.iter().filter(leads).map(|(&pair, _)| pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the graphs with these names, launched one after the other; `A` to `Z` run attention.
    fn places(graphs: &str) -> String {
        let replays: Vec<Replay> = graphs.bytes().enumerate().map(|(at, graph)| replay(at, graph)).collect();
        let places = pieces(&replays);
        let name = |place: Option<&usize>| place.map_or('-', |&place| (b'0' + place as u8) as char);
        graphs.bytes().map(|graph| name(places.get(&u64::from(graph)))).collect()
    }

    fn replay(at: usize, graph: u8) -> Replay {
        Replay { key: (0, at), graph: Some(graph.into()), kernels: 10, attends: graph.is_ascii_uppercase() }
    }

    #[test]
    fn pieces_are_told_by_what_always_follows_them_in_every_bucket() {
        assert_eq!(places("abcabcabcabc"), "012012012012");
        assert_eq!(places("abcabcxyzabcxyzxyzabc"), "012012012012012012012");
        assert_eq!(places("bcabcabcxyzxyzabcxyzab"), "1201201201201201201201", "whatever it begins and ends within");
    }

    #[test]
    fn graphs_that_take_turns_with_others_or_run_attention_are_whole_passes() {
        assert_eq!(places("ABABABABAB"), "----------", "two buckets");
        assert_eq!(places("aabbabaabb"), "----------");
        assert_eq!(places("AddAddAddAdd"), "------------", "a drafter after it");
        assert_eq!(places("abcdddabcdddabcddd"), "012---012---012---", "a drafter after pieces");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_launched_each_graph_has_one_place(graphs in "[a-f]{0,40}") {
            let replays: Vec<Replay> = graphs.bytes().enumerate().map(|(at, graph)| replay(at, graph)).collect();
            let links = links(&replays);
            let targets: std::collections::HashSet<u64> = links.values().copied().collect();
            proptest::prop_assert_eq!(targets.len(), links.len());
            proptest::prop_assert!(pieces(&replays).len() <= 6);
        }
    }

    #[test]
    fn replays_without_handles_are_told_apart_by_their_kernels() {
        let size = |at: usize| [386, 390, 12][at % 3];
        let replays: Vec<Replay> =
            (0..9).map(|at| Replay { graph: None, kernels: size(at), ..replay(at, b'a') }).collect();
        let mut alphabet = Alphabet::default();
        let tokens = tokens(&mut alphabet, &[replays]);
        assert_eq!(tokens[&(0, 0)], tokens[&(0, 1)]);
        assert_ne!(tokens[&(0, 0)], tokens[&(0, 2)]);
    }
}
