//! How captured graphs and replays fit together, as the report tells it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::analyze::scope::Scope;
use crate::model::{CapturedGraph, Fit, NameId, Trace, Unjoined, Warning, shortened};
use crate::output::captured::{Captured, GraphRow, NotJoined};

/// The row of the report; `None` without captured graphs.
pub(crate) fn captured(scope: &Scope<'_>) -> Option<Captured> {
    let captured = &scope.trace.captured;
    let fit = captured.fit.as_ref()?;
    let (mut joined, mut of) = (0, 0);
    let mut missed: FxHashMap<(NameId, Unjoined), u64> = FxHashMap::default();
    for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
        if scope.left_out(position).is_some() {
            continue;
        }
        of += 1;
        match captured.why[position] {
            None => joined += 1,
            Some(why) => *missed.entry((dispatch.name, why)).or_default() += 1,
        }
    }
    let row = |((name, reason), count)| NotJoined { name: scope.trace.names.get(name).to_owned(), reason, count };
    let mut not_joined: Vec<NotJoined> = missed.into_iter().map(row).collect();
    not_joined.sort_by(|a, b| (a.reason, Reverse(a.count), &a.name).cmp(&(b.reason, Reverse(b.count), &b.name)));
    Some(Captured {
        joined,
        of,
        joined_launches: fit.joined_launches,
        of_launches: fit.of_launches,
        graphs: graphs(&captured.graphs, fit),
        not_joined,
        displaced_launches: fit.displaced_launches,
        names_put_right: fit.put_right,
        unsettled_launches: fit.unsettled_launches,
    })
}

fn graphs(graphs: &[CapturedGraph], fit: &Fit) -> Vec<GraphRow> {
    let mut rows: BTreeMap<_, GraphRow> = BTreeMap::new();
    for (graph, &launches) in graphs.iter().zip(&fit.launches) {
        let row = rows.entry((&graph.path, graph.size, &graph.label)).or_insert_with(|| GraphRow {
            path: graph.path.clone(),
            rank: graph.rank,
            label: graph.label.clone(),
            size: graph.size,
            graphs: 0,
            kernels: 0,
            launches: 0,
        });
        row.graphs += 1;
        row.kernels += graph.nodes.iter().filter(|node| node.kernel.is_some()).count() as u64;
        row.launches += launches;
    }
    rows.into_values().collect()
}

/// Whether the captured graphs are another model's: no launch fits any, and the replays run few of their kernels.
#[must_use]
pub fn is_foreign(trace: &Trace) -> bool {
    let foreign = |fit: &Fit| fit.of_launches > 0 && fit.joined_launches == 0 && 2 * fit.names[0] < fit.names[1];
    // What was captured in the process itself is its own.
    let is_live = trace.captured.graphs.iter().any(|graph| graph.live.is_some());
    !is_live && trace.captured.fit.as_ref().is_some_and(foreign)
}

/// Why the captured graphs fit no launch, or not all.
#[must_use]
pub fn misfit(trace: &Trace) -> Option<String> {
    let captured = &trace.captured;
    let fit = captured.fit.as_ref()?;
    if fit.of_launches == 0 && captured.graphs.iter().all(|graph| graph.live.is_some()) {
        return None;
    }
    if fit.of_launches == 0 {
        return Some("the trace has no graph launch that the captured graphs could tell of".to_owned());
    }
    let misfits =
        fit.of_launches - fit.joined_launches - fit.unsettled_launches.min(fit.of_launches - fit.joined_launches);
    if misfits == 0 {
        return None;
    }
    let [known, all] = fit.names;
    let mut text = format!("{misfits} of {} graph launches fit no captured graph", fit.of_launches);
    if let Some(nearest) = &fit.nearest {
        let graph = &captured.graphs[nearest.graph];
        let label = graph.label.as_deref().unwrap_or("the graph");
        let name = |of: Option<NameId>| of.map_or("nothing", |name| trace.names.get(name));
        let [has, ran] = nearest.kernels;
        text += &match nearest.names {
            [None, None] => format!("; {label} of {} has the same kernels for another size", graph.path),
            [has_name, ran_name] => format!(
                "; the nearest is {label} of {}: {has} kernels against {ran}, alike up to number {}, where it has {} and \
                 the launch ran {}",
                graph.path,
                nearest.differs_at,
                shortened(name(has_name), SHORT),
                shortened(name(ran_name), SHORT)
            ),
        };
    }
    if is_foreign(trace) {
        text += &format!(". They are another model's: the replays run {known} of their {all} kernels");
    }
    Some(text)
}

/// Characters of a kernel's name in a sentence.
const SHORT: usize = 60;

/// What the reader must know of the captured graphs.
pub(crate) fn warnings(trace: &Trace) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let Some(fit) = &trace.captured.fit else { return warnings };
    if let Some(text) = misfit(trace) {
        let code = if is_foreign(trace) { "capture-of-another-model" } else { "capture-does-not-fit" };
        warnings.push(Warning { code, text: format!("Graph captures: {text}.") });
    }
    if fit.displaced_launches > 0 {
        let text = format!(
            "In {} of {} graph launches kernels carried the times of other kernels (ROCm/rocm-systems#10579), by the order \
             in which their graph was captured: {} names were put right by it; in {} launches it settles nothing.",
            fit.displaced_launches, fit.of_launches, fit.put_right, fit.unsettled_launches
        );
        warnings.push(Warning { code: "names-put-right", text });
    }
    warnings
}
