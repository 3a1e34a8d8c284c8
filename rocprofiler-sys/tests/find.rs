//! Where the SDK is looked for. What a process has loaded stays, so each test runs in a process of its own.

mod common;

use common::Fake;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_LOCAL};
use rocprofiler_sys::{LoadError, Sdk};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the test that the process is for.
const ONLY: &str = "ROCPROFILER_SYS_ONLY_TEST";

/// Runs the body in a child that runs this one test, with `ROCM_PATH` set.
fn in_a_process_of_its_own(test: &str, rocm_path: &Path, body: impl FnOnce()) {
    if std::env::var_os(ONLY).is_some_and(|only| only == test) {
        return body();
    }
    let this = std::env::current_exe().expect("the test has a file");
    let output = Command::new(this)
        .args(["--exact", test, "--nocapture"])
        .env(ONLY, test)
        .env("ROCM_PATH", rocm_path)
        .output()
        .expect("the test can be started again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Builds a stand-in of this version at `$ROCM_PATH/NAME`, in the parent; finds it there, in the child.
fn library(directory: &Path, name: &str, version: [u32; 3], without: &[&str]) -> Option<PathBuf> {
    let directory = std::env::var_os(ONLY)
        .and_then(|_| std::env::var_os("ROCM_PATH"))
        .map_or_else(|| directory.to_owned(), PathBuf::from);
    let file = directory.join(name);
    if std::env::var_os(ONLY).is_some() {
        return Some(file);
    }
    std::fs::create_dir_all(file.parent().expect("it is in a directory")).expect("the directory can be made");
    Fake { version, without, ..Fake::default() }.build(&file)
}

/// A directory, by the name that the loader will report.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().canonicalize().expect("it exists");
    (directory, path)
}

#[test]
fn rocm_path_is_searched_when_the_process_has_no_sdk_and_not_when_it_has_one() {
    let (_keep, root) = directory();
    let Some(six) = library(&root, "lib/librocprofiler-sdk.so.0", [0, 6, 0], &[]) else { return };
    in_a_process_of_its_own("rocm_path_is_searched_when_the_process_has_no_sdk_and_not_when_it_has_one", &root, || {
        let error = Sdk::in_process().err().expect("nothing is loaded yet");
        assert!(matches!(error, LoadError::NotFound { .. }), "{error}");
        let sdk = Sdk::find().expect("it is in ROCM_PATH");
        assert_eq!((sdk.path(), &*sdk.version().to_string()), (&*six, "0.6.0"));
        // SAFETY: this process runs one test, and no other thread of it reads the environment.
        unsafe { std::env::set_var("ROCM_PATH", "/nowhere") };
        assert_eq!(Sdk::find().expect("it is in the process").path(), six);
        assert_eq!(Sdk::in_process().expect("it is in the process").path(), six);
    });
}

#[test]
fn a_library_that_somebody_opened_for_himself_is_found_by_its_soname_and_kept() {
    let (_keep, root) = directory();
    let Some(local) = library(&root, "elsewhere/librocprofiler-sdk.so.1", [1, 1, 0], &[]) else { return };
    in_a_process_of_its_own(
        "a_library_that_somebody_opened_for_himself_is_found_by_its_soname_and_kept",
        &root,
        || {
            // SAFETY: the stand-in has no initializers.
            let opened = unsafe { Library::open(Some(&local), RTLD_LAZY | RTLD_LOCAL) }.expect("it can be opened");
            let sdk = Sdk::in_process().expect("it is in the process");
            assert_eq!((sdk.path(), &*sdk.version().to_string()), (&*local, "1.1.0"));
            opened.close().expect("it can be closed");
            assert_eq!(sdk.timestamp(), Ok(12345), "the functions outlive the handle of others");
        },
    );
}

#[test]
fn functions_of_two_copies_are_never_mixed() {
    let (_keep, root) = directory();
    let absent = "rocprofiler_get_timestamp";
    let Some(first) = library(&root, "first.so", [0, 4, 0], &[absent]) else { return };
    let Some(second) = library(&root, "second.so", [1, 0, 0], &[]) else { return };
    in_a_process_of_its_own("functions_of_two_copies_are_never_mixed", &root, || {
        for file in [&first, &second] {
            // SAFETY: the stand-in has no initializers.
            let opened = unsafe { Library::open(Some(file), RTLD_LAZY | RTLD_GLOBAL) }.expect("it can be opened");
            std::mem::forget(opened);
        }
        let sdk = Sdk::in_process().expect("both are in the process");
        assert_eq!((sdk.path(), &*sdk.version().to_string()), (&*first, "0.4.0"));
        assert!(sdk.absent().contains(&absent), "the second one's must not stand in");
    });
}
