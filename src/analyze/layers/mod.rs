//! Kernels by their place in the model: what the report shows and what the comparison matches.

pub(crate) mod fold;
pub(crate) mod identity;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod tables;
pub(crate) mod told;
