//! The rocpd reader, on a valid database with any bytes patched.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::{read_patched, rocpd};

fuzz_target!(|data: &[u8]| read_patched(rocpd, data));
