//! Which package a kernel belongs to.
//!
//! The file of its code object or source tells; else its backend does, as a rule: a Triton kernel may be anybody's, but the
//! compiler that made it is Triton's.

/// Names of the facts of a package by a folder on the path of its files, most specific first.
const FOLDERS: [(&str, &[&str]); 13] = [
    ("aiter", &["amd-aiter", "aiter"]),
    ("aiter_meta", &["amd-aiter", "aiter"]),
    ("sgl_kernel", &["sgl-kernel"]),
    ("sglang", &["sglang"]),
    ("vllm", &["vllm"]),
    ("atom", &["atom"]),
    ("flydsl", &["flydsl"]),
    ("mori", &["amd-mori", "mori"]),
    ("flash_attn", &["flash-attn"]),
    ("flashinfer", &["flashinfer-python", "flashinfer"]),
    ("deep_ep", &["deep-ep"]),
    ("torch", &["torch"]),
    ("rocm", &["ROCm"]),
];

/// The same by backend.
const BACKENDS: [(&str, &[&str]); 17] = [
    ("asm", &["amd-aiter", "aiter"]),
    ("ck", &["amd-aiter", "aiter"]),
    ("opus", &["amd-aiter", "aiter"]),
    ("quickreduce", &["amd-aiter", "aiter"]),
    ("flydsl", &["flydsl"]),
    ("mori", &["amd-mori", "mori"]),
    ("triton", &["triton", "pytorch-triton-rocm", "triton-rocm"]),
    ("triton-inductor", &["triton", "pytorch-triton-rocm", "triton-rocm"]),
    ("gluon", &["triton", "pytorch-triton-rocm", "triton-rocm"]),
    ("tilelang", &["tilelang"]),
    ("pytorch", &["torch"]),
    ("hipblaslt", &["ROCm"]),
    ("rocblas", &["ROCm"]),
    ("rccl", &["ROCm"]),
    ("rocprim", &["ROCm"]),
    ("rocrand", &["ROCm"]),
    ("rocfft", &["ROCm"]),
];

/// Names of the facts of the package that a kernel belongs to, and how that is known: its folder on the `path` of its code
/// object or source, or else its `backend`.
pub(crate) fn of(path: Option<&str>, backend: &str) -> Option<(&'static [&'static str], &'static str)> {
    let of_folder = |folder: &str| FOLDERS.iter().find(|(name, _)| *name == folder).map(|(_, names)| *names);
    let by_path = path.and_then(|path| path.trim_start_matches("file://").rsplit('/').skip(1).find_map(of_folder));
    let by_backend = || BACKENDS.iter().find(|(name, _)| *name == backend).map(|(_, names)| (*names, "backend"));
    by_path.map(|names| (names, "file")).or_else(by_backend)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_file_goes_before_the_backend() {
        let path = Some("file:///opt/venv/site-packages/aiter/jit/module_x.so");
        assert_eq!(of(path, "triton").map(|(names, by)| (names[0], by)), Some(("amd-aiter", "file")));
        assert_eq!(of(None, "triton").map(|(names, by)| (names[0], by)), Some(("triton", "backend")));
        assert_eq!(of(Some("memory://1"), "unknown"), None);
        assert_eq!(of(Some("file:///home/vllm"), "x"), None, "a file of that name is no folder");
    }
}
