//! Finding the library: the copy in the process first, then `$ROCM_PATH/lib`, then wherever the loader looks.
//!
//! A process must not hold two copies of rocprofiler-sdk, since each would keep its own contexts and only one of them
//! is the one that the runtimes report to. So a copy that is loaded already always wins, whatever its name; its
//! functions are taken from that one library even if another stands behind it in the search order; and what is loaded
//! from disk becomes visible to the whole process, where rocprofiler-register looks first.
//!
//! Nothing is ever unloaded: the SDK leaves exit handlers and threads behind.

use crate::functions::Functions;
use crate::version::{Layout, Version};
use crate::{CallError, Sdk, bindings};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
use std::ffi::{CStr, OsStr, OsString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The names of the library: the unversioned link that rocprofiler-register itself asks for, then the sonames of
/// ROCm 7 and ROCm 6.
pub(crate) const NAMES: [&str; 3] = ["librocprofiler-sdk.so", "librocprofiler-sdk.so.1", "librocprofiler-sdk.so.0"];

/// Where ROCm is when `ROCM_PATH` does not say otherwise.
const DEFAULT_ROCM_PATH: &str = "/opt/rocm";

/// Why there is no usable SDK.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No library of that name is in the process or on its search paths.
    #[error("librocprofiler-sdk.so was not found {0}")]
    NotFound(Search),
    /// The library lacks a function without which nothing can be traced.
    #[error("{} does not export {function}, which is in every rocprofiler-sdk since 0.4", .library.display())]
    MissingFunction {
        /// The file that was looked at.
        library: PathBuf,
        /// The function that it lacks.
        function: &'static str,
    },
    /// A major version with a layout that this crate does not know.
    #[error("{} is rocprofiler-sdk {version}; versions 0.4 to 1.x are supported", .library.display())]
    UnsupportedVersion {
        /// The file that was looked at.
        library: PathBuf,
        /// What it says of itself.
        version: Version,
    },
    /// The library does not say which version it is.
    #[error("{} does not tell its version: {source}", .library.display())]
    UnknownVersion {
        /// The file that was looked at.
        library: PathBuf,
        /// The call that failed.
        source: CallError,
    },
}

/// Where the library was looked for in vain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Search {
    /// The places, in the order in which they were tried.
    pub places: Vec<String>,
    /// What the loader said of files that are there and cannot be loaded.
    pub reasons: Vec<String>,
}

impl Search {
    pub(crate) fn tried(&mut self, candidate: &Path, error: &libloading::Error) {
        let place = match candidate.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(directory) => directory.display().to_string(),
            None => "the loader's search path".to_owned(),
        };
        if !self.places.contains(&place) {
            self.places.push(place);
        }
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let name = candidate.display().to_string();
        // A message about another file is about one that this one needs.
        if !(reason.starts_with(&name) && reason.ends_with("No such file or directory")) {
            self.reasons.push(if reason.contains(&name) { reason } else { format!("{name}: {reason}") });
        }
    }
}

impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "in {}", self.places.join(", "))?;
        self.reasons.iter().try_for_each(|reason| write!(f, "; {reason}"))
    }
}

impl Sdk {
    /// The SDK that is in the process, or else the one that can be loaded into it: from `$ROCM_PATH/lib` (`/opt/rocm`
    /// unless set; ignored in a set-user-id process), then by name from the loader's search path.
    ///
    /// # Errors
    /// See [`LoadError`]. A copy in the process that cannot be used is an error, not a reason to load another.
    pub fn find() -> Result<Self, LoadError> {
        let mut search = match Self::in_process() {
            Err(LoadError::NotFound(search)) => search,
            found => return found,
        };
        for candidate in candidates(rocm_path().as_deref()) {
            // SAFETY: the name is that of rocprofiler-sdk, whose initializers are made to run in any process. Whoever
            // can put another file there can change the program as well.
            match unsafe { Library::open(Some(&candidate), RTLD_LAZY | RTLD_GLOBAL) } {
                // SAFETY: the library is rocprofiler-sdk, by its name.
                Ok(library) => return unsafe { Self::from_library(library, &candidate) },
                Err(error) => search.tried(&candidate, &error),
            }
        }
        Err(LoadError::NotFound(search))
    }

    /// The SDK that is in the process already. This is the one to use within `rocprofiler_configure`.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn in_process() -> Result<Self, LoadError> {
        if let Some((library, path)) = visible() {
            // SAFETY: the library exports a function by the name of rocprofiler_get_version, and so is the SDK.
            return unsafe { Self::from_library(library, &path) };
        }
        for name in NAMES {
            // SAFETY: with RTLD_NOLOAD nothing is loaded, and so no initializer runs.
            if let Ok(library) = unsafe { Library::open(Some(name), RTLD_LAZY | libc::RTLD_NOLOAD) } {
                // SAFETY: the library is rocprofiler-sdk, by its name.
                return unsafe { Self::from_library(library, Path::new(name)) };
            }
        }
        let places = vec!["the libraries of this process".to_owned()];
        Err(LoadError::NotFound(Search { places, reasons: Vec::new() }))
    }

    /// Loads the SDK from this very file.
    ///
    /// # Safety
    /// The file must be a rocprofiler-sdk, or behave like one: what it exports under the SDK's names must have the
    /// types of `rocprofiler_sdk_min.h`.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub unsafe fn open(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the caller holds that this is a rocprofiler-sdk.
        match unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_GLOBAL) } {
            // SAFETY: as above.
            Ok(library) => unsafe { Self::from_library(library, path) },
            Err(error) => {
                let mut search = Search::default();
                search.tried(path, &error);
                Err(LoadError::NotFound(search))
            }
        }
    }

    /// Resolves the functions and asks for the version. The library is never closed, not even on an error.
    ///
    /// # Safety
    /// As [`Functions::resolve`], but for the library's lifetime, which is seen to here.
    unsafe fn from_library(library: Library, path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the caller holds the types, and `forget` below that the library stays.
        let functions = unsafe { Functions::resolve(&library) };
        std::mem::forget(library);
        let library = || path.to_owned();
        let functions = functions.map_err(|function| LoadError::MissingFunction { library: library(), function })?;
        let path = file_of(functions.rocprofiler_get_version as *const c_void).unwrap_or_else(library);
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: the pointers are valid for the call, and the function may be called at any time.
        let status = unsafe { (functions.rocprofiler_get_version)(&raw mut major, &raw mut minor, &raw mut patch) };
        let version = Version { major, minor, patch };
        if status != bindings::ROCPROFILER_STATUS_SUCCESS {
            let source = CallError::failed("rocprofiler_get_version", status, &functions);
            return Err(LoadError::UnknownVersion { library: path, source });
        }
        match version.layout() {
            Some(layout) => Ok(Self::new(functions, version, layout, path)),
            None => Err(LoadError::UnsupportedVersion { library: path, version }),
        }
    }

    /// Puts the parts together.
    fn new(functions: Functions, version: Version, layout: Layout, path: PathBuf) -> Self {
        Self { functions, version, layout, path }
    }
}

