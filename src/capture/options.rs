//! What the user asked of the tracer: the one place that reads the environment.
//!
//! Every option is a `PROFILE_DECODE_*` variable; those of a single run have a flag in `profile-decode run` as well. A value
//! that makes no sense is replaced by the default and said in the report: a server must not fail to start because of a
//! typo in a profiler's option.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use super::gate::{INTERPOSITION, Manner};

/// Names of the variables.
pub mod env {
    /// `0` makes the tracer decline.
    pub const ENABLED: &str = "PROFILE_DECODE_ENABLED";
    /// Decode steps to record.
    pub const STEPS: &str = "PROFILE_DECODE_STEPS";
    /// Decode steps to let pass before.
    pub const WARMUP: &str = "PROFILE_DECODE_WARMUP";
    /// Regular expression for step markers, instead of the known frameworks' labels.
    pub const MARKER: &str = "PROFILE_DECODE_MARKER";
    /// Run directory; `%h` host, `%p` process, `%g` process group, `%r` rank, `%t` time.
    pub const OUTPUT: &str = "PROFILE_DECODE_OUTPUT";
    /// Names the run that this process belongs to, so that its ranks share a run directory.
    pub const RUN_ID: &str = "PROFILE_DECODE_RUN_ID";
    /// Seconds after which an open window closes whatever was recorded; 0: never.
    pub const TIMEOUT: &str = "PROFILE_DECODE_TIMEOUT";
    /// File with the user's classification rules.
    pub const RULES: &str = "PROFILE_DECODE_RULES";
    /// Most dispatches that a window records.
    pub const MAX_RECORDS: &str = "PROFILE_DECODE_MAX_RECORDS";
    /// Most nodes of captured graphs that are kept.
    pub const GRAPH_NODES: &str = "PROFILE_DECODE_GRAPH_NODES";
    /// Most captured graphs that are kept.
    pub const GRAPHS: &str = "PROFILE_DECODE_GRAPHS";
    /// Capacity of the channel between the callbacks and the aggregator, in records.
    pub const CHANNEL: &str = "PROFILE_DECODE_CHANNEL";
    /// Bytes of code objects that are copied to learn where kernels came from, in MiB; 0: none.
    pub const CODE_OBJECTS: &str = "PROFILE_DECODE_CODE_OBJECTS";
    /// `1` silences the tracer's lines on stderr.
    pub const QUIET: &str = "PROFILE_DECODE_QUIET";
    /// `start`: the first window is awaited from the start; `trigger`: only when it is ordered.
    pub const ARM: &str = "PROFILE_DECODE_ARM";
    /// `USR1` or `USR2`: that signal orders a window, if the server has no handler for it.
    pub const SIGNAL: &str = "PROFILE_DECODE_SIGNAL";
    /// `keep` or `switch`: whether the SDK's context for dispatches is on all the time, or for each window alone; as is safe
    /// with the SDK if it is not set.
    pub const CONTEXT: &str = "PROFILE_DECODE_CONTEXT";
    /// Who makes the report: the program beside the library (`helper`), the server itself (`inline`), or nobody (`none`).
    pub const REPORT_BY: &str = "PROFILE_DECODE_REPORT_BY";
    /// `1`: the hook in Python, where it is on the path, tells of modules and operators while graphs are captured.
    pub const MODULES: &str = "PROFILE_DECODE_MODULES";
    /// `0`: nothing is looked at around the process: packages, tables, variables, GPUs.
    pub const SURROUNDINGS: &str = "PROFILE_DECODE_SURROUNDINGS";
    /// The root of all paths that are looked at around the process.
    pub const ROOT: &str = "PROFILE_DECODE_ROOT";
    /// What the library shall leave alone, parted by commas. Functions that it stands before: `exit` (`_exit`, `_Exit`),
    /// `kill` (`kill`, `raise`), `roctx`. Services of the SDK's: `copies`, `launches`, `graphs`.
    pub const WITHOUT: &str = "PROFILE_DECODE_WITHOUT";
    /// Makes the tracer fail on purpose, for tests: `panic:dispatch`, `panic:marker`, `panic:symbol`, `panic:graph`,
    /// `panic:aggregator`.
    pub const FAULT: &str = "PROFILE_DECODE_FAULT";
}

/// Where the tracer fails on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// In the dispatch callback.
    Dispatch,
    /// In the marker callback.
    Marker,
    /// In the code object callback.
    Symbol,
    /// In the callbacks for captures of graphs.
    Graph,
    /// On the aggregator's thread.
    Aggregator,
}

