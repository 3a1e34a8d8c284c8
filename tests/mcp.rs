//! `profile-decode mcp` from outside: sessions over a pipe, questions that engineers ask, and requests that mean no good.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kineto::Kineto;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A session with the program.
struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

impl Session {
    /// Begins one whose root is `root`.
    fn begin(root: &Path) -> Self {
        let mut session = Self::begin_without_hello(root);
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let answer = session.request("initialize", hello);
        assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "profile-decode");
        session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        session
    }

    fn begin_without_hello(root: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
            command.env_remove(name);
        }
        command.args(["mcp", "--root"]).arg(root).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, id: 0 }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// The next message, which must be one line of JSON-RPC.
    fn receive(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the session ended");
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).to_string());
        let answer = self.receive();
        assert_eq!(answer["id"], self.id, "{answer}");
        answer
    }

    /// The text that a tool answers with, and whether it is a failure.
    fn call(&mut self, tool: &str, arguments: Value) -> (String, bool) {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        let result = &answer["result"];
        let content = result["content"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!((content.len(), &content[0]["type"]), (1, &json!("text")));
        let text = content[0]["text"].as_str().unwrap().to_owned();
        assert!(text.len() <= 64 << 10, "{} bytes", text.len());
        (text, result["isError"].as_bool().unwrap())
    }

    /// As [`call`](Self::call), of what must go well.
    fn ask(&mut self, tool: &str, arguments: Value) -> String {
        let (text, failed) = self.call(tool, arguments.clone());
        assert!(!failed, "{tool} {arguments}: {text}");
        text
    }

    /// The code by which a line is refused.
    fn refused(&mut self, line: &str) -> i64 {
        self.send(line);
        let answer = self.receive();
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}"))
    }

    fn end(self) -> i32 {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        child.wait().unwrap().code().unwrap()
    }
}

const GEMM: &str = "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT16x16x64_MI16x16x1_SN_ISA942";
const ATTENTION: &str = "paged_attention_ll4mi_QKV_mfma16_kernel";
const STRANGER: &str = "frobnicate_v7";

/// Forty decode steps of 200 µs on each of two ranks:
///
/// ```text
///   0         60        100  110        130            200 µs
///   |  GEMM   | attention| ? | allreduce |     idle     |
/// ```
///
/// `gemm` is how many µs the first takes; rank 1 is `late` µs later at the collective, since its attention takes longer.
fn served(directory: &Path, gemm: f64, late: f64) {
    fs::create_dir_all(directory).unwrap();
    for rank in 0..2 {
        let mut trace = Kineto::of_rank(rank, 2);
        trace.group("tp", &[0, 1]);
        for step in 0..40_u64 {
            // Durations vary by a little, each with a period of its own: a clock that never varied would be no clock.
            let wobble = (step * 7 % 5) as f64 * 0.1;
            let at = 1_000.0 + step as f64 * 200.0;
            let late = if rank == 1 { late } else { 0.0 };
            trace.range("decode[bs=8 tok=8 p=0 d=8]", at, 40.0);
            trace.call("hipGraphLaunch", at + 1.0, 5.0, step + 1);
            let mut from = at + 10.0;
            for (name, micros) in [(GEMM, gemm + wobble), (ATTENTION, 40.0 + late), (STRANGER, 10.0)] {
                trace.kernel(name, from, micros, step + 1);
                from += micros;
            }
            let end = at + 10.0 + gemm + wobble + 40.0 + 10.0 + 10.0 + 8.0;
            trace.collective("allreduce", ("tp", &[0, 1]), from, end - from, step + 1);
        }
        trace.write(&directory.join(format!("rank{rank}.json")));
    }
}

/// Six replays of an attention and a product of 8 rows, with the trace of their capture beside them.
fn replayed(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    let mut trace = Kineto::of_rank(0, 1);
    for step in 0..6_u32 {
        let at = f64::from(step) * 200.0;
        trace.range("decode[bs=8 tok=8 p=0 d=8]", at, 20.0);
        trace.call("hipGraphLaunch", at + 5.0, 10.0, u64::from(step) + 1);
        trace.kernel(ATTENTION, at + 20.0, 30.0, u64::from(step) + 1);
        trace.kernel(GEMM, at + 60.0, 30.0, u64::from(step) + 1);
    }
    trace.write(&directory.join("trace.json"));
    let mut capture = Kineto::of_rank(0, 1);
    let bf16 = "c10::BFloat16";
    capture.range("capture_8_FULL", 0.0, 900.0);
    capture.call("hipStreamBeginCapture", 100.0, 2.0, 200_001);
    capture.captured("vllm::unified_attention", &[(&[8, 64, 64], bf16)], ATTENTION, 110.0, 2);
    capture.captured("aten::mm", &[(&[8, 4096], bf16), (&[4096, 2880], bf16)], GEMM, 120.0, 3);
    capture.call("hipStreamEndCapture", 200.0, 2.0, 200_003);
    capture.write(&directory.join("graph_capture.json"));
}

