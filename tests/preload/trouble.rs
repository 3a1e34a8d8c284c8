//! Disks that are full, directories that go, nobody who listens: the host goes on, and what was lost is said.

use std::path::Path;
use std::process::Command;

use crate::harness::{Run, Server, report, text};

/// Runs a program in a mount namespace of its own, in which `disk` is a file system mounted with these options; `None`,
/// and a word of it, where that cannot be had.
fn on_a_disk(options: &str, steps: usize, program: &str) -> Option<Run> {
    let usable = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !usable {
        crate::skip::skip("there are no user namespaces here");
        return None;
    }
    let server = Server::python(program).steps(steps, 3);
    let disk = server.directory().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let out = disk.join("out").display().to_string();
    let script = format!("mount -t tmpfs -o {options} none {} && exec \"$@\"", disk.display());
    Some(server.env("PROFILE_DECODE_OUTPUT", out).started_by(&["unshare", "-Urm", "sh", "-c", &script, "sh"]).run())
}

/// The program's own end came, and with it what was said of the file system's error.
fn went_on_and_said(run: &Run, what: &[&str]) {
    run.succeeded();
    assert_eq!(run.stdout(), "served\n");
    for word in what {
        assert!(run.stderr().contains(word), "{word}: {}", text(&run.output));
    }
    assert!(run.stderr().lines().count() <= 4, "not over and over: {}", run.stderr());
}

#[test]
fn a_full_disk_is_said_and_the_server_goes_on() {
    let Some(run) =
        on_a_disk("size=64k", 100_000, "gpu = Gpu(); gpu.steps(3000); flushed(); gpu.steps(10); print('served')")
    else {
        return;
    };
    went_on_and_said(&run, &["No space left on device", "recording stops here"]);
}

#[test]
fn a_full_disk_that_is_emptied_takes_the_next_window() {
    let program = "
gpu = Gpu()
with open('disk/filler', 'wb') as filler: filler.write(bytes(96 << 10))
gpu.steps(3000)
flushed(); flushed()
os.remove('disk/filler')
out = 'disk/out'
with open(out + '/trigger', 'w') as trigger: trigger.write('steps=10')
time.sleep(0.5)
gpu.steps(40)
flushed(); flushed()
print(open(out + '/report-2.json').read())
";
    let Some(run) = on_a_disk("size=128k", 10_000, program) else { return };
    run.succeeded();
    assert!(run.stderr().contains("recording stops here"), "{}", run.stderr());
    let report: serde_json::Value = crate::contract::parsed(run.stdout());
    assert_eq!(report["steps"]["count"], 10, "{}", run.stderr());
}

#[test]
fn a_file_system_that_cannot_be_written_is_said_and_the_server_goes_on() {
    let Some(run) = on_a_disk("ro", 1000, "Gpu().steps(20); print('served')") else { return };
    went_on_and_said(&run, &["nothing is recorded", "Read-only file system"]);
}

#[test]
fn a_limit_on_the_size_of_files_stops_the_recording_and_kills_nobody() {
    // Python ignores the signal; other programs die of it.
    let program = "
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
gpu = Gpu()
gpu.steps(1500)
flushed()
gpu.steps(100)
print('served')
";
    let run = Server::python(program).steps(100_000, 3).run();
    went_on_and_said(&run, &["File too large", "recording stops here"]);
    let report = run.report_afterwards();
    assert!(report["capture"]["dropped"].to_string().contains("unwritten"), "{:#}", report["capture"]);
    assert!(report["warnings"].to_string().contains("output-failed"), "{:#}", report["warnings"]);
    assert_eq!(report["steps"]["complete"], false);
}

#[test]
fn a_run_directory_that_is_deleted_is_said_and_the_next_window_makes_it_again() {
    let program = "
import shutil
gpu = Gpu()
gpu.steps(10)
flushed()
shutil.rmtree('out')
gpu.steps(10)
print('served')
";
    let run = Server::python(program).steps(1000, 3).run();
    went_on_and_said(&run, &["the capture file was deleted"]);
    assert!(!run.output().exists());

    let program = "
import shutil
gpu = Gpu()
gpu.steps(8)
flushed()
shutil.rmtree('out')
gpu.steps(40)
flushed(); flushed()
os.mkdir('out')
os.close(os.open('out/trigger', os.O_CREAT))
time.sleep(0.5)
gpu.steps(30)
print('served')
";
    let run = Server::python(program).steps(10, 3).run();
    run.succeeded();
    let again = std::fs::read(run.output().join("report-2.json")).unwrap_or_else(|_| panic!("{}", text(&run.output)));
    let again: serde_json::Value = crate::contract::parsed(&again);
    assert_eq!(again["steps"]["count"], 10);
}

#[test]
fn stderr_that_is_closed_or_never_read_holds_nobody_up() {
    let closed = "os.close(2); Gpu().steps(20)";
    let full = "
read, write = os.pipe()
os.set_blocking(write, False)
try:
    while True: os.write(write, bytes(4096))
except BlockingIOError: pass
os.set_blocking(write, True)
os.dup2(write, 2)
Gpu().steps(20)
";
    for program in [closed, full] {
        let run = Server::python(program).steps(1000, 3).run();
        run.succeeded();
        assert_eq!(report(&run.output())["steps"]["count"], 17);
    }
}

#[test]
fn a_reader_that_went_away_kills_nobody() {
    // A write to a pipe without a reader is SIGPIPE, which ends programs that are not Python.
    let program = "
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
read, write = os.pipe()
os.close(read)
os.dup2(write, 2)
Gpu().steps(20)
";
    let run = Server::python(program).steps(1000, 3).run();
    run.succeeded();
    assert_eq!(report(&run.output())["steps"]["count"], 17);
}

#[test]
fn a_link_in_place_of_the_run_directory_is_not_followed() {
    let server = Server::python("Gpu().steps(20); print('served')").steps(1000, 3);
    let elsewhere = server.directory().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, server.directory().join("out")).unwrap();
    let run = server.run();
    run.succeeded();
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert!(Path::exists(&run.output().with_file_name("out-2").join("report.json")), "{}", run.stderr());
}
