//! Agents: the CPUs and GPUs of the machine, as plain data of our own.

use crate::bindings as c;
use std::ffi::{CStr, c_char};

/// What an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentType {
    /// A CPU.
    Cpu,
    /// A GPU, or a partition of one.
    Gpu,
    /// Something that came after SDK 1.3, by its number.
    Other(u32),
}

/// One CPU or GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The id that dispatches carry. Its base differs from process to process: never compare it across processes.
    pub id: u64,
    /// CPU or GPU.
    pub agent_type: AgentType,
    /// Number of the node in the kernel driver's topology. The same in every process of the machine.
    pub node_id: u32,
    /// Counts agents of all types from 0.
    pub logical_node_id: i32,
    /// Counts agents of the same type from 0. Environment variables that hide devices do not change it.
    pub logical_node_type_id: i32,
    /// The instruction set of a GPU, such as `gfx942`.
    pub name: String,
    /// The maker.
    pub vendor_name: String,
    /// The product, such as `AMD Instinct MI300X`.
    pub product_name: String,
    /// What the driver calls the model; `ip discovery` for the GPUs of today.
    pub model_name: String,
    /// The instruction set as a decimal number: 90402 is gfx942, 90500 is gfx950.
    pub gfx_target_version: u32,
    /// PCI vendor.
    pub vendor_id: u16,
    /// PCI device.
    pub device_id: u16,
    /// PCI domain.
    pub domain: u32,
    /// PCI bus, device and function in one number.
    pub location_id: u32,
    /// Number of the device file `/dev/dri/renderD...`.
    pub drm_render_minor: u32,
    /// Compute units.
    pub cu_count: u32,
    /// Accelerator dies (XCC).
    pub num_xcc: u32,
    /// Work-items in a wavefront.
    pub wave_front_size: u32,
    /// The highest clock, in MHz.
    pub max_engine_clk_fcompute: u32,
    /// Bytes of device memory; 0 where the driver leaves it to the memory banks.
    pub local_mem_size: u64,
    /// The driver's id of the GPU.
    pub gpu_id: u64,
    /// The GPU's own id: 8 or 16 bytes (SDK 0.6 and later), else empty.
    pub uuid: Box<[u8]>,
}

impl Agent {
    /// Copies an agent out of the SDK. The error is the size that the SDK states, if it is below that of SDK 0.4.
    ///
    /// # Safety
    /// `agent` must point to as many bytes as its first member, `size`, says, and its strings must be null or valid.
    pub(crate) unsafe fn read(agent: *const c::rocprofiler_agent_v0_t) -> Result<Self, u64> {
        // SAFETY: the caller holds that there are at least the 8 bytes of `size`.
        let size = unsafe { (&raw const (*agent).size).read() };
        let known = size_of::<c::rocprofiler_agent_v0_t>();
        if size < known as u64 {
            return Err(size);
        }
        // SAFETY: the caller holds that there are `size` bytes, which are enough.
        let found = unsafe { &*agent };
        // The tail: 8 bytes of uuid in SDK 0.6 and early builds of 1.0, 16 since.
        let uuid_length = match size - known as u64 {
            0..8 => 0,
            8..16 => 8,
            16.. => 16,
        };
        // SAFETY: `size` covers the tail as far as it is read here.
        let uuid = unsafe { std::slice::from_raw_parts(agent.cast::<u8>().add(known), uuid_length) };
        // SAFETY: the caller holds that the strings are null or valid.
        let text = |pointer| unsafe { owned(pointer) };
        Ok(Self {
            id: found.id.handle,
            agent_type: match found.type_ {
                c::ROCPROFILER_AGENT_TYPE_CPU => AgentType::Cpu,
                c::ROCPROFILER_AGENT_TYPE_GPU => AgentType::Gpu,
                other => AgentType::Other(other),
            },
            node_id: found.node_id,
            logical_node_id: found.logical_node_id,
            logical_node_type_id: found.logical_node_type_id,
            name: text(found.name),
            vendor_name: text(found.vendor_name),
            product_name: text(found.product_name),
            model_name: text(found.model_name),
            gfx_target_version: found.gfx_target_version,
            vendor_id: found.vendor_id,
            device_id: found.device_id,
            domain: found.domain,
            location_id: found.location_id,
            drm_render_minor: found.drm_render_minor,
            cu_count: found.cu_count,
            num_xcc: found.num_xcc,
            wave_front_size: found.wave_front_size,
            max_engine_clk_fcompute: found.max_engine_clk_fcompute,
            local_mem_size: found.local_mem_size,
            gpu_id: found.gpu_id,
            uuid: uuid.into(),
        })
    }
}

/// A copy of a C string; null is empty, and what is not UTF-8 is replaced.
///
/// # Safety
/// `text` must be null or a valid C string.
unsafe fn owned(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller holds that it is a string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_smaller_than_the_smallest_known_one_is_not_read() {
        let agent = c::rocprofiler_agent_v0_t { size: 288, ..Default::default() };
        // SAFETY: there are 296 bytes, and the strings are null.
        assert_eq!(unsafe { Agent::read(&raw const agent) }, Err(288));
    }

    #[test]
    fn an_agent_without_tail_or_strings_is_read_without_them() {
        let agent = c::rocprofiler_agent_v0_t { size: 296, type_: 7, ..Default::default() };
        // SAFETY: there are 296 bytes, and the strings are null.
        let agent = unsafe { Agent::read(&raw const agent) }.expect("296 bytes are enough");
        assert_eq!((agent.agent_type, &*agent.name, &*agent.uuid), (AgentType::Other(7), "", &[][..]));
    }

    #[test]
    fn an_agent_has_the_uuid_that_its_size_covers() {
        #[repr(C)]
        struct WithTail {
            agent: c::rocprofiler_agent_v0_t,
            tail: [u8; 16],
        }
        let tail = *b"0123456789abcdef";
        for (size, uuid) in [(296, &b""[..]), (304, b"01234567"), (312, &tail)] {
            let agent = c::rocprofiler_agent_v0_t { size, ..Default::default() };
            let described = WithTail { agent, tail };
            // SAFETY: there are 312 bytes, and the strings are null.
            let agent = unsafe { Agent::read((&raw const described).cast()) }.expect("296 bytes are enough");
            assert_eq!(&*agent.uuid, uuid);
        }
    }
}
