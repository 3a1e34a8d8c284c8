//! `profile-decode doctor`: what is there, what is missing, and what to do about it, before a server is started in vain.
//!
//! It looks and changes nothing. Everything is looked for below a root, so that machines can be drawn in tests.

mod known;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as Group;
use rustix::fs::{Access, access};
use serde::Serialize;

use crate::capture::options::{INTERPOSITION, Manner, Options, env};
use crate::cli::args::{EXIT_CODES, StatusFormat};
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::places::library;
use crate::cli::terminal::print;
use crate::{capture, render};

const EXAMPLES: &str = "\
Examples:
  profile-decode doctor
  docker run ... image profile-decode doctor --format json

The exit code is 0 if a server can be traced, and 69 if there is a problem: the tracer, rocprofiler-sdk or a GPU is missing.";

/// Tell whether a server can be traced here, and what is missing.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(in crate::cli) struct DoctorArgs {
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    format: StatusFormat,
}

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Good,
    /// Tracing works; here is something to know.
    Note,
    /// Tracing cannot work, or may harm the server.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Check {
    id: &'static str,
    state: State,
    text: String,
    hint: Option<String>,
}

/// Everything that was looked at.
#[derive(Serialize)]
struct Findings {
    schema: &'static str,
    ok: bool,
    checks: Vec<Check>,
}

fn check(id: &'static str, state: State, text: impl Into<String>) -> Check {
    Check { id, state, text: text.into(), hint: None }
}

impl Check {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(in crate::cli) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let root = Path::new("/");
    let value = |name: &str| std::env::var(name).ok();
    let found = capture::find_sdk();
    let mut checks = vec![tracer()];
    checks.extend(sdk(found, architectures(root).len(), &value));
    checks.extend(gpus(root));
    checks.extend(roctx(root, std::env::var_os("ROCM_PATH").map(PathBuf::from).as_deref()));
    checks.extend(environment(&value));
    let ok = checks.iter().all(|check| check.state != State::Problem);
    let findings = Findings { schema: "profile-decode/doctor/2", ok, checks };
    let mut bytes = Vec::new();
    match args.format {
        StatusFormat::Json => {
            render::json::write_pretty(&findings, &mut bytes).map_err(|error| files::stdout_failed(&error))?;
        }
        StatusFormat::Text => bytes.extend(in_words(&findings).bytes()),
    }
    print(&bytes)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(69) })
}

fn in_words(findings: &Findings) -> String {
    let mut out = String::new();
    for check in &findings.checks {
        let mark = match check.state {
            State::Good => "good   ",
            State::Note => "note   ",
            State::Problem => "PROBLEM",
        };
        out.push_str(&format!("{mark}  {}\n", render::visible(&check.text)));
        if let Some(hint) = &check.hint {
            out.push_str(&format!("         -> {}\n", render::visible(hint)));
        }
    }
    out.push_str(match findings.ok {
        true => "\nA server can be traced here: profile-decode run -- COMMAND\n",
        false => {
            "\nA server cannot be traced here until the problems are solved. Traces that others recorded can be read.\n"
        }
    });
    out
}

fn tracer() -> Check {
    match library(None) {
        Ok(path) => check("tracer", State::Good, format!("the tracer is {}", path.display())),
        Err(_) => check("tracer", State::Problem, "the tracer libprofile_decode.so is nowhere near this program")
            .hint("build it with `cargo build --release --lib`, or name it with `run --library`"),
    }
}

