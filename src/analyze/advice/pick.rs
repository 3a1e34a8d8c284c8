//! Kernels picked by what they are and by what runs beside them: the query language of the rules.
//!
//! A pick is a constant, written as a sentence:
//!
//! ```text
//!   any(Category::Quantization).kinds(&["fp8_per_token"]).followed_by(&[any(Category::Gemm)])
//! ```
//!
//! All that is said must hold. What a neighbour does is counted execution by execution: of a kernel that is followed by a
//! GEMM every other time, half of the time is picked. Kernels whose class is a guess are never picked.

use crate::analyze::advice::evidence::{Evidence, Kernel};
use crate::classify::{Category, Confidence};

/// A set of kernels.
#[derive(Clone, Copy)]
pub(super) struct Pick {
    category: Category,
    kinds: &'static [&'static str],
    backends: &'static [&'static str],
    words: &'static [&'static str],
    without: &'static [&'static str],
    at_most_a_step: f64,
    at_least_a_step: f64,
    only: Option<fn(&Evidence<'_>, &Kernel<'_>) -> bool>,
    next: &'static [Pick],
    previous: &'static [Pick],
}

/// All kernels of a category.
pub(super) const fn any(category: Category) -> Pick {
    Pick {
        category,
        kinds: &[],
        backends: &[],
        words: &[],
        without: &[],
        at_most_a_step: f64::INFINITY,
        at_least_a_step: 0.0,
        only: None,
        next: &[],
        previous: &[],
    }
}

impl Pick {
    /// Of one of these kinds.
    pub(super) const fn kinds(self, kinds: &'static [&'static str]) -> Self {
        Self { kinds, ..self }
    }

    /// By one of these backends.
    pub(super) const fn by(self, backends: &'static [&'static str]) -> Self {
        Self { backends, ..self }
    }

    /// With one of these, in small letters, in its name.
    pub(super) const fn named(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    /// With none of these in its name.
    pub(super) const fn not_named(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }

    /// That run so often in a step or less: once for the model, not once a layer.
    pub(super) const fn at_most_a_step(self, times: f64) -> Self {
        Self { at_most_a_step: times, ..self }
    }

    /// That run so often in a step or more.
    pub(super) const fn at_least_a_step(self, times: f64) -> Self {
        Self { at_least_a_step: times, ..self }
    }

    /// For which this holds.
    pub(super) const fn only(self, holds: fn(&Evidence<'_>, &Kernel<'_>) -> bool) -> Self {
        Self { only: Some(holds), ..self }
    }

    /// After which, on the same stream in the same step, one of these runs.
    pub(super) const fn followed_by(self, next: &'static [Pick]) -> Self {
        Self { next, ..self }
    }

    /// Before which, on the same stream in the same step, one of these runs.
    pub(super) const fn preceded_by(self, previous: &'static [Pick]) -> Self {
        Self { previous, ..self }
    }

    /// Whether it is one, whatever runs beside it.
    pub(super) fn holds(&self, evidence: &Evidence<'_>, kernel: &Kernel<'_>) -> bool {
        let row = kernel.row;
        let among = |list: &[&str], text: &str| list.is_empty() || list.contains(&text);
        row.category == self.category
            && row.confidence != Confidence::Low
            && among(self.kinds, row.sub.as_deref().unwrap_or(""))
            && among(self.backends, &row.backend)
            && (self.words.is_empty() || self.words.iter().any(|word| kernel.text.contains(word)))
            && !self.without.iter().any(|word| kernel.text.contains(word))
            && kernel.a_step <= self.at_most_a_step
            && kernel.a_step >= self.at_least_a_step
            && self.only.is_none_or(|holds| holds(evidence, kernel))
    }

    /// Wall time that it picks of the kernel at `at`: no more than the kernel held up, nor than the executions with
    /// such neighbours took.
    pub(super) fn ns(&self, evidence: &Evidence<'_>, at: usize) -> u64 {
        let kernel = &evidence.kernels[at];
        if !self.holds(evidence, kernel) {
            return 0;
        }
        let beside = |picks: &[Pick], next: bool| -> u64 {
            if picks.is_empty() {
                return u64::MAX;
            }
            let neighbours = evidence.neighbours(at, next);
            let picked = |other: usize| picks.iter().any(|pick| pick.holds(evidence, &evidence.kernels[other]));
            neighbours.filter(|&(other, _)| picked(other)).map(|(_, ns)| ns).sum()
        };
        kernel.critical_ns.min(beside(self.next, true)).min(beside(self.previous, false))
    }
}
