//! The trace and its parts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Around, CaptureInfo, Captured, Condition, LaunchIdx, NameId, Names, Origin, ProcessGroup, ProcessIdx, Product,
    ProductIdx, RangeIdx, RankIdx, SourceIdx, Span, StreamIdx, Told, Work, WorkIdx,
};

/// Everything known of one run: one file or many, one rank or many.
///
/// Times are integer nanoseconds on the producer's clock, whose origin is not part of the model (boot for
/// rocprofiler-sdk, the epoch for Kineto). All ranks of one host share a clock; ranks of different hosts do not.
#[derive(Clone, Default, Debug)]
pub struct Trace {
    /// Texts of kernel names and marker messages.
    pub names: Names,
    /// The files or the live capture that this came from.
    pub sources: Vec<Source>,
    /// Processes that launched work.
    pub processes: Vec<Process>,
    /// GPUs that did the work, in the order of their rank numbers where these are known.
    pub ranks: Vec<Rank>,
    /// Where dispatches ran: a HIP stream where the producer knows it, else a hardware queue.
    pub streams: Vec<Stream>,
    /// Kernel executions, sorted by start ([`TraceBuilder::finish`](super::TraceBuilder::finish) sees to it).
    pub dispatches: Vec<Dispatch>,
    /// For each dispatch its process's count of them when it was enqueued; empty where the producer does not tell. In this
    /// order work was launched, whatever queue it went to and whenever it ran.
    pub enqueued: Vec<u64>,
    /// Copies and fills, sorted by start.
    pub copies: Vec<Copy>,
    /// Marker ranges on CPU threads, sorted by start; of two that start together, the longer first.
    pub ranges: Vec<Range>,
    /// Runtime calls that launched work, sorted by start.
    pub launches: Vec<Launch>,
    /// Graph launches whose records contradict themselves: names and times of their kernels do not belong together.
    pub disorders: Vec<Disorder>,
    /// Process groups that the framework told, each once.
    pub groups: Vec<ProcessGroup>,
    /// What the process told of the collectives among the dispatches, by [`Told::dispatch`].
    pub told: Vec<Told>,
    /// Shapes of the matrix products that launches were for, each once.
    pub products: Vec<Product>,
    /// What captures of the graphs tell of their replays.
    pub captured: Captured,
    /// URI of the code object that registered a kernel name (`file://….co`, `memory://…`), where known.
    pub code_objects: HashMap<NameId, Box<str>>,
    /// What the code objects of a kernel name tell of it, where they were looked into: one each that says something else.
    pub origins: HashMap<NameId, Vec<Origin>>,
    /// Under which conditions the run was made, as far as its producers tell.
    pub conditions: Vec<Condition>,
    /// What stood around the run, as far as its producers tell.
    pub around: Around,
    /// Records that the producer knows it lost, by cause.
    pub losses: Vec<Loss>,
    /// What a reader of the report must know about the input.
    pub warnings: Vec<Warning>,
    /// How our own tracer fared; `None` for foreign traces.
    pub capture: Option<CaptureInfo>,
}

impl Trace {
    /// The rank a stream belongs to.
    #[must_use]
    pub fn rank_of(&self, stream: StreamIdx) -> RankIdx {
        self.streams[stream.index()].rank
    }

    /// The process of a stream's rank.
    #[must_use]
    pub fn process_of(&self, stream: StreamIdx) -> ProcessIdx {
        self.ranks[self.rank_of(stream).index()].process
    }

    /// What the dispatch at `position` was launched for, where it is known: by the capture of its graph, or by the operator
    /// that launched it.
    #[must_use]
    pub fn work_of(&self, position: usize) -> Option<&Work> {
        self.place_of_work(position).map(|place| self.captured.works.get(place))
    }

    /// The place of that among [`Captured::works`].
    #[must_use]
    pub fn place_of_work(&self, position: usize) -> Option<WorkIdx> {
        let eager = || {
            let launch = &self.launches[self.dispatches[position].launch?.index()];
            *self.captured.eager.get(&(launch.op?, launch.product?))?
        };
        self.captured.of.get(position).copied().flatten().or_else(eager)
    }

    /// The matrix product that the dispatch at `position` worked on, where it is known: by the capture of its graph, or by
    /// the operator that launched it.
    #[must_use]
    pub fn product_of(&self, position: usize) -> Option<ProductIdx> {
        match self.captured.work(position) {
            Some(work) => work.product,
            None => self.dispatches[position].launch.and_then(|launch| self.launches[launch.index()].product),
        }
    }

    /// The text of a dispatch's kernel name.
    #[must_use]
    pub fn kernel(&self, dispatch: &Dispatch) -> &str {
        self.names.get(dispatch.name)
    }
}

/// A trace format that can be read, or our own live capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Our own tracer or its capture file.
    Capture,
    /// Kineto / torch profiler Chrome JSON.
    Kineto,
    /// `rocprofv3 -f csv`.
    Rocprofv3Csv,
    /// `rocprofv3 -f json`.
    Rocprofv3Json,
    /// rocprofv3's SQLite database.
    Rocpd,
    /// rocmProfileData's SQLite database.
    Rpd,
    /// rocm-trace-lite's SQLite database.
    RocmTraceLite,
}

impl Format {
    /// Whether the records of a graph launch come in the order in which its kernels were enqueued on their stream, and
    /// are HIP's own, whose names and times are put together by position.
    pub(super) fn pairs_by_position(self) -> bool {
        match self {
            Self::Kineto | Self::Rpd => true,
            Self::Capture | Self::Rocprofv3Csv | Self::Rocprofv3Json | Self::Rocpd | Self::RocmTraceLite => false,
        }
    }
}

/// One input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// File or directory as the user named it; empty for the live capture of this process.
    pub path: String,
    /// What it was.
    pub format: Format,
}

