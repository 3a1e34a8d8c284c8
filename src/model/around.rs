//! What stood around a run: software, settings and the state of the GPUs, as its producer found them.
//!
//! None of it is needed to say where the time went. It says why two runs that should be alike are not: another commit, a
//! tuned table with other rows, a variable, a power cap. A [`Fact`] is a name and a value of some [`FactKind`]; the kinds
//! stand in the order in which they explain another speed.

use serde::{Deserialize, Serialize};

use super::ProcessIdx;

/// What was found around a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Around {
    /// Facts, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Tuned tables, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TunedTable>,
    /// Time that looking for it took, in the process where it took longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ns: Option<u64>,
    /// Whether a bound cut the search short in some process.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Seconds that the local time is ahead of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_offset_s: Option<i32>,
    /// What the GPUs were doing.
    #[serde(skip)]
    pub samples: Vec<GpuSample>,
    /// What is added to the trace's times to get nanoseconds of Unix time, where that is known.
    #[serde(skip)]
    pub unix_offset_ns: Option<i64>,
}

impl Around {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.tables.is_empty()
    }

    /// Adds what another process, or a later part, tells.
    pub fn add(&mut self, other: Around) {
        for fact in other.facts {
            if let Err(at) = self.facts.binary_search(&fact) {
                self.facts.insert(at, fact);
            }
        }
        for table in other.tables {
            if !self.tables.iter().any(|known| known.name == table.name && known.hash == table.hash) {
                self.tables.push(table);
            }
        }
        self.tables.sort_by(|a, b| (&a.name, &a.hash).cmp(&(&b.name, &b.hash)));
        self.took_ns = self.took_ns.max(other.took_ns);
        self.cut |= other.cut;
        self.utc_offset_s = self.utc_offset_s.or(other.utc_offset_s);
        self.samples.extend(other.samples);
        self.unix_offset_ns = self.unix_offset_ns.or(other.unix_offset_ns);
    }

    /// Values of a fact, in order.
    pub fn values(&self, kind: FactKind, name: &str) -> impl Iterator<Item = &str> {
        self.facts.iter().filter(move |fact| fact.kind == kind && fact.name == name).map(|fact| &*fact.value)
    }
}

/// A thing that was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Fact {
    /// What kind of thing it is.
    pub kind: FactKind,
    /// What it is called.
    pub name: String,
    /// What it is. Processes of a run may tell different values.
    pub value: String,
}

/// A kind of fact. What explains another speed best stands first; where a container was started from stands last, since it
/// is another one in every run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// How a GPU is partitioned.
    Partition,
    /// Its power cap, its clocks' bounds and who sets them.
    GpuLimit,
    /// One of aiter's tuned tables.
    TunedTable,
    /// A package that brings kernels.
    KernelPackage,
    /// The commit that a package was built from.
    Commit,
    /// Prebuilt code objects of a directory.
    CodeObjects,
    /// What the engine's log tells.
    Logged,
    /// A serving engine.
    Engine,
    /// An argument of the engine.
    Argument,
    /// An environment variable.
    Variable,
    /// ROCm and its parts.
    Rocm,
    /// The GPU's driver and firmware, the operating system.
    Driver,
    /// Another Python package.
    Package,
    /// The container's image.
    Image,
    /// What a later version of this program knows.
    #[serde(other)]
    Other,
}

impl FactKind {
    /// All of them, in order.
    pub const ALL: [Self; 15] = [
        Self::Partition,
        Self::GpuLimit,
        Self::TunedTable,
        Self::KernelPackage,
        Self::Commit,
        Self::CodeObjects,
        Self::Logged,
        Self::Engine,
        Self::Argument,
        Self::Variable,
        Self::Rocm,
        Self::Driver,
        Self::Package,
        Self::Image,
        Self::Other,
    ];

    /// What it is called in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Partition => "GPU partition",
            Self::GpuLimit => "GPU limits",
            Self::TunedTable => "tuned table",
            Self::KernelPackage => "kernel package",
            Self::Commit => "commit",
            Self::CodeObjects => "code objects",
            Self::Logged => "engine's log",
            Self::Engine => "engine",
            Self::Argument => "engine argument",
            Self::Variable => "variable",
            Self::Rocm => "ROCm",
            Self::Driver => "driver and system",
            Self::Package => "Python package",
            Self::Image => "container",
            Self::Other => "other",
        }
    }
}

/// A tuned table: which kernel won for which shape.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TunedTable {
    /// Its file, from the directory of tables on.
    pub name: String,
    /// Of its bytes.
    pub hash: String,
    /// Rows in it, of all GPUs.
    pub rows: u64,
    /// Kernels that its rows of this GPU name.
    pub kernels: Vec<String>,
    /// Rows of this GPU that decode may ask for: M, N and K (0 where the table has none) and which of the kernels won.
    pub shapes: Vec<([u32; 3], u32)>,
    /// Whether there are more such rows than are kept.
    pub cut: bool,
}

/// What a GPU was doing at a moment. `None`: not readable.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GpuSample {
    /// The process that looked.
    pub process: ProcessIdx,
    /// The GPU, as [`Rank::device`](super::Rank::device) has it.
    pub device: i64,
    /// When.
    pub at_ns: i64,
    /// What was read.
    pub read: GpuState,
}

/// What a GPU tells of itself at a moment. `None`: not readable.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuState {
    /// Shader clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_mhz: Option<u32>,
    /// Power of the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<u32>,
    /// Power cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap_w: Option<u32>,
    /// Temperature of the hottest place on the die.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hotspot_c: Option<u32>,
    /// Whether the firmware says that it throttles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(kind: FactKind, name: &str, value: &str) -> Fact {
        Fact { kind, name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn what_several_processes_tell_is_kept_once_and_in_order() {
        let one = Around {
            facts: vec![fact(FactKind::Variable, "VLLM_USE_V1", "1"), fact(FactKind::Rocm, "ROCm", "7.0.0")],
            took_ns: Some(5),
            ..Around::default()
        };
        let mut all = Around::default();
        all.add(one.clone());
        all.add(Around { facts: vec![fact(FactKind::Variable, "VLLM_USE_V1", "0")], cut: true, ..one.clone() });
        all.add(one);
        let values: Vec<&str> = all.values(FactKind::Variable, "VLLM_USE_V1").collect();
        assert_eq!((values, all.facts.len(), all.took_ns, all.cut), (vec!["0", "1"], 3, Some(5), true));
    }

    #[test]
    fn kinds_are_listed_in_their_order_and_a_later_one_is_read() {
        assert!(FactKind::ALL.is_sorted());
        let read: Fact = serde_json::from_str(r#"{"kind":"weather","name":"rain","value":"yes"}"#).unwrap();
        assert_eq!(read.kind, FactKind::Other);
    }
}