/// Groups of functions that the library stands before, and does nothing in where one is left out; and services of the SDK
/// that it does without.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Without {
    /// `_exit` and `_Exit`: a process that ends so loses what was not on disk yet.
    pub exit: bool,
    /// `kill` and `raise`: the same for one that ends itself by a signal.
    pub kill: bool,
    /// roctx: the ranges of `libroctx64` are not heard.
    pub roctx: bool,
    /// Memory copies: the time that they take on a GPU is idle time of unknown cause.
    pub copies: bool,
    /// Launch calls but those of graphs: what a GPU waited for before a kernel is not known.
    pub launches: bool,
    /// Captures of graphs: what a replay did is told by the names of its kernels alone.
    pub graphs: bool,
}

impl Without {
    /// Reads a list parted by commas; what is none of the groups is a problem.
    fn read(list: &str, problems: &mut Vec<String>) -> Self {
        let mut without = Self::default();
        for group in list.split(',').map(str::trim).filter(|group| !group.is_empty()) {
            match group {
                "exit" => without.exit = true,
                "kill" => without.kill = true,
                "roctx" => without.roctx = true,
                "copies" => without.copies = true,
                "launches" => without.launches = true,
                "graphs" => without.graphs = true,
                _ => {
                    let all = "exit, kill, roctx, copies, launches, graphs";
                    problems.push(format!("{}={group} is none of {all}; it is ignored", env::WITHOUT));
                }
            }
        }
        without
    }
}

/// Who makes the report of a window.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ReportBy {
    /// The program beside the library, in a process of its own.
    #[default]
    Helper,
    /// The server.
    Inline,
    /// Nobody: the captures are all.
    None,
}

/// What the user asked for, as resolved.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// See [`env::ENABLED`].
    pub enabled: bool,
    /// See [`env::STEPS`]; default 100.
    pub steps: u32,
    /// See [`env::WARMUP`]; default 10.
    pub warmup: u32,
    /// See [`env::MARKER`].
    pub marker: Option<String>,
    /// See [`env::OUTPUT`]; default `profile-decode-%g`.
    pub output: String,
    /// See [`env::RUN_ID`].
    pub run_id: Option<String>,
    /// See [`env::TIMEOUT`]; default none.
    pub timeout: Option<Duration>,
    /// See [`env::RULES`].
    pub rules: Option<PathBuf>,
    /// See [`env::MAX_RECORDS`]; default 20 million, which is 1.3 GB of capture file.
    pub max_records: u64,
    /// See [`env::GRAPH_NODES`]; default a million, which is 48 MB.
    pub graph_nodes: usize,
    /// See [`env::GRAPHS`]; default 50,000.
    pub graphs: usize,
    /// See [`env::CHANNEL`]; default 131,072, which is 9 MiB: 40 ms at three million dispatches a second.
    pub channel: usize,
    /// See [`env::CODE_OBJECTS`], in bytes; default 256 MiB.
    pub code_objects: u64,
    /// See [`env::QUIET`].
    pub quiet: bool,
    /// See [`env::ARM`]: whether the first window is awaited from the start.
    pub armed: bool,
    /// See [`env::SIGNAL`].
    pub signal: Option<i32>,
    /// See [`env::CONTEXT`].
    pub context: Option<Manner>,
    /// See [`env::REPORT_BY`]; default the helper.
    pub report_by: ReportBy,
    /// See [`env::SURROUNDINGS`].
    pub surroundings: bool,
    /// See [`env::ROOT`].
    pub root: PathBuf,
    /// See [`env::WITHOUT`]; default nothing.
    pub without: Without,
    /// See [`env::FAULT`].
    pub fault: Option<Fault>,
    /// Values that made no sense, a sentence each.
    pub problems: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enabled: true,
            steps: 100,
            warmup: 10,
            marker: None,
            output: "profile-decode-%g".to_owned(),
            run_id: None,
            timeout: None,
            rules: None,
            max_records: 20_000_000,
            graph_nodes: 1_000_000,
            graphs: 50_000,
            channel: 1 << 17,
            code_objects: 256 << 20,
            quiet: false,
            armed: true,
            signal: None,
            context: None,
            report_by: ReportBy::default(),
            surroundings: true,
            root: PathBuf::from("/"),
            without: Without::default(),
            fault: None,
            problems: Vec::new(),
        }
    }
}

