//! What several test programs need.

use std::path::{Path, PathBuf};

/// The directory of shared facts and traces: beside the checkout, or where `PROFILE_DECODE_SHARED` says. `None` where it
/// is absent; tests that need it then say so and pass.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = match std::env::var_os("PROFILE_DECODE_SHARED") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    path.is_dir().then_some(path)
}
