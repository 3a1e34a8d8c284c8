//! The C ABI of rocprofiler-sdk.
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::ptr_offset_with_cast)]
#[rustfmt::skip]
pub mod bindings;
