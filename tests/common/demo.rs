//! Whether `demo` can run here.

use std::path::Path;

#[path = "skip.rs"]
mod skip;

/// Whether the simulated server can be traced; says so where it cannot.
pub(crate) fn is_there() -> bool {
    let beside = Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().expect("the program has a directory");
    let tracer = ["libprofile_decode.so", "deps/libprofile_decode.so"].iter().any(|name| beside.join(name).is_file());
    let there = tracer && beside.join("examples/decode_server").is_file();
    if !there {
        skip::skip("the tracer or the simulated server was not built");
    }
    there
}
