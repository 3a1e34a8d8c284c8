//! Work beside a rank's main lane: other streams, and threads that launch kernels of their own.
//!
//! ```text
//!   main      ├── step 1 ──┤├── step 2 ──┤├── step 3 ──┤
//!   samples                 s s s          s s s          of the step that has ended: it samples what that computed
//!   regular      c   c         c   c         c   c        of the step that has begun
//!   else         t                 t t                    of none: transfers of caches come whenever they like
//! ```
//!
//! A side stream that shows as many steps itself is joined step by step, each by its middle kernel, which stands in its step
//! even where its edges overlap with the neighbours'.

use std::collections::HashMap;

use super::passes::{Alphabet, Cutting, Lane};
use crate::model::Trace;

/// Of twenty steps, how many must have as many kernels of a side lane as most, for these to be of steps.
const REGULAR: usize = 16;

/// The steps of a main lane, for the lanes beside it.
#[derive(Debug)]
pub(super) struct Steps {
    /// Position of the first in the table.
    first: u32,
    /// When the first kernel of each began and its model's last, on the GPU and by the calls that launched them.
    ran: Vec<(i64, i64)>,
    called: Option<Vec<(i64, i64)>>,
}

impl Steps {
    /// Those of `lane`, of which the first is at `first` in the table.
    pub(super) fn new(trace: &Trace, alphabet: &Alphabet, lane: &Lane, cutting: &Cutting, first: u32) -> Self {
        let ends = |at: &dyn Fn(u32) -> Option<i64>| -> Option<Vec<(i64, i64)>> {
            let of = |start, end| {
                let all = lane.dispatches(start, end);
                let model = lane.dispatches(start, lane.end_of_model(alphabet, start, end));
                Some((at(*all.first()?)?, at(*model.last()?)?))
            };
            cutting.segments.iter().map(|segment| of(segment.start, segment.end)).collect()
        };
        let ran = ends(&|position| Some(trace.dispatches[position as usize].span.start_ns)).unwrap_or_default();
        Self { first, ran, called: ends(&|position| called_ns(trace, position)) }
    }

    /// The steps of a side lane's dispatches.
    pub(super) fn join(&self, trace: &Trace, alphabet: &Alphabet, lane: &Lane) -> Beside {
        let all = lane.dispatches(0, usize::MAX);
        let calls: Option<Vec<i64>> = all.iter().map(|&position| called_ns(trace, position)).collect();
        let (steps, times) = match (&self.called, calls) {
            (Some(called), Some(calls)) => (called, calls),
            _ => (&self.ran, all.iter().map(|&at| trace.dispatches[at as usize].span.start_ns).collect()),
        };
        if lane.samples(alphabet) {
            let ended = |&at_ns: &i64| steps.partition_point(|&(_, end)| end <= at_ns).checked_sub(1);
            return self.beside(times.iter().map(ended), None);
        }
        let begun = |&at_ns: &i64| steps.partition_point(|&(begin, _)| begin <= at_ns).checked_sub(1);
        let mut of: Vec<Option<usize>> = times.iter().map(begun).collect();
        // A side stream that has as many steps is surely cut at the same steps; one that has not is cut at something else.
        let cutting = lane.cut(alphabet).ok();
        match cutting.filter(|cut| 20 * cut.segments.len().abs_diff(steps.len()) <= steps.len()) {
            Some(cutting) => {
                for segment in &cutting.segments {
                    let (start, end) = lane.range(segment.start, segment.end);
                    let step = of[start.midpoint(end)];
                    of[start..end].fill(step);
                }
            }
            None if !is_regular(&of, steps.len()) => {
                let remark = "kernels beside the steps come at no fixed place in them, and are of none.";
                return self.beside(of.iter().map(|_| None), Some(remark));
            }
            None => {}
        }
        let by_clock = "kernels of side streams were joined to steps by the clock";
        self.beside(of.into_iter(), self.called.is_none().then_some(by_clock))
    }

    fn beside(&self, steps: impl ExactSizeIterator<Item = Option<usize>>, remark: Option<&str>) -> Beside {
        let remark = remark.map(|remark| format!("{} {remark}", steps.len()));
        Beside { steps: steps.map(|step| step.map(|step| self.first + step as u32)).collect(), remark }
    }
}

/// What a side lane has to do with the steps.
#[derive(Debug)]
pub(super) struct Beside {
    /// The step of each of its dispatches, as a position in the table.
    pub(super) steps: Vec<Option<u32>>,
    /// What a reader must know of it.
    pub(super) remark: Option<String>,
}

/// When the call that launched a dispatch was made, where it is known.
fn called_ns(trace: &Trace, position: u32) -> Option<i64> {
    let launch = trace.dispatches[position as usize].launch?;
    Some(trace.launches[launch.index()].span.start_ns)
}

/// Whether nearly every step has the same number of kernels.
fn is_regular(of: &[Option<usize>], steps: usize) -> bool {
    let mut kernels = vec![0_usize; steps];
    of.iter().flatten().for_each(|&step| kernels[step] += 1);
    let mut times: HashMap<usize, usize> = HashMap::new();
    kernels.iter().for_each(|&kernels| *times.entry(kernels).or_default() += 1);
    times.into_iter().any(|(kernels, times)| kernels > 0 && 20 * times >= REGULAR * steps)
}
