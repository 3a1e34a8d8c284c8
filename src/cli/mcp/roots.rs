//! Which files may be read: those below the directories given at start.
//!
//! A path is refused by how it is written (`..`, outside of every root), then by where it leads (a link out of the root),
//! then by what would be read along with it: links within a directory, and links beside a file that readers look for by
//! its name (the other tables of a trace, the log of a database). A path outside is refused without a look at it, so
//! that no answer tells whether it exists. Who may write within a root can still change it while it is read: a root
//! should belong to who starts the program.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::cli::failure::{Failure, Kind};
use crate::ingest::{is_capture_directory, is_capture_file};

/// How deep a directory is looked through, and how many entries at most: as far as traces are looked for in it.
const DEPTH: usize = 5;
const ENTRIES: usize = 10_000;

/// Directories whose files may be read.
#[derive(Debug)]
pub(super) struct Roots {
    /// As given, made absolute, and as they really are.
    directories: Vec<(PathBuf, PathBuf)>,
}

impl Roots {
    /// The roots that are given, which must be directories.
    pub(super) fn new(given: &[PathBuf]) -> Result<Self, Failure> {
        let resolve = |path: &PathBuf| {
            let real = fs::canonicalize(path).and_then(|real| match real.is_dir() {
                true => Ok((std::path::absolute(path)?, real)),
                false => Err(io::ErrorKind::NotADirectory.into()),
            });
            real.map_err(|error| {
                let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
                Failure::new(kind, format!("cannot be a root: {error}")).at(path)
            })
        };
        Ok(Self { directories: given.iter().map(resolve).collect::<Result<_, _>>()? })
    }

    /// The roots, for people.
    pub(super) fn shown(&self) -> Vec<String> {
        self.directories.iter().map(|(_, real)| real.display().to_string()).collect()
    }

    /// Where `path` leads, if it and all that is read with it lies below a root.
    ///
    /// # Errors
    /// If it does not, does not exist, or is neither a file nor a directory.
    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf, Failure> {
        let path = Path::new(path);
        let refused = || Failure::new(Kind::Usage, "is not below a root; --root names what may be read").at(path);
        if path.components().any(|part| part == Component::ParentDir) || path.as_os_str().is_empty() {
            return Err(refused());
        }
        let candidates = self.candidates(path);
        if candidates.is_empty() {
            return Err(refused());
        }
        let found = candidates.iter().find_map(|candidate| fs::canonicalize(candidate).ok());
        let real = found.ok_or_else(|| Failure::new(Kind::NotFound, "no such file or directory").at(path))?;
        if !self.holds(&real) {
            return Err(refused());
        }
        let metadata = fs::metadata(&real).map_err(|error| failed(path, &error))?;
        let escape = if metadata.is_dir() {
            self.escape_within(&real, 0, &mut 0)
        } else if metadata.is_file() {
            self.escape_beside(&real)
        } else {
            return Err(Failure::new(Kind::Io, "is neither a file nor a directory").at(path));
        };
        match escape.map_err(|error| failed(path, &error))? {
            Some(link) => Err(Failure::new(Kind::Usage, "is a link that leads out of the roots").at(&link)),
            None => Ok(real),
        }
    }

    /// What `path` may mean: itself, if it is written as below a root, or a place in each root.
    fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        if path.is_absolute() {
            let is_below = |(given, real): &(PathBuf, PathBuf)| path.starts_with(given) || path.starts_with(real);
            return self.directories.iter().any(is_below).then(|| path.to_owned()).into_iter().collect();
        }
        self.directories.iter().map(|(_, real)| real.join(path)).collect()
    }

    fn holds(&self, real: &Path) -> bool {
        self.directories.iter().any(|(_, root)| real.starts_with(root))
    }

    /// Whether `path` is a link that leads out of every root. One that leads nowhere cannot be read.
    fn escapes(&self, path: &Path) -> bool {
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        is_link && fs::canonicalize(path).is_ok_and(|real| !self.holds(&real))
    }

    /// The first link below `directory` that leads out; one there is also where there are too many entries to tell.
    fn escape_within(&self, directory: &Path, depth: usize, seen: &mut usize) -> io::Result<Option<PathBuf>> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            *seen += 1;
            if *seen > ENTRIES {
                return Err(too_many());
            }
            if self.escapes(&path) {
                return Ok(Some(path));
            }
            if depth < DEPTH && path.is_dir() {
                // One that may not be entered is not read either.
                if let Ok(Some(found)) = self.escape_within(&path, depth + 1, seen) {
                    return Ok(Some(found));
                }
                if *seen > ENTRIES {
                    return Err(too_many());
                }
            }
        }
        Ok(None)
    }

    /// The first link beside `file` that leads out and may be read along with it: those whose name begins as its does,
    /// and traces of graph capture.
    fn escape_beside(&self, file: &Path) -> io::Result<Option<PathBuf>> {
        let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else { return Ok(None) };
        let name = name.to_string_lossy();
        let stem = name.split(['_', '.']).next().unwrap_or_default();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_capture = is_capture_directory(&name) || is_capture_file(&name);
            if (is_capture || name.starts_with(stem)) && self.escapes(&path) {
                return Ok(Some(path));
            }
            if is_capture && path.is_dir() {
                let found = self.escape_within(&path, 0, &mut 0)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }
}

