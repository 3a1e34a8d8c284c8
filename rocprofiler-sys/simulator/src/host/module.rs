//! Devices, and code objects on them.

use std::ffi::{CString, c_char, c_void};

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
        let id = code_object::load(device, machine().agent_of(device), &names, false, false);
        change(|hip| hip.modules.insert(id, device));
        Ok(id as i64)
    })
}

/// Loads a code object as the start of a program does whose kernels are launched by `<<<>>>`: not by any call, and the host
/// knows its kernels by the addresses of stubs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_register_stubs(names: *const c_char) -> i64 {
    let names = text(names);
    crate::registration::register();
    let names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
    let device = ThreadState::current().device.get();
    code_object::load(device, machine().agent_of(device), &names, false, true) as i64
}

/// The stub of a kernel of such a code object, by name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_stub(object: i64, name: *const c_char) -> i64 {
    code_object::kernel_in(object as u64, &text(name)).map_or(-1, |kernel| code_object::stub_of(kernel) as i64)
}

/// HIP's own function: the name of the kernel that is launched by a stub.
#[unsafe(no_mangle)]
pub extern "C" fn hipKernelNameRefByPtr(stub: *const c_void, _stream: *mut c_void) -> *const c_char {
    let kernel = code_object::kernel_of_stub(stub as u64).and_then(code_object::kernel);
    kernel.map_or(std::ptr::null(), |kernel| crate::version::static_c_str(&kernel.name).as_ptr())
}

/// hipModuleGetFunction: a kernel's handle by its name (without `.kd`). Handles are the SDK's kernel ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_module_get_function(module: i64, name: *const c_char) -> i64 {
    let name = text(name);
    let own = CString::new(name.as_str()).unwrap_or_default();
    let mut found: u64 = 0;
    let place = &raw mut found;
    call("hipModuleGetFunction", &[place as u64, module as u64, own.as_ptr() as u64], |_| {
        let kernel = code_object::kernel_in(module as u64, &name).ok_or(error::NOT_FOUND)?;
        // SAFETY: `found` outlives the call; tools read it through the traced argument.
        unsafe { place.write(kernel) };
        Ok(kernel as i64)
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
