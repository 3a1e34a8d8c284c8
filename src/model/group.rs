//! What a process tells of its collectives.
//!
//! A framework that speaks to the profiler (torch.distributed does) says of a communication kernel what it computes and
//! for which *process group*: the ranks that meet in it. A rank is in several groups, tensor-parallel ones inside
//! expert-parallel ones inside data-parallel ones. Few dispatches of a trace are collectives, so this is a list beside
//! the dispatches and no field of theirs.

/// A position in [`Trace::groups`](super::Trace::groups).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupIdx(u32);

impl GroupIdx {
    /// The index of the element at `position`.
    #[must_use]
    pub fn new(position: usize) -> Self {
        Self(position as u32)
    }

    /// Position in the vector.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A process group: ranks that meet in collectives.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ProcessGroup {
    /// The framework's name for it, the same on all its ranks. Several groups may be of the same ranks.
    pub name: String,
    /// Numbers of its ranks, ascending.
    pub ranks: Vec<u32>,
}

/// What a collective computes, as it was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CollectiveCall {
    /// Sums up, each rank gets all.
    AllReduce,
    /// Each rank gets the parts of all.
    AllGather,
    /// Sums up, each rank gets its part.
    ReduceScatter,
    /// Each rank sends each other its part.
    AllToAll,
    /// One rank gives to all.
    Broadcast,
    /// Sums up, one rank gets it.
    Reduce,
    /// One rank gets the parts of all.
    Gather,
    /// One rank gives each its part.
    Scatter,
    /// All wait for all.
    Barrier,
    /// Two ranks of the group, and no collective.
    SendRecv,
}

impl CollectiveCall {
    /// In the words that kernel names are read into.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllReduce => "all_reduce",
            Self::AllGather => "all_gather",
            Self::ReduceScatter => "reduce_scatter",
            Self::AllToAll => "all_to_all",
            Self::Broadcast => "broadcast",
            Self::Reduce => "reduce",
            Self::Gather => "gather",
            Self::Scatter => "scatter",
            Self::Barrier => "barrier",
            Self::SendRecv => "send_recv",
        }
    }
}

/// What the process told of one dispatch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Its position in [`Trace::dispatches`](super::Trace::dispatches).
    pub dispatch: u32,
    /// What it computes.
    pub call: Option<CollectiveCall>,
    /// Which ranks meet in it.
    pub group: Option<GroupIdx>,
}

impl Told {
    /// What was told of the dispatch at a position.
    pub(super) fn of(dispatch: usize, (call, group): (Option<CollectiveCall>, Option<GroupIdx>)) -> Self {
        Self { dispatch: dispatch as u32, call, group }
    }
}
