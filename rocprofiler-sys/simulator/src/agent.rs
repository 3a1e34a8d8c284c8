//! Agents: the host's CPU and the machine's GPUs.
//!
//! Handles start at a random base, so that a tool cannot take them for device numbers. The GPUs are as many as the host
//! says with `sim_init`, or as `ROCPROFILER_SIM_GPUS` and `ROCPROFILER_SIM_ARCH` say where the runtime comes up before that
//! (in a constructor). `ROCR_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES` or `CUDA_VISIBLE_DEVICES` say which of them are the
//! process's devices 0, 1, ..., and do not change the list of agents.

use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

use crate::version::{Version, static_c_str};

/// The machine as this process sees it.
#[derive(Debug)]
pub struct Machine {
    /// Name of the GPUs' architecture.
    pub arch: String,
    base: u64,
    /// The GPU behind each HIP device.
    visible: Vec<usize>,
    records: Vec<Agent>,
}

/// `rocprofiler_agent_v0_t`, with the longest tail.
#[repr(C, align(8))]
#[derive(Debug)]
struct Agent([u8; 312]);

static MACHINE: OnceLock<Machine> = OnceLock::new();

/// Sets the machine up, with this many GPUs of this architecture; the first caller decides.
pub fn init(gpus: usize, arch: &str) -> &'static Machine {
    MACHINE.get_or_init(|| Machine::new(gpus, arch))
}

/// The machine; where nobody has set it up, as the environment says, or one gfx942.
pub fn machine() -> &'static Machine {
    MACHINE.get_or_init(|| {
        let gpus = std::env::var("ROCPROFILER_SIM_GPUS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        Machine::new(gpus, &std::env::var("ROCPROFILER_SIM_ARCH").unwrap_or_else(|_| "gfx942".to_owned()))
    })
}

impl Machine {
    fn new(gpus: usize, arch: &str) -> Self {
        let list = ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        let visible = list.map(|list| list.split(',').filter_map(|index| index.trim().parse().ok()).collect());
        let mut visible: Vec<usize> = visible.unwrap_or_else(|| (0..gpus).collect());
        visible.retain(|gpu| *gpu < gpus);
        let base = 1_000 + crate::thread::getpid().wrapping_mul(2_654_435_761) % 60_000;
        let mut machine = Self { arch: arch.to_owned(), base, visible, records: Vec::new() };
        machine.records = (0..=gpus).map(|node| machine.agent(node)).collect();
        machine
    }

    /// How many GPUs the machine has.
    pub fn gpus(&self) -> usize {
        self.records.len() - 1
    }

    /// How many HIP devices the process has.
    pub fn devices(&self) -> usize {
        self.visible.len()
    }

    /// The agent behind a HIP device.
    pub fn agent_of(&self, device: usize) -> u64 {
        self.base + self.node_of(device) as u64
    }

    /// The topology node behind a HIP device.
    pub fn node_of(&self, device: usize) -> u32 {
        self.visible.get(device).map_or(0, |gpu| *gpu as u32 + 1)
    }

    /// The host's agent.
    pub fn host_agent(&self) -> u64 {
        self.base
    }

    /// Pointers to the agents' records: the CPU, then all GPUs of the machine.
    pub fn records(&self) -> Vec<*const std::ffi::c_void> {
        self.records.iter().map(|record| std::ptr::from_ref::<Agent>(record).cast()).collect()
    }

    fn agent(&self, node: usize) -> Agent {
        let mut agent = Agent([0; 312]);
        let gpu = node > 0;
        let is_950 = self.arch.starts_with("gfx950");
        let size = Version::current().agent_size;
        agent.put(0, size as u64);
        agent.put(8, self.base + node as u64);
        agent.put(16, if gpu { 2_u32 } else { 1 });
        if gpu {
            let cus: u32 = if is_950 { 256 } else { 304 };
            agent.put(24, cus * 4);
            agent.put(48, 8_u32); // Waves per SIMD.
            agent.put(52, if is_950 { 160_u32 } else { 64 }); // LDS, KiB.
            agent.put(64, 64_u32); // Wavefront.
            agent.put(68, 8_u32); // XCCs.
            agent.put(72, cus);
            agent.put(80, 32_u32); // Shader engines.
            agent.put(92, 4_u32); // SIMDs of a CU.
            agent.put(100, if is_950 { 90_500_u32 } else { 90_402 });
            agent.put(104, 0x1002_u16);
            agent.put(106, if is_950 { 0x75a3_u16 } else { 0x74a1 });
            agent.put(108, 0x0100_u32 + ((node as u32) << 12));
            agent.put(116, 127 + node as u32); // DRM render minor.
            agent.put(136, if is_950 { 2_400_u32 } else { 2_100 });
            agent.put(192, 0x4000 + node as u64);
        } else {
            agent.put(20, 96_u32);
        }
        let texts: [&str; 4] = match (gpu, is_950) {
            (false, _) => ["AMD EPYC", "CPU", "AMD EPYC", ""],
            (true, false) => [&self.arch, "AMD", "AMD Instinct MI300X", "ip discovery"],
            (true, true) => [&self.arch, "AMD", "AMD Instinct MI355X", "ip discovery"],
        };
        for (index, text) in texts.into_iter().enumerate() {
            agent.put_text(248 + 8 * index, static_c_str(text));
        }
        agent.put(280, node as u32);
        agent.put(284, node as u32);
        agent.put(288, node.saturating_sub(1) as u32);
        if size >= 304 {
            agent.put(292, 0x1f_u32);
            agent.put(296, 0x5eed_0000_u64 + node as u64);
        }
        agent
    }
}

impl Agent {
    fn put<T: Little>(&mut self, offset: usize, value: T) {
        let bytes = value.bytes();
        self.0[offset..offset + bytes.as_ref().len()].copy_from_slice(bytes.as_ref());
    }

    fn put_text(&mut self, offset: usize, text: &'static CStr) {
        self.put(offset, text.as_ptr().cast::<c_char>().expose_provenance() as u64);
    }
}

/// Integers as the machine stores them.
trait Little {
    fn bytes(&self) -> impl AsRef<[u8]>;
}

macro_rules! little {
    ($($integer:ty),*) => {
        $(impl Little for $integer {
            fn bytes(&self) -> impl AsRef<[u8]> {
                self.to_ne_bytes()
            }
        })*
    };
}

little!(u16, u32, u64);
