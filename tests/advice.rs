//! Advice, the decode floor and the comparison with tuned tables from outside: what the program says of simulated servers.

#[path = "common/contract.rs"]
mod contract;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The program in a directory of its own, with no option set by the environment.
fn program(directory: &Path, arguments: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_BIN_EXE_profile-decode"));
    let beside = |name: &str| path.with_file_name(name).exists();
    // A test is built with the program, but neither with the tracer nor with the server.
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        if !beside("examples/decode_server") || !beside("libprofile_decode.so") {
            let build = ["build", "--locked", "--workspace", "--lib", "--bins", "--examples"];
            let status = Command::new(env!("CARGO")).args(build).current_dir(env!("CARGO_MANIFEST_DIR")).status();
            assert!(status.expect("cargo can be run").success(), "cargo {} failed", build.join(" "));
        }
    });
    assert!(beside("examples/decode_server"), "run cargo build --workspace --lib --bins --examples");
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PROFILE_DECODE_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(directory).output().expect("the program can be run")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    contract::parsed(&output.stdout)
}

/// The report of a simulated server's run, left in `directory/run`.
fn demo(directory: &TempDir, arguments: &str) -> Value {
    let mut all = vec!["demo", "--steps", "40", "--format", "json", "-o", "run"];
    all.extend(arguments.split_whitespace());
    json(&program(directory.path(), &all))
}

fn ids(report: &Value) -> Vec<String> {
    let advice = report["advice"].as_array().expect("a list of advice");
    advice.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

fn advised(arguments: &str) -> Vec<String> {
    ids(&demo(&tempfile::tempdir().expect("a directory"), arguments))
}

#[test]
fn the_page_of_all_advice_is_what_the_program_says() {
    let output = program(Path::new("."), &["advice"]);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/advice.md")).expect("the page");
    assert!(page.as_bytes() == output.stdout, "run: profile-decode advice > docs/advice.md");
}

#[test]
fn servers_that_run_as_they_should_are_left_in_peace() {
    assert_eq!(advised("--model dense"), [""; 0]);
    assert_eq!(advised("--model moe"), [""; 0]);
}

#[test]
fn a_sick_server_is_told_what_ails_it() {
    let sick = [
        ("host-bound", "--model dense -- --mode eager"),
        ("piecewise-graphs", "--model moe -- --mode piecewise"),
        ("straggler-rank", "--model moe --tp 4 -- --straggler 2=1.3"),
        ("prefill-interrupts", "--model dense -- --prefill-every 3"),
        ("bucket-padding", "--model dense -- --markers atom --batch 150"),
        ("quant-unfused", "--model dense -- --slow-kernel scaled_fp8_quant_kernel=3"),
        ("sampling-critical", "--model dense -- --slow-kernel SoftMaxForward=4"),
        ("attention-reduce", "--model dense -- --slow-kernel mi_reduce_kernel=3"),
    ];
    for (id, arguments) in sick {
        let found = advised(arguments);
        assert!(found.iter().any(|other| other == id), "{id}: {found:?}");
    }
}

#[test]
fn the_floor_comes_with_the_models_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(demo(&directory, "--model dense")["floor"], Value::Null);
    let config = json!({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128_256, "quantization_config": {"quant_method": "fp8"}});
    fs::write(directory.path().join("config.json"), config.to_string()).expect("a file");
    let arguments = ["report", "run", "--format", "json", "--model-config", "config.json", "--context", "1000"];
    let floor = &json(&program(directory.path(), &arguments))["floor"];
    assert_eq!((floor["gpu"].as_str(), floor["tensor_parallel"].as_u64()), (Some("MI300X"), Some(1)));
    // 7.0 billion weights in FP8, the output head's half a billion in BF16, 1,000 tokens for some 30 requests in FP8, as the
    // attention kernels tell.
    let bytes = floor["bytes_per_step"].as_u64().expect("bytes");
    assert!((9_500_000_000..10_500_000_000).contains(&bytes), "{bytes}");
    assert!(floor["times_floor"].as_f64().expect("a number") > 1.0);
    let text = program(directory.path(), &["report", "run", "--model-config", "config.json"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("## Decode floor"));
}

#[test]
fn the_configuration_of_another_model_is_refused_with_what_differs() {
    let directory = tempfile::tempdir().expect("a directory");
    demo(&directory, "--model dense");
    let config = json!({"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128_256});
    fs::write(directory.path().join("config.json"), config.to_string()).expect("a file");
    let output = program(directory.path(), &["report", "run", "--format", "json", "--model-config", "config.json"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let report = contract::parsed(&output.stdout);
    assert_eq!((&report["error"]["kind"], &report["floor"]), (&json!("other_model"), &Value::Null));
    let message = report["error"]["message"].as_str().expect("a message");
    assert!(message.contains("layers: 80 in the configuration, 32 in the trace"), "{message}");
}

#[test]
fn a_configuration_that_is_none_is_refused_with_its_path_and_what_it_lacks() {
    let directory = tempfile::tempdir().expect("a directory");
    demo(&directory, "--model dense");
    fs::write(directory.path().join("config.json"), "{}").expect("a file");
    let output = program(directory.path(), &["report", "run", "--model-config", "config.json"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{message}");
    assert!(message.contains("config.json") && message.contains("hidden_size"), "{message}");
    let output = program(directory.path(), &["report", "run", "--tp", "8"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn kernels_are_compared_with_aiters_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let report = demo(&directory, "--model moe");
    let gemm =
        report["kernels"].as_array().expect("kernels").iter().find(|row| row["category"] == "gemm").expect("a GEMM");
    let name = gemm["name"].as_str().expect("a name").trim_end_matches(".kd").to_owned();
    let models = directory.path().join("configs/model_configs");
    fs::create_dir_all(&models).expect("a directory");
    let us = gemm["p50_ns"].as_f64().expect("a time") / 1000.0;
    let rows = [28, 29, 30, 31, 32].map(|m| format!("gfx942,304,{m},2880,4096,asm,1,1,{us},{name},0.0"));
    let table = format!("gfx,cu_num,M,N,K,libtype,solidx,splitK,us,kernelName,err_ratio\n{}\n", rows.join("\n"));
    fs::write(models.join("bf16_tuned_gemm.csv"), table).expect("a file");
    fs::write(directory.path().join("configs/bf16_untuned_gemm.csv"), "M,N,K\n1,2,3\n").expect("a file");
    let arguments = ["report", "run", "--format", "json", "--aiter-configs", "configs"];
    let tuned = &json(&program(directory.path(), &arguments))["tuned"];
    assert_eq!((tuned["files"].as_u64(), tuned["rows"].as_u64()), (Some(1), Some(5)));
    let verdict = |row: &Value| (row["name"] == gemm["name"]).then(|| row["verdict"].as_str().map(str::to_owned));
    let verdicts: Vec<_> = tuned["kernels"].as_array().expect("kernels").iter().filter_map(verdict).collect();
    assert_eq!(verdicts, [Some("as_tuned".to_owned())]);
    // A directory without a table is a mistake, not an empty comparison.
    let output = program(directory.path(), &["report", "run", "--aiter-configs", "run"]);
    assert_eq!(output.status.code(), Some(65));
}
