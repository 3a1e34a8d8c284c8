//! The lines of an engine's log that tell why steps take as long as they do.
//!
//! | engine | what its lines look like | looked up in |
//! |---|---|---|
//! | vLLM | `(EngineCore pid=7) INFO 11-30 20:01:02 [rocm.py:904] Using ROCM_AITER_FA backend out of …` | vLLM 0.33.0: logger.py, platforms/rocm.py, v1/core/kv_cache_utils.py, v1/spec_decode/metrics.py, utils/jit_monitor.py |
//! | SGLang | `[2026-11-30 20:01:02 TP0] Decode batch, …, accept len: 2.31, accept rate: 0.66, …` | SGLang 0.5.23: srt/utils/common.py, srt/managers/scheduler.py and scheduler_components/metrics_reporter.py |
//! | ATOM | `[atom 20:01:02] [MTP Stats Interval] Average toks/fwd: 2.10, …, Acceptance rate: 55.00%` | atom/utils/__init__.py, atom/model_engine/scheduler.py, engine_core.py (August 2026) |
//! | aiter | `[aiter] shape is M:32, N:4096, K:7168 …, not found tuned config in …` | aiter/tuned_gemm.py, ops/gemm_op_a8w8.py, jit/core.py (August 2026) |
//!
//! A log may be of any size, and its text anybody's: a line is looked at up to [`LINE`] characters, each kind of thing is kept
//! up to a bound, colours and controls are taken out, and so is what may be a secret. Lines of aiter tell no time; they have
//! that of the last line before them that does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use super::clock::Stamp;
use crate::model::secrets;
use crate::model::{Fact, FactKind};

/// Characters of a line that are looked at.
pub const LINE: usize = 4096;
/// Things of a kind that are kept.
const KEPT: usize = 4_096;
/// Characters of a text that is kept.
const TEXT: usize = 200;

/// What a log told.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Log {
    pub(super) lines: u64,
    pub(super) unknown: u64,
    pub(super) cut: bool,
    /// Shapes in no tuned table, by M, N and K and the table, and how often that was said.
    pub(super) untuned: BTreeMap<([u32; 3], Option<String>), u64>,
    pub(super) builds: Vec<Build>,
    pub(super) captured: Vec<u32>,
    pub(super) attention: Vec<String>,
    pub(super) fallbacks: BTreeMap<String, u64>,
    pub(super) warnings: BTreeMap<String, u64>,
    /// Rates and tokens a step, each time that they were logged.
    pub(super) accepted: Vec<(f64, f64)>,
    pub(super) kv_tokens: Option<u64>,
    at: Option<Stamp>,
}

/// Something that was built.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Build {
    pub(super) name: String,
    pub(super) by: &'static str,
    pub(super) begun: Option<Stamp>,
    pub(super) seconds: Option<f64>,
}