/// How the tracer would record with this version, and what that costs.
fn dispatch_context(version: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<Check> {
    let set = value(env::CONTEXT);
    let options = Options::from_env(|name| (name == env::CONTEXT).then(|| set.clone().map(Into::into)).flatten());
    let safe = Manner::safe(known::parse(version)?, |name| value(name).map(Into::into));
    let text = match (options.context.unwrap_or(safe), safe) {
        (Manner::Switch, Manner::Switch) => {
            "the tracer's dispatch context is started for each window alone: between windows it costs nothing"
        }
        (Manner::Keep, Manner::Keep) => {
            "the tracer's dispatch context stays on from start to end, since this version may hang where one is started \
             again: every dispatch is intercepted, in windows or not"
        }
        (Manner::Keep, Manner::Switch) => {
            "PROFILE_DECODE_CONTEXT=keep: every dispatch is intercepted, in windows or not"
        }
        (Manner::Switch, Manner::Keep) => {
            "PROFILE_DECODE_CONTEXT=switch: this version may hang the server where a window begins"
        }
    };
    let check = check("dispatch-context", State::Note, text);
    Some(match safe {
        Manner::Switch => Check { state: State::Good, ..check },
        Manner::Keep => check.hint(
            "set ROCPROFILER_QUEUE_INTERPOSITION=0 where the server is started, as `profile-decode run` does: then it can be \
             switched",
        ),
    })
}

/// The SDK that would be loaded into a process that brings none, and what is known of its version with so many GPUs.
fn sdk(
    found: Result<(String, PathBuf), impl Display>,
    gpus: usize,
    value: &dyn Fn(&str) -> Option<String>,
) -> Vec<Check> {
    let (version, path) = match found {
        Ok(found) => found,
        Err(why) => {
            return vec![check("rocprofiler-sdk", State::Problem, why.to_string()).hint(
                "it comes with ROCm since 6.2 (package rocprofiler-sdk); set ROCM_PATH if ROCm is not in /opt/rocm",
            )];
        }
    };
    let file = fs::canonicalize(&path).unwrap_or(path);
    let loaded = format!("rocprofiler-sdk {version} would be loaded: {}", file.display());
    let mut checks = vec![check("rocprofiler-sdk", State::Good, loaded)];
    checks.extend(dispatch_context(&version, value));
    // A wheel of PyTorch may bring its own, which the tracer then uses: this is the program's view only.
    checks.extend(known::bugs(&version, gpus, value).into_iter().map(|(what, remedy)| {
        check("known-bug", State::Note, format!("rocprofiler-sdk {version}: {what}")).hint(remedy)
    }));
    checks
}

/// GPUs that the kernel driver knows, and whether this user may use them.
fn gpus(root: &Path) -> Vec<Check> {
    let archs = architectures(root);
    let kfd = root.join("dev/kfd");
    let container = in_container(root);
    let devices = "give the container --device /dev/kfd --device /dev/dri and --group-add video --group-add render";
    let mut checks = Vec::new();
    checks.push(match archs.len() {
        0 if container => check("gpu", State::Problem, "no GPU is seen in this container").hint(devices),
        0 => check("gpu", State::Problem, "no AMD GPU is seen: /sys/class/kfd has no GPU node")
            .hint("is the amdgpu driver loaded? `lsmod | grep amdgpu`"),
        count => {
            check("gpu", State::Good, format!("{count} GPU{}: {}", if count == 1 { "" } else { "s" }, list(&archs)))
        }
    });
    if !archs.is_empty() {
        checks.push(match (kfd.exists(), access(&kfd, Access::READ_OK | Access::WRITE_OK)) {
            (false, _) => check("permissions", State::Problem, "/dev/kfd is not there").hint(devices),
            (true, Err(_)) => check("permissions", State::Problem, "this user may not open /dev/kfd")
                .hint("add the user to the groups render and video, or the container with --group-add"),
            (true, Ok(())) => check("permissions", State::Good, "/dev/kfd may be opened"),
        });
        let unknown: Vec<String> =
            archs.iter().filter(|arch| !matches!(arch.as_str(), "gfx942" | "gfx950")).cloned().collect();
        if !unknown.is_empty() {
            checks.push(check(
                "arch",
                State::Note,
                format!("kernel names of {} are less well known than those of gfx942 and gfx950", list(&unknown)),
            ));
        }
    }
    if container {
        checks.push(check(
            "container",
            State::Note,
            "this is a container: the run directory must be on a volume to outlive it",
        ));
    }
    checks
}

/// The architectures of the GPUs, in order.
fn architectures(root: &Path) -> Vec<String> {
    let nodes = fs::read_dir(root.join("sys/class/kfd/kfd/topology/nodes")).into_iter().flatten().flatten();
    let mut archs: Vec<String> = nodes.filter_map(|node| gpu(&node.path())).collect();
    archs.sort();
    archs
}

/// The architecture of a node of the topology, if it is a GPU.
fn gpu(node: &Path) -> Option<String> {
    let text = fs::read_to_string(node.join("properties")).ok()?;
    let value =
        |name: &str| -> Option<u64> { text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()) };
    // 9·10⁴ + 4·10² + 2 is gfx942: major and minor in decimal, the stepping in hexadecimal.
    let version = value("gfx_target_version ").filter(|version| *version > 0)?;
    Some(format!("gfx{}{}{:x}", version / 10_000, version / 100 % 100, version % 100))
}

