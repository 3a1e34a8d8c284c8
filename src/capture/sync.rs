//! What threads share, in one place: the tests in `loom/` put loom's own in its stead, and run every order in which threads
//! may get to it.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

pub(super) use parking_lot::Mutex;
