//! The program from outside: what a user types, and what comes back on stdout, stderr and as exit code.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What one run of the program came back with.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A place of its own, in which the program is run.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, with no variable of ours set.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        Outcome {
            code: output.status.code().expect("not ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `report` on a broken input: there must be the documented exit code, no report, and an error on stderr that
    /// names the file; with `--format json` the same as an object on stdout.
    fn refuses(&self, input: &str, code: i32, kind: &str) -> String {
        let plain = self.run(&["report", input]);
        assert_eq!((plain.code, plain.stdout.as_str()), (code, ""), "{}", plain.stderr);
        assert!(plain.stderr.contains(input), "{}", plain.stderr);
        let json = self.run(&["report", input, "--format", "json"]);
        assert_eq!(json.code, code);
        let object: serde_json::Value = contract::parsed(&json.stdout);
        assert_eq!(object["error"]["kind"], kind, "{object}");
        assert_eq!(object["error"]["path"], input);
        assert!(object["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        for key in ["offset", "hint"] {
            assert!(object["error"].as_object().unwrap().contains_key(key), "{key}");
        }
        let written = self.run(&["report", input, "-o", "report.md"]);
        assert_eq!(written.code, code);
        assert!(!self.path("report.md").exists(), "no report that looks whole");
        plain.stderr
    }
}

/// A Kineto trace of `steps` decode steps, each a GEMM and an attention kernel launched by one graph.
fn kineto(steps: u32) -> String {
    let mut events = Vec::new();
    for step in 0..steps {
        let at = 1000.0 + f64::from(step) * 100.0;
        let range = |name: &str| {
            format!(r#"{{"ph":"X","cat":"user_annotation","name":"{name}","pid":1,"tid":1,"ts":{at:.3},"dur":20.000}}"#)
        };
        events.push(range("decode[bs=8 tok=8 p=0 d=8]"));
        events.push(format!(
            r#"{{"ph":"X","cat":"cuda_runtime","name":"hipGraphLaunch","pid":1,"tid":1,"ts":{:.3},"dur":5.000,"args":{{"correlation":{step}}}}}"#,
            at + 1.0
        ));
        for (name, offset, duration) in
            [("Cijk_Alik_Bljk_BBS_BH_MT16x16x64", 10.0, 30.0), ("paged_attention_ll4mi_QKV_mfma16_kernel", 41.0, 12.5)]
        {
            events.push(format!(
                r#"{{"ph":"X","cat":"kernel","name":"{name}","pid":0,"tid":7,"ts":{:.3},"dur":{duration:.3},"args":{{"correlation":{step},"device":0,"stream":7}}}}"#,
                at + offset
            ));
        }
    }
    format!(r#"{{"schemaVersion":1,"traceEvents":[{}]}}"#, events.join(","))
}

fn json(text: &str) -> serde_json::Value {
    contract::parsed(text)
}

#[test]
fn a_trace_gives_a_report_on_stdout_and_nothing_on_stderr() {
    let place = Place::new();
    place.file("trace.json", kineto(12));
    let outcome = place.run(&["report", "trace.json", "--format", "json"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let report = json(&outcome.stdout);
    assert_eq!(report["schema"], "profile-decode/report/1");
    assert_eq!(report["totals"]["dispatches"], 24);
    assert_eq!(report["totals"]["gpu_time_ns"], 12 * 42_500);
    assert_eq!(report["steps"]["itl_ns"]["p50"], 100_000);
    let gemm = report["categories"].as_array().unwrap().iter().find(|row| row["name"] == "gemm").unwrap();
    assert_eq!(gemm["per_step_ns"]["p50"], 30_000);
    let markdown = place.run(&["report", "trace.json"]);
    assert!(markdown.stdout.starts_with("# "), "{}", markdown.stdout);
}

#[test]
fn options_have_variables_of_the_same_meaning() {
    let place = Place::new();
    place.file("trace.json", kineto(12));
    let by_option = place.run(&["report", "trace.json", "--format", "json", "--whole-trace"]);
    let mut command = place.command(&["report", "trace.json"]);
    command.env("PROFILE_DECODE_FORMAT", "json").env("PROFILE_DECODE_WHOLE_TRACE", "1");
    let by_variable = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(by_option.stdout, by_variable);
    assert_eq!(json(&by_variable)["scope"]["of"], "trace");
}

/// [`kineto`] without the attention kernel of these steps.
fn kineto_short_of(steps: u32, short: &[u32]) -> String {
    let mut trace = serde_json::from_str::<serde_json::Value>(&kineto(steps)).unwrap();
    let events = trace["traceEvents"].as_array_mut().unwrap();
    events.retain(|event| {
        let name = event["name"].as_str().unwrap();
        let step = event["args"]["correlation"].as_u64();
        !name.starts_with("paged_attention") || !short.iter().any(|&short| step == Some(u64::from(short)))
    });
    trace.to_string()
}

#[test]
fn a_report_of_too_few_complete_steps_fails_with_3_and_is_made_all_the_same() {
    let place = Place::new();
    place.file("trace.json", kineto_short_of(20, &[7]));
    place.file("whole.json", kineto(20));
    assert_eq!(place.run(&["report", "whole.json", "--min-complete", "100%"]).code, 0);
    assert_eq!(place.run(&["report", "trace.json", "--min-complete", "95%"]).code, 0, "19 of 20 are 95 %");
    let markdown = place.run(&["report", "trace.json", "--min-complete", "0.96"]);
    assert_eq!(markdown.code, 3);
    assert!(
        markdown.stderr.contains("trace.json") && markdown.stderr.contains("step 7 on rank 0"),
        "{}",
        markdown.stderr
    );
    assert!(markdown.stderr.contains("19 of 20"), "{}", markdown.stderr);
    let row =
        markdown.stdout.lines().find(|line| line.contains("1 × `paged_attention")).expect("a row of what is lacking");
    assert!(row.split('|').map(str::trim).take(5).eq(["", "0", "7", "2", "1"]), "{row}");
    assert!(markdown.stdout.contains("Saves no time: this costs trust"), "{}", markdown.stdout);
    assert!(!markdown.stdout.contains("biggest lever: **The capture"), "a loss is no lever: {}", markdown.stdout);

    let gated = ["report", "trace.json", "--min-complete", "100%", "--format", "json"];
    let outcome = place.run(&gated);
    assert_eq!(outcome.code, 3);
    let object = json(&outcome.stdout);
    assert_eq!((&object["error"]["kind"], &object["error"]["path"]), (&"incomplete".into(), &"trace.json".into()));
    assert_eq!((&object["steps"]["complete_steps"], &object["steps"]["complete"]), (&19.into(), &false.into()));
    let missing = serde_json::json!([{"step": 7, "rank": 0, "expected": 2, "seen": 1,
        "kernels": [{"name": "paged_attention_ll4mi_QKV_mfma16_kernel", "count": 1}]}]);
    assert_eq!(object["steps"]["missing"], missing);

    let outcome = place.run(&[&gated[..], &["-o", "report.json"]].concat());
    assert_eq!((outcome.code, &json(&outcome.stdout)["error"]["kind"]), (3, &"incomplete".into()));
    let written = json(&fs::read_to_string(place.path("report.json")).unwrap());
    assert_eq!((&written["steps"]["missing"], written.get("error")), (&missing, None));
}

#[test]
fn a_trace_that_proves_nothing_does_not_pass_the_gate() {
    let place = Place::new();
    place.file("one.json", kineto(1));
    let outcome = place.run(&["report", "one.json", "--min-complete", "1%"]);
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("0 of 1"), "{}", outcome.stderr);
    assert_eq!(place.run(&["report", "one.json", "--min-complete", "0%"]).code, 0);
    place.file("none.json", kineto(3).replace("decode[", "other["));
    let outcome = place.run(&["report", "none.json", "--min-complete", "0"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(place.run(&["report", "one.json", "--min-complete", "1", "--whole-trace"]).code, 2);
    assert_eq!(place.run(&["report", "one.json", "--min-complete", "101%"]).code, 2);
}

/// A Kineto trace of two GPUs of one process that ran a step of each of these labels, `gemm_ns` on each for decode and ten
/// times that for all else; times are microseconds since the epoch.
fn labelled(labels: &[&str], gemm_ns: u32) -> String {
    let mut events = Vec::new();
    for (step, label) in labels.iter().enumerate() {
        let at = |offset_ns: u64| {
            let ns = 1_753_000_000_000_000_000 + step as u64 * 1_000_000 + offset_ns;
            format!("{}.{:03}", ns / 1000, ns % 1000)
        };
        let gemm_ns = if label.starts_with("decode[") { gemm_ns } else { 10 * gemm_ns };
        let of_cpu = |cat: &str, name: &str, at: String, args: String| {
            format!(
                r#"{{"ph":"X","cat":"{cat}","name":"{name}","pid":1,"tid":1,"ts":{at},"dur":50.000,"args":{{{args}}}}}"#
            )
        };
        events.push(of_cpu("user_annotation", label, at(0), String::new()));
        for device in [2, 3] {
            let correlation = 10 * step + device;
            let call = if label.starts_with("decode[") { "hipGraphLaunch" } else { "hipLaunchKernel" };
            events.push(of_cpu("cuda_runtime", call, at(1000), format!(r#""correlation":{correlation}"#)));
            for (name, offset_ns, ns) in
                [("Cijk_Alik_Bljk_BBS_BH_MT16x16x64", 60_000, gemm_ns), ("argmax", 700_001, 999)]
            {
                events.push(format!(
                    r#"{{"ph":"X","cat":"kernel","name":"{name}","pid":{device},"tid":7,"ts":{},"dur":{}.{:03},"args":{{"correlation":{correlation},"device":{device},"stream":7}}}}"#,
                    at(offset_ns),
                    ns / 1000,
                    ns % 1000
                ));
            }
        }
    }
    format!(r#"{{"traceEvents":[{}]}}"#, events.join(","))
}

#[test]
fn tables_are_of_pure_decode_and_the_other_phases_and_the_batches_stand_beside() {
    let place = Place::new();
    let mut labels = vec!["prefill[bs=2 tok=900 ctx=0]"];
    labels.extend(["decode[bs=8 tok=8 p=0 d=8]"; 6]);
    labels.extend(["decode[bs=4 tok=68 p=64 d=4]", "draft[1/3 bs=8]", "dummy_decode[bs=1]"]);
    labels.extend(["decode[bs=13/16 tok=13 p=0 d=13]"; 4]);
    place.file("trace.json", labelled(&labels, 30_001));
    let report = json(&place.run(&["report", "trace.json", "--format", "json"]).stdout);
    let steps = &report["steps"];
    assert_eq!((&report["ranks"], &steps["count"]), (&2.into(), &10.into()), "{steps:#}");
    for (phase, count) in
        [("decode", 10), ("prefill", 1), ("mixed", 1), ("draft", 1), ("dummy", 1), ("other", 0), ("unknown", 0)]
    {
        assert_eq!(steps["phases"][phase], count, "{phase}");
        let row = steps["by_phase"].as_array().unwrap().iter().find(|row| row["phase"] == phase);
        assert_eq!(row.map(|row| row["steps"].as_u64().unwrap()), (count > 0).then_some(count), "{phase}");
    }
    let batches: Vec<_> = steps["batch"].as_array().unwrap().iter().collect();
    let sizes: Vec<_> = batches.iter().map(|row| (&row["size"], &row["graph_size"], &row["steps"])).collect();
    assert_eq!(sizes, [(&8.into(), &serde_json::Value::Null, &6.into()), (&13.into(), &16.into(), &4.into())]);
    let gemm = report["categories"].as_array().unwrap().iter().find(|row| row["name"] == "gemm").unwrap();
    assert_eq!(gemm["gpu_time_ns"], 2 * 10 * 30_001, "to the nanosecond, and of decode alone");
    let markdown = place.run(&["report", "trace.json"]).stdout;
    let section = |heading: &str| markdown.split_once(heading).unwrap_or_else(|| panic!("{markdown}")).1;
    for phase in ["decode", "prefill", "mixed", "draft", "dummy"] {
        assert!(section("### By phase").contains(&format!("| {phase} ")), "{phase}: {markdown}");
    }
    assert!(section("### By batch").contains("|       13 |         16 |     4 |"), "{markdown}");
}

#[test]
fn steps_and_warm_up_are_what_was_asked_for() {
    let place = Place::new();
    place.file("trace.json", kineto(20));
    let count = |arguments: &[&str]| {
        let outcome = place.run(&[&["report", "trace.json", "--format", "json"], arguments].concat());
        let report = json(&outcome.stdout);
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        (number(&report["steps"]["warmup_skipped"]), number(&report["steps"]["count"]))
    };
    assert_eq!(count(&[]), (0, 20));
    assert_eq!(count(&["--warmup", "4"]), (4, 16));
    assert_eq!(count(&["--steps", "5"]), (0, 5));
    assert_eq!(count(&["--warmup", "4", "--steps", "5"]), (4, 5));
    assert_eq!(count(&["--warmup", "0", "--steps", "100"]), (0, 20));
}

#[test]
fn steps_and_warm_up_are_what_was_asked_for_of_a_capture_too() {
    let beside = Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().unwrap();
    if !tracer_is_there() || !beside.join("examples/decode_server").is_file() {
        skip::skip("the simulated server was not built");
        return;
    }
    let place = Place::new();
    let traced = place.run(&["demo", "--steps", "20", "--warmup", "6", "-o", "run", "--format", "json"]);
    assert_eq!(traced.code, 0, "{}", traced.stderr);
    let count = |arguments: &[&str]| {
        let outcome = place.run(&[&["report", "run", "--format", "json"], arguments].concat());
        let report = json(&outcome.stdout);
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        (number(&report["steps"]["warmup_skipped"]), number(&report["steps"]["count"]))
    };
    assert_eq!(count(&[]), (6, 20), "as it was traced: no more warm-up is found in it");
    assert_eq!(count(&["--warmup", "4", "--steps", "5"]), (6 + 4, 5), "on top of what the tracer let pass");
    assert_eq!(count(&["--warmup", "15"]), (6 + 15, 5));
}

#[test]
fn a_missing_file_is_66() {
    Place::new().refuses("nowhere.json", 66, "not_found");
}

#[test]
fn an_empty_file_is_65() {
    let place = Place::new();
    place.file("empty.json", "");
    place.refuses("empty.json", 65, "malformed");
}

#[test]
fn a_gzip_that_ends_in_its_header_is_65() {
    let place = Place::new();
    place.file("cut.json.gz", [0x1f, 0x8b, 8, 0, 0]);
    place.refuses("cut.json.gz", 65, "malformed");
}

#[test]
fn json_without_events_is_65() {
    let place = Place::new();
    place.file("other.json", r#"{"hello": [1, 2, 3]}"#);
    let outcome = place.run(&["report", "other.json"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (65, ""), "{}", outcome.stderr);
}

#[test]
fn a_trace_without_gpu_work_is_65() {
    let place = Place::new();
    let cpu = r#"{"traceEvents":[{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":1,"dur":2}]}"#;
    place.file("cpu.json", cpu);
    place.refuses("cpu.json", 65, "empty");
}

#[test]
fn a_binary_is_65() {
    let place = Place::new();
    fs::copy(env!("CARGO_BIN_EXE_profile-decode"), place.path("program")).unwrap();
    place.refuses("program", 65, "unknown_format");
}

#[test]
fn a_directory_without_traces_is_65() {
    let place = Place::new();
    fs::create_dir(place.path("nothing")).unwrap();
    let outcome = place.run(&["report", "nothing"]);
    assert!(matches!(outcome.code, 65 | 66), "{} {}", outcome.code, outcome.stderr);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn one_broken_input_of_two_gives_no_report() {
    let place = Place::new();
    place.file("trace.json", kineto(3));
    let outcome = place.run(&["report", "trace.json", "nowhere.json"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (66, ""));
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let place = Place::new();
    for line in [
        &["report"][..],
        &["report", "x", "--steps", "0"],
        &["report", "x", "--steps", "many"],
        &["report", "x", "--format", "docx"],
        &["report", "x", "--marker", "(unclosed"],
        &["frobnicate"],
        &["classify", "--explain", "--format", "table", "x"],
        &["run", "--"],
        &[],
    ] {
        let outcome = place.run(line);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{line:?}");
        assert!(!outcome.stderr.is_empty(), "{line:?}");
    }
    let outcome = place.run(&["report", "x", "--steps", "0", "--format", "json"]);
    assert_eq!(outcome.code, 2);
    assert_eq!(json(&outcome.stdout)["error"]["kind"], "usage");
}

#[test]
fn help_has_examples_and_exit_codes_and_is_good() {
    let place = Place::new();
    for verb in ["report", "classify", "run", "demo"] {
        let outcome = place.run(&[verb, "--help"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        assert!(outcome.stdout.contains("Examples:") && outcome.stdout.contains("Exit codes:"), "{}", outcome.stdout);
    }
    assert_eq!(place.run(&["--version"]).code, 0);
}

#[test]
fn a_report_is_written_to_a_file_and_replaces_a_regular_one() {
    let place = Place::new();
    place.file("trace.json", kineto(3));
    for before in [None, Some("old")] {
        if let Some(text) = before {
            place.file("report.md", text);
        }
        let outcome = place.run(&["report", "trace.json", "-o", "report.md"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        assert!(fs::read_to_string(place.path("report.md")).unwrap().starts_with("# "));
    }
    let names: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing temporary is left: {names:?}");
}

#[test]
fn a_report_is_not_written_through_a_link_nor_over_what_is_no_file() {
    let place = Place::new();
    place.file("trace.json", kineto(3));
    place.file("precious", "mine");
    symlink(place.path("precious"), place.path("link.md")).unwrap();
    symlink(place.path("not there"), place.path("dangling.md")).unwrap();
    fs::create_dir(place.path("directory.md")).unwrap();
    for name in ["link.md", "dangling.md", "directory.md", "no such directory/report.md"] {
        let outcome = place.run(&["report", "trace.json", "-o", name]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (73, ""), "{name}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_to_string(place.path("precious")).unwrap(), "mine");
    assert!(!place.path("not there").exists());
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let place = Place::new();
    place.file("trace.json", kineto(30));
    for line in [&["report", "trace.json"][..], &["classify", "a", "b"]] {
        let mut child = place.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn hostile_names_reach_neither_the_terminal_nor_the_tables() {
    let place = Place::new();
    let name = r"evil \u001b[2J | `` <script>alert(1)</script> \u202e \u009b1m\n| x |";
    place.file("trace.json", kineto(3).replace("Cijk_Alik_Bljk_BBS_BH_MT16x16x64", name));
    for format in ["markdown", "json"] {
        let outcome = place.run(&["report", "trace.json", "--format", format]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!outcome.stdout.chars().any(hostile), "{}", outcome.stdout);
    }
    let outcome = place.run(&["report", "\u{1b}[31mred"]);
    assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
}

#[test]
fn classify_reads_names_from_arguments_and_from_stdin() {
    let place = Place::new();
    let name = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)";
    let outcome = place.run(&["classify", name]);
    let verdict = json(&outcome.stdout);
    assert_eq!((verdict["name"].as_str(), verdict["category"].as_str()), (Some(name), Some("allreduce")));
    for key in ["demangled", "sub", "backend", "dtype", "arch", "secondary", "rule", "confidence"] {
        assert!(verdict.as_object().unwrap().contains_key(key), "{key}");
    }
    let mut child = place.command(&["classify"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{name}\r\n\nsecond\n").as_bytes()).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let names: Vec<String> = text.lines().map(|line| json(line)["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, [name, "second"]);
}

#[test]
fn tables_of_kernels_and_rules_begin_with_a_header() {
    let place = Place::new();
    let table = place.run(&["classify", "--format", "table", "ncclDevKernel_Generic_1", "no_such_kernel"]).stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["category", "kind", "backend", "data", "type", "name"], "{table}");
    assert_eq!(
        (lines[1][0], lines[1].last(), lines.len()),
        ("AllReduce", Some(&"ncclDevKernel_Generic_1"), 3),
        "{table}"
    );
    let at = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{line}: no {word}"));
    let (head, first) = (table.lines().next().unwrap(), table.lines().nth(1).unwrap());
    assert_eq!(at(head, "name"), at(first, "ncclDevKernel"), "names stand under the header:\n{table}");
    let listed = place.run(&["classify", "--list-rules"]).stdout;
    assert!(listed.starts_with("rule  ") && listed.lines().next().unwrap().ends_with(" when"), "{listed}");
}

#[test]
fn a_trace_may_come_on_stdin() {
    let place = Place::new();
    let trace = kineto(12);
    place.file("trace.json", &trace);
    let by_name = json(&place.run(&["report", "trace.json", "--format", "json"]).stdout);
    let piped = |bytes: &[u8], arguments: &[&str]| {
        let mut command = place.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        (output.status.code().unwrap(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(trace.as_bytes()).unwrap();
    for bytes in [trace.clone().into_bytes(), gzip.finish().unwrap()] {
        let (code, [stdout, stderr]) = piped(&bytes, &["report", "-", "--format", "json"]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        let report = json(&stdout);
        assert_eq!((&report["totals"], &report["steps"]), (&by_name["totals"], &by_name["steps"]));
        assert_eq!(report["source"][0]["path"], "-", "{}", report["source"]);
    }
    let (code, [stdout, stderr]) = piped(b"no trace at all", &["report", "-"]);
    assert_eq!((code, stdout.as_str()), (65, ""));
    assert!(stderr.starts_with("error: -: "), "{stderr}");
    let (code, [_, stderr]) = piped(trace.as_bytes(), &["report", "-", "--limit", "unpacked=100"]);
    assert_eq!(code, 65);
    assert!(stderr.contains("more than 100 bytes"), "{stderr}");
    let (code, [_, stderr]) = piped(trace.as_bytes(), &["report", "-", "trace.json"]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn completions_and_manual_pages_know_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        for word in ["report", "list-markers", "classify", "trigger"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
    }
    let script = place.file("completions.bash", place.run(&["completions", "bash"]).stdout);
    let checked = Command::new("bash").arg("-n").arg(script).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let page = place.run(&["man"]).stdout;
    assert!(page.contains(".TH profile-decode 1") && page.contains(".SH SYNOPSIS"), "{page}");
    let page = place.run(&["man", "report"]).stdout;
    assert!(page.contains(".TH profile-decode-report 1") && page.contains("min\\-complete"), "{page}");
    assert_eq!(place.run(&["man", "nothing"]).code, 2);
}

#[test]
fn a_kernel_is_explained_in_words() {
    let outcome =
        Place::new().run(&["classify", "--explain", "ncclDevKernel_Generic_1(ncclDevKernelArgsStorage<4096ul>)"]);
    assert_eq!(outcome.code, 0);
    assert!(outcome.stdout.contains("category    AllReduce"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("because     rule "), "{}", outcome.stdout);
}

#[test]
fn users_rules_go_first_and_a_mistake_in_them_is_told_with_its_line() {
    let place = Place::new();
    let listed = place.run(&["classify", "--list-rules"]);
    assert_eq!(listed.code, 0);
    assert!(listed.stdout.lines().count() > 20, "{}", listed.stdout);
    place.file("broken.rules", "\nthis is no rule\n");
    let outcome = place.run(&["classify", "--rules", "broken.rules", "x"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (65, ""));
    assert!(outcome.stderr.contains("broken.rules: line 2"), "{}", outcome.stderr);
    assert_eq!(place.run(&["report", "x", "--rules", "nowhere.rules"]).code, 66);
}

/// Whether the tracer was built beside the program: cargo does so for `cargo test`, not for every way to run one test.
fn tracer_is_there() -> bool {
    let beside = Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().unwrap();
    let there = ["libprofile_decode.so", "deps/libprofile_decode.so"].iter().any(|name| beside.join(name).is_file());
    if !there {
        skip::skip("libprofile_decode.so was not built");
    }
    there
}

#[test]
fn run_passes_the_exit_code_on_and_leaves_nothing_when_nothing_was_traced() {
    if !tracer_is_there() {
        return;
    }
    let place = Place::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let outcome = place.run(&["run", "--", "sh", "-c", script]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{script}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("no process of it left a capture"), "{}", outcome.stderr);
    }
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0, "empty run directories are taken away");
    assert_eq!(place.run(&["run", "-o", "failed", "--", "no-such-program-anywhere"]).code, 127);
    assert!(!place.path("failed").exists());
    let file = place.file("no-program", "text");
    assert_eq!(place.run(&["run", "--", file.to_str().unwrap()]).code, 126);
}

#[test]
fn run_tells_the_tracer_what_was_asked_for() {
    if !tracer_is_there() {
        return;
    }
    let place = Place::new();
    let script = "echo $PROFILE_DECODE_STEPS $PROFILE_DECODE_WARMUP \"$PROFILE_DECODE_MARKER\" $PROFILE_DECODE_TIMEOUT";
    let line =
        ["run", "--steps", "7", "--warmup", "0", "--marker", "my step", "--timeout", "9", "--", "sh", "-c", script];
    assert_eq!(place.run(&line).stdout, "7 0 my step 9\n");
    let interposition = "echo ${ROCPROFILER_QUEUE_INTERPOSITION-unset}";
    assert_eq!(place.run(&["run", "--", "sh", "-c", interposition]).stdout, "0\n", "contexts can be stopped then");
    let outcome =
        place.run(&["run", "-o", "50%-%p", "--", "sh", "-c", "echo \"$PROFILE_DECODE_OUTPUT\"; echo \"$LD_PRELOAD\""]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].contains("/50%%-") && !lines[0].ends_with("%p"), "{lines:?}");
    assert!(lines[1].ends_with("libprofile_decode.so"), "{lines:?}");
}

#[test]
fn run_takes_a_command_with_and_without_the_double_dash() {
    if !tracer_is_there() {
        return;
    }
    let place = Place::new();
    let line = ["run", "--steps", "7", "sh", "-c", "echo $PROFILE_DECODE_STEPS \"$@\"", "sh"];
    for rest in [&["--steps", "9", "--format", "json"][..], &["-o", "x", "--", "--quiet"]] {
        let plain = place.run(&[&line[..], rest].concat());
        assert_eq!((plain.code, plain.stdout), (0, format!("7 {}\n", rest.join(" "))), "{}", plain.stderr);
        let dashed = place.run(&[&line[..3], &["--"], &line[3..], rest].concat());
        assert_eq!((dashed.code, dashed.stdout), (0, format!("7 {}\n", rest.join(" "))), "{}", dashed.stderr);
    }
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0, "-o was the command's own");
    let failed = place.run(&["run", "no-such-program-anywhere", "--format", "json"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (127, ""), "--format was the command's own");
    assert_eq!(place.run(&["run", "--stepz", "7", "true"]).code, 2, "an option of ours that there is not");
    assert_eq!(place.run(&["run", "--steps", "7"]).code, 2, "no command");
}

#[test]
fn run_never_writes_to_a_directory_that_is_there() {
    if !tracer_is_there() {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path("run")).unwrap();
    place.file("run/report.md", "mine");
    let outcome = place.run(&["run", "-o", "run", "--", "sh", "-c", "basename $PROFILE_DECODE_OUTPUT"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "run-2\n"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(place.path("run/report.md")).unwrap(), "mine");
}

#[test]
fn a_tracer_that_is_not_there_is_69() {
    let outcome = Place::new().run(&["run", "--library", "nowhere.so", "--", "true"]);
    assert_eq!(outcome.code, 69, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--library"), "{}", outcome.stderr);
}

#[test]
fn a_demo_without_its_server_names_the_command_that_builds_it() {
    let place = Place::new();
    for (profile, command) in [
        ("release", "`cargo build --release --workspace --lib --bins --examples`"),
        ("debug", "`cargo build --workspace --lib --bins --examples`"),
    ] {
        fs::create_dir(place.path(profile)).unwrap();
        let program = place.path(profile).join("profile-decode");
        let here = env!("CARGO_BIN_EXE_profile-decode");
        fs::hard_link(here, &program).or_else(|_| fs::copy(here, &program).map(drop)).unwrap();
        let output = Command::new(program).arg("demo").current_dir(place.0.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{stderr}");
        assert!(stderr.contains(command), "{stderr}");
    }
}

#[test]
fn the_demo_traces_the_simulated_server_and_prints_its_report() {
    let beside = Path::new(env!("CARGO_BIN_EXE_profile-decode")).parent().unwrap();
    if !tracer_is_there() || !beside.join("examples/decode_server").is_file() {
        skip::skip("the simulated server was not built");
        return;
    }
    let place = Place::new();
    let outcome = place.run(&["demo", "--tp", "2", "--steps", "6", "--warmup", "2", "--format", "json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report = json(&outcome.stdout);
    assert_eq!((&report["ranks"], &report["steps"]["count"]), (&2.into(), &6.into()), "{}", outcome.stderr);
    assert_eq!(report["steps"]["complete"], true);
    let directory = fs::read_dir(place.0.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(directory.join("report.json")).unwrap(), outcome.stdout);
    let markdown = fs::read_to_string(directory.join("report.md")).unwrap();
    assert!(markdown.contains("## Where the time goes"), "{markdown}");
}
