//! The command line as typed.
//!
//! Nothing here is looked up or opened: that is for the verbs. Every option has a twin `PROFILE_DECODE_*` variable,
//! spelled as the tracer in the server spells it where both have the option.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgMatches, Args as Group, ValueEnum};

use super::reading::ReadArgs;

use super::rules::RulesArgs;

/// Said at the end of every help.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   good
  1   a regression or a gate that failed
  2   the command line makes no sense
  3   not comparable, incomplete, or without the steps asked for (--marker, --warmup)
  65  an input cannot be read: unknown format, broken, or without GPU work
  66  an input is missing or may not be opened
  69  a tool, a library or a GPU is not there
  70  an error of profile-decode's own
  73  an output cannot be written
With --format json a failure is an object {\"error\": {kind, message, path, offset, hint}} on stdout.";

const REPORT_EXAMPLES: &str = "\
Examples:
  profile-decode report profile-decode-4711
  profile-decode report trace.json.gz
  ssh node cat trace.json.gz | profile-decode report -
  profile-decode report rank0.json.gz rank1.json.gz --format json
  profile-decode report profile-decode-4711 --format html -o report.html
  profile-decode report run_results.db --marker 'my_step bs=(?<bs>\\d+)' --warmup 5 --steps 50 -o report.md
  profile-decode report run_results.db --list-markers
  profile-decode report nightly-run --min-complete 99% --format json -o report.json
  profile-decode report decode.json.gz --capture-trace capture_traces/
  profile-decode report trace.json.gz --model-config Qwen3-30B-A3B/config.json --tp 1 --context 4096

Inputs are told apart by their content: run directories and captures of profile-decode, Kineto/PyTorch JSON, rocprofv3
CSV, JSON and rocpd, RPD and rocm-trace-lite databases; plain or gzip. Several inputs are the ranks of one run.";

/// Report where the time goes in a trace.
#[derive(Group, Debug)]
#[command(after_help = REPORT_EXAMPLES, after_long_help = format!("{REPORT_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct ReportArgs {
    /// Trace files, or directories of one run's files; `-` alone: a trace on stdin, of any format.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    /// How to write the report.
    #[arg(long, value_enum, default_value_t, env = "PROFILE_DECODE_FORMAT")]
    pub(super) format: ReportFormat,

    /// Write to FILE instead of stdout (`-`). A regular file that is there is replaced as a whole once the report is
    /// complete; anything else (a link, a device, a directory) is refused.
    #[arg(short, long, value_name = "FILE", env = "PROFILE_DECODE_REPORT")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) read: ReadArgs,

    #[command(flatten)]
    pub(super) steps: StepArgs,

    /// Make all tables of the whole trace, even if it has decode steps.
    #[arg(long, env = "PROFILE_DECODE_WHOLE_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) whole_trace: bool,

    /// List the marker ranges of the trace instead of making a report: how often each occurs, on which threads, for how long,
    /// and whether it is a step by the known labels or by --marker.
    #[arg(long)]
    pub(super) list_markers: bool,

    /// Fail, with exit code 3, if less than SHARE (`99%` or `0.99`) of the decode steps are known to be complete: compared
    /// with steps like them, on every rank, and nothing missing. The report is made all the same; as JSON it then has an
    /// `error` beside its other keys.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, conflicts_with = "whole_trace",
          env = "PROFILE_DECODE_MIN_COMPLETE")]
    pub(super) min_complete: Option<f64>,

    /// Fail, with exit code 3, if more than SHARE (`5%` or `0.05`) of the GPU time is in kernels whose purpose no rule knows.
    /// The report is made all the same, as with --min-complete; `classify --suggest` begins rules for such names.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, env = "PROFILE_DECODE_MAX_UNKNOWN")]
    pub(super) max_unknown: Option<f64>,

    #[command(flatten)]
    pub(super) model: ModelArgs,

    /// Directory of aiter's tuned tables (aiter/configs, or /tmp/aiter_configs where aiter merged them): compares GEMM and
    /// expert kernels with the times in them.
    #[arg(long, value_name = "DIR", env = "PROFILE_DECODE_AITER_CONFIGS")]
    pub(super) aiter_configs: Option<PathBuf>,

    /// The engine's log (vLLM, SGLang, ATOM): shapes in no tuned table, kernels built in the window, backends, fallbacks.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_SERVER_LOG")]
    pub(super) server_log: Option<PathBuf>,

    /// Result of a benchmark (`vllm bench serve`, `sglang.bench_serving`, GenAI-Perf): which part of its ITL is the GPU's.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_BENCH")]
    pub(super) bench: Option<PathBuf>,

    #[command(flatten)]
    pub(super) rules: RulesArgs,
}

