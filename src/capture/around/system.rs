//! The machine and the container: ROCm, driver, image.

use super::looker::{Looker, hash};
use crate::model::FactKind;

/// Adds what the system tells.
pub(super) fn facts(looker: &mut Looker) {
    // The installed packages of ROCm write it, `7.0.0-38`.
    if let Some(version) = looker.text("/opt/rocm/.info/version", 64) {
        looker.fact(FactKind::Rocm, "ROCm", version.split('-').next().unwrap_or_default().to_owned());
    }
    let files = [("Linux", "/proc/sys/kernel/osrelease"), ("amdgpu", "/sys/module/amdgpu/version")];
    for (name, file) in files {
        if let Some(value) = looker.text(file, 128) {
            looker.fact(FactKind::Driver, name, value);
        }
    }
    let release = looker.text("/etc/os-release", 4096).unwrap_or_default();
    if let Some(name) = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")) {
        looker.fact(FactKind::Driver, "distribution", name.trim_matches('"'));
    }
    image(looker);
}

/// The container and its image. Podman names the image (`/run/.containerenv`); elsewhere the layers that the root is made
/// of tell images of one host apart, and the container's id says that there is one.
fn image(looker: &mut Looker) {
    let environment = looker.text("/run/.containerenv", 4096).unwrap_or_default();
    for line in environment.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim_matches('"');
        if name == "imageid" && value.len() >= 12 && value.bytes().all(|b| b.is_ascii_hexdigit()) {
            looker.fact(FactKind::Image, "image id", &value[..12]);
        }
    }
    let mounts = looker.text("/proc/self/mountinfo", 1 << 18).unwrap_or_default();
    let cgroup = looker.text("/proc/self/cgroup", 1 << 14).unwrap_or_default();
    if let Some(id) =
        long_id(&cgroup).or_else(|| mounts.lines().filter(|line| line.contains("/containers/")).find_map(long_id))
    {
        looker.fact(FactKind::Image, "container id", &id[..12]);
    }
    // Fields 5 and on: mount point, options; the file system's own options are last.
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/") && line.contains(" - overlay "));
    let layers = root.and_then(|line| line.split_once("lowerdir=")?.1.split([',', ' ']).next());
    if let Some(layers) = layers {
        // The first is the container's own.
        let of_image: Vec<&str> = layers.split(':').skip(1).collect();
        let hash = hash(of_image.join(":").as_bytes(), 0);
        looker.fact(FactKind::Image, "image layers", format!("{}, {hash:016x}", of_image.len()));
    }
}

/// A run of 64 hexadecimal digits.
fn long_id(text: &str) -> Option<&str> {
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id)
}

/// How many processes up the engine is looked for, and the most of a command line.
const UP: usize = 4;
const COMMAND: u64 = 8 << 10;

/// The command line of the process that started this one, where this one's tells no flags: engines rename their workers.
pub(super) fn starter(looker: &Looker) -> Vec<String> {
    let mut process = "self".to_owned();
    for generation in 0..UP {
        let bytes = looker.bytes(format!("/proc/{process}/cmdline"), COMMAND).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).take(64);
        let command: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        // A worker is started by name and with an interpreter's own options; a shell is no engine.
        let has_flags =
            command.iter().any(|word| word.len() > 3 && word.starts_with("--") && word != "--multiprocessing-fork");
        let is_python = command.first().is_some_and(|first| first.contains("python") || first.contains("vllm"));
        if has_flags && (generation == 0 || is_python) {
            return if generation == 0 { Vec::new() } else { command };
        }
        let stat = looker.text(format!("/proc/{process}/stat"), 4096).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1));
        let Some(parent) = parent.filter(|parent| !["0", "1"].contains(parent)) else { break };
        process = parent.to_owned();
    }
    Vec::new()
}

/// Seconds that the local time is ahead of UTC.
pub(super) fn utc_offset_s() -> Option<i32> {
    // SAFETY: both are valid storage that the calls fill in; `time` accepts null.
    let broken_down = unsafe {
        let mut broken_down: libc::tm = std::mem::zeroed();
        let now = libc::time(std::ptr::null_mut());
        (!libc::localtime_r(&raw const now, &raw mut broken_down).is_null()).then_some(broken_down)
    };
    broken_down.and_then(|time| i32::try_from(time.tm_gmtoff).ok())
}
