//! Children, and programs that replace others: what a serving launcher does all day.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Run, Server, report};

/// Runs a program whose window stays open to its end, and that must end well.
fn good(program: &str) -> Run {
    let run = Server::python(program).steps(1000, 3).run();
    run.succeeded();
    run
}

/// The report has these decode steps of two kernels each on every rank.
fn has(run: &Run, ranks: u64, steps: u64) {
    let report = report(&run.output());
    assert_eq!(report["ranks"], ranks, "{}", run.stderr());
    assert_eq!(report["steps"]["count"], steps, "{:#}", report["steps"]);
    assert_eq!(report["totals"]["dispatches"], ranks * steps * 2);
}

#[test]
fn children_of_multiprocessing_with_work_of_their_own_are_ranks_of_one_run() {
    for method in ["fork", "spawn"] {
        let run = good(&format!(
            "
import multiprocessing

def serve(rank):
    os.environ['RANK'] = str(rank)
    Gpu().steps(20)

if __name__ == '__main__':
    context = multiprocessing.get_context('{method}')
    ranks = [context.Process(target=serve, args=(rank,)) for rank in range(2)]
    for rank in ranks: rank.start()
    for rank in ranks: rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]
"
        ));
        has(&run, 2, 17);
        assert_eq!(run.captures(), 2, "{:?}", run.files());
    }
}

#[test]
fn children_without_gpu_work_change_nothing_of_a_traced_parent() {
    let run = good(
        "
import multiprocessing, subprocess

def child(): pass

if __name__ == '__main__':
    gpu = Gpu()
    gpu.steps(10)
    for method in ('fork', 'spawn', 'forkserver'):
        process = multiprocessing.get_context(method).Process(target=child)
        process.start(); process.join()
        assert process.exitcode == 0, method
    for end in (os._exit, sys.exit, libc.exit, libc._exit, libc._Exit, libc.quick_exit):
        if (pid := os.fork()) == 0:
            print(end)
            end(7)
        assert os.waitpid(pid, 0)[1] == 7 << 8, end
    assert subprocess.run(['/bin/true']).returncode == 0
    assert os.system('exit 3') >> 8 == 3
    try: subprocess.run(['/nowhere'])
    except FileNotFoundError: pass
    gpu.steps(10)
",
    );
    has(&run, 1, 17);
    assert_eq!(run.captures(), 1, "{:?}", run.files());
    assert_eq!(run.stdout().lines().count(), 6, "what children had in their streams was flushed: {}", run.stdout());
}

#[test]
fn a_forked_child_runs_its_own_exit_handlers_where_the_sdk_lets_it_live() {
    let program = "
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)
handler = HANDLER(lambda status, _: os.write(1, b'handler\\n'))
libc.on_exit(handler, None)
gpu = Gpu()
gpu.steps(20)
if (pid := os.fork()) == 0: libc.exit(7)
assert os.waitpid(pid, 0)[1] == 7 << 8
os._exit(0)
";
    let run = |version: &str| {
        let server = Server::python(program).steps(1000, 3).env("ROCPROFILER_SIM_VERSION", version);
        let run = server.env("ROCPROFILER_SIM_FORK_IS_HARMLESS", "1").run();
        run.succeeded();
        has(&run, 1, 17);
        run.stdout()
    };
    assert_eq!(run("1.3"), "handler\n");
    assert_eq!(run("1.0"), "", "there the SDK's own handler crashes, and the child is ended in its stead");
}

#[test]
fn a_child_of_a_traced_parent_that_outlives_it_leaves_its_files_and_its_name_alone() {
    let program = "
gpu = Gpu()
gpu.steps(20)
if os.fork() == 0:
    time.sleep(4)
    libc.exit(0)
print(os.getpid(), flush=True)
flushed()
killed_from_outside()
";
    let run = Server::python(program).steps(1000, 3).run();
    let pid = run.stdout().trim().to_owned();
    let status = Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(["status", &pid]).output().unwrap();
    let stderr = String::from_utf8_lossy(&status.stderr);
    assert!(stderr.contains("there is no tracer in process"), "{stderr}");
    let files = || -> Vec<_> {
        let read = |name: &String| std::fs::read(run.output().join(name)).expect("it is still there");
        run.files().iter().map(|name| (name.clone(), read(name))).collect()
    };
    let before = files();
    std::thread::sleep(Duration::from_secs(4));
    assert!(files() == before, "{:?} became {:?}", before.len(), run.files());
    assert_eq!(run.report_afterwards()["steps"]["count"], 17);
}

#[test]
fn a_daemon_that_forks_twice_before_it_uses_the_gpu_is_traced() {
    let run = good(
        "
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        Gpu().steps(20)
        os.close(os.open('done', os.O_CREAT))
    os._exit(0)
os.wait()
while not os.path.exists('done'): time.sleep(0.01)
",
    );
    let begun = Instant::now();
    while !run.output().join("report.json").exists() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    has(&run, 1, 17);
}

#[test]
fn a_program_that_replaces_itself_before_it_decodes_is_traced_as_what_it_becomes() {
    let run = good(
        "
gpu = Gpu()
if 'SECOND' in os.environ:
    gpu.steps(20)
else:
    os.execve(sys.executable, [sys.executable, __file__], {**os.environ, 'SECOND': '1'})
",
    );
    has(&run, 1, 17);
}

#[test]
fn a_program_that_replaces_itself_while_it_is_recorded_leaves_what_was_on_disk() {
    let run = good("Gpu().steps(20); flushed(); os.execv('/bin/true', ['/bin/true'])");
    let report = run.report_afterwards();
    assert_eq!(report["steps"]["count"], 17);
    assert!(report["warnings"].to_string().contains("capture-unfinished"), "{:#}", report["warnings"]);
}

#[test]
fn a_program_that_decodes_before_and_after_it_replaces_itself_leaves_both_captures() {
    let run = good(
        "
Gpu().steps(20)
if 'SECOND' not in os.environ:
    flushed()
    os.execve(sys.executable, [sys.executable, __file__], {**os.environ, 'SECOND': '1'})
",
    );
    assert_eq!(run.captures(), 2, "{:?}", run.files());
    let report = run.report_afterwards();
    assert!(report["warnings"].to_string().contains("capture-unfinished"), "{:#}", report["warnings"]);
    assert_eq!(report["totals"]["dispatches"], 2 * 2 * 17, "{report:#}");
}

/// The decode server, started by this shell script as `"$@"`, which makes one process group of all.
fn scripted(script: &str) -> Run {
    let server = Server::new(&["--steps", "40", "--prefill-every", "0"]).steps(20, 12);
    let run = server.started_by(&["sh", "-c", script, "sh"]).run();
    run.succeeded();
    run
}

#[test]
fn servers_that_a_script_runs_one_after_another_are_two_runs() {
    let run = scripted(r#""$@" && "$@""#);
    for directory in [run.output(), run.output().with_file_name("out-2")] {
        let report = report(&directory);
        assert_eq!((&report["ranks"], &report["steps"]["count"]), (&1.into(), &20.into()), "{}", directory.display());
    }
    assert_eq!(run.captures(), 1, "{:?}", run.files());
}

#[test]
fn ranks_that_a_script_starts_side_by_side_are_one_run() {
    let run = scripted(r#"export WORLD_SIZE=2; RANK=1 "$@" & RANK=0 "$@" && wait $!"#);
    let report = report(&run.output());
    assert_eq!((&report["ranks"], &report["steps"]["count"]), (&2.into(), &20.into()), "{:?}", run.files());
}