/// The model that was served.
#[derive(Group, Debug)]
#[command(next_help_heading = "Decode floor")]
pub(super) struct ModelArgs {
    /// The model's config.json: compares each step with the time that reading its weights and KV cache takes.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_MODEL_CONFIG")]
    pub(super) model_config: Option<PathBuf>,

    /// Ranks that share the weights [default: the ranks of the trace].
    #[arg(long, value_name = "N", requires = "model_config", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) tp: Option<u32>,

    /// Requests in a step [default: as the steps tell].
    #[arg(long, value_name = "N", requires = "model_config", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) batch: Option<u32>,

    /// Tokens in the KV cache of a request [default: the KV cache is left out].
    #[arg(long, value_name = "TOKENS", requires = "model_config")]
    pub(super) context: Option<u32>,

    /// What the KV cache holds [default: as the configuration tells, else 16 bits].
    #[arg(long, value_enum, requires = "model_config")]
    pub(super) kv_cache_dtype: Option<KvCacheDtype>,

    /// The GPU, such as MI300X [default: as the trace tells].
    #[arg(long, value_name = "NAME", requires = "model_config")]
    pub(super) gpu: Option<String>,
}

/// What an element of the KV cache is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KvCacheDtype {
    /// 16 bits.
    Bf16,
    /// 8 bits.
    Fp8,
}

/// Which steps count.
#[derive(Group, Debug)]
pub(super) struct StepArgs {
    /// Decode steps to report on, after warm-up [default: all; 100 where they are traced].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "PROFILE_DECODE_STEPS")]
    pub(super) steps: Option<u32>,

    /// Decode steps to leave out at the start [default: found by itself; 10 where they are traced].
    #[arg(long, value_name = "N", env = "PROFILE_DECODE_WARMUP")]
    pub(super) warmup: Option<u32>,

    /// Regular expression for the markers of steps, instead of the known engines' labels.
    #[arg(long, value_name = "REGEX", env = "PROFILE_DECODE_MARKER")]
    pub(super) marker: Option<String>,
}

/// How to write a report.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum ReportFormat {
    /// For people: reads well in a terminal and on GitHub.
    #[default]
    Markdown,
    /// For people: one file with charts, for a browser.
    Html,
    /// For programs: see the schema it names.
    Json,
}

const RUN_EXAMPLES: &str = "\
Examples:
  profile-decode run vllm serve Qwen/Qwen3-30B-A3B
  profile-decode run --steps 200 --warmup 50 -o run-a -- python serve.py
  profile-decode run --modules vllm serve openai/gpt-oss-120b
  profile-decode run --marker 'my_step' --quiet -- python -m sglang.launch_server --model-path Qwen/Qwen3-8B

Every process of COMMAND that launches kernels is traced. COMMAND's exit code is passed on: 128 + N where signal N ended
it, 127 where it is not there, 126 where it cannot be executed. The report is printed after it has ended, on stdout.";

/// Run a command with the tracer inside, and print the report when it has ended.
#[derive(Group, Debug)]
#[command(after_help = RUN_EXAMPLES, after_long_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) trace: TraceArgs,

    /// Have Python tell, while graphs are captured, which modules and operators launch: replayed kernels get their module,
    /// layer and shapes. Brings a hook in by PYTHONPATH, which does nothing without torch.
    #[arg(long, env = "PROFILE_DECODE_MODULES", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) modules: bool,

    /// The command and its arguments: all that follows the first word that is no option, with or without `--` before it.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  profile-decode demo
  profile-decode demo --model moe --arch gfx950 --tp 4
  profile-decode demo --steps 40 --format json -- --mode eager --straggler 2=1.2

What follows `--` goes to the simulated server; `demo -- --help` tells what it takes.";

/// Trace a simulated decode server, without a GPU, and print its report.
#[derive(Group, Debug)]
#[command(after_help = DEMO_EXAMPLES, after_long_help = format!("{DEMO_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct DemoArgs {
    /// The model: dense or moe.
    #[arg(long, default_value = "moe", env = "PROFILE_DECODE_DEMO_MODEL")]
    pub(super) model: String,

    /// The GPU: gfx942 (MI300X) or gfx950 (MI355X).
    #[arg(long, value_name = "GFX", default_value = "gfx942", env = "PROFILE_DECODE_DEMO_ARCH")]
    pub(super) arch: String,

    /// How many GPUs share the model.
    #[arg(long, value_name = "N", default_value_t = 1, env = "PROFILE_DECODE_DEMO_TP",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) tp: u32,

    #[command(flatten)]
    pub(super) trace: TraceArgs,

    /// Arguments for the server.
    #[arg(last = true, value_name = "SERVER_ARGS")]
    pub(super) server: Vec<OsString>,
}

