//! `profile-decode index`: which kernels an installation holds and where, for names that tell nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args as Group;

use crate::classify::Classifier;
use crate::installation::{self, Limits};

use super::args::EXIT_CODES;
use super::failure::{Failure, Kind};
use super::terminal::{deliver, status};

const EXAMPLES: &str = "\
Examples:
  profile-decode index --python /opt/venv/bin/python -o kernels.idx
  profile-decode index /usr/local/lib/python3.12/dist-packages ~/src/aiter -o kernels.idx
  profile-decode report trace.json.gz --index kernels.idx

Nothing of what is found is imported or run; --python runs BIN once, to ask where it installs packages.";

/// Look through an installation for kernels: which file, package and version each name is of.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct IndexArgs {
    /// Folders: those into which packages are installed, or repositories.
    #[arg(value_name = "DIR", required_unless_present = "python")]
    folders: Vec<PathBuf>,

    /// A Python whose installed packages are looked through.
    #[arg(long, value_name = "BIN")]
    python: Option<PathBuf>,

    /// Keep only what belongs into the catalogue that comes with the program: names that tell less than their files.
    #[arg(long, hide = true)]
    for_catalogue: bool,

    /// Write to FILE instead of stdout (`-`).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &IndexArgs) -> Result<ExitCode, Failure> {
    let mut folders = args.folders.clone();
    if let Some(python) = &args.python {
        folders.extend(packages_of(python)?);
    }
    for folder in &folders {
        std::fs::read_dir(folder).map_err(|error| {
            let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
            Failure::new(kind, format!("cannot be looked through: {error}")).at(folder)
        })?;
    }
    let scan = installation::scan(&folders, &Limits::default())
        .map_err(|error| Failure::new(Kind::Io, format!("an installation cannot be looked through: {error}")))?;
    if let Some(limit) = scan.cut {
        status(&format!("not everything was looked at: the limit of {limit} is reached (docs/limits.md)"));
    }
    if scan.partly > 0 {
        status(&format!(
            "{} shared objects have code objects that are compressed by zstd, or broken: of these host stubs alone tell",
            scan.partly
        ));
    }
    if scan.unreadable > 0 {
        status(&format!("{} files were left out: they cannot be read, or are too long", scan.unreadable));
    }
    let mut index = scan.into_index();
    if args.for_catalogue {
        index = Classifier::builtin().catalogue_of(&index);
    }
    if index.names() == 0 {
        let hint = "give the folder into which packages are installed (site-packages), or a repository";
        return Err(Failure::new(Kind::Empty, "there are no kernels in it").at(&folders[0]).hint(hint));
    }
    let packages: BTreeSet<&str> = index.files().iter().map(|file| file.package.as_str()).collect();
    let found =
        format!("{} names of kernels in {} files of {} packages", index.names(), index.files().len(), packages.len());
    deliver(args.output.as_deref(), index.text().as_bytes(), &format!("{found}, written"))?;
    Ok(ExitCode::SUCCESS)
}

/// What a Python is asked: the folders into which it installs, a line each.
const ASK: &str = "import sysconfig; print(*{sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}, sep='\\n')";

/// The folders into which `python` installs packages.
fn packages_of(python: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed =
        |what: String| Failure::new(Kind::Unavailable, what).at(python).hint("give the folders themselves instead");
    let asked = Command::new(python).args(["-I", "-c", ASK]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let asked = asked.map_err(|error| failed(format!("cannot be asked where it installs packages: {error}")))?;
    let text = String::from_utf8_lossy(&asked.stdout);
    let mut folders: Vec<PathBuf> = text.lines().filter(|line| line.starts_with('/')).map(PathBuf::from).collect();
    folders.sort();
    if folders.is_empty() {
        return Err(failed("does not tell where it installs packages".to_owned()));
    }
    Ok(folders)
}
