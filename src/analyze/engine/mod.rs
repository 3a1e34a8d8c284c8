//! What the engine and its users saw: the engine's log, and a benchmark from outside, beside the steps of the trace.
//!
//! ```text
//!   log lines ──> Log: shapes, builds, backends … ─┬─ by shape ── kernels of the steps
//!                                                  └─ by time ─── the window
//!   benchmark ──> Bench: ITL, TPOT, concurrency ───── by batch and time ── ITL = GPU + host + rest
//! ```
//!
//! Texts come from others and may be of another run: what does not fit is said, and not joined.

pub mod bench;
mod clock;
mod join;
pub mod log;

pub(crate) use join::{engine_log, request};