/// How to trace.
#[derive(Group, Debug)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    pub(super) steps: StepArgs,

    #[command(flatten)]
    pub(super) rules: RulesArgs,

    /// Run directory; %h host, %p process, %g process group, %t time. One that is there already is never written to: a
    /// number is added to the name [default: profile-decode-%g].
    #[arg(short, long, value_name = "DIR", env = "PROFILE_DECODE_OUTPUT")]
    pub(super) output: Option<String>,

    /// Close the window after so many seconds, whatever was recorded [default: never].
    #[arg(long, value_name = "SECONDS", env = "PROFILE_DECODE_TIMEOUT")]
    pub(super) timeout: Option<u32>,

    /// How to print the report.
    #[arg(long, value_enum, default_value_t, env = "PROFILE_DECODE_FORMAT")]
    pub(super) format: ReportFormat,

    /// Print neither the report nor what goes on; both are in the run directory.
    #[arg(short, long, env = "PROFILE_DECODE_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) quiet: bool,

    /// The tracer [default: libprofile_decode.so near this program].
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_LIBRARY")]
    pub(super) library: Option<PathBuf>,
}

const CLASSIFY_EXAMPLES: &str = "\
Examples:
  profile-decode classify Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT16x16x512_MI16x16x1
  profile-decode classify --explain ncclDevKernel_Generic_1
  cut -f1 names.tsv | profile-decode classify --format table --arch gfx950

Names are taken from stdin, one a line, where none are given.";

/// Tell what kernels are by their names: category, backend, data type, and the rule that decided.
#[derive(Group, Debug)]
#[command(after_help = CLASSIFY_EXAMPLES, after_long_help = format!("{CLASSIFY_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct ClassifyArgs {
    /// Kernel names; none: read from stdin, one a line. A line that begins with `{` is JSON: the `name` and what else is known
    /// of the kernel, `source` (a path as in an installation or a repository), `code_object` (its URI), `arch`, `language`.
    #[arg(value_name = "NAME", conflicts_with = "list_rules")]
    pub(super) names: Vec<String>,

    /// How to write the verdicts [default: table on a terminal, json otherwise].
    #[arg(long, value_enum, env = "PROFILE_DECODE_CLASSIFY_FORMAT")]
    pub(super) format: Option<ClassifyFormat>,

    /// Architecture that the names were seen on.
    #[arg(long, value_name = "GFX", env = "PROFILE_DECODE_ARCH")]
    pub(super) arch: Option<String>,

    /// Say in words why.
    #[arg(long, conflicts_with = "format")]
    pub(super) explain: bool,

    /// Of the names that no rule knows, write the skeleton of a table of rules for --rules: fill in what they are.
    #[arg(long, conflicts_with_all = ["format", "explain", "list_rules"])]
    pub(super) suggest: bool,

    /// List the rules in the order in which they are tried.
    #[arg(long)]
    pub(super) list_rules: bool,

    #[command(flatten)]
    pub(super) rules: RulesArgs,
}

/// How to write verdicts.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClassifyFormat {
    /// One object a line.
    Json,
    /// Aligned columns.
    Table,
}

/// How to write a status.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum StatusFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `5%` or `0.05`.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(share) if share.is_finite() && (0.0..=unit).contains(&share) => Ok(share / unit),
        Ok(_) if unit == 1.0 => Err(format!("{text} is no share between 0 and 1; for per cent write {text}%")),
        _ => Err(format!("\"{text}\" is no share: write it like 5% or 0.05")),
    }
}

/// Whether the failure of a command line that makes sense is to be told as JSON.
pub(super) fn is_json(matches: &ArgMatches) -> bool {
    let told = matches.subcommand().and_then(|(_, verb)| verb.try_get_raw("format").ok().flatten());
    told.and_then(|mut words| words.next()).is_some_and(|word| word == "json")
}

/// The same for one that makes none: looked for in the words.
pub(super) fn wants_json(argv: &[OsString]) -> bool {
    let words = || argv.iter().take_while(|word| *word != "--");
    let next_is_json = words().zip(words().skip(1)).any(|(word, next)| word == "--format" && next == "json");
    let told = words().any(|word| word == "--format" || word.as_encoded_bytes().starts_with(b"--format="));
    let by_variable = || std::env::var_os("PROFILE_DECODE_FORMAT").is_some_and(|format| format == OsStr::new("json"));
    next_is_json || words().any(|word| word == "--format=json") || (!told && by_variable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_before_the_double_dash_only() {
        let asked = |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asked("profile-decode report x --format json"));
        assert!(asked("profile-decode report --format=json"));
        assert!(!asked("profile-decode report --format markdown json"));
        assert!(!asked("profile-decode run -- tool --format json"));
    }
}
