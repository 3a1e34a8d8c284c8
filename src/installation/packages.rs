//! Which package a file is of: what `pip` recorded beside the packages that it installed, or else the folder's own name.
//!
//! `vllm-0.33.0.dist-info/RECORD` lists the files of vllm 0.33.0 (Python packaging: "Recording installed projects"). The name
//! of a distribution and that of its folder differ at times: `fla-core` installs `fla`.

use std::collections::HashMap;
use std::path::Path;

use crate::door;

/// The most of a RECORD that is read.
const RECORD: u64 = 16 << 20;
/// The most distributions that are read.
const MOST: usize = 4096;

/// The packages installed in one folder.
#[derive(Debug)]
pub(super) struct Packages {
    /// The folder's own name.
    folder: String,
    /// Whether `pip` installs into it.
    is_site: bool,
    /// Distribution and version by the first part of a path.
    by_top: HashMap<String, (String, String)>,
}

impl Packages {
    pub(super) fn of(root: &Path) -> Self {
        let named = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let folder = named.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut packages = Self { folder, is_site: false, by_top: HashMap::new() };
        let mut infos: Vec<_> = std::fs::read_dir(root).into_iter().flatten().flatten().take(1 << 16).collect();
        infos.retain(|entry| entry.file_name().to_string_lossy().ends_with(".dist-info"));
        infos.sort_by_key(std::fs::DirEntry::file_name);
        packages.is_site = !infos.is_empty();
        for entry in infos.into_iter().take(MOST) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((distribution, version)) = name.trim_end_matches(".dist-info").rsplit_once('-') else { continue };
            let Ok(record) = door::read_text(&entry.path().join("RECORD"), RECORD) else { continue };
            for top in record.lines().filter_map(|line| line.split([',', '/']).next()) {
                if !top.ends_with(".dist-info") && !packages.by_top.contains_key(top) {
                    packages.by_top.insert(top.to_owned(), (distribution.to_owned(), version.to_owned()));
                }
            }
        }
        packages
    }

    /// Package and version of the file at `relative` in the folder.
    pub(super) fn of_file(&self, relative: &Path) -> (String, Option<String>) {
        let first = relative.iter().next().map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        match self.by_top.get(&first) {
            Some((package, version)) => (package.clone(), Some(version.clone())),
            None if self.is_site => (first, None),
            None => (self.folder.clone(), None),
        }
    }

    /// The path of a file as it is known elsewhere: from the folder into which packages are installed, or with the folder's own
    /// name in front, which may be the package's.
    pub(super) fn path(&self, relative: &Path) -> String {
        let relative = relative.to_string_lossy();
        if self.is_site { relative.into_owned() } else { format!("{}/{relative}", self.folder) }
    }
}
