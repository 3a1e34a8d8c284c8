//! What a trace says of its run outside of the events: the clock's base, the GPUs, the rank.

use std::path::Path;

use super::collective;
use crate::ingest::json::Raw;
use crate::model::{ConditionKind, ProcessGroup, TraceBuilder, hip_version};

/// Top-level keys that are looked at.
pub(super) const WANTED: [&str; 6] = [
    "baseTimeNanoseconds",
    "deviceProperties",
    "distributedInfo",
    "hip_runtime_version",
    "cuda_runtime_version",
    "torch_version",
];

/// Facts from the top level of the file.
#[derive(Default, Debug)]
pub(in crate::ingest) struct Header {
    /// What event times count from, in nanoseconds since the epoch.
    pub(super) base_ns: i64,
    devices: Vec<Device>,
    pub(super) rank: Option<u32>,
    pub(super) world_size: Option<u32>,
    /// Process groups, by their names.
    pub(super) groups: Vec<ProcessGroup>,
    conditions: Vec<(ConditionKind, String)>,
}

/// One entry of `deviceProperties`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Device {
    id: Option<i64>,
    name: Option<String>,
    arch: Option<String>,
    compute_units: Option<i64>,
}

impl Header {
    /// Takes in the value of a key of [`WANTED`].
    pub(super) fn take(&mut self, key: &str, value: &[u8]) {
        let value = Raw::new(value);
        match key {
            "baseTimeNanoseconds" => self.base_ns = value.integer().unwrap_or(0),
            "deviceProperties" => self.devices.extend(value.elements().map(Device::parse)),
            "distributedInfo" => {
                let number = |name| value.get(name).and_then(Raw::id).and_then(|number| u32::try_from(number).ok());
                self.rank = number("rank");
                self.world_size = number("world_size");
                self.groups = value.get("pg_config").map(collective::groups).unwrap_or_default();
                self.told(ConditionKind::Nccl, value.get("nccl_version"));
            }
            "hip_runtime_version" => match value.id() {
                Some(packed) => self.conditions.push((ConditionKind::Hip, hip_version(packed))),
                None => self.told(ConditionKind::Hip, Some(value)),
            },
            "cuda_runtime_version" => self.told(ConditionKind::Cuda, Some(value)),
            "torch_version" => self.told(ConditionKind::Torch, Some(value)),
            _ => {}
        }
    }

    /// A version, written as text or as a number.
    fn told(&mut self, kind: ConditionKind, value: Option<Raw<'_>>) {
        let text = value.and_then(|value| {
            value.text().map(std::borrow::Cow::into_owned).or_else(|| value.id().map(|number| number.to_string()))
        });
        self.conditions.extend(text.filter(|text| text != "N/A").map(|text| (kind, text)));
    }

    /// Tells the conditions of the run.
    pub(super) fn tell_conditions(&self, builder: &mut TraceBuilder) {
        for (kind, value) in &self.conditions {
            builder.condition(*kind, value.clone());
        }
        for units in self.devices.iter().filter_map(|device| device.compute_units) {
            builder.condition(ConditionKind::ComputeUnits, units.to_string());
        }
    }

    /// Marketing name and architecture of the GPU that events call `device`.
    ///
    /// Events may number GPUs otherwise than `deviceProperties` does (an HSA node against an ordinal), so the number
    /// decides only where the entries differ.
    pub(super) fn gpu(&self, device: Option<i64>) -> (Option<String>, Option<String>) {
        let same = |a: &Device, b: &Device| (&a.name, &a.arch) == (&b.name, &b.arch);
        let found = match self.devices.split_first() {
            Some((first, rest)) if rest.iter().all(|other| same(first, other)) => Some(first),
            _ => self.devices.iter().find(|entry| entry.id.is_some() && entry.id == device),
        };
        found.map_or((None, None), |found| (found.name.clone(), found.arch.clone()))
    }
}

impl Device {
    fn parse(value: Raw<'_>) -> Self {
        let name = value.get("name").and_then(Raw::text).filter(|name| !name.is_empty()).map(|name| name.into_owned());
        let number = |key| value.get(key).and_then(Raw::integer);
        let arch = match (number("computeMajor"), number("computeMinor"), number("warpSize")) {
            (Some(major), Some(minor), Some(wave)) => arch(major, minor, wave, name.as_deref().unwrap_or("")),
            _ => None,
        };
        Self { id: number("id"), name, arch, compute_units: number("numSms") }
    }
}

