//! The marker ranges that are steps, and the number of each.

use std::collections::HashMap;

use crate::model::{NameId, ProcessIdx, Range, Trace};
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

/// The ids of the labels found, for [`StepTable::marker`].
pub(super) fn ids(marked: &[Marked]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for marked in marked {
        if !ids.contains(&marked.label.id) {
            ids.push(marked.label.id);
        }
    }
    ids.join(", ")
}

/// Numbers each step within its process: over the whole process if its steps follow one another, else within its
/// thread, since threads with steps that overlap each drive GPUs of their own.
///
/// Where every step carries the engine's own number, that counts: ranks that started apart have it in common.
pub(super) fn numbers(marked: &[Marked]) -> Vec<u32> {
    let own: Option<Vec<u32>> = marked.iter().map(|step| step.label.sequence).collect();
    if let Some(own) = own {
        let first = own.iter().copied().min().unwrap_or(0);
        return own.into_iter().map(|number| number - first).collect();
    }
    let mut busy_until: HashMap<ProcessIdx, (i64, u64)> = HashMap::new();
    let mut threaded: HashMap<ProcessIdx, bool> = HashMap::new();
    for step in marked.iter().filter(|step| step.label.phase != Phase::Draft) {
        let Range { process, thread, span, .. } = step.range;
        let (until, on) = busy_until.entry(process).or_insert((i64::MIN, thread));
        if span.start_ns < *until && *on != thread {
            threaded.insert(process, true);
        }
        if span.end_ns > *until {
            (*until, *on) = (span.end_ns, thread);
        }
    }
    let mut next: HashMap<(ProcessIdx, Option<u64>), u32> = HashMap::new();
    let mut number = |step: &Marked| {
        let Range { process, thread, .. } = step.range;
        let own = threaded.contains_key(&process).then_some(thread);
        let next = next.entry((process, own)).or_insert(0);
        *next += 1;
        *next - 1
    };
    marked.iter().map(&mut number).collect()
}
