//! Running a program with the library preloaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The directory that cargo builds into: where the program under test is.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().expect("the program has a directory").to_owned()
}

/// A built file, which must be there: `cargo build --workspace --lib --bins --examples` makes them.
fn built(name: &str) -> PathBuf {
    let path = target().join(name);
    assert!(path.exists(), "{} is missing: run cargo build --workspace --lib --bins --examples", path.display());
    path
}

/// The library under test.
pub fn library() -> PathBuf {
    built("libprofile_decode.so")
}

/// A command with the library preloaded, in its own empty working directory, with no option of ours set.
pub fn preloaded(program: impl AsRef<std::ffi::OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library()).current_dir(directory);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PROFILE_DECODE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Both outputs as text, for messages.
pub fn text(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