/// What a kind of line looks like: a word that it holds, its pattern, and what it means.
struct Kind {
    word: &'static str,
    pattern: Regex,
    take: fn(&mut Log, &Captures<'_>),
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |word: &'static str, pattern: &str, take: fn(&mut Log, &Captures<'_>)| {
        let pattern = Regex::new(pattern).expect("the patterns are tested");
        Kind { word, pattern, take }
    };
    vec![
        kind(
            "not found tuned",
            r"M:\s*(\d+), N:\s*(\d+), K:\s*(\d+).*not found tuned\S* config(?: in (\S+?),)?",
            untuned,
        ),
        kind("start build [", r"start build \[([^\]]{1,80})\]", |log, of| log.begins(&of[1], "aiter")),
        kind("finish build [", r"finish build \[([^\]]{1,80})\], cost ([\d.]+)s", |log, of| log.ends(&of[1], &of[2])),
        kind("during inference:", r"(?:compilation|autotuning)\S* during inference: ([\w.<>-]{1,120})", |log, of| {
            log.begins(of[1].trim_end_matches('.'), "triton");
        }),
        kind("backend", r"[Uu]s(?:e|ing) (\w{2,60}) (?:MLA prefill |attention )?backend", attention),
        kind("attention backend", r"Use (\w{2,60}) as default (?:\w+ )?attention backend", attention),
        kind("attention backend for", r"for decode and prefill: (?:decode_backend=)?(\w{2,60})", attention),
        kind("capture", r"capture(?:_sizes|_bs)?\W{0,6}(?:\w{2,4}\W{1,3})?\[(\d[\d, ]*)\]", captured),
        kind("KV cache size:", r"KV cache size: ([\d,]+) tokens", kv_tokens),
        kind("max_total_num_tokens=", r"max_total_num_tokens=([\d,]+)", kv_tokens),
        kind("acceptance length", r"Mean acceptance length: ([\d.]+).*acceptance rate: ([\d.]+)%", |log, of| {
            log.accepts(&of[1], &of[2], 100.0);
        }),
        kind("accept len:", r"accept len: ([\d.]+), accept rate: ([\d.]+)", |log, of| log.accepts(&of[1], &of[2], 1.0)),
        kind(
            "toks/fwd:",
            r"MTP Stats Interval\S* Average toks/fwd: ([\d.]+).*Acceptance rate: ([\d.]+)%",
            |log, of| {
                log.accepts(&of[1], &of[2], 100.0);
            },
        ),
    ]
});

fn untuned(log: &mut Log, of: &Captures<'_>) {
    let number = |at: usize| of[at].parse::<u32>().ok();
    let (Some(m), Some(n), Some(k)) = (number(1), number(2), number(3)) else { return };
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().trim_end_matches([',', '!']).to_owned();
    let table = of.get(4).map(|path| file(path.as_str())).filter(|name| name.ends_with(".csv"));
    let known = log.untuned.len() < KEPT;
    let key = ([m, n, k], table.map(|name| secrets::prose(&name)));
    if known || log.untuned.contains_key(&key) {
        *log.untuned.entry(key).or_default() += 1;
    }
}

fn attention(log: &mut Log, of: &Captures<'_>) {
    let name = of[1].to_owned();
    if log.attention.len() < 16 && !log.attention.contains(&name) && !secrets::is_like_a_key(&name) {
        log.attention.push(name);
    }
}

fn captured(log: &mut Log, of: &Captures<'_>) {
    let sizes = of[1].split(',').filter_map(|size| size.trim().parse::<u32>().ok()).take(KEPT);
    log.captured.extend(sizes);
    log.captured.sort_unstable();
    log.captured.dedup();
    log.captured.truncate(KEPT);
}

fn kv_tokens(log: &mut Log, of: &Captures<'_>) {
    log.kv_tokens = of[1].replace(',', "").parse().ok().or(log.kv_tokens);
}

static STAMPS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^[^\d\]]{0,60}(?:pid=\d+\) \w+ )?(?:\w+ )?(?:(?:\d{4}-)?(\d\d)-(\d\d) )?(\d\d):(\d\d):(\d\d)";
    Regex::new(pattern).expect("the pattern is tested")
});

impl Log {
    /// Takes a line.
    pub fn line(&mut self, line: &str) {
        self.lines += 1;
        let line = plain(line);
        if let Some(of) = STAMPS.captures(&line) {
            let number = |at: usize| of.get(at).and_then(|text| text.as_str().parse::<u32>().ok());
            let date = number(1).zip(number(2));
            if let (Some(hour), Some(minute), Some(second)) = (number(3), number(4), number(5)) {
                self.at = Stamp::new(date, hour, minute, second).or(self.at);
            }
        }
        let mut is_known = false;
        for kind in KINDS.iter().filter(|kind| line.contains(kind.word)) {
            if let Some(of) = kind.pattern.captures(&line) {
                (kind.take)(self, &of);
                is_known = true;
            }
        }
        let lower = line.to_ascii_lowercase();
        if ["falling back", "fall back", "fallback", "falls back"].iter().any(|word| lower.contains(word)) {
            note(&mut self.fallbacks, &line);
            is_known = true;
        } else if [" WARNING ", " ERROR ", "] WARNING", "] ERROR"].iter().any(|level| line.contains(level)) {
            note(&mut self.warnings, &line);
            is_known = true;
        }
        self.unknown += u64::from(!is_known);
    }

