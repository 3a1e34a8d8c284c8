//! The one way from a trace to its report: what its kernels are, what a step is, and what it all amounts to.
//!
//! ```text
//!   files ── ingest ──> Trace ─┬─ classify ─> Classes   ─┐
//!                              └─ steps ────> StepTable ─┴─> Prepared ─┬─ report ──> Report
//!                                                                      └─ side ────> Side ┬─ compare ─> Comparison
//!                                                                              other Side ┘
//! ```
//!
//! The tracer at the end of a window, the program, and whoever embeds this crate go this way, so a trace has one report
//! whoever makes it. What a report says is in [`output`](crate::output); [`render`](crate::render) shows it.
//!
//! ```
//! use profile_decode::classify::Classifier;
//! use profile_decode::model::{LaunchCall, TraceBuilder};
//! use profile_decode::pipeline::Prepared;
//! use profile_decode::steps::StepOptions;
//! use profile_decode::{analyze, render};
//!
//! # fn main() -> std::io::Result<()> {
//! // Three decode steps of one kernel each. `ingest::read` reads a real trace from files.
//! let mut draw = TraceBuilder::new().drawing();
//! for step in 0..3 {
//!     let at_ns = step * 10_000;
//!     draw.range("execute_context_0(0)_generation_8(8)", at_ns, at_ns + 900);
//!     draw.launch(LaunchCall::Kernel, at_ns + 100, at_ns + 200, step as u64 + 1);
//!     draw.kernel("Cijk_Alik_Bljk_BBS_BH_MT64x16x512", at_ns + 1_000, at_ns + 8_000, step as u64 + 1);
//! }
//! let options = StepOptions { warmup: Some(0), ..StepOptions::default() };
//! let run = Prepared::new(draw.finish(), &Classifier::builtin(), &options);
//! let report = run.report(&analyze::Options::default());
//! assert_eq!((report.steps.count, report.categories[0].gpu_time_ns), (3, 21_000));
//! render::markdown(&report, &mut std::io::sink())
//! # }
//! ```

use crate::analyze::compare::{Run, Side};
use crate::analyze::{self, Options};
use crate::classify::{Classes, Classifier};
use crate::model::Trace;
use crate::output::Report;
use crate::replay;
use crate::steps::{self, StepOptions, StepTable};

/// A trace with what its kernels are and which of them make a step.
#[derive(Debug)]
pub struct Prepared {
    /// All ranks of one run.
    pub trace: Trace,
    /// Classes of its kernels.
    pub classes: Classes,
    /// Its steps.
    pub steps: StepTable,
}

impl Prepared {
    /// Lays captured graphs over the replays of `trace`, classifies its kernels and finds its steps.
    #[must_use]
    pub fn new(mut trace: Trace, classifier: &Classifier, options: &StepOptions) -> Self {
        replay::lay_over(&mut trace);
        let classes = classifier.classify_trace(&trace);
        let steps = steps::find(&trace, options);
        let classes = analyze::attending::in_decode(classes, &trace, &steps);
        Self { trace, classes, steps }
    }

    /// Its report.
    #[must_use]
    pub fn report(&self, options: &Options) -> Report {
        analyze::report(&self.trace, &self.classes, &self.steps, options)
    }
}

/// One side of a comparison: a run, or several of the same thing; of their decode steps, or of the whole traces.
#[must_use]
pub fn side(runs: &[Prepared], whole_trace: bool) -> Side {
    let borrowed = runs.iter().map(|run| Run { trace: &run.trace, classes: &run.classes, steps: &run.steps });
    Side::new(&borrowed.collect::<Vec<_>>(), whole_trace)
}
