//! Pages for people: what they tell to run exists, what they link to is there, and what they show is what comes out.

#[path = "common/commands.rs"]
mod commands;
#[path = "common/demo.rs"]
mod demo;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use commands::{Helps, blocks, calls};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, with their paths below the root.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "examples/recipes.md"].map(PathBuf::from).into();
    let docs =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    paths.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

#[test]
fn every_call_of_the_program_on_a_page_has_a_verb_and_options_that_exist() {
    let mut helps = Helps::default();
    let (mut seen, mut checked) = (0, 0);
    for (_, page) in pages() {
        for call in calls(&page) {
            seen += 1;
            checked += helps.check(&call);
        }
    }
    assert!(seen > 40 && checked > 40, "{seen} calls, {checked} options");
}

#[test]
fn links_lead_somewhere() {
    for (path, page) in pages() {
        let directory = root().join(path.parent().unwrap());
        for link in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.starts_with("http") {
                continue;
            }
            let target = if file.is_empty() { root().join(&path) } else { directory.join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                let anchors = headings.lines().filter(|line| line.starts_with('#')).map(|line| {
                    let title = line.trim_start_matches('#').trim().to_lowercase();
                    title
                        .chars()
                        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
                        .collect::<String>()
                        .replace(' ', "-")
                });
                assert!(anchors.into_iter().any(|known| known == anchor), "{}: {link}", path.display());
            }
        }
    }
}

#[test]
fn the_rule_that_contributors_are_shown_works() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let rule = page.lines().skip_while(|line| !line.starts_with("    [")).take_while(|line| line.starts_with("    "));
    let rule: String = rule.map(|line| format!("{}\n", line.trim_start())).collect();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mine.rules"), &rule).unwrap();
    let name = rule.lines().find_map(|line| line.strip_prefix("like  ")).unwrap();
    let classified = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        let output = command
            .arg("classify")
            .args(arguments)
            .arg(name)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(classified(&[])["sub"], "unknown", "the example must be one that no rule knows");
    let verdict = classified(&["--rules", "mine.rules"]);
    assert_eq!(
        (&verdict["category"], &verdict["sub"], &verdict["backend"]),
        (&"moe".into(), &"expert_gemm".into(), &"flydsl".into())
    );
}

#[test]
fn the_two_commands_of_the_readme_build_alike() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let commands = blocks(&page, "sh");
    let [demo, tests] = &commands[..] else { panic!("two commands: {commands:?}") };
    let (build, then) = demo.trim().split_once(" && ").unwrap();
    assert_eq!(then, "target/release/profile-decode demo");
    let (tested, then) = tests.trim().split_once(" && ").unwrap();
    assert_eq!(then, "cargo test --locked --workspace");
    // CI runs the second, so it builds what the first does, and a test runs the demo.
    assert_eq!(build.replace(" --release", ""), tested);
    assert!(page.contains("<!-- test command -->\n```sh\ncargo build"), "CI looks for it");
}

#[test]
fn what_the_readme_shows_is_what_the_demo_prints() {
    let program = Path::new(env!("CARGO_BIN_EXE_profile-decode"));
    if !demo::is_there() {
        return;
    }
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let excerpt = page.split("<!-- from the report -->\n```\n").nth(1).unwrap().split("```").next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
        command.env_remove(name);
    }
    let output = command.args(["demo", "--arch", "gfx950"]).current_dir(directory.path()).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(excerpt.lines().count() > 15, "{excerpt}");
    for line in excerpt.lines() {
        assert!(
            report.lines().any(|printed| printed == line),
            "README.md shows\n{line}\nand the demo prints\n{report}"
        );
    }
}

#[test]
fn every_variable_of_the_library_is_on_its_page_and_no_other() {
    let source = fs::read_to_string(root().join("src/capture/options.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/environment.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let rows: Vec<&str> = rows.into_iter().filter(|name| name.starts_with("PROFILE_DECODE_")).collect();
    let known: Vec<&str> = source.split('"').filter(|text| text.starts_with("PROFILE_DECODE_")).collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in &rows {
        assert!(known.contains(row), "{row} is no variable of the library");
    }
    // By one of them tests ask for a fault.
    let known = known.iter().filter(|name| **name != "PROFILE_DECODE_FAULT");
    for name in known.filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')) {
        assert!(rows.contains(name), "docs/environment.md does not name {name}");
    }
}

#[test]
fn the_worked_example_goes_as_it_is_told() {
    let program = Path::new(env!("CARGO_BIN_EXE_profile-decode"));
    if !demo::is_there() {
        return;
    }
    let page = fs::read_to_string(root().join("docs/example.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("bin")).unwrap();
    symlink(program, directory.path().join("bin/profile-decode")).unwrap();
    let path = format!("{}:{}", directory.path().join("bin").display(), std::env::var("PATH").unwrap());
    for block in blocks(&page, "bash") {
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE_")) {
            command.env_remove(name);
        }
        let command = command.args(["-euo", "pipefail", "-c", &block]).current_dir(directory.path()).env("PATH", &path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    for (name, verdict) in [
        ("monday-tuesday", "regressed"),
        ("tuesday-wednesday", "improved"),
        ("monday-wednesday", "no change"),
        ("gate", "no change"),
    ] {
        let comparison = read(&format!("{name}.md"));
        assert!(comparison.starts_with(&format!("# Decode comparison: {verdict}")), "{name}: {comparison}");
    }
    assert!(read("tuesday.md").contains("`straggler-rank`") && read("tuesday.md").contains("**1.029 ms a step"));
    assert!(!read("monday.md").contains("`straggler-rank`") && !read("wednesday.md").contains("`straggler-rank`"));
    let shown = [read("monday-tuesday.md"), read("tuesday.md")].concat();
    for line in blocks(&page, "").iter().flat_map(|block| block.lines()).filter(|line| line.starts_with('|')) {
        assert!(
            shown.lines().any(|printed| printed == line),
            "docs/example.md shows\n{line}\nand the program prints\n{shown}"
        );
    }
}
