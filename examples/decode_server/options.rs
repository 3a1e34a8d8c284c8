//! What the server is asked to be.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Whose marker names are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Markers {
    /// `execute_context_0(0)_generation_32(32)`
    Vllm,
    /// `step[DECODE bs=32]`
    Sglang,
    /// `decode[bs=32 tok=32 p=0 d=32]`
    Atom,
    /// No markers at all.
    None,
}

/// How the kernels of a step are launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// One graph for the whole model.
    Graph,
    /// Graphs between the attention kernels, which are launched one by one.
    Piecewise,
    /// Every kernel launched one by one.
    Eager,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    /// By returning from main.
    Return,
    /// By `exit(0)`.
    Exit,
    /// By `_exit(0)`, as forked workers do.
    #[value(name = "_exit")]
    QuickExit,
    /// By `abort()`.
    Abort,
    /// By SIGKILL, as from outside.
    Kill,
    /// By SIGTERM to itself.
    Term,
    /// Not at all: it waits until it is killed.
    Hang,
}

/// A decode server for MI300X or MI355X on a simulated GPU.
///
/// The kernels, their order and their durations are those of real servers. Preload a tracer to see it work:
/// LD_PRELOAD=libprofile_decode.so decode_server --steps 120. In the environment, RANK, WORLD_SIZE and
/// ROCR_VISIBLE_DEVICES make the process one rank of several, ROCPROFILER_SIM_LEDGER=FILE has the truth written down.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// The model: dense or moe, or a file in the format of examples/models.
    #[arg(long, default_value = "dense")]
    pub model: String,
    /// The GPU: gfx942 (MI300X) or gfx950 (MI355X).
    #[arg(long, default_value = "gfx942")]
    pub arch: String,
    /// How many GPUs share the model.
    #[arg(long, default_value_t = 1)]
    pub tp: usize,
    /// One process a rank (each sees its GPU as device 0), not one thread a rank.
    #[arg(long)]
    pub processes: bool,
    /// Decode steps; 0 to go on until killed.
    #[arg(long, default_value_t = 100)]
    pub steps: u64,
    /// Decode steps before those: launched one by one, and slower.
    #[arg(long, default_value_t = 10)]
    pub warmup: u64,
    /// How the kernels are launched.
    #[arg(long, value_enum, default_value_t = Mode::Graph)]
    pub mode: Mode,
    /// A prefill step before every so many decode steps; 0 for none. Every other one is mixed with decode.
    #[arg(long, default_value_t = 25)]
    pub prefill_every: u64,
    /// Marker names.
    #[arg(long, value_enum, default_value_t = Markers::Vllm)]
    pub markers: Markers,
    /// Requests decoded at the same time, at most.
    #[arg(long, default_value_t = 32)]
    pub batch: u64,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Let time pass as it does, and do not skip waiting.
    #[arg(long)]
    pub realtime: bool,
    /// How the process ends.
    #[arg(long, value_enum, default_value_t = End::Return)]
    pub end: End,
    /// Kernels whose name contains NAME run FACTOR times as long.
    #[arg(long, value_name = "NAME=FACTOR", value_parser = assignment)]
    pub slow_kernel: Vec<(String, u64)>,
    /// All kernels of this rank run FACTOR times as long.
    #[arg(long, value_name = "RANK=FACTOR", value_parser = assignment)]
    pub straggler: Vec<(String, u64)>,
    /// Write the ledger here before the end, however that comes; %r is the rank.
    #[arg(long)]
    pub ledger: Option<PathBuf>,
}

/// `NAME=FACTOR`; factors are kept in thousandths, so that durations are integers everywhere.
fn assignment(text: &str) -> Result<(String, u64), String> {
    let (name, factor) = text.rsplit_once('=').ok_or("expected NAME=FACTOR")?;
    let factor: f64 = factor.parse().map_err(|_| format!("{factor:?} is not a number"))?;
    if factor.is_finite() && factor > 0.0 {
        Ok((name.to_owned(), (factor * 1000.0).round() as u64))
    } else {
        Err(format!("{factor} is not a positive number"))
    }
}
