//! Which rank this process is, as its launcher tells it.

use std::ffi::OsString;

/// A process's place among the ranks of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Placement {
    /// Rank in the world; `None` if the launcher says nothing.
    pub(super) number: Option<u32>,
    /// Number of ranks.
    pub(super) world_size: Option<u32>,
}

/// Variables that hold the rank and the number of ranks, in order of trust: PyTorch's launchers (vLLM, SGLang and ATOM
/// set the same for their workers), Open MPI, MPICH and its kin, Slurm.
const VARIABLES: [(&str, &str); 5] = [
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("LOCAL_RANK", "LOCAL_WORLD_SIZE"),
];

impl Placement {
    /// Reads the placement from variables as `get` gives them.
    pub(super) fn from_env(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |name: &str| get(name)?.to_str()?.trim().parse().ok();
        VARIABLES
            .iter()
            .find_map(|(rank, size)| Some(Self { number: Some(number(rank)?), world_size: number(size) }))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Placement {
        Placement::from_env(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_most_trusted_launcher_that_speaks_is_believed() {
        assert_eq!(from(&[]), Placement::default());
        let both = from(&[("SLURM_PROCID", "0"), ("RANK", "3"), ("WORLD_SIZE", "8")]);
        assert_eq!(both, Placement { number: Some(3), world_size: Some(8) });
        assert_eq!(from(&[("RANK", "x"), ("LOCAL_RANK", "1")]), Placement { number: Some(1), world_size: None });
    }
}
