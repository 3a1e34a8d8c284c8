//! What runs on our own thread: it alone touches files, formats text and takes time.

mod aggregator;
pub mod control;
mod framework;
mod objects;
mod process;
mod recording;
mod reporter;
pub mod rundir;
mod stuck;

pub(super) use aggregator::Aggregator;
