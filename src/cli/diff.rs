//! `profile-decode diff`: two sides in, what changed out, and an exit code that a CI gate can rest on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::str::FromStr;

use clap::Args as Group;
use serde::Serialize;

use crate::analyze::compare::{self, Side};
use crate::analyze::engine::log::Log;
use crate::classify::{Category, Classifier};
use crate::ingest::Limits;
use crate::model::{Around, Trace};
use crate::output::Comparison;
use crate::output::comparison::{GateOn, Verdict};
use crate::pipeline::{self, Prepared};
use crate::steps::StepOptions;
use crate::{ingest, render};

use super::args::{EXIT_CODES, ReportFormat, StepArgs, parse_share};
use super::failure::{Failure, Kind};
use super::reading::{CaptureArgs, LimitArgs};
use super::rules::RulesArgs;
use super::terminal::{Working, print, status};
use super::{engine, files, input, rules};

const EXAMPLES: &str = "\
Examples:
  profile-decode diff before/ after/
  profile-decode diff base.json.gz new.json.gz --threshold 3% --format json
  profile-decode diff before/ after/ --format html -o diff.html
  profile-decode diff base-1 base-2 base-3 --vs new-1 new-2 new-3
  profile-decode diff good-run --save-baseline baseline.json
  profile-decode diff --baseline baseline.json nightly-run --gate >> \"$GITHUB_STEP_SUMMARY\"

A side is one run or several of the same thing: repeated runs tell how much runs differ when nothing changed. A run is a
file or a directory; files that say they are ranks of one world are one run.

With --gate the exit code is 0 if nothing regressed, 1 if something did, and 3 if the two are not comparable or one of
them is incomplete or has no decode steps. Whatever is flagged as slower counts (see --gate-on), but parts of a step only
if the step as a whole did not really get faster.";

/// Compare two runs: what changed, by how much, and is it real.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct DiffArgs {
    /// The base and the new run; with --vs, runs of the base; with --baseline, runs of the new side.
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Runs of the new side; those before it are of the base.
    #[arg(long, value_name = "INPUT", num_args = 1.., conflicts_with = "baseline")]
    vs: Vec<PathBuf>,

    /// Take the base from a file that --save-baseline wrote.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_BASELINE")]
    baseline: Option<PathBuf>,

    /// Write the last side that was given to FILE, to compare with later. With one INPUT nothing else is done.
    #[arg(long, value_name = "FILE")]
    save_baseline: Option<PathBuf>,

    /// How to write the comparison.
    #[arg(long, value_enum, default_value_t, env = "PROFILE_DECODE_FORMAT")]
    format: ReportFormat,

    /// Write to FILE instead of stdout (`-`); a summary of ten lines then goes to stderr.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How much slower or faster a thing must be to be flagged: `5%` or `0.05`.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_share, env = "PROFILE_DECODE_THRESHOLD")]
    threshold: f64,

    /// File with thresholds for single categories, one a line: `attention 3%`. What follows a # is a comment.
    #[arg(long, value_name = "FILE", env = "PROFILE_DECODE_THRESHOLDS")]
    thresholds: Option<PathBuf>,

    /// Change in µs a step below which nothing is flagged.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 1.0, value_parser = parse_microseconds, env = "PROFILE_DECODE_MIN_IMPACT_US")]
    min_impact_us: f64,

    /// Tell the outcome by the exit code: 0 not regressed, 1 regressed, 3 not comparable or incomplete.
    #[arg(long, env = "PROFILE_DECODE_GATE", value_parser = clap::builder::FalseyValueParser::new())]
    gate: bool,

    /// What the verdict and the gate follow: any of `step`, `category`, `idle`, `kernel`, `batch`, `rank`, `tail`. All,
    /// unless they are given. Rows that it does not follow are shown all the same.
    #[arg(long, value_name = "ROWS", value_delimiter = ',', default_values_t = GateOn::ALL.map(Row), env = "PROFILE_DECODE_GATE_ON")]
    gate_on: Vec<Row>,

    /// The engines' logs, of the base and of the new; with --baseline, of the new alone.
    #[arg(long, value_name = "LOG", num_args = 1..=2)]
    server_log: Vec<PathBuf>,

    #[command(flatten)]
    captures: CaptureArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    steps: StepArgs,

    /// Set whole traces side by side, even if they have decode steps.
    #[arg(long, env = "PROFILE_DECODE_WHOLE_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    whole_trace: bool,

    #[command(flatten)]
    rules: RulesArgs,
}