/// Each distinct value, with how often it occurs.
fn list(values: &[String]) -> String {
    let mut distinct: Vec<&String> = values.iter().collect();
    distinct.dedup();
    let count = |value: &String| values.iter().filter(|other| *other == value).count();
    let parts: Vec<String> = distinct
        .into_iter()
        .map(|value| if count(value) > 1 { format!("{} x {value}", count(value)) } else { value.clone() })
        .collect();
    parts.join(", ")
}

fn in_container(root: &Path) -> bool {
    root.join(".dockerenv").exists() || root.join("run/.containerenv").exists()
}

/// Which roctx libraries are there.
fn roctx(root: &Path, rocm: Option<&Path>) -> Vec<Check> {
    let rocm = rocm.map_or_else(|| root.join("opt/rocm"), Path::to_owned).join("lib");
    let is_there = |name: &str| rocm.join(name).exists();
    let new = ["librocprofiler-sdk-roctx.so", "librocprofiler-sdk-roctx.so.1", "librocprofiler-sdk-roctx.so.0"];
    let old = ["libroctx64.so", "libroctx64.so.4"];
    let (state, text) = match (new.iter().any(|name| is_there(name)), old.iter().any(|name| is_there(name))) {
        (true, _) => (
            State::Good,
            "marker ranges come by rocprofiler-sdk's roctx; those of the old libroctx64 (PyTorch's wheels) are heard as well",
        ),
        (false, true) => (State::Good, "only the old libroctx64 is there; the tracer hears its ranges"),
        (false, false) => (
            State::Note,
            "no roctx library is in ROCm's directory; without markers, steps are found by graph launches or by their period",
        ),
    };
    vec![check("roctx", state, text)]
}

