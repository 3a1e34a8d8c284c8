//! Transcripts of the printing tool, reduced to what two runs have in common.

use std::collections::BTreeMap;

/// What the tool printed in one run.
pub(crate) struct Transcript {
    /// As printed.
    pub(crate) text: String,
    /// The lines of each thread but the signal thread, sorted by what they say: processes may come in any order.
    threads: Vec<Vec<String>>,
    /// Completions, sorted.
    completions: Vec<String>,
    /// Names of kernel symbols, sorted.
    symbols: Vec<String>,
    /// How often the SDK swapped the timestamps of a dispatch, and said so.
    swaps: usize,
}

impl Transcript {
    /// Reads what the tool printed.
    pub(crate) fn parse(text: &str) -> Self {
        let mut threads: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let (mut completions, mut symbols) = (Vec::new(), Vec::new());
        for (thread, line) in text.lines().filter_map(tool_line) {
            if line.starts_with("dispatch complete") || line.starts_with("  record") {
                completions.push(reduce(line));
            } else if let Some(symbol) = line.strip_prefix("symbol id ") {
                symbols.push(symbol.split_once(' ').map_or("", |(_, name)| name).to_owned());
            } else if !is_set_aside(line) {
                threads.entry(thread.to_owned()).or_default().push(reduce(line));
            }
        }
        completions.sort();
        symbols.sort();
        let mut threads: Vec<_> = threads.into_values().collect();
        threads.sort();
        let swaps = text.lines().filter(|line| line.contains("Swapping the values")).count();
        Self { text: text.to_owned(), threads, completions, symbols, swaps }
    }

    /// The first difference of another run to this one, in words. With `may_lose`, completions may be missing on both sides.
    pub(crate) fn difference(&self, other: &Self, may_lose: bool) -> Option<String> {
        if self.threads.len() != other.threads.len() {
            return Some(format!("{} threads, but {} in the simulator", self.threads.len(), other.threads.len()));
        }
        for (real, played) in self.threads.iter().zip(&other.threads) {
            for index in 0..real.len().max(played.len()) {
                let (real, played) = (real.get(index), played.get(index));
                if real != played {
                    return Some(format!("line {index} of a thread:\n  real      {real:?}\n  simulator {played:?}"));
                }
            }
        }
        let is_lossy = |few: &[String], all: &[String]| few.iter().all(|line| all.contains(line));
        let equal = self.completions == other.completions
            || (may_lose
                && (is_lossy(&self.completions, &other.completions)
                    || is_lossy(&other.completions, &self.completions)));
        if !equal {
            return Some(format!("completions:\n  real {:#?}\n  simulator {:#?}", self.completions, other.completions));
        }
        // Most transcripts leave the symbols out.
        if !self.symbols.is_empty() && self.symbols != other.symbols {
            return Some(format!("symbols:\n  real {:#?}\n  simulator {:#?}", self.symbols, other.symbols));
        }
        (self.swaps != other.swaps).then(|| format!("{} swaps, but {} in the simulator", self.swaps, other.swaps))
    }
}

/// The thread and the message of a line of the tool's, unless it is of the shell that started the program.
fn tool_line(line: &str) -> Option<(&str, &str)> {
    let (head, message) = line.strip_prefix("[tool ")?.split_once("] ")?;
    let (thread, program) = head.split_once(' ')?;
    (program != "sh").then_some((thread, message))
}

/// What is not compared: when the tool was constructed relative to the SDK, unloads of symbols, repeated lookups (both left
/// out of most transcripts), counts of what the tool did not trace.
fn is_set_aside(line: &str) -> bool {
    line.starts_with("constructor")
        || line.starts_with("symbol unload")
        || line.starts_with("hip hipModuleGetFunction")
        || line.starts_with("tool_fini: totals before flush")
}

/// A line without process, kernel and agent ids, addresses and points in time.
fn reduce(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut all = line.split(' ').peekable();
    // How long the runtime's own kernels run is not the program's choice.
    let is_runtimes = line.contains("__amd_rocclr_");
    while let Some(word) = all.next() {
        words.push(word);
        let is_dispatch = line.starts_with("dispatch") || line.starts_with("  record");
        let drop_next = match word {
            "thread" | "agent" | "kernel" | "start" | "end" => is_dispatch,
            "dur" => is_runtimes,
            "id" => line.starts_with("agent"),
            "uri" | "destructor" | "constructor" => true,
            _ => false,
        };
        if drop_next {
            all.next();
        }
    }
    words.join(" ")
}
