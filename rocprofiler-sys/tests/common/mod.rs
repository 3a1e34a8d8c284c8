//! Stand-ins for librocprofiler-sdk, compiled from `fake_sdk.c` when a test asks for one.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "../../../tests/common/skip.rs"]
pub(crate) mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a stand-in shall be.
pub(crate) struct Fake<'a> {
    /// Major, minor, patch.
    pub(crate) version: [u32; 3],
    /// How many bytes it describes an agent in.
    pub(crate) agent_size: u32,
    /// The functions that it does not have.
    pub(crate) without: &'a [&'a str],
}

impl Default for Fake<'_> {
    fn default() -> Self {
        Self { version: [1, 0, 0], agent_size: 304, without: &[] }
    }
}

impl Fake<'_> {
    /// Compiles the stand-in to this file. `None`, and a word on stderr, where there is no C compiler.
    pub(crate) fn build(&self, file: &Path) -> Option<PathBuf> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = file.file_name().expect("the file has a name").to_str().expect("the name is text");
        let [major, minor, patch] = self.version;
        let mut command = Command::new("cc");
        command
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1"])
            .arg(format!("-Wl,-soname,{name}"))
            .arg(format!("-I{}", manifest.join("include").display()))
            .args([format!("-DFAKE_MAJOR={major}"), format!("-DFAKE_MINOR={minor}"), format!("-DFAKE_PATCH={patch}")])
            .arg(format!("-DFAKE_AGENT_SIZE={}", self.agent_size))
            .args(self.without.iter().map(|function| format!("-DWITHOUT_{function}")))
            .arg(manifest.join("tests/common/fake_sdk.c"))
            .arg("-o")
            .arg(file);
        match command.output() {
            Ok(output) => {
                assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
                Some(file.to_owned())
            }
            Err(error) => {
                skip::skip(&format!("no C compiler: {error}"));
                None
            }
        }
    }
}
