//! The contract of the machine-readable output: docs/output.schema.json, docs/output.md and what the program writes agree.

#[path = "common/contract.rs"]
mod contract;
#[path = "common/kineto.rs"]
mod kineto;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kineto::Kineto;
use serde_json::{Value, json};

fn docs(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&docs("output.schema.json")).unwrap()
}

fn stdout(arguments: &[&str]) -> Vec<u8> {
    Command::new(env!("CARGO_BIN_EXE_profile-decode")).args(arguments).output().unwrap().stdout
}

/// The report of six replays of two kernels each.
fn report() -> Value {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.json");
    let mut trace = Kineto::of_rank(0, 1);
    for step in 0..6 {
        let begin = step as f64 * 100.0;
        trace.range("execute_context_0(0)_generation_8(8)", begin, 20.0);
        trace.call("hipGraphLaunch", begin + 5.0, 10.0, step + 1);
        trace.kernel("paged_attention_ll4mi_QKV_mfma16_kernel", begin + 20.0, 30.0, step + 1);
        trace.kernel("Cijk_Alik_Bljk_BBS_BH_MT16x16x512", begin + 50.0, 40.0, step + 1);
    }
    trace.write(&path);
    contract::parsed(stdout(&["report", "--format", "json", path.to_str().unwrap()]))
}

#[test]
fn the_schema_is_one_and_is_strict_in_every_object() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let objects = schema["$defs"].as_object().unwrap().iter().filter(|(_, definition)| definition["type"] == "object");
    for (name, definition) in objects {
        assert_eq!(definition["additionalProperties"], false, "{name}");
        let known = definition["properties"].as_object().unwrap();
        for key in definition["required"].as_array().unwrap() {
            assert!(known.contains_key(key.as_str().unwrap()), "{name} requires {key} and does not know it");
        }
    }
}

#[test]
fn a_key_too_many_one_too_few_and_a_value_of_no_meaning_are_each_found() {
    let good = report();
    let after = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        contract::violations(&changed)
    };
    assert_eq!(after(&|_| ()), [""; 0]);
    let one = |found: Vec<String>, place: &str| assert!(found.len() == 1 && found[0].contains(place), "{found:?}");
    one(after(&|report| report["steps"]["guess"] = json!(1)), "Report/steps");
    one(after(&|report| drop(report["totals"].as_object_mut().unwrap().remove("wall_ns"))), "Report/totals");
    one(after(&|report| report["categories"][0]["gpu_share"] = json!("a half")), "Report/categories/0/gpu_share");
    one(after(&|report| report["steps"]["detector"] = json!("dice")), "Report/steps/detector");
    one(after(&|report| report["steps"]["count"] = json!(-1)), "Report/steps/count");
}

#[test]
fn what_other_verbs_write_is_in_it_too() {
    let doctor = contract::parsed(stdout(&["doctor", "--format", "json"]));
    assert!(!doctor["checks"].as_array().unwrap().is_empty());
    let rules = String::from_utf8(stdout(&["classify", "--list-rules", "--format", "json"])).unwrap();
    assert!(rules.lines().map(contract::parsed).all(|rule| rule["id"].is_string()));
    for wrong in [&["report", "nowhere"][..], &["diff", "nowhere", "nowhere"], &["export", "--format", "cake", "x"]] {
        let error = contract::parsed(stdout(&[wrong, &["--format", "json"]].concat()));
        assert!(error["error"]["message"].is_string(), "{error}");
    }
}

/// First cells of the tables below a heading of output.md, without their backticks.
fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split("\n### ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("output.md has no heading {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_page_names_every_key_and_value_of_the_schema_and_no_other() {
    let (schema, page) = (schema(), docs("output.md"));
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let keys = definition["properties"].as_object().map(|known| known.keys().cloned().collect::<BTreeSet<_>>());
        let values = || definition["oneOf"].as_array().unwrap().iter().map(|value| value["const"].as_str().unwrap());
        let names = keys.unwrap_or_else(|| values().map(str::to_owned).collect());
        assert_eq!(documented(&page, name), names, "{name}");
    }
}

/// The Rust sources below a directory, without their tests.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.push((path.display().to_string(), code));
        }
    }
}

/// Words with dashes that the sources of warnings hold and that name none.
const NO_CODES: [&str; 5] =
    ["kebab-case", "profile-decode", "rocprofiler-sdk-tool", "sqlite-steps", "unparsable-address"];

#[test]
fn the_page_lists_the_codes_of_all_warnings_and_no_other() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&source, &mut all);
    let listed = documented(&docs("output.md"), "WarningCode");
    let literal = regex_lite::Regex::new(r#""([a-z]+(?:-[a-z]+)*)""#).unwrap();
    let literals =
        |text: &str| -> BTreeSet<String> { literal.captures_iter(text).map(|of| of[1].to_owned()).collect() };
    let everywhere: BTreeSet<String> = all.iter().flat_map(|(_, text)| literals(text)).collect();
    let gone: Vec<&String> = listed.difference(&everywhere).collect();
    assert!(gone.is_empty(), "listed, and in no source: {gone:?}");
    // What makes warnings holds hardly any other words with dashes.
    let warns = |path: &str, text: &str| {
        let is_maker = ["model", "ingest", "wire", "capture"].iter().any(|of| path.contains(&format!("/src/{of}/")));
        let says = ["warn", "remark", "Remark"].iter().any(|word| text.contains(word));
        (is_maker && says) || path.ends_with("steps/unmet.rs") || text.contains("Warning {")
    };
    for (path, text) in all.iter().filter(|(path, text)| warns(path, text)) {
        let unlisted = literals(text).into_iter().filter(|word| word.contains('-') && !listed.contains(word));
        let unlisted: Vec<String> = unlisted.filter(|word| !NO_CODES.contains(&word.as_str())).collect();
        assert!(unlisted.is_empty(), "{path}: {unlisted:?} are no codes that output.md lists");
    }
}
