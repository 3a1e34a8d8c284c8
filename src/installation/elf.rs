//! Kernels among the symbols of code objects and shared objects.
//!
//! A code object of AMD's GPUs has a descriptor `NAME.kd` for each kernel (LLVM's AMDGPU guide, "Code Object V3 Symbols"). A
//! shared object that launches kernels has a host stub `__device_stub__NAME` for each, if it was not stripped, and its code
//! objects in a section of bundles. Only the tables of symbols and the notes of code objects are read, whatever the size of the
//! file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::read::{Object, ObjectSection, ObjectSymbol, ReadCache};
use rustc_hash::FxHashSet;

use super::Kernels;
use crate::code_object::{self, Image};

/// What a host stub's name begins with; its length stands before it in mangled names.
const STUB: &str = "__device_stub__";
/// The most symbols of a file that are looked at, and the longest name.
const MOST_SYMBOLS: usize = 1 << 20;
const LONGEST: usize = 4096;

/// The section of a shared object that has its code objects.
const FAT_BINARY: &str = ".hip_fatbin";

/// The kernels of an ELF file; `None` if it is none that can be read.
pub(super) fn kernels(file: &File, language: Option<&'static str>) -> Option<Kernels> {
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).ok()?;
    let mut found = Kernels::default();
    let mut seen = FxHashSet::default();
    for symbol in object.symbols().chain(object.dynamic_symbols()).take(MOST_SYMBOLS) {
        let Some(name) = symbol.name().ok().filter(|name| name.len() <= LONGEST).and_then(kernel) else { continue };
        if seen.insert(name.clone()) {
            found.add(language.unwrap_or(""), &name);
        }
    }
    if let Some((begin, size)) = object.section_by_name(FAT_BINARY).and_then(|section| section.file_range()) {
        let mut read = |at: u64, buffer: &mut [u8]| {
            begin.checked_add(at).is_some_and(|offset| file.read_exact_at(buffer, offset).is_ok())
        };
        let mut visit = |image: &Image| {
            for (name, _) in code_object::kernels(image) {
                if !seen.contains(&name) {
                    found.add(language.unwrap_or(""), &name);
                    seen.insert(name);
                }
            }
        };
        let looked = code_object::each_object(size, &mut read, &mut visit);
        found.unread = looked.unread;
    }
    Some(found)
}

/// The kernel that a symbol belongs to. Guards and variables of stubs (`_ZGV…`, `_ZZ…`) are none.
fn kernel(symbol: &str) -> Option<String> {
    if let Some(name) = symbol.strip_suffix(".kd") {
        return Some(name.to_owned());
    }
    let at = symbol.find(STUB)?;
    let (before, after) = (&symbol[..at], &symbol[at + STUB.len()..]);
    let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, length) = before.split_at(before.len() - digits);
    if !symbol.starts_with("_Z") {
        return Some(after.to_owned());
    }
    let length = length.parse::<usize>().ok()?.checked_sub(STUB.len())?;
    match prefix {
        // NVIDIA's compiler puts the kernel's own mangled name there.
        "_ZL" | "_Z" if after.starts_with('Z') => Some(format!("_{}", after.get(..length)?)),
        _ if prefix.starts_with("_ZGV") || prefix.starts_with("_ZZ") => None,
        _ => Some(format!("{prefix}{length}{after}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_and_host_stubs_name_their_kernels() {
        for (symbol, expected) in [
            ("_ZN5aiter8fmoe_f16E.kd", Some("_ZN5aiter8fmoe_f16E")),
            ("fmoe_kernel_func.kd", Some("fmoe_kernel_func")),
            ("_ZN4vllm30__device_stub__rms_norm_kernelIfEEvPT_", Some("_ZN4vllm15rms_norm_kernelIfEEvPT_")),
            ("__device_stub__plain", Some("plain")),
            ("_ZL30__device_stub__Z3rmsIfEvPfiS_iiPfi", Some("_Z3rmsIfEvPfiS_i")),
            ("_ZGVZL30__device_stub__Z3rmsIfEvPfiS_iiPfiE5__tmp", None),
            ("_ZL99__device_stub__Z3rms", None),
            ("_Z3__device_stub__x", None),
            ("memcpy", None),
        ] {
            assert_eq!(kernel(symbol).as_deref(), expected, "{symbol}");
        }
    }
}
