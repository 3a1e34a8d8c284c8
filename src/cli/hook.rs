//! The hook in Python that tells the tracer of modules and operators: its files, and how they get into a process.
//!
//! Python imports the first `sitecustomize` on its path when it starts, so a folder of ours comes first in `PYTHONPATH`; its
//! file brings the hook in and goes on to the one that it hides. The variable is inherited by workers that an engine spawns.
//! The files are part of the program, so that the hook is of the tracer's version.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as Group;

use super::args::EXIT_CODES;
use super::failure::{Failure, Kind};
use super::files;
use super::terminal::print;

const EXAMPLES: &str = "\
Examples:
  export PYTHONPATH=\"$(profile-decode python-hook ~/.cache/profile-decode/python)${PYTHONPATH:+:$PYTHONPATH}\"
  PROFILE_DECODE_MODULES=1 LD_PRELOAD=/opt/libprofile_decode.so vllm serve Qwen/Qwen3-30B-A3B";

/// Write the Python hook that names modules and operators, for a server without `run --modules`, and print where it is.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct HookArgs {
    /// The folder for its files, which is to come first in PYTHONPATH.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

const FILES: [(&str, &str); 2] = [
    ("sitecustomize.py", include_str!("../../python/sitecustomize.py")),
    ("profile_decode_modules.py", include_str!("../../python/profile_decode_modules.py")),
];

/// The folder of the hook in a run directory.
pub(super) const FOLDER: &str = "python";

pub(super) fn run(args: &HookArgs) -> Result<ExitCode, Failure> {
    let directory = lay(&args.directory)?;
    print(format!("{}\n", directory.display()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the hook's files into `directory`, and gives its absolute path.
pub(super) fn lay(directory: &Path) -> Result<PathBuf, Failure> {
    let fail = |error: io::Error| Failure::new(Kind::CannotWrite, format!("cannot be written: {error}")).at(directory);
    fs::create_dir_all(directory).map_err(fail)?;
    let directory = std::path::absolute(directory).map_err(fail)?;
    for (name, text) in FILES {
        files::write(&directory.join(name), text.as_bytes())?;
    }
    Ok(directory)
}

/// `PYTHONPATH` with `directory` before what is `there`.
pub(super) fn python_path(directory: &Path, there: Option<OsString>) -> Result<OsString, Failure> {
    let there = there.filter(|there| !there.is_empty());
    let mut folders = vec![directory.to_owned()];
    folders.extend(there.iter().flat_map(std::env::split_paths));
    std::env::join_paths(folders).map_err(|_| {
        Failure::new(Kind::Unavailable, "PYTHONPATH cannot name a path with a colon in it")
            .at(directory)
            .hint("name another run directory with --output")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_comes_first_on_the_path_and_keeps_what_is_there() {
        let path = |there: Option<&str>| python_path(Path::new("/run/python"), there.map(OsString::from)).unwrap();
        assert_eq!(path(None), "/run/python");
        assert_eq!(path(Some("")), "/run/python");
        assert_eq!(path(Some("/a::/b")), "/run/python:/a::/b", "an empty one is the working directory");
        assert!(python_path(Path::new("/a:b"), None).is_err());
    }
}
