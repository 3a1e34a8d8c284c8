//! Launches whose graph is known: it was captured in the process itself, and its address and the time tell it.
//!
//! Only the kernels of that graph are looked at, and they still have to fit by name: a launch that they do not fit is told
//! nothing. The order of a launch's kernels is that in which they were enqueued, where the producer tells it: HIP enqueues
//! the kernels of each captured stream in the order of capture, and those of several streams [in some
//! order](super::forked).

use rustc_hash::FxHashMap;

use crate::model::{Captured, Launch, ProcessIdx};

/// The graph that a launch replays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Told {
    /// Its position.
    pub(super) graph: usize,
    /// How its kernels are launched may have been changed.
    pub(super) altered: bool,
}

/// The times in which an executable graph ran graphs: from, until and which, in order.
type Times = Vec<(i64, i64, Told)>;

/// Which graph is replayed by which launches.
#[derive(Default)]
pub(super) struct Lives {
    of: FxHashMap<(ProcessIdx, u64), Times>,
}

impl Lives {
    pub(super) fn of(captured: &Captured) -> Self {
        let mut lives = Self::default();
        for (graph, of) in captured.graphs.iter().enumerate() {
            for life in of.live.iter().flat_map(|live| &live.lives) {
                let told = Told { graph, altered: life.altered };
                let times = lives.of.entry((life.process, life.exec)).or_default();
                times.push((life.from_ns, life.until_ns, told));
            }
        }
        lives.of.values_mut().for_each(|times| times.sort_by_key(|&(from_ns, ..)| from_ns));
        lives
    }

    /// The graph that `launch` replays, if its capture was seen.
    pub(super) fn told(&self, launch: &Launch) -> Option<Told> {
        let times = self.of.get(&(launch.process, launch.graph?))?;
        let at = times.partition_point(|&(from_ns, ..)| from_ns <= launch.span.start_ns);
        let &(_, until_ns, told) = times.get(at.checked_sub(1)?)?;
        (launch.span.start_ns < until_ns).then_some(told)
    }
}

/// Of each of `ran` its place among `nodes`, of which some may be missing, where only one is possible. `None`: `ran` is not
/// what is left of `nodes` without some.
///
/// What fits earliest and what fits latest bound all ways to lay the one over the other:
///
/// ```text
///   nodes      a b a b c        ran  a b c     earliest 0 1 4, latest 2 3 4: only c is settled
/// ```
pub(super) fn part(ran: &[u32], nodes: &[u32]) -> Option<Vec<Option<usize>>> {
    let earliest = embed(ran.iter().copied(), nodes.iter().copied())?;
    let mut latest = embed(ran.iter().rev().copied(), nodes.iter().rev().copied())?;
    latest.reverse();
    let settled = |(early, late): (&usize, &usize)| (*early == nodes.len() - 1 - late).then_some(*early);
    Some(earliest.iter().zip(&latest).map(settled).collect())
}

/// Where each of `part` stands in `all`, each as early as can be.
fn embed(part: impl Iterator<Item = u32>, all: impl Iterator<Item = u32>) -> Option<Vec<usize>> {
    let mut all = all.enumerate();
    part.map(|letter| all.find(|(_, other)| *other == letter).map(|(at, _)| at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_were_turned_off_are_told_by_the_names_of_the_others() {
        assert_eq!(part(&[1, 3], &[1, 2, 3]), Some(vec![Some(0), Some(2)]));
        assert_eq!(part(&[1, 2, 3], &[1, 2, 1, 2, 3]), Some(vec![None, None, Some(4)]));
        assert_eq!(part(&[1, 2, 1, 2], &[1, 2, 1, 2]), Some(vec![Some(0), Some(1), Some(2), Some(3)]));
        assert_eq!((part(&[3, 1], &[1, 2, 3]), part(&[4], &[1])), (None, None));
        assert_eq!(part(&[], &[1]), Some(vec![]));
    }
}
