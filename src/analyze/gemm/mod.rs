//! Matrix products: their shapes, and how they stand to tuned tables.

pub(crate) mod shapes;
pub mod tables;
pub(crate) mod tuned;
