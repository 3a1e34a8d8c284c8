//! What the SDK calls the operations that the tracer listens to.

use rocprofiler_sys::{CallError, Sdk};

use super::graphs::calls::{self, Known};
use crate::ingest::launch::launch_call;
use crate::model::LaunchCall;

/// The kind of HIP's executable graphs: of callbacks only, for the buffered kind of this name makes the SDK intercept
/// dispatches in another way.
pub(super) const HIP_GRAPH: &str = "HIP_GRAPH";
/// The kind of HIP's calls.
pub(super) const HIP: &str = "HIP_RUNTIME_API";
const GRAPH_LAUNCHES: [&str; 2] = ["hipGraphLaunch", "hipGraphLaunch_spt"];
/// More than any SDK has; a number beyond is taken for a mistake.
const MOST_OPERATIONS: usize = 1 << 14;

/// The numbers of the operations that callbacks tell apart, resolved by name; `None`: this SDK lacks it.
#[derive(Clone, Debug)]
pub(super) struct Operations {
    pub(super) push: Option<i32>,
    pub(super) pop: Option<i32>,
    pub(super) start: Option<i32>,
    pub(super) stop: Option<i32>,
    /// hipGraphLaunch and its per-thread-stream twin.
    pub(super) graph_launches: Vec<i32>,
    /// The launch of an executable graph, from SDK 1.3.0 on.
    pub(super) exec_launch: Option<i32>,
    /// The making of an executable graph, as well.
    pub(super) exec_create: Option<i32>,
    /// What the other calls are that put work on a GPU, by number.
    calls: Vec<Option<LaunchCall>>,
    /// What calls are to captures of graphs, by number.
    graph_calls: Vec<Option<Known>>,
}

impl Operations {
    /// Asks the SDK; `trouble` hears of what it would not say.
    pub(super) fn find(sdk: &Sdk, mut trouble: impl FnMut(CallError)) -> Self {
        let hip = sdk.callback_kind(HIP).map_or(Ok(Vec::new()), |kind| sdk.operations(kind));
        let hip = hip.unwrap_or_else(|error| {
            trouble(error);
            Vec::new()
        });
        let mut calls = Vec::new();
        for (operation, name) in &hip {
            let Some(call) = launch_call(name).filter(|call| !matches!(call, LaunchCall::Graph | LaunchCall::Other))
            else {
                continue;
            };
            let Ok(at) = usize::try_from(*operation) else { continue };
            // What edits a graph puts nothing on a GPU.
            if at < MOST_OPERATIONS && !name.starts_with("hipGraph") {
                calls.resize(calls.len().max(at + 1), None);
                calls[at] = Some(call);
            }
        }
        let mut graph_calls = Vec::new();
        for (operation, name) in &hip {
            if let (Ok(at), Some(known)) = (usize::try_from(*operation), calls::known(name))
                && at < MOST_OPERATIONS
            {
                graph_calls.resize(graph_calls.len().max(at + 1), None);
                graph_calls[at] = Some(known);
            }
        }
        let graph_launches = hip.iter().filter(|(_, name)| GRAPH_LAUNCHES.contains(name)).map(|(number, _)| *number);
        let graph_launches = graph_launches.collect();
        let mut operation = |kind: &str, name: &str| {
            sdk.operation(sdk.callback_kind(kind)?, name).unwrap_or_else(|error| {
                trouble(error);
                None
            })
        };
        let exec_launch = operation(HIP_GRAPH, "HIP_GRAPH_OPERATION_EXEC_LAUNCH");
        let exec_create = operation(HIP_GRAPH, "HIP_GRAPH_OPERATION_EXEC_CREATE");
        let mut marker = |name: &str| operation("MARKER_CORE_API", name);
        Self {
            exec_launch,
            exec_create,
            push: marker("roctxRangePushA"),
            pop: marker("roctxRangePop"),
            start: marker("roctxRangeStartA"),
            stop: marker("roctxRangeStop"),
            graph_launches,
            calls,
            graph_calls,
        }
    }

    /// What the HIP call of this number is, if it puts work on a GPU other than by a graph.
    #[inline(always)]
    pub(super) fn call(&self, operation: i32) -> Option<LaunchCall> {
        self.calls.get(usize::try_from(operation).ok()?).copied().flatten()
    }

    /// The numbers of those calls.
    pub(super) fn calls(&self) -> Vec<i32> {
        let numbers = self.calls.iter().enumerate().filter(|(_, call)| call.is_some());
        numbers.map(|(number, _)| number as i32).collect()
    }

    /// What the HIP call of this number is to captures of graphs.
    #[inline(always)]
    pub(super) fn graph_call(&self, operation: i32) -> Option<Known> {
        self.graph_calls.get(usize::try_from(operation).ok()?).copied().flatten()
    }

    /// The numbers of those calls that are listened to all the time, or else of those while a graph is captured.
    pub(super) fn graph_calls(&self, lasting: bool) -> Vec<i32> {
        let is_such = |known: &Option<Known>| known.is_some_and(|known| known.lasts == lasting);
        let numbers = self.graph_calls.iter().enumerate().filter(|(_, known)| is_such(known));
        numbers.map(|(number, _)| number as i32).collect()
    }

    /// The marker operations to subscribe to.
    pub(super) fn markers(&self) -> Vec<i32> {
        [self.push, self.pop, self.start, self.stop].into_iter().flatten().collect()
    }
}
