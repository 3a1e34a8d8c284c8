//! Where the decode time of an LLM server on AMD Instinct GPUs goes.
//!
//! This crate is two things. As `libprofile_decode.so` it is a rocprofiler-sdk tool that lives inside a server, counts
//! decode steps and leaves a report. As the program `profile-decode` it makes the same report from traces that others
//! recorded, and compares two of them. Both share everything but the first hop:
//!
//! ```text
//!   capture ─┐  callbacks -> channel -> aggregator thread
//!            ├─> model ─> classify, steps ─> analyze ─> render ─> cli
//!   ingest  ─┘  trace files
//! ```
//!
//! Data flows one way; a module may use those above it in this list, never those below:
//!
//! | module | what it knows |
//! |---|---|
//! | `rocprofiler_sys` | the C ABI of rocprofiler-sdk (a crate of its own) |
//! | [`model`] | names, dispatches, ranges, launches, ranks: plain data |
//! | [`classify`] | kernel name to category, backend, data type, and why |
//! | [`steps`] | which ranges and dispatches make one decode step |
//! | [`wire`] | our capture file: its records and frames, written and read |
//! | [`ingest`] | trace files to model |
//! | [`capture`] | callbacks to model |
//! | [`analyze`] | model, classes and steps to a report: pure functions |
//! | [`render`] | a report to markdown and JSON: syntax only |
//! | [`cli`] | the front door of the program |
//!
//! Invariants, which CI checks with grep: only [`capture`] names `rocprofiler_sys`; only [`cli`] and [`render`] print;
//! [`analyze`], [`classify`], [`steps`] and [`model`] do no I/O.

pub mod analyze;
pub mod capture;
pub mod classify;
pub mod cli;
pub mod ingest;
pub mod model;
pub mod render;
pub mod steps;
pub mod wire;
