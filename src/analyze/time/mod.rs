//! Where the time goes: sums over the dispatches, and what is made of them.

pub(crate) mod categories;
pub(crate) mod communication;
pub(crate) mod discarded;
pub(crate) mod kernels;
pub(crate) mod latency;
pub(crate) mod pauses;
pub(crate) mod series;
pub(crate) mod stats;
pub(crate) mod sums;
pub(crate) mod tail;
pub(crate) mod tokens;
