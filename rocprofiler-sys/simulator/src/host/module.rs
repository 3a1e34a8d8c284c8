//! Devices, and code objects on them.

use std::ffi::c_char;

use super::{call, change, code, error, text};
use crate::agent::machine;
use crate::code_object;
use crate::thread::ThreadState;

/// Kernels that HIP's runtime brings along for copies and fills, in a code object of its own.
pub(super) const RUNTIME_KERNELS: [&str; 10] = [
    "__amd_rocclr_initHeap",
    "__amd_rocclr_batchMemOp",
    "__amd_rocclr_copyBufferRectAligned",
    "__amd_rocclr_copyBufferRect",
    "__amd_rocclr_streamOpsWrite",
    "__amd_rocclr_copyBuffer",
    "__amd_rocclr_streamOpsWait",
    "__amd_rocclr_copyBufferAligned",
    "__amd_rocclr_fillBufferAligned2D",
    "__amd_rocclr_fillBufferAligned",
];

/// hipGetDeviceCount.
#[unsafe(no_mangle)]
pub extern "C" fn sim_get_device_count() -> i32 {
    call("hipGetDeviceCount", &[], |_| Ok(machine().devices() as i64)) as i32
}

/// hipGetDeviceProperties.
#[unsafe(no_mangle)]
pub extern "C" fn sim_get_device_properties(device: i32) -> i32 {
    code(call("hipGetDevicePropertiesR0600", &[0, device as u64], |_| {
        if (device as usize) < machine().devices() { Ok(0) } else { Err(error::INVALID_DEVICE) }
    }))
}

/// hipSetDevice.
#[unsafe(no_mangle)]
pub extern "C" fn sim_set_device(device: i32) -> i32 {
    code(call("hipSetDevice", &[device as u64], |_| {
        if device < 0 || device as usize >= machine().devices() {
            return Err(error::INVALID_DEVICE);
        }
        ThreadState::current().device.set(device as usize);
        Ok(0)
    }))
}

/// hipModuleLoad of a code object with these kernels, one a line, to the current device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_module_load(names: *const c_char) -> i64 {
    let names = text(names);
    call("hipModuleLoad", &[], |_| {
        let names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
        let device = ThreadState::current().device.get();
        let id = code_object::load(device, machine().agent_of(device), &names, false);
        change(|hip| hip.modules.insert(id, device));
        Ok(id as i64)
    })
}

/// hipModuleGetFunction: a kernel's handle by its name (without `.kd`). Handles are the SDK's kernel ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_module_get_function(module: i64, name: *const c_char) -> i64 {
    let name = text(name);
    call("hipModuleGetFunction", &[0, module as u64], |_| {
        code_object::kernel_in(module as u64, &name).map(|id| id as i64).ok_or(error::NOT_FOUND)
    })
}

/// hipModuleUnload.
#[unsafe(no_mangle)]
pub extern "C" fn sim_module_unload(module: i64) -> i32 {
    code(call("hipModuleUnload", &[module as u64], |_| {
        change(|hip| hip.modules.remove(&(module as u64))).ok_or(error::INVALID_HANDLE)?;
        if code_object::unload(module as u64) { Ok(0) } else { Err(error::INVALID_HANDLE) }
    }))
}
