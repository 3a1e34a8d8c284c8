//! Which of a rank's work comes from elsewhere than its steps: a thread, or where launches are unknown a stream, that runs
//! kernels of its own. Threads that run the same kernels take turns, and theirs is one sequence.

use std::collections::HashMap;

use crate::model::{NameId, Trace};

/// Of twenty kernels of another origin, how many may be such as the main one has.
const SHARED: usize = 2;

/// Where a dispatch comes from: the thread that launched it, where that is known of all, else the stream it ran on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Origin {
    Thread(u64),
    Stream(usize),
}

/// Parts work in launch order: first what is cut into steps, then one part for each other origin.
pub(super) fn apart(trace: &Trace, launched: Vec<(u64, u32)>) -> Vec<Vec<(u64, u32)>> {
    let dispatch = |&(_, position): &(u64, u32)| &trace.dispatches[position as usize];
    let thread = |entry| dispatch(entry).launch.map(|launch| Origin::Thread(trace.launches[launch.index()].thread));
    let of: Option<Vec<Origin>> = launched.iter().map(thread).collect();
    let stream = |entry| Origin::Stream(dispatch(entry).stream.index());
    let of = of.unwrap_or_else(|| launched.iter().map(stream).collect());
    if of.iter().all(|origin| *origin == of[0]) {
        return vec![launched];
    }
    let mut names: HashMap<Origin, HashMap<NameId, usize>> = HashMap::new();
    for (origin, &(_, position)) in of.iter().zip(&launched) {
        *names.entry(*origin).or_default().entry(trace.dispatches[position as usize].name).or_default() += 1;
    }
    let all = |origin: &Origin| names[origin].values().sum::<usize>();
    let Some(main) = names.keys().copied().max_by_key(|origin| (all(origin), std::cmp::Reverse(*origin))) else {
        return vec![launched];
    };
    let is_apart = |origin: &Origin| {
        let shared = names[origin].iter().filter(|(name, _)| names[&main].contains_key(name));
        *origin != main && 20 * shared.map(|(_, times)| times).sum::<usize>() < SHARED * all(origin)
    };
    let mut others: Vec<Origin> = names.keys().copied().filter(is_apart).collect();
    others.sort_unstable();
    let mut parts = vec![Vec::new(); others.len() + 1];
    for (origin, entry) in of.into_iter().zip(launched) {
        parts[others.binary_search(&origin).map_or(0, |other| other + 1)].push(entry);
    }
    parts
}
