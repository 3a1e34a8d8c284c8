//! Signals and exits of all kinds: the host decides, and what can be written is written.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Instant;

use crate::harness::{Run, Server, report, text};

/// A program that decodes 20 steps, 17 of them in the window, and then does this.
fn after_20_steps(end: &str) -> Run {
    Server::python(&format!("gpu = Gpu()\ngpu.steps(20)\n{end}")).steps(1000, 3).run()
}

/// It has a report of all its steps, made by itself at its end.
fn is_whole(run: &Run, end: &str) {
    assert!(run.output().join("report.json").exists(), "{end}: {}", text(&run.output));
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 17, "{end}");
    assert_eq!(report["capture"]["closed_by"], "exit", "{end}");
    assert_eq!(report["capture"]["dropped"].as_array().map(Vec::len), Some(0), "{end}");
}

#[test]
fn every_exit_leaves_a_whole_report_and_its_status() {
    for end in [
        "sys.exit(5)",
        "os._exit(5)",
        "libc.exit(5)",
        "libc._exit(5)",
        "libc._Exit(5)",
        "libc.quick_exit(5)",
        "threading.Thread(target=libc.exit, args=(5,)).start(); time.sleep(60)",
        "threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(60)",
    ] {
        let run = after_20_steps(end);
        assert_eq!(run.output.status.code(), Some(5), "{end}: {}", text(&run.output));
        is_whole(&run, end);
    }
}

#[test]
fn an_exit_while_other_threads_launch_hurts_nobody() {
    for end in ["libc.exit(5)", "os._exit(5)", "os.kill(os.getpid(), signal.SIGTERM)"] {
        let run = after_20_steps(&format!(
            "
def forever():
    while True: gpu.step()
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
{end}
time.sleep(60)
"
        ));
        let status = run.output.status;
        assert!(status.code() == Some(5) || status.signal() == Some(libc::SIGTERM), "{end}: {}", text(&run.output));
        assert!(report(&run.output())["steps"]["count"].as_u64() > Some(17), "{end}");
    }
}

#[test]
fn a_signal_without_a_handler_kills_after_the_report() {
    for signal in ["SIGTERM", "SIGHUP"] {
        let run = after_20_steps(&format!("os.kill(os.getpid(), signal.{signal}); time.sleep(60)"));
        assert!(run.output.status.signal().is_some(), "{signal}: {}", text(&run.output));
        is_whole(&run, signal);
    }
}

#[test]
fn an_interrupt_that_python_passes_on_to_itself_leaves_a_whole_report() {
    let run = after_20_steps("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)");
    assert_eq!(run.output.status.signal(), Some(libc::SIGINT), "{}", text(&run.output));
    is_whole(&run, "KeyboardInterrupt");
}

#[test]
fn a_server_that_puts_the_default_back_and_signals_itself_again_leaves_a_whole_report() {
    for again in ["signal.raise_signal(signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGTERM)"] {
        let run = after_20_steps(&format!(
            "
def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    {again}
signal.signal(signal.SIGTERM, stop)
signal.raise_signal(signal.SIGTERM)
time.sleep(60)
"
        ));
        assert_eq!(run.output.status.signal(), Some(libc::SIGTERM), "{}", text(&run.output));
        is_whole(&run, again);
    }
}

#[test]
fn a_process_that_ends_itself_or_its_group_by_force_leaves_a_whole_report() {
    for (signal, number) in [("SIGKILL", libc::SIGKILL), ("SIGQUIT", libc::SIGQUIT)] {
        for target in ["os.getpid()", "0", "-os.getpgrp()"] {
            let run = after_20_steps(&format!("os.setpgid(0, 0); os.kill({target}, signal.{signal}); time.sleep(60)"));
            assert_eq!(run.output.status.signal(), Some(number), "{}", text(&run.output));
            is_whole(&run, signal);
        }
    }
}

#[test]
fn the_first_process_of_a_container_is_traced_on_after_a_signal_that_the_kernel_keeps_from_it() {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc"];
    if !Command::new(unshare[0]).args(&unshare[1..]).arg("true").output().is_ok_and(|output| output.status.success()) {
        #[allow(clippy::print_stderr, reason = "a skip must be seen")]
        {
            eprintln!("skipped: there can be no process 1 here");
        }
        return;
    }
    // A process that starts another blocks all signals meanwhile, and one that comes then ends a process 1 of several threads,
    // with or without a tracer: so the other process waits.
    for kill in
        ["os.system('sleep 0.5; kill -TERM 1')", "os.kill(1, signal.SIGTERM)", "signal.raise_signal(signal.SIGTERM)"]
    {
        let program = format!("assert os.getpid() == 1\ngpu = Gpu()\ngpu.steps(10)\n{kill}\ngpu.steps(10)\n");
        let run = Server::python(&program).steps(1000, 3).started_by(&unshare).run();
        run.succeeded();
        is_whole(&run, kill);
    }
}