/// The architecture that a compute capability stands for. HIP reports `gfx942` as 9.4 and leaves out the stepping, so
/// where one number covers several chips the marketing name decides.
fn arch(major: i64, minor: i64, wave: i64, name: &str) -> Option<String> {
    let names = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match (major, minor, wave) {
        (9, 5, 64) => Some("gfx950".to_owned()),
        (9, 4, 64) => Some("gfx942".to_owned()),
        (9, 0, 64) if names(&["MI210", "MI250"]) => Some("gfx90a".to_owned()),
        (9, 0, 64) if names(&["MI100"]) => Some("gfx908".to_owned()),
        (_, _, 32) if !names(&["AMD", "Radeon"]) => Some(format!("sm_{major}{minor}")),
        _ => None,
    }
}

/// The rank that a file's name, or the directory it lies in, tells.
///
/// vLLM writes `…rank3.<ns>.pt.trace.json.gz`, HTA expects `rank-3`, SGLang writes `<time>-TP-3-DP-0.trace.json.gz`, ATOM
/// makes directories `rank_3` or `dp0_tp3`. A tensor-parallel number counts only where there is no second replica.
pub(in crate::ingest) fn rank_of_path(path: &Path) -> Option<u32> {
    let names = path.file_name().into_iter().chain(path.parent().and_then(Path::file_name));
    names.filter_map(|name| rank_of_name(&name.to_string_lossy())).next()
}

fn rank_of_name(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    numbered(&name, "rank").or_else(|| tensor_rank(&name))
}

/// The rank in a label of tensor and data parallel numbers: `TP-3-DP-0`, `dp0_tp3`, `[TP03-DP00]`.
pub(super) fn tensor_rank(label: &str) -> Option<u32> {
    let label = label.to_ascii_lowercase();
    let replica = numbered(&label, "dp").unwrap_or(0);
    let stage = numbered(&label, "pp").unwrap_or(0);
    numbered(&label, "tp").filter(|_| replica == 0 && stage == 0)
}

/// The number that stands behind `word` in `text`, where `word` is not the end of a longer one.
pub(in crate::ingest) fn numbered(text: &str, word: &str) -> Option<u32> {
    text.match_indices(word).find_map(|(at, _)| {
        if text[..at].ends_with(|before: char| before.is_ascii_alphabetic()) {
            return None;
        }
        let rest = text[at + word.len()..].trim_start_matches(['-', '_', '=']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_read_from_the_names_that_frameworks_give() {
        let names = [
            ("t/dp0_pp0_tp3_dcp0_ep3_rank3.1773709742341309550.pt.trace.json.gz", Some(3)),
            ("t/cpu_only_rank-34.Jul_15_10_52_41.1074.pt.trace.json.gz", Some(34)),
            ("t/1757000000.1-TP-5-DP-0-EP-5-DECODE.trace.json.gz", Some(5)),
            ("t/1757000000.1-TP-1-DP-2.trace.json.gz", None),
            ("rank_7/decode.json.gz", Some(7)),
            ("dp0_tp2/decode.json.gz", Some(2)),
            ("t/host_1234.1773709742.pt.trace.json.gz", None),
            ("t/frank2.json", None),
        ];
        for (name, rank) in names {
            assert_eq!(rank_of_path(Path::new(name)), rank, "{name}");
        }
    }

    #[test]
    fn a_gpu_is_found_whatever_numbers_the_events_use_unless_gpus_differ() {
        let mut header = Header::default();
        let mi300x = r#"{"name": "AMD Instinct MI300X", "computeMajor": 9, "computeMinor": 4, "warpSize": 64, "id": "#;
        header.take("deviceProperties", format!("[{mi300x} 0}}, {mi300x} 1}}]").as_bytes());
        assert_eq!(header.gpu(Some(9)), (Some("AMD Instinct MI300X".to_owned()), Some("gfx942".to_owned())));
        let b200 = r#"[{"name": "NVIDIA B200", "computeMajor": 10, "computeMinor": 0, "warpSize": 32, "id": 2}]"#;
        header.take("deviceProperties", b200.as_bytes());
        assert_eq!(header.gpu(Some(2)).1.as_deref(), Some("sm_100"));
        assert_eq!(header.gpu(Some(9)), (None, None));
    }
}
