//! The labels of steps, as data.

use super::PhaseRule::{self, Counts, Is, Open, TokenKinds};
use super::Strength::{self, Engine, Profiler, Scope};
use crate::steps::Phase::{Decode, Draft, Dummy, Mixed, Other, Prefill};

/// A label that an engine is known to write.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Stable name of this entry.
    pub id: &'static str,
    /// How the message looks, in the language of the `pattern` module: `{c}` and the like are numbers.
    pub pattern: &'static str,
    /// What it is worth and how it tells the phase; `None`: no step but the capture of a graph.
    pub step: Option<(Strength, PhaseRule)>,
    /// A message as the engine writes it.
    pub example: &'static str,
    /// Who writes it, and since when.
    pub source: &'static str,
}

const fn step(
    id: &'static str,
    pattern: &'static str,
    strength: Strength,
    rule: PhaseRule,
    example: &'static str,
    source: &'static str,
) -> Known {
    Known { id, pattern, step: Some((strength, rule)), example, source }
}

const fn capture(id: &'static str, pattern: &'static str, example: &'static str, source: &'static str) -> Known {
    Known { id, pattern, step: None, example, source }
}

/// All known labels; the first that fits counts.
///
/// Letters of numbers: `c`/`n` prompts, `g`/`m` generating requests, `C`/`G` their tokens, `t` tokens in all, `b`
/// requests, `B` graph bucket, `p`/`d` prefill and decode tokens, `#` the engine's number of the step.
pub const KNOWN: &[Known] = &[
    // vLLM
    step(
        "vllm-detailed",
        "execute_{t}_context_{c}(sq{C}s{~})_generation_{g}(sq{G}s{~})",
        Engine,
        Counts,
        "execute_32_context_0(sq0sk0sqsq0sqsk0)_generation_32(sq32sk55086sqsq32sqsk55086)",
        "vLLM 0.26+ with --profiler-config.detailed_trace_annotation; 0.14 to 0.25 and SGLang up to 0.5.9 as patched by TraceLens",
    ),
    step(
        "vllm-context",
        "execute_context_{c}({C})_generation_{g}({G})",
        Engine,
        Counts,
        "execute_context_0(0)_generation_32(32)",
        "vLLM 0.14 and later, while the torch profiler runs",
    ),
    step(
        "vllm-context-squared",
        "execute_context_{c}({C}_{~})_generation_{g}({G}{~})",
        Engine,
        Counts,
        "execute_context_1(888_788544)_generation_0(0)",
        "vLLM, variant that adds the sum of squared lengths",
    ),
    step(
        "vllm-new-cached",
        "execute_new_{n}_cached_{m}",
        Engine,
        Counts,
        "execute_new_0_cached_12",
        "vLLM before 0.14",
    ),
    step(
        "vllm-forward",
        "gpu_model_runner: forward",
        Scope,
        Open,
        "gpu_model_runner: forward",
        "vLLM with VLLM_CUSTOM_SCOPES_FOR_PROFILING, while the torch profiler runs",
    ),
    // SGLang: step[{ForwardMode.name} bs=…]
    step("sglang-decode", "step[DECODE{[}", Engine, Is(Decode), "step[DECODE bs=64]", "SGLang 0.5.11 and later"),
    step(
        "sglang-verify",
        "step[TARGET_VERIFY{[}",
        Engine,
        Is(Decode),
        "step[TARGET_VERIFY bs=8]",
        "SGLang 0.5.11 and later, speculative decoding",
    ),
    step(
        "sglang-extend",
        "step[EXTEND{[}",
        Engine,
        Is(Prefill),
        "step[EXTEND bs=15 toks=15360]",
        "SGLang 0.5.11 and later",
    ),
    step(
        "sglang-split-prefill",
        "step[SPLIT_PREFILL{[}",
        Engine,
        Is(Prefill),
        "step[SPLIT_PREFILL bs=2 toks=512]",
        "SGLang 0.5.11 and later",
    ),
    step("sglang-mixed", "step[MIXED{[}", Engine, Is(Mixed), "step[MIXED bs=9 toks=700]", "SGLang 0.5.11 and later"),
    step(
        "sglang-idle",
        "step[IDLE{[}",
        Engine,
        Is(Dummy),
        "step[IDLE bs=0]",
        "SGLang 0.5.11 and later, data-parallel rank without requests",
    ),
    step("sglang-dummy", "step[DUMMY{[}", Engine, Is(Dummy), "step[DUMMY_FIRST bs=1]", "SGLang 0.5.11 and later"),
    step(
        "sglang-draft-step",
        "step[DRAFT{[}",
        Engine,
        Is(Draft),
        "step[DRAFT_EXTEND bs=8]",
        "SGLang 0.5.11 and later, speculative decoding",
    ),
    // A forward mode that is newer than this table: not known to be pure decode.
    step("sglang-other", "step[{[}", Engine, Is(Mixed), "step[PREBUILT bs=8]", "SGLang 0.5.11 and later"),
    step("sglang-draft", "draft", Engine, Is(Draft), "draft", "SGLang 0.5.11 and later, speculative decoding"),
    step(
        "sglang-draft-extend",
        "draft_extend",
        Engine,
        Is(Draft),
        "draft_extend",
        "SGLang 0.5.11 and later, speculative decoding",
    ),
    step("sglang-run-batch", "scheduler.run_batch", Scope, Open, "scheduler.run_batch", "SGLang, some builds"),
    // ATOM
    step(
        "atom-decode",
        "decode[{[}",
        Engine,
        TokenKinds,
        "decode[bs=117/128 tok=117 p=0 d=117]",
        "ATOM; before 2026-07-16 for dummies too",
    ),
    step(
        "atom-eager-decode",
        "eager_decode[{[}",
        Engine,
        TokenKinds,
        "eager_decode[bs=2 tok=2]",
        "ATOM since 2026-07-16",
    ),
    step("atom-prefill", "prefill[{[}", Engine, Is(Prefill), "prefill[bs=2 tok=900 ctx=0]", "ATOM"),
    step("atom-draft", "draft[{[}", Engine, Is(Draft), "draft[1/3 bs=16]", "ATOM since 2026-07-16"),
    step("atom-dspark", "dspark[{[}", Engine, Is(Draft), "dspark[1/3 bs=16]", "ATOM since 2026-07-16"),
    step("atom-dummy-decode", "dummy_decode[{[}", Engine, Is(Dummy), "dummy_decode[bs=1]", "ATOM since 2026-07-16"),
    step(
        "atom-dummy-eager-decode",
        "dummy_eager_decode[{[}",
        Engine,
        Is(Dummy),
        "dummy_eager_decode[bs=1 tok=1]",
        "ATOM since 2026-07-16",
    ),
    step(
        "atom-dummy-prefill",
        "dummy_prefill[{[}",
        Engine,
        Is(Dummy),
        "dummy_prefill[bs=1 tok=8]",
        "ATOM since 2026-07-16",
    ),
    // Others. Images are no tokens; the torch profiler's steps do not tell a phase.
    step(
        "diffusion",
        "execute_diffusion_{b}_{~}",
        Engine,
        Is(Other),
        "execute_diffusion_1_256x256",
        "xDiT as patched by TraceLens",
    ),
    step("torch-profiler", "ProfilerStep#{#}", Profiler, Open, "ProfilerStep#42", "torch profiler with a schedule"),
    // Captures of graphs.
    capture(
        "vllm-capture-full",
        "capture_{t}_FULL{~}",
        "capture_32_FULL",
        "vLLM with --profiler-config.capture_torch_profiler",
    ),
    capture(
        "vllm-capture-piecewise",
        "capture_{t}_PIECEWISE{~}",
        "capture_32_PIECEWISE",
        "vLLM with --profiler-config.capture_torch_profiler",
    ),
    capture("sglang-capture", "capture_{t}_DECODE{~}", "capture_32_DECODE", "SGLang as patched by TraceLens"),
    capture("atom-capture", "capture_graph_bs_{b}{~}", "capture_graph_bs_8", "ATOM with --mark-trace"),
];
