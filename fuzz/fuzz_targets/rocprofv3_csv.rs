//! The reader of rocprofv3's CSV, on any bytes as a table and as rows of a kernel trace, a few or many.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::read;

const HEADER: &[u8] = b"\"Agent_Id\",\"Kernel_Name\",\"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\"\n";

fuzz_target!(|data: &[u8]| {
    let Some((&form, data)) = data.split_first() else { return };
    match form % 3 {
        0 => read("1_kernel_trace.csv", data),
        1 => read("2_kernel_trace.csv", &[HEADER, data].concat()),
        // What costs more than it weighs shows when there is much of it.
        _ => read("3_kernel_trace.csv", &[HEADER, &data.repeat(1 + (256 << 10) / data.len().max(1))].concat()),
    }
});
