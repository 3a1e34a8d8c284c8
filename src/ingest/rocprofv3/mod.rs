//! rocprofv3: what its CSV, JSON and rocpd outputs have in common, and the readers of the first two.
//!
//! All three say the same in different words: kernels and API calls of one process share the SDK's internal
//! correlation id; all kernels that a graph launch replays carry the id of that one call; markers are ranges on a
//! thread. Times are nanoseconds since boot, of CPU and GPU alike.

pub(super) mod csv;
pub(super) mod json;

use std::collections::HashMap;

use super::gpus::Gpus;
use crate::model::{ConditionKind, CopyKind, TraceBuilder};

/// A CPU or GPU of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Agent {
    /// What dispatches call it.
    pub(super) id: i64,
    /// Number among all agents, CPUs first, as `rocprofv3` shows it.
    pub(super) device: Option<i64>,
    pub(super) is_gpu: bool,
    /// `gfx942`.
    pub(super) arch: Option<String>,
    /// Marketing name.
    pub(super) product: Option<String>,
    pub(super) compute_units: Option<i64>,
    /// XCC.
    pub(super) dies: Option<i64>,
}

/// Fills in what `agents` say of `gpus`, of which all records are read. Where all GPUs of the host are alike, one that is not found is like them.
pub(super) fn describe(builder: &mut TraceBuilder, gpus: &mut Gpus<i64>, agents: &[Agent]) {
    gpus.fold(builder);
    let mut kinds = agents.iter().filter(|agent| agent.is_gpu);
    let first = kinds.next();
    let like_all = first.filter(|first| kinds.all(|other| other.arch == first.arch && other.product == first.product));
    // Of agents with one id the first counts.
    let by_id: HashMap<i64, &Agent> = agents.iter().rev().map(|agent| (agent.id, agent)).collect();
    for &(id, rank) in gpus.ranks() {
        let agent = by_id.get(&id).copied();
        let rank = builder.rank_mut(rank);
        rank.device = agent.map_or(Some(id), |agent| agent.device.or(Some(id)));
        if let Some(agent) = agent.filter(|agent| agent.is_gpu).or(like_all) {
            rank.arch.clone_from(&agent.arch);
            rank.gpu.clone_from(&agent.product);
            for (kind, value) in
                [(ConditionKind::ComputeUnits, agent.compute_units), (ConditionKind::ComputeDies, agent.dies)]
            {
                value.iter().for_each(|value| builder.condition(kind, value.to_string()));
            }
        }
    }
}

/// Whether records of the domain or category `name` are marker ranges: `MARKER_CORE_API` up to ROCm 6,
/// `MARKER_CORE_RANGE_API` since.
pub(super) fn is_marker_range(name: &str) -> bool {
    matches!(name, "MARKER_CORE_RANGE_API" | "MARKER_CORE_API")
}

/// What a copy moved: `MEMORY_COPY_HOST_TO_DEVICE`, or without the prefix before ROCm 6.4.
pub(super) fn copy_kind(direction: &str) -> CopyKind {
    match direction.strip_prefix("MEMORY_COPY_").unwrap_or(direction) {
        "HOST_TO_DEVICE" => CopyKind::HostToDevice,
        "DEVICE_TO_HOST" => CopyKind::DeviceToHost,
        "DEVICE_TO_DEVICE" => CopyKind::DeviceToDevice,
        _ => CopyKind::Unknown,
    }
}

/// The serving framework that a command line names.
pub(crate) fn framework(command: &str) -> Option<String> {
    let command = command.to_ascii_lowercase();
    ["vllm", "sglang", "atom"].into_iter().find(|name| has_word(&command, name)).map(str::to_owned)
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let bounded = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        bounded(text[..at].chars().next_back()) && bounded(text[at + word.len()..].chars().next())
    })
}

/// Graph launches whose executable is told apart from the call itself.
#[derive(Default)]
pub(super) struct GraphExecs {
    /// Position among all launches, by whatever the producer ties arguments to.
    launches: HashMap<u64, usize>,
}

impl GraphExecs {
    /// Whether no graph was launched.
    pub(super) fn is_empty(&self) -> bool {
        self.launches.is_empty()
    }

    /// Notes that the launch that is added next is a graph's.
    pub(super) fn launched(&mut self, builder: &TraceBuilder, key: u64) {
        self.launches.insert(key, builder.launches());
    }

    /// Notes which executable, a pointer as text, the launch `key` replayed.
    pub(super) fn is(&self, builder: &mut TraceBuilder, key: u64, pointer: &str) {
        if let (Some(&position), Some(graph)) = (self.launches.get(&key), pointer_value(pointer)) {
            builder.launch_mut(position).graph = Some(graph);
        }
    }
}

/// The number that a pointer's text stands for.
pub(super) fn pointer_value(pointer: &str) -> Option<u64> {
    u64::from_str_radix(pointer.trim().strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_are_whole_words_of_the_command() {
        assert_eq!(framework("python -m vllm.entrypoints.openai.api_server").as_deref(), Some("vllm"));
        assert_eq!(framework("/opt/venv/bin/sglang serve").as_deref(), Some("sglang"));
        assert_eq!(framework("./atomic_bench"), None);
    }
}
