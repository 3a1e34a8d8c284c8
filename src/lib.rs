//! Where the decode time of an LLM server on AMD Instinct GPUs goes.
//!
//! This crate is two things. As `libprofile_decode.so` it is a rocprofiler-sdk tool that lives inside a server, counts
//! decode steps and leaves a report. As the program `profile-decode` it makes the same report from traces that others
//! recorded, and compares two of them. Both share everything but the first hop:
//!
//! ```text
//!   capture ─┐  callbacks -> channel -> aggregator thread
//!            ├─> model ─> classify, steps ─> analyze ─> output ─> render ─> cli
//!   ingest  ─┘  trace files                  (the way as a whole: pipeline)
//! ```
//!
//! Data flows one way; a module may use those above it in this list, never those below:
//!
//! | module | what it knows |
//! |---|---|
//! | `rocprofiler_sys` | the C ABI of rocprofiler-sdk (a crate of its own) |
//! | [`model`] | names, dispatches, ranges, launches, ranks: plain data |
//! | [`code_object`] | what code objects of AMD GPUs tell of their kernels |
//! | [`classify`] | kernel name to category, backend, data type, and why |
//! | [`steps`] | which ranges and dispatches make one decode step |
//! | [`replay`] | what graph replays did, by what was captured |
//! | `door` | opening files that others name or own |
//! | [`wire`] | our capture file: its records and frames, written and read |
//! | [`ingest`] | trace files to model |
//! | [`installation`] | the kernels of an installation: names, files, packages |
//! | [`output`] | what a report and a comparison are: plain data |
//! | [`analyze`] | model, classes and steps to a report or a comparison: pure functions |
//! | [`pipeline`] | the one way from a trace to its report, and the door for who embeds this crate |
//! | [`render`] | output to markdown, HTML, JSON, CSV: syntax only |
//! | [`capture`] | callbacks to model, and the report at a window's end |
//! | [`cli`] | the front door of the program |
//!
//! # Where things go
//!
//! | to add or change | look in |
//! |---|---|
//! | a reader for a trace format | `src/ingest/`: one module a format, told apart by its content in `sniff.rs` |
//! | a classification rule | `src/classify/`: the rules are a table |
//! | what is read of code objects | `src/code_object/`, `src/model/origin.rs` |
//! | a label that an engine puts on its steps | `src/steps/labels/` |
//! | a way to find steps | `src/steps/`: one file a detector |
//! | a field of the report or the comparison | `src/output/`, the module of `src/analyze/` that computes it, docs/output.md and docs/output.schema.json |
//! | a section of the report as it is read | `src/render/sections/`: one file a section |
//! | an output format | `src/render/`: it gets the document that the sections make |
//! | a piece of advice | `src/analyze/advice/rules/`: a row of a table |
//! | what a place in a layer is called | `src/analyze/layers/names.rs`, for report and comparison alike |
//! | a GPU's bandwidth, a model's sizes | `src/analyze/floor/gpus.rs`, `src/analyze/floor/config.rs` |
//! | a reason not to compare two runs | `src/analyze/compare/comparable.rs` |
//! | an option of the library | `src/capture/options.rs` |
//! | a verb or an argument of the program | `src/cli/`: one file a verb, arguments in `args.rs` |
//!
//! Invariants, which CI checks: only [`capture`] names `rocprofiler_sys`; only [`cli`] and [`render`] print;
//! [`output`], [`analyze`], [`classify`], [`code_object`], [`steps`], [`replay`] and [`model`] do no I/O; [`output`] computes nothing.

pub mod analyze;
pub mod capture;
pub mod classify;
pub mod cli;
pub mod code_object;
mod door;
pub mod ingest;
pub mod installation;
pub mod model;
pub mod output;
pub mod pipeline;
pub mod render;
pub mod replay;
pub mod steps;
pub mod wire;
