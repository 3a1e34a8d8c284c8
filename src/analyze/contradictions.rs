//! Evidence that contradicts itself, and evidence that is not all there.
//!
//! Nothing is averaged away: a report says what the records themselves prove wrong, which of its figures that takes with
//! it and which it leaves. What rests on figures that cannot be trusted (advice on kernels, a comparison's flags) asks
//! here and keeps silent.
//!
//! * [Names on other kernels' times](displaced_names): replays whose records are not in the order of their starts. The
//!   sums over a step hold, since every record is there once; what a name, category or layer took does not.
//! * [Ranks that are not there](missing_ranks): a collective's kernel spins until the last rank arrives, and if that is
//!   not among the inputs, its waiting cannot be told from its work.

use std::collections::BTreeSet;

use crate::analyze::scope::Scope;
use crate::analyze::time::communication;
use crate::classify::Category;
use crate::model::{LaunchCall, LaunchIdx, Trace, Warning};
use crate::output::report::DisplacedNames;

/// The replays whose kernels carry the times of others; `None` if no record shows any.
pub(crate) fn displaced_names(scope: &Scope<'_>) -> Option<DisplacedNames> {
    let trace = scope.trace;
    let launches: BTreeSet<LaunchIdx> = trace.disorders.iter().map(|disorder| disorder.launch).collect();
    if launches.is_empty() {
        return None;
    }
    let mut steps = BTreeSet::new();
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        if dispatch.launch.is_some_and(|launch| launches.contains(&launch)) {
            steps.extend(scope.table.step_of(position).map(|step| step.number));
        }
    }
    let graph_launches = trace.launches.iter().filter(|launch| launch.call == LaunchCall::Graph);
    Some(DisplacedNames {
        launches: launches.len() as u64,
        of_launches: graph_launches.count() as u64,
        records: trace.disorders.iter().map(|disorder| u64::from(disorder.records)).sum(),
        moved: trace.disorders.iter().map(|disorder| u64::from(disorder.moved)).sum(),
        steps: steps.into_iter().collect(),
    })
}

/// What the reader must know of replays whose names and times do not belong together.
pub(crate) fn of_displaced_names(found: &DisplacedNames) -> Warning {
    let text = format!(
        "In {} of {} graph launches the records are not in the order of their starts ({} of {} records are out of place): \
         the profiler gave kernels the times of other kernels (ROCm/rocm-systems#10579). What a kernel, category, layer \
         or role took cannot be trusted; the times of steps and the totals can. rocprofv3, or a capture by \
         profile-decode, pairs names and times packet by packet.",
        found.launches, found.of_launches, found.moved, found.records
    );
    Warning { code: "names-on-other-times", text }
}

/// Ranks of the run that no input tells of, and how many there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MissingRanks {
    /// Ranks that are there.
    pub(crate) given: u32,
    /// Ranks that there were.
    pub(crate) world_size: u32,
}

/// Whether the inputs say that there were more ranks than they tell of.
pub(crate) fn missing_ranks(trace: &Trace) -> Option<MissingRanks> {
    let world_size = trace.ranks.iter().filter_map(|rank| rank.world_size).max()?;
    let given = trace.ranks.len() as u32;
    (given < world_size).then_some(MissingRanks { given, world_size })
}

/// What the reader must know of ranks that are not there.
pub(crate) fn of_missing_ranks(scope: &Scope<'_>) -> Option<Warning> {
    let MissingRanks { given, world_size } = missing_ranks(scope.trace)?;
    let communicates = scope.trace.dispatches.iter().any(|of| scope.category(of.name) == Category::Allreduce);
    let waits = match communicates {
        true => {
            let title = communication::title(scope);
            format!("; waiting for the others is inside {title}, and which rank came last cannot be told")
        }
        false => String::new(),
    };
    let text = format!("{given} of {world_size} ranks are given{waits}.");
    Some(Warning { code: "ranks-missing", text })
}
