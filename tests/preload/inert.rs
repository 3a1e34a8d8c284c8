//! A process that never brings up a GPU runtime must not notice the library.

use std::fs;
use std::process::Command;

use crate::harness::{preloaded, text};

/// Runs the command with and without the library and compares all that can be seen of it.
fn is_not_noticed(program: &str, arguments: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let with = preloaded(program, directory.path()).args(arguments).output().expect("the program runs");
    let without = Command::new(program).current_dir(&directory).args(arguments).output().expect("the program runs");
    assert_eq!(text(&with), text(&without), "{program} {arguments:?}");
    assert_eq!(fs::read_dir(&directory).expect("it is still there").count(), 0, "{program} {arguments:?} left files");
}

#[test]
fn programs_without_a_gpu_run_as_if_nothing_was_preloaded() {
    is_not_noticed("/bin/true", &[]);
    is_not_noticed("/bin/false", &[]);
    is_not_noticed("bash", &["-c", "echo out; echo err >&2; exit 7"]);
    is_not_noticed("bash", &["-c", "(exit 3) | cat; exec bash -c 'exit 5'"]);
    is_not_noticed("bash", &["-c", "kill -TERM $$"]);
    is_not_noticed("git", &["--version"]);
    is_not_noticed("python3", &["-c", "pass"]);
    is_not_noticed("python3", &["-c", "import os; os._exit(9)"]);
    is_not_noticed(
        "python3",
        &["-c", "import os, subprocess; os.fork() or os._exit(0); subprocess.run(['/bin/true'])"],
    );
}

#[test]
fn no_thread_is_started() {
    is_not_noticed("python3", &["-c", "import os; print(len(os.listdir('/proc/self/task')))"]);
}

#[test]
fn no_signal_handler_is_installed() {
    let handlers = "import re; print(re.findall('Sig(?:Cgt|Ign|Blk):.*', open('/proc/self/status').read()))";
    is_not_noticed("python3", &["-c", handlers]);
}
