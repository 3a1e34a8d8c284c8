//! The reader of rocprofv3's JSON, on any bytes as a process's object.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read("whole.json", data);
    read("process.json", &[b"{\"rocprofiler-sdk-tool\": [{", data].concat());
});