/// The SDK whose symbols are visible to the whole process.
pub(crate) fn visible() -> Option<(Library, PathBuf)> {
    let everything = Library::this();
    // SAFETY: the symbol is only looked at, never called, as this type.
    let symbol = unsafe { everything.get::<*const c_void>(b"rocprofiler_get_version\0") }.ok()?;
    let path = file_of(*symbol)?;
    // With a handle of the one library, a function that it lacks is missing; through `everything` the same function of
    // another copy would be found and mixed in. A program that has the SDK linked in statically has no such handle.
    // SAFETY: with RTLD_NOLOAD nothing is loaded, and so no initializer runs.
    let library = unsafe { Library::open(Some(&path), RTLD_LAZY | libc::RTLD_NOLOAD) };
    Some((library.unwrap_or(everything), path))
}

/// The file that a symbol of this process comes from.
fn file_of(symbol: *const c_void) -> Option<PathBuf> {
    // SAFETY: `Dl_info` is made of integers and pointers, for which zero is a value.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid for writes; any address may be asked for.
    let found = unsafe { libc::dladdr(symbol, &raw mut info) } != 0;
    if !found || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr sets dli_fname to a string of the loader's, which lives as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

/// The places to load from, best first. Names without a slash are the loader's to find.
fn candidates(rocm_path: Option<&OsStr>) -> Vec<PathBuf> {
    below_rocm(rocm_path).into_iter().chain(NAMES.map(PathBuf::from)).collect()
}

fn below_rocm(rocm_path: Option<&OsStr>) -> [PathBuf; 3] {
    let rocm_path = rocm_path.filter(|path| !path.is_empty()).unwrap_or(OsStr::new(DEFAULT_ROCM_PATH));
    let directory = Path::new(rocm_path).join("lib");
    NAMES.map(|name| directory.join(name))
}

/// `$ROCM_PATH`, unless the environment is not to be trusted.
fn rocm_path() -> Option<OsString> {
    if is_secure() { None } else { std::env::var_os("ROCM_PATH") }
}

/// The places below `$ROCM_PATH`.
pub(crate) fn candidates_below_rocm() -> [PathBuf; 3] {
    below_rocm(rocm_path().as_deref())
}

/// Whether the process has more rights than who started it, so that the environment is not to be trusted.
#[must_use]
pub fn is_secure() -> bool {
    // SAFETY: getauxval reads a value that the kernel gave the process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rocm_path_comes_before_the_loaders_path_and_the_unversioned_name_before_the_sonames() {
        let found = candidates(Some(OsStr::new("/rocm-7")));
        let expected = [
            "/rocm-7/lib/librocprofiler-sdk.so",
            "/rocm-7/lib/librocprofiler-sdk.so.1",
            "/rocm-7/lib/librocprofiler-sdk.so.0",
            "librocprofiler-sdk.so",
            "librocprofiler-sdk.so.1",
            "librocprofiler-sdk.so.0",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn an_unset_or_empty_rocm_path_means_the_default_place() {
        assert_eq!(candidates(None), candidates(Some(OsStr::new(""))));
        assert_eq!(candidates(None)[0], Path::new("/opt/rocm/lib/librocprofiler-sdk.so"));
    }

    #[test]
    fn a_search_in_vain_names_places_once_and_the_loaders_words_only_where_they_tell() {
        let mut search = Search::default();
        for name in ["librocprofiler-nowhere.so", "librocprofiler-nowhere.so.1", "/nowhere/librocprofiler-nowhere.so"] {
            // SAFETY: there is no such library, so nothing of it runs.
            let error = unsafe { Library::open(Some(name), RTLD_LAZY) }.unwrap_err();
            search.tried(Path::new(name), &error);
        }
        assert_eq!(search.to_string(), "in the loader's search path, /nowhere");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/load.rs");
        // SAFETY: a program's source is no library, so nothing of it runs.
        let error = unsafe { Library::open(Some(source), RTLD_LAZY) }.unwrap_err();
        search.tried(Path::new(source), &error);
        assert!(search.to_string().contains("src/load.rs: "), "{search}");
    }

    #[test]
    fn a_symbol_leads_to_its_file() {
        let file = file_of(libc::getpid as *const c_void).expect("libc is a file");
        assert!(file.to_string_lossy().contains("libc"), "{}", file.display());
        assert_eq!(file_of(std::ptr::null()), None);
    }
}
