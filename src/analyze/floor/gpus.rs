//! Facts of AMD Instinct GPUs that a floor and a roofline need.

/// A GPU's memory and matrix cores.
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
    /// Peak engine clock in GHz; `None` where AMD tells none.
    pub clock_ghz: Option<f64>,
    /// Where the figures are from.
    pub source: &'static str,
}

/// What is known. Of an architecture alone the first entry is taken.
pub const GPUS: &[Gpu] = &[
    gpu("MI300X", "gfx942", 5_300.0, 304, Some(2.1), "AMD Instinct MI300X data sheet: 5.3 TB/s, 304 CUs, 2.1 GHz"),
    gpu("MI325X", "gfx942", 6_000.0, 304, Some(2.1), "AMD Instinct MI325X data sheet: 6 TB/s, 304 CUs, 2.1 GHz"),
    gpu("MI300A", "gfx942", 5_300.0, 228, Some(2.1), "AMD Instinct MI300A data sheet: 5.3 TB/s, 228 CUs, 2.1 GHz"),
    gpu("MI308X", "gfx942", 5_300.0, 80, None, "aiter's tuned tables: 80 CUs; HBM as of MI300X"),
    gpu("MI355X", "gfx950", 8_000.0, 256, Some(2.4), "AMD Instinct MI355X data sheet: 8 TB/s, 256 CUs, 2.4 GHz"),
    gpu("MI350X", "gfx950", 8_000.0, 256, Some(2.2), "AMD Instinct MI350X data sheet: 8 TB/s, 256 CUs, 2.2 GHz"),
    gpu(
        "MI250X",
        "gfx90a",
        1_638.0,
        110,
        Some(1.7),
        "AMD Instinct MI250X data sheet: 3.2768 TB/s and 220 CUs on two dies, one die a device, 1.7 GHz",
    ),
    gpu(
        "MI250",
        "gfx90a",
        1_638.0,
        104,
        Some(1.7),
        "AMD Instinct MI250 data sheet: 3.2768 TB/s and 208 CUs on two dies, one die a device, 1.7 GHz",
    ),
    gpu("MI210", "gfx90a", 1_638.0, 104, Some(1.7), "AMD Instinct MI210 data sheet: 1.6384 TB/s, 104 CUs, 1.7 GHz"),
];

const fn gpu(
    name: &'static str,
    arch: &'static str,
    hbm_bytes_per_ns: f64,
    compute_units: u32,
    clock_ghz: Option<f64>,
    source: &'static str,
) -> Gpu {
    Gpu { name, arch, hbm_bytes_per_ns, compute_units, clock_ghz, source }
}

/// A type that matrix cores multiply.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum MatrixType {
    Float32,
    /// Both of 16 bits.
    Float16,
    Float8,
    Float4,
    Int8,
}

/// Dense operations that the matrix cores of a compute unit do in a clock: AMD's white papers on CDNA 2, CDNA 3 and CDNA 4.
const PER_CLOCK: &[(&str, MatrixType, f64)] = &[
    ("gfx90a", MatrixType::Float32, 256.0),
    ("gfx90a", MatrixType::Float16, 1024.0),
    ("gfx90a", MatrixType::Int8, 1024.0),
    ("gfx942", MatrixType::Float32, 256.0),
    ("gfx942", MatrixType::Float16, 2048.0),
    ("gfx942", MatrixType::Float8, 4096.0),
    ("gfx942", MatrixType::Int8, 4096.0),
    ("gfx950", MatrixType::Float32, 256.0),
    ("gfx950", MatrixType::Float16, 4096.0),
    ("gfx950", MatrixType::Float8, 8192.0),
    ("gfx950", MatrixType::Int8, 8192.0),
    ("gfx950", MatrixType::Float4, 16384.0),
];

impl Gpu {
    /// Peak dense operations a nanosecond on a type, that is 1/1000 TFLOP/s; `None` where it is not known.
    pub(crate) fn flop_per_ns(&self, of: MatrixType) -> Option<f64> {
        let (.., per_clock) = PER_CLOCK.iter().find(|(arch, known, _)| (*arch, *known) == (self.arch, of))?;
        Some(per_clock * f64::from(self.compute_units) * self.clock_ghz?)
    }
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
    fn peaks_are_those_of_the_data_sheets() {
        let peak = |name, of| find(Some(name), None).unwrap().flop_per_ns(of).map(|peak| (peak / 100.0).round() / 10.0);
        assert_eq!(peak("MI300X", MatrixType::Float16), Some(1307.4));
        assert_eq!(peak("MI300X", MatrixType::Float8), Some(2614.9));
        assert_eq!(peak("MI300X", MatrixType::Float4), None);
        assert_eq!(peak("MI355X", MatrixType::Float16), Some(2516.6));
        assert_eq!(peak("MI355X", MatrixType::Float4), Some(10066.3));
        assert_eq!(peak("MI210", MatrixType::Float16), Some(181.0));
        assert_eq!(peak("MI308X", MatrixType::Float16), None);
    }

    #[test]
    fn a_gpu_is_known_by_its_name_and_else_by_its_architecture() {
        let name = |name, arch| find(name, arch).map(|gpu| gpu.name);
        assert_eq!(name(Some("AMD Instinct MI325X"), Some("gfx942")), Some("MI325X"));
        assert_eq!(name(Some("AMD Instinct MI250X"), None), Some("MI250X"));
        assert_eq!(name(None, Some("gfx950:sramecc+:xnack-")), Some("MI355X"));
        assert_eq!(name(Some("NVIDIA H100"), None), None);
    }
}