/// A kind of row, as it is typed.
#[derive(Clone, Copy, Debug)]
struct Row(GateOn);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = GateOn::ALL.into_iter().find(|of| of.name() == text.trim());
        found.map(Self).ok_or_else(|| {
            let names = GateOn::ALL.map(GateOn::name).join(", ");
            format!("\"{text}\" is none of {names}")
        })
    }
}

pub(super) fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let sides = Sides::of(args)?;
    let options = compare::Options {
        threshold: args.threshold,
        thresholds: args.thresholds.as_deref().map_or_else(|| Ok(Vec::new()), read_thresholds)?,
        min_impact_ns: (args.min_impact_us * 1e3).round() as u64,
        gate_on: args.gate_on.iter().map(|row| row.0).collect(),
        ..compare::Options::default()
    };
    let step_options = input::step_options(&args.steps)?;
    let classifier = rules::classifier(&args.rules)?;
    let limits = args.limits.limits();
    let working = Working::on("reading");
    let mut unmet = None;
    let mut logs = args.server_log.iter();
    let mut read = |inputs: &[PathBuf]| {
        let log = logs.next().map(|path| engine::log(path)).transpose()?;
        let (side, failure) = side(inputs, args, &step_options, &classifier, (limits, log))?;
        unmet = unmet.take().or(failure);
        Ok::<Side, Failure>(side)
    };
    let (base, new) = match sides {
        Sides::Save(inputs) => {
            let (side, Some(path)) = (read(inputs)?, &args.save_baseline) else { unreachable!("checked by Sides::of") };
            drop(working);
            save(&side, path)?;
            return Ok(unmet.map_or(ExitCode::SUCCESS, |failure| failure.tell(args.format == ReportFormat::Json)));
        }
        Sides::Stored(path, inputs) => (read_baseline(path)?, read(inputs)?),
        Sides::Both(base, new) => (read(base)?, read(new)?),
    };
    working.now("comparing");
    let comparison = compare::compare(&base, &new, &options);
    drop(working);
    let bytes = rendered(&comparison, args.format, unmet.as_ref())?;
    match &args.output {
        Some(path) if path != Path::new("-") => {
            files::write(path, &bytes)?;
            render::comparison_summary(&comparison).iter().for_each(|line| status(line));
            status(&format!("comparison written to {}", path.display()));
        }
        _ => print(&bytes)?,
    }
    if let Some(path) = &args.save_baseline {
        save(&new, path)?;
    }
    if let Some(failure) = unmet {
        return Ok(failure.tell(false));
    }
    Ok(match comparison.verdict {
        Verdict::Regressed if args.gate => ExitCode::from(1),
        Verdict::NotComparable if args.gate => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    })
}

/// `comparison` in `format`; as JSON with what was asked of its steps and is not so.
fn rendered(comparison: &Comparison, format: ReportFormat, unmet: Option<&Failure>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let rendered = match (format, unmet) {
        (ReportFormat::Markdown, _) => render::comparison_markdown(comparison, &mut bytes),
        (ReportFormat::Html, _) => render::comparison_html(comparison, &mut bytes),
        (ReportFormat::Json, Some(error)) => render::json::write_pretty(&Failed { comparison, error }, &mut bytes),
        (ReportFormat::Json, None) => render::comparison_json(comparison, &mut bytes),
    };
    rendered.map_err(|error| files::stdout_failed(&error))?;
    Ok(bytes)
}

/// A comparison of other steps than those asked for.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    error: &'a Failure,
}

/// What is compared with what.
#[derive(Debug)]
enum Sides<'a> {
    Both(&'a [PathBuf], &'a [PathBuf]),
    Stored(&'a Path, &'a [PathBuf]),
    /// Nothing: a baseline is made.
    Save(&'a [PathBuf]),
}

impl<'a> Sides<'a> {
    fn of(args: &'a DiffArgs) -> Result<Self, Failure> {
        match (&args.inputs[..], &args.vs[..], &args.baseline) {
            ([], ..) => Err(Failure::usage("nothing to compare: give a base and a new run").hint("see diff --help")),
            (new, [], Some(baseline)) => Ok(Self::Stored(baseline, new)),
            (base, new @ [_, ..], _) => Ok(Self::Both(base, new)),
            ([base, new], [], None) => Ok(Self::Both(slice::from_ref(base), slice::from_ref(new))),
            ([_], [], None) if args.save_baseline.is_some() => Ok(Self::Save(&args.inputs)),
            ([_], [], None) => {
                Err(Failure::usage("only one run is given").hint("give a second one, or --baseline FILE"))
            }
            ([_, _, _, ..], [], None) => Err(Failure::usage(format!(
                "{} runs are given, and nothing says which are the base and which the new side",
                args.inputs.len()
            ))
            .hint("put --vs before the first of the new side")),
        }
    }
}