/// Variables that other tools, or this one, act on.
fn environment(value: &dyn Fn(&str) -> Option<String>) -> Vec<Check> {
    let mut checks = Vec::new();
    let set = |name: &str| value(name).filter(|value| !value.is_empty());
    for (name, what) in [
        ("HSA_TOOLS_LIB", "another tool sits between the program and the GPU"),
        ("ROCP_TOOL_ATTACH", "rocprofiler-sdk's attach mode is on, which is known to stop servers"),
    ] {
        if let Some(value) = set(name) {
            checks.push(
                check("other-tool", State::Note, format!("{name}={value}: {what}"))
                    .hint(format!("unset {name} while tracing")),
            );
        }
    }
    if let Some(value) = set("ROCP_TOOL_LIBRARIES") {
        checks.push(check(
            "other-tool",
            State::Note,
            format!("ROCP_TOOL_LIBRARIES={value}: other tools trace as well, and cost as well"),
        ));
    }
    if let Some(value) = set(INTERPOSITION) {
        let (state, what) = match value.trim() {
            "0" => (State::Good, "rocprofiler-sdk taps the queues in the older way, whose starts and stops are sound"),
            _ => (State::Note, "rocprofiler-sdk is asked to tap the queues inline; 0 asks for the older way"),
        };
        checks.push(check("interposition", state, format!("{INTERPOSITION}={value}: {what}")));
    }
    for name in ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"] {
        if let Some(value) = set(name) {
            checks.push(check("visible-devices", State::Note, format!("{name}={value}: only these GPUs are used")));
        }
    }
    if value("PROFILE_DECODE_ENABLED").is_some_and(|value| value == "0") {
        checks.push(
            check("disabled", State::Problem, "PROFILE_DECODE_ENABLED=0: the tracer declines to trace")
                .hint("unset it"),
        );
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(checks: &[Check]) -> Vec<(&'static str, State)> {
        checks.iter().map(|check| (check.id, check.state)).collect()
    }

    /// A machine with these nodes, each by its gfx_target_version.
    fn machine(versions: &[u32]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (at, version) in versions.iter().enumerate() {
            let node = root.path().join(format!("sys/class/kfd/kfd/topology/nodes/{at}"));
            fs::create_dir_all(&node).unwrap();
            fs::write(
                node.join("properties"),
                format!("cpu_cores_count 0\nsimd_count 1216\ngfx_target_version {version}\n"),
            )
            .unwrap();
        }
        root
    }

    #[test]
    fn a_machine_without_a_gpu_lacks_one_and_a_container_is_told_which_options_it_needs() {
        let root = machine(&[0]);
        let found = gpus(root.path());
        assert_eq!(states(&found), [("gpu", State::Problem)]);
        assert!(found[0].hint.as_ref().unwrap().contains("amdgpu"), "{found:?}");
        fs::write(root.path().join(".dockerenv"), "").unwrap();
        let found = gpus(root.path());
        assert!(found[0].hint.as_ref().unwrap().contains("--device /dev/kfd"), "{found:?}");
    }

    #[test]
    fn gpus_are_named_and_counted_and_the_device_must_be_there_to_open() {
        let root = machine(&[0, 90_402, 90_402]);
        let found = gpus(root.path());
        assert_eq!(states(&found), [("gpu", State::Good), ("permissions", State::Problem)]);
        assert_eq!(found[0].text, "2 GPUs: 2 x gfx942");
        fs::create_dir_all(root.path().join("dev")).unwrap();
        fs::write(root.path().join("dev/kfd"), "").unwrap();
        assert_eq!(states(&gpus(root.path())), [("gpu", State::Good), ("permissions", State::Good)]);
        let found = gpus(machine(&[90_010]).path());
        assert!(found.iter().any(|check| check.id == "arch" && check.text.contains("gfx90a")), "{found:?}");
    }

    #[test]
    fn variables_of_other_tools_are_named() {
        let value = |name: &str| (name == "HSA_TOOLS_LIB").then(|| "librtl.so".to_owned());
        let found = environment(&value);
        assert_eq!(states(&found), [("other-tool", State::Note)]);
        assert!(found[0].text.contains("librtl.so"));
        assert_eq!(environment(&|_| None), []);
        let off = |name: &str| (name == "PROFILE_DECODE_ENABLED").then(|| "0".to_owned());
        assert_eq!(states(&environment(&off)), [("disabled", State::Problem)]);
    }

    #[test]
    fn a_missing_sdk_says_where_it_was_looked_for() {
        let found = sdk(Err("librocprofiler-sdk was not found; tried /opt/rocm/lib"), 0, &|_| None);
        assert_eq!(states(&found), [("rocprofiler-sdk", State::Problem)]);
        assert!(found[0].text.contains("/opt/rocm/lib") && found[0].hint.is_some());
    }

    #[test]
    fn the_file_that_would_be_loaded_is_named_and_what_is_known_of_its_version() {
        let place = tempfile::tempdir().unwrap();
        let (link, file) =
            (place.path().join("librocprofiler-sdk.so"), place.path().join("librocprofiler-sdk.so.1.3.5"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let found = |value: &'static str| {
            let value = move |name: &str| (name == "ROCPROFILER_QUEUE_INTERPOSITION").then(|| value.to_owned());
            sdk(Ok::<_, String>(("1.3.5".to_owned(), link.clone())), 8, &value)
        };
        let notes = |checks: &[Check]| checks.iter().filter(|check| check.id == "known-bug").count();
        assert!(found("1")[0].text.ends_with("librocprofiler-sdk.so.1.3.5"), "{found:?}", found = found("1"));
        assert_eq!((notes(&found("1")), notes(&found("0"))), (3, 1));
        assert!(found("1").iter().all(|check| check.state == State::Good || check.hint.is_some()));
    }

    #[test]
    fn the_older_way_of_interception_is_no_fault_and_is_not_to_be_unset() {
        let of = |value: &'static str| {
            move |name: &str| (name == "ROCPROFILER_QUEUE_INTERPOSITION").then(|| value.to_owned())
        };
        assert_eq!(states(&environment(&of("0"))), [("interposition", State::Good)]);
        assert_eq!(states(&environment(&of("1"))), [("interposition", State::Note)]);
    }
}
