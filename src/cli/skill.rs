//! `profile-decode skill`: the workflow as a skill for coding agents, written where they look for skills.
//!
//! The files are those of `skills/profile-decode` of this repository, in the form of the skills of AMD and of ATOM: a page
//! with frontmatter for the agent, a card for who installs it, scripts that call this program. They are part of the
//! program, so that it brings the skill of its own version.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as Group;

use super::args::EXIT_CODES;
use super::failure::{Failure, Kind};
use super::files;
use super::terminal::{print, status};

const EXAMPLES: &str = "\
Examples:
  profile-decode skill
  profile-decode skill -o ~/.claude/skills --force
  profile-decode skill -o -";

/// Write the skill that teaches a coding agent to profile decode with this program.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct SkillArgs {
    /// Directory of skills, in which a directory `profile-decode` is made; `-`: print the page to stdout instead.
    #[arg(short, long, value_name = "DIR", default_value = ".claude/skills")]
    output: PathBuf,

    /// Replace the files of a skill that is there.
    #[arg(long)]
    force: bool,
}

/// A file of the skill: its path, its text. Scripts are executable.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../skills/profile-decode/", $path)))
    };
}

/// The page itself is the first.
const FILES: [(&str, &str); 8] = [
    file!("SKILL.md"),
    file!("skill-card.md"),
    file!("evals/evals.json"),
    file!("scripts/capture.sh"),
    file!("scripts/compare.sh"),
    file!("scripts/report.sh"),
    file!("scripts/summarize.sh"),
    file!("scripts/window.sh"),
];

pub(super) fn run(args: &SkillArgs) -> Result<ExitCode, Failure> {
    if args.output == Path::new("-") {
        print(FILES[0].1.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let skill = args.output.join("profile-decode");
    if !args.force && fs::symlink_metadata(&skill).is_ok() {
        let failure = Failure::new(Kind::CannotWrite, "is there already").at(&skill);
        return Err(failure.hint("--force replaces its files"));
    }
    for (name, text) in FILES {
        let path = skill.join(name);
        lay(&path, name, text)?;
    }
    status(&format!("the skill is in {}", skill.display()));
    Ok(ExitCode::SUCCESS)
}

fn lay(path: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::new(Kind::CannotWrite, format!("cannot be written: {error}")).at(path);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(fail)?;
    }
    files::write(path, text.as_bytes())?;
    if name.ends_with(".sh") {
        fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of all files below `directory`.
    fn listed(directory: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                listed(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }

    #[test]
    fn every_file_of_the_skill_is_in_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/profile-decode");
        let mut there = Vec::new();
        listed(&root, &root, &mut there);
        there.sort();
        let mut known = FILES.map(|(path, _)| path.to_owned());
        known.sort();
        assert_eq!(there, known);
    }
}
