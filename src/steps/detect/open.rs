//! Which marked step is open when.

use std::collections::HashMap;

use super::ranges::Marked;
use crate::model::{LaunchIdx, ProcessIdx, Trace};

/// Which step is open when, on a thread or in a process.
#[derive(Debug)]
pub(super) struct Open<'a> {
    marked: &'a [Marked],
    threads: HashMap<(ProcessIdx, u64), Timeline>,
    processes: HashMap<ProcessIdx, Timeline>,
}

/// Positions of steps by start, and the latest end among each and those before it.
#[derive(Debug, Default)]
struct Timeline {
    steps: Vec<u32>,
    latest_end: Vec<i64>,
}

impl<'a> Open<'a> {
    pub(super) fn new(marked: &'a [Marked]) -> Self {
        let mut open = Self { marked, threads: HashMap::new(), processes: HashMap::new() };
        for (step, Marked { range, .. }) in marked.iter().enumerate() {
            let end = range.span.end_ns;
            open.threads.entry((range.process, range.thread)).or_default().push(step as u32, end);
            open.processes.entry(range.process).or_default().push(step as u32, end);
        }
        open
    }

    /// The step open when a launch call began.
    pub(super) fn at_launch(&self, trace: &Trace, launch: LaunchIdx) -> Option<u32> {
        let launch = &trace.launches[launch.index()];
        let at_ns = launch.span.start_ns;
        self.on_thread(launch.process, launch.thread, at_ns)
            .or_else(|| self.processes.get(&launch.process)?.innermost(self.marked, at_ns))
    }

    /// The innermost step open on a thread.
    pub(super) fn on_thread(&self, process: ProcessIdx, thread: u64, at_ns: i64) -> Option<u32> {
        self.threads.get(&(process, thread))?.innermost(self.marked, at_ns)
    }
}

impl Timeline {
    fn push(&mut self, step: u32, end_ns: i64) {
        self.steps.push(step);
        self.latest_end.push(self.latest_end.last().map_or(end_ns, |&before| before.max(end_ns)));
    }

    /// The step with the latest start that is open at `at_ns`.
    fn innermost(&self, marked: &[Marked], at_ns: i64) -> Option<u32> {
        let after = self.steps.partition_point(|&step| marked[step as usize].range.span.start_ns <= at_ns);
        (0..after)
            .rev()
            .take_while(|&place| self.latest_end[place] > at_ns)
            .map(|place| self.steps[place])
            .find(|&step| marked[step as usize].range.span.contains(at_ns))
    }
}
