//! The SDK's own entry, for a tool that stands before it.
//!
//! rocprofiler-register, which the runtimes call when they come up, looks for tools: any visible symbol
//! `rocprofiler_configure` is one. It then needs `rocprofiler_set_api_table`, takes one that is visible already, else
//! loads librocprofiler-sdk and *aborts the program* if that fails (rocprofiler-register 0.4 to 0.6). A tool that is
//! preloaded into programs of which some run where there is no SDK must prevent that. It can by exporting
//! `rocprofiler_set_api_table` itself and passing the call on to the function found here, or on to nobody.
//!
//! Rejected: looking for the SDK when the program starts. Every process would pay for it, most of which never use a GPU,
//! and the answer could be wrong: the SDK may be found through the run path of a library that is loaded later.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};

use crate::load::{self, LoadError, NAMES, Search};

/// The SDK's entry for runtimes, which every version has: the name, version and instance of an API, its `num_tables`
/// tables, and 0 for success.
pub type SetApiTable = unsafe extern "C" fn(
    name: *const c_char,
    version: u64,
    instance: u64,
    tables: *mut *mut c_void,
    num_tables: u64,
) -> c_int;

const FUNCTION: &str = "rocprofiler_set_api_table";

/// The `rocprofiler_set_api_table` of the SDK, which is looked for where rocprofiler-register would have: in the process,
/// on the loader's search path, beside rocprofiler-register itself; and then in `$ROCM_PATH/lib`. It is loaded for the
/// whole process to see, and stays. `own` is the caller's function of that name, which is never the answer.
///
/// # Errors
/// See [`LoadError`].
pub fn set_api_table(own: SetApiTable) -> Result<SetApiTable, LoadError> {
    if let Some((library, path)) = load::visible() {
        return entry(library, &path, own);
    }
    let mut search = Search::default();
    let names = NAMES.iter().map(PathBuf::from);
    let beside = register_directory().into_iter().flat_map(|directory| NAMES.map(|name| directory.join(name)));
    for candidate in names.chain(beside).chain(load::candidates_below_rocm()) {
        // SAFETY: the name is that of rocprofiler-sdk, whose initializers are made to run in any process.
        match unsafe { Library::open(Some(&candidate), RTLD_LAZY | RTLD_GLOBAL) } {
            Ok(library) => return entry(library, &candidate, own),
            Err(error) => search.tried(&candidate, &error),
        }
    }
    Err(LoadError::NotFound(search))
}

/// The function in this very library, which is never closed.
fn entry(library: Library, path: &Path, own: SetApiTable) -> Result<SetApiTable, LoadError> {
    // SAFETY: the SDK's function of this name has this type in every version (rocprofiler-sdk 0.4 to 1.3).
    let found = unsafe { library.get::<SetApiTable>(FUNCTION.as_bytes()) }.ok().map(|symbol| *symbol);
    std::mem::forget(library);
    found
        .filter(|function| !std::ptr::fn_addr_eq(*function, own))
        .ok_or_else(|| LoadError::MissingFunction { library: path.to_owned(), function: FUNCTION })
}

/// Where the rocprofiler-register of this process was loaded from.
fn register_directory() -> Option<PathBuf> {
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, found: *mut c_void) -> c_int {
        // SAFETY: the loader passes its own description of a library, and `found` as given below.
        let (name, found) = unsafe { ((*info).dlpi_name, &mut *found.cast::<Option<PathBuf>>()) };
        if name.is_null() {
            return 0;
        }
        // SAFETY: the loader's name of a library is a C string that lives through the call.
        let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
        let is_it = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"librocprofiler-register"));
        if is_it {
            *found = path.parent().map(Path::to_owned);
        }
        c_int::from(is_it)
    }
    let mut found: Option<PathBuf> = None;
    // SAFETY: `look` is called before the call returns, with `found`, which outlives it.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}
