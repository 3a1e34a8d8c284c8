//! Facts of AMD Instinct GPUs that a floor needs.

/// A GPU's memory.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gpu {
    /// As in its marketing name.
    pub name: &'static str,
    /// Its instruction set architecture.
    pub arch: &'static str,
    /// Peak bandwidth of the HBM in bytes a nanosecond, that is GB/s.
    pub hbm_bytes_per_ns: f64,
    /// Compute units.
    pub compute_units: u32,
    /// Where the figures are from.
    pub source: &'static str,
}

/// What is known. Of an architecture alone the first entry is taken.
pub const GPUS: &[Gpu] = &[
    gpu("MI300X", "gfx942", 5_300.0, 304, "AMD Instinct MI300X data sheet: 5.3 TB/s, 304 CUs"),
    gpu("MI325X", "gfx942", 6_000.0, 304, "AMD Instinct MI325X data sheet: 6 TB/s, 304 CUs"),
    gpu("MI300A", "gfx942", 5_300.0, 228, "AMD Instinct MI300A data sheet: 5.3 TB/s, 228 CUs"),
    gpu("MI308X", "gfx942", 5_300.0, 80, "aiter's tuned tables: 80 CUs; HBM as of MI300X"),
    gpu("MI355X", "gfx950", 8_000.0, 256, "AMD Instinct MI355X data sheet: 8 TB/s, 256 CUs"),
    gpu("MI350X", "gfx950", 8_000.0, 256, "AMD Instinct MI350X data sheet: 8 TB/s, 256 CUs"),
    gpu(
        "MI250X",
        "gfx90a",
        1_638.0,
        110,
        "AMD Instinct MI250X data sheet: 3.2768 TB/s and 220 CUs on two dies, one die a device",
    ),
    gpu(
        "MI250",
        "gfx90a",
        1_638.0,
        104,
        "AMD Instinct MI250 data sheet: 3.2768 TB/s and 208 CUs on two dies, one die a device",
    ),
    gpu("MI210", "gfx90a", 1_638.0, 104, "AMD Instinct MI210 data sheet: 1.6384 TB/s, 104 CUs"),
];

const fn gpu(
    name: &'static str,
    arch: &'static str,
    hbm_bytes_per_ns: f64,
    compute_units: u32,
    source: &'static str,
) -> Gpu {
    Gpu { name, arch, hbm_bytes_per_ns, compute_units, source }
}

/// The GPU of this marketing name, or else of this architecture.
#[must_use]
pub fn find(name: Option<&str>, arch: Option<&str>) -> Option<&'static Gpu> {
    let names = |gpu: &&Gpu| name.is_some_and(|name| name.to_ascii_uppercase().contains(gpu.name));
    let is = |gpu: &&Gpu| arch.is_some_and(|arch| arch.split(':').next() == Some(gpu.arch));
    // `MI250X` contains `MI250`, so the longer name comes first in the table.
    GPUS.iter().find(names).or_else(|| GPUS.iter().find(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_known_by_its_name_and_else_by_its_architecture() {
        let name = |name, arch| find(name, arch).map(|gpu| gpu.name);
        assert_eq!(name(Some("AMD Instinct MI325X"), Some("gfx942")), Some("MI325X"));
        assert_eq!(name(Some("AMD Instinct MI250X"), None), Some("MI250X"));
        assert_eq!(name(None, Some("gfx950:sramecc+:xnack-")), Some("MI355X"));
        assert_eq!(name(Some("NVIDIA H100"), None), None);
    }
}