/// Reads one side; says what was asked of its steps and is not so.
fn side(
    inputs: &[PathBuf],
    args: &DiffArgs,
    options: &StepOptions,
    classifier: &Classifier,
    (limits, log): (Limits, Option<Log>),
) -> Result<(Side, Option<Failure>), Failure> {
    let capture_traces = args.captures.paths.clone();
    let reading = ingest::Options { limits, capture_traces, ..Default::default() };
    let mut runs = prepared(inputs, &reading, options, classifier)?;
    if let (Some(log), Some(run)) = (log, runs.first_mut()) {
        run.trace.around.add(Around { facts: log.facts(), ..Around::default() });
    }
    let unmet = runs.iter().find_map(|run| input::unmet(&args.steps, &run.steps)).filter(|_| !args.whole_trace);
    let unmet = unmet.map(|failure| match inputs {
        [input] => failure.at(input),
        _ => failure,
    });
    Ok((pipeline::side(&runs, args.whole_trace), unmet))
}

/// Reads the runs of one side: an input each, or all of them the ranks of one.
pub(super) fn prepared(
    inputs: &[PathBuf],
    reading: &ingest::Options,
    options: &StepOptions,
    classifier: &Classifier,
) -> Result<Vec<Prepared>, Failure> {
    let read = |inputs: &[PathBuf]| ingest::read_with(inputs, reading);
    let mut traces = inputs.iter().map(|input| read(slice::from_ref(input))).collect::<Result<Vec<Trace>, _>>()?;
    if are_ranks(&traces) {
        traces = vec![read(inputs)?];
    }
    Ok(traces.into_iter().map(|trace| Prepared::new(trace, classifier, options)).collect())
}

/// Whether `traces` are the ranks of one run: each says which rank of a larger world it is, and no two are the same.
fn are_ranks(traces: &[Trace]) -> bool {
    let mut numbers = Vec::new();
    for rank in traces.iter().flat_map(|trace| &trace.ranks) {
        match (rank.number, rank.world_size) {
            (Some(number), Some(2..)) if !numbers.contains(&number) => numbers.push(number),
            _ => return false,
        }
    }
    traces.len() > 1
}

fn save(side: &Side, path: &Path) -> Result<(), Failure> {
    let mut bytes = side.to_baseline();
    bytes.push(b'\n');
    files::write(path, &bytes)?;
    status(&format!("baseline written to {}", path.display()));
    Ok(())
}

fn read_baseline(path: &Path) -> Result<Side, Failure> {
    Side::from_baseline(files::text(path)?.as_bytes()).map_err(|error| {
        let failure = Failure::new(Kind::Malformed, format!("this is no baseline: {error}")).at(path);
        failure.hint("--save-baseline writes one; a trace is given without --baseline")
    })
}

fn read_thresholds(path: &Path) -> Result<Vec<(Category, f64)>, Failure> {
    let text = files::text(path)?;
    let mut thresholds = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let fail = |why: String| Failure::usage(format!("line {}: {why}", at + 1)).at(path);
        let (name, share) = line
            .split_once(|c: char| c.is_whitespace() || c == '=' || c == ':')
            .ok_or_else(|| fail(format!("\"{line}\" is not a category and a share, like `attention 3%`")))?;
        let category = Category::ALL.into_iter().find(|category| category.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Category::ALL.into_iter().map(Category::name).collect();
            fail(format!("\"{name}\" is no category: there are {}", names.join(", ")))
        })?;
        thresholds
            .push((category, parse_share(share.trim_matches(|c: char| c.is_whitespace() || c == '=')).map_err(fail)?));
    }
    Ok(thresholds)
}

fn parse_microseconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1e9).contains(&value) => Ok(value),
        _ => Err(format!("\"{text}\" is no number of microseconds")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_threshold_is_a_share_or_per_cent_and_nothing_else() {
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert_eq!(parse_share("0.05"), Ok(0.05));
        assert!(parse_share("5").unwrap_err().contains("5%"));
        assert!(parse_share("-1%").is_err());
        assert!(parse_share("nan").is_err());
        assert!(parse_share("").is_err());
    }

    #[test]
    fn thresholds_name_the_line_that_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("thresholds");
        fs::write(&path, "# mine\ngemm 3%\nattention = 0.1 # loose\n\n").unwrap();
        assert_eq!(read_thresholds(&path).unwrap(), [(Category::Gemm, 0.03), (Category::Attention, 0.1)]);
        fs::write(&path, "gemm 3%\nfoo 1%\n").unwrap();
        assert!(format!("{:?}", read_thresholds(&path).unwrap_err()).contains("line 2"));
    }
}
