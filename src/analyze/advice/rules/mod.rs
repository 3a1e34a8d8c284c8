//! The rules, by what they are about. Each file is a table; [`Rule`] says what a row holds.
//!
//! Flags, variables, files and commands in the texts are facts of other projects: each is a row of
//! [`switches`](crate::analyze::advice::switches), with the place where it was looked up. A rule comes after those that
//! it yields to.

mod attention;
mod gemm;
mod glue;
mod host;
mod moe;
mod ranks;
mod steps;
mod trust;

use crate::analyze::advice::evidence::Evidence;
use crate::analyze::advice::finding::{Claim, Finding};
use crate::analyze::advice::pick::Pick;
use crate::analyze::advice::way::Way;
use crate::classify::Category;
use crate::output::time::Cause;

/// One rule.
pub(in crate::analyze) struct Rule {
    /// Stable name.
    pub(super) id: &'static str,
    /// One line. `{share}` becomes the share of the wall time, `{it}` what the finding is about.
    pub(super) title: &'static str,
    /// What it looks for.
    pub(super) find: Find,
    /// Share of the wall time from which on it speaks.
    pub(super) threshold: f64,
    /// What is perfect in the bound: "at most … if …".
    pub(super) bound: &'static str,
    /// What to do, in order of effort.
    pub(super) ways: &'static [Way],
    /// How to see whether it helped.
    pub(super) verify: &'static str,
    /// More specific rules; what they claim is taken from this one.
    pub(super) yields_to: &'static [&'static str],
    /// Whether it is about the capture itself, and speaks where all others must be silent.
    pub(super) about_trust: bool,
}

/// What a rule looks for.
pub(super) enum Find {
    /// The wall time that kernels of any of these picks held up.
    Kernels(&'static [Pick]),
    /// The same, where this holds of the whole.
    KernelsIf(fn(&Evidence<'_>) -> bool, &'static [Pick]),
    /// Idle time of these causes, where this holds of the whole.
    IdleIf(fn(&Evidence<'_>) -> bool, &'static [Cause]),
    /// A question of its own.
    Ask(fn(&Evidence<'_>) -> Option<Finding>),
}

/// A duration with three digits and the unit that suits.
pub(super) fn took(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..100_000 => (ns as f64 / 1e3, "µs"),
        100_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if value < 1.0 { 2 } else { 2_usize.saturating_sub(value.log10() as usize) };
    format!("{value:.digits$} {unit}")
}

impl Rule {
    /// Whether it asks for nothing but which kernels run, and for how long.
    pub(super) fn is_of_kernels(&self) -> bool {
        matches!(self.find, Find::Kernels(_) | Find::KernelsIf(..))
    }

    /// What it finds; `None` for nothing at all. The threshold is the caller's to apply.
    pub(super) fn find(&self, evidence: &Evidence<'_>) -> Option<Finding> {
        let finding = match self.find {
            Find::Kernels(picks) => kernels(evidence, picks),
            Find::KernelsIf(holds, picks) => holds(evidence).then(|| kernels(evidence, picks))?,
            Find::IdleIf(holds, causes) => holds(evidence).then(|| idle(evidence, causes))?,
            Find::Ask(ask) => ask(evidence)?,
        };
        (!finding.claims.is_empty()).then_some(finding)
    }
}

/// All rules, those that others yield to first.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    [gemm::RULES, attention::RULES, moe::RULES, glue::RULES, ranks::RULES, steps::RULES, host::RULES, trust::RULES]
        .into_iter()
        .flatten()
}

fn kernels(evidence: &Evidence<'_>, picks: &[Pick]) -> Finding {
    let picked = |at: usize| picks.iter().map(|pick| pick.ns(evidence, at)).max().unwrap_or(0);
    let claims: Vec<(Claim, u64)> =
        (0..evidence.kernels.len()).map(|at| (Claim::Kernel(at), picked(at))).filter(|&(_, ns)| ns > 0).collect();
    let rows = || claims.iter().filter_map(|(claim, _)| claim.kernel()).map(|at| &evidence.kernels[at]);
    let gpu_ns: u64 = rows().map(|kernel| kernel.row.total_ns).sum();
    let a_step: f64 = rows().map(|kernel| kernel.a_step).sum();
    let held: u64 = claims.iter().map(|(_, ns)| ns).sum();
    let mut backends: Vec<&str> = rows().map(|kernel| kernel.row.backend.as_str()).collect();
    backends.sort_unstable();
    backends.dedup();
    let gpu_share = crate::analyze::time::stats::share(gpu_ns, evidence.report.scope.counted.gpu_time_ns);
    let mut seen = vec![format!(
        "kernels table: {} of {}, {a_step:.1} executions a step, {} of the GPU time; the wall time in question is {}",
        several(claims.len(), "kernel"),
        backends.join(", "),
        percent(gpu_share),
        percent(evidence.share(held)),
    )];
    let shapes = gemm::shapes(evidence, |_, name| rows().any(|kernel| kernel.row.name == name));
    seen.extend(gemm::listed(evidence, &shapes));
    Finding { claims, seen, ..Finding::default() }
}

/// How many times what reading weights and cache takes a category must take.
const FAR: f64 = 1.5;

/// Kernels of a category that takes much longer than the memory's speed asks for; what could be saved is the distance.
fn far_from_floor(evidence: &Evidence<'_>, pick: Pick, category: Category) -> Option<Finding> {
    let floor = evidence.report.floor.as_ref()?;
    let row = floor.categories.iter().find(|row| row.name == category)?;
    let (floor_ns, critical_ns) = (row.floor_ns_per_step, row.critical_ns_per_step?);
    if floor_ns == 0 || (critical_ns as f64) < floor_ns as f64 * FAR {
        return None;
    }
    let mut finding = kernels(evidence, &[pick]);
    finding.cap((critical_ns - floor_ns) * evidence.steps);
    finding.it = format!("{:.1}", critical_ns as f64 / floor_ns as f64);
    let title = evidence.report.title(category);
    finding.seen.push(format!("decode floor: {title} {} a step at {} GB/s", took(floor_ns), floor.hbm_bytes_per_ns));
    Some(finding)
}

fn idle(evidence: &Evidence<'_>, causes: &[Cause]) -> Finding {
    let claims: Vec<(Claim, u64)> =
        causes.iter().map(|&cause| (Claim::Idle(cause), evidence.idle_ns(cause))).filter(|&(_, ns)| ns > 0).collect();
    let of = |&(claim, ns): &(Claim, u64)| match claim {
        Claim::Idle(cause) => format!("{} {}", cause_name(cause), percent(evidence.share(ns))),
        _ => String::new(),
    };
    let all = evidence.report.idle.as_ref().map_or(0.0, |idle| idle.critical_share);
    let parts: Vec<String> = claims.iter().map(of).collect();
    let seen = vec![format!("idle by cause: {} of the wall time; all idle time {}", parts.join(", "), percent(all))];
    Finding { claims, seen, ..Finding::default() }
}

/// As the report's JSON calls it.
fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::LaunchGap => "launch_gap",
        Cause::Host => "host",
        Cause::WaitPeer => "wait_peer",
        Cause::Copy => "copy",
        Cause::OtherWork => "other_work",
        Cause::Unknown => "unknown",
    }
}

pub(super) fn several(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A share in prose.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::took;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let said = [999, 1_234, 34_560, 459_757, 1_234_567, 45_600_000, 2_000_000_000].map(took);
        assert_eq!(said, ["999 ns", "1.23 µs", "34.6 µs", "0.46 ms", "1.23 ms", "45.6 ms", "2.00 s"]);
    }
}
