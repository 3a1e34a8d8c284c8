//! What a process sees of being attached to.
//!
//! In reality another process does it, by `rocattach_attach(pid)`; here the host does it to itself, at a moment of its
//! choice. See [`crate::registration::attach`] for what follows.

use super::error;
use crate::registration::attach;

/// Attaches the tools that `ROCPROF_ATTACH_TOOL_LIBRARY` names, or attaches them again.
#[unsafe(no_mangle)]
pub extern "C" fn sim_attach() -> i32 {
    answer(attach::attach())
}

/// Detaches them.
#[unsafe(no_mangle)]
pub extern "C" fn sim_detach() -> i32 {
    answer(attach::detach())
}

fn answer(outcome: Result<(), String>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(why) => {
            crate::complain(&format!("attach: {why}"));
            error::NOT_SUPPORTED
        }
    }
}
