//! The GPUs: how they are set, and what they are doing.
//!
//! The kernel driver lists them as nodes of its topology (`/sys/class/kfd/kfd/topology/nodes/N/properties`), where
//! `drm_render_minor` leads to `/sys/class/drm/renderDM/device`. There are, as the kernel's documentation of amdgpu has them
//! (docs.kernel.org/gpu/amdgpu/thermal.html, …/driver-misc.html):
//!
//! | file | what it holds |
//! |---|---|
//! | `current_compute_partition`, `current_memory_partition` | `SPX`, `CPX`; `NPS1`, `NPS4` |
//! | `pp_dpm_sclk` | levels of the shader clock, a line each: `1: 2100Mhz *` |
//! | `power_dpm_force_performance_level` | `auto`, `manual`, … |
//! | `hwmon/hwmon*/power1_cap`, `power1_average`, `power1_input` | microwatts |
//! | `hwmon/hwmon*/freq1_input` | shader clock in Hz |
//! | `hwmon/hwmon*/temp2_input` | temperature of the hottest place, in thousandths of a degree |
//! | `gpu_metrics` | a struct of the firmware's; `throttle_status` of versions 1.3 to 1.5 is read (`kgd_pp_interface.h`) |

use std::path::PathBuf;

use super::{GPUS, looker::Looker};
use crate::model::{FactKind, GpuState};
use crate::wire::{Agent, Sample};

const NODES: &str = "/sys/class/kfd/kfd/topology/nodes";

/// Offset of `throttle_status` in `gpu_metrics`, by the version of the struct's content.
const THROTTLE: [(u8, usize); 3] = [(3, 68), (4, 40), (5, 104)];

/// A GPU and its directories.
pub(super) struct Gpu {
    pub(super) node: u32,
    device: PathBuf,
    sensors: Option<PathBuf>,
}

/// Those of `agents` that the kernel driver shows.
pub(super) fn find(looker: &Looker, agents: &[Agent]) -> Vec<Gpu> {
    let gpu = |agent: &Agent| {
        let properties = looker.text(format!("{NODES}/{}/properties", agent.node_id), 1 << 14)?;
        let minor: u32 =
            properties.lines().find_map(|line| line.strip_prefix("drm_render_minor "))?.trim().parse().ok()?;
        let device = PathBuf::from(format!("/sys/class/drm/renderD{minor}/device"));
        let sensors = device.join("hwmon");
        let sensors =
            looker.names(&sensors).into_iter().find(|name| name.starts_with("hwmon")).map(|name| sensors.join(name));
        Some(Gpu { node: agent.node_id, device, sensors })
    };
    agents.iter().take(GPUS).filter_map(gpu).collect()
}

impl Gpu {
    fn sensor(&self, looker: &Looker, name: &str) -> Option<u64> {
        looker.number(self.sensors.as_ref()?.join(name))
    }

    /// In watts.
    fn cap_w(&self, looker: &Looker) -> Option<u32> {
        self.sensor(looker, "power1_cap").and_then(|cap| u32::try_from(cap / 1_000_000).ok())
    }

    /// What it is doing now; `None` if it tells nothing.
    pub(super) fn sample(&self, looker: &Looker, at_ns: u64) -> Option<Sample> {
        let power = self.sensor(looker, "power1_average").or_else(|| self.sensor(looker, "power1_input"));
        let small = |value: u64| u32::try_from(value).ok();
        let read = GpuState {
            clock_mhz: self.sensor(looker, "freq1_input").and_then(|hz| small(hz / 1_000_000)),
            power_w: power.and_then(|microwatts| small(microwatts / 1_000_000)),
            cap_w: self.cap_w(looker),
            hotspot_c: self.sensor(looker, "temp2_input").and_then(|thousandths| small(thousandths / 1000)),
            throttled: looker.bytes(self.device.join("gpu_metrics"), 4096).and_then(|bytes| throttled(&bytes)),
        };
        (read != GpuState::default()).then_some(Sample { node: self.node, at_ns, read })
    }
}

/// Whether the firmware says that it throttles.
fn throttled(metrics: &[u8]) -> Option<bool> {
    let [_, _, 1, content] = *metrics.first_chunk::<4>()? else { return None };
    let (_, at) = THROTTLE.into_iter().find(|(version, _)| *version == content)?;
    let status = u32::from_le_bytes(*metrics.get(at..)?.first_chunk()?);
    // All ones: not there on this GPU.
    (status != u32::MAX).then_some(status != 0)
}

/// How the GPUs are set. GPUs that are set alike make one fact.
pub(super) fn facts(looker: &mut Looker, agents: &[Agent]) {
    for gpu in find(looker, agents) {
        let files = [
            (FactKind::Partition, "compute partition", "current_compute_partition"),
            (FactKind::Partition, "memory partition", "current_memory_partition"),
            (FactKind::GpuLimit, "performance level", "power_dpm_force_performance_level"),
            (FactKind::Driver, "VBIOS", "vbios_version"),
        ];
        for (kind, name, file) in files {
            if let Some(value) = looker.text(gpu.device.join(file), 256) {
                looker.fact(kind, name, value);
            }
        }
        if let Some(cap) = gpu.cap_w(looker) {
            looker.fact(FactKind::GpuLimit, "power cap", format!("{cap} W"));
        }
        let levels = looker.text(gpu.device.join("pp_dpm_sclk"), 4096).unwrap_or_default();
        let mhz = |line: &str| {
            let (_, level) = line.split_once(':')?;
            level
                .trim()
                .trim_end_matches('*')
                .trim()
                .to_ascii_lowercase()
                .strip_suffix("mhz")?
                .trim()
                .parse::<u32>()
                .ok()
        };
        // The level that is marked may be the present clock, above or below all others.
        if let Some(most) = levels.lines().filter_map(mhz).max() {
            looker.fact(FactKind::GpuLimit, "highest shader clock", format!("{most} MHz"));
        }
    }
}
