//! What a report calls decode, and what it says of steps that are something else.

mod common;
#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;

use std::path::Path;
use std::process::Command;

use kineto::Kineto;
use serde_json::Value;

const NORM: &str =
    "_ZN5aiter24add_rmsnorm_quant_kernelIDF16bDF16bLi256ELi16ELb1ELb0ELb1ELi1EEEvPT0_PT_PfS4_S4_S4_diiiiiiib";
const GEMM: &str = "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT64x64x128_MI16x16x1_SN_ISA942_WS64_WG16_4_4";
const PAGED: &str = "paged_attention_ll4mi_QKV_mfma16_kernel";
const PROMPTS: &str = "aiter::fmha_fwd_hd128_bf16_rtz";

/// Twelve steps of four layers of these kernels of 40 µs, each step under a label and launched by `call`.
fn served(label: &str, call: &str, kernels: &[&str]) -> Kineto {
    let mut trace = Kineto::of_rank(0, 1);
    let mut key = 0;
    for step in 0..12 {
        let mut at = f64::from(step) * 1_000.0;
        trace.range(&label.replace('N', &step.to_string()), at, 900.0);
        for place in 0..4 * kernels.len() {
            if place == 0 || call != "hipGraphLaunch" {
                key += 1;
                trace.call(call, at + 1.0, 2.0, key);
            }
            trace.kernel(kernels[place % kernels.len()], at + 10.0, 40.0, key);
            at += 41.0;
        }
    }
    trace
}

fn run(path: &Path, format: &str) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let output = command.args(["report", "--warmup", "0", "--format", format]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The report of a file as data and as text.
fn report_of(path: &Path) -> (Value, String) {
    (contract::parsed(run(path, "json")), String::from_utf8(run(path, "markdown")).unwrap())
}

fn report(trace: &Kineto) -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.json");
    trace.write(&path);
    report_of(&path)
}

fn advises(report: &Value, id: &str) -> bool {
    report["advice"].as_array().unwrap().iter().any(|advice| advice["id"] == id)
}

