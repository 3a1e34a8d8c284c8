//! Telling formats apart and undoing gzip, on any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read("whole", data);
    read("gzip", &[b"\x1F\x8B\x08\0", data].concat());
});
