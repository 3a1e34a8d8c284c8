//! Hides exported functions from `dlsym`.
//!
//! One shared library plays all versions, but an old version must not seem to have functions that came later: a tool asks
//! with `dlsym` and goes without. The dynamic loader compares names in the library's string table, so a function is hidden
//! by changing the first letter of its name in this process's copy of that table. A thin library a version would do the same
//! with five files to keep in step.
//!
//! `ROCPROFILER_SIM_HIDE=name,…` hides any other function, to see a tool go without it.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::version::{SINCE_1_0, Version};

/// Hides what the played version lacks, and what `ROCPROFILER_SIM_HIDE` names.
pub fn hide_absent_functions() {
    let asked = std::env::var("ROCPROFILER_SIM_HIDE").unwrap_or_default();
    let mut absent: Vec<&str> = asked.split(',').filter(|name| !name.is_empty()).collect();
    if !Version::current().has_ancestor() {
        absent.extend(SINCE_1_0);
    }
    if absent.is_empty() {
        return;
    }
    // SAFETY: `hide_in_own` has the signature that the call wants; `absent` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(hide_in_own), (&raw mut absent).cast()) };
}

/// Called for each loaded library: finds the one that contains this code and renames in it.
unsafe extern "C" fn hide_in_own(info: *mut libc::dl_phdr_info, _: usize, absent: *mut c_void) -> c_int {
    // SAFETY: the loader gives a valid info with `dlpi_phnum` headers; `absent` is what `hide_absent_functions` passed.
    let (info, headers, absent) = unsafe {
        let info = &*info;
        (info, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize), &*absent.cast::<Vec<&str>>())
    };
    let base = info.dlpi_addr as usize;
    let own = hide_in_own as *const () as usize;
    let is_own = headers.iter().any(|header| {
        let start = base + header.p_vaddr as usize;
        header.p_type == libc::PT_LOAD && (start..start + header.p_memsz as usize).contains(&own)
    });
    if !is_own {
        return 0;
    }
    if let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) {
        let entries = (base + dynamic.p_vaddr as usize) as *const [usize; 2];
        let count = dynamic.p_memsz as usize / size_of::<[usize; 2]>();
        // SAFETY: the dynamic section of a loaded library is mapped for as long as the library is.
        let entries = unsafe { std::slice::from_raw_parts(entries, count) };
        let value = |tag| entries.iter().find(|entry| entry[0] == tag).map(|entry| entry[1]);
        if let (Some(table), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) {
            // The loader has relocated the table's address.
            rename(table, size, absent);
        }
    }
    1
}

const DT_STRTAB: usize = 5;
const DT_STRSZ: usize = 10;

fn rename(table: usize, size: usize, absent: &[&str]) {
    let page = 4096;
    let start = table & !(page - 1);
    let length = (table + size).next_multiple_of(page) - start;
    // SAFETY: the range is this library's own string table, in private pages; nobody else writes there.
    unsafe {
        if libc::mprotect(start as *mut c_void, length, libc::PROT_READ | libc::PROT_WRITE) != 0 {
            crate::fatal("cannot make the string table writable");
        }
        let mut offset = 0;
        while offset < size {
            let text = (table + offset) as *mut c_char;
            let name = CStr::from_ptr(text).to_bytes();
            if absent.iter().any(|absent| absent.as_bytes() == name) {
                *text = b'-' as c_char;
            }
            offset += name.len() + 1;
        }
        libc::mprotect(start as *mut c_void, length, libc::PROT_READ);
    }
}