/// Asserts that nothing in the report is called decode, and that nothing is advised.
fn is_not_called_decode((data, text): &(Value, String)) {
    assert_eq!(data["steps"]["decode_by"], Value::Array(Vec::new()));
    assert_eq!(data["advice"], Value::Array(Vec::new()));
    assert!(!text.starts_with("# Decode"), "{text}");
    for words in ["decode GPU time", "holds decode up", "decode steps on", "biggest lever"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
}

#[test]
fn labelled_steps_over_a_cache_are_decode() {
    let (data, text) = report(&served("execute_context_0(0)_generation_8(8)", "hipGraphLaunch", &[NORM, GEMM, PAGED]));
    assert!(text.starts_with("# Decode profile") && text.contains("decode GPU time"), "{text}");
    assert_eq!(data["steps"]["decode_by"], serde_json::json!(["label", "decode_attention", "graph_replays"]));
}

#[test]
fn images_are_no_decode_steps() {
    let found = report(&served("execute_diffusion_1_256x256", "hipLaunchKernel", &[GEMM, PROMPTS, GEMM, NORM]));
    is_not_called_decode(&found);
    assert_eq!((&found.0["steps"]["phases"]["other"], &found.0["steps"]["count"]), (&12.into(), &0.into()));
    assert!(found.1.contains("diffusion model, not of decode"), "{}", found.1);
    assert!(found.1.contains("no step that was found is of decode (12 of no inference)"), "{}", found.1);
}

#[test]
fn a_forward_pass_over_prompts_alone_is_not_decode_because_it_recurs() {
    let found = report(&served("ProfilerStep#N", "hipLaunchKernel", &[NORM, GEMM, PROMPTS, GEMM]));
    is_not_called_decode(&found);
}

#[test]
fn a_tile_is_not_oversized_for_the_rows_of_speculation() {
    let label = |tokens: u32| {
        format!("execute_{tokens}_context_0(sq0sk0sqsq0sqsk0)_generation_16(sq{tokens}sk8000sqsq256sqsk32000)")
    };
    let of = |tokens: u32| report(&served(&label(tokens), "hipGraphLaunch", &[NORM, GEMM, PAGED])).0;
    let (plain, speculating) = (of(16), of(64));
    assert!(advises(&plain, "gemm-oversized-tile"), "16 rows in a tile of 64: {}", plain["advice"]);
    assert!(!advises(&speculating, "gemm-oversized-tile"), "16 requests of 4 tokens are 64 rows");
    let rows = |report: &Value| report["steps"]["batch"][0]["rows"].as_u64();
    assert_eq!((rows(&plain), rows(&speculating)), (Some(16), Some(64)));
}

#[test]
fn a_step_that_verifies_drafts_does_not_tell_its_rows() {
    let verify = report(&served("step[TARGET_VERIFY bs=8]", "hipGraphLaunch", &[NORM, GEMM, PAGED])).0;
    assert_eq!((&verify["steps"]["batch"][0]["rows"], advises(&verify, "gemm-oversized-tile")), (&Value::Null, false));
    let plain = report(&served("step[DECODE bs=8]", "hipGraphLaunch", &[NORM, GEMM, PAGED])).0;
    assert!(advises(&plain, "gemm-oversized-tile"));
}

#[test]
fn a_kernel_for_prompts_and_cache_is_decode_attention_in_every_table_of_steps_that_generate() {
    let kernels = [NORM, GEMM, "reshape_and_cache_flash", "kernel_unified_attention_2d", GEMM];
    let (data, text) = report(&served("execute_context_0(0)_generation_8(8)", "hipGraphLaunch", &kernels));
    let named = |table: &Value, name: &str| -> Value {
        table.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!(named(&data["kernels"], "kernel_unified_attention_2d")["sub"], "mha_decode/paged");
    let attention = named(&data["categories"], "attention");
    assert_eq!(named(&attention["subs"], "mha_decode/paged")["dispatches"], 48);
    let slots = data["layers"]["slots"].as_array().unwrap();
    let role = |kernel: &str| &slots.iter().find(|slot| slot["kernels"][0] == kernel).unwrap()["role"];
    assert_eq!(role("kernel_unified_attention_2d"), "attention decode");
    assert_eq!(role("reshape_and_cache_flash"), "KV cache write");
    assert!(!text.contains("attention prefill") && !text.contains("fa_prefill"), "{text}");
}

/// Decode steps of 3 ms at these times in ms, and prompts of `prompt` ms before them where that is not 0.
fn paced(steps: impl Iterator<Item = (f64, f64)>) -> Kineto {
    let mut trace = Kineto::of_rank(0, 1);
    let mut key = 0;
    let mut step = |trace: &mut Kineto, label: &str, at: f64, kernels: [(&str, f64); 2]| {
        key += 1;
        trace.range(label, at * 1e3, 200.0).call("hipGraphLaunch", at * 1e3 + 10.0, 20.0, key);
        trace.kernel(kernels[0].0, at * 1e3 + 100.0, kernels[0].1 * 1e3, key);
        trace.kernel(kernels[1].0, at * 1e3 + 101.0 + kernels[0].1 * 1e3, kernels[1].1 * 1e3, key);
    };
    for (at, prompt) in steps {
        if prompt > 0.0 {
            let label = "execute_context_1(4096)_generation_0(0)";
            step(&mut trace, label, at - prompt - 1.0, [(GEMM, prompt / 2.0), (PROMPTS, prompt / 2.0 - 0.5)]);
        }
        step(&mut trace, "execute_context_0(0)_generation_8(8)", at, [(GEMM, 2.0), (PAGED, 1.0)]);
    }
    trace
}

#[test]
fn what_a_user_waits_for_has_stalls_by_prefill_in_it_and_what_is_from_decode_to_decode_has_not() {
    // Twelve steps every 5 ms, and before the seventh a prompt of 40 ms.
    let at =
        |step: u32| (f64::from(step) * 5.0 + if step >= 6 { 41.0 } else { 0.0 }, if step == 6 { 40.0 } else { 0.0 });
    let (data, text) = report(&paced((0..12).map(at)));
    let (periods, felt) = (&data["steps"]["itl_ns"], &data["steps"]["felt_ns"]);
    assert_eq!((&periods["count"], &periods["max"]), (&10.into(), &5_000_000.into()));
    assert_eq!((&felt["count"], &felt["max"]), (&11.into(), &46_000_000.into()));
    assert!(text.contains("| Decode to decode (ITL)") && text.contains("| Token to token, prefill between"), "{text}");
    assert!(!advises(&data, "prefill-interrupts"), "one in thirteen");
}

#[test]
fn an_idle_server_is_no_latency_and_the_report_says_what_it_left_out() {
    let at = |step: u32| (f64::from(step) * 5.0 + f64::from(step / 10) * 2_500.0, 0.0);
    let (data, text) = report(&paced((0..40).map(at)));
    let periods = &data["steps"]["itl_ns"];
    assert_eq!(
        (&periods["count"], &periods["max"], &periods["mean"]),
        (&36.into(), &5_000_000.into(), &5_000_000.into())
    );
    assert_eq!((&data["steps"]["pauses"]["count"], &data["steps"]["felt_ns"]), (&3.into(), periods));
    assert!(data["idle"]["critical_share"].as_f64().unwrap() < 0.5, "2 of 5 ms: {}", data["idle"]);
    // 2,505 ms from step to step less 3.001 ms of kernels, three times.
    assert!(text.contains("3 gaps of 7.506 s") && text.contains("without work left out"), "{text}");
}

#[test]
fn prefill_before_the_first_counted_step_is_no_lever() {
    let with = |prompts: &[u32]| {
        let prompt = |step: u32| if prompts.contains(&step) { 3.0 } else { 0.0 };
        report(&paced((0..12).map(|step| (f64::from(step) * 10.0 + 50.0, prompt(step))))).0
    };
    assert!(advises(&with(&[2, 4, 6, 8, 10]), "prefill-interrupts"));
    let mut before = paced((0..12).map(|step| (f64::from(step) * 10.0 + 50.0, 0.0)));
    for key in 0..5 {
        let at = f64::from(key) * 8_000.0;
        let label = "execute_context_1(4096)_generation_0(0)";
        before.range(label, at, 200.0).call("hipLaunchKernel", at + 1.0, 2.0, 1_000 + key as u64);
        before.kernel(GEMM, at + 100.0, 3_000.0, 1_000 + key as u64);
        before.kernel(PROMPTS, at + 3_101.0, 3_900.0, 1_000 + key as u64);
    }
    let report = report(&before).0;
    assert_eq!((&report["steps"]["phases"]["prefill"], advises(&report, "prefill-interrupts")), (&5.into(), false));
}

#[test]
fn whether_a_step_is_a_token_and_how_that_is_known_is_said() {
    let tokens = |label: &str, kernels: &[&str]| {
        let (data, text) = report(&served(label, "hipGraphLaunch", kernels));
        (data["steps"]["tokens"].clone(), text)
    };
    let forward = [NORM, GEMM, PAGED];
    let (one, text) = tokens("execute_context_0(0)_generation_8(8)", &forward);
    assert_eq!((&one["a_step_is_a_token"], &one["known_by"]), (&true.into(), &"label".into()));
    assert!(text.contains("A step is one token for each request"), "{text}");
    let (drafted, text) = tokens("execute_context_0(0)_generation_8(32)", &forward);
    assert_eq!((&drafted["a_step_is_a_token"], &drafted["computed_per_request"]), (&false.into(), &4.0.into()));
    assert!(text.contains("4.00 tokens for each request") && text.contains("not of tokens"), "{text}");
    assert_eq!(tokens("step[TARGET_VERIFY bs=8]", &forward).0["because"], serde_json::json!(["speculation"]));
    // The same model four times under one range, a sampler at the end of each.
    let (passes, text) = tokens("ProfilerStep#N", &[NORM, GEMM, PAGED, "void at::native::argmax_kernel"]);
    assert_eq!((&passes["passes"], &passes["known_by"]), (&4.into(), &"kernels".into()));
    assert!(text.contains("runs the model 4 times"), "{text}");
    let (unknown, text) = tokens("ProfilerStep#N", &forward);
    assert_eq!((&unknown["a_step_is_a_token"], &unknown["known_by"]), (&Value::Null, &"nothing".into()));
    assert!(text.contains("nothing in the trace tells"), "{text}");
}

/// Runs the program on the trace of twelve decode steps; gives the exit code, stdout and stderr.
fn on_twelve_steps(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let trace = served("execute_context_0(0)_generation_8(8)", "hipGraphLaunch", &[NORM, GEMM, PAGED]);
    trace.write(&directory.path().join("trace.json"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let output = command.args(arguments).current_dir(directory.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_warmup_that_leaves_nothing_and_a_marker_that_finds_nothing_are_told_everywhere() {
    let asked = [
        (["--warmup", "12"], "warmup_leaves_nothing", "none is left"),
        (["--marker", "no_such_step"], "marker_matches_nothing", "none of 12 marker ranges matches \"no_such_step\""),
    ];
    for (asked, kind, words) in asked {
        let with = |verb: &[&str], more: &[&str]| on_twelve_steps(&[verb, &asked, more].concat());
        let (code, text, stderr) = with(&["report", "trace.json"], &[]);
        assert_eq!(code, Some(3), "{stderr}");
        let verdict = text.split("\n## ").next().unwrap();
        assert!(verdict.contains(words) && stderr.contains(words), "{verdict}\n{stderr}");
        let (code, text, _) = with(&["report", "trace.json"], &["--format", "json"]);
        assert_eq!((code, &contract::parsed(&text)["error"]["kind"]), (Some(3), &kind.into()));
        let (code, text, stderr) = with(&["diff", "trace.json", "trace.json"], &["--format", "json"]);
        assert_eq!((code, &contract::parsed(&text)["error"]["kind"]), (Some(3), &kind.into()));
        assert!(stderr.contains(words), "{stderr}");
        let (code, _, stderr) = with(&["export", "trace.json"], &["--format", "dispatches-csv"]);
        assert!(code == Some(3) && stderr.contains(words), "{stderr}");
    }
    assert_eq!(on_twelve_steps(&["report", "trace.json", "--warmup", "11", "--marker", "execute_context"]).0, Some(0));
}

#[test]
fn fewer_steps_than_asked_for_are_said_and_are_no_failure() {
    let (code, text, _) = on_twelve_steps(&["report", "trace.json", "--warmup", "2", "--steps", "1000"]);
    assert!(code == Some(0) && text.contains("10 of 1000 decode steps asked for"), "{text}");
    assert!(!on_twelve_steps(&["report", "trace.json", "--warmup", "2", "--steps", "10"]).1.contains("asked for"));
}

#[test]
fn the_markers_that_there_are_can_be_listed() {
    let (code, text, _) = on_twelve_steps(&["report", "trace.json", "--list-markers"]);
    let row = text.lines().find(|line| line.contains("`execute_context_#(#)_generation_#(#)`")).expect("a row");
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!((code, &cells[2..6]), (Some(0), &["12", "1", "900.000", "vllm-context, decode"][..]));
    let (_, text, _) =
        on_twelve_steps(&["report", "trace.json", "--list-markers", "--format", "json", "--marker", "^x"]);
    let listed = contract::parsed(&text);
    assert_eq!((&listed["ranges"], &listed["markers"][0]["label"]), (&12.into(), &Value::Null));
}

#[test]
fn small_inputs_of_the_kind_are_told_for_what_they_are() {
    let Some(shared) = common::shared() else { return };
    is_not_called_decode(&report_of(&shared.join("faults/diffusion-called-decode.json")));
    let (speculating, _) = report_of(&shared.join("faults/spec-decode-oversized.json"));
    assert!(!advises(&speculating, "gemm-oversized-tile"));
    assert_eq!(speculating["steps"]["count"], 5);
}
