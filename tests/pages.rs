//! Pages for people: what they tell to run exists, what they link to is there, and what they show is what comes out.

#[path = "common/commands.rs"]
mod commands;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use commands::{Helps, calls};

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
