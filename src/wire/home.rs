//! Paths without what is nobody's business: a capture is a file that people send to each other.

use crate::model::in_package;
use crate::model::secrets::HIDDEN;

/// Folders that hold the folders of users.
const HOMES: [&str; 3] = ["home", "users", "Users"];

/// `path` without the names of users: `/home/***/.triton/cache/x.hsaco`.
pub(super) fn hidden(path: &str) -> String {
    let mut is_user = false;
    let parts = path.split('/').map(|part| {
        let is_name = std::mem::replace(&mut is_user, HOMES.contains(&part));
        if is_name && !part.is_empty() { HIDDEN } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The same from the package on, where one is installed there.
pub(super) fn of_package(path: &str) -> String {
    in_package(path).map_or_else(|| hidden(path), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_not_named_and_packages_are() {
        for (path, expected) in [
            ("/home/ada/venv/lib/python3.12/site-packages/vllm/v1/x.py", "vllm/v1/x.py"),
            ("/usr/lib/python3/dist-packages/aiter/y.py", "aiter/y.py"),
            ("/home/ada/src/vllm/x.py", "/home/***/src/vllm/x.py"),
            ("/data/users/ada", "/data/users/***"),
            ("file:///home/ada/.triton/cache/k.hsaco#offset=1", "file:///home/***/.triton/cache/k.hsaco#offset=1"),
            ("memory://1#offset=0x1&size=2", "memory://1#offset=0x1&size=2"),
            ("/home/", "/home/"),
        ] {
            assert_eq!(of_package(path), expected);
            assert_eq!(of_package(expected), expected, "hidden once is hidden");
        }
    }
}