fn too_many() -> io::Error {
    io::Error::other(format!("more than {ENTRIES} entries; name a directory of one run"))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot be read: {error}")).at(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_lies_below_a_root_may_be_read() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for directory in ["root/run", "root/escaping/deep", "elsewhere"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in
            ["root/trace.json", "root/run/rank0.json", "elsewhere/secret.json", "root/77_kernel_trace.csv", "root/x.db"]
        {
            fs::write(at(file), "{}").unwrap();
        }
        symlink(at("elsewhere/secret.json"), at("root/link.json")).unwrap();
        symlink(at("elsewhere"), at("root/escaping/deep/link")).unwrap();
        symlink(at("elsewhere/secret.json"), at("root/77_hip_api_trace.csv")).unwrap();
        symlink(at("elsewhere/secret.json"), at("root/x.db-wal")).unwrap();
        symlink(at("root/trace.json"), at("root/good.json")).unwrap();
        symlink(at("root"), at("other-name")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("root/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();

        for directory in ["by-link", "by-name", "within/capture_traces"] {
            fs::create_dir_all(at("root").join(directory)).unwrap();
        }
        for run in ["by-link", "by-name", "within"] {
            fs::write(at("root").join(run).join("trace.json"), "{}").unwrap();
        }
        symlink(at("elsewhere"), at("root/by-link/capture_traces_0")).unwrap();
        symlink(at("elsewhere/secret.json"), at("root/by-name/x_graph_capture.json")).unwrap();
        symlink(at("elsewhere/secret.json"), at("root/within/capture_traces/rank0.json")).unwrap();

        let roots = Roots::new(&[at("other-name")]).unwrap();
        let absolute = |name: &str| at(name).display().to_string();
        let real = fs::canonicalize(at("root")).unwrap();
        for good in ["trace.json", "./trace.json", "good.json", "run", "run/", "run/rank0.json", "."] {
            let found = roots.resolve(good);
            if good == "." {
                assert!(found.is_err(), "there are links out in it");
            } else {
                assert!(found.as_ref().is_ok_and(|path| path.starts_with(&real)), "{good}: {found:?}");
            }
        }
        for good in [absolute("root/trace.json"), absolute("other-name/trace.json")] {
            assert_eq!(roots.resolve(&good).unwrap(), real.join("trace.json"), "{good}");
        }
        for bad in [
            "",
            "..",
            "../elsewhere/secret.json",
            "run/../trace.json",
            "link.json",
            "escaping",
            "77_kernel_trace.csv",
            "x.db",
            "by-link/trace.json",
            "by-name/trace.json",
            "within/trace.json",
            "pipe",
            "/etc/passwd",
            "/proc/self/environ",
            "nothing.json",
            "a\0b",
        ] {
            assert!(roots.resolve(bad).is_err(), "{bad:?}");
        }
        assert!(roots.resolve(&absolute("elsewhere/secret.json")).is_err());
        let there = format!("{:?}", roots.resolve(&absolute("elsewhere/secret.json")).unwrap_err());
        let not_there = format!("{:?}", roots.resolve(&absolute("elsewhere/nothing.json")).unwrap_err());
        assert_eq!(there.replace("secret", "nothing"), not_there, "no answer tells what exists outside");
        assert!(Roots::new(&[at("nowhere")]).is_err() && Roots::new(&[at("root/trace.json")]).is_err());
    }
}
