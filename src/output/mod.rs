//! What a report and a comparison are: plain data that serialises, and nothing that computes.
//!
//! ```text
//!   analyze ─> Report      ─┐
//!                           ├─> render: markdown, HTML, JSON, CSV
//!   compare ─> Comparison  ─┘
//! ```
//!
//! Serialised as they stand these types are the JSON contracts [`report::SCHEMA`] and [`comparison::SCHEMA`]: the names
//! of the fields are the keys. Fields may be added; none may change its meaning without a new schema number. All times
//! are integer nanoseconds and all shares fractions of 1. What is not known is `None` (`null`), never 0.

pub mod advice;
pub mod around;
pub mod captured;
pub mod change;
pub mod comparison;
pub mod engine;
pub mod floor;
pub mod gemm;
pub mod layers;
pub mod markers;
pub mod ranks;
pub mod report;
pub mod roofline;
pub mod steps;
pub mod tail;
pub mod time;

pub use comparison::Comparison;
pub use markers::Markers;
pub use report::Report;
