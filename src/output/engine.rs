//! What the engine's log tells, and what its users' benchmark saw.

use serde::Serialize;

/// What the engine's log tells of the run.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct EngineLog {
    /// Lines that were read.
    pub lines: u64,
    /// Lines of them that told nothing that is known here.
    pub unknown: u64,
    /// Whether the log is longer than what is read of it.
    pub cut: bool,
    /// Shapes that were found in no tuned table, those with most time first.
    pub untuned: Vec<LogShape>,
    /// Kernels that were built while the server ran.
    pub builds: Vec<LogBuild>,
    /// How many of them in the window; `None` where the log's times or the window's are not known.
    pub builds_in_window: Option<u64>,
    /// Batch sizes that graphs were captured for.
    pub captured_sizes: Vec<u32>,
    /// Attention backends that were chosen.
    pub attention_backends: Vec<String>,
    /// What fell back to something else.
    pub fallbacks: Vec<LogText>,
    /// Warnings and errors.
    pub warnings: Vec<LogText>,
    /// Speculative decoding; `None` where the log says nothing of it.
    pub acceptance: Option<Acceptance>,
    /// Tokens that the KV cache holds.
    pub kv_cache_tokens: Option<u64>,
}

/// A shape that was found in no tuned table.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LogShape {
    /// M, N and K.
    pub shape: [u32; 3],
    /// The table, where the log names it.
    pub table: Option<String>,
    /// How often the log says so.
    pub count: u64,
    /// Kernels that worked on it in the steps, where the trace tells shapes.
    pub kernels: Vec<String>,
    /// What its place in the step is called, where captures tell.
    pub role: Option<String>,
    /// GPU time of those kernels, over all ranks; `None` where no kernel of the steps is known to have this shape.
    pub gpu_time_ns: Option<u64>,
    /// Of the wall time in scope; `None` without steps.
    pub critical_share: Option<f64>,
}

/// A kernel, or a module of kernels, that was built while the server ran.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LogBuild {
    /// Its name.
    pub name: String,
    /// Who built it: `aiter`, `triton`.
    pub by: String,
    /// How long it took, where the log tells.
    pub seconds: Option<f64>,
    /// Whether that was in the window: `None` where the log's times or the window's are not known.
    pub in_window: Option<bool>,
}

/// A line of the log, without times and without what may be a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LogText {
    /// The line.
    pub text: String,
    /// How often it, or one that differs in numbers only, was said.
    pub count: u64,
}

/// How speculative decoding fared, over the log.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Acceptance {
    /// Part of the drafted tokens that were accepted, the mean over what was logged.
    pub rate: f64,
    /// Tokens that a step yields for a request, the mean over what was logged.
    pub tokens_a_step: f64,
}

/// What a benchmark measured from outside, beside what the GPU did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RequestView {
    /// What wrote the file: `vllm`, `sglang`, `genai-perf`.
    pub tool: &'static str,
    /// Requests that it kept in flight at most, where it tells.
    pub concurrency: Option<f64>,
    /// Requests that completed.
    pub completed: Option<u64>,
    /// Time between tokens as clients saw it.
    pub itl: Option<Latency>,
    /// Time a token as clients saw it, the first left out.
    pub tpot: Option<Latency>,
    /// The clients' median time between tokens taken apart; `None` where it is not joined to the steps.
    pub parts: Option<ItlParts>,
    /// Why the two are not joined.
    pub not_joined: Option<String>,
}

/// A latency as a benchmark gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Latency {
    /// Mean.
    pub mean_ns: Option<u64>,
    /// Median.
    pub p50_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
}

/// The time between two tokens, by where it goes: these sum to it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct ItlParts {
    /// The clients' median.
    pub itl_ns: u64,
    /// A step on the GPU, from its first kernel to its last, the median.
    pub gpu_step_ns: u64,
    /// From there to the next step's first kernel, as the trace has it: the engine's host.
    pub between_steps_ns: u64,
    /// What is left: scheduling, detokenization, network; negative where tracing slowed the steps.
    pub outside_ns: i64,
    /// What of the clients' 99th percentile the GPU's slowest steps explain; `None` where it is not known.
    pub p99_gpu_share: Option<f64>,
}
