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

//! Where the capture tells the stream of each node, more follows: see [`on_streams`].

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

/// The same for kernels `ran` in the order in which they were enqueued, and nodes whose streams at the capture are known.
///
/// The nodes of one stream are enqueued in the order of capture. So
///
/// 1. a name that one stream has, and no other: its kernels are its nodes, in order;
/// 2. a kernel of another name lies between the kernels of the neighbours that a node has on its stream: where one node is
///    left for a kernel, or one kernel for a node, it is that; and so on.
pub(super) fn on_streams(ran: &[u32], nodes: &[u32], streams: &[u8]) -> Option<Vec<Option<usize>>> {
    let mut ran_of: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut nodes_of: HashMap<u32, Vec<usize>> = HashMap::new();
    ran.iter().enumerate().for_each(|(at, &letter)| ran_of.entry(letter).or_default().push(at));
    nodes.iter().enumerate().for_each(|(at, &letter)| nodes_of.entry(letter).or_default().push(at));
    let same = |(letter, at): (&u32, &Vec<usize>)| nodes_of.get(letter).is_some_and(|nodes| nodes.len() == at.len());
    if ran.len() != nodes.len() || streams.len() != nodes.len() || !ran_of.iter().all(same) {
        return None;
    }
    // Of each node the kernel that is it.
    let mut kernel_of: Vec<Option<usize>> = vec![None; nodes.len()];
    let mut open: Vec<(u32, Vec<usize>)> = Vec::new();
    for (letter, of) in &nodes_of {
        if of.iter().all(|&node| streams[node] == streams[of[0]]) {
            of.iter().zip(&ran_of[letter]).for_each(|(&node, &at)| kernel_of[node] = Some(at));
        } else {
            open.push((*letter, of.clone()));
        }
    }
    if !rises_on_streams(&kernel_of, streams) {
        return None;
    }
    let mut taken = vec![false; ran.len()];
    kernel_of.iter().flatten().for_each(|&at| taken[at] = true);
    while !open.is_empty() && narrow(&mut open, &ran_of, streams, &mut kernel_of, &mut taken) {}
    if !rises_on_streams(&kernel_of, streams) {
        return None;
    }
    let mut found = vec![None; ran.len()];
    kernel_of.iter().enumerate().for_each(|(node, at)| at.iter().for_each(|&at| found[at] = Some(node)));
    Some(found)
}

/// Whether the kernels found for the nodes of each stream are in the order of capture.
fn rises_on_streams(kernel_of: &[Option<usize>], streams: &[u8]) -> bool {
    let mut last: HashMap<u8, usize> = HashMap::new();
    kernel_of
        .iter()
        .zip(streams)
        .all(|(at, &stream)| at.is_none_or(|at| last.insert(stream, at).is_none_or(|before| before < at)))
}

/// Settles nodes and kernels that are the only ones for each other; whether there were any.
fn narrow(
    open: &mut Vec<(u32, Vec<usize>)>,
    ran_of: &HashMap<u32, Vec<usize>>,
    streams: &[u8],
    kernel_of: &mut [Option<usize>],
    taken: &mut [bool],
) -> bool {
    let bounds = bounds(streams, kernel_of);
    let mut any = false;
    for (letter, nodes) in open.iter_mut() {
        let kernels: Vec<usize> = ran_of[letter].iter().copied().filter(|&at| !taken[at]).collect();
        let may = |node: usize, at: usize| bounds[node].0.is_none_or(|low| low < at) && at < bounds[node].1;
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for &node in nodes.iter() {
            let mut own = kernels.iter().copied().filter(|&at| may(node, at));
            if let (Some(at), None) = (own.next(), own.next()) {
                pairs.push((node, at));
            }
        }
        for &at in &kernels {
            let mut own = nodes.iter().copied().filter(|&node| may(node, at));
            if let (Some(node), None) = (own.next(), own.next()) {
                pairs.push((node, at));
            }
        }
        for (node, at) in pairs {
            if kernel_of[node].is_none() && !taken[at] {
                (kernel_of[node], taken[at]) = (Some(at), true);
                any = true;
            }
        }
        nodes.retain(|&node| kernel_of[node].is_none());
    }
    open.retain(|(_, nodes)| !nodes.is_empty());
    any
}

/// Of each node the kernels of its settled neighbours on its stream: the one after which it ran, and that before which.
fn bounds(streams: &[u8], kernel_of: &[Option<usize>]) -> Vec<(Option<usize>, usize)> {
    let mut bounds = vec![(None, usize::MAX); streams.len()];
    let mut last: HashMap<u8, usize> = HashMap::new();
    for (node, stream) in streams.iter().enumerate() {
        bounds[node].0 = last.get(stream).copied();
        kernel_of[node].iter().for_each(|&at| _ = last.insert(*stream, at));
    }
    let mut next: HashMap<u8, usize> = HashMap::new();
    for (node, stream) in streams.iter().enumerate().rev() {
        bounds[node].1 = next.get(stream).copied().unwrap_or(usize::MAX);
        kernel_of[node].iter().for_each(|&at| _ = next.insert(*stream, at));
    }
    bounds
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
    fn streams_of_the_capture_tell_more_than_those_of_the_replay() {
        // Captured 1 | 2 5 | 2 3: the first 2 on the main stream, the second on the side one, with 5 before it.
        let (nodes, streams) = ([1, 2, 5, 2, 3], [0, 0, 1, 1, 0]);
        let found = on_streams(&[1, 5, 2, 2, 3], &nodes, &streams);
        assert_eq!(found, Some(vec![Some(0), Some(2), None, None, Some(4)]), "either 2 may be either");
        let found = on_streams(&[1, 2, 5, 2, 3], &nodes, &streams);
        assert_eq!(found, Some((0..5).map(Some).collect()), "what ran before 5 is not after it");
        assert_eq!(on_streams(&[3, 2, 5, 2, 1], &nodes, &streams), None, "backwards");
        assert_eq!(on_streams(&[1, 2, 5, 2], &nodes, &streams), None);
    }

    #[test]
    fn other_kernels_or_a_stream_that_runs_backwards_are_not_this_graph() {
        assert_eq!(places(&kernels(&[(1, 0), (2, 0)]), &[1, 3]), None);
        assert_eq!(places(&kernels(&[(2, 0), (1, 0)]), &[1, 2]), None);
    }
}
