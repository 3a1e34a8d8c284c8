//! The reader of rocprofv3's CSV, on any bytes as a table and as rows of a kernel trace.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read("1_kernel_trace.csv", data);
    let header = b"\"Agent_Id\",\"Kernel_Name\",\"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\"\n";
    read("2_kernel_trace.csv", &[header, data].concat());
});
