//! The simulator from outside: every version with the printing tool, how tools are found, what an old version lacks.

#[path = "common/python.rs"]
mod python;
#[path = "../examples/decode_server/simulator.rs"]
mod simulator;
#[path = "common/skip.rs"]
mod skip;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A host in Python is what is at hand everywhere where tools are preloaded.
fn python(script: &str) -> Option<Command> {
    let mut command = Command::new(python::python()?);
    command.arg("-c").arg(script).env("SIMULATOR", simulator::simulator());
    Some(command)
}

/// Three launches on one stream, the middle one within a range.
const HOST: &str = r#"
import ctypes, os
sim = ctypes.CDLL(os.environ["SIMULATOR"])
for name in ("sim_module_load", "sim_module_get_function", "sim_stream_create"):
    getattr(sim, name).restype = ctypes.c_int64
i64, u64 = ctypes.c_int64, ctypes.c_uint64
module = sim.sim_module_load(b"gemm\nattention")
kernel, stream = i64(sim.sim_module_get_function(i64(module), b"gemm")), i64(sim.sim_stream_create())
sim.sim_launch(kernel, stream, u64(5000))
sim.roctxRangePushA(b"step")
sim.sim_launch(kernel, stream, u64(6000))
sim.roctxRangePop()
sim.sim_launch(kernel, stream, u64(7000))
"#;

fn run(environment: &[(&str, &str)]) -> Option<Output> {
    let output = python(HOST)?.envs(environment.iter().copied()).output().expect("python3 can be started");
    Some(output)
}

