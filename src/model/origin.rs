//! What the code object of a kernel tells of it.

use serde::{Deserialize, Serialize};

/// What the code object of a kernel tells of it: where it came from, and what its launch takes. Every field is `None` where
/// the object does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// File that its source stands in, from the package on where it is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who compiled it, as it calls itself: `triton` of Triton and of Gluon, which it compiles too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// What it was written in, where files beside the code object tell: `triton`, `gluon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Architecture that it was compiled for, e.g. `gfx950`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Its arguments, hidden ones not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<u32>,
    /// Bytes of LDS that each workgroup takes; what a launch adds is not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lds_bytes: Option<u32>,
    /// Bytes of scratch memory that each work-item takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch_bytes: Option<u32>,
    /// Vector registers of each work-item, the accumulation registers among them where they are of one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vgprs: Option<u32>,
    /// Accumulation registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agprs: Option<u32>,
    /// Scalar registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sgprs: Option<u32>,
    /// Vector registers that did not fit and were spilled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vgpr_spills: Option<u32>,
    /// The most work-items of a workgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroup: Option<u32>,
}

/// Kernels of one name that came from different objects are told apart up to so many.
const MOST_OF_A_NAME: usize = 16;

impl Origin {
    /// Adds it to those of its name, if it says something else.
    pub(super) fn add_to(&self, known: &mut Vec<Self>) {
        if known.len() < MOST_OF_A_NAME && !known.contains(self) {
            known.push(self.clone());
        }
    }
}

/// `path` from the package on, where one is installed: `vllm/v1/x.py`.
pub(crate) fn in_package(path: &str) -> Option<&str> {
    ["site-packages/", "dist-packages/"].into_iter().find_map(|root| Some(path.rsplit_once(root)?.1))
}
