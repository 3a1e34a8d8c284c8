//! What is no HIP call: the machine, time, the ledger, faults.

use std::ffi::c_char;

use super::{error, text};
use crate::thread::ThreadState;
use crate::{agent, clock, fault, ledger};

/// Sets the machine up: it has `gpus` GPUs of architecture `arch` ("gfx942", "gfx950"). Which of them this process sees can
/// be said as for real HIP, see [`crate::agent`]. Brings no runtime up; without it there is one gfx942.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_init(gpus: i32, arch: *const c_char) -> i32 {
    let arch = text(arch);
    if gpus < 1 || arch.is_empty() {
        return error::INVALID_VALUE;
    }
    let machine = agent::init(gpus as usize, &arch);
    if machine.gpus() != gpus as usize || machine.arch != arch {
        crate::complain(&format!("the machine is set up already, with {} x {}", machine.gpus(), machine.arch));
        return error::INVALID_VALUE;
    }
    0
}

/// Chooses real time (not 0) or fast time (0), see [`crate::clock`]. Before any other use.
#[unsafe(no_mangle)]
pub extern "C" fn sim_realtime(realtime: i32) {
    clock::set_realtime(realtime != 0);
}

/// Keeps the ledger from now on (not 0), or no longer.
#[unsafe(no_mangle)]
pub extern "C" fn sim_ledger(keep: i32) {
    ledger::keep(keep != 0);
}

/// Writes the ledger as it is now; at exit it is written again if `ROCPROFILER_SIM_LEDGER` says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_write_ledger(path: *const c_char) -> i32 {
    match ledger::write(std::path::Path::new(&text(path))) {
        Ok(()) => 0,
        Err(why) => {
            crate::complain(&format!("cannot write the ledger: {why}"));
            error::INVALID_VALUE
        }
    }
}

/// Sets what is done to dispatches from now on, in the words of `ROCPROFILER_SIM_GPU` (see [`crate::fault`]).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_gpu_faults(spec: *const c_char) -> i32 {
    match fault::set_gpu(&text(spec)) {
        Ok(()) => 0,
        Err(why) => {
            crate::complain(&why);
            error::INVALID_VALUE
        }
    }
}

/// The calling thread's time, ns.
#[unsafe(no_mangle)]
pub extern "C" fn sim_now() -> u64 {
    clock::now_ns()
}

/// A new host thread starts at this time of its parent's; without it, at the latest time that any thread has seen. Only
/// matters in fast time.
#[unsafe(no_mangle)]
pub extern "C" fn sim_thread_start(time_ns: u64) {
    ThreadState::current().set_clock_ns(time_ns);
}

/// The calling thread works for so long on the CPU.
#[unsafe(no_mangle)]
pub extern "C" fn sim_work(work_ns: u64) {
    clock::advance_to(clock::now_ns() + work_ns);
}

/// Finalises tools now, as exit would.
#[unsafe(no_mangle)]
pub extern "C" fn sim_finish() {
    crate::registration::finish();
}
