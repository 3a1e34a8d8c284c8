//! The comparison of two runs, from traces and from the command line.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/served.rs"]
mod served;
#[path = "common/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use profile_decode::analyze;
use profile_decode::analyze::compare::{Options, Run, Side, compare};
use profile_decode::classify::{Category, Classifier};
use profile_decode::model::Trace;
use profile_decode::output::Comparison;
use profile_decode::output::comparison::{Comparability, Fate, Flag, GateOn, KernelChange, Measure, Verdict};
use profile_decode::pipeline::Prepared;
use profile_decode::render;
use profile_decode::steps::StepOptions;
use serde_json::Value;
use served::{ATTENTION, MOE_DOWN, MOE_UP, NORM, O_PROJ, Planted, QKV, REDUCE, Server};
use tempfile::TempDir;

fn compared(base: &Server, new: &Server) -> Comparison {
    let classifier = Classifier::builtin();
    compare(&base.side(&classifier), &new.side(&classifier), &Options::default())
}

fn kernel<'c>(found: &'c Comparison, name: &str) -> &'c KernelChange {
    let named = |row: &&KernelChange| row.base.iter().chain(&row.new).any(|other| other == name);
    found.kernels.iter().find(named).unwrap_or_else(|| panic!("{name} is in no row"))
}

fn path_delta(found: &Comparison, name: &str) -> i64 {
    found.waterfall.iter().find(|row| row.name == name).unwrap().delta_ns
}

#[test]
fn two_runs_of_the_same_server_are_the_same() {
    let found = compared(&Server::new(1), &Server::new(2));
    assert_eq!(
        (found.verdict, found.comparable.verdict),
        (Verdict::Same, Comparability::Yes),
        "{:?}",
        found.comparable
    );
    assert_eq!(found.step.measure, Measure::Itl);
    assert!(found.kernels.iter().all(|row| row.fate == Fate::Same && row.role.is_some()), "{:#?}", found.kernels);
}

#[test]
fn kernels_are_known_by_their_place_in_the_layer() {
    let found = compared(&Server::new(1), &Server::new(2));
    let roles: BTreeMap<&str, &str> =
        found.kernels.iter().map(|row| (row.role.as_deref().unwrap(), row.base[0].as_str())).collect();
    assert_eq!(roles["layer: qkv_a_proj GEMM"], QKV);
    assert_eq!(roles["layer: o_proj GEMM"], O_PROJ);
    assert!(roles.contains_key("tail: LM head GEMM"), "{roles:?}");
}

#[test]
fn a_comparison_calls_a_kernel_what_the_report_calls_it() {
    let classifier = Classifier::builtin();
    let servers = [Server::new(1), Server::new(2)];
    let [base, new] = servers.map(|server| Prepared::new(server.trace(), &classifier, &StepOptions::default()));
    let side = |run: &Prepared| {
        let Prepared { trace, classes, steps } = run;
        Side::new(&[Run { trace, classes, steps }], false)
    };
    let found = compare(&side(&base), &side(&new), &Options::default());
    let [base, new] = [base, new].map(|run| run.report(&analyze::Options::default()));
    assert_eq!(words::are_the_reports(&found, &base, &new), found.kernels.len());
}

#[test]
fn a_kernel_of_another_name_in_the_same_place_is_a_replacement() {
    let mut new = Server { layer: Server::new(2).layer, ..Server::new(2) };
    new.layer[2] = ("_fwd_grouped_kernel_stage1", Category::Attention, 32e3);
    // Retuned: other tiles, the same kernel.
    new.layer[1].0 = "Cijk_Alik_Bljk_BBS_BH_UserArgs_MT256x32x64_MI32x32x1_SN_LDSB0_GSU8_ISA942";
    let found = compared(&Server::new(1), &new);
    let attention = kernel(&found, ATTENTION);
    assert_eq!((attention.fate, attention.change.flag), (Fate::Replaced, Flag::Improved), "{attention:?}");
    assert_eq!(attention.new, ["_fwd_grouped_kernel_stage1"]);
    assert!((attention.change.delta_share.unwrap() + 0.2).abs() < 0.02);
    assert_eq!((attention.base_backend.as_deref(), attention.new_backend.as_deref()), (Some("asm"), Some("triton")));
    let qkv = kernel(&found, QKV);
    assert_eq!((qkv.fate, qkv.change.flag), (Fate::Same, Flag::Same));
    assert_eq!(found.verdict, Verdict::Improved);
    let shift = found.backends.iter().find(|row| row.category == Category::Attention && row.backend == "asm").unwrap();
    assert_eq!((shift.base_share, shift.new_share), (1.0, 0.0));
}

