//! The files of a tree, in order, bounded, through no link.

use std::path::{Path, PathBuf};

use super::Limits;

/// Folders that hold no kernels a server runs, or another's names for them.
const PASSED_OVER: [&str; 7] = ["__pycache__", "node_modules", "tests", "test", "op_tests", "unittest", "benchmarks"];

/// Calls `visit` with each regular file below `root` until it says no, a limit is reached, or there is no more. What cannot be
/// read is passed over.
pub(super) fn files(root: &Path, limits: &Limits, entries_left: &mut usize, mut visit: impl FnMut(&Path) -> bool) {
    let mut folders: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut paths = Vec::new();
        for entry in entries.flatten() {
            if *entries_left == 0 {
                return;
            }
            *entries_left -= 1;
            // Of the entry itself: a link is neither a file nor a folder.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() || kind.is_file() {
                paths.push((entry.path(), kind.is_dir()));
            }
        }
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let (below, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(_, is_folder)| *is_folder);
        for (path, _) in files.into_iter().rev() {
            if !visit(&path) {
                return;
            }
        }
        if depth < limits.depth {
            folders
                .extend(below.into_iter().filter(|(path, _)| is_looked_into(path)).map(|(path, _)| (path, depth + 1)));
        }
    }
}

fn is_looked_into(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or("");
    !name.starts_with('.') && !PASSED_OVER.contains(&name)
}