#[test]
fn products_are_listed_for_tuners() {
    let root = TempDir::new().unwrap();
    replayed(&root.path().join("run"));
    let mut session = Session::begin(root.path());
    let list = session.ask("tune-list", json!({"paths": ["run/trace.json"]}));
    let expected =
        "M,N,K,bias,dtype,outdtype,scaleAB,bpreshuffle\n8,2880,4096,False,torch.bfloat16,torch.bfloat16,False,False\n";
    assert_eq!(list, expected);
    let (none, failed) = session.call("tune-list", json!({"paths": ["run"], "kind": "a4w4"}));
    assert!(failed && none.contains("left out: 1 products of other types"), "{none}");
    assert_eq!(session.end(), 0);
}

/// A root with a run, and one in which the GEMM takes half as long again.
fn root() -> TempDir {
    let root = TempDir::new().unwrap();
    served(&root.path().join("base"), 60.0, 6.0);
    served(&root.path().join("slow"), 90.0, 6.0);
    root
}

#[test]
fn a_session_begins_lists_its_tools_and_ends_with_stdin() {
    let root = root();
    let mut session = Session::begin_without_hello(root.path());
    let early = session.request("tools/list", json!({}));
    assert_eq!(early["error"]["code"], -32600, "not before `initialize`: {early}");
    // A client of another version is told ours, and may leave.
    let answer = session.request("initialize", json!({"protocolVersion": "1999-01-01", "capabilities": {}}));
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer["result"]["capabilities"], json!({"tools": {}}));
    assert!(answer["result"]["instructions"].as_str().unwrap().contains(root.path().to_str().unwrap()));
    session
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}).to_string());
    assert_eq!(session.request("ping", json!({}))["result"], json!({}));
    let tools = session.request("tools/list", json!({}))["result"]["tools"].take();
    let names: Vec<&str> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["report", "diff", "list-markers", "classify", "explain", "tune-list"]);
    for tool in tools.as_array().unwrap() {
        assert!(tool["description"].as_str().unwrap().len() > 40, "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        jsonschema::draft202012::meta::validate(&tool["inputSchema"]).unwrap();
    }
    assert_eq!(session.request("resources/list", json!({}))["error"]["code"], -32601);
    assert_eq!(session.end(), 0);
}