#[test]
fn kernels_that_come_and_go_are_added_and_removed() {
    let mut new = Server::new(2);
    new.layer.insert(4, ("dynamic_per_token_scaled_quant_kernel", Category::Quantization, 5e3));
    let found = compared(&Server::new(1), &new);
    let added = kernel(&found, "dynamic_per_token_scaled_quant_kernel");
    assert_eq!((added.fate, added.change.flag, added.change.base_ns_per_step), (Fate::Added, Flag::Regressed, 0));
    assert!(found.kernels.iter().all(|row| row.fate == Fate::Same || row.base.is_empty()));
    let back = compared(&new, &Server::new(1));
    assert_eq!(kernel(&back, "dynamic_per_token_scaled_quant_kernel").fate, Fate::Removed);
}

#[test]
fn two_kernels_for_one_are_one_replacement() {
    let mut new = Server::new(2);
    new.layer[4] = ("flydsl_moe_gemm1_kernel", Category::Moe, 70e3);
    new.layer.remove(5);
    let found = compared(&Server::new(1), &new);
    let moe = kernel(&found, MOE_UP);
    assert_eq!(moe.fate, Fate::Replaced);
    assert_eq!(moe.base.len(), 2, "{moe:?}");
    assert!((moe.change.delta_share.unwrap() + 0.3).abs() < 0.02, "{moe:?}");
    assert!(moe.base.contains(&MOE_DOWN.to_owned()));
}

#[test]
fn a_slow_rank_is_named_and_its_compute_blamed_not_the_waiting_of_the_others() {
    let slow = Server { planted: Planted::Rank(2, 0.15), ..Server::parallel(4, 2) };
    let found = compared(&Server::parallel(4, 1), &slow);
    assert_eq!(found.verdict, Verdict::Regressed);
    let ranks: Vec<Flag> = found.ranks.iter().map(|row| row.change.flag).collect();
    assert_eq!(ranks, [Flag::Same, Flag::Same, Flag::Regressed, Flag::Same]);
    let reduce = kernel(&found, REDUCE);
    assert_eq!(reduce.change.flag, Flag::Same, "{reduce:?}");
    assert!(found.wait.as_ref().unwrap().delta_ns > Some(0), "the others wait longer");
    let (step, reduce) = (found.step.delta_ns.unwrap(), path_delta(&found, "allreduce"));
    assert!(reduce.abs() * 20 < step, "of {step} ns the path gives {reduce} to communication");
    assert!(path_delta(&found, "moe") * 3 > step, "{:?}", found.waterfall);
    let summary = render::comparison_summary(&found);
    assert!(summary.iter().any(|line| line.starts_with("Rank 2 by itself regressed")), "{summary:?}");
    assert!(!summary.iter().any(|line| line.starts_with("Rank 1")) && summary.len() <= 10, "{summary:?}");
}

