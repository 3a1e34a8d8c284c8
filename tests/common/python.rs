//! Python for tests that play hosts in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The interpreter itself: what is called python3 may be a script, into which everything would be preloaded as well. `None`,
/// and a word of it, where there is none.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        (output.status.success() && path.exists()).then_some(path)
    });
    if found.is_none() {
        crate::skip::skip("there is no python3");
    }
    found.clone()
}