    /// Notes that the log is longer than what was read.
    pub fn is_cut(&mut self) {
        self.cut = true;
    }

    fn begins(&mut self, name: &str, by: &'static str) {
        if self.builds.len() < KEPT {
            let name = secrets::prose(name);
            self.builds.push(Build { name, by, begun: self.at, seconds: None });
        }
    }

    fn ends(&mut self, name: &str, seconds: &str) {
        let seconds = seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite());
        match self.builds.iter_mut().rev().find(|build| build.name == name && build.seconds.is_none()) {
            Some(build) => build.seconds = seconds,
            None => {
                self.begins(name, "aiter");
                if let Some(build) = self.builds.last_mut() {
                    build.seconds = seconds;
                }
            }
        }
    }

    fn accepts(&mut self, tokens: &str, rate: &str, of: f64) {
        if let (Ok(tokens), Ok(rate)) = (tokens.parse::<f64>(), rate.parse::<f64>())
            && self.accepted.len() < KEPT
        {
            self.accepted.push((rate / of, tokens));
        }
    }

    /// What of it a comparison sets side by side.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut fact = |name: String, value: String| facts.push(Fact { kind: FactKind::Logged, name, value });
        for ([m, n, k], table) in self.untuned.keys() {
            let table = table.as_deref().unwrap_or("a table");
            fact(format!("M={m} N={n} K={k}"), format!("not in {table}"));
        }
        for backend in &self.attention {
            fact("attention backend".to_owned(), backend.clone());
        }
        if !self.captured.is_empty() {
            let sizes: Vec<String> = self.captured.iter().map(u32::to_string).collect();
            fact("graph sizes".to_owned(), sizes.join(" "));
        }
        if let Some(tokens) = self.kv_tokens {
            fact("KV cache tokens".to_owned(), tokens.to_string());
        }
        for text in self.fallbacks.keys().take(20) {
            fact("fallback".to_owned(), text.clone());
        }
        if !self.builds.is_empty() {
            fact("kernels built".to_owned(), self.builds.len().to_string());
        }
        facts
    }
}

/// A line without colours and controls, as far as it is looked at.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(LINE));
    let mut chars = line.chars().take(LINE);
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A colour: up to its letter.
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if !c.is_control() {
            out.push(c);
        }
    }
    out
}