#[test]
fn questions_of_engineers_are_answered_by_one_call_each() {
    let root = root();
    let mut session = Session::begin(root.path());
    let tools = session.request("tools/list", json!({}))["result"]["tools"].take();
    let report = |part: &str, name: &str| json!({"paths": ["base"], part: name});
    let diff = |part: &str, name: &str| json!({"base": ["base"], "new": ["slow"], part: name});
    // What is asked, of which tool and with what, and what the answer must say. The timeline above `served` has the truth.
    let questions: [(&str, &str, Value, &[&str]); 24] = [
        ("How long does a decode step take?", "report", report("key", "steps/itl_ns/p50"), &["200000"]),
        ("And the slowest of a hundred?", "report", report("key", "steps/itl_ns/p99"), &["200"]),
        ("How many steps is that from?", "report", report("key", "steps/count"), &["40"]),
        (
            "How were the steps found?",
            "report",
            report("section", "How this was made"),
            &["marker ranges", "40 decode steps counted"],
        ),
        ("In short?", "report", report("section", "summary"), &["# Decode profile: AMD Instinct MI300X, 2 ranks"]),
        (
            "Where does the time go?",
            "report",
            report("section", "Where the time goes"),
            &["| GEMM", "| Attention", "| Idle"],
        ),
        (
            "How much of the step is GEMM on the critical path?",
            "report",
            report("key", "categories/gemm/critical_share"),
            &["0.3"],
        ),
        ("Which backend runs the GEMMs?", "report", report("section", "GEMM backends"), &["hipblaslt"]),
        ("How long is the GPU idle, and why?", "report", report("key", "idle"), &["critical_share", "causes", "host"]),
        ("Which kernel costs most?", "report", report("key", "top/0/name"), &[GEMM]),
        ("Which single execution took longest?", "report", report("key", "most_expensive/name"), &[GEMM]),
        ("Is the capture complete?", "report", report("key", "steps/complete"), &["true"]),
        ("May I trust it?", "report", report("section", "Losses and warnings"), &["## Losses and warnings"]),
        ("How much time is in kernels that nobody knows?", "report", report("key", "unknown/gpu_share"), &["0.078"]),
        ("Which batches were run?", "report", report("key", "steps/batch"), &["8"]),
        ("Which GPU was it?", "report", report("key", "source/0/gpu"), &["MI300X"]),
        (
            "Do ranks wait for one another?",
            "report",
            report("key", "rank_skew/collectives/last_arriver/0"),
            &["\"rank\": 1", "\"times\": 40"],
        ),
        (
            "What is this kernel?",
            "classify",
            json!({"names": [ATTENTION], "arch": "gfx942"}),
            &["\"category\":\"attention\""],
        ),
        (
            "Why is it called that?",
            "explain",
            json!({"name": ATTENTION}),
            &["category    Attention", "decided by", "because"],
        ),
        ("Which markers could steps be found by?", "list-markers", json!({"paths": ["base"]}), &["decode[bs=", "80"]),
        ("Did it get slower?", "diff", diff("key", "verdict"), &["\"regressed\""]),
        (
            "By how much, and is that real?",
            "diff",
            diff("key", "categories/gemm"),
            &["\"real\": true", "\"delta_ns\": 30"],
        ),
        ("Which kernel did it?", "diff", diff("key", "kernels/0/new/0"), &[GEMM]),
        ("May these two be compared at all?", "diff", diff("key", "comparable"), &["verdict", "reasons"]),
    ];
    let page = include_str!("../docs/agents.md");
    for (question, tool, arguments, expected) in questions {
        let row = page.lines().find(|line| line.starts_with(&format!("| {question} | `{tool}` | ")));
        let row = row.unwrap_or_else(|| panic!("docs/agents.md does not have {question}"));
        let shown: Value = serde_json::from_str(row.split('`').nth(3).unwrap()).unwrap();
        assert_eq!(shown, arguments, "docs/agents.md: {question}");
        let schema = &tools.as_array().unwrap().iter().find(|known| known["name"] == tool).unwrap()["inputSchema"];
        assert!(jsonschema::is_valid(schema, &arguments), "{question}: not what the schema of {tool} says");
        let answer = session.ask(tool, arguments);
        for text in expected {
            assert!(answer.contains(text), "{question}\nno {text:?} in\n{answer}");
        }
    }
    assert_eq!(session.end(), 0);
}

#[test]
fn an_answer_is_what_the_program_prints() {
    let root = root();
    let mut session = Session::begin(root.path());
    let said = session.ask("report", json!({"paths": ["base"]}));
    let base = fs::canonicalize(root.path().join("base")).unwrap();
    let printed = Command::new(env!("CARGO_BIN_EXE_profile-decode")).arg("report").arg(base).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(Some(said.as_str()), printed.split("\n## Appendix").next());
    let json = session.ask("report", json!({"paths": ["base"], "key": "/"}));
    assert_eq!(contract::parsed(&json)["schema"], "profile-decode/report/1");
    let two = session.ask("report", json!({"paths": ["base/rank0.json", "base/rank1.json"], "key": "ranks"}));
    assert_eq!(two, "2");
    let few = session.ask("report", json!({"paths": ["base"], "steps": 5, "warmup": 3, "key": "steps/count"}));
    assert_eq!(few, "5");
    let same = session.ask("diff", json!({"base": ["base"], "new": ["base"], "key": "verdict"}));
    assert_eq!(same, "\"same\"");
}