#[test]
fn other_batches_are_told_apart_from_slower_ones() {
    let base = Server { batch: |step| if step % 4 == 0 { 32 } else { 8 }, steps: 80, ..Server::new(1) };
    let new = Server { batch: |step| if step % 4 == 0 { 8 } else { 32 }, steps: 80, ..Server::new(2) };
    let found = compared(&base, &new);
    assert!(found.step.delta_share.unwrap() > 0.3);
    assert_eq!((found.step.flag, found.verdict), (Flag::Same, Verdict::Same), "{:?}", found.mix);
    assert_eq!(found.batches.len(), 2);
    assert_eq!(Some(found.waterfall.iter().map(|row| row.delta_ns).sum::<i64>()), found.step.delta_ns);

    let slower = Server { planted: Planted::Kernel(NORM, 0.5), ..new };
    let found = compared(&base, &slower);
    let flagged: Vec<Category> =
        found.categories.iter().filter(|row| row.change.flag != Flag::Same).map(|row| row.name).collect();
    assert_eq!(flagged, [Category::Other]);
}

#[test]
fn batches_that_have_nothing_in_common_are_not_comparable() {
    let new = Server { batch: |_| 64, ..Server::new(2) };
    let found = compared(&Server::new(1), &new);
    assert_eq!(found.verdict, Verdict::NotComparable);
    assert_eq!(found.comparable.reasons[0].code, "other-batches");
}