/// Counts a text; texts that differ in numbers only are one.
fn note(texts: &mut BTreeMap<String, u64>, line: &str) {
    // What stands before the message: process, level, time, file.
    let message = line.rfind("] ").filter(|at| *at < 160).map_or(line, |at| &line[at + 2..]);
    let text: String = secrets::prose(message).chars().take(TEXT).collect();
    let mut numbered = String::new();
    for c in text.chars() {
        match (c.is_ascii_digit(), numbered.ends_with('N')) {
            (true, true) => {}
            (true, false) => numbered.push('N'),
            (false, _) => numbered.push(c),
        }
    }
    if texts.len() < KEPT || texts.contains_key(&numbered) {
        *texts.entry(numbered).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Log {
        let mut log = Log::default();
        text.lines().for_each(|line| log.line(line));
        log
    }

    #[test]
    fn lines_of_each_engine_are_understood() {
        let log = of(
            "(EngineCore pid=7) INFO 11-30 20:01:02 [rocm.py:904] Using ROCM_AITER_FA backend out of potential backends: ['X'].\n\
             (EngineCore pid=7) INFO 11-30 20:01:03 [kv_cache_utils.py:1147] GPU KV cache size: 1,234,560 tokens, Maximum concurrency for 8,192 tokens per request: 150.70x\n\
             (APIServer pid=1) INFO 11-30 20:01:09 [metrics.py:120] SpecDecoding metrics: Mean acceptance length: 2.50, Accepted throughput: 1.00 tokens/s, Per-position acceptance rate: 0.8, Avg Draft acceptance rate: 75.0%\n\
             (EngineCore pid=7) WARNING 11-30 20:02:00 [jit_monitor.py:140] Triton kernel JIT compilation during inference: _fwd_kernel. This causes a latency spike\n\
             [2026-11-30 20:01:02 TP0] Decode batch, #running-req: 32, accept len: 2.30, accept rate: 0.65, cuda graph: True\n\
             [2026-11-30 20:01:02 TP0] max_total_num_tokens=99000, chunked_prefill_size=8192\n\
             [atom 20:01:02] EngineCore: cudagraph capture[1, 2, 4, 8] cost: 4.10 seconds, pool: 1.00GB\n\
             [atom 20:01:05] [MTP Stats Interval] Average toks/fwd: 2.10, Accepted/Total Draft tokens: 55/100, Acceptance rate: 55.00%, Accepted\n\
             [aiter] shape is M:32, N:4096, K:7168 dtype=torch.bfloat16 bias=False, not found tuned config in /a/bf16_tuned_gemm.csv, will use default config!\n\
             [aiter] shape is M:32, N:4096, K:7168, not found tuned config in /a/bf16_tuned_gemm.csv, will use default config!\n\
             [aiter] [pid=9 pname=MainProcess] start build [module_gemm] under /x/y\n\
             [aiter] [pid=9 pname=MainProcess] \u{1b}[32mfinish build [module_gemm], cost 31.5s \u{1b}[0m\n\
             [aiter] [FlyDSL] not available, will fall back to CK/CKTile\n\
             something else\n",
        );
        assert_eq!((log.lines, log.unknown), (14, 1));
        assert_eq!(log.attention, ["ROCM_AITER_FA"]);
        assert_eq!(log.kv_tokens, Some(99_000));
        assert_eq!(log.accepted, [(0.75, 2.5), (0.65, 2.3), (0.55, 2.1)]);
        assert_eq!(log.captured, [1, 2, 4, 8]);
        let untuned: Vec<_> = log.untuned.iter().collect();
        assert_eq!(untuned, [(&([32, 4096, 7168], Some("bf16_tuned_gemm.csv".to_owned())), &2)]);
        let builds: Vec<_> = log.builds.iter().map(|build| (&*build.name, build.by, build.seconds)).collect();
        assert_eq!(builds, [("_fwd_kernel", "triton", None), ("module_gemm", "aiter", Some(31.5))]);
        assert_eq!(log.builds[0].begun, Stamp::new(Some((11, 30)), 20, 2, 0));
        assert_eq!(log.fallbacks.keys().collect::<Vec<_>>(), ["not available, will fall back to CK/CKTile"]);
    }

    #[test]
    fn hostile_text_is_bounded_and_secrets_are_taken_out() {
        let long = format!("[x] WARNING {}", "a".repeat(1 << 20));
        let log = of(&format!("{long}\n] WARNING api_key=swordfish \u{1b}[31mred\u{202e}\u{7}\n"));
        assert!(
            log.warnings.keys().all(|text| text.len() <= TEXT && !text.contains("swordfish")),
            "{:?}",
            log.warnings
        );
        assert!(log.warnings.keys().all(|text| !text.contains(['\u{1b}', '\u{7}'])));
        let mut many = Log::default();
        (0..10_000).for_each(|at| many.line(&format!("M:{at}, N:1, K:1, not found tuned config in x.csv,")));
        assert_eq!((many.untuned.len(), many.lines), (KEPT, 10_000));
    }
}
