//! Under which conditions a run was made, as far as its producer tells.
//!
//! None of this is needed to say where the time went. Two runs that are compared should share it, or what changed may be
//! the machine and not the program.

use serde::{Deserialize, Serialize};

/// One condition. A trace may hold several of a kind, such as the clocks of several GPUs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Condition {
    /// What it is.
    pub kind: ConditionKind,
    /// As the producer says it.
    pub value: String,
}

/// A kind of condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// Compute units (multiprocessors) of a GPU as the runtime shows it: fewer in a partition of it.
    ComputeUnits,
    /// Compute dies (XCC) of a GPU as the runtime shows it: all of them in SPX mode, one in CPX.
    ComputeDies,
    /// Shader clock in MHz while the GPU worked.
    ShaderClock,
    /// Version of ROCm.
    Rocm,
    /// Version of the HIP runtime.
    Hip,
    /// Version of the CUDA runtime.
    Cuda,
    /// Version of PyTorch.
    Torch,
    /// Version of NCCL or RCCL.
    Nccl,
    /// Release of the operating system's kernel, with which the GPU's driver comes.
    Kernel,
}

impl ConditionKind {
    /// Its name in prose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ComputeUnits => "compute units of a GPU",
            Self::ComputeDies => "compute dies of a GPU",
            Self::ShaderClock => "shader clock (MHz)",
            Self::Rocm => "ROCm version",
            Self::Hip => "HIP version",
            Self::Cuda => "CUDA version",
            Self::Torch => "PyTorch version",
            Self::Nccl => "RCCL/NCCL version",
            Self::Kernel => "Linux release",
        }
    }
}

/// `70051831` as `7.0.51831`: HIP packs its version into one number, major · 10⁷ + minor · 10⁵ + patch.
#[must_use]
pub fn hip_version(packed: u64) -> String {
    format!("{}.{}.{}", packed / 10_000_000, packed / 100_000 % 100, packed % 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_hip_version_is_taken_apart() {
        assert_eq!(hip_version(60_443_483), "6.4.43483");
        assert_eq!(hip_version(70_051_831), "7.0.51831");
        assert_eq!(hip_version(70_253_211), "7.2.53211");
    }
}
