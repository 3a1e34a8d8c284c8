//! A stand-in for librocprofiler-sdk.
