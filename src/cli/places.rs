//! Where the parts that come with this program lie: the tracer, the simulated server.
//!
//! | how it got here | the program is | its parts are |
//! |---|---|---|
//! | cargo | `target/PROFILE/` | beside it, in `deps/` and `examples/` |
//! | a package of the system | `bin/` | in `lib/`, `lib64/` |
//! | a wheel in an environment | `bin/` | in `lib*/python3*/site-packages/profile_decode/` (Debian: `dist-packages`) |
//! | a wheel with `pip --target` | `bin/` | in `profile_decode/` |

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::{Failure, Kind};

const LIBRARY: &str = "libprofile_decode.so";

/// Places of every part, from the program's directory.
const PLACES: [&str; 6] = ["", "deps", "examples", "../lib", "../lib64", "../profile_decode"];

/// The folder of the wheel's Python package.
const PACKAGE: &str = "profile_decode";

/// The tracer: as named, or the newest near the program. Not all cargo commands bring the copy beside the program up to
/// date, and a tracer from yesterday would trace as of yesterday.
pub(super) fn library(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let found = match named {
        Some(path) => Some(path.to_owned()).filter(|path| path.is_file()),
        None => near(LIBRARY).max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok()),
    };
    let Some(path) = found.and_then(|path| std::path::absolute(path).ok()) else {
        let wanted = named.map_or_else(|| PathBuf::from(LIBRARY), Path::to_owned);
        return Err(Failure::new(Kind::Unavailable, "the tracer is not there")
            .at(&wanted)
            .hint("build it with `cargo build --lib`, or name it with --library"));
    };
    if path.to_string_lossy().contains([' ', ':']) {
        return Err(Failure::new(Kind::Unavailable, "LD_PRELOAD cannot name a path with a space or a colon in it")
            .at(&path)
            .hint("put the library elsewhere and name it with --library"));
    }
    Ok(path)
}

/// The files called `name` where a part of this program may lie.
pub(super) fn near(name: &str) -> impl Iterator<Item = PathBuf> + '_ {
    let program = std::env::current_exe().ok();
    let directory = program.and_then(|program| program.parent().map(Path::to_owned));
    directory
        .into_iter()
        .flat_map(|directory| places(&directory))
        .map(move |place| place.join(name))
        .filter(|path| path.is_file())
}

/// Where parts may lie of a program in `directory`.
fn places(directory: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = PLACES.iter().map(|place| directory.join(place)).collect();
    for lib in ["../lib", "../lib64"] {
        let Ok(entries) = fs::read_dir(directory.join(lib)) else { continue };
        let pythons = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
        for python in pythons.map(|entry| entry.path()) {
            places.extend(["site-packages", "dist-packages"].map(|packages| python.join(packages).join(PACKAGE)));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_looked_for_where_cargo_and_wheels_put_them() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        let package = bin.join("../lib64/python3.9/site-packages");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&package).unwrap();
        let places = places(&bin);
        let has = |place: &Path| places.contains(&place.to_owned());
        assert!(has(&bin.join("deps")) && has(&package.join(PACKAGE)) && has(&bin.join("../profile_decode")));
    }
}