#[test]
fn the_hosts_own_handler_decides_whenever_it_was_installed() {
    let handler = "
def stop(*_):
    print('stopping', flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, stop); signal.signal(signal.SIGINT, stop)
";
    let rest = "gpu = Gpu()\ngpu.steps(20)\n";
    for signal in ["SIGTERM", "SIGINT"] {
        let end = format!("os.kill(os.getpid(), signal.{signal})\ntime.sleep(60)");
        for program in [format!("{handler}{rest}{end}"), format!("{rest}{handler}{end}")] {
            let run = Server::python(&program).steps(1000, 3).run();
            assert_eq!(run.output.status.code(), Some(3), "{}", text(&run.output));
            assert_eq!(run.stdout(), "stopping\n");
            is_whole(&run, signal);
        }
    }
}

#[test]
fn a_host_that_ignores_a_signal_goes_on() {
    for ignore in ["signal.SIG_IGN", "lambda *_: None"] {
        let run = after_20_steps(&format!(
            "signal.signal(signal.SIGTERM, {ignore}); os.kill(os.getpid(), signal.SIGTERM); gpu.steps(3)"
        ));
        run.succeeded();
        assert_eq!(report(&run.output())["steps"]["count"], 20);
    }
}

#[test]
fn a_host_that_calls_the_handler_before_its_own_gets_the_default_from_ours() {
    let run = after_20_steps(
        "
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
def chained(number):
    os.write(1, b'first\\n')
    HANDLER(before)(number)
chained = HANDLER(chained)
before = libc.signal(signal.SIGTERM, ctypes.cast(chained, ctypes.c_void_p))
assert before, 'ours was there'
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
",
    );
    assert_eq!(run.output.status.signal(), Some(libc::SIGTERM), "{}", text(&run.output));
    assert_eq!(run.stdout(), "first\n");
    is_whole(&run, "chained");
}

#[test]
fn crashes_leave_what_was_on_disk() {
    for (end, signal) in [("os.abort()", libc::SIGABRT), ("ctypes.string_at(8)", libc::SIGSEGV)] {
        let run = after_20_steps(&format!("flushed()\n{end}"));
        assert_eq!(run.output.status.signal(), Some(signal), "{}", text(&run.output));
        assert_eq!(run.report_afterwards()["steps"]["count"], 17);
    }
}

#[test]
fn signals_that_interrupt_everything_lose_nothing() {
    let program = "
signal.signal(signal.SIGALRM, lambda *_: None)
libc.siginterrupt(signal.SIGALRM, 1)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
Gpu().steps(203)
libc.exit(0)
";
    let run = Server::python(program).steps(1000, 3).run();
    run.succeeded();
    assert_eq!(report(&run.output())["steps"]["count"], 200);
}

#[test]
fn a_kernel_that_never_ends_does_not_keep_the_process_from_ending() {
    let begun = Instant::now();
    let run = after_20_steps("gpu.sim.sim_gpu_faults(b'hang:1'); gpu.launch(); print('end'); sys.exit(5)");
    assert_eq!(run.output.status.code(), Some(5), "{}", text(&run.output));
    assert_eq!(run.stdout(), "end\n", "the host's own output was flushed");
    assert!(run.stderr().contains("never ended"), "{}", run.stderr());
    let report = report(&run.output());
    assert_eq!(report["steps"]["count"], 17);
    assert!(report["capture"]["dropped"].to_string().contains("no_completion"), "{:#}", report["capture"]);
    assert!(begun.elapsed().as_secs() < 60);
}

/// The handler is installed between the SDK's start and the first code object, so that it runs after ours and before the
/// SDK's; a kernel whose completion got lost is missing all the while.
#[test]
fn exit_handlers_of_the_host_take_as_long_as_they_like() {
    let program = "
sim = simulator()
sim.sim_init(1, b'gfx942')
sim.sim_set_device(0)
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)
def handle(status, _):
    time.sleep(13)
    os.write(1, b'handled\\n')
handler = HANDLER(handle)
libc.on_exit(handler, None)
gpu = Gpu()
gpu.steps(20)
gpu.sim.sim_gpu_faults(b'lost:1')
gpu.launch()
libc.exit(5)
";
    let run = Server::python(program).steps(1000, 3).run();
    assert_eq!(run.output.status.code(), Some(5), "{}", text(&run.output));
    assert_eq!(run.stdout(), "handled\n", "{}", text(&run.output));
    assert_eq!(report(&run.output())["steps"]["count"], 17);
}
