//! Which of several labels that are open at once are steps, for the tracer in a server and for traces alike.
//!
//! One step often carries several labels: `ProfilerStep#7` around `execute_context_0(0)_generation_32(32)` around
//! `step[DECODE bs=32]`. They are one step. Which of them counts:
//!
//! 1. The strongest [`Strength`](super::Strength) wins: an engine's own label over the torch profiler's, that over a
//!    scope within a step.
//! 2. Of those left, the outermost on a thread: only it covers the input preparation too. What the inner label adds (a
//!    graph bucket, say) is kept.
//! 3. But a draft model's range within a step is a step of its own with [`Phase::Draft`], so that decode stays pure.
//! 4. A range is *within* another only if it closes first. Ranges that are started and stopped, rather than pushed and
//!    popped, may overlap: then each is a step, and what is launched belongs to the one that was opened last.
//!
//! ```text
//!   ├── execute_… ──────────┤               ├── step 1 ──────┤
//!      ├── step[…] ───┤                            ├── step 2 ──────┤
//!            ├ draft ┤                                     ├── step 3 ──────┤
//!   one step and one draft                  three steps
//! ```

use super::StepLabel;
use crate::steps::Phase;

/// Steps that may be open at once on a thread; a label beyond them is taken for the innermost step's.
const MOST: usize = 6;

/// The steps open on one thread, the innermost last. `K` is what the caller knows a range by.
///
/// Plain data without a destructor, so that it may live where threads end at any time.
///
/// ```
/// use profile_decode::steps::labels::{Labels, Nesting, Opened};
/// let labels = Labels::known();
/// let label = |message| labels.parse(message).unwrap();
/// let mut thread = Nesting::default();
/// assert_eq!(thread.open(label("execute_context_0(0)_generation_8(8)"), 'a', |_| true), Opened::Step);
/// assert_eq!(thread.open(label("step[DECODE bs=8]"), 'b', |_| true), Opened::SameAs('a'));
/// assert_eq!(thread.close(|&range| range == 'a').map(|step| step.1), Some('a'));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Nesting<K> {
    open: [Option<(StepLabel, K)>; MOST],
}

impl<K> Default for Nesting<K> {
    fn default() -> Self {
        Self { open: [const { None }; MOST] }
    }
}

/// What a label that was opened is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened<K> {
    /// A step.
    Step,
    /// A step, and the weaker one around it is none after all: it is not open any more.
    InsteadOf(K),
    /// Another name for a step that is open.
    SameAs(K),
}

impl<K: Copy> Nesting<K> {
    /// A range with this label was opened; `is_within` tells whether it closes before an open one does.
    pub fn open(&mut self, label: StepLabel, key: K, is_within: impl Fn(&K) -> bool) -> Opened<K> {
        let around = self.open.iter().rposition(|open| open.as_ref().is_some_and(|(_, open)| is_within(open)));
        let mut opened = Opened::Step;
        if let Some((at, (outer, outer_key))) = around.and_then(|at| Some((at, self.open[at]?))) {
            if label.strength > outer.strength {
                opened = Opened::InsteadOf(outer_key);
                self.remove(at);
            } else if label.phase != Phase::Draft || outer.phase == Phase::Draft {
                return Opened::SameAs(outer_key);
            }
        }
        match self.open.iter_mut().find(|open| open.is_none()) {
            Some(place) => *place = Some((label, key)),
            None => return self.current().map_or(Opened::Step, |(_, key)| Opened::SameAs(key)),
        }
        opened
    }

    /// The range that `is_it` was closed. Gives it back if it was a step, wherever among those open.
    pub fn close(&mut self, is_it: impl Fn(&K) -> bool) -> Option<(StepLabel, K)> {
        let at = self.open.iter().rposition(|open| open.as_ref().is_some_and(|(_, key)| is_it(key)))?;
        self.remove(at)
    }

    /// The innermost open step.
    #[must_use]
    pub fn current(&self) -> Option<(StepLabel, K)> {
        self.open.iter().rev().find_map(|open| *open)
    }

    /// The open steps, the outermost first.
    pub fn iter(&self) -> impl Iterator<Item = &(StepLabel, K)> {
        self.open.iter().flatten()
    }

    fn remove(&mut self, at: usize) -> Option<(StepLabel, K)> {
        self.open[at..].rotate_left(1);
        self.open[MOST - 1].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::labels::Labels;

    /// Opens ranges that are within all that are open, numbered from 0.
    fn open_all(messages: &[&str]) -> (Nesting<usize>, Vec<Option<Opened<usize>>>) {
        let (labels, mut thread) = (Labels::known(), Nesting::default());
        let opened = messages
            .iter()
            .enumerate()
            .map(|(number, message)| labels.parse(message).map(|label| thread.open(label, number, |_| true)));
        let opened = opened.collect();
        (thread, opened)
    }

    #[test]
    fn nested_labels_of_one_step_count_once_and_drafts_apart() {
        let vllm = "execute_context_0(0)_generation_8(8)";
        let (mut thread, opened) =
            open_all(&["ProfilerStep#4", vllm, "gpu_model_runner: forward", "step[DECODE bs=8]", "draft"]);
        let same = Some(Opened::SameAs(1));
        assert_eq!(opened, [Some(Opened::Step), Some(Opened::InsteadOf(0)), same, same, Some(Opened::Step)]);
        assert_eq!(thread.current().map(|(label, key)| (label.phase, key)), Some((Phase::Draft, 4)));
        assert!(thread.close(|&key| key == 3).is_none(), "another name is no step that ends");
        assert_eq!(thread.close(|&key| key == 4).map(|step| step.1), Some(4));
        assert_eq!(thread.current().map(|step| step.1), Some(1));
    }

    #[test]
    fn ranges_that_overlap_are_each_a_step_and_the_last_opened_is_current() {
        let (labels, mut thread) = (Labels::known(), Nesting::default());
        let decode = labels.parse("step[DECODE bs=8]").unwrap();
        for number in 0..20 {
            assert_eq!(thread.open(decode, number, |_| false), Opened::Step);
            if number > 0 {
                assert!(thread.close(|&key| key == number - 1).is_some());
            }
            assert_eq!(thread.current().map(|step| step.1), Some(number));
        }
        assert_eq!(thread.iter().count(), 1);
    }

    #[test]
    fn more_ranges_at_once_than_it_holds_are_the_innermost_steps() {
        let (labels, mut thread) = (Labels::known(), Nesting::default());
        let decode = labels.parse("step[DECODE bs=8]").unwrap();
        let opened: Vec<_> = (0..8).map(|number| thread.open(decode, number, |_| false)).collect();
        assert_eq!(opened[6..], [Opened::SameAs(5), Opened::SameAs(5)]);
    }
}