fn lines(output: &Output, part: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

fn tool() -> String {
    simulator::library("rocprofiler_print_tool").display().to_string()
}

#[test]
fn every_version_reports_the_same_work_in_its_own_layout() {
    for (version, number) in [
        ("0.4", 400),
        ("0.5", 500),
        ("0.6", 600),
        ("1.0", 10_000),
        ("1.1", 10_100),
        ("1.3", 10_300),
        ("1.3.2", 10_302),
        ("1.3.5", 10_305),
        ("1.4.1", 10_401),
    ] {
        let environment = [("LD_PRELOAD", tool()), ("ROCPROFILER_SIM_VERSION", version.to_owned())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        let Some(output) = run(&environment) else { return };
        assert!(output.status.success(), "{version}");
        assert_eq!(lines(&output, &format!("rocprofiler_configure version {number} ")).len(), 1, "{version}");
        assert_eq!(lines(&output, "gemm.kd start").len(), 9, "{version}: ENTER, EXIT and COMPLETE of each");
        for duration in [5_000, 6_000, 7_000] {
            let ended = lines(&output, "dispatch complete/none");
            assert_eq!(ended.iter().filter(|line| line.ends_with(&format!("dur {duration}"))).count(), 1, "{version}");
        }
        assert_eq!(lines(&output, "roctxRangePushA phase 1 corr 2 'step'").len(), 1, "{version}");
        let totals = "tool_fini: totals: dispatch enqueue-enter 3 enqueue-exit 3 complete 3 buffered 0 markers 4 hip 0";
        assert_eq!(lines(&output, totals).len(), 1, "{version}");
    }
}

#[test]
fn a_tool_that_does_not_know_the_version_may_decline() {
    let Some(output) = run(&[("LD_PRELOAD", &tool()), ("ROCPROFILER_SIM_VERSION", "2.0")]) else { return };
    assert!(output.status.success());
    assert_eq!(lines(&output, "rocprofiler_configure version 20000").len(), 1);
    assert_eq!(lines(&output, "tool_init").len() + lines(&output, "dispatch").len(), 0);
}

#[test]
fn an_old_version_lacks_what_came_later_and_any_function_can_be_hidden() {
    let script = "import ctypes, os; sim = ctypes.CDLL(os.environ['SIMULATOR']); print(*(hasattr(sim, name) for name in \
                  ('rocprofiler_get_version', 'rocprofiler_get_version_triplet', 'rocprofiler_get_timestamp')))";
    for (version, hidden, expected) in [
        ("0.6", "", "True False True"),
        ("1.0", "", "True True True"),
        ("1.0", "rocprofiler_get_timestamp", "True True False"),
    ] {
        let Some(mut command) = python(script) else { return };
        command.env("ROCPROFILER_SIM_VERSION", version).env("ROCPROFILER_SIM_HIDE", hidden);
        let output = command.output().expect("python3 can be started");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{version} without {hidden:?}");
    }
}

#[test]
fn tools_are_found_by_the_sdks_rules() {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = |name: &str| {
        let path = directory.path().join(name);
        std::fs::copy(Path::new(&tool()), &path).expect("a copy");
        path.display().to_string()
    };
    let (first, second) = (copy("first.so"), copy("second.so"));
    let configured = |environment: &[(&str, &str)]| {
        run(environment).map(|output| {
            let priorities = ["priority 0", "priority 1"].map(|priority| lines(&output, priority).len());
            (output.status.success(), priorities)
        })
    };
    let cases = [
        // Of more than one entry only those count that a colon follows.
        (format!("{first}:{second}"), (true, [1, 0])),
        (format!("{first}:{second}:"), (true, [1, 1])),
        (first.clone(), (true, [1, 0])),
        // What cannot be loaded ends the process.
        ("/nowhere/tool.so".to_owned(), (false, [0, 0])),
    ];
    for (libraries, expected) in cases {
        let Some(found) = configured(&[("ROCP_TOOL_LIBRARIES", &libraries)]) else { return };
        assert_eq!(found, expected, "{libraries}");
    }
    // Twice the same tool is one; two preloaded ones are two.
    assert_eq!(configured(&[("ROCP_TOOL_LIBRARIES", &first), ("LD_PRELOAD", &first)]), Some((true, [1, 0])));
    assert_eq!(configured(&[("LD_PRELOAD", &format!("{first} {second}"))]), Some((true, [1, 1])));
    assert_eq!(configured(&[("LD_PRELOAD", &first), ("ROCPROFILER_REGISTER_ENABLED", "0")]), Some((true, [0, 0])));
    // rocprofiler-register aborts where a tool is and the SDK is not.
    assert_eq!(configured(&[("LD_PRELOAD", &first), ("ROCPROFILER_SIM_MISSING", "1")]), Some((false, [0, 0])));
    assert_eq!(configured(&[("ROCPROFILER_SIM_MISSING", "1")]), Some((true, [0, 0])));
}

#[test]
fn the_finalizer_ends_everything_for_a_tool_alone_and_only_itself_beside_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let second = directory.path().join("second.so");
    std::fs::copy(tool(), &second).expect("a copy");
    // The printing tool calls its finalizer from an interposed _exit.
    let script = format!("{HOST}sim.sim_device_synchronize()\nos._exit(0)\n");
    let ended = |preload: String| {
        let mut command = python(&script)?;
        let output = command.env("LD_PRELOAD", preload).env("PRINT_TOOL", "quick").output().expect("it starts");
        assert!(output.status.success());
        Some(["tool_fini: totals:", "code object unload"].map(|line| lines(&output, line).len()))
    };
    let Some(alone) = ended(tool()) else { return };
    assert_eq!(alone, [1, 2]);
    assert_eq!(ended(format!("{} {}", tool(), second.display())), Some([1, 0]));
}

#[test]
fn a_kernel_that_never_ends_keeps_a_traced_process_from_exiting() {
    let endless = format!("{HOST}sim.sim_launch(kernel, stream, u64(2 ** 64 - 1))\n");
    let Some(mut command) = python(&endless) else { return };
    let mut child = command.env("LD_PRELOAD", tool()).stderr(Stdio::null()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(1500));
    let still_there = child.try_wait().expect("it can be asked").is_none();
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
    assert!(still_there);
    // Without a tool nothing waits.
    assert!(python(&endless).is_some_and(|mut command| command.status().is_ok_and(|status| status.success())));
}

#[test]
fn an_attached_tool_is_called_in_the_order_of_the_sdk() {
    let script =
        format!("{HOST}\nfor _ in range(2):\n    assert sim.sim_attach() == 0\n    assert sim.sim_detach() == 0\n");
    let attach = |version: &str, variable: &str| {
        let mut command = python(&script)?;
        command.env("ROCPROFILER_SIM_VERSION", version).env(variable, "1");
        Some(command.env("ROCPROF_ATTACH_TOOL_LIBRARY", tool()).output().expect("python3 can be started"))
    };
    for version in ["1.1", "1.3", "1.4.1"] {
        let Some(output) = attach(version, "ROCP_TOOL_ATTACH") else { return };
        assert!(output.status.success(), "{version}");
        let calls = ["rocprofiler_configure", "tool_init", "tool_attach", "tool_detach", "tool_fini: totals:"];
        let found = lines(&output, "[tool ").into_iter().filter_map(|line| {
            let said = line.split_once("] ").map_or("", |(_, said)| said).to_owned();
            calls.iter().any(|call| said.starts_with(call)).then(|| said.split(' ').next().unwrap_or("").to_owned())
        });
        let expected = [
            "rocprofiler_configure",
            "rocprofiler_configure_attach",
            "tool_init",
            "tool_attach",
            "tool_detach",
            "tool_attach",
            "tool_detach",
            "tool_fini:",
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected, "{version}");
        assert_eq!(lines(&output, "tool_attach contexts 1 given 1").len(), 2, "{version}: with the tool's context");
        assert_eq!(lines(&output, "symbol id").len(), 12, "{version}: what was loaded is told");
    }
    for (version, variable) in [("1.0", "ROCP_TOOL_ATTACH"), ("1.1", "UNPREPARED")] {
        let output = attach(version, variable).expect("python was there");
        assert!(!output.status.success(), "{version} {variable}");
        assert_eq!(lines(&output, "[tool ").len(), 0, "{version} {variable}");
    }
}
