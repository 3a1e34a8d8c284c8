//! Why a detector found no steps.

/// One clause each, lower case, for a sentence that begins "No steps by …:".
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(super) enum NoSteps {
    #[error("the trace has no marker ranges")]
    NoRanges,
    #[error("none of {ranges} marker ranges matches \"{pattern}\"")]
    NoMatch { ranges: usize, pattern: String },
    #[error("none of {ranges} marker ranges is named like a step")]
    NoLabel { ranges: usize },
    #[error("{ranges} marker ranges name steps, but they {why}")]
    Empty { ranges: usize, why: Unlinked },
    #[error("the trace has no launch calls")]
    NoLaunches,
    #[error("none of {launches} launch calls launches a graph")]
    NoGraphs { launches: usize },
    #[error("no kernel is linked to any of {launches} graph launches: the producer did not record replays")]
    NoReplays { launches: usize },
    #[error("{launches} graph launches with kernels are too few to show a rhythm")]
    FewReplays { launches: usize },
    #[error("{records} records are too few to see anything recur")]
    FewRecords { records: usize },
    #[error(
        "nothing recurs like a step: the most regular cut explains {:.0} % of the records, and not as whole steps",
        .share * 100.0
    )]
    NothingRecurs { share: f32 },
    #[error("no kernel has a place of its own within the step")]
    NoPlace,
    #[error("the trace has no kernels")]
    NoKernels,
    #[error("what recurs explains only {:.0} % of the kernels", .share * 100.0)]
    LittleExplained { share: f32 },
}

/// Why marked steps have no kernels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unlinked {
    #[error("launched no kernel that was recorded")]
    NothingLaunched,
    #[error("cannot be joined to kernels: the trace does not link kernels to their launch calls")]
    NoLinks,
}
