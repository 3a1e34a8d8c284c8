//! A kernel of a launch, as it is compared.

use crate::model::{Unjoined, WorkIdx};

/// What stands for the kernels that the runtime copies and fills with.
pub(super) const RUNTIME: u32 = u32::MAX;

/// What stands for a node whose kernel has no known name: it is any kernel.
pub(super) const ANY: u32 = u32::MAX - 1;

/// A kernel of a launch: its name as a letter, and its stream as counted within the launch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kernel {
    pub(super) letter: u32,
    pub(super) stream: u32,
}

/// What a record of a launch does, or why that is not known.
pub(super) type Found = Result<WorkIdx, Unjoined>;
