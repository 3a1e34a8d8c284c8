//! The skill: what `profile-decode skill` writes, whether agents' tools take it, and whether what it says is true.
//!
//! The rules of form are those of amd/skills (docs/skill-requirements.md there). Blocks of SKILL.md marked `bash` are run as
//! they stand, one after another in one directory; of those marked `shell`, which need a server, every option is looked up.

#[path = "common/commands.rs"]
mod commands;
#[path = "common/demo.rs"]
mod demo;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use commands::{Helps, blocks, calls};
use tempfile::TempDir;

/// A directory with the skill in it, and the program on the path.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_profile-decode"), directory.path().join("bin/profile-decode")).unwrap();
        fs::create_dir(directory.path().join("work")).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("work").join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROFILE_DECODE")) {
            command.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.0.path().join("bin").display()));
        command.args(arguments).current_dir(self.path("")).stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(program, arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

fn page() -> &'static str {
    include_str!("../skills/profile-decode/SKILL.md")
}

#[test]
fn the_skill_is_written_whole_and_never_over_another() {
    let place = Place::new();
    let (code, stdout, stderr) = place.run("profile-decode", &["skill"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let skill = place.path(".claude/skills/profile-decode");
    assert_eq!(fs::read_to_string(skill.join("SKILL.md")).unwrap(), page());
    let mode = fs::metadata(skill.join("scripts/report.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "scripts can be run");

    fs::write(skill.join("SKILL.md"), "mine").unwrap();
    let (code, _, stderr) = place.run("profile-decode", &["skill"]);
    assert_eq!(code, 73);
    assert!(stderr.contains(".claude/skills/profile-decode: is there already (--force"), "{stderr}");
    assert_eq!(fs::read_to_string(skill.join("SKILL.md")).unwrap(), "mine");
    assert_eq!(place.run("profile-decode", &["skill", "--force"]).0, 0);
    assert_eq!(fs::read_to_string(skill.join("SKILL.md")).unwrap(), page());
    fs::remove_file(skill.join("SKILL.md")).unwrap();
    fs::write(place.path("precious"), "mine").unwrap();
    symlink(place.path("precious"), skill.join("SKILL.md")).unwrap();
    assert_eq!(place.run("profile-decode", &["skill", "--force"]).0, 73, "no link is followed");
    assert_eq!(fs::read_to_string(place.path("precious")).unwrap(), "mine");

    assert_eq!(place.run("profile-decode", &["skill", "-o", "elsewhere"]).0, 0);
    assert!(place.path("elsewhere/profile-decode/evals/evals.json").is_file());
    assert_eq!(place.run("profile-decode", &["skill", "-o", "-"]).1, page());
}

#[test]
fn the_page_is_in_the_form_that_skills_have() {
    let (head, body) = page().strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let mut keys = BTreeMap::<&str, String>::new();
    let mut key = "";
    for line in head.lines() {
        match line.split_once(':').filter(|_| !line.starts_with(' ')) {
            Some((name, value)) => {
                key = name;
                keys.insert(name, value.trim().trim_start_matches(">-").to_owned());
            }
            None => keys.get_mut(key).unwrap().push_str(&format!(" {}", line.trim())),
        }
    }
    assert_eq!(keys["name"], "profile-decode", "as its directory");
    assert!((100..=1024).contains(&keys["description"].trim().len()), "{}", keys["description"]);
    assert!(keys["description"].contains("Use when") && keys["description"].contains("Do not use"));
    assert_eq!(keys["version"], env!("CARGO_PKG_VERSION"));
    assert!(body.lines().count() <= 500);

    let card = include_str!("../skills/profile-decode/skill-card.md");
    for section in ["Description", "Owner", "License"] {
        let text = card.split(&format!("## {section}\n")).nth(1).unwrap_or_else(|| panic!("no {section}"));
        assert!(!text.split("##").next().unwrap().trim().is_empty(), "{section}");
    }
    let evals: serde_json::Value =
        serde_json::from_str(include_str!("../skills/profile-decode/evals/evals.json")).unwrap();
    let evals = evals["evaluations"].as_array().unwrap();
    let told = |should: bool| evals.iter().filter(|eval| eval["skill_should_trigger"] == should).count();
    assert!(told(true) >= 3 && told(false) >= 2 && told(true) + told(false) == evals.len());
    for eval in evals.iter().filter(|eval| eval["skill_should_trigger"] == false) {
        assert!(
            eval.as_object()
                .unwrap()
                .keys()
                .all(|key| ["id", "prompt", "skill_should_trigger"].contains(&key.as_str()))
        );
    }
}

#[test]
fn every_command_of_the_page_that_needs_no_gpu_does_what_it_says() {
    if !demo::is_there() {
        return;
    }
    let place = Place::new();
    let blocks = blocks(page(), "bash");
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for block in blocks {
        let (code, stdout, stderr) = place.run("bash", &["-euo", "pipefail", "-c", &block]);
        assert_eq!(code, 0, "{block}\n{stdout}\n{stderr}");
    }
    let read = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    assert!(read("base.md").starts_with("# Decode profile: AMD Instinct MI300X"));
    assert!(read("gfx950.md").contains("# Decode profile: AMD Instinct MI355X"));
    assert!(read("diff.md").starts_with("# Decode comparison: regressed"), "one kernel is 30 % slower");
    assert!(read("verdict.md").starts_with("# Decode comparison: regressed"));
    assert!(read("gate.md").starts_with("# Decode comparison: no change"));
    let report = read("base.md");
    for named in [
        "## Where the time goes",
        "Critical",
        "## What to do",
        "## How this was made",
        "### MoE parts",
        "## Losses and warnings",
        "## Top 5 kernels by total time",
        "Cost of tracing",
    ] {
        // A section that has nothing to say is left out; the other architecture's report has it.
        assert!(page().contains(named.trim_start_matches(['#', ' '])), "the page does not speak of {named}");
        assert!(report.contains(named) || read("gfx950.md").contains(named), "the reports have no {named}");
    }
    for named in
        ["Compare with care", "## Where the step's change comes from", "## The slowest steps", "## What was compared"]
    {
        assert!(page().contains(named.trim_start_matches(['#', ' '])) && read("diff.md").contains(named), "{named}");
    }
}

#[test]
fn the_scripts_only_call_the_program_and_do_what_the_page_says() {
    if !demo::is_there() {
        return;
    }
    let place = Place::new();
    assert_eq!(place.run("profile-decode", &["skill", "-o", "."]).0, 0);
    let script = |name: &str| place.path(&format!("profile-decode/scripts/{name}.sh")).display().to_string();
    let demo = |name: &str, more: &[&str]| {
        let line = [&["demo", "--steps", "30", "-q", "-o", name, "--"], more].concat();
        assert_eq!(place.run("profile-decode", &line).0, 0);
    };
    demo("base", &["--seed", "1"]);
    demo("new", &["--slow-kernel", "swiglu=1.3"]);
    let (code, _, stderr) = place.run(&script("report"), &["base/"]);
    assert_eq!(code, 0, "{stderr}");
    for extension in ["md", "json", "html"] {
        assert!(place.path(&format!("base.{extension}")).is_file(), "{extension}");
    }
    let (code, _, stderr) = place.run(&script("compare"), &["base", "new"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("MoE regressed"), "{stderr}");
    assert_eq!(place.run(&script("compare"), &["base", "base"]).0, 0);
    let (code, stdout, stderr) = place.run(&script("summarize"), &["new", "base"]);
    assert_eq!(code, 0, "{stderr}");
    for line in [
        "# Decode profile",
        "is complete",
        "## How this was made",
        "30 decode steps counted",
        "# Decode comparison: regressed",
    ] {
        assert!(stdout.contains(line) || line == "{line}: {stdout}");
    }
    assert!(!stdout.contains("## Where the time goes") && !stdout.contains("## Appendix"), "{stdout}");
    let (code, stdout, _) =
        place.run(&script("capture"), &["run", "sh", "-c", "echo $PROFILE_DECODE_STEPS $PROFILE_DECODE_WARMUP"]);
    assert_eq!((code, stdout.as_str()), (0, "200 50\n"));
    for name in ["capture", "report", "compare", "summarize"] {
        assert_eq!(place.run(&script(name), &[]).0, 2, "{name} tells how it is used");
    }
}

#[test]
fn every_option_on_the_page_exists() {
    let text = page();
    let mut helps = Helps::default();
    let checked: usize = calls(text).iter().map(|call| helps.check(call)).sum();
    assert!(checked > 30, "{checked}");
    let variables = text.match_indices("PROFILE_DECODE_").map(|(at, _)| {
        let end = text[at..].find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap();
        &text[at..at + end]
    });
    let known = include_str!("../docs/environment.md");
    for variable in variables {
        assert!(known.contains(&format!("`{variable}`")), "docs/environment.md does not know {variable}");
    }
}
