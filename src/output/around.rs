//! What stood around a run, and what is another around two runs.

use serde::Serialize;

use crate::model::FactKind;

/// Software, settings and the state of the GPUs around a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Surroundings {
    /// What was found, by kind: what explains another speed best comes first.
    pub facts: Vec<FactRow>,
    /// What each GPU was doing; empty where nothing could be read.
    pub telemetry: Vec<GpuTelemetry>,
    /// Time that looking for it took in the traced process; `None` for foreign traces.
    pub took_ns: Option<u64>,
    /// Whether a bound cut the search short, so that facts are missing.
    pub cut: bool,
}

/// A thing that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FactRow {
    /// What kind of thing it is.
    pub kind: FactKind,
    /// What it is called.
    pub name: String,
    /// What it is: several where processes of the run tell different values.
    pub values: Vec<String>,
}

/// What a GPU was doing while steps were recorded.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GpuTelemetry {
    /// Its rank.
    pub rank: u32,
    /// How often it was looked at.
    pub samples: u64,
    /// Shader clock in MHz.
    pub clock_mhz: Option<Reading>,
    /// Power of the socket in watts.
    pub power_w: Option<Reading>,
    /// Power cap in watts.
    pub cap_w: Option<Reading>,
    /// Temperature of the hottest place in degrees Celsius.
    pub hotspot_c: Option<Reading>,
    /// Part of the looks at which the firmware said that it throttles; `None` where it does not say.
    pub throttled_share: Option<f64>,
    /// Clock and power by decode step, where somebody looked near it.
    pub steps: Vec<StepReading>,
    /// Median clock in MHz at the slowest tenth of those steps; `None` for fewer than 20 steps.
    pub slow_steps_clock_mhz: Option<u32>,
    /// Median clock in MHz at the other steps.
    pub other_steps_clock_mhz: Option<u32>,
}

/// A quantity over the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Reading {
    /// At the first look.
    pub first: u32,
    /// At the last.
    pub last: u32,
    /// The least.
    pub min: u32,
    /// The median, by nearest rank.
    pub p50: u32,
    /// The most.
    pub max: u32,
}

/// What a GPU was doing about the time of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct StepReading {
    /// Number of the step.
    pub step: u32,
    /// Shader clock in MHz.
    pub clock_mhz: Option<u32>,
    /// Power of the socket in watts.
    pub power_w: Option<u32>,
}

/// What is another around two runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SurroundingsChange {
    /// What differs: first what explains kernels that changed, then by kind.
    pub differ: Vec<FactChange>,
    /// How many things are equal.
    pub equal: u64,
    /// Tuned tables that differ, row by row.
    pub tables: Vec<TableChange>,
}

/// A thing that is another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FactChange {
    /// What kind of thing it is.
    pub kind: FactKind,
    /// What it is called.
    pub name: String,
    /// What it is in the base; empty: it is not there.
    pub base: Vec<String>,
    /// What it is in the new.
    pub new: Vec<String>,
    /// Kernels that changed and that belong to it, by place in the table of kernels.
    pub kernels: Vec<u64>,
    /// What these changed by a step; `None` where there are none.
    pub delta_ns_per_step: Option<i64>,
}

/// A tuned table that is another.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TableChange {
    /// Its file, from the directory of tables on.
    pub name: String,
    /// Rows of this GPU that decode may ask for and that differ, those that a kernel ran with first.
    pub rows: Vec<TableRowChange>,
    /// How many differ; there may be more than are listed.
    pub rows_differ: u64,
    /// Whether a side has more rows than its capture keeps.
    pub cut: bool,
}

/// A row of a tuned table that is another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TableRowChange {
    /// M, N and K; 0 where the table has none.
    pub shape: [u32; 3],
    /// Kernel that won in the base's table; `None`: the row is not in it.
    pub base_kernel: Option<String>,
    /// In the new's.
    pub new_kernel: Option<String>,
    /// Kernels of the comparison that ran with it, by place in the table of kernels.
    pub kernels: Vec<u64>,
    /// What these changed by a step; `None` where there are none.
    pub delta_ns_per_step: Option<i64>,
    /// How that is known: `shape` where captures tell what the kernels worked on, else `name`; `None` where there are none.
    pub joined_by: Option<&'static str>,
}

/// The package that a kernel belongs to, where it is another on the two sides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PackageChange {
    /// The package.
    pub name: String,
    /// Its versions and commits in the base.
    pub base: Vec<String>,
    /// In the new.
    pub new: Vec<String>,
    /// How it is known that the kernel is of this package: `file` where its code object or source tells, else `backend`.
    pub known_by: &'static str,
}
