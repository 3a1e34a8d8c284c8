//! The Kineto reader, on any bytes as the list of events.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read("whole.json", data);
    read("events.json", &[b"{\"traceEvents\": [", data].concat());
});
