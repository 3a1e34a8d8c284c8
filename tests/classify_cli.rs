//! `profile-decode classify` and the gate on unknown kernels, from outside.

#[path = "common/contract.rs"]
mod contract;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the program in `directory` with `input` on its stdin.
fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_profile-decode"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("the program reads");
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_line_of_json_tells_more_than_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let input = "_kv_kernel\n{\"name\": \"_kv_kernel\", \"source\": \"vllm/v1/sample/x.py\", \"arch\": \"gfx950\"}\n\
                 {\"name\": \"kda_step\", \"language\": \"gluon\"}\n";
    let outcome = run(directory.path(), &["classify", "--format", "json"], input);
    let rows: Vec<serde_json::Value> = text(&outcome.stdout).lines().map(contract::parsed).collect();
    assert_eq!(rows.len(), 3, "{}", text(&outcome.stderr));
    assert_eq!((&rows[0]["sub"], &rows[0]["arch"]), (&"unknown".into(), &serde_json::Value::Null));
    assert_eq!((&rows[1]["sub"], &rows[1]["arch"]), (&"sampling".into(), &"gfx950".into()));
    assert_eq!(rows[2]["backend"], "gluon");
}

#[test]
fn broken_json_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    for line in ["{", "{\"name\": 1}", "{\"source\": \"x.py\"}", "{\"name\": \"x\", \"sauce\": \"y\"}"] {
        let outcome = run(directory.path(), &["classify"], &format!("a\n{line}\n"));
        assert_eq!(outcome.status.code(), Some(65), "{line}");
        assert!(text(&outcome.stderr).contains("name 2"), "{line}: {}", text(&outcome.stderr));
    }
}

#[test]
fn an_explanation_says_what_decided_and_what_would_have_next() {
    let directory = tempfile::tempdir().unwrap();
    let line = "{\"name\": \"_write_cache_kernel\", \"source\": \"vllm/v1/sample/ops/x.py\"}\n";
    let told = text(&run(directory.path(), &["classify", "--explain"], line).stdout);
    assert!(told.contains("decided by  source (backend by name); the name alone says attention/"), "{told}");
    let told = text(&run(directory.path(), &["classify", "--explain", "_mla_softmax_reducev_kernel"], "").stdout);
    assert!(told.contains("decided by  name\n") && told.contains("next        purpose attn.merge: "), "{told}");
}

#[test]
fn suggested_rules_are_a_table_that_can_be_filled_in() {
    let directory = tempfile::tempdir().unwrap();
    let names = "_remap_kernel\n_gemma_rmsnorm_kernel\n_remap_kernel.kd\nvoid acme::zork<float>(float*)\n";
    let outcome = run(directory.path(), &["classify", "--suggest"], names);
    let table = text(&outcome.stdout);
    assert_eq!(table.matches("\n[own.").count(), 2, "{table}");
    assert!(!table.contains("rmsnorm"), "what is known needs no rule: {table}");
    // As it is it says nothing; filled in it decides.
    for (filled, sub) in [(table.clone(), "unknown"), (table.replace("other/unknown", "moe/sort"), "sort")] {
        std::fs::write(directory.path().join("own.rules"), filled).unwrap();
        let outcome =
            run(directory.path(), &["classify", "--rules", "own.rules", "--format", "json"], "_remap_kernel\n");
        let row: serde_json::Value = contract::parsed(&outcome.stdout);
        assert_eq!((&row["sub"], &row["rule"]), (&sub.into(), &"own._remap_kernel".into()), "{row}");
    }
}

/// A trace of ten steps: a kernel that nobody knows takes 30 % of the time, between two that are known.
fn kineto() -> String {
    let mut events = Vec::new();
    for step in 0..10_u64 {
        let at = step * 200;
        for (name, from, to) in [("_gemma_rmsnorm_kernel", 0, 30), ("_remap_kernel", 30, 60), ("bmm_kernel", 60, 100)] {
            events.push(serde_json::json!({"ph": "X", "cat": "kernel", "name": name, "pid": 0, "tid": 7,
                "ts": at + from, "dur": to - from,
                "args": {"device": 0, "stream": 7, "correlation": step}}));
        }
    }
    serde_json::json!({"schemaVersion": 1, "traceEvents": events}).to_string()
}

#[test]
fn a_gate_on_unknown_kernels_goes_by_gpu_time_and_names_them() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("trace.json"), kineto()).unwrap();
    let report = |share: &str, more: &[&str]| {
        run(directory.path(), &[&["report", "trace.json", "--max-unknown", share][..], more].concat(), "")
    };
    // A third of the launches, 30 % of the time.
    assert_eq!(report("31%", &[]).status.code(), Some(0));
    let failed = report("29%", &["--format", "json"]);
    assert_eq!(failed.status.code(), Some(3));
    let object: serde_json::Value = contract::parsed(&failed.stdout);
    assert_eq!(object["error"]["kind"], "unknown_kernels");
    let unknown = &object["unknown"]["kernels"][0];
    assert_eq!((&unknown["name"], &unknown["count"]), (&"_remap_kernel".into(), &10.into()));
    assert_eq!((&unknown["after"], &unknown["before"]), (&"_gemma_rmsnorm_kernel".into(), &"bmm_kernel".into()));
    let markdown = report("29%", &[]);
    assert!(text(&markdown.stderr).contains("30.0 % of the GPU time"), "{}", text(&markdown.stderr));
    let listed = text(&markdown.stdout);
    let line = listed.lines().find(|line| line.contains("10 launches")).expect("the unknown kernel is listed");
    assert!(line.contains("_remap_kernel") && line.contains("after") && line.contains("bmm_kernel"), "{line}");
}

#[test]
fn an_index_of_an_installation_tells_of_names_that_tell_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("site/acme-1.2.dist-info/RECORD", "acme/x.py,,\n");
    put("site/acme/fused_moe/router/x.py", "@triton.jit\ndef _zork_kernel(): 0\n\n_zork_kernel[grid]()\n");
    let made = run(directory.path(), &["index", "site", "-o", "kernels.idx"], "");
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stderr).contains("1 names of kernels in 1 files of 1 packages"), "{}", text(&made.stderr));
    let known = ["classify", "_zork_kernel", "--format", "json", "--index", "kernels.idx"];
    let row = contract::parsed(text(&run(directory.path(), &known, "").stdout));
    assert_eq!((&row["category"], &row["rule"]), (&"moe".into(), &"none, by.triton.leading; by index (router)".into()));
    let told =
        text(&run(directory.path(), &["classify", "_zork_kernel", "--explain", "--index", "kernels.idx"], "").stdout);
    assert!(told.contains("decided by  index") && told.contains("acme/fused_moe/router/x.py (acme 1.2)"), "{told}");
    // On stdout where no file is named, and again what is written.
    let printed = run(directory.path(), &["index", "site"], "");
    assert_eq!(printed.stdout, std::fs::read(directory.path().join("kernels.idx")).unwrap());
    put("none.idx", "zork\n");
    for (arguments, code) in [
        (&["index", "nowhere"][..], 66),
        (&["index", "."], 0),
        (&["index", "site/acme-1.2.dist-info"], 65),
        (&["index"], 2),
        (&["index", "--python", "/bin/true"], 69),
        (&["classify", "x", "--index", "none.idx"], 65),
    ] {
        let outcome = run(directory.path(), arguments, "");
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {}", text(&outcome.stderr));
    }
}
