//! Timelines with known steps, for the tests of this module: what the step detectors would find is given, so that an
//! analysis is tested alone.

use proptest::prelude::*;

use crate::classify::{Category, Classes, Traits, Verdict};
use crate::model::{Launch, LaunchCall, Product, RankIdx, Span, Trace, TraceBuilder};
use crate::steps::{Batch, Detector, Phase, Step, StepIdx, StepTable, Tail};

/// One step: kernels as (name, start, end).
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    pub(crate) warmup: bool,
    pub(crate) rank: u32,
    pub(crate) batch: Batch,
    pub(crate) kernels: Vec<Kernel>,
}

/// A kernel of a [`Row`].
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) stream: u64,
    /// When its launch call began, where known.
    pub(crate) launched_ns: Option<i64>,
    /// What its launch call was for, where that is known.
    pub(crate) product: Option<Product>,
}

impl Row {
    pub(crate) fn decode(kernels: &[(&str, i64, i64)]) -> Self {
        let kernel = |&(name, start_ns, end_ns): &(&str, i64, i64)| Kernel {
            name: name.to_owned(),
            start_ns,
            end_ns,
            stream: 0,
            launched_ns: None,
            product: None,
        };
        Self {
            phase: Phase::Decode,
            warmup: false,
            rank: 0,
            batch: Batch::default(),
            kernels: kernels.iter().map(kernel).collect(),
        }
    }

    pub(crate) fn prefill(kernels: &[(&str, i64, i64)]) -> Self {
        Self { phase: Phase::Prefill, ..Self::decode(kernels) }
    }

    pub(crate) fn warmup(kernels: &[(&str, i64, i64)]) -> Self {
        Self { warmup: true, ..Self::decode(kernels) }
    }

    pub(crate) fn on_rank(mut self, rank: u32) -> Self {
        self.rank = rank;
        self
    }
}

/// A trace, its classes and its steps.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) trace: Trace,
    pub(crate) classes: Classes,
    pub(crate) table: StepTable,
}

impl Drawn {
    pub(crate) fn scope(&self) -> crate::analyze::scope::Scope<'_> {
        crate::analyze::scope::Scope::new(&self.trace, &self.classes, &self.table, false)
    }

    pub(crate) fn report(&self) -> crate::output::Report {
        crate::analyze::report(&self.trace, &self.classes, &self.table, &crate::analyze::Options::default())
    }
}

/// What the names of these tests are: told by how they begin.
fn verdict(name: &str) -> Verdict {
    let category = match name {
        _ if name.starts_with("gemm") => Category::Gemm,
        _ if name.starts_with("attn") => Category::Attention,
        _ if name.starts_with("moe") => Category::Moe,
        _ if name.starts_with("reduce") => Category::Allreduce,
        _ if name.starts_with("quant") => Category::Quantization,
        _ if name.starts_with("norm") => Category::Other,
        _ => return Verdict::unknown(),
    };
    let sub = match name {
        "attn_merge" => Some("reduce/merge".into()),
        _ if name.starts_with("attn") => Some("mha_decode/paged".into()),
        _ if name.starts_with("norm") => Some("norm".into()),
        _ => None,
    };
    let collective = match name {
        "reduce_sum" => Some("all_reduce"),
        "reduce_exchange" => Some("all_to_all"),
        _ => None,
    };
    let traits = Traits { collective, ..Traits::default() };
    Verdict { category, sub, traits, backend: "hip".into(), rule: "test".into(), ..Verdict::unknown() }
}

/// A trace in which each row is one step, numbered from 0 on its rank in the order given; kernels of the rows named
/// by `outside` belong to no step.
pub(crate) fn trace_with_steps(rows: &[Row]) -> Drawn {
    trace_with_steps_and(rows, &[])
}

pub(crate) fn trace_with_steps_and(rows: &[Row], outside: &[Row]) -> Drawn {
    let ranks = rows.iter().chain(outside).map(|row| row.rank).max().map_or(1, |rank| rank + 1);
    let mut draw = TraceBuilder::new().drawing();
    for rank in 1..ranks {
        draw.on_new_rank(rank);
    }
    let builder = draw.builder();
    let mut key = 0;
    for row in rows.iter().chain(outside) {
        let rank = RankIdx::new(row.rank as usize);
        for kernel in &row.kernels {
            let stream = builder.stream(rank, kernel.stream);
            let name = builder.names().intern(&kernel.name);
            key += 1;
            let links = crate::model::Links { launch: kernel.launched_ns.map(|_| key), ..Default::default() };
            builder.dispatch(kernel.start_ns, kernel.end_ns, name, stream, links);
            if let Some(start_ns) = kernel.launched_ns {
                let span = Span::new(start_ns, start_ns + 1);
                let process = crate::model::ProcessIdx::new(0);
                let product = kernel.product.map(|product| builder.product(product));
                let launch =
                    Launch { span, call: LaunchCall::Kernel, process, thread: 1, graph: None, op: None, product };
                builder.launch(launch, Some(key));
            }
        }
    }
    let trace = draw.finish();
    let table = steps_of(&trace, rows);
    let classes = Classes::new(trace.names.iter().map(|(_, name)| verdict(name)).collect());
    Drawn { trace, classes, table }
}

