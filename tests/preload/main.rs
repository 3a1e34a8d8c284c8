//! The library from outside, where a user stands: preloaded into programs, the simulated SDK beneath it.
//!
//! What the library says of a run is compared with the simulator's ledger of what it issued, to the last dispatch and
//! nanosecond.

mod around;
mod blind;
mod calls;
#[path = "../common/contract.rs"]
mod contract;
mod ends;
mod faults;
mod graphs;
mod harness;
mod inert;
mod late;
mod ledger;
mod matrix;
mod memory;
mod modules;
mod objects;
mod processes;
mod publish;
#[path = "../common/python.rs"]
mod python;
mod ranks;
mod signals;
#[path = "../common/skip.rs"]
mod skip;
mod tails;
mod trouble;
mod truth;
mod versions;
mod windows;
