//! What stands around the program: the step of `action.yml`, and the Python module beside the program.
//!
//! The wheel itself is made and held to what it promises by `packaging/build.sh` and `packaging/check.sh`, which take a
//! release build for another glibc and so are no part of these tests.

#[path = "common/python.rs"]
mod python;
#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_profile-decode"))
}

/// Decode steps of two kernels, the second of which takes so many microseconds.
fn trace(directory: &TempDir, name: &str, takes: u32) -> PathBuf {
    let mut events = Vec::new();
    for step in 0..60 {
        let at = 1_000 * step;
        let jitter = step * 7 % 5;
        let mut event = |cat: &str, name: &str, at: u32, takes: u32, args: &str| {
            events.push(format!(
                "{{\"ph\": \"X\", \"cat\": \"{cat}\", \"name\": \"{name}\", \"pid\": 1, \"tid\": 7, \"ts\": {at}, \"dur\": {takes}, \
                 \"args\": {{{args}}}}}"
            ));
        };
        event("user_annotation", "decode[bs=4 tok=4 p=0 d=4]", at, 20, "");
        for (number, kernel, takes) in [(0, "_gemma_rmsnorm_kernel", 100), (1, "_ZN5aiter39mla_a16w16_qh16E", takes)] {
            let correlation = 2 * step + number;
            let link = format!("\"correlation\": {correlation}");
            event("cuda_runtime", "hipModuleLaunchKernel", at + 5 * number, 2, &link);
            let place = format!("\"correlation\": {correlation}, \"device\": 0, \"stream\": 7");
            event("kernel", kernel, at + 30 + 110 * number, takes + jitter, &place);
        }
    }
    let path = directory.path().join(name);
    fs::write(&path, format!("{{\"traceEvents\": [{}]}}", events.join(","))).expect("a file");
    path
}

/// The step of the action: its exit code, the job's page and its outputs.
fn action(directory: &TempDir, base: &Path, new: &Path) -> (i32, String, String) {
    let [page, outputs] = ["page", "outputs"].map(|name| directory.path().join(name));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program().parent().expect("a directory").display());
    let status = Command::new("bash")
        .arg(root().join("packaging/action.sh"))
        .env("PATH", path)
        .envs([("BASE", base), ("NEW", new), ("RUNNER_TEMP", directory.path())])
        .envs([("GITHUB_STEP_SUMMARY", &page), ("GITHUB_OUTPUT", &outputs)])
        .env("OPTIONS", "--threshold 5%")
        .status()
        .expect("bash is there");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    (status.code().expect("it was not killed"), read(&page), read(&outputs))
}

#[test]
fn the_action_fails_for_a_regression_and_says_where() {
    if python::python().is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (base, same, slow) =
        (trace(&directory, "base.json", 300), trace(&directory, "same.json", 300), trace(&directory, "slow.json", 400));
    let (code, page, outputs) = action(&directory, &base, &slow);
    assert_eq!(code, 1, "{page}");
    assert!(page.contains("mla_a16w16") && outputs.contains("verdict=regressed"), "{outputs}{page}");
    let other = tempfile::tempdir().expect("a directory");
    let (code, page, outputs) = action(&other, &base, &same);
    assert_eq!(code, 0, "{page}");
    assert!(!outputs.contains("regressed") && outputs.contains("report="), "{outputs}");
}

#[test]
fn the_python_module_reports_and_says_what_is_refused() {
    if python::python().is_none() {
        return;
    }
    // As in a wheel: the module and the program lie in one environment.
    let directory = tempfile::tempdir().expect("a directory");
    let at = |path: &str| directory.path().join(path);
    fs::create_dir_all(at("bin")).expect("a directory");
    fs::create_dir_all(at("profile_decode")).expect("a directory");
    std::os::unix::fs::symlink(program(), at("bin/profile-decode")).expect("a link");
    for file in ["__init__.py", "__main__.py"] {
        fs::copy(root().join("packaging/python/profile_decode").join(file), at("profile_decode").join(file))
            .expect("a file");
    }
    let trace = trace(&directory, "trace.json", 300);
    let asked = format!(
        "import profile_decode as p\n\
         r = p.report({trace:?})\n\
         assert r['schema'] == 'profile-decode/report/1', r['schema']\n\
         assert len(r['kernels']) == 2, r['kernels']\n\
         assert p.diff({trace:?}, {trace:?})['verdict'] != 'regressed'\n\
         try:\n    p.report('/nowhere')\nexcept p.Error as e:\n    assert e.code == 66 and 'nowhere' in str(e.error), (e.code, e.error)\n\
         else:\n    raise SystemExit('no error')\n"
    );
    for arguments in [&["-c", asked.as_str()][..], &["-m", "profile_decode", "--version"]] {
        let output =
            Command::new("python3").args(arguments).env("PYTHONPATH", directory.path()).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
