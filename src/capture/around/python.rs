//! The Python packages that the process may import, by what `pip` wrote beside them.
//!
//! Each package has a directory `NAME-VERSION.dist-info` with `METADATA`, and `direct_url.json` if it came from a
//! repository or lies in a directory of its own (packaging.python.org, "Recording installed projects" and "Recording the
//! Direct URL Origin"). Which directories are imported from follows from the libraries that are loaded, the virtual
//! environment, `PYTHONPATH`, and where the interpreter lies. Nothing is imported or executed.

use std::path::{Path, PathBuf};

use super::looker::Looker;
use crate::model::FactKind;

/// Directories to import from.
const PLACES: usize = 24;
/// Packages of a directory.
const PACKAGES: usize = 1_500;

/// Engines, by the normal form of their names.
const ENGINES: [&str; 4] = ["vllm", "sglang", "atom", "tokenspeed"];
/// Packages that bring kernels, and the directory of their modules.
const KERNELS: [(&str, &str); 22] = [
    ("torch", "torch"),
    ("triton", "triton"),
    ("pytorch-triton-rocm", "triton"),
    ("triton-rocm", "triton"),
    ("aiter", "aiter"),
    ("amd-aiter", "aiter"),
    ("flydsl", "flydsl"),
    ("mori", "mori"),
    ("amd-mori", "mori"),
    ("flash-attn", "flash_attn"),
    ("flashinfer", "flashinfer"),
    ("flashinfer-python", "flashinfer"),
    ("sgl-kernel", "sgl_kernel"),
    ("deep-ep", "deep_ep"),
    ("fla-core", "fla"),
    ("flash-linear-attention", "fla"),
    ("primus-turbo", "primus_turbo"),
    ("tilelang", "tilelang"),
    ("causal-conv1d", "causal_conv1d"),
    ("mamba-ssm", "mamba_ssm"),
    ("amd-quark", "quark"),
    ("xformers", "xformers"),
];

/// The directories that the process imports from.
pub(super) fn places(looker: &Looker, variables: &[(String, String)]) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    let mut add = |place: PathBuf| {
        if places.len() < PLACES && !places.contains(&place) && looker.is_directory(&place) {
            places.push(place);
        }
    };
    let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    for entry in variable("PYTHONPATH").unwrap_or_default().split(':').filter(|entry| entry.starts_with('/')) {
        add(PathBuf::from(entry));
    }
    let maps = looker.text("/proc/self/maps", 4 << 20).unwrap_or_default();
    let mut last = "";
    for line in maps.lines() {
        let Some(path) = line.find('/').map(|at| &line[at..]) else { continue };
        let end =
            ["/site-packages/", "/dist-packages/"].iter().find_map(|part| Some(path.find(part)? + part.len() - 1));
        if let Some(place) = end.map(|end| &path[..end]).filter(|place| *place != last) {
            add(PathBuf::from(place));
            last = place;
        }
    }
    let executable = looker.link("/proc/self/exe").unwrap_or_default();
    let is_python = executable.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"))
        || maps.contains("libpython");
    let prefix = executable.parent().and_then(Path::parent).filter(|_| is_python);
    let prefixes = variable("VIRTUAL_ENV").map(PathBuf::from).into_iter().chain(prefix.map(Path::to_owned));
    let usual = is_python.then(|| PathBuf::from("/usr/local"));
    for prefix in prefixes.chain(usual) {
        for version in looker.names(prefix.join("lib")).into_iter().filter(|name| name.starts_with("python3")) {
            let lib = prefix.join("lib").join(version);
            add(lib.join("site-packages"));
            add(lib.join("dist-packages"));
        }
    }
    if is_python {
        add(PathBuf::from("/usr/lib/python3/dist-packages"));
    }
    places
}

