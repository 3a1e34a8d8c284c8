//! `profile-decode tune-list`: the matrix products that ran, as aiter's tuners take them.
//!
//! Columns are those of aiter's own lists (ROCm/aiter, aiter/configs): `bf16_untuned_gemm.csv` for
//! `csrc/gemm_a16w16/gemm_tuner.py` (formerly in gradlib), and `M,N,K` for the tuners of quantised products
//! (`a8w8_untuned_gemm.csv`, `a4w4_blockscale_untuned_gemm.csv`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as Group, ValueEnum};
use serde::Deserialize;

use crate::analyze::roofline::{ToTune, to_tune};
use crate::ingest;
use crate::pipeline::Prepared;

use super::args::{EXIT_CODES, StepArgs};
use super::failure::{Failure, Kind};
use super::reading::ReadArgs;
use super::rules::RulesArgs;
use super::terminal::{deliver, status};
use super::{input, rules};

const EXAMPLES: &str = "\
Examples:
  profile-decode tune-list decode.json.gz --capture-trace capture_traces/ -o untuned.csv
  python3 csrc/gemm_a16w16/gemm_tuner.py --input_file untuned.csv --tuned_file tuned.csv    # in aiter
  profile-decode tune-list decode.json.gz --kind a8w8 -o a8w8_untuned_gemm.csv

Shapes are known of kernels whose operator noted its inputs (record_shapes=True), and of graph replays with the trace of
their capture. After tuning, `profile-decode diff` tells what it gained.";

/// List the matrix products that ran, for aiter's GEMM tuners.
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct TuneListArgs {
    /// Trace files, or directories of one run's files.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Which products to list.
    #[arg(long, value_enum, default_value_t, env = "PROFILE_DECODE_TUNE_KIND")]
    kind: TuneKind,

    /// Write to FILE instead of stdout (`-`).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    read: ReadArgs,

    #[command(flatten)]
    steps: StepArgs,

    /// The products of the whole trace, not only of the decode steps.
    #[arg(long, env = "PROFILE_DECODE_WHOLE_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    whole_trace: bool,

    #[command(flatten)]
    rules: RulesArgs,
}

/// Which products, by the type of their factors.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TuneKind {
    /// 16 or 32 bits, with biases and types.
    #[default]
    Bf16,
    /// 8 bits: M, N and K.
    A8w8,
    /// 4 bits: M, N and K.
    A4w4,
}

impl TuneKind {
    fn of(row: &ToTune) -> Self {
        match row.dtype {
            dtype if dtype.contains("float8") || dtype.contains("int8") => Self::A8w8,
            dtype if dtype.contains("float4") => Self::A4w4,
            _ => Self::Bf16,
        }
    }
}

pub(super) fn run(args: &TuneListArgs) -> Result<ExitCode, Failure> {
    let options = input::step_options(&args.steps)?;
    let classifier = rules::classifier(&args.rules)?;
    let trace = ingest::read_with(&args.inputs, &args.read.options())?;
    let run = Prepared::new(trace, &classifier, &options);
    input::refuse_foreign(&args.read.captures, &run.trace)?;
    let list = List::of(&run, args.kind, args.whole_trace)?;
    list.left_out.iter().for_each(|line| status(line));
    let what = format!("{} products written", list.products);
    deliver(args.output.as_deref(), list.csv.as_bytes(), &what)?;
    Ok(ExitCode::SUCCESS)
}

/// Products for a tuner.
pub(super) struct List {
    pub(super) csv: String,
    products: usize,
    /// What is not in it, a line each.
    left_out: Vec<String>,
}

impl List {
    /// The products of `run` that are of this kind.
    pub(super) fn of(run: &Prepared, kind: TuneKind, whole_trace: bool) -> Result<Self, Failure> {
        let (rows, untyped) = to_tune(&run.trace, &run.classes, &run.steps, whole_trace);
        let (batched, single): (Vec<&ToTune>, Vec<&ToTune>) = rows.iter().partition(|row| row.product.batch > 1);
        let (listed, others): (Vec<&ToTune>, Vec<&ToTune>) = single.iter().partition(|row| TuneKind::of(row) == kind);
        let left_out = [
            (others.len() as u64, "of other types: see --kind"),
            (batched.len() as u64, "batched, which the GEMM tuners do not take"),
            (untyped, "whose types are not known"),
        ];
        let left_out = left_out.into_iter().filter(|(count, _)| *count > 0);
        let left_out: Vec<String> =
            left_out.map(|(count, what)| format!("left out: {count} products {what}")).collect();
        if listed.is_empty() {
            let message = std::iter::once("no matrix product of this kind is known by shape");
            let message: Vec<&str> = message.chain(left_out.iter().map(String::as_str)).collect();
            let hint = "record the capture of the graphs with shapes and give it as --capture-trace, or profile eager steps with \
                        record_shapes=True";
            return Err(Failure::new(Kind::Empty, message.join("; ")).hint(hint));
        }
        Ok(Self { csv: csv(&listed, kind), products: listed.len(), left_out })
    }
}

fn csv(rows: &[&ToTune], kind: TuneKind) -> String {
    let python = |value: bool| if value { "True" } else { "False" };
    let full = |row: &&ToTune| {
        let ToTune { product, bias, dtype, out, scaled } = row;
        let (bias, scaled) = (python(*bias), python(*scaled));
        format!("{},{},{},{bias},{dtype},{out},{scaled},False\n", product.m, product.n, product.k)
    };
    let short = |row: &&ToTune| format!("{},{},{}\n", row.product.m, row.product.n, row.product.k);
    match kind {
        TuneKind::Bf16 => {
            let rows: String = rows.iter().map(full).collect();
            format!("M,N,K,bias,dtype,outdtype,scaleAB,bpreshuffle\n{rows}")
        }
        TuneKind::A8w8 | TuneKind::A4w4 => {
            // Types and biases do not matter here, and each shape is tuned once.
            let mut lines: Vec<String> = rows.iter().map(short).collect();
            lines.dedup();
            format!("M,N,K\n{}", lines.concat())
        }
    }
}
