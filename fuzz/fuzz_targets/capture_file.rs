//! The reader of our own captures, on any bytes as its frames.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode::wire::MAGIC;
use profile_decode_fuzz::read;

fuzz_target!(|data: &[u8]| read("a.pdc", &[&MAGIC, data].concat()));
