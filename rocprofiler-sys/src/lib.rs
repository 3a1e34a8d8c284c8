//! The C ABI of rocprofiler-sdk.
