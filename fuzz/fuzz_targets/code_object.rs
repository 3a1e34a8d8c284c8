//! Code objects: any bytes, and valid objects with any bytes patched. What is copied of them stays within its bound.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode::code_object::{Image, Uri, kernels};
use profile_decode_fuzz::elf::Object;

/// The most that may be copied.
const MOST: u64 = 1 << 16;

fuzz_target!(|data: &[u8]| {
    look_into(data);
    let _ = Uri::read(&String::from_utf8_lossy(data));
    for dwarf in [4, 5] {
        let kernels = [("a", Some("/x/site-packages/vllm/a.py")), ("b", None), ("c", Some("/y/c.py"))];
        let mut bytes = Object { kernels: &kernels, dwarf, code: 16, ..Object::default() }.bytes();
        for patch in data.chunks_exact(3) {
            let (at, length) = (usize::from(u16::from_le_bytes([patch[0], patch[1]])), bytes.len());
            bytes[at % length] = patch[2];
        }
        look_into(&bytes);
    }
});

fn look_into(bytes: &[u8]) {
    let mut read = |offset: u64, buffer: &mut [u8]| {
        let held = bytes.get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
        held.map(|held| buffer.copy_from_slice(held)).is_some()
    };
    if let Ok(image) = Image::take(bytes.len() as u64, MOST, &mut read) {
        assert!(image.bytes() <= MOST);
        for (name, origin) in kernels(&image) {
            assert!(name.len() <= 4096 && origin.source.is_none_or(|source| source.len() <= 4096));
        }
    }
}