#[test]
fn without_a_common_batch_there_is_no_difference_rather_than_none() {
    let place = Place::new();
    place.trace("large", &Server { batch: |_| 64, ..Server::new(2) }.trace());
    let json: Value = serde_json::from_str(&place.diff(&["base", "large", "--format", "json"]).stdout).unwrap();
    assert_eq!((&json["verdict"], &json["step"]["delta_ns"]), (&Value::from("not_comparable"), &Value::Null));
    let rows = ["categories", "kernels"].into_iter().flat_map(|table| json[table].as_array().unwrap());
    for row in rows.chain([&json["idle"]]) {
        assert_eq!(
            (&row["delta_ns"], &row["delta_share"], &row["interval"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }
    // Each side has its own figures all the same: the new runs four times the requests.
    let gemm = json["categories"].as_array().unwrap().iter().find(|row| row["name"] == "gemm").unwrap();
    assert!(gemm["new_ns_per_step"].as_u64() > gemm["base_ns_per_step"].as_u64(), "{gemm}");
    let text = place.diff(&["base", "large"]).stdout;
    assert!(!text.contains("+0") && text.contains(" – |"), "{text}");
}

#[test]
fn a_tail_fails_the_gate_and_its_steps_are_named() {
    let place = Place::new();
    let server = |seed: u64, planted: Planted| Server { steps: 200, layers: 2, planted, ..Server::new(seed) };
    place.trace("steady", &server(1, Planted::Nothing).trace());
    for (name, seed, planted) in [
        ("few", 2, Planted::Tail(0.03, 3.0)),
        ("many", 3, Planted::Tail(0.1, 3.0)),
        ("stalls", 4, Planted::Stalls(0.1, 3.0)),
    ] {
        place.trace(name, &server(seed, planted).trace());
        let found = place.diff(&["steady", name, "--gate", "--warmup", "0"]);
        assert_eq!(found.code, 1, "{name}: {}{}", found.stdout, found.stderr);
        assert!(found.stdout.contains("The tail regressed"), "{}", found.stdout);
        let part = if name == "stalls" { ", by Idle." } else { ", by Attention." };
        assert!(found.stdout.contains(part), "{name}: {}", found.stdout);
    }
    let without = "step,category,idle,kernel,batch,rank";
    assert_eq!(place.diff(&["steady", "few", "--gate", "--warmup", "0", "--gate-on", without]).code, 0);
    assert_eq!(place.diff(&["many", "many", "--gate", "--warmup", "0"]).code, 0);
    assert_eq!(place.diff(&["steady", "few", "--gate-on", "luck"]).code, 2);
}

#[test]
fn a_slow_step_is_blamed_on_the_rank_and_the_kernel_that_made_it_slow() {
    let server = |seed: u64, planted| Server { steps: 120, layers: 2, planted, ..Server::parallel(2, seed) };
    let found = compared(&server(1, Planted::Nothing), &server(2, Planted::Tail(0.1, 3.0)));
    let outliers = &found.tail.outliers;
    assert_eq!((outliers.base_steps, outliers.new_steps, outliers.flag), (0, 12, Flag::Regressed), "{outliers:?}");
    assert_eq!(outliers.steps.len(), 10);
    for step in &outliers.steps {
        assert_eq!((step.part, step.kernel.as_deref()), ("attention", Some(ATTENTION)), "{step:?}");
        assert!(step.rank.is_some() && step.ns > 2 * step.usual_ns, "{step:?}");
    }
}

#[test]
fn attention_that_grows_on_both_sides_is_compared_at_equal_context() {
    let server = |seed: u64| Server { steps: 100, layers: 2, growth: 0.3, ..Server::new(seed) };
    let same = compared(&server(1), &server(2));
    assert_eq!(same.verdict, Verdict::Same);
    let attention = |found: &Comparison| {
        found.categories.iter().find(|row| row.name == Category::Attention).unwrap().change.clone()
    };
    assert!((0.2..0.35).contains(&attention(&same).growth.unwrap()), "{:?}", attention(&same));
    let slower = compared(&server(1), &Server { planted: Planted::Kernel(ATTENTION, 0.15), ..server(2) });
    let change = attention(&slower);
    assert_eq!((change.flag, slower.verdict), (Flag::Regressed, Verdict::Regressed), "{change:?}");
    assert!((change.delta_share.unwrap() - 0.15).abs() < 0.01, "{change:?}");
    assert!(slower.hints.iter().any(|hint| hint.code == "contexts-unknown" && hint.text.contains("grows by")));
    // The step's own medians are as they are; what of their difference is other contexts is said.
    let mix = slower.mix.as_ref().unwrap();
    assert_eq!(mix.same_work.delta_ns.map(|delta| delta + mix.shift_ns), slower.step.delta_ns);
}

#[test]
fn windows_that_begin_at_other_contexts_say_so() {
    let server = |seed: u64, from: usize| Server {
        steps: 100,
        layers: 2,
        growth: 0.3,
        tells_context: true,
        from,
        ..Server::new(seed)
    };
    let apart = compared(&server(1, 0), &server(2, 40));
    let reason = apart.comparable.reasons.iter().find(|reason| reason.code == "other-contexts").unwrap();
    assert!(reason.text.contains("40 tokens of context apart"), "{}", reason.text);
    assert_eq!(apart.verdict, Verdict::Same, "{:?}", apart.decided_by);
    let slower = compared(&server(1, 0), &Server { planted: Planted::Kernel(ATTENTION, 0.15), ..server(2, 40) });
    let change = &kernel(&slower, ATTENTION).change;
    assert!((change.delta_share.unwrap() - 0.15).abs() < 0.015, "{change:?}");
    assert_eq!(slower.verdict, Verdict::Regressed);
    let strangers = compared(&server(1, 0), &server(2, 1000));
    assert!(strangers.comparable.reasons.iter().any(|reason| reason.text.contains("no context in common")));
    assert_eq!(kernel(&strangers, ATTENTION).change.flag, Flag::Same);
    assert!(
        !compared(&server(1, 0), &server(2, 0)).comparable.reasons.iter().any(|reason| reason.code == "other-contexts")
    );
}

#[test]
fn the_verdict_follows_what_it_is_told_to() {
    let classifier = Classifier::builtin();
    let side = |planted: Planted, seed: u64| {
        let batch = |step: usize| if step.is_multiple_of(3) { 32 } else { 8 };
        Server { planted, batch, steps: 120, layers: 2, ..Server::new(seed) }.side(&classifier)
    };
    let of = |planted: Planted, gate_on: &[GateOn]| {
        let options = Options { gate_on: gate_on.to_vec(), ..Options::default() };
        let found = compare(&side(Planted::Nothing, 1), &side(planted, 2), &options);
        (found.verdict, found.decided_by)
    };
    let (verdict, by) = of(Planted::Batch(32, 0.15), &GateOn::ALL);
    assert!(verdict == Verdict::Regressed && by.contains(&GateOn::Batch), "{by:?}");
    assert_eq!(of(Planted::Batch(32, 0.15), &[GateOn::Batch]), (Verdict::Regressed, vec![GateOn::Batch]));
    assert_eq!(of(Planted::Kernel(NORM, 0.3), &[GateOn::Kernel]), (Verdict::Regressed, vec![GateOn::Kernel]));
    assert_eq!(of(Planted::Kernel(NORM, 0.3), &[GateOn::Batch, GateOn::Tail]).0, Verdict::Same);
}

#[test]
fn of_two_kernels_that_take_turns_at_a_place_the_one_that_changed_is_named() {
    // Each step's attention is the one kernel or the other; the other gets slower.
    let (two, three) = ("kernel_unified_attention_2d", "kernel_unified_attention_3d");
    let classifier = Classifier::builtin();
    let side = |seed: u64, slower: f64| {
        let mut trace = Server { layers: 8, ..Server::new(seed) }.trace();
        let attention = trace.dispatches.iter().map(|dispatch| trace.kernel(dispatch) == ATTENTION).collect::<Vec<_>>();
        let names = [trace.names.intern(two), trace.names.intern(three)];
        let dispatches = trace.dispatches.iter_mut().zip(attention).filter(|(_, is)| *is);
        for (nth, (dispatch, _)) in dispatches.enumerate() {
            let is_three = nth % 4 == 3;
            dispatch.name = names[usize::from(is_three)];
            if is_three {
                // Into the gap of 500 ns and no further: nothing else moves.
                dispatch.span.end_ns -= 10_000 - (10_000.0 * slower) as i64;
            }
        }
        served::side(&[trace], &classifier)
    };
    let found = compare(&side(1, 0.0), &side(2, 1.0), &Options::default());
    let flagged: Vec<&KernelChange> = found.kernels.iter().filter(|row| row.change.flag != Flag::Same).collect();
    assert_eq!(flagged.len(), 1, "{flagged:#?}");
    assert_eq!(
        (flagged[0].base.as_slice(), flagged[0].new.as_slice()),
        (&[three.to_owned()][..], &[three.to_owned()][..])
    );
    assert_eq!(flagged[0].change.flag, Flag::Regressed);
}

#[test]
fn another_number_of_ranks_is_not_comparable() {
    let found = compared(&Server::parallel(2, 1), &Server::parallel(4, 2));
    assert_eq!(found.verdict, Verdict::NotComparable);
    assert_eq!(found.comparable.reasons[0].code, "other-ranks");
}

#[test]
fn another_architecture_is_compared_with_care_and_matched_all_the_same() {
    let classifier = Classifier::builtin();
    let mut trace = Server::new(2).trace();
    trace.ranks[0].arch = Some("gfx950".to_owned());
    let new = served::side(&[trace], &classifier);
    let found = compare(&Server::new(1).side(&classifier), &new, &Options::default());
    assert_eq!(found.comparable.verdict, Comparability::WithCare);
    assert_eq!(found.comparable.reasons[0].code, "other-arch");
    assert!(found.kernels.iter().all(|row| row.fate == Fate::Same));
}

#[test]
fn a_run_that_lost_a_kernel_never_passes() {
    let classifier = Classifier::builtin();
    let mut trace = Server::new(2).trace();
    trace.dispatches.remove(100);
    let found = compare(&Server::new(1).side(&classifier), &served::side(&[trace], &classifier), &Options::default());
    assert_eq!(found.verdict, Verdict::NotComparable);
    assert_eq!(found.comparable.reasons[0].code, "incomplete");
}

#[test]
fn the_summary_has_at_most_ten_lines_and_begins_with_the_step() {
    let slow = Server { planted: Planted::Kernel(ATTENTION, 0.4), ..Server::new(2) };
    let lines = render::comparison_summary(&compared(&Server::new(1), &slow));
    assert!(lines.len() <= 10, "{lines:#?}");
    assert!(lines[0].starts_with("A decode step takes "), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("Attention regressed: ")), "{lines:#?}");
}

#[test]
fn a_hundred_steps_of_two_thousand_kernels_that_did_not_change_are_the_same() {
    let server = |seed| Server { layers: 333, steps: 100, ..Server::new(seed) };
    assert_eq!(compared(&server(1), &server(2)).verdict, Verdict::Same);
}

// From the command line.

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

struct Place(TempDir);

impl Place {
    /// A place with traces of a server: `base`, `again` (nothing changed), `slow` (attention by a fifth).
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.trace("base", &Server::new(1).trace());
        place.trace("again", &Server::new(2).trace());
        place.trace("slow", &Server { planted: Planted::Kernel(ATTENTION, 0.2), ..Server::new(3) }.trace());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn trace(&self, name: &str, trace: &Trace) {
        fs::write(self.path(name), served::kineto(trace)).unwrap();
    }

    fn diff(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
            command.env_remove(name);
        }
        command.arg("diff").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code().expect("not ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn the_gate_tells_the_outcome_by_its_exit_code() {
    let place = Place::new();
    let mut lossy = Server::new(4).trace();
    lossy.dispatches.remove(100);
    place.trace("lossy", &lossy);
    let mut bare = Server::new(5).trace();
    bare.ranges.clear();
    bare.launches.clear();
    bare.dispatches.iter_mut().for_each(|dispatch| dispatch.launch = None);
    bare.dispatches.truncate(5);
    place.trace("bare", &bare);
    for (new, gate, code) in [
        ("again", true, 0),
        ("slow", true, 1),
        ("lossy", true, 3),
        ("bare", true, 3),
        ("slow", false, 0),
        ("lossy", false, 0),
    ] {
        let gate: &[&str] = if gate { &["--gate"] } else { &[] };
        let found = place.diff(&[&["base", new][..], gate].concat());
        assert_eq!(found.code, code, "{new}: {}\n{}", found.stdout, found.stderr);
    }
    assert_eq!(place.diff(&["slow", "base", "--gate"]).code, 0, "an improvement passes");
    assert_eq!(place.diff(&["base", "slow", "--gate", "--threshold", "30%"]).code, 0, "below the threshold");
}

#[test]
fn the_json_has_the_keys_of_its_schema() {
    let place = Place::new();
    let found = place.diff(&["base", "slow", "--format", "json"]);
    let json: Value = contract::parsed(&found.stdout);
    assert_eq!(json["schema"], "profile-decode/diff/1");
    assert_eq!(json["verdict"], "regressed");
    assert_eq!(json["comparable"]["verdict"], "yes", "{}", json["comparable"]);
    assert_eq!(json["threshold"], 0.05);
    let has = |value: &Value, keys: &[&str]| {
        let object = value.as_object().unwrap();
        keys.iter().for_each(|key| assert!(object.contains_key(*key), "{key} is not in {value}"));
    };
    has(&json, &["step", "categories", "kernels", "noise_floor", "waterfall", "mix", "idle", "backends"]);
    has(&json["step"], &["base_p50_ns", "new_p50_ns", "delta_ns", "delta_share", "interval", "real"]);
    let change = ["base_ns_per_step", "new_ns_per_step", "delta_ns", "delta_share", "interval", "real", "flag"];
    has(&json["categories"][0], &[&["name"][..], &change].concat());
    has(&json["kernels"][0], &[&["role", "base", "new", "change"][..], &change].concat());
    assert_eq!(json["kernels"][0]["change"], "same");
    assert_eq!(json["kernels"][0]["base"][0], ATTENTION);
    let sum: i64 = json["waterfall"].as_array().unwrap().iter().map(|row| row["delta_ns"].as_i64().unwrap()).sum();
    assert_eq!(Some(sum), json["step"]["delta_ns"].as_i64());
}

#[test]
fn a_baseline_is_written_and_compared_with_later() {
    let place = Place::new();
    let saved = place.diff(&["base", "--save-baseline", "baseline.json"]);
    assert_eq!((saved.code, saved.stdout.as_str()), (0, ""), "{}", saved.stderr);
    assert_eq!(place.diff(&["--baseline", "baseline.json", "again", "--gate"]).code, 0);
    let stored = place.diff(&["--baseline", "baseline.json", "slow", "--gate", "--format", "json"]);
    let direct = place.diff(&["base", "slow", "--gate", "--format", "json"]);
    assert_eq!((stored.code, direct.code), (1, 1));
    assert_eq!(stored.stdout, direct.stdout);
    let refused = place.diff(&["--baseline", "base", "slow", "--gate"]);
    assert_eq!(refused.code, 65, "{}", refused.stderr);
    assert!(refused.stderr.contains("no baseline"), "{}", refused.stderr);
}

#[test]
fn several_runs_a_side_are_told_apart_by_vs() {
    let place = Place::new();
    let found = place.diff(&["base", "again", "--vs", "slow", "--format", "json"]);
    let json: Value = contract::parsed(&found.stdout);
    assert_eq!((&json["base"]["runs"], &json["new"]["runs"]), (&Value::from(2), &Value::from(1)));
    for arguments in [&["base"][..], &[], &["base", "again", "slow"]] {
        let refused = place.diff(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn thresholds_can_be_set_for_single_categories() {
    let place = Place::new();
    fs::write(place.path("thresholds"), "attention 30%  # being worked on\n").unwrap();
    let found = place.diff(&["base", "slow", "--thresholds", "thresholds", "--threshold", "15%", "--gate"]);
    assert_eq!(found.code, 0, "{}", found.stdout);
    assert_eq!(place.diff(&["base", "slow", "--threshold", "15%", "--gate"]).code, 1);
}

#[test]
fn the_markdown_goes_to_a_file_and_its_summary_to_stderr() {
    let place = Place::new();
    let found = place.diff(&["base", "slow", "-o", "diff.md"]);
    assert_eq!((found.code, found.stdout.as_str()), (0, ""));
    let text = fs::read_to_string(place.path("diff.md")).unwrap();
    assert!(text.starts_with("# Decode comparison: regressed\n"), "{text}");
    assert!(text.contains("| Attention "), "{text}");
    assert!(found.stderr.contains("A decode step takes"), "{}", found.stderr);
}

#[test]
fn the_comparison_as_html_is_one_file_with_its_charts() {
    let place = Place::new();
    let found = place.diff(&["base", "slow", "--format", "html", "-o", "diff.html"]);
    assert_eq!((found.code, found.stdout.as_str()), (0, ""));
    let page = fs::read_to_string(place.path("diff.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("Decode comparison: regressed") && page.contains("class=\"worse\""));
    // The lengths of both sides and the waterfall.
    assert_eq!(page.matches("<figure>").count(), 2, "{page}");
    for loads in ["<script", "src=", "http:", "https:", "url("] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn the_markdown_of_a_comparison_is_fit_for_a_job_summary() {
    let found = compared(&Server::new(1), &Server { planted: Planted::Kernel(ATTENTION, 0.2), ..Server::new(2) });
    let mut out = Vec::new();
    render::comparison_markdown(&found, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // A job summary may have 1 MiB, and tags in it are dropped.
    assert!(text.len() < 64 << 10, "{}", text.len());
    let tag = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    assert!(!text.match_indices('<').any(|(at, _)| tag(at) && !text[..at].ends_with('\\') && !in_code(&text, at)));
    // The answer comes first, in ten lines at most.
    let lines: Vec<&str> = text.lines().skip(2).take_while(|line| line.starts_with("- ")).collect();
    assert!((3..=10).contains(&lines.len()), "{lines:?}");
    assert!(lines[0].contains("A decode step takes"));
}

/// Whether the place is in a code span.
fn in_code(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    line.matches('`').count() % 2 == 1
}
