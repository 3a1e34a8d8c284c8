//! A trace, its classes and its steps to a [`Report`](crate::output::Report): pure functions, one small module a question.
//!
//! ```text
//!   Trace, Classes, StepTable ─> scope    what counts, and why the rest does not
//!        ├─> time/       sums         one pass over the dispatches: every sum
//!        │               categories   time by category, backend, kind, data type
//!        │               kernels      by name; the top; the longest; the unknown
//!        │               latency      periods, spans, phases, batches, outliers
//!        │               series       the steps' times as they are drawn
//!        │               discarded    padding, empty steps, drafts
//!        ├─> critical/   one_gpu      what held the step up on one GPU: a partition of its wall time
//!        │               across_ranks the same across ranks, over the last to arrive
//!        ├─> ranks/      collectives  which kernels of different ranks meet, who comes last (clocks)
//!        │               skew         stragglers, waiting and transfer
//!        ├─> layers/     fold         the step's kernels folded into layers
//!        │               identity     which kernels are the same one
//!        │               place, names where each kernel stands, and what its place is called
//!        ├─> gemm/       shapes       the shapes of matrix products, where launches tell them
//!        │               tuned        kernels against aiter's tables
//!        ├─> roofline                 bytes and operations against the GPU's peaks, where captures tell operators
//!        ├─> captured                 how captured graphs and replays fit together
//!        ├─> attending                which attention a kernel does that can do both
//!        ├─> shown                    what shows that the steps are decode's
//!        ├─> completeness             is anything missing?
//!        ├─> around/                  software, settings and clocks around the run
//!        ├─> engine/                  the engine's log and a benchmark beside the steps
//!        ├─> contradictions           what the records themselves prove wrong
//!        │
//!        └─> report      puts them together: output::Report
//!              ├─> floor/             the least that a step of this model can take
//!              └─> advice/            rules over the finished report
//!
//!   markers              which marker ranges there are: output::Markers
//!   compare/             two runs side by side: output::Comparison
//! ```
//!
//! Two views of time stand side by side and are never mixed. *GPU time* is the sum of kernel durations; *critical
//! time* is a partition of wall time, which sums to it exactly. All of it is integer nanoseconds until a share is taken,
//! and nothing depends on the order in which a producer delivered its records.

pub mod advice;
pub(crate) mod around;
pub(crate) mod attending;
pub(crate) mod captured;
pub mod compare;
pub(crate) mod completeness;
pub(crate) mod contradictions;
pub(crate) mod critical;
pub mod engine;
pub mod floor;
pub mod gemm;
pub(crate) mod layers;
pub(crate) mod markers;
pub(crate) mod ranks;
pub(crate) mod report;
pub mod roofline;
pub(crate) mod scope;
pub(crate) mod shown;
mod tensor;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub use captured::{is_foreign, misfit};
pub use markers::markers;
pub use report::{Options, report};
