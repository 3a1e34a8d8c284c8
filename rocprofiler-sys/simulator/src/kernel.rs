//! Kernels, and the places where they run.

use std::ffi::CString;

/// A kernel of a loaded code object.
#[derive(Debug)]
pub struct Kernel {
    /// The SDK's id.
    pub id: u64,
    /// The symbol, with `.kd`.
    pub symbol: CString,
    /// The name without `.kd`.
    pub name: String,
    /// HIP's number of the device that it was loaded to.
    pub device: usize,
    /// Work-items of a workgroup.
    pub workgroup: [u32; 3],
    /// Work-items of the grid.
    pub grid: [u32; 3],
}

/// Where work goes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// HIP's number of the device.
    pub device: usize,
    /// The device's agent.
    pub agent: u64,
    /// The host's agent, the other end of copies.
    pub host_agent: u64,
    /// The SDK's id of the queue.
    pub queue: u64,
    /// The control API's number of the stream.
    pub stream: u64,
}
