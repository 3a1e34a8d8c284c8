//! Whether a comparison calls kernels what the reports of its sides call them.

#![allow(missing_docs, unreachable_pub)]

use profile_decode::output::comparison::Fate;
use profile_decode::output::{Comparison, Report};

/// Asserts it for every kernel of `found` that has a place; returns how many there are.
pub fn are_the_reports(found: &Comparison, base: &Report, new: &Report) -> usize {
    let placed = found.kernels.iter().filter_map(|row| row.role.as_deref().map(|role| (row, role)));
    let check = |(row, role): (_, &str)| {
        let row: &profile_decode::output::comparison::KernelChange = row;
        let (report, kernels) = if row.fate == Fate::Added { (new, &row.new) } else { (base, &row.base) };
        let slots = report.layers.iter().flat_map(|layers| &layers.slots).filter(|slot| slot.slot.is_some());
        let of_kernel = slots.filter(|slot| slot.kernels.contains(&kernels[0]));
        let words: Vec<String> =
            of_kernel.map(|slot| format!("{}: {}", format!("{:?}", slot.section).to_lowercase(), slot.role)).collect();
        assert!(words.iter().any(|word| word == role), "{}: {role:?}, and {words:?} in the report", kernels[0]);
    };
    placed.map(check).count()
}
