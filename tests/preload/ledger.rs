//! The simulator's ledger: the truth of what was issued, and what a report should therefore say.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// What the simulator wrote down. Fields that no test needs are left out.
#[derive(Deserialize)]
pub(crate) struct Ledger {
    kernels: Vec<String>,
    ranges: Vec<Range>,
    dispatches: Vec<Dispatch>,
    copies: Vec<Copy>,
    /// How often the start of a context stood.
    pub(crate) stalls: u32,
}

#[derive(Deserialize)]
struct Range {
    message: String,
    thread: u64,
    parent: Option<usize>,
    start_ns: u64,
}

#[derive(Deserialize)]
struct Dispatch {
    kernel: usize,
    device: u32,
    start_ns: u64,
    end_ns: u64,
    range: Option<usize>,
}

#[derive(Deserialize)]
struct Copy {
    operation: u64,
    bytes: u64,
    start_ns: i64,
    end_ns: i64,
    range: Option<usize>,
}

/// Count, sum, shortest and longest of a set of kernel executions, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) total_ns: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
}

impl Sum {
    fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total_ns += ns;
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }
}

impl Sum {
    fn join(&mut self, other: Sum) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self { count: 0, total_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }
}

/// A kernel's name, start and end.
pub(crate) type Ran = (String, u64, u64);

/// The dispatches of a window over decode steps.
#[derive(Default)]
pub(crate) struct Expected {
    /// By kernel name, without the `.kd` that the SDK's names have.
    pub(crate) kernels: BTreeMap<String, Sum>,
    /// By process and device, which is to say by rank, then by step within the window.
    pub(crate) steps: BTreeMap<(u32, u32), BTreeMap<usize, Sum>>,
    /// The kernels one by one, by the same.
    pub(crate) timelines: BTreeMap<(u32, u32), BTreeMap<usize, Vec<Ran>>>,
    /// The copies of the steps: direction, bytes, start and end.
    pub(crate) copies: Vec<(u64, u64, i64, i64)>,
}

impl Expected {
    /// Adds what the ledger of another process says.
    pub(crate) fn add(&mut self, process: u32, other: Expected) {
        for (name, sum) in other.kernels {
            self.kernels.entry(name).or_default().join(sum);
        }
        self.steps.extend(other.steps.into_iter().map(|((_, device), steps)| ((process, device), steps)));
        self.copies.extend(other.copies);
        let timelines = other.timelines.into_iter();
        self.timelines.extend(timelines.map(|((_, device), steps)| ((process, device), steps)));
    }
}

impl Ledger {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("the ledger is JSON of the expected form")
    }

    /// What the window of `steps` decode steps after `warmup` of them holds, counted for every launching thread by
    /// itself. A decode step is an outermost range whose message `is_decode`.
    pub(crate) fn window(&self, warmup: usize, steps: usize, is_decode: impl Fn(&str) -> bool) -> Expected {
        let mut order: Vec<usize> = (0..self.ranges.len())
            .filter(|&at| self.ranges[at].parent.is_none() && is_decode(&self.ranges[at].message))
            .collect();
        order.sort_by_key(|&at| self.ranges[at].start_ns);
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        let mut step_of: BTreeMap<usize, usize> = BTreeMap::new();
        for at in order {
            let number = seen.entry(self.ranges[at].thread).or_default();
            if (warmup..warmup + steps).contains(number) {
                step_of.insert(at, *number - warmup);
            }
            *number += 1;
        }
        let mut expected = Expected::default();
        for dispatch in &self.dispatches {
            let Some(step) = dispatch.range.and_then(|range| step_of.get(&self.outermost(range))) else { continue };
            let ns = dispatch.end_ns - dispatch.start_ns;
            let name = self.kernels[dispatch.kernel].clone();
            let timeline = expected.timelines.entry((0, dispatch.device)).or_default().entry(*step).or_default();
            timeline.push((name.clone(), dispatch.start_ns, dispatch.end_ns));
            expected.kernels.entry(name).or_default().add(ns);
            expected.steps.entry((0, dispatch.device)).or_default().entry(*step).or_default().add(ns);
        }
        for copy in &self.copies {
            if copy.range.is_some_and(|range| step_of.contains_key(&self.outermost(range))) {
                expected.copies.push((copy.operation, copy.bytes, copy.start_ns, copy.end_ns));
            }
        }
        expected
    }

    fn outermost(&self, mut range: usize) -> usize {
        while let Some(parent) = self.ranges[range].parent {
            range = parent;
        }
        range
    }
}
