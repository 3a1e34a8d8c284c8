//! What a trace is, whoever recorded it.
//!
//! Two producers fill these types — the readers in [`ingest`](crate::ingest) from files and the tracer in
//! [`capture`](crate::capture) from inside a server — and everything after them (steps, analysis, reports) sees
//! nothing else. The types are plain data with public fields: no I/O, no opinion on what a kernel is for, and no
//! trace format's vocabulary.
//!
//! ```text
//!  Process ──< Range      a marker range on a CPU thread, e.g. "decode[bs=32]"
//!     │    ──< Launch     a runtime call that puts work on a GPU, e.g. hipGraphLaunch
//!     └──< Rank ──< Stream ──< Dispatch    one kernel execution
//!                         └──< Copy        one copy or fill by the runtime
//! ```
//!
//! A *process* owns CPU things and a *rank* owns a GPU: one process per rank is the usual way to serve with tensor
//! parallelism, several ranks in one process the other. A dispatch points back at the launch call that enqueued it
//! and, where the producer knows it first hand, at the marker range that was open on the launching thread. Which
//! step a dispatch belongs to is decided by those two links and never by what the clock said when the GPU got to it.
//!
//! Everything that repeats is stored once and named by a small index ([`NameId`], [`StreamIdx`], …); a [`Dispatch`]
//! is 32 bytes.

mod around;
mod builder;
mod capture;
mod captured;
mod condition;
mod disorder;
mod drawing;
mod group;
mod index;
mod join;
mod names;
mod order;
mod origin;
mod plausible;
mod product;
pub(crate) mod secrets;
mod size;
mod time;
mod trace;

pub use around::{Around, Fact, FactKind, GpuSample, GpuState, TunedTable};
pub use builder::{Added, Mark, TraceBuilder};
pub use capture::{CaptureInfo, Overhead};
pub(crate) use captured::size_in;
pub use captured::{
    Argument, Captured, CapturedGraph, Fit, Geometry, Life, Live, Nearest, Node, Unjoined, Work, Works,
};
pub use condition::{Condition, ConditionKind, hip_version};
pub use drawing::Drawing;
pub use group::{CollectiveCall, GroupIdx, ProcessGroup, Told};
pub use index::{LaunchIdx, ProcessIdx, ProductIdx, RangeIdx, RankIdx, SourceIdx, StreamIdx, WorkIdx};
pub use join::Links;
pub(crate) use names::shortened;
pub use names::{NameId, Names};
pub use origin::Origin;
pub(crate) use origin::in_package;
pub use product::{Matrix, Product};
pub use size::Size;
pub use time::{Span, union_ns};
pub use trace::{
    Copy, CopyKind, Disorder, Dispatch, Format, Launch, LaunchCall, Loss, LossCause, Process, Range, Rank, Source,
    Stream, Trace, Warning,
};
