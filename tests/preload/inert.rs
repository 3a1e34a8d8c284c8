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

/// An SDK whose constructor registers a runtime, as one does that brings its own copy of a library along.
const EAGER_SDK: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
typedef int (*entry)(const char*, unsigned long, unsigned long, void**, unsigned long);
int rocprofiler_set_api_table(const char* name, unsigned long v, unsigned long i, void** t, unsigned long n) {
    printf("%s\n", name);
    return fflush(stdout);
}
__attribute__((constructor)) static void start(void) {
    entry ours = (entry)dlsym(RTLD_DEFAULT, "rocprofiler_set_api_table");
    ours("inner", 0, 0, 0, 0);
}
"#;

#[test]
fn a_runtime_that_registers_while_the_sdk_is_being_loaded_is_passed_on_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("sdk.c");
    fs::write(&source, EAGER_SDK).unwrap();
    let library = directory.path().join("librocprofiler-sdk.so.1");
    let name = "-Wl,-soname,librocprofiler-sdk.so.1";
    let compiled = Command::new("cc").args(["-shared", "-fPIC", name, "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.expect("a C compiler").success());
    let program = "import ctypes; print(ctypes.CDLL(None).rocprofiler_set_api_table(b'outer', 0, 0, None, 0))";
    let mut command = preloaded("timeout", directory.path());
    command.args(["60", "python3", "-c", program]).env("LD_LIBRARY_PATH", directory.path()).env_remove("ROCM_PATH");
    let output = command.output().expect("python3 is needed");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "inner\nouter\n0\n", "{}", text(&output));
}