/// Gives each dispatch to the first step that has a kernel like it left.
fn steps_of(trace: &Trace, rows: &[Row]) -> StepTable {
    let mut table = StepTable::none(trace);
    table.detector = Detector::Marker;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| rows[at].rank);
    let mut wanted = Vec::new();
    let mut number = 0;
    for (place, &at) in order.iter().enumerate() {
        let row = &rows[at];
        number = if place > 0 && rows[order[place - 1]].rank == row.rank { number + 1 } else { 0 };
        for kernel in &row.kernels {
            wanted.push((row.rank, kernel.name.as_str(), kernel.stream, kernel.start_ns, kernel.end_ns, place));
        }
        let hull = row.kernels.iter().map(|k| Span::new(k.start_ns, k.end_ns)).reduce(Span::hull);
        table.steps.push(Step {
            number,
            rank: RankIdx::new(row.rank as usize),
            phase: row.phase,
            batch: row.batch,
            label: None,
            cpu: None,
            gpu: hull.unwrap_or_default(),
            dispatches: row.kernels.len() as u32,
            gpu_time_ns: row.kernels.iter().map(|k| (k.end_ns - k.start_ns) as u64).sum(),
            tail: Tail::default(),
            warmup: row.warmup,
        });
    }
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        let stream = &trace.streams[dispatch.stream.index()];
        let rank = stream.rank.index() as u32;
        let like = (rank, trace.kernel(dispatch), stream.id, dispatch.span.start_ns, dispatch.span.end_ns);
        let found = wanted.iter().position(|&(r, name, id, start, end, _)| (r, name, id, start, end) == like);
        table.of_dispatch[position] = found.map(|at| StepIdx::new(wanted.swap_remove(at).5));
    }
    table
}

/// Name, start after its step's, length, stream, and launch relative to the start.
type AnyKernel = (&'static str, i64, i64, u64, Option<i64>);

/// Any timeline: a few ranks, steps of all phases, kernels on two streams with overlaps, some launched late.
pub(crate) fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let name = prop::sample::select(vec!["gemm_a", "gemm_b", "attn", "moe", "reduce", "quant", "norm", "odd"]);
    let kernel = (name, 0_i64..200, 0_i64..80, 0_u64..2, prop::option::of(-60_i64..30));
    let step = (0_u32..3, 0_u8..8, prop::collection::vec(kernel, 0..8), 0_i64..50);
    prop::collection::vec(step, 1..12).prop_map(|steps| {
        let mut clock = 1_000;
        let row = |(rank, kind, kernels, pause): (u32, u8, Vec<AnyKernel>, i64)| {
            let kernels: Vec<Kernel> = kernels
                .into_iter()
                .map(|(name, offset, length, stream, launched)| Kernel {
                    name: name.to_owned(),
                    start_ns: clock + offset,
                    end_ns: clock + offset + length,
                    stream,
                    launched_ns: launched.map(|at| clock + offset + at),
                    product: None,
                })
                .collect();
            clock += 150 + pause;
            let phase = match kind {
                0 => Phase::Prefill,
                1 => Phase::Draft,
                _ => Phase::Decode,
            };
            Row { phase, warmup: kind == 2, rank, batch: Batch::default(), kernels }
        };
        steps.into_iter().map(row).collect()
    })
}

/// Ranks that run the same steps and meet in the same collectives, each at its own pace; now and then one lacks a
/// collective. No two kernels of different ranks start or end at the same time.
pub(crate) fn any_served_ranks() -> impl Strategy<Value = Vec<Row>> {
    let lengths = prop::collection::vec(1_i64..60, 12);
    let ranks = prop::collection::vec((lengths, 0_i64..40), 2..5);
    let lost = prop::option::of((0_usize..4, 0_usize..6));
    (ranks, 1_usize..4, lost, 1_i64..20).prop_map(|(ranks, meetings, lost, transfer)| {
        let own = |time: i64, rank: usize| time * 8 + rank as i64;
        let mut now: Vec<i64> = ranks.iter().map(|(_, late)| *late).collect();
        let mut rows: Vec<Row> = Vec::new();
        for step in 0..3 {
            let mut of_step: Vec<Vec<(&str, i64, i64)>> = vec![Vec::new(); ranks.len()];
            for meeting in 0..meetings {
                let name = ["gemm", "attn", "moe"][meeting % 3];
                for (rank, (lengths, _)) in ranks.iter().enumerate() {
                    let length = lengths[(step * meetings + meeting) % lengths.len()];
                    of_step[rank].push((name, own(now[rank], rank), own(now[rank] + length, rank)));
                    now[rank] += length + 1;
                }
                let all = now.iter().copied().max().unwrap_or(0) + transfer;
                for (rank, now) in now.iter_mut().enumerate() {
                    if lost != Some((rank, step * meetings + meeting)) {
                        of_step[rank].push(("reduce", own(*now, rank), own(all, rank)));
                    }
                    *now = all + 1;
                }
            }
            now.iter_mut().enumerate().for_each(|(rank, now)| *now += ranks[rank].0[11]);
            let step = of_step.iter().enumerate().map(|(rank, kernels)| Row::decode(kernels).on_rank(rank as u32));
            rows.extend(step);
        }
        rows
    })
}