impl Options {
    /// Reads the options from variables as `get` gives them.
    pub fn from_env(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut options = Self::default();
        let mut problems = Vec::new();
        let text = |name: &str| get(name).map(|value| value.to_string_lossy().into_owned()).filter(|v| !v.is_empty());
        let mut number = |name: &str, default: u64, least: u64, most: u64| match text(name) {
            None => default,
            Some(value) => match value.parse() {
                Ok(number) if (least..=most).contains(&number) => number,
                _ => {
                    problems.push(format!("{name}={value} is not a number from {least} to {most}; {default} is used"));
                    default
                }
            },
        };
        let most = u64::from(u32::MAX);
        options.steps = number(env::STEPS, options.steps.into(), 1, most) as u32;
        options.warmup = number(env::WARMUP, options.warmup.into(), 0, most) as u32;
        options.max_records = number(env::MAX_RECORDS, options.max_records, 1, u64::MAX);
        options.graph_nodes = number(env::GRAPH_NODES, options.graph_nodes as u64, 0, 1 << 28) as usize;
        options.graphs = number(env::GRAPHS, options.graphs as u64, 0, 1 << 28) as usize;
        options.channel = number(env::CHANNEL, options.channel as u64, 2, 1 << 24) as usize;
        options.code_objects = number(env::CODE_OBJECTS, options.code_objects >> 20, 0, 1 << 20) << 20;
        let timeout = number(env::TIMEOUT, 0, 0, most);
        options.timeout = (timeout > 0).then(|| Duration::from_secs(timeout));
        options.enabled = number(env::ENABLED, 1, 0, 1) == 1;
        options.quiet = number(env::QUIET, 0, 0, 1) == 1;
        options.surroundings = number(env::SURROUNDINGS, 1, 0, 1) == 1;
        options.root = get(env::ROOT).map_or(options.root, PathBuf::from);
        options.marker = text(env::MARKER);
        options.run_id = text(env::RUN_ID);
        options.rules = get(env::RULES).map(PathBuf::from);
        if let Some(output) = text(env::OUTPUT) {
            options.output = output;
        }
        let mut word = |name: &str, words: &[&str]| {
            let value = text(name)?;
            let found = words.iter().position(|word| *word == value);
            if found.is_none() {
                problems.push(format!("{name}={value} is none of {}; it is ignored", words.join(", ")));
            }
            found
        };
        options.armed = word(env::ARM, &["start", "trigger"]) != Some(1);
        options.signal = word(env::SIGNAL, &["USR1", "USR2"]).map(|at| [libc::SIGUSR1, libc::SIGUSR2][at]);
        options.context = word(env::CONTEXT, &["keep", "switch"]).map(|at| [Manner::Keep, Manner::Switch][at]);
        let makers = [ReportBy::Helper, ReportBy::Inline, ReportBy::None];
        options.report_by = word(env::REPORT_BY, &["helper", "inline", "none"]).map_or(makers[0], |at| makers[at]);
        let faults = ["panic:dispatch", "panic:marker", "panic:symbol", "panic:graph", "panic:aggregator"];
        let places = [Fault::Dispatch, Fault::Marker, Fault::Symbol, Fault::Graph, Fault::Aggregator];
        options.fault = word(env::FAULT, &faults).map(|at| places[at]);
        options.without = Without::read(&text(env::WITHOUT).unwrap_or_default(), &mut problems);
        options.problems = problems;
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Options {
        Options::from_env(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        assert_eq!(from(&[]), Options::default());
        assert_eq!(from(&[(env::STEPS, "")]), Options::default());
    }

    #[test]
    fn a_senseless_value_becomes_the_default_and_a_problem() {
        for (name, value) in
            [(env::STEPS, "0"), (env::STEPS, "many"), (env::CHANNEL, "-1"), (env::QUIET, "yes"), (env::ARM, "now")]
        {
            let options = from(&[(name, value)]);
            assert_eq!(options.problems.len(), 1, "{name}={value}");
            assert_eq!(Options { problems: Vec::new(), ..options }, Options::default());
        }
    }

    #[test]
    fn groups_of_functions_are_left_out_by_name() {
        let options = from(&[(env::WITHOUT, "roctx, exit,everything,copies")]);
        assert_eq!(options.without, Without { exit: true, roctx: true, copies: true, ..Without::default() });
        assert_eq!(options.problems.len(), 1, "{:?}", options.problems);
    }

    #[test]
    fn values_are_taken() {
        let options = from(&[(env::STEPS, "7"), (env::WARMUP, "0"), (env::TIMEOUT, "30"), (env::ENABLED, "0")]);
        assert_eq!((options.steps, options.warmup, options.enabled), (7, 0, false));
        assert_eq!(options.timeout, Some(Duration::from_secs(30)));
        assert_eq!(options.problems, Vec::<String>::new());
    }
}
