//! What several test programs need.

pub(crate) mod skip;

use std::path::{Path, PathBuf};

/// The directory of shared facts and traces: beside the checkout, or where `PROFILE_DECODE_SHARED` says. `None`, and a word
/// of it, where it is absent.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = match std::env::var_os("PROFILE_DECODE_SHARED") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    if !path.is_dir() {
        skip::skip("the shared facts and traces are not here");
        return None;
    }
    Some(path)
}