/// A process that launched GPU work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// The input that told of it.
    pub source: SourceIdx,
    /// Process id on its host.
    pub pid: Option<u32>,
    /// Host name.
    pub host: Option<String>,
    /// Serving framework where known or recognised: `vllm`, `sglang`, `atom`.
    pub framework: Option<String>,
}

/// One GPU's part in the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rank {
    /// The process that drove it.
    pub process: ProcessIdx,
    /// Rank number as the framework counts (tensor-parallel or world rank), where known.
    pub number: Option<u32>,
    /// How many ranks there were in all, where known.
    pub world_size: Option<u32>,
    /// Device as the producer numbers it (a HIP ordinal, an HSA node, …): tells GPUs of one process apart, no more.
    pub device: Option<i64>,
    /// Marketing name, e.g. `AMD Instinct MI300X`.
    pub gpu: Option<String>,
    /// Instruction set architecture, e.g. `gfx942`.
    pub arch: Option<String>,
}

/// A queue of work on one GPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The GPU.
    pub rank: RankIdx,
    /// Number that the producer gave it; unique only together with the rank.
    pub id: u64,
}

/// One execution of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dispatch {
    /// When the GPU started and ended it.
    pub span: Span,
    /// Kernel name as the producer wrote it.
    pub name: NameId,
    /// Where it ran.
    pub stream: StreamIdx,
    /// The runtime call that launched it, where the producer links them.
    pub launch: Option<LaunchIdx>,
    /// The innermost marker range open on the launching thread, where the producer knows it first hand (external
    /// correlation id). Foreign traces leave it `None`: the range is then found through `launch`.
    pub range: Option<RangeIdx>,
}

/// What a copy moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyKind {
    /// Host to device.
    HostToDevice,
    /// Device to host.
    DeviceToHost,
    /// Within or between devices.
    DeviceToDevice,
    /// A fill by the runtime.
    Fill,
    /// The producer did not say.
    Unknown,
}

/// One copy or fill that the runtime or a copy engine did. Not a kernel: never part of kernel sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copy {
    /// When it ran.
    pub span: Span,
    /// What it moved.
    pub kind: CopyKind,
    /// Where it ran.
    pub stream: StreamIdx,
    /// How much, where known.
    pub bytes: Option<u64>,
    /// The call that asked for it.
    pub launch: Option<LaunchIdx>,
}

/// A marker range on a CPU thread: roctx push/pop or start/stop, a profiler annotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// When it was open, on the CPU.
    pub span: Span,
    /// Its message.
    pub name: NameId,
    /// Whose it is.
    pub process: ProcessIdx,
    /// OS thread id, where known (0 otherwise).
    pub thread: u64,
}

/// Which runtime call launched work. Outside graphs the call tells backends apart: Triton and prebuilt code objects go
/// through the module call, HIP templates through [`Kernel`](LaunchCall::Kernel), Tensile through
/// [`ExtModule`](LaunchCall::ExtModule).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchCall {
    /// `hipLaunchKernel`, `hipLaunchKernelExC`, `cudaLaunchKernel` and cooperative kin.
    Kernel,
    /// `hipModuleLaunchKernel`, `hipDrvLaunchKernelEx`, `cuLaunchKernel`.
    Module,
    /// `hipExtModuleLaunchKernel`.
    ExtModule,
    /// `hipExtLaunchKernel`.
    Ext,
    /// `hipGraphLaunch`, `hipGraphLaunch_spt`, `cudaGraphLaunch`.
    Graph,
    /// A copy or fill call.
    Memory,
    /// Any other call that the producer linked to GPU work.
    Other,
}

/// A runtime call that put work on a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Launch {
    /// When the call ran, on the CPU.
    pub span: Span,
    /// Which call.
    pub call: LaunchCall,
    /// Whose it is.
    pub process: ProcessIdx,
    /// OS thread id, where known (0 otherwise).
    pub thread: u64,
    /// The graph executable that a [`Graph`](LaunchCall::Graph) launch replayed, where known: same value, same graph.
    pub graph: Option<u64>,
    /// The CPU operator that made the call (e.g. `aten::mm`), where known.
    pub op: Option<NameId>,
    /// The matrix product that this operator, or the nearest around it, computes, where its inputs' shapes are known.
    pub product: Option<ProductIdx>,
}

/// One graph launch whose records on one stream are not in the order of their starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disorder {
    /// The graph launch.
    pub launch: LaunchIdx,
    /// Where its kernels ran.
    pub stream: StreamIdx,
    /// Records of this launch on this stream.
    pub records: u32,
    /// Records that have to move for the others to be in the order of their starts.
    pub moved: u32,
}

/// Why records are missing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The channel from the callbacks to the aggregator was full.
    ChannelFull,
    /// A completion came after its window had been written.
    Late,
    /// A dispatch's kernel id was never registered by a code object that we saw: its time counts, its name does not.
    UnknownSymbol,
    /// A dispatch was enqueued and its completion never came.
    NoCompletion,
    /// The record bound (`PROFILE_DECODE_MAX_RECORDS`) was reached.
    MemoryBound,
    /// The capture file could not be written to: the disk was full, say.
    Unwritten,
    /// A record in a file could not be read.
    Unreadable,
    /// The producer's own count of dropped records.
    Producer,
}

impl LossCause {
    /// How many causes there are.
    pub(super) const COUNT: usize = LossCause::Producer as usize + 1;
}

/// How many records are missing for one cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Why.
    pub cause: LossCause,
    /// How many.
    pub count: u64,
}

/// Something about the input that the reader of a report must know.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Warning {
    /// Stable identifier, lower case with dashes: scripts match on it.
    pub code: &'static str,
    /// One sentence for people.
    pub text: String,
}
