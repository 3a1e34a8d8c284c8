//! The marker ranges that are steps, and the number of each.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::{NameId, ProcessIdx, Range, RankIdx, Trace};
use crate::steps::Phase;
use crate::steps::labels::{Labels, Nesting, Opened, StepLabel};

/// A range that is a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marked {
    pub(super) range: Range,
    pub(super) label: StepLabel,
}

/// The ranges that are steps, several labels of one step counted once (see [`Nesting`]), by start.
pub(super) fn marked(trace: &Trace, labels: &Labels) -> Vec<Marked> {
    let mut read: HashMap<NameId, Option<StepLabel>> = HashMap::new();
    let all: Vec<Marked> = trace
        .ranges
        .iter()
        .filter_map(|&range| {
            let label = *read.entry(range.name).or_insert_with(|| labels.parse(trace.names.get(range.name)));
            label.map(|label| Marked { range, label })
        })
        .collect();
    // Strength is compared within a process: a front end may carry other labels than the workers.
    let mut strongest = HashMap::new();
    for marked in &all {
        let best = strongest.entry(marked.range.process).or_insert(marked.label.strength);
        *best = (*best).max(marked.label.strength);
    }
    let mut kept: Vec<Marked> = Vec::new();
    let mut threads: HashMap<(ProcessIdx, u64), Nesting<usize>> = HashMap::new();
    for marked in all {
        let Range { process, thread, span, .. } = marked.range;
        if marked.label.strength < strongest[&process] {
            continue;
        }
        let thread = threads.entry((process, thread)).or_default();
        while thread.close(|&open| kept[open].range.span.end_ns <= span.start_ns).is_some() {}
        match thread.open(marked.label, kept.len(), |&open| span.end_ns <= kept[open].range.span.end_ns) {
            Opened::SameAs(open) => kept[open].label.add(&marked.label),
            Opened::Step | Opened::InsteadOf(_) => kept.push(marked),
        }
    }
    kept
}

/// The ids of the labels found, for [`StepTable::marker`](crate::steps::StepTable::marker).
pub(super) fn ids(marked: &[Marked]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for marked in marked {
        if !ids.contains(&marked.label.id) {
            ids.push(marked.label.id);
        }
    }
    ids.join(", ")
}

/// Numbers each step within its process, by start: over the whole process, or within its thread where threads with steps
/// that overlap each drive GPUs of their own. `ranks` are those that each step put work on.
///
/// Where every step carries the engine's own number, that counts: ranks that started apart have it in common.
pub(super) fn numbers(marked: &[Marked], ranks: &[BTreeSet<RankIdx>]) -> Vec<u32> {
    let own: Option<Vec<u32>> = marked.iter().map(|step| step.label.sequence).collect();
    if let Some(own) = own {
        let first = own.iter().copied().min().unwrap_or(0);
        return own.into_iter().map(|number| number - first).collect();
    }
    let mut drives: HashMap<(ProcessIdx, u64), BTreeSet<RankIdx>> = HashMap::new();
    for (step, ranks) in marked.iter().zip(ranks) {
        drives.entry((step.range.process, step.range.thread)).or_default().extend(ranks);
    }
    let mut busy_until: HashMap<ProcessIdx, (i64, u64)> = HashMap::new();
    let mut threaded: HashSet<ProcessIdx> = HashSet::new();
    for step in marked.iter().filter(|step| step.label.phase != Phase::Draft) {
        let Range { process, thread, span, .. } = step.range;
        let (until, on) = busy_until.entry(process).or_insert((i64::MIN, thread));
        let overlaps = span.start_ns < *until && *on != thread;
        if overlaps && drives[&(process, *on)].is_disjoint(&drives[&(process, thread)]) {
            threaded.insert(process);
        }
        if span.end_ns > *until {
            (*until, *on) = (span.end_ns, thread);
        }
    }
    let mut next: HashMap<(ProcessIdx, Option<u64>), u32> = HashMap::new();
    let mut number = |step: &Marked| {
        let Range { process, thread, .. } = step.range;
        let own = threaded.contains(&process).then_some(thread);
        let next = next.entry((process, own)).or_insert(0);
        *next += 1;
        *next - 1
    };
    marked.iter().map(&mut number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceBuilder;

    /// Where the steps among these ranges begin, as they are seen once all is over, and while they open and close.
    fn both_sides(ranges: &[(&str, i64, i64)]) -> (Vec<i64>, Vec<i64>) {
        let mut draw = TraceBuilder::new().drawing();
        for &(message, start, end) in ranges {
            draw.range(message, start, end);
        }
        let labels = Labels::known();
        let afterwards = marked(&draw.finish(), &labels).iter().map(|step| step.range.span.start_ns).collect();

        let mut events: Vec<(i64, bool, usize)> = Vec::new();
        for (at, &(_, start, end)) in ranges.iter().enumerate() {
            events.extend([(start, true, at), (end, false, at)]);
        }
        events.sort_unstable();
        let (mut thread, mut live) = (Nesting::default(), Vec::new());
        for (time, opens, at) in events {
            if !opens {
                thread.close(|&open| open == at);
                continue;
            }
            // Of ranges that are pushed and popped this is known as they open.
            let is_within = |&open: &usize| ranges[at].2 <= ranges[open].2;
            let Some(label) = labels.parse(ranges[at].0) else { continue };
            match thread.open(label, at, is_within) {
                Opened::Step => live.push(time),
                Opened::InsteadOf(weaker) => {
                    live.retain(|&begun| begun != ranges[weaker].1);
                    live.push(time);
                }
                Opened::SameAs(_) => {}
            }
        }
        (afterwards, live)
    }

    #[test]
    fn the_same_markers_are_the_same_steps_live_and_afterwards() {
        let vllm = "execute_context_0(0)_generation_8(8)";
        let nested = [
            ("ProfilerStep#1", 0, 100),
            (vllm, 10, 90),
            ("gpu_model_runner: forward", 20, 60),
            ("step[DECODE bs=8]", 25, 50),
            ("draft", 62, 70),
            ("ProfilerStep#2", 110, 200),
            (vllm, 115, 190),
        ];
        assert_eq!(both_sides(&nested), (vec![10, 62, 115], vec![10, 62, 115]));
        let drafts = [("decode[bs=16]", 0, 100), ("draft[1/3 bs=16]", 40, 60), ("decode[bs=16]", 110, 200)];
        assert_eq!(both_sides(&drafts), (vec![0, 40, 110], vec![0, 40, 110]));
        let overlapping: Vec<_> = (0..9).map(|step| ("step[DECODE bs=8]", step * 90, step * 90 + 100)).collect();
        let begins: Vec<i64> = (0..9).map(|step| step * 90).collect();
        assert_eq!(both_sides(&overlapping), (begins.clone(), begins));
    }
}