/// Adds the packages in `places`; where aiter and packages that are no copies lie.
pub(super) fn facts(looker: &mut Looker, places: &[PathBuf]) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for place in places {
        let names = looker.names(place);
        let infos = names.iter().filter_map(|name| {
            Some((name, name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"))?))
        });
        for (directory, info) in infos.take(PACKAGES) {
            if !looker.has_time() {
                break;
            }
            let (name, version) = info.split_once('-').unwrap_or((info, "of unknown version"));
            let name = normal(name);
            // The first on the path is the one that is imported.
            if known.contains(&name) {
                continue;
            }
            package(looker, place, directory, &name, version, &mut sources);
            known.push(name);
        }
        if looker.is_directory(place.join("aiter")) {
            sources.push(place.clone());
        }
    }
    sources.dedup();
    sources
}

/// Adds one package.
fn package(looker: &mut Looker, place: &Path, directory: &str, name: &str, version: &str, sources: &mut Vec<PathBuf>) {
    let module = KERNELS.iter().find(|(known, _)| *known == name).map(|(_, module)| *module);
    let kind = match module {
        Some(_) => FactKind::KernelPackage,
        None if ENGINES.contains(&name) => FactKind::Engine,
        None => FactKind::Package,
    };
    if kind == FactKind::Package {
        looker.fact(kind, name, version);
        return;
    }
    let info = place.join(directory);
    let metadata = looker.text(info.join("METADATA"), 8192).unwrap_or_default();
    let told = metadata.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("Version: "));
    looker.fact(kind, name, told.unwrap_or(version).trim());
    let origin = looker.text(info.join("direct_url.json"), 8192).and_then(|text| serde_json::from_str(&text).ok());
    let origin: serde_json::Value = origin.unwrap_or_default();
    let commit = origin["vcs_info"]["commit_id"].as_str().map(str::to_owned);
    // A package that lies in a directory of its own: `pip install -e`.
    let editable = origin["dir_info"]["editable"].as_bool() == Some(true);
    let own =
        origin["url"].as_str().and_then(|url| url.strip_prefix("file://")).filter(|_| editable).map(PathBuf::from);
    let of_source = || own.as_ref().and_then(|own| head(looker, own));
    let root = own.as_deref().unwrap_or(place);
    let commit = commit.or_else(of_source).or_else(|| recorded(looker, &root.join(module.unwrap_or(name))));
    if let Some(commit) = commit.filter(|commit| is_commit(commit)) {
        looker.fact(FactKind::Commit, name, &commit[..commit.len().min(12)]);
    }
    if name == "torch" {
        let text = looker.text(place.join("torch/version.py"), 8192).unwrap_or_default();
        if let Some(hip) = assigned(&text, "hip").filter(|hip| *hip != "None") {
            looker.fact(FactKind::Rocm, "HIP of PyTorch", hip);
        }
    }
    sources.extend(own);
}

/// `Foo_Bar` as `foo-bar`, as Python's packaging compares names.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The commit that a package's `_version.py` or `version.py` names: `__commit_id__`, `commit_id`, `git_version`.
fn recorded(looker: &Looker, module: &Path) -> Option<String> {
    ["_version.py", "version.py"].iter().find_map(|file| {
        let text = looker.text(module.join(file), 8192)?;
        let found = ["commit_id", "__commit_id__", "git_version"].iter().find_map(|name| assigned(&text, name))?;
        Some(found.trim_start_matches('g').to_owned())
    })
}

/// What is assigned to `name` in a Python file, if that is a string: `name = 'x'`, `name: str = 'x'`, `other = name = 'x'`.
fn assigned<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (names, value) = line.rsplit_once('=')?;
        let is_named = names.split('=').any(|one| one.split(':').next().is_some_and(|one| one.trim() == name));
        let value = value.trim();
        is_named.then(|| value.trim_matches(['\'', '"'])).filter(|_| value.starts_with(['\'', '"']))
    })
}

/// The commit that a repository has checked out.
fn head(looker: &Looker, repository: &Path) -> Option<String> {
    let git = repository.join(".git");
    let head = looker.text(git.join("HEAD"), 512)?;
    let Some(reference) = head.strip_prefix("ref: ") else { return Some(head) };
    if reference.contains("..") {
        return None;
    }
    looker.text(git.join(reference), 128).or_else(|| {
        let packed = looker.text(git.join("packed-refs"), 1 << 20)?;
        let line = packed.lines().find(|line| line.ends_with(reference))?;
        line.split(' ').next().map(str::to_owned)
    })
}
