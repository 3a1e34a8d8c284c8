//! Which marked step a moment on a thread belongs to.
//!
//! ```text
//!   thread 1   ├── step 1 ──┤  ~ ~     ├── step 2 ──┤  ~ ~
//!   thread 2     ×   ×    ×   ×   ×  ×                       launches whenever it likes: of no step
//!   thread 3       +    +                 +   +              launches only while a step is open: helps with it
//! ```
//!
//! What a thread launches between two of its own steps (`~`) is the tail of the first.

use std::collections::HashMap;

use super::ranges::Marked;
use crate::model::{LaunchIdx, ProcessIdx, Trace};

/// Of the launches of a thread without steps, how many in twenty must fall into steps of other threads.
const HELPS: usize = 19;

/// What a moment belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Within {
    /// The marked step.
    pub(super) step: u32,
    /// Where in it.
    pub(super) part: Part,
}

/// A part of a marked step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// Its range.
    Range,
    /// After its range, before the next on its thread.
    Tail,
    /// After the last range on its thread.
    AfterLast,
}

/// A thread of a process.
type Thread = (ProcessIdx, u64);

/// Which step is open when, on a thread or in a process.
#[derive(Debug)]
pub(super) struct Open<'a> {
    marked: &'a [Marked],
    threads: HashMap<Thread, Timeline>,
    processes: HashMap<ProcessIdx, Timeline>,
    /// Launches of threads without steps of their own: in steps of other threads, and in all.
    others: HashMap<Thread, (usize, usize)>,
}

/// Positions of steps by start, and the latest end among each and those before it.
#[derive(Debug, Default)]
struct Timeline {
    steps: Vec<u32>,
    latest_end: Vec<i64>,
}

impl<'a> Open<'a> {
    pub(super) fn new(trace: &Trace, marked: &'a [Marked]) -> Self {
        let mut open = Self { marked, threads: HashMap::new(), processes: HashMap::new(), others: HashMap::new() };
        for (step, Marked { range, .. }) in marked.iter().enumerate() {
            let end = range.span.end_ns;
            open.threads.entry((range.process, range.thread)).or_default().push(step as u32, end);
            open.processes.entry(range.process).or_default().push(step as u32, end);
        }
        for launch in &trace.launches {
            let thread = (launch.process, launch.thread);
            let Some(process) = open.processes.get(&launch.process).filter(|_| !open.threads.contains_key(&thread))
            else {
                continue;
            };
            let at_ns = launch.span.start_ns;
            if process.covers(marked, at_ns) {
                let (inside, all) = open.others.entry(thread).or_default();
                *inside += usize::from(process.innermost(marked, at_ns).is_some());
                *all += 1;
            }
        }
        open
    }

    /// What a launch call belongs to.
    pub(super) fn at_launch(&self, trace: &Trace, launch: LaunchIdx) -> Option<Within> {
        let launch = &trace.launches[launch.index()];
        let (process, at_ns) = (launch.process, launch.span.start_ns);
        if self.threads.contains_key(&(process, launch.thread)) {
            return self.on_thread(process, launch.thread, at_ns);
        }
        let &(inside, all) = self.others.get(&(process, launch.thread))?;
        let step = self.processes.get(&process)?.innermost(self.marked, at_ns)?;
        (20 * inside >= HELPS * all).then_some(Within { step, part: Part::Range })
    }

    /// What a moment on a thread belongs to: the innermost step open there, else the tail of the one before.
    pub(super) fn on_thread(&self, process: ProcessIdx, thread: u64, at_ns: i64) -> Option<Within> {
        let thread = self.threads.get(&(process, thread))?;
        if let Some(step) = thread.innermost(self.marked, at_ns) {
            return Some(Within { step, part: Part::Range });
        }
        let (step, is_last) = thread.before(self.marked, at_ns)?;
        Some(Within { step, part: if is_last { Part::AfterLast } else { Part::Tail } })
    }
}

impl Timeline {
    fn push(&mut self, step: u32, end_ns: i64) {
        self.steps.push(step);
        self.latest_end.push(self.latest_end.last().map_or(end_ns, |&before| before.max(end_ns)));
    }

    /// How many steps have begun.
    fn begun(&self, marked: &[Marked], at_ns: i64) -> usize {
        self.steps.partition_point(|&step| marked[step as usize].range.span.start_ns <= at_ns)
    }

    /// Whether a moment lies between the first step's start and the last one's end.
    fn covers(&self, marked: &[Marked], at_ns: i64) -> bool {
        self.begun(marked, at_ns) > 0 && self.latest_end.last().is_some_and(|&end| at_ns < end)
    }

    /// The step with the latest start that is open at `at_ns`.
    fn innermost(&self, marked: &[Marked], at_ns: i64) -> Option<u32> {
        (0..self.begun(marked, at_ns))
            .rev()
            .take_while(|&place| self.latest_end[place] > at_ns)
            .map(|place| self.steps[place])
            .find(|&step| marked[step as usize].range.span.contains(at_ns))
    }

    /// Of the steps that are over at `at_ns`, when none is open, the one that ended last; and whether none begins later.
    fn before(&self, marked: &[Marked], at_ns: i64) -> Option<(u32, bool)> {
        let begun = self.begun(marked, at_ns);
        let end = *self.latest_end.get(begun.checked_sub(1)?)?;
        let step = self.steps[..begun].iter().rev().find(|&&step| marked[step as usize].range.span.end_ns == end)?;
        Some((*step, begun == self.steps.len()))
    }
}
