//! What stood around a run: what its producer found, and what foreign traces tell of the same things.

pub(crate) mod packages;
mod telemetry;

use crate::analyze::scope::Scope;
use crate::model::{Around, ConditionKind, Fact, FactKind, Trace};
use crate::output::around::{FactRow, Surroundings};

/// What stood around a trace; conditions of foreign traces are facts as well.
pub(crate) fn of(trace: &Trace) -> Around {
    let mut around = Around { samples: Vec::new(), ..trace.around.clone() };
    let mut told = Vec::new();
    for condition in &trace.conditions {
        let (kind, name) = match condition.kind {
            ConditionKind::ComputeUnits => (FactKind::Partition, "compute units"),
            ConditionKind::ComputeDies => (FactKind::Partition, "compute dies"),
            // A quantity that was measured is no setting.
            ConditionKind::ShaderClock => continue,
            ConditionKind::Rocm => (FactKind::Rocm, "ROCm"),
            ConditionKind::Hip => (FactKind::Rocm, "HIP"),
            ConditionKind::Cuda => (FactKind::Rocm, "CUDA"),
            ConditionKind::Torch => (FactKind::KernelPackage, "torch"),
            ConditionKind::Nccl => (FactKind::Rocm, "RCCL/NCCL"),
            ConditionKind::Kernel => (FactKind::Driver, "Linux"),
        };
        told.push(Fact { kind, name: name.to_owned(), value: condition.value.clone() });
    }
    around.add(Around { facts: told, ..Around::default() });
    around
}

/// Facts of one name are one.
pub(crate) fn rows(around: &Around) -> Vec<FactRow> {
    let mut rows: Vec<FactRow> = Vec::new();
    for Fact { kind, name, value } in &around.facts {
        match rows.last_mut().filter(|row| row.kind == *kind && row.name == *name) {
            Some(row) => row.values.push(value.clone()),
            None => rows.push(FactRow { kind: *kind, name: name.clone(), values: vec![value.clone()] }),
        }
    }
    rows
}

/// The surroundings of a report; `None` where nothing is known.
pub(crate) fn surroundings(scope: &Scope<'_>) -> Option<Surroundings> {
    let around = of(scope.trace);
    let facts = rows(&around);
    let telemetry = telemetry::telemetry(scope);
    if facts.is_empty() && telemetry.is_empty() {
        return None;
    }
    Some(Surroundings { facts, telemetry, took_ns: around.took_ns, cut: around.cut })
}