#[test]
fn what_is_not_below_a_root_is_not_read() {
    let root = root();
    let elsewhere = root.path().with_extension("elsewhere");
    served(&elsewhere, 60.0, 0.0);
    symlink(&elsewhere, root.path().join("link")).unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    symlink(elsewhere.join("rank0.json"), root.path().join("run/rank0.json")).unwrap();
    let mut session = Session::begin(root.path());
    let absolute = |name: &str| elsewhere.join(name).display().to_string();
    let name = elsewhere.file_name().unwrap().to_str().unwrap();
    for path in [
        "..",
        &format!("../{name}"),
        &format!("base/../../{name}"),
        "link",
        "link/rank0.json",
        "run",
        &absolute("rank0.json"),
        &absolute(""),
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "-",
        "",
        "a\0b",
    ] {
        for (tool, arguments) in [
            ("report", json!({"paths": [path]})),
            ("report", json!({"paths": ["base", path]})),
            ("list-markers", json!({"paths": [path]})),
            ("diff", json!({"base": ["base"], "new": [path]})),
        ] {
            let (text, failed) = session.call(tool, arguments);
            assert!(failed && !text.contains("MI300X"), "{tool} {path:?}: {text}");
        }
    }
    let (text, failed) = session.call("report", json!({"paths": ["nothing.json"]}));
    assert!(failed && text.contains("no such file"), "{text}");
    assert_eq!(session.ask("report", json!({"paths": ["base"], "key": "ranks"})), "2", "the session goes on");
    fs::remove_dir_all(&elsewhere).unwrap();
}

#[test]
fn hostile_requests_are_errors_and_not_the_end() {
    let root = root();
    fs::write(root.path().join("broken.json"), "{\"traceEvents\": [").unwrap();
    fs::write(root.path().join("text.txt"), "no trace").unwrap();
    let mut session = Session::begin(root.path());
    for (line, code) in [
        ("{".to_owned(), -32700),
        ("[".repeat(100_000), -32700),
        ("x".repeat(3 << 20), -32600),
        ("[]".to_owned(), -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#.to_owned(), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#.to_owned(), -32601),
    ] {
        assert_eq!(session.refused(&line), code, "{}", &line[..line.len().min(80)]);
    }
    for (params, code) in [
        (json!({}), -32602),
        (json!({"name": "run", "arguments": {"command": "id"}}), -32602),
        (json!({"name": "x".repeat(100_000)}), -32602),
        (json!({"name": "report"}), -32602),
        (json!({"name": "report", "arguments": {"paths": "base"}}), -32602),
        (json!({"name": "report", "arguments": {"paths": ["base"], "output": "/tmp/x"}}), -32602),
        (json!({"name": "report", "arguments": {"paths": ["base"], "steps": -1}}), -32602),
        (json!({"name": "explain", "arguments": {"name": 7}}), -32602),
    ] {
        let answer = session.request("tools/call", params.clone());
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer.to_string().len() < 2000, "what is refused is not repeated at length");
    }
    for (tool, arguments) in [
        ("report", json!({"paths": []})),
        ("report", json!({"paths": ["broken.json"]})),
        ("report", json!({"paths": ["text.txt"]})),
        ("report", json!({"paths": ["base"], "marker": "("})),
        ("report", json!({"paths": ["base"], "section": "x".repeat(100_000)})),
        ("report", json!({"paths": ["base"], "key": "steps/".repeat(10_000)})),
        ("diff", json!({"base": ["base"], "new": ["slow"], "threshold": 7.0})),
        ("classify", json!({"names": vec!["x"; 1001]})),
        ("tune-list", json!({"paths": ["base"]})),
    ] {
        let (text, failed) = session.call(tool, arguments);
        assert!(failed && !text.is_empty(), "{tool}: {text}");
    }
    let long = session.ask("classify", json!({"names": vec!["a_name_of_some_length"; 1000]}));
    assert!(long.ends_with("Name fewer kernels.]\n"), "{}", &long[long.len() - 200..]);
    let control = session.ask("explain", json!({"name": "evil\u{1b}[2J"}));
    assert!(!control.contains('\u{1b}'), "{control:?}");
    assert_eq!(session.ask("report", json!({"paths": ["base"], "key": "ranks"})), "2", "the session goes on");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_root_must_be_named_and_be_a_directory() {
    let run = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).stdin(Stdio::null()).output();
        command.unwrap().status.code().unwrap()
    };
    assert_eq!(run(&["mcp"]), 2);
    assert_eq!(run(&["mcp", "--root", "/nowhere/at/all"]), 66);
    assert_eq!(run(&["mcp", "--root", "/dev/null"]), 66);
    assert_eq!(run(&["mcp", "--root", "/tmp"]), 0, "stdin is at its end");
}
