//! Where tools are found.

use std::ffi::{CStr, CString, c_int, c_void};

use super::{Configure, FORCED};
use crate::version::Version;
use crate::{complain, fatal, lock};

/// The clients in the SDK's order, unique by address.
pub(super) fn find_clients() -> Vec<Configure> {
    let mut found: Vec<Configure> = Vec::new();
    let mut add = |configure: Option<Configure>| {
        if let Some(configure) = configure
            && !found.iter().any(|known| std::ptr::fn_addr_eq(*known, configure))
        {
            found.push(configure);
        }
    };
    add(*lock(&FORCED));
    for library in tool_libraries() {
        let name = CString::new(library.as_str()).unwrap_or_default();
        // SAFETY: loading a tool runs its constructors, which is what the variable asks for.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LOCAL | libc::RTLD_LAZY) };
        if handle.is_null() {
            fatal(&format!("ROCP_TOOL_LIBRARIES: cannot load {library}"));
        }
        match symbol(handle) {
            None if Version::current().has_ancestor() => complain(&format!("{library} has no rocprofiler_configure")),
            None => fatal(&format!("{library} has no rocprofiler_configure")),
            tool => add(tool),
        }
    }
    let default = symbol(libc::RTLD_DEFAULT);
    add(default);
    add(symbol(libc::RTLD_NEXT));
    if default.is_some() {
        for library in loaded_libraries() {
            // SAFETY: with RTLD_NOLOAD nothing is loaded; the handle is of a library that is there anyway.
            let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY) };
            if !handle.is_null() {
                add(symbol(handle));
            }
        }
    }
    found
}

/// The entries of ROCP_TOOL_LIBRARIES as the SDK's parser sees them: of `a.so:b.so` only those followed by a colon,
/// up to 1.3.5 (abi-1.3 §8, last row).
fn tool_libraries() -> Vec<String> {
    let list = std::env::var("ROCP_TOOL_LIBRARIES").unwrap_or_default();
    let mut entries: Vec<String> = list.split(':').map(str::to_owned).collect();
    if entries.len() > 1 && !Version::current().parses_tool_libraries() {
        entries.pop();
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

pub(super) fn symbol(handle: *mut c_void) -> Option<Configure> {
    // SAFETY: the name is a C string; what it finds has the signature that the SDK demands of this name.
    unsafe {
        let found = libc::dlsym(handle, c"rocprofiler_configure".as_ptr());
        std::mem::transmute::<*mut c_void, Option<Configure>>(found)
    }
}

fn loaded_libraries() -> Vec<CString> {
    unsafe extern "C" fn collect(info: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> c_int {
        // SAFETY: the loader gives a valid info, and `names` is the vector that `loaded_libraries` passed.
        let (info, names) = unsafe { (&*info, &mut *names.cast::<Vec<CString>>()) };
        if !info.dlpi_name.is_null() {
            // SAFETY: the loader's name is a C string that lives as long as the library.
            names.push(unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned());
        }
        0
    }
    let mut names: Vec<CString> = Vec::new();
    // SAFETY: `collect` has the signature that the call wants and only uses what it is given.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut names).cast()) };
    names.retain(|name| !name.is_empty());
    names
}

/// Makes our own symbols visible to `dlsym(RTLD_DEFAULT, ...)`, however the host loaded us.
pub(super) fn make_global() {
    if let Some(path) = own_path() {
        // SAFETY: the library is loaded; RTLD_NOLOAD only changes its scope.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_GLOBAL | libc::RTLD_LAZY) };
    }
}

pub(super) fn own_path() -> Option<&'static CStr> {
    library_of(own_path as *const c_void)
}

/// The library that an address is in.
pub(super) fn library_of(address: *const c_void) -> Option<&'static CStr> {
    // SAFETY: an all-zero Dl_info is valid for the call to fill in.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; the name found lives as long as the library.
    unsafe {
        let found = libc::dladdr(address, &mut info);
        (found != 0 && !info.dli_fname.is_null()).then(|| CStr::from_ptr(info.dli_fname))
    }
}
