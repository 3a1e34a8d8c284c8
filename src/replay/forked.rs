//! Replays of graphs that fork: which kernel is which node, as far as that follows.
//!
//! ```text
//!   captured    a b | x y | c d | e        the side stream ran x y while the main one ran c d
//!   stream 0    a b c d e
//!   stream 1        x y                    each stream runs its part in the order of capture
//! ```
//!
//! The runtime calls of a capture tell no stream. What follows from the order on each stream alone:
//!
//! 1. a name that one stream ran, and no other: its kernels are its nodes, in order;
//! 2. a name of several streams: a kernel lies between the nodes of its neighbours on its stream; if one node of its name
//!    does, it is that;
//! 3. and so on, with what was found as neighbours.
//!
//! If a stream's kernels contradict the order of capture, nothing of this holds.

use std::collections::HashMap;

use super::kernel::Kernel;

/// For each of `kernels` its place in `nodes`, the letters of a graph in the order of capture, where it is settled. `None`
/// if the two are not the same letters as often, or their orders contradict each other.
pub(super) fn places(kernels: &[Kernel], nodes: &[u32]) -> Option<Vec<Option<usize>>> {
    let mut kernels_of: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut nodes_of: HashMap<u32, Vec<usize>> = HashMap::new();
    kernels.iter().enumerate().for_each(|(at, kernel)| kernels_of.entry(kernel.letter).or_default().push(at));
    nodes.iter().enumerate().for_each(|(at, &letter)| nodes_of.entry(letter).or_default().push(at));
    let same = |(letter, at): (&u32, &Vec<usize>)| nodes_of.get(letter).is_some_and(|nodes| nodes.len() == at.len());
    if kernels.len() != nodes.len() || !kernels_of.iter().all(same) {
        return None;
    }
    let mut found: Vec<Option<usize>> = vec![None; kernels.len()];
    for (letter, all) in &kernels_of {
        if all.iter().all(|&at| kernels[at].stream == kernels[all[0]].stream) {
            all.iter().zip(&nodes_of[letter]).for_each(|(&at, &node)| found[at] = Some(node));
        }
    }
    let streams = by_stream(kernels);
    if !streams.iter().all(|stream| rises(stream, &found)) {
        return None;
    }
    let mut taken: Vec<bool> = vec![false; nodes.len()];
    found.iter().flatten().for_each(|&node| taken[node] = true);
    while between(&streams, kernels, &nodes_of, &mut found, &mut taken) {}
    streams.iter().all(|stream| rises(stream, &found)).then_some(found)
}

/// Positions of each stream's kernels.
fn by_stream(kernels: &[Kernel]) -> Vec<Vec<usize>> {
    let mut streams: Vec<Vec<usize>> = Vec::new();
    for (at, kernel) in kernels.iter().enumerate() {
        let stream = kernel.stream as usize;
        if streams.len() <= stream {
            streams.resize(stream + 1, Vec::new());
        }
        streams[stream].push(at);
    }
    streams
}

/// Whether the nodes found for a stream's kernels are in the order of capture.
fn rises(stream: &[usize], found: &[Option<usize>]) -> bool {
    stream.iter().filter_map(|&at| found[at]).is_sorted_by(|a, b| a < b)
}

/// Settles kernels that only one free node lies right for; whether there were any.
fn between(
    streams: &[Vec<usize>],
    kernels: &[Kernel],
    nodes_of: &HashMap<u32, Vec<usize>>,
    found: &mut [Option<usize>],
    taken: &mut [bool],
) -> bool {
    let mut any = false;
    for stream in streams {
        let mut above = vec![usize::MAX; stream.len()];
        let mut next = usize::MAX;
        for (nth, &at) in stream.iter().enumerate().rev() {
            above[nth] = next;
            next = found[at].unwrap_or(next);
        }
        let mut below = None;
        for (nth, &at) in stream.iter().enumerate() {
            if let Some(node) = found[at] {
                below = Some(node);
                continue;
            }
            let free = |&&node: &&usize| !taken[node] && below.is_none_or(|below| node > below) && node < above[nth];
            let mut candidates = nodes_of[&kernels[at].letter].iter().filter(free);
            if let (Some(&node), None) = (candidates.next(), candidates.next()) {
                found[at] = Some(node);
                taken[node] = true;
                below = Some(node);
                any = true;
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(ran: &[(u32, u32)]) -> Vec<Kernel> {
        ran.iter().map(|&(letter, stream)| Kernel { letter, stream }).collect()
    }

    #[test]
    fn branches_are_told_by_their_names() {
        let ran = kernels(&[(1, 0), (5, 1), (2, 0), (6, 1), (3, 0)]);
        assert_eq!(places(&ran, &[1, 5, 6, 2, 3]), Some(vec![Some(0), Some(1), Some(3), Some(2), Some(4)]));
    }

    #[test]
    fn one_name_on_two_streams_is_told_by_its_neighbours_or_not_at_all() {
        // The product 2 runs on both; on stream 1 it stands between 5 and 6.
        let ran = kernels(&[(1, 0), (5, 1), (2, 0), (2, 1), (6, 1), (3, 0)]);
        let found = places(&ran, &[1, 5, 2, 6, 2, 3]).unwrap();
        assert_eq!(found, [Some(0), Some(1), Some(4), Some(2), Some(3), Some(5)]);
        let ran = kernels(&[(1, 0), (2, 0), (2, 1), (3, 0)]);
        assert_eq!(places(&ran, &[1, 2, 2, 3]), Some(vec![Some(0), None, None, Some(3)]));
    }

    #[test]
    fn other_kernels_or_a_stream_that_runs_backwards_are_not_this_graph() {
        assert_eq!(places(&kernels(&[(1, 0), (2, 0)]), &[1, 3]), None);
        assert_eq!(places(&kernels(&[(2, 0), (1, 0)]), &[1, 2]), None);
    }
}
